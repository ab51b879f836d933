"""Look at the page of all lessons in a real browser.

    python tests/tools/check_page_in_browser.py [out/index.html] [--shots FOLDER]

Where Chromium (or Chrome, or Edge) is there, opens the page at widths of 400, 800 and 1400 pixels, light and dark,
saves screenshots, and reports errors on the console, requests to the network, pictures that do not load, links without
a target, text that is wider than the screen or too pale, and a slider that keys do not move. Exit status 1 if there is
any of that; 0 if not, or if there is no browser. Only the standard library is needed: the browser is driven through
its DevTools protocol, JSON messages over a WebSocket.
"""
import argparse
import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = (400, 800, 1400)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
PLACES = ("C:/Program Files/Google/Chrome/Application/chrome.exe",
          "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
          "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
         "--remote-debugging-port=0")
TALL = 4000                       # pixels of a page on one screenshot

# What is asked on the page itself; each answers with a list of complaints.
CHECKS = """
(() => {
  const wrong = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width)
    wrong.push(`the page is ${document.documentElement.scrollWidth} pixels wide, the screen ${width}`);
  for (const link of document.querySelectorAll('a[href^="#"]'))
    if (!document.getElementById(link.hash.slice(1))) wrong.push(`no target: ${link.hash}`);
  for (const image of document.images)
    if (!image.complete || !image.naturalWidth) wrong.push(`does not load: ${image.alt}`);
  // Contrast of every text with the nearest ground behind it, as WCAG computes it.
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (color) => color.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 :
    ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const pale = new Map(), texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
    if (!text || !element.getClientRects().length) continue;
    let ground = element;
    while (ground && [0, undefined].includes((rgb(getComputedStyle(ground).backgroundColor) + ",1").split(",")
      .map(Number)[3])) ground = ground.parentElement;
    const pair = [light(rgb(getComputedStyle(element).color)),
                  ground ? light(rgb(getComputedStyle(ground).backgroundColor)) : 1].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < 4.5)
      pale.set(`${element.tagName} .${element.className}`, `${contrast.toFixed(2)}: ${text.slice(0, 40)}`);
  }
  for (const [where, what] of pale) wrong.push(`too pale, ${where}, contrast ${what}`);
  return wrong;
})()
"""
SLIDER = "(document.querySelector('.compare')?.style.getPropertyValue('--at') ?? 'none')"


class Browser:
    """A connection to one page of a browser: commands and their answers, and the events in between."""

    def __init__(self, address: str) -> None:
        host, _, path = address.removeprefix("ws://").partition("/")
        name, _, port = host.partition(":")
        self.socket = socket.create_connection((name, int(port)), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode("ascii")
        self.socket.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode("ascii"))
        self.stream = self.socket.makefile("rb")
        while self.stream.readline().strip():
            pass                                         # the answer's head
        self.sent = 0
        self.events: list[dict[str, Any]] = []

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come meanwhile are kept."""
        self.sent += 1
        data = json.dumps({"id": self.sent, "method": method, "params": parameters}).encode("utf-8")
        mask = os.urandom(4)
        head = bytes([0x81]) + (bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack(">BH", 0xFE, len(data)))
        self.socket.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))
        while True:
            message = self._receive()
            if message.get("id") == self.sent:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    def _receive(self) -> dict[str, Any]:
        data = b""
        while True:
            first, second = self.stream.read(2)
            size = second & 127
            if size > 125:
                size, = struct.unpack(">H" if size == 126 else ">Q", self.stream.read(2 if size == 126 else 8))
            part = self.stream.read(size)
            if first & 15 in (0, 1):                     # text, or its continuation
                data += part
                if first & 128:
                    message: dict[str, Any] = json.loads(data)
                    return message

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression on the page."""
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def open(self, address: str) -> None:
        """Go to an address and wait until it is loaded, pictures included."""
        self("Page.navigate", url=address)
        for _ in range(200):
            if self.evaluate("document.readyState") == "complete":
                break
            time.sleep(0.05)
        self.evaluate("Promise.all([...document.images].map((image) => image.decode().catch(() => 0))).then(() => 0)")

    def shoot(self, path: Path, top: float, height: float, width: int) -> None:
        """Save what lies between two heights of the page."""
        shot = self("Page.captureScreenshot", captureBeyondViewport=True,
                    clip={"x": 0, "y": top, "width": width, "height": height, "scale": 1})
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Return what the console said and what was asked of the network since the last call."""
        found = []
        for event in self.events:
            method, parameters = event.get("method", ""), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(f"exception: {parameters['exceptionDetails'].get('text')}")
            elif method == "Log.entryAdded":
                found.append(f"console: {parameters['entry'].get('text')}")
            elif method == "Runtime.consoleAPICalled" and parameters.get("type") in ("error", "warning", "assert"):
                found.append(f"console: {parameters.get('args')}")
            elif method == "Network.requestWillBeSent":
                address = parameters["request"]["url"]
                if not address.startswith(("data:", "file:")):
                    found.append(f"asks the network for {address[:100]}")
        self.events.clear()
        return found


def find_browser() -> str | None:
    """Return the path of a browser that speaks the protocol, or None."""
    named = [path for path in map(shutil.which, NAMES) if path]
    return next(iter([*named, *(place for place in PLACES if Path(place).is_file())]), None)


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """Start a browser with a profile of its own, and end it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen([program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            said = Path(profile) / "DevToolsActivePort"
            for _ in range(300):
                if said.is_file() and said.read_text(encoding="utf-8").count("\n"):
                    break
                time.sleep(0.1)
            port = said.read_text(encoding="utf-8").split("\n")[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
                pages = [one for one in json.load(answer) if one["type"] == "page"]
            yield Browser(pages[0]["webSocketDebuggerUrl"])
        finally:
            process.terminate()
            process.wait(30)


def check(tab: Browser, page: Path, shots: Path, width: int, dark: bool, lesson: str) -> list[str]:
    """Return all complaints about the page at one width, in one color scheme; save screenshots."""
    name = f"{width}-{'dark' if dark else 'light'}"
    tab("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    tab("Emulation.setEmulatedMedia", features=[scheme])
    tab.open(page.resolve().as_uri())
    height = tab.evaluate("document.documentElement.scrollHeight")
    tab.shoot(shots / f"{name}-top.png", 0, min(height, TALL), width)
    found = tab.evaluate(CHECKS)
    before = tab.evaluate(SLIDER)
    if before != "none":
        tab.evaluate("document.querySelector('.compare input').focus()")
        for kind in ("rawKeyDown", "keyUp"):
            tab("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
        if tab.evaluate(SLIDER) == before:
            found.append("the slider does not move with the arrow keys")
    tab.evaluate("document.querySelector('#all-code')?.click()")
    place = tab.evaluate(f"document.getElementById({json.dumps(lesson)})?.getBoundingClientRect().top + scrollY")
    if place is not None:
        height = tab.evaluate("document.documentElement.scrollHeight")
        tab.shoot(shots / f"{name}-{lesson}.png", place, min(height - place, TALL), width)
    found += [f"with all code shown: {one}" for one in tab.evaluate(CHECKS) if one not in found]
    return found + tab.complaints()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="?", type=Path, default=ROOT / "out" / "index.html")
    parser.add_argument("--shots", type=Path, help="folder of the screenshots (default: screenshots beside the page)")
    parser.add_argument("--lesson", default="lesson-09", help="a second screenshot begins here (default: %(default)s)")
    options = parser.parse_args(arguments)
    program = find_browser()
    if program is None:
        print("no Chromium, Chrome or Edge found: nothing was checked")
        return 0
    if not options.page.is_file():
        print(f"{options.page}: no such page; `python -m lessons --page` writes it", file=sys.stderr)
        return 1
    shots = options.shots or options.page.parent / "screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    complaints = []
    with browser(program) as tab:
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab(f"{domain}.enable")
        for width in WIDTHS:
            for dark in (False, True):
                found = check(tab, options.page, shots, width, dark, options.lesson)
                complaints += found
                print(f"{width} pixels, {'dark' if dark else 'light'}: {'; '.join(found) or 'nothing to complain of'}")
    print(f"screenshots: {shots}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
