"""Learning curves and bars: what was recorded is drawn, and texts keep their distance."""
import numpy as np
import pytest
from hypothesis import given, strategies as st
from matplotlib.colors import to_rgb

from minidl import plotting
from minidl.plotting import canvas
from minidl.plotting.scores import spread
from tests.figures import check_layout, words

HISTORY = [{"epoch": k, "loss": 1 / k, "lr": 2e-3, "seconds": 3.1} | (
    {"test_loss": 1.1 / k, "mean_iou": 1 - 1 / k, "border_iou": 0.98 - 1 / k} if k % 2 == 0 else {})
    for k in range(1, 9)]
SCORES = {"mean_iou": "mean IoU", "border_iou": "border IoU"}
BARS: dict[str, dict] = {
    "U-Net": {"iou_object": 0.83, "iou_background": 1.0, "iou_border": 0.41},
    "a model with a rather long name": {"iou_object": 0.7, "iou_background": 0.88, "mean_iou": 0.79},
    "third": {"iou_object": 0.0, "iou_background": 0.5, "iou_border": None}}


@pytest.mark.parametrize("dpi", [100, 200])
@pytest.mark.parametrize("figure", [
    lambda: plotting.learning_curves(HISTORY, SCORES, title="U-Net"),
    lambda: plotting.learning_curves(HISTORY[:1], SCORES),
    lambda: plotting.learning_curves([{"loss": 12345.6 / k, "a": -0.00021 * k, "b": 0.0} for k in range(1, 200)],
                                     {"a": "the first of two", "b": "the second"}),
    lambda: plotting.learning_curves([{"loss": 0.1, "test_loss": 0.1} | {f"{k}": 0.5 for k in range(9)}] * 3,
                                     {f"{k}": f"score {k}" for k in range(9)}),
    lambda: plotting.class_bars(BARS["U-Net"], title="IoU of each class"),
    lambda: plotting.class_bars(BARS, title="Comparison " * 20),
])
def test_layout(figure, dpi):
    check_layout(figure(), dpi)


def plotted(axes):
    """The curves of axes as {color: (x, y)}; the dots at the ends are left out."""
    return {line.get_color(): (line.get_xdata().tolist(), line.get_ydata().tolist())
            for line in axes.lines if line.get_linestyle() != "None"}


def names(axes):
    return [text.get_text() for text in axes.texts]


def test_curves_show_what_was_recorded_and_where():
    left, right = plotting.learning_curves(HISTORY, SCORES | {"never": "never"}).axes
    blue, red = canvas.LINE_COLORS[:2]
    assert plotted(left) == {blue: (list(range(1, 9)), [1 / k for k in range(1, 9)]),
                             red: ([2, 4, 6, 8], [1.1 / k for k in (2, 4, 6, 8)])}
    assert plotted(right) == {blue: ([2, 4, 6, 8], [1 - 1 / k for k in (2, 4, 6, 8)]),
                              red: ([2, 4, 6, 8], [0.98 - 1 / k for k in (2, 4, 6, 8)])}
    assert names(left) == ["training  0.125", "test  0.138"]
    assert names(right) == ["mean IoU  0.875", "border IoU  0.855"]
    assert right.get_ylim() == (0, 1) and left.get_ylim()[0] == 0


def test_curves_leave_out_what_is_missing_or_not_finite():
    history: list[dict] = [{"loss": 2.0}, {"loss": float("nan"), "a": None}, {}, {"loss": 1.0, "a": float("inf")}]
    left, right = plotting.learning_curves(history, {"a": "a"}).axes
    assert list(plotted(left).values()) == [([1, 4], [2, 1])]
    assert not plotted(right) and names(right) == ["none recorded"]
    left, right = plotting.learning_curves([{"a": 3}], {"a": "a"}).axes
    assert not plotted(left) and list(plotted(right).values()) == [([1], [3])]


@pytest.mark.parametrize("values", [[0.0], [-1.0, 1.0], [0.0, 5.0], [-2.0, -1.0]])
def test_all_values_lie_within_the_axes(values):
    for axes in plotting.learning_curves([{"loss": value, "a": value} for value in values], {"a": "a"}).axes:
        low, high = axes.get_ylim()
        assert low <= min(values) and max(values) <= high


@given(st.lists(st.floats(0, 1), max_size=8))
def test_spread_keeps_order_distance_and_range(heights):
    moved = spread(heights, 0.1)
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in moved)
    assert np.all(np.diff(sorted(moved)) >= 0.1 - 1e-9)
    for a, b in zip(heights, moved):
        for c, d in zip(heights, moved):
            assert not (a < c and b > d)
    if len(heights) > 1 and np.diff(sorted(heights)).min() >= 0.1:
        assert moved == pytest.approx(heights)              # what fits is not moved


def bars(axes):
    """(color, height) of each bar from left to right."""
    patches = sorted(axes.patches, key=lambda patch: patch.get_x())
    return [(patch.get_facecolor()[:3], patch.get_height()) for patch in patches]


def test_bars_have_the_height_of_the_scores():
    figure = plotting.class_bars(BARS)
    axes, = figure.axes
    assert [[height for color, height in bars(axes) if color == to_rgb(expected)]
            for expected in canvas.LINE_COLORS[:3]] == [[0.83, 1.0, 0.41], [0.7, 0.88, 0.0], [0.0, 0.5, 0.0]]
    assert axes.get_ylim() == (0, 1)
    assert names(axes) == ["0.830", "1.00", "0.410", "0.700", "0.880", "–", "0.000", "0.500", "–"]
    assert {*BARS, "object", "background", "border", "IoU"} <= set(words(figure))
    axes, = plotting.class_bars(BARS["U-Net"]).axes         # of one model: the class colors
    assert bars(axes) == list(zip(map(to_rgb, plotting.CLASS_COLORS), [0.83, 1.0, 0.41]))


@pytest.mark.parametrize("call, message", [
    (lambda: plotting.learning_curves([], {}), "got an empty one"),
    (lambda: plotting.learning_curves([1.0, 2.0], {}), "got float"),               # type: ignore
    (lambda: plotting.class_bars({}), r"expected scores .*got \{\}"),
    (lambda: plotting.class_bars({"U-Net": {"iou_cat": 0.5}}), r"for 'U-Net', got \{'iou_cat': 0.5\}"),
    (lambda: plotting.class_bars({"iou_object": 1.5}), r"got \{'iou_object': 1.5\}"),
])
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
