"""Unpack a .tar.gz whose checksum was right.

A tar archive may name files outside of its folder (`../x`, `/etc/passwd`) or links to them. Python's own "data" filter
refuses those.
"""
import gzip
import sys
import tarfile
import zlib
from pathlib import Path


class ArchiveError(ValueError):
    """What is wrong with an archive."""


def check_python() -> None:
    """Raise an ImportError if this Python's tarfile has no "data" filter."""
    if not hasattr(tarfile, "data_filter"):
        raise ImportError("unpacking archives safely needs Python 3.10.12, 3.11.4, 3.12 or later, got "
                          + sys.version.split()[0])


def extract(archive: Path, folder: Path) -> None:
    """Unpack a .tar.gz into a folder.

    Raises
    ------
    ArchiveError
        (a ValueError) If it is damaged or truncated, or would write outside of the folder.
    OSError
        If a file cannot be written.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ArchiveError(f"{archive}: damaged, or not a .tar.gz of plain files ({type(error).__name__}: {error})"
                           ) from error
