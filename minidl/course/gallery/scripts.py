"""A lesson's file in percent format, as cells."""
import ast
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cell:
    """One cell: Markdown without its leading "# ", or code."""

    code: bool
    text: str


@dataclass(frozen=True)
class Script:
    """A lesson: its file, and what its first cell says."""

    path: Path
    number: int
    title: str                # such as "17 · U-Net: let the details skip the bottleneck"
    slides: str               # such as "Slides 34–36", empty where the first cell does not begin with it
    question: str
    cells: tuple[Cell, ...]   # all of them; title, slides and question are left out of the first

    @property
    def name(self) -> str:
        """The name of its folder of results, such as "17_unet"."""
        return self.path.stem

    @property
    def uses_pets(self) -> bool:
        """Whether it needs the pets' images."""
        return self._says(r"\bpets\b|Segmentation\(|SuperResolution\(")

    @property
    def compares(self) -> bool:
        """Whether it saves a result for other lessons, or shows those of lessons before it."""
        return self._says(r"\.(save_)?results?\(")

    @property
    def measures_time(self) -> bool:
        """Whether nothing else should run meanwhile."""
        return self._says(r"\bminidl\.benchmark\b")

    def _says(self, pattern: str) -> bool:
        return any(cell.code and re.search(pattern, cell.text) for cell in self.cells)


def find_scripts(folder: Path) -> dict[int, Script]:
    """Return the lessons in a folder by their number."""
    return {int(path.name[:2]): read_script(path) for path in sorted(folder.glob("[0-9][0-9]_*.py"))}


def read_script(path: Path) -> Script:
    """Read one lesson; one without the usual heading gets its file's name as title."""
    cells = split_cells(path.read_text(encoding="utf-8"))
    title, slides, question = path.stem, "", ""
    if cells and not cells[0].code and cells[0].text.startswith("# "):
        head, _, rest = cells[0].text.partition("\n")
        title = head[2:].strip()
        paragraph, _, after = rest.lstrip("\n").partition("\n\n")
        found = re.fullmatch(r"(Slides?\b[^*]*?)\.?\s*\*(.+)\*", paragraph.strip(), re.S)
        if found:
            slides, question = found[1].strip(), " ".join(found[2].split())
            rest = after
        cells[0] = Cell(False, rest.strip("\n"))
    return Script(path, int(path.name[:2]), title, slides, question, tuple(cell for cell in cells if cell.text))


def split_cells(text: str) -> list[Cell]:
    """Cut a text in percent format into its cells; what stands before the first `# %%` is code.

    >>> split_cells("# %% [markdown]\\n# Some *text*\\n# %%\\nx = 1\\n")
    [Cell(code=False, text='Some *text*'), Cell(code=True, text='x = 1')]
    """
    before, *parts = re.split("(?m)^# %%(.*)$", text)            # then in turn: what is right of a "# %%", and below it
    cells = [Cell(True, before)]
    for mark, body in zip(parts[::2], parts[1::2]):
        code = "[markdown]" not in mark
        cells.append(Cell(code, body if code else re.sub("(?m)^# ?", "", body)))
    return [Cell(cell.code, cell.text.strip("\n").rstrip()) for cell in cells if cell.text.strip()]


def figures_made(code: str) -> list[str]:
    """Return the names of the figures that a cell's `lesson.figure(figure, "NAME")` saves, in their order.

    A lesson that is being changed may have a cell that is not Python; it saves nothing.

    >>> figures_made('lesson.figure(draw(x), "data"); lesson.figure(f, "map", alt="...")')
    ['data', 'map']
    """
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except SyntaxError:
        return []
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
             and node.func.attr == "figure" and len(node.args) > 1]
    names = [call.args[1] for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset))]
    return [str(name.value) for name in names if isinstance(name, ast.Constant)]
