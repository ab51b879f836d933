"""Every reader of pets, fed with damaged files: a clear error that names the file, or a correct result.

`FUZZ=5000 python -m pytest tests/datasets/test_fuzz.py` looks longer for what these readers cannot take.
"""
import os
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from hypothesis import HealthCheck, example, given, settings, strategies as st

from minidl.datasets import synthetic_pets
from minidl.datasets.download import oxford_pets
from minidl.datasets.pets import load_pets
from tests.datasets.pet_folders import add, box_xml, encoded, write_list, write_xml

NAMES = ("Abyssinian_1", "pug_2", "pug_3")
LINES = ("#Image CLASS-ID SPECIES BREED ID", "#1:37 Class ids", "Abyssinian_1 1 1 1", "pug_2 37 2 25\r", "",
         "pug_3 37 2 25")
LIST, XML = "\n".join(LINES).encode(), box_xml().encode()
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8))
TRIMAP = encoded(Image.fromarray(np.random.default_rng(0).integers(1, 4, (16, 24), np.uint8)), "PNG")

fuzz = settings(max_examples=int(os.environ.get("FUZZ", 40)), deadline=None,
                suppress_health_check=[HealthCheck.function_scoped_fixture])


def damaged(content):
    """The content with some pieces replaced by others, longer or shorter, and maybe cut off; or random bytes."""
    def damage(pieces, end):
        result = bytearray(content)
        for place, length, piece in pieces:
            result[place:place + length] = piece
        return bytes(result[:end])

    piece = st.tuples(st.integers(0, len(content)), st.integers(0, 40), st.binary(max_size=40))
    byte = st.tuples(st.integers(0, len(content)), st.just(1), st.binary(min_size=1, max_size=1))
    return st.builds(damage, st.lists(piece | byte, max_size=4),
                     st.just(2 * len(content)) | st.integers(0, len(content))) | st.binary(max_size=200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three pets, to be damaged one file at a time."""
    folder = tmp_path_factory.mktemp("fuzz") / "pets"
    for name in NAMES:
        add(folder, name, image=encoded(NOISE, "JPEG"), trimap=TRIMAP)
    write_xml(folder, "pug_2", XML)
    write_list(folder, "list.txt", *LINES)
    return folder


@contextmanager
def instead(path, content):
    """Put something else into a file for a while."""
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(content)
    try:
        yield
    finally:
        path.unlink() if before is None else path.write_bytes(before)


def check(pets):
    """What every result has to be, whatever the files were."""
    n = len(pets)
    assert 0 < n == len(set(pets.names)) and set(pets.names) <= set(NAMES)
    assert pets.images.shape == (n, 3, 8, 8) and pets.images.dtype == np.uint8
    assert pets.trimaps.shape == (n, 8, 8) and pets.trimaps.dtype == np.uint8 and pets.trimaps.max() <= 2
    assert pets.species.shape == pets.breeds.shape == (n,) and set(pets.species.tolist()) <= {-1, 0, 1}
    assert pets.breeds.dtype == np.int64 and pets.breeds.min() >= -1
    for boxes in (pets.boxes, pets.head_boxes):
        finite = np.isfinite(boxes).all(axis=1)
        assert boxes.shape == (n, 4) and (finite | np.isnan(boxes).all(axis=1)).all()
        x0, y0, x1, y1 = boxes[finite].T
        assert (0 <= x0).all() and (x0 < x1).all() and (x1 <= 8).all()
        assert (0 <= y0).all() and (y0 < y1).all() and (y1 <= 8).all()


def check_one_damaged(folder, path, content):
    """One file of pug_2 is damaged: it is read, or named with a reason on one short line; the others are read."""
    with instead(path, content):
        pets = load_pets(folder, "all", 8, broken="skip")
        check(pets)
        if pets.problems:
            problem, = pets.problems
            assert f"{path.parent.name}/{path.name}" in problem and pets.names == ["Abyssinian_1", "pug_3"]
            assert "\n" not in problem and len(problem) < 1000
        else:
            assert pets.names == list(NAMES)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_images(folder, kind):
    whole = encoded(NOISE, kind, **({"compression": "tiff_lzw"} if kind == "TIFF" else {}))
    screen = bytearray(whole)
    screen[6:10] = (60000).to_bytes(2, "little") * 2     # of a GIF: larger than its frame

    @fuzz
    @given(damaged(whole))
    @example(whole)
    @example(bytes(screen))
    def run(content):
        check_one_damaged(folder, folder / "images" / "pug_2.jpg", content)

    run()


@fuzz
@given(damaged(TRIMAP))
@example(TRIMAP)
def test_trimaps(folder, content):
    check_one_damaged(folder, folder / "annotations" / "trimaps" / "pug_2.png", content)


# Entities that would expand to gigabytes: Python's own parser refuses them.
LAUGHS = b"<!DOCTYPE a [<!ENTITY x0 'ha'>" + b"".join(
    b"<!ENTITY x%d '%s'>" % (i, b"&x%d;" % (i - 1) * 10) for i in range(1, 11)) + b"]>"


@fuzz
@given(damaged(XML))
@example(XML)
@example(LAUGHS + XML.replace(b"cat", b"&x10;"))
@example((LAUGHS + XML).decode().encode("utf-16"))
@example(b"<a>" * 140_000 + b"</a>" * 140_000)
@example(XML.replace(b">18<", b">" + b"9" * 10_000 + b"<"))
@example(XML.replace(b">18<", b">" + b"x" * 10_000 + b"<"))
@example(XML.replace(b">18<", b">0x12<").replace(b">6<", b">1_0<"))
def test_xml(folder, content):
    check_one_damaged(folder, folder / "annotations" / "xmls" / "pug_2.xml", content)


any_list = damaged(LIST) | st.text(max_size=200).map(str.encode) | st.lists(
    st.builds("{} {} {} {}".format, st.sampled_from(NAMES) | st.text(max_size=9),
              st.integers() | st.just("9" * 5000) | st.floats(), st.integers(0, 3), st.integers()),
    max_size=5).map(lambda lines: "\n".join(lines).encode(errors="replace"))


@pytest.mark.parametrize("file, split", [("list.txt", "all"), ("trainval.txt", "train"), ("trainval.txt", "test")])
def test_lists(folder, file, split):
    @fuzz
    @given(any_list)
    @example(LIST)
    @example(b"pug_2 99999999999999999999 1 1\n")
    @example(b"pug_2 1 1 99999999999999999999\n")
    @example(b"pug_2" + b" 1" * 100_000)
    @example(b"x" * 100_000)
    @example("pug_2\x85pug_3\u2028Abyssinian_1".encode())
    def run(content):
        with instead(folder / "annotations" / file, content):
            try:
                check(load_pets(folder, split, 8))
            except FileNotFoundError as error:
                assert "no annotations/test.txt" in str(error)
            except ValueError as error:
                assert file in str(error) and len(str(error)) < 2000
    run()


@fuzz
@given(damaged(b'{"renderer": 1, "seed": 0, "train": 10, "test": 5, "size": 128}'))
@example(b"[" * 100_000)
@example(b"9" * 10_000)
def test_records_of_complete_sets(tmp_path, content):
    """Whatever they say, it is taken for the record of another set, or of none."""
    (tmp_path / "annotations").mkdir(exist_ok=True)
    (tmp_path / "annotations" / "rendered.json").write_bytes(content)
    (tmp_path / "downloaded.json").write_bytes(content)
    assert synthetic_pets._written(tmp_path) is None or isinstance(synthetic_pets._written(tmp_path), dict)
    with pytest.raises(ValueError, match="not a complete download"):
        oxford_pets.download(tmp_path)
