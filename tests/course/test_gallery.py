"""`python -m lessons`: what it runs, and the page that it writes (here without a browser; see tests/tools)."""
import base64
import io
import json
import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from hypothesis import given, strategies as st

from lessons.__main__ import main
from minidl.course.exercises.catalog import find_exercises
from minidl.course.exercises.workspace import FAILED, PASSED, Workspace
from minidl.course.gallery import page as page_module, runner
from minidl.course.gallery.highlight import highlight
from minidl.course.gallery.images import embed
from minidl.course.gallery.markdown import blocks
from minidl.course.gallery.page import page
from minidl.course.gallery.results import done_with, latest_options, read_results
from minidl.course.gallery.scripts import Cell, Script, figures_made, find_scripts, read_script, split_cells
from minidl.runtime.npz import save_arrays
from tests.course.structure import Structure, text_of

HOSTILE = "<script>alert('x')</script> \"><img src=x onerror=alert(1)> & 'quoted' ${style} </style></title>"

LESSON = """# %% [markdown]
# # {number:02d} · Lesson {number}: *a* & b
# Slides {number}–9. *What is {number}?*
#
# **New here:** `x < y`.

# %%
import json, os, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1]) / pathlib.Path(__file__).stem
def save(name):
    (out / f"{{name}}.png").write_bytes((pathlib.Path(__file__).parent / "figure.png").read_bytes())

# %% [markdown]
# ## 1. First
# Some text.

# %%
class lesson:
    figure = staticmethod(lambda figure, name: save(name))
lesson.figure(None, "first")

# %% [markdown]
# ### Deep

# %%
lesson.figure(None, "second")
save("stray")
print("a line from lesson {number}")
{end}
(out / "metrics.json").write_text(json.dumps(dict(
    lesson=out.name, seconds=2.5, test=dict(mean_iou=0.25, iou_border=0.125), parameters=1234, arguments=sys.argv[1:],
    options=dict(quick="--quick" in sys.argv, size=32), figures=[dict(file=f"{{name}}.png", alt=f"{{name}}, 0.25")
    for name in ("first", "second", "stray")])))
"""


@pytest.fixture
def folder(tmp_path):
    """A folder of three lessons that take a moment, below one whose name is not plain."""
    folder = tmp_path / "a földer, with spaces" / "lessons"
    folder.mkdir(parents=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(folder / "figure.png")
    for number, name in enumerate(("one", "two", "three"), start=1):
        add(folder, number, name)
    return folder


def add(folder, number, name, end=""):
    (folder / f"{number:02d}_{name}.py").write_text(LESSON.format(number=number, end=end), encoding="utf-8")


def run(folder, *arguments, threads=1):
    return main([*arguments, "--threads", str(threads), "--out", str(folder.parent / "out")], folder)


def written(folder):
    return (folder.parent / "out" / "index.html").read_text(encoding="utf-8")


def began(folder, epoch):
    """Leave the checkpoint of the first lesson's training after so many of 2 epochs."""
    return save_arrays(folder.parent / "out" / "01_one" / "checkpoints" / "model" / "last.npz",
                       {"training": np.array(json.dumps({"epoch": epoch, "epochs": 2}))})


# The page

def test_page_of_lessons_that_were_run(folder, capsys):
    assert run(folder) == 0
    text = written(folder)
    structure = Structure(text)
    assert structure.wrong == [] and structure.headings.count(1) == 1 and '<html lang="en">' in text
    assert {"lesson-01", "lesson-02", "lesson-03", "ladder", "main", "contents"} <= set(structure.ids)
    assert {"header", "nav", "main", "footer"} <= structure.tags
    assert structure.images == 3 * [f"{name}, 0.25" for name in ("first", "second", "stray")]
    assert "Slides 1–9" in text and "What is 1?" in text and "0.250" in text and "1,234" in text
    assert "not run" not in text.lower() and "--quick" not in text.split("</header>")[1]
    first = text.split('id="lesson-01"')[1].split('id="lesson-02"')[0]       # figures follow the cells that made them
    places = [first.index(mark) for mark in ("&quot;first&quot;", 'alt="first,', "Deep", 'alt="second,', 'alt="stray,')]
    assert places == sorted(places)


def test_lessons_that_were_not_run_say_how(folder):
    run(folder, "--page")
    text = written(folder)
    assert Structure(text).wrong == [] and "No lesson has been run yet" in text
    for number in (1, 2, 3):
        assert f"<code>python -m lessons {number}</code> runs this lesson" in text
    assert text.count("Some text.") == 3 and "range" in text and "<img" not in text


def test_no_text_in_results_can_break_the_page(folder):
    out = folder.parent / "out"
    run(folder, "1")
    (out / "01_one" / "metrics.json").write_text(json.dumps({
        "test": {HOSTILE: 0.5, "mean_iou": float("nan")}, HOSTILE: HOSTILE, "failed": HOSTILE, "seconds": 2.5,
        "options": {HOSTILE: HOSTILE, "quick": True}, "arguments": [HOSTILE], "deep": {"a": {"b": [1, [2]]}},
        "figures": [{"file": f"{name}.png", "alt": HOSTILE} for name in ("first", "missing")]}), encoding="utf-8")
    (folder / "02_two.py").write_text(f"# %% [markdown]\n# # 02 · {HOSTILE}\n# Slide 1. *{HOSTILE}*\n#\n# {HOSTILE}\n"
                                      f"# %%\nx = '''{HOSTILE}'''\n", encoding="utf-8")
    run(folder, "--page")
    text = written(folder)
    structure = Structure(text)
    assert structure.wrong == [] and structure.images == [HOSTILE]
    assert text.count("<script>") == 1 and "missing.png" not in text


def test_ladder_and_comparison_are_at_the_top(folder, rng=np.random.default_rng(0)):
    run(folder, "3")
    out = folder.parent / "out" / "03_three"
    (out / "ladder.md").write_text("| model | mean IoU |\n| --- | ---: |\n| U-Net | 0.758 |\n", encoding="utf-8")
    (out / "ladder.png").write_bytes((folder / "figure.png").read_bytes())
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    metrics["figures"].append({"file": "ladder.png", "alt": "from 0.2 to 0.7"})
    (out / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    maps = rng.integers(0, 3, (3, 2, 8, 8)).astype(np.uint8)
    save_arrays(out / "comparison.npz", {"images": rng.integers(0, 255, (2, 3, 8, 8)).astype(np.uint8),
                                         "truth": maps[0], "without skips": maps[1], "with <skips>": maps[2]})
    run(folder, "--page")
    text = written(folder)
    structure = Structure(text)
    assert structure.wrong == [] and structure.images[0] == "from 0.2 to 0.7"
    assert '<td class="right">0.758</td>' in text
    right = [f"{(maps[k][0] == maps[0][0]).mean():.0%}" for k in (1, 2)]
    assert f"<span>{right[0]} right</span><span>{right[1]} right</span>" in text
    slider = text[text.index('<input type="range"'):].partition(">")[0]
    assert all(part in slider for part in ('aria-valuemin="0"', 'aria-valuemax="100"', "aria-valuetext"))
    assert '<label for="compare-at">' in text


def test_the_projects_own_lessons_make_a_sound_page(tmp_path):
    scripts = find_scripts(page_module.HERE.parents[2] / "lessons")
    text = page(list(scripts.values()), tmp_path)
    assert Structure(text).wrong == [] and len(text) < 1_600_000
    for script in scripts.values():
        assert script.slides.startswith("Slide") and script.question, script.path
        code = [cell.text for cell in script.cells if cell.code]
        assert any(figures_made(text) for text in code), script.path
        assert all(text_of(highlight(text)) == text for text in code)
        texts = [re.sub("`[^`]+`", "", cell.text) for cell in script.cells if not cell.code]
        assert not any(re.search(r"\]\(|```|^ {1,3}([-*]|\d+\.) ", text, re.M) for text in texts), (
            f"{script.path}: links, fences and nested lists are not for the page")


def test_page_lists_exercises_with_a_tick_at_those_that_passed(tmp_path):
    scripts = find_scripts(page_module.HERE.parents[2] / "lessons")
    work = Workspace(tmp_path / "my", find_exercises(page_module.HERE.parents[2] / "lessons" / "exercises"))
    work.prepare()
    work.save(4, {"04.2": PASSED, "04.3": FAILED}, work.digest(4))
    text = page([scripts[4], scripts[5]], tmp_path, tmp_path / "my")
    assert Structure(text).wrong == []
    ticks = re.findall(r'<li class="(passed|open)">.*?aria-label="(.*?)".*?(\d\d\.\d+) <code>(\w+)', text)
    assert ticks[:3] == [("open", "to do", "04.1", "convolve"), ("passed", "passed", "04.2", "im2col"),
                         ("open", "to do", "04.3", "col2im")]
    assert not any(number.startswith("05") for _, _, number, _ in ticks)
    assert re.search(r"<p>1 of \d+ exercises are done", text)


@pytest.mark.parametrize("pixels", [np.full((300, 400, 3), 200, np.uint8),
                                    np.random.default_rng(0).integers(0, 255, (90, 80, 4), np.uint8)])
def test_embedded_images_keep_every_pixel_and_are_not_larger(tmp_path, pixels):
    pixels[..., 3:] = 255
    Image.fromarray(pixels).save(tmp_path / "x.png", compress_level=0)
    address, width, height = embed(tmp_path / "x.png")
    data = base64.b64decode(address.partition(",")[2])
    assert (height, width) == pixels.shape[:2] and len(data) <= (tmp_path / "x.png").stat().st_size
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), pixels[..., :3])


def luminance(color):
    """Return the relative luminance of a color such as "#0b5a8f", as WCAG computes it."""
    values = [int(color[k:k + 2], 16) / 255 for k in (1, 3, 5)]
    return sum(share * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)
               for share, v in zip((0.2126, 0.7152, 0.0722), values))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colors_of_text_stand_out_from_their_ground(scheme):
    style = (page_module.HERE / "page.css").read_text(encoding="utf-8")
    rules = re.findall(r":root \{(.*?)\}", style, re.S)[scheme]
    colors = {name: luminance(color) for name, color in re.findall(r"--(\S+): (#[0-9a-f]{6});", rules)}
    pairs = [(name, ground) for ground, names in {
        "raised": "keyword string number comment builtin defined ink quiet accent link",
        "ground": "ink quiet link accent", "note": "note-ink"}.items() for name in names.split()]
    for pair in pairs:
        low, high = sorted(colors[name] for name in pair)
        assert (high + 0.05) / (low + 0.05) >= 4.5, pair


# Cells, Markdown, code

def test_a_script_is_cut_into_its_cells(folder, tmp_path):
    (tmp_path / "05_plain.py").write_text("x = 1\n# %%\ny = 2\n", encoding="utf-8")       # without a heading
    script = find_scripts(tmp_path)[5]
    assert script.title == "05_plain" and [cell.text for cell in script.cells] == ["x = 1", "y = 2"]
    assert Structure(page([script], tmp_path)).wrong == []
    script = read_script(folder / "01_one.py")
    assert (script.number, script.title) == (1, "01 · Lesson 1: *a* & b")
    assert (script.slides, script.question) == ("Slides 1–9", "What is 1?")
    assert script.cells[0].text.startswith("**New here:**") and [cell.code for cell in script.cells[:3]] == [
        False, True, False]


@given(st.text("#% \nab", max_size=60))
def test_no_line_of_code_is_lost(text):
    kept = " ".join(cell.text for cell in split_cells(text))
    assert kept.split() == re.sub(r"(?m)^# %%.*$", "", text).split()


@pytest.mark.parametrize("source, expected", [
    ("A *b* **c** `d*e*` 2 * 3 * 4", "<p>A <em>b</em> <strong>c</strong> <code>d*e*</code> 2 * 3 * 4</p>"),
    ("`a < b` & <b> *d `e*f`\ng*", "<p><code>a &lt; b</code> &amp; &lt;b&gt; <em>d <code>e*f</code>\ng</em></p>"),
    ("one\ntwo\n\nthree", "<p>one\ntwo</p>\n<p>three</p>"),
    ("## A\n### B\ntext", "<h3>A</h3>\n<h4>B</h4>\n<p>text</p>"),
    ("text:\n- a\n  b\n- c", "<p>text:</p>\n<ul>\n<li>a\nb</li>\n<li>c</li>\n</ul>"),
    ("1. a\n   still *a*\n2. b\n\ntext", "<ol>\n<li>a\nstill <em>a</em></li>\n<li>b</li>\n</ol>\n<p>text</p>"),
    ("year\n2023. text", "<p>year\n2023. text</p>"),
    ("a\n\n    x < 1\n\n    y\n\nb", "<p>a</p>\n<pre><code>x &lt; 1\n\ny</code></pre>\n<p>b</p>"),
    ("| a | b |\n|---|---:|\n| `c` | d |",
     '<div class="scroll"><table>\n<thead><tr><th scope="col">a</th><th scope="col" class="right">b</th></tr></thead>'
     '\n<tbody>\n<tr><td><code>c</code></td><td class="right">d</td></tr>\n</tbody></table></div>'),
    ("|x| is never below 0", "<p>|x| is never below 0</p>"),
    ("**94.5 %** of `5 % 2`, 7\n% or x", "<p><strong>94.5&nbsp;%</strong> of <code>5 % 2</code>, 7&nbsp;% or x</p>"),
])
def test_markdown(source, expected):
    assert blocks(source) == expected


@given(st.text("aé*`_<>|-#1.:& \n\"'", max_size=80))
def test_any_markdown_gives_sound_html_with_all_its_letters(source):
    markup = blocks(source)
    structure = Structure("<h1></h1>" + re.sub("h[3-6]>", "h2>", markup))
    assert structure.wrong == [] and re.findall("[aé]", text_of(markup)) == re.findall("[aé]", source)
    assert structure.tags <= {"p", "em", "strong", "code", "pre", "ul", "ol", "li", "h1", "h2", "div", "table", "thead",
                              "tbody", "tr", "th", "td"}


def test_highlighting():
    code = highlight('def f(x):\n    return len(x.sum) + 1.5e3  # why < "?"\n')
    assert code == ('<span class="k">def</span> <span class="d">f</span>(x):\n    <span class="k">return</span> '
                    '<span class="b">len</span>(x.sum) + <span class="n">1.5e3</span>  '
                    '<span class="c"># why &lt; &quot;?&quot;</span>\n')
    assert '<span class="s">' in highlight("f'{x:>4} é' + '''a\nb'''")


PIECES = ["def f(", ")", ":", "\n", "    ", "'a'", '"""', "f'{x!r:>{w}} {{'", "# é", "1.5e3", "é", "[", "]", "\\\n",
          "\t", "'", "len", "for", "@", "\x00", "😀", "0x", "$"]
PYTHON = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


@given(PYTHON)
def test_highlighted_code_reads_as_its_source(source):
    assert text_of(highlight(source)) == source


@pytest.mark.parametrize("code, names", [
    ('lesson.figure(f(a, b),\n              "data")', ["data"]),
    ('x = lesson.figure(f, "one", alt="c")\nif x: lesson.figure(g, "two")', ["one", "two"]),
    ("lesson.figure(f, name)", []), ("# lesson.figure(f, 'no')", []), ("plt.figure()", []), ("figure(f, 'x'", []),
])
def test_figures_that_a_cell_makes(code, names):
    assert figures_made(code) == names


# Running

def test_all_lessons_are_run_in_order_with_headings_logs_and_a_page(folder, capsys):
    assert run(folder, "--quick") == 0
    printed = capsys.readouterr().out
    headings = re.findall(r"=== 0(\d) · .* === lesson \d, (\d) of 3, .* so far, about .* left ===", printed)
    assert headings == [("1", "1"), ("2", "2"), ("3", "3")]
    assert "3 of 3 lessons run in" in printed and "index.html" in printed
    for name in ("01_one", "02_two", "03_three"):
        log = (folder.parent / "out" / name / "log.txt").read_text(encoding="utf-8")
        assert log == f'options: ["--quick", "--threads", "1"]\na line from lesson {int(name[:2])}\n'
    assert "<code>python -m lessons 1</code> trains" in written(folder) and "<code>--size</code>" in written(folder)


def test_a_failing_lesson_does_not_stop_the_others(folder, capsys):
    with (folder / "02_two.py").open("a", encoding="utf-8") as file:
        file.write('\nraise ValueError("expected <b>ones</b>, got twos")\n')
    assert run(folder) == 1
    captured = capsys.readouterr()
    assert "a line from lesson 3" in captured.out and "failed: lesson 2;" in captured.err and "log.txt" in captured.err
    assert "Traceback" in (folder.parent / "out" / "02_two" / "log.txt").read_text(encoding="utf-8")
    results = read_results(folder.parent / "out" / "02_two")
    assert results.numbers["parameters"] == 1234 and not done_with(results, [])      # it failed after its results
    assert "failed: <code>ValueError: expected &lt;b&gt;ones&lt;/b&gt;, got twos</code>" in written(folder)
    add(folder, 2, "two")
    assert run(folder, "--resume") == 0                  # what failed is run again, and nothing else
    printed = capsys.readouterr().out
    assert "a line from lesson 2" in printed and "a line from lesson 1" not in printed
    assert "The latest run failed" not in written(folder)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_log_that_cannot_be_written_fails_its_lesson_and_no_other(folder, capsys, threads):
    out = folder.parent / "out"
    (out / "01_one" / "log.txt").mkdir(parents=True)
    (out / "02_two").write_text("a file where a folder should be", encoding="utf-8")
    assert run(folder, threads=threads) == 1
    captured = capsys.readouterr()
    for name in ("01_one/log.txt", "02_two"):
        assert re.search(f"0{name[1]} · .*: not run, as its log cannot be written: .*{name}", captured.err), name
    assert "a line from lesson 3" in captured.out and "1 of 3 lessons run in" in captured.out
    assert "failed: lesson 1, 2\n" in captured.err and "Traceback" not in captured.err
    assert "failed: <code>its log could not be written: " in written(folder)
    (out / "01_one" / "log.txt").rmdir()
    (out / "02_two").unlink()
    assert run(folder, "--resume") == 0 and "a line from lesson 3" not in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="here everybody may write anywhere")
def test_a_folder_that_is_only_to_be_read_fails_its_lesson_and_no_other(folder, capsys):
    closed = folder.parent / "out" / "02_two"
    closed.mkdir(parents=True)
    closed.chmod(0o500)
    assert run(folder) == 1
    captured = capsys.readouterr()
    assert "02_two/log.txt" in captured.err and "a line from lesson 3" in captured.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file of a full disk is needed")
def test_a_full_disk_fails_the_lesson(folder, capsys):
    (folder.parent / "out" / "02_two").mkdir(parents=True)
    (folder.parent / "out" / "02_two" / "log.txt").symlink_to("/dev/full")
    assert run(folder) == 1
    captured = capsys.readouterr()
    assert "02_two/log.txt" in captured.err and "a line from lesson 3" in captured.out


def test_unknown_options_stop_at_once(folder, capsys):
    for number, name in enumerate(("one", "two"), start=1):
        add(folder, number, name, end='sys.exit("--widht" in sys.argv and 2)')
    assert run(folder, "--widht", "3") == 2
    assert "lesson 2" not in capsys.readouterr().out


def test_resume_leaves_out_what_is_done_with_the_same_options(folder, capsys):
    run(folder, "1", "2", "--seed", "1")
    for options, expected in ((["--seed", "1", "--threads", "2"], [3]), (["--seed", "2"], [1, 2, 3])):
        capsys.readouterr()
        run(folder, "--resume", *options)                # the number of threads does not matter
        printed = capsys.readouterr().out
        assert [k for k in (1, 2, 3) if f"a line from lesson {k}" in printed] == expected
        assert printed.count(": done already") == 3 - len(expected) and f"{len(expected)} of 3 lessons run" in printed
    for epoch, again in ((1, True), (2, False)):         # a training that was stopped is not left out
        began(folder, epoch)
        run(folder, "1", "--resume", "--seed", "2")
        assert ("a line from lesson 1" in capsys.readouterr().out) == again
        assert ("<code>python -m lessons 1 --resume</code> goes on" in written(folder)) == again


def test_a_lesson_resumes_only_what_was_begun_with_the_same_options(folder, capsys):
    """The checkpoint of another training would be refused by fit, and end the lesson."""
    add(folder, 1, "one", end='print("resumes" if "--resume" in sys.argv else "begins"); sys.exit(3)')
    begun = []
    for options in (["--resume"], ["--quick"], ["--resume", "--quick", "--threads", "1"],
                    ["--resume", "--quick", "--epochs", "9"], ["--resume"]):
        last = began(folder, 1)
        capsys.readouterr()
        assert run(folder, "1", *options) == 1
        begun.append(("resumes" if "resumes\n" in capsys.readouterr().out else "begins", last.exists()))
    assert begun == [("resumes", True), ("begins", False), ("resumes", True), ("resumes", True), ("begins", False)]


def test_a_lesson_that_was_run_by_itself_is_known_by_its_numbers(tmp_path):
    assert latest_options(tmp_path) is None
    (tmp_path / "log.txt").write_text('options: ["--quick", "--threads", "1"]\nsome text', encoding="utf-8")
    assert latest_options(tmp_path) == ["--quick"]
    (tmp_path / "metrics.json").write_text('{"arguments": ["--seed", "1"]}', encoding="utf-8")
    os.utime(tmp_path / "log.txt", ns=(1, 1))
    assert latest_options(tmp_path) == ["--seed", "1"]
    os.utime(tmp_path / "metrics.json", ns=(0, 0))
    assert latest_options(tmp_path) == ["--quick"]
    (tmp_path / "log.txt").write_text("something else", encoding="utf-8")
    assert latest_options(tmp_path) is None


def test_ctrl_c_stops_after_the_lesson_under_way(folder, capsys, monkeypatch):
    listen = runner.Heard.listen

    def press(heard, text):
        listen(heard, text)
        if "from lesson 2" in text:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(runner.Heard, "listen", press)
    before = signal.getsignal(signal.SIGINT)
    assert run(folder) == 130 and signal.getsignal(signal.SIGINT) is before
    captured = capsys.readouterr()
    assert "stopped at lesson 2" in captured.err and "a line from lesson 3" not in captured.out
    assert "lessons/03" not in written(folder) and "2 of 3 lessons have been run" in written(folder)


def test_as_many_lessons_run_at_a_time_as_there_are_cores(folder, tmp_path, capsys):
    """Each waits for the two others: one after the other they would never come to an end."""
    for number, name in enumerate(("one", "two", "three"), start=1):
        add(folder, number, name, end=f"""
import time
from pathlib import Path
place = Path({str(tmp_path)!r})
(place / "{name} is here").touch()
for _ in range(600):
    if len(list(place.glob("* is here"))) == 3:
        break
    time.sleep(0.1)
else:
    raise SystemExit("the others did not come")
print("threads", sys.argv[-1])""")
    assert run(folder, threads=3) == 0
    printed = capsys.readouterr().out
    assert all(f"0{k} | a line from lesson {k}\n" in printed and f"0{k} | threads 1\n" in printed for k in (1, 2, 3))
    assert "lessons 1 and 2" in printed and "3 of 3 lessons run in" in printed
    assert "a line from lesson 2" in (folder.parent / "out" / "02_two" / "log.txt").read_text(encoding="utf-8")


def test_which_lesson_may_begin():
    def lesson(number, code):
        return Script(Path(f"{number:02d}.py"), number, "", "", "", (Cell(True, code),))

    plain, first, second = lesson(1, "x = 1"), lesson(2, "task.result(1)"), lesson(3, "task.results()")
    timed = lesson(4, "from minidl.benchmark import timing")

    def begin(waiting, running, at_once):
        return runner._next(waiting, running, at_once)

    assert begin([plain, first], [], 2) is first and begin([plain], [first], 1) is None
    assert begin([second, timed, plain], [first], 2) is plain      # its result is needed, and time is not to be shared
    assert begin([plain, second], [], 2) is second and begin([plain, second], [], 1) is plain
    assert begin([second, first], [], 2) is second and begin([first, second], [plain], 2) is first
    assert begin([timed, plain], [], 2) is timed and begin([plain], [timed], 2) is None


def test_the_time_left_is_that_of_earlier_runs(folder):
    scripts = list(find_scripts(folder).values())
    line = runner.RunLine(scripts, [100.0, None, 30.0], first_guess=7.0)
    first = line.begin(scripts[0], io.StringIO())
    assert "lesson 1, 1 of 3" in line.where() and "about 2 min 17 s left" in line.where()
    line.end(first)                                      # it took no time, and so will the one that nobody knows
    line.begin(scripts[1], io.StringIO())
    assert "lesson 2, 2 of 3" in line.where() and "about 30 s left" in line.where()
    two = runner.RunLine(scripts, [100.0, None, 30.0], first_guess=7.0, at_once=2)
    for script in scripts[:2]:
        two.begin(script, io.StringIO())
    assert "lessons 1 and 2, 2 of 3" in two.where() and "about 1 min 08 s left" in two.where()


def test_on_a_terminal_one_line_below_is_rewritten(folder, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "90")
    scripts = list(find_scripts(folder).values())
    line = runner.RunLine(scripts, [None] * 3, first_guess=1.0)
    heard = line.begin(scripts[0], io.StringIO())
    for text in ("hal", "f a line\nstep 1\rstep 2", "\r"):
        heard.listen(text)
    line.end(heard)
    monkeypatch.undo()
    rows = terminal.getvalue().split("\n")
    lasting = [row.rpartition("\r")[2] for row in rows]
    assert "half a line" in lasting and "step 2" in lasting and "step 1" not in "".join(lasting)
    assert all(len(part) < 90 for row in rows for part in row.split("\r") if part.startswith("["))
