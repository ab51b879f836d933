"""`import minidl`: quick, and with everything that it promises."""
import subprocess
import sys

import pytest

import minidl
from minidl import layers
from tests.programs import ROOT


def test_everything_promised_is_there_and_nothing_twice():
    for package in (minidl, layers):
        assert len(set(package.__all__)) == len(package.__all__)
        assert all(hasattr(package, name) for name in package.__all__)
    assert set(layers.__all__) <= set(minidl.__all__)


@pytest.mark.parametrize("module, heavy", [
    ("minidl", ("PIL", "matplotlib", "torch", "concurrent.futures")), ("lessons.__main__", ("matplotlib",))])
def test_drawing_and_decoding_libraries_are_imported_only_when_needed(module, heavy):
    program = f"import sys, {module}\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"
