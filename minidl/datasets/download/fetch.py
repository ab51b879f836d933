"""Fetch a large file whose checksum is known, from whoever has it, however often the connection breaks.

What has arrived stays on the disk and is not fetched again: the next connection asks for the rest (HTTP's `Range`).
It asks for the last 64 KiB of what is there once more; only if they come as they are does the rest belong to the same
file, whichever server it comes from. (HTTP's own `If-Range` would tell by a server's label, which the next server does
not share.) A server that knows no ranges sends all from the beginning: then what is there already is compared, not
written. In the end size and SHA-256 decide.
"""
import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from minidl.runtime.files import shorten
from minidl.runtime.progress import Progress

OVERLAP_BYTES = 2**16        # asked for again, to see that it is the same file
RESTARTS = 2                 # from a source; one may be needed because of what another had sent


@dataclass(frozen=True)
class Archive:
    """A file to fetch: its name, its size in bytes, its SHA-256 and the room its contents take, in bytes at most."""

    name: str
    size: int
    sha256: str
    unpacked: int


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try.

    Attributes
    ----------
    timeout : for a server that says nothing.
    tries : in a row that bring nothing new, until a source is given up.
    pause : before the first new try; doubled for each one after it.
    longest : of the pauses.
    """

    timeout: float = 30.0
    tries: int = 6
    pause: float = 1.0
    longest: float = 60.0


class DownloadError(OSError):
    """No source had the file; says which were asked, and what was wrong with each."""


def fetch(archive: Archive, folder: Path, sources: Sequence[str], patience: Patience = Patience()) -> Path:
    """Return the path of an archive in `folder`, complete and verified; fetch what is missing of it.

    Parameters
    ----------
    archive : Archive
    folder : path
        What is there under the archive's name is the beginning of it, or the whole.
    sources : sequence of str
        URLs of the folders that have it, the best first. Proxies are those of the environment (http_proxy,
        https_proxy, no_proxy).
    patience : Patience

    Raises
    ------
    DownloadError
        (an OSError) If no source has it. A part that may be right stays, to be continued another time.
    OSError
        If it cannot be written.
    ValueError
        If a source is no URL of http or https.
    """
    path = folder / archive.name
    urls = [check_url(source).rstrip("/") + "/" + archive.name for source in sources]
    line = Progress(archive.size)
    line.first = size_of(path)
    if size_of(path) >= archive.size:
        try:
            _verify(path, archive, again=True)
            return path
        except Broken as broken:
            line.say(f"{shorten(path)}: {broken}")
    failures = []
    for url in urls:
        try:
            _fetch_from(url, archive, path, patience, line)
        except Refused as refusal:
            failures.append(f"{url}: {refusal}")
            line.say(failures[-1])
        else:
            return path
    raise DownloadError("\n  ".join([f"{archive.name} could not be downloaded:", *failures]))


def _fetch_from(url: str, archive: Archive, path: Path, patience: Patience, line: Progress) -> None:
    """Fetch what is missing of the file from one source, in as many connections as it takes."""
    failed = restarted = 0   # tries in a row that brought nothing, times that all was thrown away
    while True:
        before = size_of(path)
        try:
            _receive(url, archive, path, patience.timeout, line)
            _verify(path, archive, again=before > 0)
            return
        except Broken as broken:
            failed = 0 if size_of(path) > before + OVERLAP_BYTES else failed + 1
            if size_of(path) < before:
                restarted, line.first = restarted + 1, 0
            if failed >= patience.tries or restarted > RESTARTS:
                raise Refused(f"{broken}; given up") from broken
            seconds = _pause(failed, broken.wait, patience)
            line.say(f"{url}: {broken}; again in {seconds:.0f} s")
            time.sleep(seconds)


def size_of(path: Path) -> int:
    """Return the size of a file, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def _verify(path: Path, archive: Archive, again: bool) -> None:
    """Return if the file is the right one, else remove it. `again`: some of it is older, and may be to blame."""
    found = f"{size_of(path)} bytes"
    if size_of(path) == archive.size:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
        if digest.hexdigest() == archive.sha256:
            return
        found = f"SHA-256 {digest.hexdigest()}"
    path.unlink()
    reason = f"expected {archive.size} bytes with SHA-256 {archive.sha256}, got {found}; removed"
    raise Broken(reason) if again else Refused(reason)


def _pause(failed: int, wait: float, patience: Patience) -> float:
    """Return how long to wait before the next try: longer each time, by a random share less, lest all come at once."""
    share = np.random.default_rng().uniform(0.5, 1.0)
    return min(patience.longest, max(wait, share * patience.pause * 2 ** max(0, failed - 1)))


def _receive(url: str, archive: Archive, path: Path, timeout: float, line: Progress) -> None:
    """Ask once for what is missing of the file, and write what comes."""
    have = size_of(path)
    start = max(0, have - OVERLAP_BYTES)
    with ask(url, start, timeout) as response:
        begin = place = first_byte(response, start, archive.size)
        with path.open("r+b" if have else "w+b") as file:
            for block in blocks(response):
                file.seek(place)
                old = file.read(len(block))          # what is there already; nothing beyond the end
                if block[:len(old)] != old:
                    file.truncate(0 if begin else place)     # up to here it came from this server, or is unknown
                    if begin:
                        raise Broken("the rest belongs to another file than the part that is there; from the start")
                    file.seek(place)
                    old = b""
                place += len(block)
                if place > archive.size:
                    raise Refused(f"expected {archive.size} bytes, more came")
                file.write(block[len(old):])
                file.flush()                         # a kill loses nothing that came
                _show(line, archive, place)
    if place < archive.size:
        raise Broken(f"the connection ended after {place} of {archive.size} bytes")
    _show(line, archive, place, keep=True)


def _show(line: Progress, archive: Archive, done: int, keep: bool = False) -> None:
    text = f"{archive.name}: {done / 1e6:.1f} of {archive.size / 1e6:.1f} MB"
    (line.line if keep else line.update)(done, text)


BLOCK_BYTES = 2**18          # received at a time, at most
PASSING = (408, 425, 429, 500, 502, 503, 504)    # HTTP's errors that may be gone a little later


class Refused(Exception):
    """A source that will not have the file in a minute, either."""


class Broken(Exception):
    """A connection that may do better next time, after so many seconds if the server says so."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def check_url(source: str) -> str:
    """Return a URL of http or https, raise a ValueError for anything else."""
    try:
        parts = urlsplit(source)
        good = parts.scheme in ("http", "https") and parts.hostname and not re.search(r"[\x00-\x20\x7f]", source)
    except ValueError:       # [ without ]
        good = False
    if not good:
        raise ValueError(f"expected a URL such as https://example.org/pets/, got {source!r}")
    return source


def ask(url: str, start: int, timeout: float) -> http.client.HTTPResponse:
    """Ask for a file from byte `start` on, or for all of it if the server does not understand that.

    Raises
    ------
    Refused, Broken
        If no file comes, and will not or may come later.
    """
    headers = {"User-Agent": "minidl", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == 416:      # Range Not Satisfiable: it has less than we have. Is it our file at all?
            return ask(url, 0, timeout)
        reason = " ".join(f"HTTP {error.code} {error.reason}".split())
        if error.code not in PASSING:
            raise Refused(reason) from None
        wait = error.headers.get("Retry-After", "")
        raise Broken(reason, float(wait) if re.fullmatch(r"\d{1,9}", wait) else 0.0) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)      # urllib wraps it in an URLError
        # A certificate that is not valid is a ValueError, too, and will not be valid in a minute.
        raise (Refused if isinstance(cause, ValueError) else Broken)(_text(cause)) from error
    if start and response.status == 206 and _range(response)[0] != start:
        response.close()
        return ask(url, 0, timeout)
    return response


def _opener() -> urllib.request.OpenerDirector:
    """Return urllib's usual opener without the likes of file: and ftp:, which a redirection could lead to."""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
                    urllib.request.HTTPRedirectHandler, urllib.request.HTTPErrorProcessor,
                    urllib.request.HTTPDefaultErrorHandler, urllib.request.UnknownHandler):
        opener.add_handler(handler())
    return opener


def _range(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Return the first byte of a partial answer, and the size of the whole file if told; (-1, None) if neither is."""
    found = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", response.headers.get("Content-Range", ""))
    if found is None:
        return -1, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def first_byte(response: http.client.HTTPResponse, start: int, size: int) -> int:
    """Return where in the file an answer begins, or refuse it: nothing is overwritten by what cannot be the file."""
    begin, total = 0, response.length
    if response.status == 206:
        begin, total = _range(response)
    elif response.status != 200:
        raise Refused(f"HTTP {response.status} {response.reason}")
    if begin not in (0, start):
        raise Refused(f"expected the bytes from {start} on, got {response.headers.get('Content-Range')!r}")
    if response.headers.get_content_type() == "text/html":
        raise Refused("expected an archive, got a web page")
    if total not in (None, size):
        raise Refused(f"expected {size} bytes, the server has {total}")
    return begin


def blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield what arrives, as it arrives."""
    while True:
        try:
            block = response.read1(BLOCK_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Broken(_text(error)) from error
        if not block:
            return
        yield block


def _text(error: object) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, Exception) else str(error)
