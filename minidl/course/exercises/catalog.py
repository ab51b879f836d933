"""Which exercises there are: the functions of the stub files, in their order."""
import ast
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Exercise:
    """One function to write.

    Attributes
    ----------
    lesson, place : int
        Exercise 04.3 is the third function of lesson 4's file.
    name, title, docstring : str
        Of the function; the title is the first line of its docstring.
    source : str
        The stub's lines, with its docstring.
    path : Path
        Of the stub file; the reader's copy has the same name.
    """

    lesson: int
    place: int
    name: str
    title: str
    docstring: str
    source: str
    path: Path

    @property
    def number(self) -> str:
        return f"{self.lesson:02d}.{self.place}"


def find_exercises(folder: Path) -> dict[int, list[Exercise]]:
    """Return the exercises whose stubs are in a folder, by lesson; none if there is no such folder."""
    return {int(path.name[:2]): read_stubs(path) for path in sorted(folder.glob("[0-9][0-9]_*.py"))}


def read_stubs(path: Path) -> list[Exercise]:
    """Return the exercises of one stub file: its functions, but for those whose name begins with an underscore."""
    text = path.read_text(encoding="utf-8")
    functions = [(node, source) for node, source in functions_of(text) if not node.name.startswith("_")]
    exercises = []
    for place, (node, source) in enumerate(functions, 1):
        docstring = ast.get_docstring(node) or ""
        title = docstring.partition("\n")[0].rstrip(".")
        exercises.append(Exercise(int(path.name[:2]), place, node.name, title, docstring, source, path))
    return exercises


def functions_of(text: str) -> list[tuple[ast.FunctionDef, str]]:
    """Return the functions of a module with their lines; a text that is not Python raises SyntaxError."""
    lines = text.splitlines()
    return [(node, "\n".join(lines[node.lineno - 1:node.end_lineno]))
            for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
