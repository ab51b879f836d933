"""Probability curves show every class and every sample, and ring the samples that are predicted wrongly."""
from typing import Any

import numpy as np
import pytest

from minidl.course.figures.softmax import probability_curves

X = np.linspace(0, 1, 5)
CURVES = np.stack([1 - X, X], axis=1)


def test_curves_samples_and_boundaries_are_drawn():
    panels = {"before": (CURVES, [0, 0, 0]), "after": (CURVES, [0, 0, 1])}
    figure: Any = probability_curves(panels, X, [0.2, 0.2, 0.9], [0, 0, 1], ("left", "right"), [0.5], title="Curves",
                                     xlabel="cm")
    first, last = figure.axes
    assert [len(axes.lines) for axes in (first, last)] == [3, 4]                    # two curves, zero, a boundary
    dots = first.collections[0].get_offsets()
    assert len(dots) == 3 and dots[0][1] > dots[1][1]                               # equal samples lie below another
    assert "before: 1 of 3 predicted wrongly" in figure.get_label() and "after: 0 of 3" in figure.get_label()


def test_samples_need_as_many_labels():
    with pytest.raises(ValueError, match="as many labels as samples"):
        probability_curves({"one": (CURVES, [0])}, X, [0.5], [0, 1], ("left", "right"))
