"""What the tests of the command line share: a model made by hand, and a run with it."""
import numpy as np
import pytest

from minidl import pixelwise
from minidl.checkpoint import save_weights
from tests.predict.corners import Run


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A file of a model that calls a pixel object if it is brighter than medium gray, and background otherwise."""
    model = pixelwise((1,), 2)
    state = {name: np.zeros_like(array) for name, array in model.state_dict().items()}
    state["0.weight"][:] = 1 / 3                          # gray, twice
    state["1.weight"][:] = state["1.running_var"][:] = 1
    state["3.weight"][0, :, 0, 0] = 1                     # object: twice the gray
    state["3.bias"][:] = 0, 1, -9                         # background: 1; border: never
    model.load_state_dict(state)
    return save_weights(tmp_path_factory.mktemp("weights") / "bright.npz", model, (32, 32))


@pytest.fixture
def run(weights, tmp_path, capsys):
    """Return a function that segments images; the results go to the folder out."""
    return lambda *arguments, out=tmp_path / "out": Run(weights, out, capsys, *arguments)
