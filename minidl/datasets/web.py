"""Ask a web server for a file from some byte on, and tell what may pass from what will not."""
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

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
