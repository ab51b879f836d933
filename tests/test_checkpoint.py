"""Arrays in .npz files: what comes back, and what is refused."""
import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from minidl import Adam, BatchNorm2d, Conv2d, Linear, Sequential
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


def test_weights_move_from_model_to_model(tmp_path):
    model, other = small_model(0), small_model(1)
    load_weights(save_weights(tmp_path / "w.npz", model), other)
    x = np.random.default_rng(0).random((2, 3, 5, 5), dtype=np.float32)
    assert np.array_equal(model(x), other(x))


def test_weights_of_another_model_are_refused_with_the_names(tmp_path):
    save_weights(tmp_path / "w.npz", small_model())
    with pytest.raises(ValueError, match=r"w\.npz.*another model.*missing: weight.*unknown: 0\.weight"):
        load_weights(tmp_path / "w.npz", Linear(2, 3))


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="none.npz"):
        load_arrays(tmp_path / "none.npz")


def test_pickle_in_disguise_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

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


def test_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        save_arrays(tmp_path / "w.npz", {"a": np.array([None], dtype=object)})
    assert list(tmp_path.iterdir()) == []


def test_header_that_promises_more_than_there_is_costs_no_memory(tmp_path):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**7)})
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("0.weight.npy", buffer.getvalue())
    with pytest.raises(ValueError, match="its header promises"):
        load_arrays(tmp_path / "w.npz")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_damage_anywhere_is_noticed_or_harmless(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damage")
    arrays = small_model().state_dict()
    whole = save_arrays(folder / "w.npz", arrays).read_bytes()
    damaged = bytearray(whole)
    if data.draw(st.booleans(), label="cut"):
        del damaged[data.draw(st.integers(0, len(whole) - 1), label="at"):]
    else:
        damaged[data.draw(st.integers(0, len(whole) - 1), label="at")] ^= 1 << data.draw(st.integers(0, 7), label="bit")
    (folder / "w.npz").write_bytes(damaged)
    try:
        loaded = load_arrays(folder / "w.npz")
    except ValueError:
        return
    for name in loaded.keys() & arrays.keys():
        assert np.array_equal(loaded[name], arrays[name])


def test_optimizer_state_of_another_model_is_refused():
    few, many = Adam(Linear(2, 3).parameters()), Adam(Linear(5, 3).parameters())
    with pytest.raises(ValueError, match=r"Adam\.load_state_dict: expected"):
        few.load_state_dict(many.state_dict())
