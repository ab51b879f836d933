"""Unpack a .tar.gz without trusting it: nothing outside of its folder, only files and folders, nothing too large.

A tar archive is a row of headers, each followed by a file's bytes, and a header may say anything: that the file's name
is `/etc/passwd` or `../../x`, that it is a link to either, that it has 8 exabytes. Python's own filters against that
came with 3.12. Here every header is checked before a byte of its file is written.
"""
import gzip
import re
import tarfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minidl.runtime.progress import Progress

BLOCK_BYTES = 2**20       # of a file read at a time
HEADER_BYTES = 2**15      # of headers between two files; names and times need some hundred
NAME_LENGTH = 200         # characters of a file's path; Windows allows 260, the folder's included
PATIENCE = 2.0            # seconds of silence before progress is shown
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)     # devices, on Windows


class ArchiveError(ValueError):
    """What is wrong with an archive."""


def extract(archive: Path, folder: Path, max_members: int = 50_000, max_bytes: int = 2**31,
            progress: bool = True) -> int:
    """Unpack a .tar.gz into an empty folder, from front to back, and return the number of files.

    Of a file its name and its bytes are kept; no owner, mode or time.

    Parameters
    ----------
    archive, folder : path
    max_members : int
        Files and folders there may be.
    max_bytes : int
        Bytes of the unpacked archive, with its headers, there may be.
    progress : bool
        Show how far it is when it takes more than two seconds.

    Raises
    ------
    ArchiveError
        (a ValueError) If it is damaged, truncated, too large, or has anything in it but plain files and folders with
        portable names below `folder`, each once (even where upper and lower case are the same). What was unpacked
        before that is left in `folder`.
    OSError
        If a file cannot be written.
    """
    names = _Names()
    files = 0
    with archive.open("rb") as packed, gzip.GzipFile(fileobj=packed) as plain:
        line = Progress(archive.stat().st_size, enabled=progress, patience=PATIENCE)
        try:
            stream = _Stream(plain, max_bytes)
            for number, member in enumerate(_members(stream), start=1):
                if number > max_members:
                    raise ArchiveError(f"expected at most {max_members} files and folders, got more")
                path = folder.joinpath(*names.accept(member))
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    _write(stream, member, path)
                    files += 1
                line.update(packed.tell(), f"unpacking {archive.name}: {files:,} files")
            stream.finish()
        except ArchiveError as error:
            raise ArchiveError(f"{archive}: {error}") from error.__cause__
        line.line(line.total, f"unpacking {archive.name}: {files:,} files")
    return files


class _Stream:
    """The unpacked archive as tarfile reads it: forwards only, and never more at a time than is allowed.

    tarfile takes long names and the like into memory, of whatever length a header announces.
    """

    def __init__(self, plain: gzip.GzipFile, max_bytes: int) -> None:
        self.plain, self.max_bytes = plain, max_bytes
        self.position = 0
        self.allowed = HEADER_BYTES
        self.last = b""      # what the latest read brought

    def read(self, n: int) -> bytes:
        if not 0 <= n <= self.allowed:       # less than none would mean all that is left
            raise ArchiveError(f"expected 0 to {HEADER_BYTES} bytes of headers before a file, got another {n}")
        self.allowed -= n
        with _blame():
            self.last = self.plain.read(n)
        self.position += len(self.last)
        if self.position > self.max_bytes:
            raise ArchiveError(f"expected at most {self.max_bytes} bytes when unpacked, got more")
        return self.last

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> None:
        self.read(position - self.position)

    def finish(self) -> None:
        """Check that the archive was read to its end: a block of zeros, and zeros only after it.

        At a damaged header tarfile ends as if there were no more. Reading to the end makes gzip compare its checksum.
        """
        end = self.last == bytes(tarfile.BLOCKSIZE)
        while end and self.last:
            self.allowed = BLOCK_BYTES
            end = not any(self.read(BLOCK_BYTES))
        if not end:
            raise ArchiveError(f"damaged or truncated: neither a header nor the end before byte {self.position}")


def _members(stream: _Stream) -> Iterator[tarfile.TarInfo]:
    """Yield header by header; the stream is then at the first byte of the file."""
    with _blame():
        tar = tarfile.TarFile(fileobj=stream)  # type: ignore[arg-type]
    while True:
        with _blame():
            member = tar.next()
        if member is None:
            return
        yield member
        stream.allowed = HEADER_BYTES


@contextmanager
def _blame() -> Iterator[None]:
    """Turn whatever goes wrong with reading into an ArchiveError: damaged headers make tarfile raise anything."""
    try:
        yield
    except ArchiveError:
        raise
    except Exception as error:
        raise ArchiveError(f"damaged, or no .tar.gz ({type(error).__name__}: {error})") from error


def _write(stream: _Stream, member: tarfile.TarInfo, path: Path) -> None:
    """Copy the bytes of one file."""
    left = member.size
    if not 0 <= left <= stream.max_bytes - stream.position:
        raise ArchiveError(f"expected at most {stream.max_bytes} bytes when unpacked, but {member.name} is said to "
                           f"have {left}")
    with path.open("xb") as file:
        while left:
            stream.allowed = BLOCK_BYTES
            block = stream.read(min(left, BLOCK_BYTES))
            if not block:
                raise ArchiveError(f"truncated: {left} bytes of {member.name} are missing")
            file.write(block)
            left -= len(block)


class _Names:
    """The names so far, so that no two of them meet on any file system."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[str, bool]] = {}    # how a file system may compare it -> (as written, is it a file)

    def accept(self, member: tarfile.TarInfo) -> list[str]:
        """Return the parts of a member's path, or refuse it."""
        is_file = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
        if not is_file and not member.isdir():
            raise ArchiveError(f"expected plain files and folders, but {member.name!r} is a {_kind(member)}")
        parts = _parts(member.name)
        if is_file and not parts:
            raise ArchiveError(f"expected the name of a file, got {member.name!r}")
        for depth in range(1, len(parts) + 1):
            whole = depth == len(parts)
            path = "/".join(parts[:depth])
            key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
            entry = (path, is_file and whole)
            known = self.seen.setdefault(key, entry)
            if known is not entry and (known != entry or entry[1]):
                raise ArchiveError(f"expected every name once, but {member.name!r} meets {known[0]!r}")
        return parts


def _parts(name: str) -> list[str]:
    """Split a member's name into the parts of a path that means the same on every system, or refuse it."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    strange = re.search(r'[\x00-\x1f\x7f\ud800-\udfff\\:*?"<>|]', name)
    if name.startswith("/") or ".." in parts or strange or len(name) > NAME_LENGTH or any(
            part[-1] in ". " or RESERVED.fullmatch(part) for part in parts):
        raise ArchiveError(f"expected a name below the folder, fit for every system, got {name[:NAME_LENGTH]!r}")
    return parts


def _kind(member: tarfile.TarInfo) -> str:
    kinds = {tarfile.SYMTYPE: "symbolic link", tarfile.LNKTYPE: "hard link", tarfile.CHRTYPE: "device",
             tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "pipe"}
    return "sparse file" if member.issparse() else kinds.get(member.type, f"member of type {member.type!r}")
