"""Boxes over images: each at its place and in its color, and what does not fit is refused."""
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from minidl.tasks.detection.figures import KIND_COLORS, TRUE_COLOR, boxes_on_images
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
