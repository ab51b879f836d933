"""Running another program: its status comes back, and Ctrl-C is left to it."""
import os
import subprocess

from minidl.processes import run_python


def test_status_and_environment_come_through():
    environment = os.environ | {"ANSWER": "42"}
    assert run_python(["-c", "import os; raise SystemExit(int(os.environ['ANSWER']))"], environment) == (42, False)


def test_ctrl_c_waits_for_the_program_to_end(tmp_path, monkeypatch):
    """The program below saves after Ctrl-C was pressed; it must not be killed before that."""
    wait, presses = subprocess.Popen.wait, iter([KeyboardInterrupt, None, None, None])

    def interrupted_once(process, timeout=None):
        press = next(presses)
        if press:
            raise press
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted_once)
    program = "import sys, time; time.sleep(0.5); open(sys.argv[1], 'w').write('saved')"
    assert run_python(["-c", program, str(tmp_path / "file")], os.environ) == (0, True)
    assert (tmp_path / "file").read_text() == "saved"
