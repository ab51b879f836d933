"""Programs as others start them: from a notebook, into a pipe, without a home, in a folder that is gone, with -O."""
import ast
import csv
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from minidl.runtime.files import project_root, shorten
from tests.programs import ROOT, run
from tests.samples import noise

DRAWS = [path for folder in ("lessons", "minidl") for path in sorted((ROOT / folder).rglob("*.py"))
         if path.parent != ROOT / "minidl" / "plotting" and "matplotlib" in path.read_text(encoding="utf-8")]
LESSON = ROOT / "lessons" / "01_softmax_regression.py"
BACKENDS = ["module://matplotlib_inline.backend_inline", "Qt4Agg"]     # of a notebook, and of long ago


# A backend of matplotlib that is not installed

@pytest.mark.parametrize("path", DRAWS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_minidl_is_imported_before_matplotlib(path):
    """For minidl.plotting imports matplotlib so that no backend that the environment names is in the way."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    imports = [ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    first = next((i for i, line in enumerate(imports) if re.match(r"(import|from) matplotlib", line)), len(imports))
    assert first == len(imports) or any(map(re.compile(r"from minidl.*\b(plotting|course)\b").match, imports[:first]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_that_is_not_there_keeps_nothing_from_drawing(backend):
    done = run("-c", "import os; from minidl import plotting; print(os.environ['MPLBACKEND']);"
               "plotting.learning_curves([{'loss': 1.0}], {})", MPLBACKEND=backend)
    assert done.stdout.strip() == backend and done.returncode == 0, done.stderr


def test_a_backend_that_is_there_is_used():
    done = run("-c", "from minidl import plotting; import matplotlib; print(matplotlib.get_backend())",
               MPLBACKEND="svg")
    assert done.stdout.strip().lower() == "svg"


# Whole programs

@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for k, image in enumerate(noise(3)):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{k}.png")
    return folder


def started(*arguments, **options):
    """Start a program that can tell nobody anything after its first line; return its exit status and errors."""
    with subprocess.Popen([sys.executable, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", **options) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        return process.stderr.read(), process.wait()


def test_work_goes_on_when_nobody_reads_what_it_says(images, tmp_path):
    assert started("-m", "minidl.predict", images, "--out", tmp_path, "--size", 32) == ("", 0)
    assert len(list(tmp_path.rglob("*.mask.png"))) == 3 and (tmp_path / "table.csv").is_file()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": BACKENDS[0]}
    assert started(LESSON, "--quick", "--out", tmp_path, env=environment) == ("", 0)
    assert (tmp_path / LESSON.stem / "metrics.json").is_file()


def test_a_benchmark_ends_when_nobody_reads_it():
    errors, status = started("-m", "minidl.benchmark", "--quick", "--no-torch", "--only", "growth")
    assert status == 141 and "Traceback" not in errors


@pytest.mark.skipif(os.name != "posix", reason="only a shell of POSIX can close them")
def test_standard_streams_may_be_closed(images, tmp_path):
    program = [sys.executable, "-m", "minidl.predict", images, "--size", "32", "--out", tmp_path]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *program], cwd=ROOT, capture_output=True)
    assert done.returncode == 0 and len(list(tmp_path.rglob("*.mask.png"))) == 3, done.stderr


def test_nothing_depends_on_asserts_hashes_warnings_or_a_home(tmp_path):
    """The same numbers and figures, to the byte. (What libraries say of their own future is not our business.)"""
    def begin(seed, *options):
        return run(*options, LESSON, "--quick", "--out", tmp_path / seed, "--threads", "1", PYTHONHASHSEED=seed,
                   HOME=tmp_path / "none", MPLCONFIGDIR=tmp_path)
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(begin, "1", "-OO"),
                pool.submit(begin, "2", "-W", "error", "-W", "ignore::DeprecationWarning")]
    written = []
    for seed, done in zip("12", runs):
        assert done.result().returncode == 0, done.result().stderr
        folder = tmp_path / seed / LESSON.stem
        numbers = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        for name in ("seconds", "options", "arguments"):
            del numbers[name]
        written.append((numbers, {path.name: path.read_bytes() for path in folder.glob("*.png")}))
    assert written[0] == written[1]


@pytest.mark.parametrize("program", [
    (LESSON, "--quick", "--out"), ("-m", "minidl.predict", "IMAGES", "--out"),
    ("-m", "minidl.benchmark", "--quick", "--only", "steps", "--no-torch", "--json")],
    ids=["lesson", "predict", "benchmark"])
def test_a_place_that_cannot_be_written_is_named_before_the_work(program, images, tmp_path):
    file = tmp_path / "file"
    file.touch()
    done = run(*[images if argument == "IMAGES" else argument for argument in program], file / "below")
    assert done.returncode in (1, 2) and "error: " in done.stderr and "Traceback" not in done.stderr
    assert str(file) in done.stderr and "..." not in done.stderr and "flowers" not in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="Windows removes no current folder")
def test_the_current_folder_may_be_gone(images, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert project_root() == ROOT and shorten(tmp_path) == str(tmp_path)
    done = subprocess.run([sys.executable, "-m", "minidl.predict", images, "--size", "32", "--out", tmp_path / "out"],
                          env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out" / "table.csv", encoding="utf-8", newline="") as table:
        assert len(list(csv.DictReader(table))) == 3
