"""Mosaics: boxes around what is visible, random positions and sizes, only the pets given, reproducible by seed."""
import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import Adam, Conv2d, Flatten, Linear, MSELoss, ReLU, Sequential
from minidl.datasets.pets.reader import pet_box
from minidl.tasks.detection.mosaics import HIDDEN, MosaicBatches, Mosaics, without_pet
from minidl.training import fit
from tests.samples import SIZE, block_pets
from tests.strategies import FEW, seeds


@FEW
@given(seeds, st.sampled_from([(1, 1), (2, 4), (5, 5)]), st.booleans())
def test_boxes_hold_exactly_what_is_visible(seed, count, border):
    mosaics = Mosaics(block_pets(border=border), count=count)
    mosaic = mosaics.draw(np.random.default_rng(seed))
    assert mosaic.image.shape == (3, SIZE, SIZE) and mosaic.image.dtype == np.uint8
    assert 1 <= len(mosaic.boxes) == len(mosaic.species) <= count[1]
    red = mosaic.image[0] > 10                                             # pet pixels: the background has no red
    covered = np.zeros_like(red)
    for x0, y0, x1, y1 in mosaic.boxes.astype(int):
        assert 0 <= x0 < x1 <= SIZE and 0 <= y0 < y1 <= SIZE
        covered[y0:y1, x0:x1] = True
        inside = red[y0:y1, x0:x1]
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
    assert not (red & ~covered).any()
    if count == (1, 1):
        assert pet_box(np.where(red, 0, 1)).tolist() == mosaic.boxes[0].tolist()


@FEW
@given(seeds)
def test_at_most_a_quarter_of_a_pet_is_covered(seed):
    """A pet here is a block that fills its box, so its visible box is at least as large as its visible part."""
    pets = block_pets(n=1)
    mosaic = Mosaics(pets, count=(4, 4), sides=(0.4, 0.4)).draw(np.random.default_rng(seed))
    side = pets.boxes[0, 2:] - pets.boxes[0, :2]
    whole = np.prod(np.round(side * 0.4 * SIZE / side.max()))
    sizes = mosaic.boxes[:, 2:] - mosaic.boxes[:, :2]
    assert (sizes.prod(axis=1) >= (1 - HIDDEN) * whole - 1e-3).all()


def test_positions_and_sizes_vary():
    drawn = Mosaics(block_pets(), count=(1, 1), sides=(0.2, 0.6)).fixed(400, seed=0)
    boxes = np.concatenate([mosaic.boxes for mosaic in drawn])
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert set(range(9, 24)) <= set(longer.astype(int)) <= set(range(8, 25))
    small = boxes[longer < 12]
    assert len(set(small[:, 0].astype(int))) > 20 and small[:, 0].min() < 4 and small[:, 2].max() > SIZE - 4


def test_the_same_seed_makes_the_same_mosaics():
    one, two = Mosaics(block_pets()), Mosaics(block_pets())
    two.draw(np.random.default_rng(9))                                     # what was drawn before does not matter
    for a, b, other in zip(one.fixed(5, seed=3), two.fixed(5, seed=3), one.fixed(5, seed=4)):
        assert np.array_equal(a.image, b.image) and np.array_equal(a.boxes, b.boxes)
        assert np.array_equal(a.species, b.species) and not np.array_equal(a.image, other.image)


def test_only_the_pets_given_appear_with_their_species():
    pets = block_pets(n=3)[[1, 2]]
    for mosaic in Mosaics(pets, count=(1, 1)).fixed(20, seed=0):
        k = int(mosaic.image[0].max()) - 200                               # the block's color
        assert k in (1, 2) and mosaic.species.tolist() == [k % 2]


def test_images_without_a_pet_or_a_species_are_left_out_and_named():
    pets = block_pets(n=4)
    pets.trimaps[1], pets.boxes[1] = 1, np.nan
    pets.species[3] = -1
    mosaics = Mosaics(pets)
    assert mosaics.left_out == ["pet1", "pet3"] and len(mosaics.pets) == 2
    pets.boxes[...] = np.nan
    with pytest.raises(ValueError, match="got none among 4"):
        Mosaics(pets)


@pytest.mark.parametrize("options, message", [
    ({"count": (0, 2)}, "1 <= least <= most"), ({"count": (3, 2)}, "least <= most"),
    ({"sides": (0, 0.5)}, "0 < smallest"), ({"sides": (0.5, 1.2)}, "largest <= 1"),
])
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Mosaics(block_pets(), **options)


# The background

def test_without_pet_keeps_the_background_and_fills_the_rest():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (3, 20, 30), np.uint8)
    known = np.ones((20, 30), bool)
    known[4:18, 6:25] = False
    filled = without_pet(image, known)
    assert filled.shape == image.shape and filled.dtype == np.float32
    np.testing.assert_allclose(filled[:, known], image[:, known], rtol=1e-6)
    other = image.copy()
    other[:, ~known] = 255 - other[:, ~known]
    assert np.array_equal(without_pet(other, known), filled)               # of the pet nothing is left
    around = image[:, known]                                               # (3, n)
    assert (filled.min(axis=(1, 2)) >= around.min(axis=1) - 0.01).all()
    assert (filled.max(axis=(1, 2)) <= around.max(axis=1) + 0.01).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (16, 16), (13, 9)])
def test_without_pet_of_any_shape(shape):
    image = np.full((3, *shape), 80, np.uint8)
    known = np.zeros(shape, bool)
    np.testing.assert_allclose(without_pet(image, known), 80)
    known[-1, -1] = True
    image[:, ~known] = 200
    np.testing.assert_allclose(without_pet(image, known), 80, rtol=1e-4)


# Batches

def count_of(mosaic):
    return np.array([len(mosaic.boxes)], np.float32)


def test_batches():
    mosaics = Mosaics(block_pets(), count=(1, 3))
    batches = MosaicBatches(mosaics, count_of, 4, 3, np.random.default_rng(0))
    first, again = list(batches), list(MosaicBatches(mosaics, count_of, 4, 3, np.random.default_rng(0)))
    assert len(batches) == len(first) == 3
    for (x, target), (x2, target2) in zip(first, again):
        assert x.shape == (4, 3, SIZE, SIZE) and x.dtype == np.float32 and 0 <= x.min() and x.max() <= 1
        assert target.shape == (4, 1) and np.array_equal(x, x2) and np.array_equal(target, target2)
    assert not np.array_equal(next(iter(batches))[0], first[0][0])         # the next epoch has new ones
    with pytest.raises(ValueError, match="batch_size: expected an integer of at least 1, got 0"):
        MosaicBatches(mosaics, count_of, 0, 1, np.random.default_rng(0))


def test_a_resumed_training_gets_the_same_mosaics(tmp_path):
    def train(epochs, **settings):
        model = Sequential(Conv2d(3, 2, 3, stride=4, rng=0), ReLU(), Flatten(), Linear(200, 1, rng=0))
        batches = MosaicBatches(Mosaics(block_pets()), count_of, 2, 3, np.random.default_rng(0))
        fit(model, batches, MSELoss(), Adam(model.parameters(), 1e-3), epochs, progress=False, **settings)
        return [parameter.data.copy() for parameter in model.parameters()]

    train(2, checkpoint=tmp_path)
    for a, b in zip(train(4, checkpoint=tmp_path, resume=True), train(4)):
        assert np.array_equal(a, b)
