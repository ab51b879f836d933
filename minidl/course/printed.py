"""What each cell of a lesson prints, for the page: a notebook shows that below its cells, a script does not."""
import hashlib
import json
import re
import sys
from pathlib import Path

from minidl.course.gallery.scripts import split_cells
from minidl.runtime.files import replacing
from minidl.runtime.progress import Progress, last_written

FILE = "printed.json"
MOST = 20_000              # letters per cell


def key(code: str) -> str:
    """Return what a cell is found by: a digest of its code, so that a changed cell has no output of an older one."""
    return hashlib.sha256(code.encode("utf-8")).hexdigest()[:16]


class Printed:
    """Listens to what a script in percent format prints, and keeps it by cell.

    The cell is the one that the script's own frame, the outermost of all that are on the stack, is at.

    Parameters
    ----------
    script : Path
    """

    def __init__(self, script: Path) -> None:
        text = script.read_text(encoding="utf-8")
        marks = [match.start() for match in re.finditer("(?m)^# %%", text)] + [len(text)]
        pieces = [(text.count("\n", 0, start) + 1, split_cells(text[start:end]))
                  for start, end in zip(marks, marks[1:])]
        self.cells = [(line, key(cells[0].text) if cells and cells[0].code else "") for line, cells in pieces]
        self.script = str(script)
        self.texts: dict[str, str] = {}

    def listen(self, text: str) -> None:
        """Take what is being printed; not what a thread prints, which belongs to no cell, and not how far work is."""
        frame = sys._getframe(1)
        while frame.f_back is not None:
            if frame.f_code is Progress.update.__code__:     # a terminal overwrites it
                return
            frame = frame.f_back
        if frame.f_code.co_filename != self.script:
            return
        cell = next((name for line, name in reversed(self.cells) if line <= frame.f_lineno), "")
        if cell and len(self.texts.get(cell, "")) < MOST:
            self.texts[cell] = self.texts.get(cell, "") + text

    def save(self, folder: Path) -> None:
        """Write what was printed, as a terminal would show it in the end, and without the names of figures."""
        shown = {}
        for cell, text in self.texts.items():
            lines = [last_written(line) for line in text.split("\n")]
            shown[cell] = "\n".join(line for line in lines if not line.startswith("figure: ")).strip("\n")
        with replacing(folder / FILE) as temporary:
            temporary.write_text(json.dumps({cell: text for cell, text in shown.items() if text}, indent=1) + "\n",
                                 encoding="utf-8")


def listen_to_lesson(name: str) -> Printed | None:
    """Listen to the program itself, if it is the lesson of this name; return None if it is not (a notebook, a test)."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is None or Path(script).stem != name or not hasattr(sys.stdout, "write"):
        return None
    printed, write = Printed(Path(script)), sys.stdout.write

    def write_and_keep(text: str) -> int:
        printed.listen(text)
        return write(text)

    setattr(sys.stdout, "write", write_and_keep)
    return printed


def read_printed(folder: Path) -> dict[str, str]:
    """Return what the latest run in a folder printed, by the key of the cell; nothing, if nothing is known."""
    path = folder / FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
