"""Boxes over images: each at its place and in its color, and what does not fit is refused."""
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from minidl.tasks.detection.average_precision import precision_recall
from minidl.tasks.detection.figures import (
    KIND_COLORS, TRUE_COLOR, boxes_on_images, detections_on_images, precision_recall_figure, responsible_cells,
    worst_to_best,
)
from minidl.tasks.detection.single_shot import Detections, Grid
from tests.figures import check_layout, words

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 3, 20, 30), np.uint8)
TRUE = [[[2, 3, 12, 18]], np.zeros((0, 4))]
FOUND = [[[1, 3, 12, 17], [20, 0, 30, 10]], []]


def drawn(axes):
    """The boxes of an image: (x0, y0, x1, y1, color, style)."""
    return [(p.get_x(), p.get_y(), p.get_x() + p.get_width(), p.get_y() + p.get_height(),
             to_hex(p.get_edgecolor()).upper(), p.get_linestyle()) for p in axes.patches if isinstance(p, Rectangle)]


def test_boxes_are_where_they_should_be():
    figure = boxes_on_images(IMAGES, TRUE, FOUND, [[0, 1], []], [["cat 0.9", "dog 0.8"], []], ("cat", "dog"),
                             notes=["one", "two"], title="title")
    first, second = figure.axes
    assert drawn(first) == [(2, 3, 12, 18, TRUE_COLOR, "--"), (1, 3, 12, 17, KIND_COLORS[0], "-"),
                            (20, 0, 30, 10, KIND_COLORS[1], "-")]
    assert drawn(second) == [] and first.get_xlim() == (0, 30) and first.get_ylim() == (20, 0)
    assert [text.get_text() for text in first.texts] == ["cat 0.9", "dog 0.8"]
    assert words(figure) == ["title", "one", "two", "truth", "cat", "dog", "cat 0.9", "dog 0.8"]
    check_layout(figure)


def test_only_true_or_only_found_boxes():
    assert words(boxes_on_images(IMAGES, TRUE, true_name="anchor")) == ["anchor"]
    only_found = boxes_on_images(IMAGES, None, FOUND)
    assert words(only_found) == ["prediction"] and len(drawn(only_found.axes[0])) == 2


@pytest.mark.parametrize("arguments, message", [
    ((IMAGES[0], TRUE), r"images of shape \(N, 3, H, W\)"), ((IMAGES, TRUE[:1]), "expected 2 arrays of true boxes"),
    ((IMAGES, TRUE, FOUND[:1]), "expected 2 arrays of found boxes"),
    ((IMAGES, TRUE, FOUND, None, None, tuple("abcd")), "1 to 3 kinds"),
    ((IMAGES, [[[5, 0, 0, 5]], []]), "x0 <= x1"),
])
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        boxes_on_images(*arguments)


def test_a_figure_says_how_many_boxes_it_shows():
    figure = boxes_on_images(IMAGES, TRUE, FOUND, kind_names=("cat", "dog"), notes=["one", "two"], title="title")
    assert figure.get_label() == "title. 2 images. truth: 1 boxes. cat or dog: 2 boxes. one, two"


def test_detections_have_their_species_and_score():
    found = [Detections(np.array(FOUND[0]), np.array([0.9, 0.25]), np.array([1, 0])),
             Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))]
    figure = detections_on_images(IMAGES, TRUE, found, ("cat", "dog"), notes=["one", "two"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["dog 0.90", "cat 0.25"]
    assert [box[4] for box in drawn(figure.axes[0])[1:]] == [KIND_COLORS[1], KIND_COLORS[0]]
    assert not detections_on_images(IMAGES, TRUE, found, ("cat", "dog"), labels=False).axes[0].texts


def test_rows_of_the_worst_the_middle_and_the_best():
    widths = np.arange(1.0, 10.0)[np.random.default_rng(1).permutation(9)]           # IoU 0.1 to 0.9
    found = np.stack([np.zeros(9), np.zeros(9), widths, np.full(9, 10.0)], axis=1)
    images = np.zeros((9, 3, 10, 10), np.uint8)
    figure = worst_to_best(images, np.tile([0, 0, 10, 10], (9, 1)), found, columns=2, title="t")
    assert [word for word in words(figure) if "IoU" in word] == [f"IoU 0.{k}0" for k in (1, 2, 4, 5, 8, 9)]
    few = worst_to_best(images[:4], np.tile([0, 0, 10, 10], (4, 1)), found[:4], columns=2)
    assert len(few.axes) == 4
    check_layout(figure)


def test_cells_that_must_answer_are_marked():
    grid = Grid(size=32, stride=8, anchor=12)
    target = grid.targets([[1, 2, 11, 12], [20, 18, 32, 30]], [0, 1])
    figure = responsible_cells(np.zeros((3, 32, 32), np.uint8), grid, target, ("cat", "dog"), "title")
    rectangles = drawn(figure.axes[0])
    assert [box[:4] for box in rectangles[:2]] == [(-2, -2, 10, 10), (22, 22, 34, 34)]     # in the order of the cells
    np.testing.assert_allclose([box[:4] for box in rectangles[2:4]], [[1, 2, 11, 12], [20, 18, 32, 30]], atol=1e-4)
    assert [box[:4] for box in rectangles[4:]] == [(0, 0, 8, 8), (24, 24, 32, 32)]
    assert "row, column 0, 0 and 3, 3" in str(figure.get_label())
    check_layout(figure)


def test_precision_over_recall_with_the_threshold():
    curve = precision_recall([[[0, 0, 9, 9], [0, 0, 9, 8], [20, 0, 30, 9]]], [[0.9, 0.8, 0.7]],
                             [[[0, 0, 9, 9], [20, 0, 30, 9]]])
    figure = precision_recall_figure({"cats": curve, "none": precision_recall([], [], [])}, 0.75, "title")
    axes, = figure.axes
    best, measured, dot = (np.asarray(line.get_xydata(), np.float64) for line in axes.lines[:3])
    np.testing.assert_allclose(best, np.array([[0, 1], [0.5, 1], [0.5, 2 / 3], [1, 2 / 3]]))
    np.testing.assert_allclose(measured, np.array([[0.5, 1], [0.5, 0.5], [1, 2 / 3]]))
    assert dot.tolist() == [[0.5, 0.5]]
    legend = axes.get_legend()
    assert legend and [text.get_text() for text in legend.get_texts()] == ["cats: AP 0.83", "none: none"]
    assert len(precision_recall_figure({"cats": curve}).axes[0].lines) == 2
    check_layout(figure)
