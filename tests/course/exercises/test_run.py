"""Whatever the reader's functions do, the check comes to an end and says what happened."""
import subprocess
import sys
from pathlib import Path

import pytest

from minidl.course.exercises.catalog import find_exercises
from minidl.course.exercises.run import Result, check_exercises, checks_of
from minidl.course.exercises.worker import TOO_MUCH
from minidl.course.exercises.workspace import FAILED, OPEN, PASSED

ROOT = Path(__file__).resolve().parents[3]
EXERCISES = find_exercises(ROOT / "lessons" / "exercises")[0]
RIGHT = "def linear_forward(x, weight, bias):\n    return x @ weight.T + bias\n"


def checked(tmp_path: Path, text: str, seconds: float = 20.0) -> list[Result]:
    path = tmp_path / "00_layer_and_gradient.py"
    path.write_text("import numpy as np\n\n\n" + text, encoding="utf-8")
    return check_exercises(EXERCISES, path, checks_of(0), ROOT, seconds)


def test_right_missing_and_open(tmp_path: Path) -> None:
    right, missing, still_open = checked(
        tmp_path, RIGHT + "def numeric_gradient(f, x):\n    raise NotImplementedError\n")
    assert (right.state, right.message) == (PASSED, "")
    assert missing.state == FAILED and missing.message == "00_layer_and_gradient.py has no function linear_backward."
    assert still_open.state == OPEN


def test_endless_loop_is_stopped_and_the_others_are_checked(tmp_path: Path) -> None:
    text = "def linear_forward(x, weight, bias):\n    while True:\n        x = x + 1\n"
    endless, missing, _ = checked(tmp_path, text, seconds=1.5)
    assert endless.state == FAILED
    assert endless.message.startswith("Stopped after 1.5 seconds: does a loop never end? It was at line ")
    assert missing.message.endswith("has no function linear_backward.")


@pytest.mark.parametrize("body", ["np.zeros((200_000, 10_000)) + 1", "[0] * 10**10"])
def test_huge_memory_is_refused(tmp_path: Path, body: str) -> None:
    result = checked(tmp_path, f"def linear_forward(x, weight, bias):\n    y = {body}\n    return y\n")[0]
    assert result.state == FAILED and "MiB of memory" in result.message


def test_syntax_error_is_shown_as_one(tmp_path: Path) -> None:
    results = checked(tmp_path, "def linear_forward(x, weight, bias)\n    return x\n")
    assert all(result.state == FAILED for result in results)
    assert "line 4" in results[0].message and "def linear_forward(x, weight, bias)\n" in results[0].message
    assert "SyntaxError" in results[0].message and str(tmp_path) not in results[0].message


def test_exception_shows_the_readers_own_lines(tmp_path: Path) -> None:
    result = checked(tmp_path, "def linear_forward(x, weight, bias):\n    return helper(x)\n\n\n"
                               "def helper(x):\n    return x.nothing\n")[0]
    assert result.message.splitlines()[:5] == [
        "line 5, in linear_forward:", "    return helper(x)", "line 9, in helper:", "    return x.nothing",
        "AttributeError: 'numpy.ndarray' object has no attribute 'nothing'"]


def test_exception_in_a_case_shows_the_call(tmp_path: Path) -> None:
    text = "def linear_forward(x, weight, bias):\n    return x @ weight.T + bias if len(x) == 2 else 1 / 0\n"
    result = checked(tmp_path, text)[0]
    assert "ZeroDivisionError" in result.message
    assert "The call was linear_forward(x, weight, bias)\nx: shape (1, 1):" in result.message


@pytest.mark.parametrize("body, said", [
    ("max(x, 0)", "np.maximum(x, 0)"), ("x + np.zeros((7, 9, 11))", "Two shapes do not fit"), ("x @ x[0][:1]", "a @ b"),
])
def test_usual_exceptions_come_with_a_hint(tmp_path: Path, body: str, said: str) -> None:
    result = checked(tmp_path, f"def linear_forward(x, weight, bias):\n    return {body}\n")[0]
    assert result.state == FAILED and said in result.message


@pytest.mark.parametrize("body, said", [("import os; os._exit(7)", "exit status 7"), ("exit(3)", "SystemExit: 3")])
def test_ended_process_is_told(tmp_path: Path, body: str, said: str) -> None:
    result = checked(tmp_path, f"def linear_forward(x, weight, bias):\n    {body}\n")[0]
    assert result.state == FAILED and said in result.message


def test_what_is_printed_is_kept(tmp_path: Path) -> None:
    result = checked(tmp_path, "def linear_forward(x, weight, bias):\n    print('x is', x.shape)\n    return x\n")[0]
    assert result.printed.startswith("x is (2, 2)\n")


def test_import_of_what_is_not_there_is_named(tmp_path: Path) -> None:
    result = checked(tmp_path, "import nothing_of_that_name\n")[0]
    assert "line 4" in result.message and "No module named 'nothing_of_that_name'" in result.message


def test_broken_checks_are_not_the_readers_fault(tmp_path: Path) -> None:
    path = tmp_path / "00_layer_and_gradient.py"
    path.write_text(RIGHT, encoding="utf-8")
    with pytest.raises(RuntimeError, match="(?s)00_layer_and_gradient.py ended with status 1.*no_such_checks"):
        check_exercises(EXERCISES, path, "no_such_checks", ROOT)


@pytest.mark.parametrize("body", ["np.ones((20_000, 10_000))", "[[0] * 10**7 for _ in range(20)]"])
def test_memory_is_watched_where_the_system_has_no_limit(tmp_path: Path, body: str) -> None:
    path, record = tmp_path / "00_layer_and_gradient.py", tmp_path / "results.jsonl"
    path.write_text(f"import numpy as np\nimport time\n\n\ndef linear_forward(x, weight, bias):\n    y = {body}\n"
                    "    time.sleep(0.5)\n    return y\n", encoding="utf-8")
    program = ("import sys; sys.modules['resource'] = None; from minidl.course.exercises.worker import main; "
               "main(*sys.argv[1:])")
    done = subprocess.run([sys.executable, "-c", program, checks_of(0), str(path), str(EXERCISES[0].path), str(record),
                           "30", "linear_forward"], cwd=ROOT, timeout=60)
    assert done.returncode == TOO_MUCH
