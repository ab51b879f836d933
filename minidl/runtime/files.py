"""Where the project is, and how files are written so that an interruption leaves the old one whole."""
import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DATA_HELP = ("The environment variable MINIDL_DATA names the folder for rendered, downloaded and resized images "
             "(default: data in the project).")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; rename it to `path` at the end, or remove it after an error.

    The folder of `path` is made if need be. The temporary name is short: wherever a long `path` fits, it does, too.
    An OSError names `path`; what says that a disk is full names no file at all by itself.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None or str(error.filename) not in ("None", str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder for results, with those above it; raise an OSError if no files can be written there."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "expected a folder into which files can be written", str(path))


def current_folder() -> Path:
    """Return the current folder; "." if it has been removed meanwhile."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path()


def project_root() -> Path:
    """Return the folder of the project to which the running code belongs, wherever it was started.

    A project has the folders lessons and minidl. It is the one that holds the program (in a notebook or at a prompt,
    which have no file: the current folder); if none does, the one that holds this library; if that was installed
    without its project, the one that holds the current folder; without any, the current folder itself.
    """
    here = current_folder()
    program = getattr(sys.modules["__main__"], "__file__", None)
    for start in (Path(program).resolve() if program else here, Path(__file__).resolve(), here):
        for folder in (start, *start.parents):
            if (folder / "lessons").is_dir() and (folder / "minidl").is_dir():
                return folder
    return here


def data_folder() -> Path:
    """Return the folder for what is rendered, downloaded or cached: MINIDL_DATA, or data in the project."""
    chosen = os.environ.get("MINIDL_DATA")
    return Path(chosen).expanduser() if chosen else project_root() / "data"


def shorten(path: Path) -> str:
    """Return a path relative to the current folder, if it is below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except (ValueError, OSError):
        return str(path)


def unreadable(path: Path) -> str:
    """Return why there is no file to read at `path`, "" if there is one. (A pipe would be waited for, forever.)"""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return f"a link that leads nowhere ({error.strerror})" if path.is_symlink() else str(error.strerror)
    return "" if stat.S_ISREG(mode) else "not a file with data in it: a folder, pipe, socket or device"
