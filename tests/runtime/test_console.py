"""Standard streams: a reader that leaves, streams that are not there, letters that a console lacks."""
import os
import subprocess
import sys

import pytest

from minidl.runtime.console import READER_LEFT, prepare
from tests.programs import ROOT, run

PROGRAM = """
import sys
from minidl.runtime.console import prepare
prepare(stop={stop})
for k in range(100_000):
    print("line", k)
print("to the end", file=open(sys.argv[1], "w", encoding="utf-8"))
"""


@pytest.mark.parametrize("stop", [False, True])
def test_a_reader_that_leaves_ends_the_output_and_with_stop_the_program(stop, tmp_path):
    program = [sys.executable, "-c", PROGRAM.format(stop=stop), tmp_path / "end"]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().strip() == b"line 0"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == (READER_LEFT if stop else 0) and (tmp_path / "end").exists() != stop


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_full_disk_is_not_a_reader_that_leaves(tmp_path):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, "-c", PROGRAM.format(stop=False), tmp_path / "end"], cwd=ROOT,
                              stdout=full, stderr=subprocess.PIPE)
    assert done.returncode != 0 and b"No space left" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="only a shell of POSIX can close them")
def test_no_file_gets_the_number_of_a_stream_that_is_not_there(tmp_path):
    program = ("import sys; from minidl.runtime.console import prepare; prepare();"
               "print('nobody hears'), print('nor sees', file=sys.stderr);"
               "file = open(sys.argv[1], 'w'); print(file.fileno(), sys.stdin.read(), file=file)")
    done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" "$2" <&- >&- 2>&-', sys.executable, program, tmp_path / "a"],
                          cwd=ROOT)
    assert done.returncode == 0 and int((tmp_path / "a").read_text(encoding="utf-8")) > 2


def test_what_is_no_file_is_left_alone(monkeypatch):
    class Cell:
        def write(self, text):
            return len(text)

    cell = Cell()
    monkeypatch.setattr(sys, "stdout", cell)
    prepare()
    assert sys.stdout is cell and not vars(cell)


def test_letters_that_a_console_lacks_are_written_as_asked():
    for errors, text in (("replace", "?"), ("backslashreplace", "\\u2192")):
        done = run("-c", f"from minidl.runtime.console import prepare; prepare({errors!r}); prepare({errors!r});"
                   "print('\\u2192')", PYTHONIOENCODING="ascii")
        assert done.stdout == text + "\n" and not done.stderr
