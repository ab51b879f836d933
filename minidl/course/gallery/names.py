"""Which definition of the library a name in some code means; found by reading the code, not by running it."""
import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2]
CORE = (LIBRARY, LIBRARY / "layers")     # the folders whose files are the core
Place = tuple[int, int]      # of a token: its line, from 1, and its column, from 0, in letters


@lru_cache(maxsize=None)
def _module(name: str) -> ast.Module | None:
    """Return a module of the core, None if there is none of this name."""
    path = core_file(name)
    return None if path is None else ast.parse(path.read_text(encoding="utf-8"))


def core_file(name: str) -> Path | None:
    """Return the file of a module such as "minidl.layers.conv"; None if it is not at the root or in layers/.

    >>> core_file("minidl.layers.conv").name, core_file("minidl.layers").parent.name, core_file("minidl.plotting.maps")
    ('conv.py', 'layers', None)
    """
    package, _, rest = name.partition(".")
    path = LIBRARY.joinpath(*rest.split("."))
    found = next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)
    return found if package == "minidl" and found is not None and found.parent in CORE else None


def definitions(tree: ast.Module) -> dict[str, Place]:
    """Return the classes and functions at the top level, and where their names stand."""
    return {node.name: (node.lineno, len("class " if isinstance(node, ast.ClassDef) else "def "))
            for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}


def imports(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name means.

    >>> imports(ast.parse("import numpy as np; from minidl import Conv2d as C, metrics"))
    {'np': 'numpy', 'C': 'minidl.Conv2d', 'metrics': 'minidl.metrics'}
    """
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found.update({one.asname or one.name: f"{node.module}.{one.name}" for one in node.names})
        elif isinstance(node, ast.Import):
            found.update({one.asname or one.name.partition(".")[0]: one.name if one.asname else
                          one.name.partition(".")[0] for one in node.names})
    return found


@lru_cache(maxsize=None)
def defined_as(name: str) -> str:
    """Return where a name is defined, as "module.name" or "module"; "" if it is not in the core.

    >>> defined_as("minidl.Conv2d"), defined_as("minidl.metrics"), defined_as("minidl.plotting")
    ('minidl.layers.conv.Conv2d', 'minidl.metrics', '')
    """
    if core_file(name) is not None:
        return name
    owner, _, last = name.rpartition(".")
    tree = _module(owner)
    if tree is None:
        return ""
    if last in definitions(tree):
        return name
    further = imports(tree).get(last, name)
    return "" if further == name else defined_as(further)


def names_in(pieces: Sequence[str]) -> list[dict[Place, str]]:
    """Return for each piece of a program which of its names are the core's: {their place: the definition}.

    A name that the program gives to something of its own, too, is linked where it is imported only. A piece that Python
    cannot read has none.
    """
    trees = [_parsed(source) for source in pieces]
    own = {name for tree in trees for name in _bound(tree)}
    known = {name: meaning for tree in trees for name, meaning in imports(tree).items() if name not in own}
    found = []
    for source, tree in zip(pieces, trees):
        lines = source.split("\n")
        places = {(row, _letters(lines[row - 1], column)): defined_as(meaning)
                  for (row, column), meaning in _meanings(tree, known)}
        found.append({place: meaning for place, meaning in places.items() if meaning})
    return found


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _letters(line: str, column: int) -> int:
    """Return a column in letters; Python counts bytes."""
    return len(line.encode("utf-8")[:column].decode("utf-8"))


def _meanings(tree: ast.Module, known: dict[str, str]) -> Iterator[tuple[Place, str]]:
    """Yield the place and the dotted name of what may be the library's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (((one.lineno, one.col_offset), f"{node.module}.{one.name}") for one in node.names)
        elif isinstance(node, ast.Name):
            if node.id in known:
                yield (node.lineno, node.col_offset), known[node.id]
        elif isinstance(node, ast.Attribute) and node.end_lineno is not None and node.end_col_offset is not None:
            first, *rest = _dotted(node)
            if first in known:
                yield ((node.end_lineno, node.end_col_offset - len(node.attr.encode("utf-8"))),
                       ".".join([known[first], *rest]))


def _dotted(node: ast.expr) -> list[str]:
    """Return a chain such as `minidl.layers.conv` as a list of names; [""] if it does not begin with a name."""
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    return [node.id if isinstance(node, ast.Name) else ""]


def _bound(tree: ast.Module) -> Iterator[str]:
    """Yield the names that the code gives to something of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name
