"""The classifier of slide 1: shapes, gradients, what it refuses, that it learns; lesson 4 without species."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minidl import (
    Adam, BatchNorm2d, Conv2d, CrossEntropyLoss, Flatten, Linear, MaxPool2d, ReLU, check_layer, classifier,
    discriminator, encoder_decoder, localizer, reshape_segmenter,
)
from minidl.datasets import synthetic_pets
from minidl.training import train_step

ROOT = Path(__file__).resolve().parents[1]


def test_the_shapes_are_the_encoders_of_the_slides():
    model, seen = classifier(64, 37, 128), []
    shape: tuple[int, ...] = (1, 3, 128, 128)
    for layer in model.layers:
        shape = layer.output_shape(shape)
        if isinstance(layer, (MaxPool2d, Flatten, Linear)):
            seen.append(shape[1:])
    assert seen == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4), (512 * 4 * 4,), (37,)]
    # Each block is the encoder-decoder's, so its weights have the same names and shapes.
    theirs = {name: array.shape for name, array in encoder_decoder(64).state_dict().items()}
    ours = {name: array.shape for name, array in model.state_dict().items() if int(name.split(".")[0]) < 20}
    assert len(ours) == 5 * 7 and ours == {name: theirs[name] for name in ours}


@pytest.mark.parametrize("settings, shape", [
    ({}, (2, 3, 128, 128)), ({"size": 32}, (1, 3, 32, 32)), ({"size": 24, "blocks": 3, "classes": 5}, (3, 3, 24, 24)),
    ({"size": 8, "blocks": 2, "in_channels": 1, "classes": 10}, (4, 1, 8, 8)), ({"size": 2, "blocks": 1}, (2, 3, 2, 2)),
])
def test_a_score_for_each_class(settings, shape):
    model = classifier(2, **settings, rng=0)
    assert [type(layer) for layer in model.layers[:4]] == [Conv2d, BatchNorm2d, ReLU, MaxPool2d]
    x = np.random.default_rng(0).random(shape).astype(np.float32)
    y = model(x) if shape[-1] > 32 or len(x) > 1 else model.eval()(x)
    assert y.shape == model.output_shape(shape) == (len(x), settings.get("classes", 2)) and y.dtype == np.float32
    assert all(np.isfinite(y).ravel())


def test_gradients_element_by_element():
    rng = np.random.default_rng(0)
    check_layer(classifier(2, 3, 4, blocks=2, in_channels=1, rng=0), rng.normal(size=(4, 1, 4, 4)))


def test_it_learns_a_small_batch_by_heart():
    rng = np.random.default_rng(0)
    x, labels = rng.random((6, 1, 8, 8)).astype(np.float32), np.arange(6) % 3
    model = classifier(4, 3, 8, blocks=2, in_channels=1, rng=0)
    optimizer, loss = Adam(model.parameters(), 1e-2), CrossEntropyLoss()
    losses = [train_step(model, loss, optimizer, x, labels) for _ in range(60)]
    assert losses[-1] < 0.05 < losses[0]


def test_the_same_seed_gives_the_same_model():
    a, b, other = (classifier(2, size=32, rng=rng).state_dict() for rng in (3, np.random.default_rng(3), 4))
    assert list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)
    assert not np.array_equal(a["0.weight"], other["0.weight"])


@pytest.mark.parametrize("settings, message", [
    ({"width": 0}, "classifier: width: expected an integer of at least 1, got 0"),
    ({"classes": 0}, "classifier: classes: expected an integer of at least 1"),
    ({"blocks": 0}, "classifier: blocks: expected an integer of at least 1"),
    ({"size": 48}, r"a size that divides by 32 \(5 halvings\), got 48"),
    ({"size": 16}, r"divides by 32 \(5 halvings\), got 16"),
    ({"size": 10, "blocks": 2}, r"divides by 4 \(2 halvings\), got 10"),
    ({"size": 64.0}, "classifier: size: expected an integer"),
])
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        classifier(**settings)


@pytest.mark.parametrize("build", [classifier, localizer, reshape_segmenter, discriminator])
@pytest.mark.parametrize("H, W", [(64, 64), (16, 64)])        # 16 x 64 has as many pixels as 32 x 32
def test_models_with_a_dense_layer_take_one_size(build, H, W):
    with pytest.raises(ValueError, match=r"built for images of 32 x 32 pixels, got shape \(1, 3, "):
        build(2, size=32).output_shape((1, 3, H, W))


# Lesson 4

@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    return synthetic_pets.ensure(tmp_path_factory.mktemp("species") / "pets", train=12, test=4)


def lesson_4(data, out):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "agg"}
    result = subprocess.run([sys.executable, str(ROOT / "lessons" / "04_image_classification.py"), "--quick", "--data",
                             str(data), "--out", str(out)], cwd=ROOT, env=environment, capture_output=True,
                            encoding="utf-8", timeout=300)
    return result, json.loads((out / "04_image_classification" / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("species", ["unknown", "cats only"])
def test_lesson_4_says_what_is_missing_where_species_are_not_known(pets, tmp_path, species):
    data = tmp_path / "pets"
    shutil.copytree(pets, data)
    for name in ("list", "trainval", "test"):
        path = data / "annotations" / f"{name}.txt"
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        rows = [" ".join(line if species == "cats only" else line[:1]) for line in lines
                if species == "unknown" or line[2] == "1"]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    result, numbers = lesson_4(data, tmp_path / "out")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "cats and dogs need pictures of both" in result.stdout and not result.stderr
    assert "digits_accuracy" in numbers["test"] and "pets_accuracy" not in numbers["test"]
