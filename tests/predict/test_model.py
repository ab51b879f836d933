"""A file of weights says its model: from every builder and every kind of file; what does not fit is refused."""
import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minidl import (
    Adam, Conv2d, CrossEntropyLoss, LeakyReLU, Sequential, encoder_decoder, fcn, pixelwise, reshape_segmenter, unet,
)
from minidl.batches import Batches
from minidl.checkpoint import save_weights
from minidl.datasets.rendering.stage import render
from minidl.metrics import confusion_matrix, mean_iou
from minidl.predict import open_model, segment
from minidl.predict.model import PETS
from minidl.runtime.npz import load_arrays, save_arrays
from minidl.training import fit

MODELS = {"unet": unet(3, 3, rng=0), "wider": unet(4, 2, rng=0), "encoder-decoder": encoder_decoder(2, 5, rng=0),
          "skip": encoder_decoder(2, skip=True), "fcn8": fcn(8, 2, rng=0), "fcn16": fcn(16, 3, 4, rng=0),
          "1x1": pixelwise((1,), 4, rng=0), "9x9": pixelwise([np.int64(9), 5], np.int64(4), rng=0)}


def said(builder="unet", arguments: Any = {"width": 2}, **others):
    """Return the arrays of a file with the weights of a narrow U-Net and a text that says something else."""
    text = json.dumps({"builder": builder, "arguments": arguments, **others})
    return unet(2, rng=0).state_dict() | {"built_by": np.array(text)}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [None, "float16"])
def test_each_model_is_built_again_and_does_what_it_did(name, dtype, tmp_path):
    model = MODELS[name].eval()
    found, size = open_model(save_weights(tmp_path / "w.npz", model, (64, 96), dtype))
    assert repr(found) == repr(model) and size == 78 and not found.training
    assert getattr(found, "multiple", 1) == getattr(model, "multiple", 1)
    x = np.random.default_rng(0).random((1, 3, 32, 64), dtype=np.float32)
    assert np.array_equal(found(x), model(x)) if dtype is None else np.allclose(found(x), model(x), atol=0.1)


def test_checkpoint_of_a_training_says_model_and_size(tmp_path):
    rng = np.random.default_rng(0)
    model = unet(2, rng=0)
    batches = Batches(rng.random((4, 3, 64, 96), dtype=np.float32), rng.integers(0, 3, (4, 64, 96)), 2, rng=rng)
    fit(model, batches, CrossEntropyLoss(), Adam(model.parameters(), 1e-3), 1, checkpoint=tmp_path, progress=False)
    found, size = open_model(tmp_path / "last.npz")
    assert repr(found) == repr(model) and size == 78
    assert all(np.array_equal(found.state_dict()[name], array) for name, array in model.state_dict().items())


def test_weights_that_say_nothing_need_builder_and_arguments(tmp_path):
    state: dict[str, Any] = unet(3, 2, rng=0).state_dict()
    np.savez_compressed(tmp_path / "w.npz", **{name: state[name] for name in sorted(state, reverse=True)})
    with pytest.raises(ValueError, match=r"w\.npz: .*does not say which model.*--model unet --width 16 --classes 3"):
        open_model(tmp_path / "w.npz")
    found, size = open_model(tmp_path / "w.npz", "unet", width=3, classes=2)
    assert size == 64 and all(np.array_equal(found.state_dict()[name], state[name]) for name in state)
    for wrong, message in (({"width": 3}, "expected width and classes to be .*, 3 and 2"), ({}, "3 and 2"),
                           ({"width": 3, "classes": 4}, "3 and 2"), ({"depth": 2}, "depth")):
        with pytest.raises(ValueError, match=rf"w\.npz: .*{message}"):
            open_model(tmp_path / "w.npz", "unet", **wrong)


def test_a_changed_model_is_not_described(tmp_path):
    changed = pixelwise((3,), 2)
    changed.layers = (*changed.layers[:2], LeakyReLU(), changed.layers[3])
    for model in (changed, Sequential(*unet(2).layers), Sequential(Conv2d(3, 3, 1))):
        assert "built_by" not in load_arrays(save_weights(tmp_path / "w.npz", model, (64, 64)))


def test_models_that_cannot_segment_here_are_refused(tmp_path):
    for model in (reshape_segmenter(2, 16), unet(2, in_channels=1), unet(2, classes=1),
                  pixelwise((3,), 2, classes=256), pixelwise((101,), 1)):
        with pytest.raises(ValueError, match=r"w\.npz: .*expected "):
            open_model(save_weights(tmp_path / "w.npz", model))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    for value, dtype in ((np.nan, np.float32), (1e300, np.float64)):
        arrays = said() | {"1.running_var": np.array([1, value], dtype)}
        with pytest.raises(ValueError, match=r"w\.npz: expected finite weights, got NaN or infinity in 1\.running_var"):
            open_model(save_arrays(tmp_path / "w.npz", arrays))


@pytest.mark.parametrize("arrays", [
    *(said(arguments={"width": width}) for width in (10**6, 10**400, 1e6, float("nan"), -2, [2], True, None)),
    *(said("pixelwise", {"width": 2, "kernel_sizes": sizes}) for sizes in ([10**6], [3] * 10**5, {"3": 3}, 3)),
    said(arguments={"classes": 10**9}), said(arguments={"width": 2, "in_channels": 10**8}),
    said("fcn", {"width": 2, "classes": 255, "stride": 32}), said("fcn", {"stride": [8]}), said("eval", {"width": 2}),
    said("conv_block"), said(["unet"]), said(None), said(arguments="width"), said(arguments={"depth": 2}),
    *(said(image_size=size) for size in ([64], [10**9, 1], [0, 64], "64")),
    *(said() | {"built_by": text} for text in (np.array("[" * 10**5), np.array("{}"), np.zeros((3, 3)))),
])
def test_a_forged_text_is_refused_by_name_and_costs_no_memory(arrays, tmp_path):
    path = save_arrays(tmp_path / "w.npz", arrays)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"w\.npz: ") as refused:
            open_model(path)
        assert len(str(refused.value)) < 20_000 and tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_the_weights_that_come_with_minidl_find_rendered_pets():
    model, size = open_model()
    assert repr(model) == repr(unet(16)) and size == 128 and PETS.stat().st_size <= 1_600_000
    counts = np.zeros((3, 3), np.int64)
    for index in range(1000, 1010):                       # of the test half: not one of them was trained on
        pet = render(0, index, 128)
        counts += confusion_matrix(pet.trimap - 1, segment(model, Image.fromarray(pet.image), size), 3)
    assert mean_iou(counts) > 0.55                        # they are for photographs; for these, see test_score.py
