"""`python -m lessons.exercises`, as a reader uses it."""
from pathlib import Path

import pytest

from lessons.exercises.__main__ import HERE, main
from minidl.course.exercises.catalog import find_exercises

WRONG = "def linear_forward(x, weight, bias):\n    return x @ weight.T\n"
COUNT = sum(map(len, find_exercises(HERE).values()))


@pytest.fixture
def my(tmp_path: Path) -> Path:
    return tmp_path / "my"


def put(my: Path, text: str) -> None:
    (my / "00_layer_and_gradient.py").write_text("import numpy as np\n" + text, encoding="utf-8")


def test_first_board_makes_the_folder(my: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], my) == 0
    said = capsys.readouterr().out
    assert f"made {my}" in said and f"0 of {COUNT} done" in said
    assert "next: 00.1 linear_forward" in said and "00_layer_and_gradient.py, line 8, then" in said
    assert (my / "04_convolution.py").read_text(encoding="utf-8") == (HERE / "04_convolution.py").read_text("utf-8")


def test_failure_hint_pass(my: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([], my)
    put(my, WRONG)
    assert main(["00"], my) == 1
    said = capsys.readouterr().out
    assert "✗ 00.1 linear_forward" in said and "the bias is missing: y = x Wᵀ + b." in said
    assert "Lesson 0, section 4, “Many numbers: the layer `Linear`”" in said
    assert main(["0.1", "--hint"], my) == main(["0.1", "--hint"], my) == 0
    said = capsys.readouterr().out
    assert "hint 1 of 2" in said and "hint 2 of 2" in said
    put(my, WRONG.replace("weight.T", "weight.T + bias"))
    assert main(["00.1"], my) == 0
    assert "✓ 00.1 linear_forward" in capsys.readouterr().out
    main([], my)
    assert f"1 of {COUNT} done" in capsys.readouterr().out


def test_board_checks_what_has_changed(my: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([], my)
    put(my, WRONG.replace("weight.T", "weight.T + bias"))
    main([], my)
    said = capsys.readouterr().out
    assert "checking 00 ..." in said and f"1 of {COUNT} done" in said
    main([], my)
    assert "checking" not in capsys.readouterr().out


def test_reset_keeps_what_was_written(my: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([], my)
    put(my, WRONG)
    assert main(["00", "--reset"], my) == 0
    assert "what you wrote is in" in capsys.readouterr().out
    assert (my / "00_layer_and_gradient.old-1.py").read_text(encoding="utf-8").endswith(WRONG)


def test_solution_is_the_librarys_code(my: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["04.3", "--solution"], my) == 0
    said = capsys.readouterr().out
    assert "im2col.py, line " in said and "def col2im(" in said


@pytest.mark.parametrize("arguments", [["99"], ["04.99"], ["x"], ["--hint"], ["--solution"], ["--reset"]])
def test_numbers_that_are_not_there_are_refused(my: Path, arguments: list[str],
                                                capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments, my)
    assert ("such as 04.2" if arguments[0].startswith("-") else "there are: 00.1–3, ") in capsys.readouterr().err


def test_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my").write_text("a file", encoding="utf-8")
    with pytest.raises(SystemExit):
        main([], tmp_path / "my")
    assert "my" in capsys.readouterr().err
