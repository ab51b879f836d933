"""Probabilities, truth and gradient of all pixels as images."""
from typing import Any

import numpy as np
import pytest

from minidl.course.figures.pixelwise import descent_figure, subtraction_figure
from tests.figures import check_layout, words

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, size=(8, 12))
P = RNG.dirichlet(np.ones(3), size=(8, 12)).transpose(2, 0, 1)                             # (3, 8, 12)
TRUTH = np.eye(3)[LABELS].transpose(2, 0, 1)


def test_gradient_is_drawn_as_probability_minus_truth():
    figure: Any = subtraction_figure(RNG.random((3, 8, 12)), LABELS, P, P - TRUTH, "Title")
    check_layout(figure)
    arrays = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(arrays) == 3 * 4
    for k in range(3):
        assert np.allclose(arrays[1 + k], P[k]) and np.allclose(arrays[5 + k], TRUTH[k])
        assert np.allclose(arrays[9 + k], P[k] - TRUTH[k])
    assert {"image", "true classes", "predicted classes", "object", "gradient p − y"} <= set(words(figure))
    right = np.mean(P.argmax(axis=0) == LABELS)
    assert figure.get_label().startswith("Title.") and f"{right:.0%} of the pixels are right" in figure.get_label()


def test_descent_ends_in_the_class_colors_and_white():
    figure: Any = descent_figure({"step 0": P, "step 9": TRUTH}, LABELS, "Title")
    check_layout(figure)
    arrays = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    mixed, below = arrays[0::2], arrays[1::2]                                              # a column at a time
    assert len(np.unique(np.asarray(mixed[1]).reshape(-1, 3), axis=0)) == 3
    assert np.allclose(below[0], np.abs(P - TRUTH).max(axis=0)) and np.abs(below[1]).max() == 0
    assert "at most 0.000" in words(figure) and "step 9 0.000" in figure.get_label()


def test_no_frame_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        descent_figure({}, LABELS)
