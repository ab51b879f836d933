"""What a lesson prints is kept by cell, and the page shows it below the cell."""
import pytest

from minidl.course.gallery.page import page
from minidl.course.gallery.scripts import read_script
from minidl.course.printed import key, listen_to_lesson, read_printed
from tests.programs import run

SCRIPT = """# %% [markdown]
# # 99 · A lesson
# Slide 1. *Why?*

# %%
import threading
from minidl.course.lesson import Lesson

lesson = Lesson("99_test")
print("<b>first</b>")

# %%
def twice(x):
    print("step 1\\rstep 2")
    return 2 * x


# %% [markdown]
# Text.

# %%
y = [twice(x)
     for x in (1, 2)]
print("x" * 30_000)
print("no more")
print("figure: out/99_test/one.png")
thread = threading.Thread(target=print, args=["from a thread"])
thread.start()
thread.join()

# %%
from minidl.runtime.progress import Progress
progress = Progress(3, "counting", every=0)
progress.update(1, "one sheep")
progress.line(3, "sheep")

# %%
lesson.finish(y=y)
print("after the end")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A lesson that has been run as a script: its file, and its folder of results."""
    folder = tmp_path_factory.mktemp("lesson")
    path = folder / "99_test.py"
    path.write_text(SCRIPT, encoding="utf-8")
    result = run(path, "--out", folder / "out")
    assert result.returncode == 0 and "from a thread" in result.stdout, result.stdout + result.stderr
    return path, folder / "out"


def test_output_is_kept_by_the_cell_that_printed_it(ran):
    path, out = ran
    printed = read_printed(out / "99_test")
    by_cell = [printed.get(key(cell.text)) for cell in read_script(path).cells if cell.code]
    assert by_cell[0] is not None and by_cell[0].splitlines()[-1] == "<b>first</b>"
    assert by_cell[1] is by_cell[4] is None                        # what a cell's function prints is its caller's
    assert by_cell[2] == "step 2\nstep 2\n" + "x" * 30_000         # and a cell keeps no endless output


def test_how_far_work_is_is_not_kept_but_what_it_says_at_its_end(ran):
    path, out = ran
    progress = next(cell.text for cell in read_script(path).cells if "Progress(" in cell.text)
    assert read_printed(out / "99_test")[key(progress)] == "counting 3/3, sheep, took 0 s"


def test_page_shows_output_below_its_cell_until_the_code_changes(ran):
    path, out = ran
    shown = page([read_script(path)], out)
    assert "&lt;b&gt;first&lt;/b&gt;</pre>" in shown and "step 2\nstep 2\n" in shown
    path.write_text(SCRIPT.replace("(1, 2)", "(1, 2, 3)"), encoding="utf-8")
    changed = page([read_script(path)], out)
    assert "first&lt;/b&gt;</pre>" in changed and "step 2\nstep 2" not in changed


def test_a_test_or_a_notebook_is_not_listened_to():
    assert listen_to_lesson("99_test") is None
