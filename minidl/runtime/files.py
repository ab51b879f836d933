"""Where the project is, and how files are written so that an interruption leaves the old one whole."""
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; rename it to `path` at the end, or remove it after an error.

    The folder of `path` is made if need be.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def project_root() -> Path:
    """Return the folder of the project to which the running code belongs, wherever it was started.

    A project has the folders lessons and minidl. It is the one that holds the program (in a notebook or at a prompt,
    which have no file: the current folder); if none does, the one that holds this library; if that was installed
    without its project, the one that holds the current folder; without any, the current folder itself.
    """
    here = Path.cwd()
    program = getattr(sys.modules["__main__"], "__file__", None)
    for start in (Path(program).resolve() if program else here, Path(__file__).resolve(), here):
        for folder in (start, *start.parents):
            if (folder / "lessons").is_dir() and (folder / "minidl").is_dir():
                return folder
    return here


def shorten(path: Path) -> str:
    """Return a path relative to the current folder, if it is below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)
