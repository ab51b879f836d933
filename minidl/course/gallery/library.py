"""The library on the page: the code of its core, file by file, with an anchor at each class and function."""
import ast
import html
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from minidl.course.gallery.highlight import highlight
from minidl.course.gallery.markdown import inline
from minidl.course.gallery.names import LIBRARY, Place, core_file, definitions, names_in

# The order in which the core is best read; the README has the same (a test compares them).
READING_ORDER = {
    "The layers": ("layers.base", "layers.containers", "layers.linear", "layers.activation", "layers.window",
                   "layers.im2col", "layers.conv", "layers.normalization", "layers.pooling", "layers.upsampling",
                   "layers.shape"),
    "What the layers share": ("layers.layout", "layers.initialization", "layers.arguments", "layers.folding"),
    "Learning": ("loss", "optim", "batches", "step", "training", "parallel", "checkpoint", "gradcheck", "metrics",
                 "models"),
    "Names and types": ("__init__", "layers.__init__", "types"),
}


@lru_cache(maxsize=None)
def library_part() -> str:
    """Return the files of the core as HTML, each of them folded."""
    return "\n".join(f"<h3>{heading}</h3>\n" + "\n".join(map(_file, modules))
                     for heading, modules in core_modules().items())


def core_lines() -> int:
    """Return how many lines the files of the core have."""
    return sum(_source(module).count("\n") for modules in core_modules().values() for module in modules)


def core_modules() -> dict[str, list[str]]:
    """Return the modules of the core, such as "minidl.layers.conv", in reading order and below their headings."""
    return {heading: [f"minidl.{name}".removesuffix(".__init__") for name in names]
            for heading, names in READING_ORDER.items()}


def links(pieces: Sequence[str]) -> list[dict[Place, str]]:
    """Return for each piece of a program the links to the library of its names, as `highlight` takes them."""
    return [{place: f'href="#{html.escape(meaning)}"' for place, meaning in found.items()}
            for found in names_in(pieces)]


def _file(module: str) -> str:
    """Return one file: its name and what it is about, and folded below that its code."""
    source = _source(module)
    tree = ast.parse(source)
    about = (ast.get_docstring(tree) or "").partition("\n")[0]
    marks = links([source])[0] | {place: f'id="{module}.{name}"' for name, place in definitions(tree).items()}
    name = _path(module).relative_to(LIBRARY).as_posix()
    return (f'<details class="file"><summary><code>{name}</code> {inline(about)} <span class="lines">'
            f'{source.count(chr(10))} lines</span></summary>'
            f'<pre id="{module}"><code>{highlight(source.rstrip(), marks)}</code></pre></details>')


def _source(module: str) -> str:
    return _path(module).read_text(encoding="utf-8")


def _path(module: str) -> Path:
    path = core_file(module)
    assert path is not None, f"{module} is not in the core"
    return path
