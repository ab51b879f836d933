"""Losses as Python objects, what is written into between forward and backward, and labels in another form."""
import copy
import pickle

import numpy as np
import pytest

from minidl import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, Linear, MSELoss, Sequential, Sigmoid, SmoothL1Loss

LOSSES = [CrossEntropyLoss(), CrossEntropyLoss(np.ones(3), ignore_index=2), MSELoss(), L1Loss(), SmoothL1Loss(),
          BCEWithLogitsLoss()]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)


def example(loss, n=4):
    rng = np.random.default_rng(0)
    labels = isinstance(loss, CrossEntropyLoss)
    return rng.normal(size=(n, 3)), rng.integers(0, 3, n) if labels else rng.random((n, 3))


@each_loss
def test_writing_into_prediction_and_target_does_not_change_the_derivative(loss):
    prediction, target = example(loss)
    loss(prediction, target)
    expected = loss.backward().copy()
    loss(prediction, target)
    prediction -= 3
    target[...] = 1
    assert np.array_equal(loss.backward(), expected)


@each_loss
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_copies_are_small_and_have_forgotten_the_forward(loss, copied):
    prediction, target = example(loss)
    value = loss(prediction, target)
    loss(*example(loss, n=1000))
    assert len(pickle.dumps(loss)) < 1000
    twin = copied(loss)
    with pytest.raises(RuntimeError, match="needs a forward"):
        twin.backward()
    assert twin(prediction, target) == value


@pytest.mark.parametrize("labels, fits", [
    (np.eye(3)[[0, 2]], "labels.argmax(axis=1)"), (np.array([[0], [2]]), "labels.squeeze(axis=1)"),
    (np.eye(3, dtype=bool)[[0, 2]], "labels.argmax(axis=1)")])
def test_one_hot_labels_are_told_how_they_become_classes(labels, fits):
    loss, logits = CrossEntropyLoss(), np.zeros((2, 3))
    with pytest.raises(ValueError) as error:
        loss(logits, labels)
    assert f"They would fit as {fits}" in str(error.value)
    loss(logits, eval(fits))


@pytest.mark.parametrize("axis", [1, 3])
def test_one_hot_label_maps_too(axis):
    labels = np.moveaxis(np.eye(3)[np.zeros((2, 4, 5), int)], 3, axis)
    with pytest.raises(ValueError, match=rf"labels\.argmax\(axis={axis}\) if they are one-hot"):
        CrossEntropyLoss()(np.zeros((2, 3, 4, 5)), labels)
    with pytest.raises(ValueError) as error:
        CrossEntropyLoss()(np.zeros((2, 3, 4, 5)), np.zeros((2, 5, 4), int))
    assert "They would fit" not in str(error.value)


def test_float_labels_are_told_how_they_become_integers():
    with pytest.raises(ValueError, match=r"expected integer labels, got dtype float64.*labels\.astype\(int\)"):
        CrossEntropyLoss()(np.zeros((2, 3)), np.array([0.0, 2.0]))


def test_the_gradient_is_right_though_the_output_was_written_to():
    """y -= t after the loss: refused by a layer that keeps its output, harmless after others."""
    x, target = np.random.default_rng(0).random((4, 3)), np.zeros((4, 2))
    for model in (Linear(3, 2, rng=0), Sequential(Linear(3, 2, rng=0), Sigmoid())):
        found = []
        for write in (False, True):
            twin, loss = copy.deepcopy(model).astype(np.float64), MSELoss()
            y = twin(x)
            loss(y, target)
            if write and isinstance(model, Sequential):
                with pytest.raises(ValueError, match="read-only"):
                    y -= 1
            elif write:
                y -= 1
            twin.backward(loss.backward())
            found.append([p.grad for p in twin.parameters()])
        assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
