"""Lessons as notebooks: every cell is there, in a form that Jupyter reads."""
import ast
import json
import subprocess
from pathlib import Path

import pytest

from lessons.__main__ import main
from minidl.course.gallery.notebooks import NOWHERE, notebook, origin, write_notebooks
from minidl.course.gallery.scripts import find_scripts, split_cells

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = find_scripts(ROOT / "lessons")


@pytest.mark.parametrize("number", SCRIPTS)
def test_notebook_has_the_cells_of_the_script(number: int, tmp_path: Path) -> None:
    path, = write_notebooks([SCRIPTS[number]], tmp_path, "https://example.org/minidl")
    book = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == f"{SCRIPTS[number].name}.ipynb" and (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    first, setup, *others = book["cells"]
    cells = split_cells(SCRIPTS[number].path.read_text(encoding="utf-8"))
    assert first["cell_type"] == "markdown" and "".join(first["source"]).startswith(f"# {number:02d} · ")
    assert 'SOURCE = "https://example.org/minidl"' in "".join(setup["source"])
    assert ["".join(cell["source"]) for cell in (first, *others)] == [cell.text for cell in cells]
    assert [cell["cell_type"] == "code" for cell in (first, *others)] == [cell.code for cell in cells]
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    assert all(cell["outputs"] == [] and cell["execution_count"] is None
               for cell in book["cells"] if cell["cell_type"] == "code")


def test_first_code_cell_finds_the_project_above_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "".join(notebook("# %% [markdown]\n# # A\n", "x")["cells"][1]["source"])
    python = code.replace('!git clone --quiet --depth 1 "{SOURCE}" minidl-lessons', "raise AssertionError").replace(
        '%pip install --quiet -e "{project}"', "raise AssertionError")
    inside = tmp_path / "project" / "out" / "notebooks"
    inside.mkdir(parents=True)
    (tmp_path / "project" / "minidl" / "layers").mkdir(parents=True)
    monkeypatch.chdir(inside)
    names: dict[str, object] = {}
    monkeypatch.setattr("sys.path", ["before"])
    exec(compile(ast.parse(python.replace("import minidl", "")), "cell", "exec"), names)
    assert names["project"] == str(tmp_path / "project")


@pytest.mark.parametrize("address, found", [
    ("https://example.org/minidl.git", "https://example.org/minidl.git"),
    ("git@example.org:minidl", "git@example.org:minidl"),
    ("/somewhere/on/this/machine", NOWHERE), ("", NOWHERE)])
def test_source_is_an_address_that_others_can_reach(address: str, found: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    if address:
        subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", address], check=True)
    assert origin(tmp_path) == found


def test_command_writes_those_that_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--notebooks", "1", "17", "--out", str(tmp_path)]) == 0
    assert sorted(path.name[:2] for path in (tmp_path / "notebooks").iterdir()) == ["01", "17"]
    assert "notebooks: 2 in" in capsys.readouterr().out
    assert main(["--notebooks", "--out", str(tmp_path)]) == 0
    assert len(list((tmp_path / "notebooks").iterdir())) == len(SCRIPTS)
