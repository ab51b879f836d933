"""Look at the page of all lessons in a real browser.

    python tests/tools/check_page_in_browser.py [out/index.html] [--shots FOLDER]

Where Chromium (or Chrome, or Edge) is there, opens the page at widths of 400, 800 and 1400 pixels, light and dark,
saves screenshots, and reports errors of scripts, what the page's own rules forbid, images that do not load, links
without a target, text that is wider than the screen or too pale, a slider that moves nothing, and links into folded
code that do not unfold it. A page of more than 8 MB is too large. Exit status 1 if there is any of that; 0 if not, or
if there is no browser.
"""
import argparse
import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = (400, 800, 1400)
MOST = 8_000_000                  # bytes
TALL = 4000                       # pixels of the page on a screenshot
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
PLACES = ("C:/Program Files/Google/Chrome/Application/chrome.exe",
          "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
          "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000",
         "--allow-file-access-from-files")

# A browser's window has a smallest width, a frame has none. After the checks, which lead to many places of the page, it
# is loaded again as it is, for the screenshot.
FRAME = """<!DOCTYPE html><body style="margin: 0"><iframe src="page.html" width="{width}" height="{tall}"
style="border: 0"></iframe><script>
onmessage = (event) => {{
  document.body.dataset.wrong = JSON.stringify(event.data);
  document.querySelector("iframe").src = "plain.html";
}};
</script></body>"""

# Goes into the page; sends a list of complaints to the frame around it.
SCRIPT = """
const wrong = [];
addEventListener("error", (event) => wrong.push(`script: ${event.message}`));
addEventListener("securitypolicyviolation", (event) => wrong.push(`forbidden: ${event.violatedDirective}`));
function check() {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width)
    wrong.push(`the page is ${document.documentElement.scrollWidth} pixels wide, the screen ${width}`);
  for (const link of document.querySelectorAll('a[href^="#"]'))
    if (!document.getElementById(link.hash.slice(1))) wrong.push(`no target: ${link.hash}`);
  for (const image of document.images)
    if (!image.complete || !image.naturalWidth) wrong.push(`does not load: ${image.alt}`);
  // Contrast of every text with the nearest ground below it, as WCAG computes it.
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
}
addEventListener("load", () => {
  check();
  const slider = document.querySelector(".compare input"), at = () => slider.closest(".compare").style.cssText;
  if (slider) {
    const before = at();
    slider.value = 20;
    slider.dispatchEvent(new Event("input", {bubbles: true}));
    if (at() === before) wrong.push("the slider moves nothing");
  }
  document.querySelector("#all-code")?.click();      // code that was open is folded now, and the other way round
  check();
  const links = new Map([...document.querySelectorAll("details.code a")].map((link) => [link.hash, link]));
  for (const link of links.values()) {
    const target = document.getElementById(link.hash.slice(1)), file = target?.closest("details");
    if (!file) continue;
    file.open = false;
    link.click();
    if (!file.open) wrong.push(`stays folded: ${link.hash}`);
    file.open = false;
  }
  for (const file of document.querySelectorAll("details")) file.open = true;
  check();
  parent.postMessage([...new Set(wrong)], "*");
});
"""


def find_browser() -> str | None:
    """Return the path of a browser of Chromium's kind, or None."""
    named = [path for path in map(shutil.which, NAMES) if path]
    return next(iter([*named, *(place for place in PLACES if Path(place).is_file())]), None)


def with_script(page: str) -> str:
    """Return the page with our script in it, which its rules must allow."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode("utf-8")).digest()).decode("ascii")
    rules = "script-src 'sha256-"
    assert page.count(rules) == 1 and page.count("<title>") == 1
    page = page.replace(rules, f"script-src 'sha256-{digest}' 'sha256-")
    return page.replace("<title>", f"<script>{SCRIPT}</script><title>")


def check(browser: str, plain: str, shot: Path, width: int, dark: bool) -> list[str]:
    """Return all complaints about the page at one width, in one color scheme; save a screenshot."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        frame = Path(place) / "frame.html"
        frame.write_text(FRAME.format(width=width, tall=TALL), encoding="utf-8")
        (Path(place) / "page.html").write_text(with_script(plain), encoding="utf-8")
        (Path(place) / "plain.html").write_text(plain, encoding="utf-8")
        command = [browser, *FLAGS, f"--user-data-dir={place}/profile", f"--screenshot={shot.resolve()}",
                   f"--window-size={width},{TALL}", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
                   "--dump-dom", frame.as_uri()]
        said = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=600).stdout
    found = re.search('data-wrong="(.*?)"', said, re.S)
    return list(json.loads(html.unescape(found[1]))) if found else ["the page did not answer"]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="?", type=Path, default=ROOT / "out" / "index.html")
    parser.add_argument("--shots", type=Path, help="folder of the screenshots (default: screenshots beside the page)")
    options = parser.parse_args(arguments)
    browser = find_browser()
    if browser is None:
        print("no Chromium, Chrome or Edge found: nothing was checked")
        return 0
    if not options.page.is_file():
        print(f"{options.page}: no such page; `python -m lessons --page` writes it", file=sys.stderr)
        return 1
    page = options.page.read_text(encoding="utf-8")
    shots = options.shots or options.page.parent / "screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    size = options.page.stat().st_size
    complaints = [f"{size:,} bytes, more than {MOST:,}"] * (size > MOST)
    print(f"{size:,} bytes" + " are too many" * (size > MOST))
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            found = check(browser, page, shots / f"{width}-{scheme}.png", width, scheme == "dark")
            complaints += found
            print(f"{width} pixels, {scheme}: {'; '.join(found) or 'nothing to complain of'}")
    print(f"screenshots: {shots}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
