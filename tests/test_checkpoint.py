"""Weights in .npz files: what comes back, and what is refused (damaged files: test_fuzz_weights.py)."""
import io
import pickle
import zipfile

import numpy as np
import pytest

from minidl import BatchNorm2d, Conv2d, Linear, Sequential, unet
from minidl.checkpoint import load_weights, save_weights
from minidl.runtime.npz import load_arrays, save_arrays


def small_model(rng=0):
    return Sequential(Conv2d(3, 4, 3, rng=rng), BatchNorm2d(4))


def test_arrays_come_back_with_names_shapes_and_dtypes(tmp_path):
    arrays = {"a/0.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T, "count": np.array(7), "text": np.array("ü")}
    loaded = load_arrays(save_arrays(tmp_path / "deep er" / "wéights.npz", arrays))
    assert list(loaded) == list(arrays)
    for name, array in arrays.items():
        assert np.array_equal(loaded[name], array) and loaded[name].dtype == array.dtype


def test_weights_move_between_models_of_the_same_layers_only(tmp_path):
    model, other = small_model(0), small_model(1)
    load_weights(save_weights(tmp_path / "w.npz", model), other)
    x = np.random.default_rng(0).random((2, 3, 5, 5), dtype=np.float32)
    assert np.array_equal(model(x), other(x))
    with pytest.raises(ValueError, match=r"w\.npz.*another model.*missing: weight.*unknown: 0\.weight"):
        load_weights(tmp_path / "w.npz", Linear(2, 3))
    with pytest.raises(OSError, match="none.npz"):
        load_weights(tmp_path / "none.npz", model)


def test_weights_of_another_width_say_how_their_model_was_built(tmp_path):
    path = save_weights(tmp_path / "w.npz", unet(2, rng=0))
    with pytest.raises(ValueError, match=r"another model, unet\(width=2, classes=3, in_channels=3\)\. "):
        load_weights(path, unet(4))
    for damaged in ("{", "[]", '{"builder": 3}', '{"builder": "unet", "arguments": [1]}'):
        save_arrays(path, load_arrays(path) | {"built_by": np.array(damaged)})
        with pytest.raises(ValueError, match=r"another model\. Pyramid\.load_state_dict"):
            load_weights(path, unet(4))


def test_objects_are_neither_written_nor_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    with pytest.raises(ValueError, match="Object arrays"):
        save_arrays(tmp_path / "w.npz", {"a": np.array([None], dtype=object)})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "w.npz").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"w\.npz: expected an \.npz file"):
        load_arrays(tmp_path / "w.npz")
    buffer = io.BytesIO()
    np.save(buffer, np.array([Trap()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("0.weight.npy", buffer.getvalue())
    with pytest.raises(ValueError, match="contains Python objects"):
        load_arrays(tmp_path / "w.npz")
    assert not (tmp_path / "sprung").exists()
