"""The library's code on the page, and the links from names in the lessons' code to it."""
import ast
import re
from pathlib import Path

import pytest

import minidl
from minidl.course.gallery.highlight import highlight
from minidl.course.gallery.library import core_lines, core_modules, library_part, links
from minidl.course.gallery.names import core_file, defined_as, names_in
from minidl.course.gallery.page import page
from minidl.course.gallery.scripts import find_scripts
from tests.course.structure import Structure, text_of

ROOT = Path(minidl.__file__).resolve().parents[1]
FILES = [path for modules in core_modules().values() for path in map(core_file, modules) if path is not None]
SCRIPTS = list(find_scripts(ROOT / "lessons").values())


def code_of(script):
    return [cell.text for cell in script.cells if cell.code]


def test_every_file_of_the_core_is_there_once():
    core = [*(ROOT / "minidl").glob("*.py"), *(ROOT / "minidl" / "layers").glob("*.py")]
    assert len(FILES) == len(core) and set(FILES) == set(core)
    assert core_lines() == sum(len(path.read_text(encoding="utf-8").splitlines()) for path in core)


def test_readme_has_the_same_reading_order():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    order = re.findall(r"\]\((minidl/[\w/]+\.py)\)\s+\(\d", text.partition("## How to read the library")[2])
    assert order == [path.relative_to(ROOT).as_posix() for path in FILES][:len(order)] and len(order) >= 20


def test_library_part_has_the_code_of_each_file_to_the_letter():
    shown = re.findall(r"<pre id=\"[\w.]+\"><code>(.*?)</code></pre>", library_part(), re.S)
    assert [text_of(code) for code in shown] == [path.read_text(encoding="utf-8").rstrip() for path in FILES]


def test_each_class_and_function_has_an_anchor_in_a_folded_file():
    structure = Structure(f"<h1></h1><h2></h2>{library_part()}")
    assert structure.wrong == []
    for module in (module for modules in core_modules().values() for module in modules):
        path = core_file(module)
        assert path is not None
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
        assert {module, *(f"{module}.{name}" for name in names)} <= set(structure.ids)
    assert "<details class=\"file\">" in library_part() and " open" not in re.sub(">[^<]*<", "><", library_part())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_what_a_lesson_takes_from_the_core_is_linked(script):
    pieces = code_of(script)
    linked = {text for source, marks in zip(pieces, links(pieces))
              for text in re.findall('<a href="[^"]*">(.*?)</a>', highlight(source, marks))}
    taken = {(str(node.module), one.name): one.asname or one.name for node in ast.walk(ast.parse("\n".join(pieces)))
             if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("minidl") for one in node.names}
    assert taken
    for (module, name), known_as in taken.items():
        value = getattr(__import__(module, fromlist=[name]), name)
        home = getattr(value, "__module__", "")
        if isinstance(value, type) or callable(value):
            assert (name in linked or known_as in linked) == (core_file(home) is not None), (module, name)


def test_page_has_a_target_for_every_link_and_shows_code_without_a_script(tmp_path):
    text = page(SCRIPTS[:2], tmp_path)
    structure = Structure(text)
    assert structure.wrong == [] and "library" in structure.ids and 'href="#minidl.layers.linear.Linear"' in text
    cells = re.findall('<details class="code"(.*?)>', text)
    assert len(cells) == sum(map(len, map(code_of, SCRIPTS[:2]))) and set(cells) == {" open"}


@pytest.mark.parametrize("name, expected", [
    ("minidl.Conv2d", "minidl.layers.conv.Conv2d"), ("minidl.layers.Conv2d", "minidl.layers.conv.Conv2d"),
    ("minidl.metrics", "minidl.metrics"), ("minidl.metrics.mean_iou", "minidl.metrics.mean_iou"),
    ("minidl", "minidl"), ("minidl.plotting", ""), ("minidl.DiceLoss", ""), ("minidl.Conv2d.forward", ""),
    ("minidl.nothing", ""), ("numpy.zeros", ""), ("minidl.layers.conv.np", ""), ("", ""), ("minidl..conv", "")])
def test_where_a_name_is_defined(name, expected):
    assert defined_as(name) == expected


@pytest.mark.parametrize("pieces, expected", [
    (["from minidl import Conv2d as C", "é = '😀'; C(1)"], [{(1, 19): "Conv2d"}, {(1, 9): "Conv2d"}]),
    (["import minidl", "x = minidl.Conv2d(3,\n  minidl.layers.conv.Conv2d)"],
     [{}, {(1, 4): "", (1, 11): "Conv2d", (2, 2): "", (2, 9): "layers", (2, 16): "conv", (2, 21): "Conv2d"}]),
    (["from minidl import unet", "f(unet=1)", "unet(3).unet"], [{(1, 19): "unet"}, {}, {(1, 0): "unet"}]),
    (["from minidl import unet", "unet = unet(3)", "unet"], [{(1, 19): "unet"}, {}, {}]),
    (["from minidl import unet", "def f(unet): return unet"], [{(1, 19): "unet"}, {}]),
    (["from minidl import unet", "unet(", "unet"], [{(1, 19): "unet"}, {}, {(1, 0): "unet"}]),
    (["Conv2d", "x\x00"], [{}, {}]), (["from . import a\nfrom .b import c"], [{}])])
def test_names_in_code(pieces, expected):
    last = [{place: meaning.rpartition(".")[2] if "." in meaning else "" for place, meaning in found.items()}
            for found in names_in(pieces)]
    assert last == expected


def test_links_in_code_leave_its_letters_alone():
    source = "from minidl import unet\nprint(f'{unet(3)} <b>', unet)  # é"
    marks, = links([source])
    code = highlight(source, marks)
    assert text_of(code) == source and code.count('<a href="#minidl.models.unet">unet</a>') >= 2
