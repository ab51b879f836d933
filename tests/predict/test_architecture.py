"""Weights alone tell their model: for every builder of the deck, from every kind of file; all others are refused."""
import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image
from hypothesis import given, settings, strategies as st

from minidl import Adam, CrossEntropyLoss, Linear, Sequential, encoder_decoder, fcn, pixelwise, reshape_segmenter, unet
from minidl.batches import Batches
from minidl.checkpoint import save_weights
from minidl.datasets.rendering.stage import render
from minidl.metrics import confusion_matrix, mean_iou
from minidl.models import Pyramid
from minidl.predict import open_model, segment_all
from minidl.predict.architecture import PETS, build
from minidl.runtime.npz import save_arrays, trained_size
from minidl.training import fit

MODELS = {"unet": unet(3, 3, rng=0), "wider": unet(4, 2, rng=0), "encoder-decoder": encoder_decoder(2, 5, rng=0),
          "fcn8": fcn(8, 2, rng=0), "fcn16": fcn(16, 3, 4, rng=0), "fcn32": fcn(32, 2, rng=0),
          "1x1": pixelwise((1,), 4, rng=0), "9x9": pixelwise((9, 5), 4, rng=0)}


@pytest.mark.parametrize("name", MODELS)
def test_each_model_is_recognized_and_does_what_it_did(name, tmp_path):
    model = MODELS[name].eval()
    found, size = open_model(save_weights(tmp_path / "w.npz", model, (96, 96)))
    assert repr(found) == repr(model) and size == 96 and not found.training
    assert getattr(found, "multiple", 1) == getattr(model, "multiple", 1)
    x = np.random.default_rng(0).random((1, 3, 32, 64), dtype=np.float32)
    assert np.array_equal(found(x), model(x))


def test_names_in_another_order_compressed_and_in_half_precision(tmp_path):
    model = unet(3, rng=0).eval()
    state = model.state_dict()
    turned: dict[str, Any] = {name: state[name] for name in sorted(state, reverse=True)}
    np.savez_compressed(tmp_path / "w.npz", **turned)
    found, size = open_model(tmp_path / "w.npz")
    assert size == 64 and all(np.array_equal(found.state_dict()[name], state[name]) for name in state)
    half, _ = open_model(save_weights(tmp_path / "h.npz", model, dtype="float16"))
    assert (tmp_path / "h.npz").stat().st_size < (tmp_path / "w.npz").stat().st_size
    x = np.random.default_rng(0).random((1, 3, 32, 32), dtype=np.float32)
    assert half(x).dtype == np.float32 and np.allclose(half(x), model(x), atol=0.05)


def test_checkpoint_of_a_training_tells_model_and_size(tmp_path):
    rng = np.random.default_rng(0)
    model = unet(2, rng=0)
    batches = Batches(rng.random((4, 3, 64, 96), dtype=np.float32), rng.integers(0, 3, (4, 64, 96)), 2, rng=rng)
    fit(model, batches, CrossEntropyLoss(), Adam(model.parameters(), 1e-3), 1, checkpoint=tmp_path, progress=False)
    found, size = open_model(tmp_path / "last.npz")
    assert repr(found) == repr(model) and size == round((64 * 96) ** 0.5)
    assert trained_size(tmp_path / "last.npz") == (64, 96)
    assert all(np.array_equal(found.state_dict()[name], array) for name, array in model.state_dict().items())


def test_models_that_are_not_known_are_refused(tmp_path):
    strangers = [reshape_segmenter(2, 16), Linear(3, 2), Sequential(*unet(2), *pixelwise((1,), 2)),
                 unet(2, in_channels=1), unet(2, classes=1), pixelwise((3,), 2, classes=256), Pyramid(multiple=32)]
    for model in strangers:
        with pytest.raises(ValueError, match=r"w\.npz: (expected|these are the weights of none)"):
            open_model(save_weights(tmp_path / "w.npz", model))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    state = unet(2, rng=0).state_dict()
    for value, dtype in ((np.nan, np.float32), (1e300, np.float64)):
        state["1.running_var"] = np.array([1, value], dtype)
        with pytest.raises(ValueError, match=r"w\.npz: expected finite weights, got NaN or infinity in 1\.running_var"):
            open_model(save_arrays(tmp_path / "w.npz", state))


def test_a_claim_of_great_width_or_size_costs_no_memory():
    shapes = {name: array.shape for name, array in unet(2).state_dict().items()}
    tracemalloc.start()
    try:
        for name, shape in (("0.weight", (10**7, 3, 3, 3)), ("0.weight", (2, 3, 10**6, 0)),
                            ("4.weight", (10**9, 4, 0, 3))):
            with pytest.raises(ValueError):
                build(shapes | {name: shape})
        with pytest.raises(ValueError):
            build({"0.weight": (2, 3, 10**6, 10**6), "3.weight": (3, 2, 1, 1)})
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_one_name_or_side_that_differs_is_noticed(data):
    shapes = {name: array.shape for name, array in unet(2).state_dict().items()}
    name = data.draw(st.sampled_from(sorted(shapes)))
    shape = shapes.pop(name)
    if data.draw(st.booleans(), label="another side") and shape:
        axis = data.draw(st.integers(0, len(shape) - 1))
        other = data.draw(st.integers(0, 9).filter(lambda side: side != shape[axis]))
        shapes[name] = shape[:axis] + (other,) + shape[axis + 1:]
    with pytest.raises(ValueError):
        build(shapes)


def test_a_damaged_note_on_the_size_is_refused(tmp_path):
    path = save_weights(tmp_path / "w.npz", unet(2), (64, 96))
    whole = path.read_bytes()
    assert trained_size(path) == (64, 96) and trained_size(save_weights(tmp_path / "n.npz", unet(2))) is None
    start = whole.rindex(b"minidl: ")
    for at in range(start, len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                assert trained_size(path) is None        # no longer recognized as a note of ours
                assert at < start + len(b"minidl: ")
            except ValueError as error:
                assert "w.npz" in str(error)


def test_the_weights_that_come_with_minidl_find_rendered_pets():
    model, size = open_model()
    assert repr(model) == repr(unet(8)) and size == 128 and PETS.stat().st_size < 500_000
    pictures = [render(0, index, 128) for index in range(1000, 1010)]        # of the test half: they have not seen them
    found = segment_all(model, [Image.fromarray(picture.image) for picture in pictures], size)
    assert mean_iou(sum(confusion_matrix(p.trimap - 1, classes, 3) for p, classes in zip(pictures, found))) > 0.75
