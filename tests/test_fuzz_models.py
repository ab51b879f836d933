"""A few seconds of the fuzz, and whether it finds what it should."""
import numpy as np
import pytest

import minidl
from minidl import BatchNorm2d, Conv2d, Dropout, MaxPool2d, ReLU, Residual, Skip
from minidl.layers.base import Layer
from tests import fuzz
from tests.random_calls import Case
from tests.random_models import build, random_model

KINDS = ("Linear ReLU LeakyReLU Sigmoid Tanh Softmax Dropout Conv2d ConvTranspose2d BatchNorm2d MaxPool2d AvgPool2d "
         "Upsample Flatten Reshape PixelShuffle Identity Sequential Skip Residual Sum").split()


@pytest.mark.parametrize("seed", range(10))
def test_random_models_and_calls_do_as_plain_references(seed):
    assert not fuzz.failure_of(seed)


def test_all_layers_and_containers_come_up():
    texts = " ".join(random_model(np.random.default_rng(seed))[0] for seed in range(60))
    assert all(f"{kind}(" in texts for kind in KINDS)
    there = {name for name, thing in vars(minidl).items() if isinstance(thing, type) and issubclass(thing, Layer)}
    assert there == {"Layer", *KINDS}


def wrong(kind, name):
    """Return a method that is that of a layer, but for something small and wrong."""
    right = getattr(kind, name)

    def method(self, *arguments):
        result = right(self, *arguments)
        return result * 1.01 if isinstance(result, np.ndarray) else result
    return method


@pytest.mark.parametrize("kind, name", [(Conv2d, "backward"), (ReLU, "backward"), (MaxPool2d, "forward"),
                                        (Skip, "backward"), (Residual, "backward")])
def test_a_wrong_layer_is_found(kind, name, monkeypatch):
    monkeypatch.setattr(kind, name, wrong(kind, name))
    assert first_failure(having=kind.__name__)


@pytest.mark.parametrize("kind, name, method", [
    (BatchNorm2d, "track", lambda self, mean, var: None), (Dropout, "forward", lambda self, x: self.keep(x, None)),
    (Layer, "zero_grad", lambda self: None), (Layer, "state_dict", lambda self: self._state()),
    (Layer, "eval", lambda self: self),
])
def test_a_wrong_call_is_found(kind, name, method, monkeypatch):
    monkeypatch.setattr(kind, name, method)
    assert first_failure(having="" if kind is Layer else kind.__name__)


def first_failure(having="", most=40):
    """Return the first failure among cases whose models have a kind of layer."""
    seeds = (seed for seed in range(400) if having in random_model(np.random.default_rng(seed))[0])
    return next(filter(None, (fuzz.failure_of(seed) for seed, _ in zip(seeds, range(most)))), "")


def test_the_seed_of_a_failure_is_printed(capsys, monkeypatch):
    assert fuzz.main(["--seed", "5"]) == 0 and "1 cases, from seed 5" in capsys.readouterr().out
    monkeypatch.setattr(Case, "zero_grad", lambda self: 1 / 0)
    monkeypatch.setattr(Case, "run", lambda self: self.zero_grad())
    assert fuzz.main(["--seed", "5"]) == 1
    printed = capsys.readouterr().out
    assert "--seed 5: Sequential(" in printed and "ZeroDivisionError" in printed and "(seeds 5)" in printed
    assert build(Case(5).text)
