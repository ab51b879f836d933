"""Running another program: its status and its words come back, and Ctrl-C is left to it."""
import os
import signal

import pytest

from minidl.course.gallery.runner import run_python
from minidl.runtime.interrupt import stop_on_ctrl_c


def test_status_environment_and_words_come_through():
    heard: list[str] = []
    program = ("import os, sys; print('één'); print('→ 😀', file=sys.stderr); "
               "raise SystemExit(int(os.environ['ANSWER']))")
    assert run_python(["-c", program], os.environ | {"ANSWER": "42"}, heard.append) == 42
    assert "".join(heard).split() == ["één", "→", "😀"]


def test_words_are_heard_as_they_come():
    heard: list[str] = []
    program = "import time; print('now', end=''); time.sleep(0.8); print('later')"
    assert run_python(["-c", program], os.environ, heard.append) == 0
    assert heard[0] == "now" and "later" in "".join(heard[1:])


def test_letters_cut_in_half_are_put_together():
    heard: list[str] = []
    program = ("import sys, time\nfor byte in 'é😀'.encode() + b'\\xff':\n"
               "    sys.stdout.buffer.write(bytes([byte])); sys.stdout.flush(); time.sleep(0.02)")
    assert run_python(["-c", program], os.environ, heard.append) == 0
    assert "".join(heard) == "é😀\ufffd"


def test_ctrl_c_waits_for_the_program_to_end(tmp_path):
    """The program below saves after Ctrl-C was pressed; it must not be killed before that."""
    def press(text):
        if "ready" in text:
            signal.raise_signal(signal.SIGINT)

    program = "import sys, time; print('ready'); time.sleep(0.5); open(sys.argv[1], 'w').write('saved')"
    with stop_on_ctrl_c(again=False) as stop:
        assert run_python(["-c", program, str(tmp_path / "file")], os.environ, press) == 0
    assert stop.is_set() and (tmp_path / "file").read_text() == "saved"


def test_a_second_ctrl_c_interrupts_if_it_may():
    with stop_on_ctrl_c(again=False) as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert stop.is_set()
    with pytest.raises(KeyboardInterrupt), stop_on_ctrl_c() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        signal.raise_signal(signal.SIGINT)
