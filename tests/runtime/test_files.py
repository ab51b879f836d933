"""The project is with the code that runs, wherever it was started; files are replaced as a whole."""
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from minidl.runtime.files import data_folder, project_root, replacing
from tests.programs import ROOT, run

SAY = "from minidl.runtime.files import project_root; print(project_root())"


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A project; its lessons copied to somewhere else; minidl installed without its project; an empty folder."""
    top = tmp_path_factory.mktemp("pläces").resolve()
    for folder in ("project/lessons", "project/minidl", "copy/lessons", "elsewhere"):
        (top / folder).mkdir(parents=True)
    for folder in ("project", "copy"):
        (top / folder / "lessons" / "say.py").write_text(SAY, encoding="utf-8")
    shutil.copytree(ROOT / "minidl", top / "site-packages" / "minidl",
                    ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    return top


@pytest.mark.parametrize("program, cwd, library, expected", [
    ("project/lessons/say.py", "elsewhere", ROOT, "project"), ("project/lessons/say.py", ROOT, ROOT, "project"),
    ("copy/lessons/say.py", "elsewhere", ROOT, ROOT), ("copy/lessons/say.py", "project/lessons", ROOT, ROOT),
    ("copy/lessons/say.py", "elsewhere", "site-packages", "elsewhere"),
    ("copy/lessons/say.py", "project/lessons", "site-packages", "project"),
    (None, "project/lessons", ROOT, "project"), (None, "elsewhere", ROOT, ROOT),        # a notebook, a prompt
    (None, "project/lessons", "site-packages", "project"), (None, "elsewhere", "site-packages", "elsewhere"),
])
def test_the_project_is_where_the_running_code_is(places, program, cwd, library, expected):
    program = [places / program] if program else ["-c", SAY]
    result = run(*program, cwd=places / cwd, PYTHONPATH=str(places / library))
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()) == places / expected             # where one is absolute, it is that one


def test_a_lesson_can_be_started_elsewhere_and_writes_nothing_there(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = run(ROOT / "lessons" / "01_softmax_regression.py", "--quick", "--out", tmp_path / "out", cwd=elsewhere)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "out" / "01_softmax_regression" / "metrics.json").is_file() and not list(elsewhere.iterdir())


def test_all_lessons_can_be_started_elsewhere(tmp_path):
    result = run(ROOT / "lessons", "1", "--quick", "--out", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "out" / "index.html").is_file() and len(list(tmp_path.iterdir())) == 1


def test_data_are_made_in_the_project_wherever_the_command_is_started(tmp_path, places, monkeypatch):
    from minidl.datasets import synthetic_pets
    monkeypatch.chdir(places / "elsewhere")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(places / "project" / "lessons" / "say.py"))
    monkeypatch.delenv("MINIDL_DATA", raising=False)
    for name in synthetic_pets.WORKER_SETTINGS:                    # main would set them for good
        monkeypatch.setenv(name, "1")
    made = []
    monkeypatch.setattr(synthetic_pets, "write", lambda folder, *options: made.append(folder))
    assert synthetic_pets.main([]) == 0
    monkeypatch.setenv("MINIDL_DATA", str(places / "roomy disk"))
    assert synthetic_pets.main([]) == 0
    assert made == [places / "project" / "data" / "synthetic-pets", places / "roomy disk" / "synthetic-pets"]


def test_minidl_data_may_be_empty_relative_or_below_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIDL_DATA", "")
    assert data_folder() == project_root() / "data"
    monkeypatch.setenv("MINIDL_DATA", "some where")
    assert data_folder() == Path("some where")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("MINIDL_DATA", str(Path("~") / "pets"))
    assert data_folder() == tmp_path / "pets"


@pytest.mark.parametrize("name", ["a", "a" * 231, "ä" * 120 + ".png", "猫" * 85, "b" * 255])
def test_a_name_of_any_length_can_be_replaced(name, tmp_path):
    if sys.platform == "win32":
        name = name[:100]
    for text in ("old", "new"):
        with replacing(tmp_path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "new"


def test_threads_replace_files_of_alike_names_at_a_time(tmp_path):
    names = [f"{'a' * 100} {k}" for k in range(8)] * 2
    ready = threading.Barrier(len(names))

    def write(name):
        with replacing(tmp_path / name) as temporary:
            temporary.write_text(name, encoding="utf-8")
            ready.wait(timeout=60)

    with ThreadPoolExecutor(len(names)) as pool:
        assert len(list(pool.map(write, names))) == len(names)
    assert all((tmp_path / name).read_text(encoding="utf-8") == name for name in names)
    assert len(list(tmp_path.iterdir())) == 8


@pytest.mark.parametrize("error, said", [
    (OSError(28, "No space left on device"), r"\[Errno 28\] No space left on device: .*file.txt"),
    (OSError("of its own"), "of its own"), (FileNotFoundError(2, "No such file", "another"), "No such file: .another"),
])
def test_an_error_names_the_file_and_leaves_the_old_one(error, said, tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(OSError, match=said), replacing(path) as temporary:
        temporary.write_text("half of the ne", encoding="utf-8")
        raise error
    assert list(tmp_path.iterdir()) == [path] and path.read_text(encoding="utf-8") == "old"
    (tmp_path / "folder" / "x").mkdir(parents=True)
    with pytest.raises(OSError, match=r"folder'$"), replacing(tmp_path / "folder") as temporary:
        temporary.write_text("a file instead of a folder", encoding="utf-8")
    assert (tmp_path / "folder" / "x").is_dir() and len(list(tmp_path.iterdir())) == 2
