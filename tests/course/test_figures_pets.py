"""The sheet of pets shows what is known of each, and leaves out what is not."""
from dataclasses import replace

import numpy as np

from minidl.course.figures.pets import pets_sheet
from tests.figures import check_layout, words
from tests.samples import block_pets


def test_sheet_shows_images_boxes_and_trimaps():
    pets = block_pets(4)
    figure = pets_sheet(pets, ["cat", "dog"], title="Four pets")
    check_layout(figure)
    assert [len(axes.patches) for axes in figure.axes] == [1, 0] * 4        # no head boxes here
    assert {"Four pets", "cat", "dog", "image", "trimap", "border"} <= set(words(figure))
    assert "cat, dog, cat, dog" in str(figure.get_label())


def test_sheet_leaves_out_what_is_unknown():
    pets = block_pets(2)
    boxes = np.array([[np.nan] * 4, [1, 2, 9, 8]], np.float32)
    figure = pets_sheet(replace(pets, species=np.array([-1, 1]), boxes=boxes, head_boxes=boxes), ["cat", "dog"])
    assert [len(axes.patches) for axes in figure.axes] == [0, 0, 2, 0]
    assert "species unknown" in words(figure)
