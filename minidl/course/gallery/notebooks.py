"""Lessons as Jupyter notebooks: the cells of a script as JSON, for Jupyter, VS Code and Colab."""
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minidl.course.gallery.scripts import Cell, Script, split_cells
from minidl.runtime.files import make_folder, replacing

NOWHERE = "WRITE HERE WHERE THE PROJECT CAN BE CLONED FROM"
FIRST = '''\
# Where the project is: a folder above this notebook or, where there is none (on Colab, for one), a clone of it.
import os, pathlib, sys

SOURCE = "{source}"
here = pathlib.Path.cwd()
project = next((str(folder) for folder in (here, *here.parents) if (folder / "minidl" / "layers").is_dir()), None)
if project is None:
    if not os.path.isdir("minidl-lessons"):
        !git clone --quiet --depth 1 "{{SOURCE}}" minidl-lessons
    project = os.path.abspath("minidl-lessons")
    %pip install --quiet -e "{{project}}"
    os.chdir(project)
sys.path[:0] = [project, os.path.join(project, "lessons")]
import minidl'''


def write_notebooks(scripts: Sequence[Script], folder: Path, source: str | None = None) -> list[Path]:
    """Write NN_lesson.ipynb of each lesson into a folder; return the paths.

    Parameters
    ----------
    scripts : list of Script
    folder : Path
        Made if need be.
    source : str, optional
        Where the project can be cloned from, for notebooks that are opened without it (default: where this one was).
    """
    make_folder(folder)
    paths = []
    for script in scripts:
        path = folder / f"{script.name}.ipynb"
        book = notebook(script.path.read_text(encoding="utf-8"), source or origin(script.path.parent))
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def notebook(text: str, source: str) -> dict[str, Any]:
    """Return a script in percent format as a notebook of format 4.5."""
    title, *others = split_cells(text)
    cells = [title, Cell(True, FIRST.format(source=source)), *others]
    return {
        "cells": [_cell(cell, number) for number, cell in enumerate(cells)],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                     "language_info": {"name": "python"}},
        "nbformat": 4, "nbformat_minor": 5}


def _cell(cell: Cell, number: int) -> dict[str, Any]:
    shared = {"id": f"cell-{number:03d}", "metadata": {}, "source": cell.text.splitlines(keepends=True)}
    if not cell.code:
        return {"cell_type": "markdown", **shared}
    return {"cell_type": "code", **shared, "execution_count": None, "outputs": []}


def origin(folder: Path) -> str:
    """Return the address that the project in a folder was cloned from; a request to write it if there is none."""
    try:
        found = subprocess.run(["git", "config", "--get", "remote.origin.url"], cwd=folder, capture_output=True,
                               text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        found = ""
    return found if re.match(r"https?://|git@|ssh://", found) else NOWHERE
