"""Boxes move with their images."""
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from minidl.datasets.augment import Augment
from minidl.tasks.detection.box_batches import BoxBatches, with_pets
from tests.samples import SIZE, block_pets
from tests.strategies import FEW, seeds


def batches_of(pets, augment=None, seed=0, batch_size=3):
    return BoxBatches(pets, lambda boxes: boxes, batch_size, np.random.default_rng(seed), augment)


@FEW
@given(seeds)
def test_the_box_is_around_the_augmented_pet(seed):
    """The augmented image is red where the trimap has the pet, except at the blurred edge."""
    augment = Augment(flip=0.5, crop=(0.5, 1), shift=0, color=0)
    for x, boxes in batches_of(block_pets(6), augment, seed):
        assert x.shape[1:] == (3, SIZE, SIZE) and boxes.shape == (len(x), 4)
        for image, box in zip(x, boxes):
            red = image[0] > 0.39                                          # half of the blocks' red
            rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
            np.testing.assert_allclose(box, [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], atol=1)


def test_flipped_boxes_in_closed_form():
    pets = block_pets(4)
    flipped = np.concatenate([boxes for _, boxes in batches_of(pets, Augment(1, (1, 1), 0, 0))])
    x0, y0, x1, y1 = pets.boxes.T
    expected = np.stack([SIZE - x1, y0, SIZE - x0, y1], axis=1)
    assert sorted(flipped.tolist()) == sorted(expected.tolist())


def test_without_augmentation_the_boxes_are_the_pets():
    batches = batches_of(block_pets(4))
    boxes = np.concatenate([boxes for _, boxes in batches])
    assert len(batches) == 2 and sorted(boxes.tolist()) == sorted(block_pets(4).boxes.tolist())


def test_a_pet_that_would_be_lost_is_shown_unchanged():
    pets = block_pets(2)

    def loses_the_first(image, trimap, rng):
        return np.zeros(image.shape, np.float32), np.ones_like(trimap) if image[0].max() == 200 else trimap

    (x, boxes), = batches_of(pets, loses_the_first)
    whole = x.max(axis=(1, 2, 3)) > 0
    assert whole.sum() == 1 and boxes[whole].tolist() == pets.boxes[:1].tolist()
    np.testing.assert_allclose(x[whole][0], pets.images[0] / 255, rtol=1e-6)


def test_the_generators_state_is_all_the_state():
    batches = batches_of(block_pets(6), Augment())
    state = batches.rng.bit_generator.state
    first = list(batches)
    batches.rng.bit_generator.state = state
    for (x, boxes), (x2, boxes2) in zip(batches, first):
        assert np.array_equal(x, x2) and np.array_equal(boxes, boxes2)


def test_images_without_a_pet_are_refused_by_name():
    pets = block_pets(2)
    pets.boxes[1] = np.nan
    with pytest.raises(ValueError, match="expected a pet in every image, got none in pet1"):
        batches_of(pets)


def test_images_without_a_pet_are_left_out_and_named(capsys):
    pets = block_pets(4)
    boxes, species = pets.boxes.copy(), np.array([0, -1, 1, 0])
    boxes[2] = np.nan
    pets = replace(pets, boxes=boxes, species=species)
    assert with_pets(pets, "train").names == [pets.names[i] for i in (0, 1, 3)]
    assert capsys.readouterr().out == f"train: left out, because they lack a pet in the trimap: {pets.names[2]}\n"
    assert with_pets(pets, "test", species=True).names == [pets.names[i] for i in (0, 3)]
    assert "a pet in the trimap and a species: " + ", ".join(pets.names[1:3]) in capsys.readouterr().out
    assert len(with_pets(pets[:1], "test")) == 1 and not capsys.readouterr().out
    with pytest.raises(ValueError, match="expected test images with a pet in the trimap, got none among 1"):
        with_pets(pets[2], "test")
