"""Damaged, cut and made-up files: a clear error that names the file, or the right result, and never much memory."""
import io
import json
import struct
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image
from hypothesis import HealthCheck, example, given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from minidl import Adam, CosineSchedule, CrossEntropyLoss, pixelwise
from minidl.batches import Batches
from minidl.checkpoint import load_weights, save_weights
from minidl.predict import open_model
from minidl.predict.__main__ import main
from minidl.runtime import npz
from minidl.runtime.built_by import how_built
from minidl.runtime.npz import load_arrays, save_arrays
from minidl.training import fit

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def model(rng=0):
    return pixelwise((1,), 2, rng=rng)


@st.composite
def damage(draw, whole):
    """Draw bytes that are like `whole`, but cut, or with some bits flipped, bytes exchanged, put in or left out."""
    damaged = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(damaged) - 1)))
        match draw(st.sampled_from(["cut", "flip", "put", "insert", "remove"])):
            case "cut":
                del damaged[at:]
            case "flip" if damaged:
                damaged[at] ^= 1 << draw(st.integers(0, 7))
            case "put":
                damaged[at:at + 4] = draw(st.sampled_from([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"]))
            case "insert":
                damaged[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "remove":
                del damaged[at:at + draw(st.integers(1, 8))]
    return bytes(damaged)


def packed(compressed):
    """Return the bytes of an .npz file of `model`'s weights."""
    buffer = io.BytesIO()
    weights: dict[str, Any] = model().state_dict() | how_built(model(), (32, 32))
    (np.savez_compressed if compressed else np.savez)(buffer, **weights)
    return buffer.getvalue()


def refused_or_equal(path):
    """Every reader of .npz files takes a file as what it was before the damage, or refuses it by name."""
    whole = model().state_dict()
    readers: list[Any] = [load_arrays, lambda path: load_weights(path, model()), open_model]
    for read in readers:
        try:
            found = read(path)
        except (ValueError, OSError) as error:
            assert path.name in str(error)
        else:
            if read is load_arrays:
                for name in found.keys() & whole.keys():
                    assert np.array_equal(found[name], whole[name])


# .npz files

@quick
@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"PK\3\4" + tail)
       | st.binary(max_size=200).map(lambda tail: b"\x93NUMPY\1\0" + tail))
def test_random_bytes(tmp_path, content):
    (tmp_path / "w.npz").write_bytes(content)
    refused_or_equal(tmp_path / "w.npz")


@quick
@given(st.data(), st.booleans())
def test_damaged_archives(tmp_path, data, compressed):
    (tmp_path / "w.npz").write_bytes(data.draw(damage(packed(compressed))))
    refused_or_equal(tmp_path / "w.npz")


def one_member(path, content, name="0.weight.npy", method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content)
    return path


def with_header(text, version=1, data=b""):
    """Return a .npy file with any text as its header."""
    header = text.encode("latin-1", "replace")
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + data


sides = st.one_of(st.integers(-3, 5), st.integers(-2**70, 2**70), st.sampled_from([True, 1.5, None, "3"]))
headers = st.builds(lambda descr, order, shape: repr({"descr": descr, "fortran_order": order, "shape": shape}),
                    st.sampled_from(["<f4", "|O", "<U9999999", "|V0", "<M8[s]", "f4,f4", [("a", "<f4")], [("a", "|O")],
                                     "<c16", ">f8", "?", "nonsense", None, ("<f4", (2, 2))]),
                    st.sampled_from([True, False, None]), st.lists(sides, max_size=4).map(tuple) | sides)


@quick
@given(headers | st.text(max_size=60), st.sampled_from([1, 2, 3, 9]), st.binary(max_size=64))
@example("(" * 9000, 1, b"")
@example("-" * 9000 + "1", 1, b"")
@example("{'descr': " + "[" * 500 + "]" * 500 + "}", 2, b"")
@example("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 99999999999999999999)}", 1, b"")
@example("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -2)}", 1, bytes(8))
@example("{'descr': '<f4',\n 'shape': (1L,), 'fortran_order'\\: False}", 1, bytes(4))
@example("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000, 10000000)}", 1, b"")
@example("'''", 1, b"")
def test_headers_of_all_kinds(tmp_path, text, version, content):
    path = one_member(tmp_path / "w.npz", with_header(text, version, content))
    try:
        for array in load_arrays(path).values():
            assert array.nbytes <= len(content)
    except ValueError as error:
        assert "w.npz: expected an .npz file of plain arrays" in str(error)


def test_members_that_are_not_arrays_or_there_twice_are_refused(tmp_path):
    for name, content in (("readme.txt", b"hello"), ("folder/", b"")):
        with pytest.raises(ValueError, match=r"w\.npz"):
            load_arrays(one_member(tmp_path / "w.npz", content, name))
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(2))
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("a.npy", buffer.getvalue())
        archive.writestr("a", buffer.getvalue())
    with pytest.raises(ValueError, match=r"w\.npz.*a is there twice"):
        load_arrays(tmp_path / "w.npz")


def test_a_folder_is_an_os_error_or_named(tmp_path):
    (tmp_path / "w.npz").mkdir()
    with pytest.raises(OSError, match=r"w\.npz"):
        load_arrays(tmp_path / "w.npz")


def test_a_zip_bomb_does_not_go_off(tmp_path, monkeypatch):
    zeros = io.BytesIO()
    np.save(zeros, np.zeros(10**7, np.uint8))             # ten million zeros become ten thousand bytes
    path = one_member(tmp_path / "w.npz", zeros.getvalue(), method=zipfile.ZIP_DEFLATED)
    del zeros
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(npz, "EXPANDED_BYTES", 10**6)
    assert peak_of_refusal(path, "would expand to more than is sensible") < 1e6


def test_an_archive_that_lies_about_its_size_costs_no_memory(tmp_path):
    claimed = 2**32 - 2                                   # the largest size that needs no zip64 record
    content = with_header(repr({"descr": "|u1", "fortran_order": False, "shape": (claimed - 80,)}).ljust(70))
    assert len(content) == 80
    path = one_member(tmp_path / "w.npz", content, method=zipfile.ZIP_DEFLATED)
    damaged = path.read_bytes().replace(struct.pack("<I", 80), struct.pack("<I", claimed))
    path.write_bytes(damaged)
    with zipfile.ZipFile(path) as archive:
        assert archive.infolist()[0].file_size == claimed
    assert peak_of_refusal(path, "would expand") < 1e6


def peak_of_refusal(path, message):
    """Return how much memory it took to refuse a file."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            load_arrays(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Files whose archive is in order, and whose contents are not

json_values = st.recursive(st.none() | st.booleans() | st.integers(-2**70, 2**70) | st.floats() | st.text(max_size=5),
                           lambda values: st.lists(values, max_size=3)
                           | st.dictionaries(st.text(max_size=5), values, max_size=3), max_leaves=6)
kinds: Any = st.sampled_from([np.dtype(k) for k in ("f2", "f4", "f8", "i1", "u8", "c8", "?", "U3", "S2", "M8[s]")])
strange_arrays: st.SearchStrategy[Any] = hnp.arrays(kinds, hnp.array_shapes(min_dims=0, max_side=3))


@st.composite
def altered(draw, value):
    """Draw what a tree of dicts and lists becomes when one of its values is another, or missing."""
    if isinstance(value, (dict, list)) and value and draw(st.integers(0, 4)):
        copy: Any = value.copy()
        key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        if draw(st.integers(0, 5)):
            copy[key] = draw(altered(value[key]))
        else:
            del copy[key]
        return copy
    return draw(json_values)


def train(folder, resume, bits=np.random.PCG64):
    """Train for an epoch of two steps, from a checkpoint that was made after the first."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((4, 3, 4, 4), dtype=np.float32), rng.integers(0, 3, (4, 4, 4))
    net = model()
    batches = Batches(images, labels, 2, rng=np.random.Generator(bits(1)))
    optimizer = Adam(net.parameters(), 1e-3)
    return fit(net, batches, CrossEntropyLoss(), optimizer, 2, schedule=CosineSchedule(optimizer, 4),
               checkpoint=folder, resume=resume, progress=False)


@pytest.fixture(scope="module", params=[np.random.PCG64, np.random.MT19937], ids=["PCG64", "MT19937"])
def training(request, tmp_path_factory):
    """A checkpoint's arrays, and the kind of its generator."""
    folder = tmp_path_factory.mktemp("training")
    train(folder, False, request.param)
    return load_arrays(folder / "last.npz"), request.param


@quick
@given(st.data())
def test_checkpoints_to_resume_from(tmp_path, training, data):
    arrays, bits = training
    arrays = dict(arrays)
    progress = json.loads(str(arrays["training"]))
    progress |= {"epoch": 1, "history": progress["history"][:1], "step": data.draw(st.integers(0, 1)),
                 "epoch_rng_state": progress["rng_state"]}
    what = data.draw(st.sampled_from(["as it is", "progress", "text", "array", "missing", "new"]))
    if what == "progress":
        progress = data.draw(altered(progress))
    arrays["training"] = np.array(json.dumps(progress))
    if what == "text":
        arrays["training"] = data.draw(st.text(max_size=9).map(np.array) | strange_arrays)
    elif what == "array":
        arrays[data.draw(st.sampled_from(sorted(arrays)))] = data.draw(strange_arrays)
    elif what == "missing":
        del arrays[data.draw(st.sampled_from(sorted(arrays)))]
    elif what == "new":
        arrays[data.draw(st.sampled_from(["model/x", "optimizer/x", "schedule/x", "x"]))] = data.draw(strange_arrays)
    save_arrays(tmp_path / "last.npz", arrays)
    try:
        history = train(tmp_path, True, bits)
    except FloatingPointError:                            # weights or a learning rate that are none
        assert what in ("array", "progress")
    except ValueError as error:
        assert what != "as it is" and "last.npz" in str(error)
    else:
        assert len(history) == 2


@pytest.mark.parametrize("name, value, message", [
    ("epoch", 3, "at epoch 3 of 2, step 0, which cannot be"),
    ("epoch", -10**9, "which cannot be"), ("step", 2, "at epoch 2 of 2, step 2"), ("step", -1, "step -1"),
    ("rng_state", {"array": [1], "dtype": "O"}, "a generator's state of uint32 or uint64, got 'O'"),
    ("history", [], "a history of 2 rows"), ("history", [{"loss": "low"}] * 2, "a history of 2 rows of numbers"),
    ("optimizer/steps", -1, "expected steps >= 0"), ("optimizer/lr", np.nan, "expected lr >= 0, got nan"),
    ("optimizer/m", "text", "m: expected numbers"),
    ("schedule/t", -1, "expected t >= 0"), ("schedule/steps", 0, "expected steps >= 1"),
    ("schedule/first_lr", np.inf, "first_lr=inf"), ("schedule/t", [1], "expected the arrays")])
def test_impossible_states_are_refused_by_name(name, value, message, training, tmp_path):
    arrays, bits = training
    progress = json.loads(str(arrays["training"]))
    changed = ({"training": np.array(json.dumps(progress | {name: value}))} if name in progress
               else {name: np.array(value)})
    save_arrays(tmp_path / "last.npz", arrays | changed)
    with pytest.raises(ValueError, match=rf"last\.npz: this checkpoint cannot be resumed: .*({message})"):
        train(tmp_path, True, bits)


# Images

def images():
    """Return {suffix: bytes} of a small image in every format."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    made = {}
    for suffix, kind in (("jpg", "JPEG"), ("png", "PNG"), ("gif", "GIF"), ("bmp", "BMP"), ("tif", "TIFF"),
                         ("webp", "WEBP")):
        buffer = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        options: dict[str, Any] = {} if kind in ("GIF", "BMP") else {"exif": exif}
        Image.fromarray(pixels).save(buffer, kind, **options)
        made[suffix] = buffer.getvalue()
    return made


IMAGES = images()


@pytest.mark.parametrize("suffix", IMAGES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_images(tmp_path, suffix, monkeypatch, capsys, data):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**5)         # so that none takes long
    weights = tmp_path / "weights.npz"
    if not weights.exists():
        save_weights(weights, model(), (32, 32))
    content = data.draw(damage(IMAGES[suffix]) | st.binary(max_size=200)
                        | st.binary(max_size=100).map(lambda tail: IMAGES[suffix][:20] + tail))
    (tmp_path / f"x.{suffix}").write_bytes(content)
    Image.new("RGB", (5, 4), "white").save(tmp_path / "good.png")
    out = tmp_path / "out"
    for result in out.glob("*"):
        result.unlink()
    status = main(["--weights", str(weights), "--out", str(out), str(tmp_path / f"x.{suffix}"),
                   str(tmp_path / "good.png")])
    printed = capsys.readouterr()
    assert (out / "good.png.mask.png").exists()
    if status == 0:
        with Image.open(out / f"x.{suffix}.mask.png") as mask:
            assert set(np.unique(np.asarray(mask))) <= {1, 2, 3}
    else:
        assert status == 1 and printed.err.startswith("error: ") and printed.err.count("\n") == 1
        assert f"x.{suffix}: " in printed.err and not (out / f"x.{suffix}.mask.png").exists()
