"""A web server on 127.0.0.1 that misbehaves as it is told."""
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT = 120.0  # seconds after which a server that says nothing gives up


class Handler(BaseHTTPRequestHandler):
    server: "FileServer"

    def do_GET(self):
        server = self.server
        with server.lock:
            behave = server.script.pop(0) if server.script else server.usually
            self.entry: dict[str, Any] = {"path": self.path, "range": self.headers.get("Range"), "sent": 0}
            server.log.append(self.entry)
        name = self.path.rsplit("/", 1)[-1]
        try:
            if name in server.files:
                behave(self, server.files[name])
            else:
                self.answer(404)
        except OSError:
            pass                     # the client has gone
        self.close_connection = True

    do_CONNECT = do_GET

    def answer(self, status, content=b"", **headers):
        """Send a status, headers (names with _ for -) and content. Content-Length is the content's unless given."""
        self.send_response(status)
        for key, value in {"Content_Length": len(content), **headers}.items():
            if value is not None:
                self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        self.entry["sent"] += len(content)     # before the client can have it
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *arguments):
        pass


def normal(handler, content, most=None, **headers):
    """As it should be; of the content, `most` bytes at most."""
    found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    start = int(found[1]) if found else 0
    if start:
        headers.setdefault("Content_Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    headers.setdefault("Content_Length", len(content) - start)
    return handler.answer(206 if start else 200, content[start:][:most], **headers)


def without_ranges(handler, content, **headers):
    handler.answer(200, content, **headers)


def cut(after):
    """Promise all, close the connection after so many bytes."""
    return lambda handler, content: normal(handler, content, most=after)


def stall(after):
    """Promise all, say nothing any more after so many bytes."""
    def behave(handler, content):
        normal(handler, content, most=after)
        handler.server.closing.wait(WAIT)
    return behave


def status(code, **headers):
    return lambda handler, content: handler.answer(code, b"<html>sorry</html>", **headers)


def instead(other, **headers):
    """Something else than the file."""
    return lambda handler, content: normal(handler, other, **headers)


class FileServer(ThreadingHTTPServer):
    """Serves {name: bytes} from every folder; the first requests are answered by `script`, the others by `usually`."""

    daemon_threads = True

    def __init__(self, files, script, usually):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.script, self.usually = files, list(script), usually
        self.log, self.lock, self.closing = [], threading.Lock(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(files, *script, usually=normal):
    """Run a FileServer in a thread, until the end of the context."""
    with FileServer(files, script, usually) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join(WAIT)
