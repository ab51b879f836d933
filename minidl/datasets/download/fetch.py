"""Fetch a large file whose checksum is known, however often the connection breaks.

What has arrived stays on the disk: the next connection asks for the rest only (HTTP's `Range`), and so does the next
run of the program. In the end size and SHA-256 decide whether it is the right file.
"""
import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minidl.runtime.files import shorten
from minidl.runtime.progress import Progress

TIMEOUT = 30.0               # seconds that a server may say nothing
TRIES = 5                    # connections in a row that bring nothing new, until a source is given up
PAUSE = 5.0                  # seconds before the next connection
BLOCK_BYTES = 2**18          # received at a time, at most


@dataclass(frozen=True)
class Archive:
    """A file to fetch: its name, its size in bytes, its SHA-256, and the bytes that its contents take at most."""

    name: str
    size: int
    sha256: str
    unpacked: int


class DownloadError(OSError):
    """No source had the file; names all that were asked, and what was wrong with each."""


class Refused(Exception):
    """A source will not have the file in a minute, either."""


class Broken(Exception):
    """A connection broke; the next one may do better."""


def fetch(archive: Archive, folder: Path, sources: Sequence[str]) -> Path:
    """Return the path of an archive in `folder`, complete and verified; fetch what is missing of it.

    Parameters
    ----------
    archive : Archive
    folder : path
        What is there under the archive's name is the beginning of it, or the whole.
    sources : sequence of str
        URLs of the folders that have it, the best first. Proxies are those of the environment (http_proxy,
        https_proxy, no_proxy).

    Raises
    ------
    DownloadError
        (an OSError) If no source has it. A part that has arrived stays, to be continued another time.
    OSError
        If it cannot be written.
    ValueError
        If a source is not a URL of http or https.
    """
    for source in sources:
        if not re.match(r"https?://[\w.\[]", source):
            raise ValueError(f"expected a URL such as https://example.org/pets/, got {source!r}")
    path = folder / archive.name
    line = Progress(archive.size)
    line.first = size_of(path)
    if line.first >= archive.size:
        if not (fault := _fault(path, archive)):
            return path
        line.say(f"{shorten(path)}: {fault}")
    failures = []
    for url in [f"{source.rstrip('/')}/{archive.name}" for source in sources]:
        try:
            _fetch_from(url, archive, path, line)
            return path
        except Refused as refusal:
            failures.append(f"{url}: {refusal}")
            line.say(failures[-1])
    raise DownloadError("\n  ".join([f"{archive.name} could not be downloaded:", *failures]))


def size_of(path: Path) -> int:
    """Return the size of a file, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def _fault(path: Path, archive: Archive) -> str:
    """Return what is wrong with a complete file, and remove it; return "" if it is the right one."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    if digest.hexdigest() == archive.sha256:
        return ""
    path.unlink()
    return f"expected SHA-256 {archive.sha256}, got {digest.hexdigest()}; removed"


def _fetch_from(url: str, archive: Archive, path: Path, line: Progress) -> None:
    """Fetch what is missing of the file from one source, in as many connections as it takes."""
    failed = 0               # connections in a row that brought nothing new
    while (before := size_of(path)) < archive.size:
        try:
            _receive(url, archive, path, line)
        except Broken as broken:
            failed = 0 if size_of(path) > before else failed + 1
            if failed == TRIES:
                raise Refused(f"{broken}; given up") from broken
            line.say(f"{url}: {broken}; again in {PAUSE:.0f} s")
            time.sleep(PAUSE)
    if fault := _fault(path, archive):
        raise Refused(fault)


def _receive(url: str, archive: Archive, path: Path, line: Progress) -> None:
    """Ask once for what is missing of the file, and write what comes."""
    have = size_of(path)
    headers = {"User-Agent": "minidl", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with _network():
        response = urllib.request.build_opener().open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    with response:
        done = _first_byte(response, have, archive.size)
        with path.open("ab" if done else "wb") as file:
            while True:
                with _network():
                    block = response.read1(BLOCK_BYTES)
                if not block:
                    break
                done += len(block)
                if done > archive.size:
                    raise Refused(f"expected {archive.size} bytes, more came")
                file.write(block)
                file.flush()                         # a kill loses nothing that came
                text = f"{archive.name}: {done / 1e6:.1f} of {archive.size / 1e6:.1f} MB"
                line.update(done, text)
    if done < archive.size:
        raise Broken(f"the connection ended after {done} of {archive.size} bytes")
    line.line(done, text)


@contextmanager
def _network() -> Iterator[None]:
    """Turn whatever goes wrong with a connection into Broken or Refused."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise (Broken if error.code >= 500 else Refused)(f"HTTP {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)      # urllib wraps it in a URLError
        raise Broken(f"{type(cause).__name__}: {cause}") from error


def _first_byte(response: http.client.HTTPResponse, have: int, size: int) -> int:
    """Return where in the file an answer begins: after the part that is there, or at 0 if the server knows no ranges.

    An answer that cannot be the file is refused before anything is overwritten.
    """
    if response.headers.get_content_type() == "text/html":
        raise Refused("expected an archive, got a web page")
    if have and response.status == 206:
        got = response.headers.get("Content-Range", "")
        if not re.fullmatch(rf"bytes {have}-\d+/({size}|\*)", got):
            raise Refused(f"expected the bytes from {have} on of {size}, got {got!r}")
        return have
    if response.status != 200:
        raise Refused(f"HTTP {response.status} {response.reason}")
    if response.length not in (None, size):
        raise Refused(f"expected {size} bytes, the server has {response.length}")
    return 0
