"""The page of all lessons and their results: one HTML file that needs nothing but itself."""
import base64
import hashlib
import html
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from string import Template

from minidl.course.exercises.answers import FOLDER
from minidl.course.gallery.compare import comparison
from minidl.course.gallery.exercises import exercises_done, exercises_of
from minidl.course.gallery.highlight import highlight
from minidl.course.gallery.images import embed
from minidl.course.gallery.library import core_lines, library_part, links
from minidl.course.gallery.markdown import blocks, inline
from minidl.course.gallery.results import Results, read_results
from minidl.course.gallery.scripts import Script, figures_made
from minidl.course.printed import key, read_printed
from minidl.runtime.files import project_root, replacing
from minidl.runtime.format import flat, number, words
from minidl.runtime.progress import duration
from minidl.runtime.threads import available_cores

HERE = Path(__file__).resolve().parent
SHOWN_FIRST = ("mean_iou", "iou_border", "pixel_accuracy")    # of the scores on held-out data; then what else there is


def write_page(scripts: Sequence[Script], out: Path, my: Path | None = None) -> Path:
    """Write out/index.html about these lessons and what their runs have left in `out`; return its path.

    `my` is the folder of the reader's exercises (default: that of the project).
    """
    path = out / "index.html"
    with replacing(path) as temporary:
        temporary.write_text(page(scripts, out, my), encoding="utf-8")
    return path


def page(scripts: Sequence[Script], out: Path, my: Path | None = None) -> str:
    """Return the page as HTML."""
    my = my or project_root() / FOLDER
    results = {script.number: read_results(out / script.name) for script in scripts}
    with ThreadPoolExecutor(available_cores()) as pool:      # on all cores; `embed` remembers what it has made smaller
        list(pool.map(embed, [out / script.name / file for script in scripts
                              for file in results[script.number].figures]))
    style, code = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(code.encode("utf-8")).digest()).decode("ascii")
    contents = "\n".join(f'<li><a href="#{anchor(script)}">{_numbered(script)}</a></li>' for script in scripts)
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        style=style, script=code, digest=digest, contents=contents,
        facts=_facts(scripts, results) + exercises_done(list(scripts), my),
        ladder=_ladder(scripts, results, out), comparison=_comparison(scripts, results, out),
        lessons="\n".join(_lesson(script, results[script.number], out / script.name, my) for script in scripts),
        library=library_part(), core_lines=number(core_lines()))


def anchor(script: Script) -> str:
    """Return the id of a lesson's section."""
    return f"lesson-{script.number:02d}"


def _numbered(script: Script) -> str:
    """Return a lesson's title with its number set apart."""
    number, _, name = script.title.partition(" · ")
    if not name:
        return inline(script.title)
    return f'<span class="number">{html.escape(number)}</span> {inline(name)}'


def _facts(scripts: Sequence[Script], results: dict[int, Results]) -> str:
    """Return one line about what has been run, and how to run what has not."""
    ran = [result for result in results.values() if result.ran]
    seconds = sum(result.seconds or 0 for result in ran)
    if not ran:
        return ('<p class="note">No lesson has been run yet. <code>python -m lessons</code> runs them all; text and '
                "code are here already.</p>")
    facts = f"<p>{len(ran)} of {len(scripts)} lessons have been run, in {duration(seconds)} of work."
    if len(ran) < len(scripts):
        facts += " <code>python -m lessons --resume</code> runs the others."
    if any(result.options.get("quick") for result in ran):
        facts += (" <strong>Some were run with <code>--quick</code></strong>, which proves that all of it works: their "
                  "numbers and figures are those of networks that have hardly been trained.")
    return facts + "</p>"


def _ladder(scripts: Sequence[Script], results: dict[int, Results], out: Path) -> str:
    """Return the ladder's figure and table, of the lesson that has drawn it."""
    for script in scripts:
        table = out / script.name / "ladder.md"
        alt = results[script.number].figures.get("ladder.png")
        if table.is_file() and alt is not None:
            return (_figure(out / script.name / "ladder.png", alt) + blocks(table.read_text(encoding="utf-8"))
                    + _if_quick(results[script.number]))
    return ('<p class="note">The ladder is drawn when its lessons have been run: <code>python -m lessons</code> runs '
            "all of them.</p>")


def _comparison(scripts: Sequence[Script], results: dict[int, Results], out: Path) -> str:
    """Return the images with the slider, of the first lesson that has left some."""
    for script in scripts:
        images = comparison(out / script.name / "comparison.npz")
        if images:
            link = f'<a href="#{anchor(script)}">lesson {script.number}</a>'
            return f"{images}<p>How they were trained is in {link}.</p>{_if_quick(results[script.number])}"
    return '<p class="note">The images to compare come from the lesson that trains both: run it first.</p>'


def _if_quick(results: Results) -> str:
    """Return a warning if these are the results of a quick run."""
    return ('<p class="note">From a run with <code>--quick</code>: hardly trained.</p>' if results.options.get("quick")
            else "")


def _lesson(script: Script, results: Results, folder: Path, my: Path) -> str:
    """Return one lesson: its heading, its numbers, its cells with the figures they made, and its exercises."""
    badge = f'<p class="slides">{html.escape(script.slides)}</p>' if script.slides else ""
    question = f'<p class="question">{inline(script.question)}</p>' if script.question else ""
    parts = [f'<section class="lesson" id="{anchor(script)}" aria-labelledby="{anchor(script)}-title">',
             f'<header>{badge}<h2 id="{anchor(script)}-title">{_numbered(script)}</h2>{question}</header>',
             _state(script, results), _numbers(results), *_cells(script, results, folder),
             exercises_of(script, my), '<p class="up"><a href="#contents">Contents</a></p></section>']
    return "\n".join(part for part in parts if part)


def _state(script: Script, results: Results) -> str:
    """Return what is to be said about the run: that there was none, that it failed, was stopped, or was quick."""
    line = f"python -m lessons {script.number}"
    command = f"<code>{line}</code>"
    notes = []
    if results.failed:
        notes.append(f"The latest run failed: <code>{html.escape(results.failed)}</code>. "
                     + ("What is shown is what it, or an earlier run, left." if results.ran
                        else f"{command} runs it again."))
    elif not results.ran:
        notes.append(f"Not run yet: {command} runs this lesson, and its figures and numbers appear here.")
    if results.stopped:
        notes.append(f"The training was stopped before its end; <code>{line} --resume</code> goes on.")
    elif results.ran and results.options.get("quick"):
        notes.append(f"Run with <code>--quick</code>: proof that it works, no more. {command} trains for its results.")
    return "".join(f'<p class="note">{note}</p>' for note in notes)


def _numbers(results: Results) -> str:
    """Return the most telling numbers, and all others to unfold."""
    if not results.ran:
        return ""
    test = results.numbers.get("test")
    scores = {key: value for key, value in test.items() if isinstance(value, float)} if isinstance(test, dict) else {}
    first = [key for key in SHOWN_FIRST if key in scores] or list(scores)[:3]
    tiles = [(words(key), number(scores[key])) for key in first]
    parameters = results.numbers.get("parameters")
    if isinstance(parameters, int):
        tiles.append(("parameters", number(parameters)))
    if results.seconds is not None:
        tiles.append(("time", duration(results.seconds)))
    shown = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in tiles)
    rows = "".join(f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
                   for name, value in flat(results.numbers))
    rows += "".join(f'<tr><th scope="row"><code>--{html.escape(key.replace("_", "-"))}</code></th>'
                    f"<td>{html.escape(number(value))}</td></tr>" for key, value in results.options.items()
                    if value is not None and value is not False and key not in ("out", "show", "resume"))
    return (f'<dl class="tiles">{shown}</dl>' if tiles else "") + (
        '<details class="numbers"><summary>All numbers</summary><div class="scroll">'
        f'<table><tbody>{rows}</tbody></table></div></details>' if rows else "")


def _cells(script: Script, results: Results, folder: Path) -> list[str]:
    """Return text, code, and after each cell what it printed and drew; after the last, figures of unknown origin."""
    left, parts, printed = dict(results.figures), [], read_printed(folder)
    code = iter(_code(script))
    for cell in script.cells:
        if not cell.code:
            parts.append(f'<div class="text">{blocks(cell.text)}</div>')
            continue
        count = cell.text.count("\n") + 1
        parts.append(f'<details class="code" open><summary>Code, {count} line{"s" if count > 1 else ""}</summary>'
                     f'<pre><code>{next(code)}</code></pre></details>')
        if key(cell.text) in printed:
            parts.append(f'<pre class="printed" tabindex="0">{html.escape(printed[key(cell.text)])}</pre>')
        made = [f"{name}.png" for name in figures_made(cell.text)]
        parts += [_figure(folder / file, left.pop(file)) for file in made if file in left]
    return parts + [_figure(folder / file, alt) for file, alt in left.items()]


@lru_cache(maxsize=None)             # the page is written after each lesson, and the code stays as it is
def _code(script: Script) -> list[str]:
    """Return the cells with code as HTML, with links to the library."""
    cells = [cell.text for cell in script.cells if cell.code]
    return [highlight(cell, linked) for cell, linked in zip(cells, links(cells))]


def _figure(path: Path, alt: str) -> str:
    address, width, height = embed(path)
    wide = ' class="wide"' if width > 640 else ""        # on a phone it keeps readable letters, and scrolls
    return (f'<figure{wide}><div class="scroll card"><img src="{address}" width="{width}" height="{height}" '
            f'alt="{html.escape(alt)}"></div><figcaption>{html.escape(path.name)}</figcaption></figure>')
