import functools
import io
import json
import os
import shutil
import struct
import sys
import threading
import time
import unicodedata
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from hypothesis import HealthCheck, example, given, settings, strategies as st

from minidl.datasets.pets import decode, reader as module
from minidl.datasets.pets.cache import CACHED
from minidl.datasets.pets import CLASSES, load_pets
from minidl.runtime.progress import Progress

REAL = Path(__file__).resolve().parents[3] / ".." / "shared" / "oxford-iiit-pet-mini"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the sample of real pictures is not there")

RED, GREEN, BLUE = (200, 10, 30), (20, 180, 40), (10, 30, 220)


def halves(size, left, right, mode="RGB"):
    """A picture whose left and right half have one color each."""
    picture = Image.new(mode, size, left)
    picture.paste(right, (size[0] // 2, 0, size[0], size[1]))
    return picture


def add(folder, name, size=(24, 16), picture=None, trimap=None, suffix=".jpg", **options):
    """Write a picture and its trimap: object on the left, background on the right."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "annotations" / "trimaps").mkdir(parents=True, exist_ok=True)
    path = folder / "images" / (name + suffix)
    if picture is None:
        picture = halves(size, RED, BLUE)
    if isinstance(picture, bytes):
        path.write_bytes(picture)
    else:
        picture.save(path, **options)
        size = picture.size
    if trimap is None:
        trimap = halves(size, 1, 2, mode="L")
    target = folder / "annotations" / "trimaps" / (name + ".png")
    if isinstance(trimap, bytes):
        target.write_bytes(trimap)
    else:
        trimap.save(target)
    return path


def write_list(folder, file, *lines):
    path = folder / "annotations" / file
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_xml(folder, name, text):
    path = folder / "annotations" / "xmls" / f"{name}.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))


def box_xml(xmin=6, ymin=4, xmax=18, ymax=8):
    return (f"<annotation><size><width>999</width></size><object><name>cat</name><bndbox><xmin>{xmin}</xmin>"
            f"<ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object></annotation>")


def encoded(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def error_of(folder, **options):
    with pytest.raises(ValueError) as caught:
        load_pets(folder, split="all", size=8, **options)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "my pets ünïcode"


def test_a_folder_without_lists(folder):
    for name in ("b", "a", "my cät"):
        add(folder, name)
    pets = load_pets(folder, split="all", size=8)
    assert pets.names == ["a", "b", "my cät"] and len(pets) == 3 and pets.problems == []
    assert pets.images.shape == (3, 3, 8, 8) and pets.images.dtype == np.uint8
    assert pets.trimaps.shape == (3, 8, 8) and pets.trimaps.dtype == np.uint8
    assert pets.species.tolist() == pets.breeds.tolist() == [-1, -1, -1]
    assert pets.species.dtype == pets.breeds.dtype == np.int64
    assert pets.boxes.dtype == pets.head_boxes.dtype == np.float32
    assert pets.boxes.tolist() == [[0, 0, 4, 8]] * 3
    assert np.isnan(pets.head_boxes).all() and pets.head_boxes.shape == (3, 4)
    assert (pets.trimaps[:, :, :4] == CLASSES.index("object")).all()
    assert (pets.trimaps[:, :, 4:] == CLASSES.index("background")).all()
    np.testing.assert_allclose(pets.images[0, :, 4, 1], RED, atol=12)    # JPEG is not exact
    np.testing.assert_allclose(pets.images[0, :, 4, 6], BLUE, atol=12)
    assert repr(pets) == "Pets(3 pictures of 8 x 8)"


def test_trimap_values_and_boxes(folder):
    trimap = np.full((6, 6), 2, np.uint8)
    trimap[1:3, 2:5] = 1
    trimap[3, 2] = 3
    add(folder, "a", (6, 6), trimap=Image.fromarray(trimap))
    add(folder, "b", (6, 6), trimap=Image.new("L", (6, 6), 2))
    pets = load_pets(folder, split="all", size=6)
    assert np.array_equal(pets.trimaps[0], trimap - 1)
    assert CLASSES == ("object", "background", "border")
    assert pets.boxes[0].tolist() == [2, 1, 5, 4]
    x0, y0, x1, y1 = pets.boxes[0].astype(int)
    inside = np.zeros((6, 6), bool)
    inside[y0:y1, x0:x1] = True
    assert (pets.trimaps[0][~inside] == 1).all()
    assert np.isnan(pets.boxes[1]).all()


def test_resizing_averages_pictures_but_not_classes(folder):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    trimap = np.where(np.arange(64) % 2, 1, 3).astype(np.uint8) * np.ones((64, 1), np.uint8)
    add(folder, "a", picture=Image.fromarray(stripes), trimap=Image.fromarray(trimap), suffix=".png")
    pets = load_pets(folder, split="all", size=8)
    assert np.abs(pets.images.astype(int) - 128).max() < 20  # without antialiasing: 0 or 255
    assert set(np.unique(pets.trimaps)) <= {0, 2}            # the mean of 1 and 3 would be background


def test_exif_orientation_is_not_applied(folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: shown rotated by a quarter
    add(folder, "a", picture=halves((24, 16), RED, BLUE), exif=exif)
    pets = load_pets(folder, split="all", size=8)
    np.testing.assert_allclose(pets.images[0, :, 4, 1], RED, atol=12)
    np.testing.assert_allclose(pets.images[0, :, 4, 6], BLUE, atol=12)


def test_lists_and_their_facts(folder):
    for name in ("Birman_1", "pug_2", "pug_3", "pug_4"):
        add(folder, name)
    write_list(folder, "list.txt", "#Image CLASS-ID SPECIES BREED ID", "Birman_1 7 1 3", "pug_2 26 2 19",
               "pug_3 26 2 19", "", "pug_4 26 2 19")
    write_list(folder, "trainval.txt", "\ufeffpug_3", "Birman_1 7 1 3 ")
    write_list(folder, "test.txt", "pug_2 25 2 18")
    train, test, every = (load_pets(folder, split=split, size=8) for split in ("train", "test", "all"))
    assert train.names == ["pug_3", "Birman_1"]
    assert train.species.tolist() == [1, 0] and train.breeds.tolist() == [25, 6]
    assert test.names == ["pug_2"] and test.breeds.tolist() == [24]
    assert every.names == ["Birman_1", "pug_2", "pug_3", "pug_4"]
    (folder / "annotations" / "list.txt").unlink()
    assert load_pets(folder, split="all", size=8).names == ["pug_3", "Birman_1", "pug_2"]
    assert load_pets(folder, split="train", size=8).species.tolist() == [-1, 0]


def test_every_fifth_name_is_for_testing_without_lists(folder):
    names = [f"pet_{i:02}" for i in range(12)]
    for name in names:
        add(folder, name, (4, 4))
    assert load_pets(folder, split="test", size=4).names == ["pet_04", "pet_09"]
    train = load_pets(folder, split="train", size=4).names
    assert train == [name for name in names if name not in ("pet_04", "pet_09")]
    write_list(folder, "list.txt", *reversed(names))
    assert load_pets(folder, split="test", size=4).names == ["pet_04", "pet_09"]


def test_limit_is_spread_evenly(folder):
    for i in range(10):
        add(folder, f"pet_{i}", (4, 4))
    assert load_pets(folder, split="all", size=4, limit=3).names == ["pet_0", "pet_3", "pet_6"]
    assert len(load_pets(folder, split="all", size=4, limit=10)) == 10
    assert len(load_pets(folder, split="all", size=4, limit=99)) == 10


def test_stray_files_are_passed_over(folder):
    add(folder, "a")
    for path in ("images/._a.jpg", "images/.DS_Store", "images/a.mat", "images/Thumbs.db", "images/b.txt",
                 "annotations/trimaps/._a.png", "annotations/trimaps/.DS_Store", "annotations/trimaps/a.mat"):
        (folder / path).write_bytes(b"\x00\x05\x16\x07 AppleDouble")
    (folder / "images" / "folder.jpg").mkdir()
    (folder / "annotations" / "trimaps" / "folder.png").mkdir()
    add(folder, "no trimap")
    (folder / "annotations" / "trimaps" / "no trimap.png").unlink()
    pets = load_pets(folder, split="all", size=8)
    assert pets.names == ["a"] and pets.problems == []


def test_accents_written_in_two_ways(folder):
    add(folder, unicodedata.normalize("NFD", "Käthe"))
    write_list(folder, "trainval.txt", unicodedata.normalize("NFC", "Käthe"))
    assert load_pets(folder, size=8).names == ["Käthe"]


@pytest.mark.parametrize("suffix", [".jpeg", ".JPG", ".png", ".PNG", ".bmp", ".TIFF", ".gif"])
def test_other_suffixes(folder, suffix):
    add(folder, "a", suffix=suffix)
    np.testing.assert_allclose(load_pets(folder, split="all", size=8).images[0, :, 4, 1], RED, atol=12)


def gray16(values):
    return Image.fromarray(np.asarray(values, np.uint16))


def with_transparency(kind):
    """A picture whose left half is transparent and whose right half is blue."""
    picture = halves((24, 16), (0, 0, 0, 0), (*BLUE, 255), mode="RGBA")
    if kind == "png":
        return encoded(picture, "PNG")
    colors = halves((24, 16), 0, 1, mode="P")
    colors.putpalette([0, 0, 0, *BLUE])
    return encoded(colors, "PNG", transparency=bytes([0, 255])) if kind == "palette" \
        else encoded(colors, "GIF", transparency=0)


WHITE = (255, 255, 255)


@pytest.mark.parametrize("content, left, right", [
    (encoded(halves((24, 16), RED, BLUE), "PNG"), RED, BLUE),
    (encoded(halves((24, 16), RED, BLUE), "GIF"), RED, BLUE),
    (encoded(halves((24, 16), RED, BLUE), "GIF", save_all=True,
             append_images=[halves((24, 16), GREEN, GREEN)]), RED, BLUE),
    (encoded(halves((24, 16), RED, BLUE).quantize(2), "PNG"), RED, BLUE),
    (encoded(halves((24, 16), 50, 220, mode="L"), "JPEG"), (50,) * 3, (220,) * 3),
    (encoded(halves((24, 16), 0, 1, mode="1"), "PNG"), (0,) * 3, (255,) * 3),
    (encoded(halves((24, 16), (0, 250, 250, 50), (250, 0, 250, 0), mode="CMYK"), "JPEG", quality=95),
     (205, 4, 4), (5, 255, 5)),
    (encoded(gray16([[0x3300] * 12 + [0xffff] * 12] * 16), "PNG"), (0x33,) * 3, (255,) * 3),
    (encoded(halves((24, 16), (0, 0), (77, 255), mode="LA"), "PNG"), WHITE, (77,) * 3),
    (with_transparency("png"), WHITE, BLUE),
    (with_transparency("palette"), WHITE, BLUE),
    (with_transparency("gif"), WHITE, BLUE),
], ids=["png", "gif", "animated gif", "palette", "gray", "one bit", "cmyk", "16 bits", "gray alpha", "alpha",
        "transparent palette", "transparent gif"])
def test_pictures_called_jpg_that_are_something_else(folder, content, left, right):
    add(folder, "a", picture=content)
    image = load_pets(folder, split="all", size=8).images[0]
    np.testing.assert_allclose(image[:, 4, 1], left, atol=12)
    np.testing.assert_allclose(image[:, 4, 6], right, atol=12)


def test_sixteen_bits_are_scaled_not_clipped(folder):
    values = np.random.default_rng(0).integers(0, 65536, (16, 16))
    add(folder, "a", picture=encoded(gray16(values), "PNG"), trimap=Image.new("L", (16, 16), 2))
    image = load_pets(folder, split="all", size=16).images[0]
    assert np.array_equal(image[1], np.round(values / 257).astype(np.uint8))


def test_a_palette_trimap_is_read_by_its_indices(folder):
    trimap = halves((24, 16), 1, 3, mode="P")
    trimap.putpalette([9, 9, 9, 2, 2, 2, 7, 7, 7, 1, 1, 1])
    add(folder, "a", trimap=trimap)
    trimaps = load_pets(folder, split="all", size=8).trimaps
    assert (trimaps[0, :, :4] == 0).all() and (trimaps[0, :, 4:] == 2).all()


def test_head_boxes_are_scaled(folder):
    add(folder, "a", (24, 16))
    add(folder, "b", (24, 16))
    write_xml(folder, "a", box_xml(6, 4, 18, 8))
    pets = load_pets(folder, split="all", size=8)
    np.testing.assert_allclose(pets.head_boxes[0], [2, 2, 6, 4])
    assert np.isnan(pets.head_boxes[1]).all()


@pytest.mark.parametrize("options, words", [
    ({"split": "validation"}, "'validation'"), ({"size": 0}, "size"), ({"size": 8.0}, "size"),
    ({"size": True}, "size"), ({"broken": "maybe"}, "'maybe'"), ({"limit": 0}, "limit"), ({"limit": -1}, "limit"),
])
def test_unknown_options(folder, options, words):
    add(folder, "a")
    with pytest.raises(ValueError, match=words):
        load_pets(folder, **options)


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.*images/NAME.jpg"):
        load_pets(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no images in it.*annotations/trimaps/NAME.png"):
        load_pets(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match="no annotations/trimaps in it"):
        load_pets(tmp_path)
    (tmp_path / "annotations" / "trimaps").mkdir(parents=True)
    with pytest.raises(ValueError, match="no picture.*0 pictures.*0 trimaps.*images/NAME.jpg"):
        load_pets(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NotADirectoryError, match="not a folder"):
        load_pets(tmp_path / "file")


def test_a_folder_that_may_not_be_read(folder, monkeypatch):
    add(folder, "a")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ValueError, match="Permission denied.*expected a folder with images"):
        load_pets(folder)


def test_too_few_pictures_for_a_test_split(folder):
    add(folder, "a")
    assert load_pets(folder, split="train", size=8).names == ["a"]
    with pytest.raises(ValueError, match="no picture for the split 'test' among 1 pictures"):
        load_pets(folder, split="test", size=8)


@pytest.mark.parametrize("line, words", [
    ("a 1", "NAME CLASS-ID SPECIES BREED-ID.*'a 1'"),
    ("a 1 1 1 1", "NAME CLASS-ID SPECIES BREED-ID"),
    ("a one 1 1", "three whole numbers.*'a one 1 1'"),
    ("a 0 1 1", "CLASS-ID.*got 0 and 1"),
    ("a 1 3 1", "SPECIES.*got 1 and 3"),
    ("../a", "without folders.*'../a'"),
    ("images\\a", "without folders"),
    ("._a", "without folders"),
    ("b", "b is listed twice, first in annotations/trainval.txt, line 2"),
])
def test_malformed_lists(folder, line, words):
    add(folder, "a")
    add(folder, "b")
    write_list(folder, "trainval.txt", "# comment", "b 1 1 1", line)
    with pytest.raises(ValueError, match=r"trainval\.txt, line 3: .*" + words):
        load_pets(folder, size=8)


def test_lists_that_contradict_or_are_empty(folder):
    add(folder, "a")
    write_list(folder, "trainval.txt", "a")
    with pytest.raises(FileNotFoundError, match="no annotations/test.txt"):
        load_pets(folder, split="test")
    write_list(folder, "test.txt", "#", "a")
    for split in ("train", "test", "all"):
        with pytest.raises(ValueError, match="a is for training .*trainval.txt, line 1.* testing .*test.txt, line 2"):
            load_pets(folder, split=split)
    path = write_list(folder, "test.txt", "# nothing")
    with pytest.raises(ValueError, match="test.txt: .*no names"):
        load_pets(folder)
    path.write_bytes(b"K\xe4the\n")
    with pytest.raises(ValueError, match="test.txt: expected text in UTF-8"):
        load_pets(folder)


def test_listed_files_that_are_missing(folder):
    add(folder, "a")
    add(folder, "c")
    (folder / "annotations" / "trimaps" / "c.png").unlink()
    write_list(folder, "trainval.txt", "a", "b", "c")
    with pytest.raises(ValueError) as caught:
        load_pets(folder, size=8)
    message = str(caught.value)
    assert "2 of 3 pictures" in message and "broken='skip'" in message
    assert "images/b.jpg: no such file, listed in annotations/trainval.txt, line 2" in message
    assert "trimaps/c.png: no such file, listed in annotations/trainval.txt, line 3" in message
    assert load_pets(folder, size=8, broken="skip").names == ["a"]


def test_two_pictures_of_one_name(folder):
    add(folder, "a")
    add(folder, "a", suffix=".png")
    assert "images/a.jpg: expected one file of this name, got a.jpg, a.png" in error_of(folder)


GOOD = encoded(halves((24, 16), RED, BLUE), "JPEG")
GOOD_PNG = encoded(halves((24, 16), RED, BLUE), "PNG")


@pytest.mark.parametrize("content, words", [
    (b"", "images/bad.jpg: not a picture"),
    (b"<html>404 Not Found</html>", "images/bad.jpg: not a picture"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 24 16\n", "images/bad.jpg: not a picture"),
    (GOOD[:2], "images/bad.jpg: not a picture"),
    (b"\xff\xd8\xff\xe0" + bytes(200), "images/bad.jpg: not a picture"),
    (GOOD[:len(GOOD) * 3 // 4], "images/bad.jpg: cannot be read"),
    (GOOD_PNG[:len(GOOD_PNG) * 3 // 4], "images/bad.jpg: cannot be read"),
    (encoded(Image.new("F", (24, 16)), "TIFF"), "images/bad.jpg: expected 8 or 16 bits per color, got.*'F'"),
], ids=["empty", "html", "eps", "two bytes", "fake jpeg", "cut jpeg", "cut png", "float tiff"])
def test_broken_pictures(folder, content, words):
    add(folder, "good")
    add(folder, "bad", picture=content)
    with pytest.raises(ValueError, match=words):
        load_pets(folder, split="all", size=8)
    pets = load_pets(folder, split="all", size=8, broken="skip")
    assert pets.names == ["good"] and len(pets.images) == len(pets.boxes) == len(pets.species) == 1
    np.testing.assert_allclose(pets.images[0, :, 4, 1], RED, atol=12)
    assert len(pets.problems) == 1 and pets.problems[0].startswith("images/bad.jpg: ")
    assert "\n" not in pets.problems[0]


@pytest.mark.parametrize("limit", [100, 300])  # 24 * 16 pixels: more than twice as many, and more
def test_decompression_bombs(folder, limit, monkeypatch):
    add(folder, "a")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    filters = list(warnings.filters)
    message = error_of(folder)
    assert "images/a.jpg: suspiciously large" in message and "384 pixels" in message
    assert warnings.filters == filters
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 384)
    assert len(load_pets(folder, split="all", size=8)) == 1


def test_a_forged_size_is_refused_before_memory_is_used(folder):
    header = b"IHDR" + (60000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    content = GOOD_PNG[:12] + header + zlib.crc32(header).to_bytes(4, "big") + GOOD_PNG[33:]
    add(folder, "a", picture=content)
    assert "images/a.jpg: suspiciously large" in error_of(folder)


@pytest.mark.parametrize("trimap, words", [
    (halves((24, 16), 0, 2, mode="L"), "values 1 .object.*got also 0"),
    (halves((24, 16), 4, 255, mode="L"), "got also 4, 255"),
    (Image.fromarray(np.arange(384, dtype=np.int32).astype(np.uint8).reshape(16, 24)), "got also 0, 4, 5, .*, ..."),
    (halves((24, 16), (1, 1, 1), (2, 2, 2)), "one byte per pixel.*got mode 'RGB'"),
    (halves((24, 16), 0, 1, mode="1"), "one byte per pixel.*got mode '1'"),
    (halves((16, 24), 1, 2, mode="L"), "size of images/bad.jpg, 24 x 16, got 16 x 24"),
    (b"not a png", "not a picture"),
    (GOOD, "not a picture"),
    (encoded(halves((24, 16), 1, 2, mode="L"), "PNG")[:45], "cannot be read"),
], ids=["zero", "others", "many", "rgb", "one bit", "size", "text", "jpeg", "cut"])
def test_faulty_trimaps(folder, trimap, words):
    add(folder, "good")
    add(folder, "bad", trimap=trimap)
    with pytest.raises(ValueError, match="trimaps/bad.png: .*" + words):
        load_pets(folder, split="all", size=8)
    assert load_pets(folder, split="all", size=8, broken="skip").names == ["good"]


@pytest.mark.parametrize("text, words", [
    ("", "not well-formed"),
    ("<annotation>", "not well-formed"),
    ("<annotation/>", "<object> with a <bndbox>, got none"),
    (box_xml().replace("<ymin>4</ymin>", ""), "expected a <ymin>"),
    (box_xml(xmin="left"), "number in <xmin>, got 'left'"),
    (box_xml(xmin=""), "number in <xmin>"),
    (box_xml(xmin="nan"), "within 24 x 16 pixels, got nan"),
    (box_xml(xmax="inf"), "within 24 x 16 pixels"),
    (box_xml(xmin=-1), "within 24 x 16 pixels, got -1"),
    (box_xml(xmax=25), "within 24 x 16 pixels, got 6, 4, 25, 8"),
    (box_xml(ymax=17), "within 24 x 16 pixels"),
    (box_xml(xmin=18, xmax=6), "xmin < xmax"),
    (box_xml(ymin=8, ymax=8), "ymin < ymax"),
    ('<!DOCTYPE a [<!ENTITY b "12">]>' + box_xml(xmax="&b;"), "DOCTYPE or ENTITY"),
    ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a []>'.encode("utf-16") + box_xml().encode("utf-16-le"),
     "zero bytes"),
    ('<?xml version="1.0" encoding="no-such"?>' + box_xml(), "xmls/bad.xml"),
    (box_xml() + " " * 2**20, "at most 1048576 bytes"),
    ("<a>" * 300_000, "not well-formed"),
])
def test_faulty_xml(folder, text, words):
    add(folder, "good")
    add(folder, "bad")
    write_xml(folder, "bad", text)
    with pytest.raises(ValueError, match="xmls/bad.xml: .*" + words if words != "xmls/bad.xml" else words):
        load_pets(folder, split="all", size=8)
    assert load_pets(folder, split="all", size=8, broken="skip").names == ["good"]


def test_many_problems_are_cut_short_and_nothing_left_is_an_error(folder):
    for i in range(13):
        add(folder, f"bad_{i:02}", picture=b"?")
    message = error_of(folder)
    assert "13 of 13 pictures" in message and "and 3 more" in message
    assert "bad_09.jpg" in message and "bad_10.jpg" not in message
    assert "Nothing is left" in error_of(folder, broken="skip")
    add(folder, "good")
    assert len(load_pets(folder, split="all", size=8, broken="skip").problems) == 13


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("any bytes")
    add(folder, "a")
    return folder


def mutations(content):
    """The content with a few bytes replaced, cut off at some place, or random bytes."""
    def mutate(changes, length):
        damaged = bytearray(content)
        for place, value in changes:
            damaged[place] = value
        return bytes(damaged[:length])

    places = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    return st.binary(max_size=64) | st.builds(mutate, st.lists(places, max_size=6),
                                              st.integers(1, len(content)) | st.just(len(content)))


any_bytes = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check_any_bytes(folder, path, content):
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    try:
        pets = load_pets(folder, split="all", size=8)
    except ValueError as error:
        assert f"{path.parent.name}/{path.name}" in str(error)
    else:
        assert pets.images.shape == (1, 3, 8, 8) and set(np.unique(pets.trimaps)) <= {0, 1, 2}
        head = pets.head_boxes[0]
        assert np.isnan(head).all() or (0 <= head).all() and (head <= 8).all()
    finally:
        path.unlink() if before is None else path.write_bytes(before)


@any_bytes
@given(mutations(GOOD) | mutations(GOOD_PNG) | mutations(with_transparency("gif")))
@example(GOOD)
def test_any_bytes_as_a_picture(scratch, content):
    check_any_bytes(scratch, scratch / "images" / "a.jpg", content)


@any_bytes
@given(mutations(encoded(halves((24, 16), 1, 2, mode="L"), "PNG")))
def test_any_bytes_as_a_trimap(scratch, content):
    check_any_bytes(scratch, scratch / "annotations" / "trimaps" / "a.png", content)


@any_bytes
@given(mutations(box_xml().encode()))
@example(box_xml().encode())
def test_any_bytes_as_xml(scratch, content):
    check_any_bytes(scratch, scratch / "annotations" / "xmls" / "a.xml", content)


@pytest.fixture
def five(folder):
    for i in range(5):
        add(folder, f"pet_{i}", (8, 8), trimap=Image.new("L", (8, 8), 1 + i % 3))
    write_list(folder, "list.txt", *(f"pet_{i} {i + 1} {1 + i % 2} 1" for i in range(5)))
    return load_pets(folder, split="all", size=8)


@pytest.mark.parametrize("which, expected", [
    (slice(1, 4, 2), [1, 3]), ([4, 0], [4, 0]), (np.array([True, False, False, False, True]), [0, 4]), (-1, [4]),
    ([], []), (slice(None), [0, 1, 2, 3, 4]),
])
def test_subsets(five, which, expected):
    for part in (five[which], five.subset(which)):
        assert part.names == [f"pet_{i}" for i in expected] and len(part) == len(expected)
        assert part.breeds.tolist() == expected
        assert part.species.tolist() == [i % 2 for i in expected]
        assert part.trimaps[:, 0, 0].tolist() == [i % 3 for i in expected]
        assert part.images.shape == (len(expected), 3, 8, 8) and part.boxes.shape == (len(expected), 4)


@pytest.mark.parametrize("which", [5, [0, 7], "pet_1", [[0, 1]], [True, False], 1.5])
def test_subsets_that_are_not_there(five, which):
    with pytest.raises(IndexError):
        five[which]


def test_a_slice_is_a_view_and_iteration_ends(five):
    assert np.shares_memory(five[1:3].images, five.images)
    assert [pet.names[0] for pet in five] == five.names


@pytest.mark.parametrize("cached", [False, True])
def test_arrays_are_read_only(folder, five, cached, tmp_path):
    pets = load_pets(folder, split="all", size=8, cache=tmp_path / "cache") if cached else five
    for key in ("images", "trimaps", "species", "breeds", "boxes", "head_boxes"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(pets, key)[0] = 0


@pytest.fixture
def reads(monkeypatch):
    """The names of all pictures that were read from their files."""
    names = []

    def count(source, size):
        names.append(source.entry.name)
        return decode.read_one(source, size)

    monkeypatch.setattr(module, "read_one", count)
    return names


def test_order_does_not_depend_on_threads(folder):
    for i in range(40):
        add(folder, f"pet_{i:02}", (8, 8) if i % 2 else (200, 200), suffix=".png",
            picture=Image.new("RGB", (8, 8) if i % 2 else (200, 200), (i, 2 * i, 3 * i)))
    pets = load_pets(folder, split="all", size=4)
    assert [tuple(image[:, 0, 0]) for image in pets.images] == [(i, 2 * i, 3 * i) for i in range(40)]


def test_no_thread_and_no_filter_is_left_behind(folder):
    add(folder, "a")
    filters, threads = list(warnings.filters), threading.active_count()
    load_pets(folder, split="all", size=8)
    add(folder, "b", picture=b"?")
    error_of(folder)
    assert warnings.filters == filters and threading.active_count() == threads


def test_an_interruption_ends_the_reading(folder, monkeypatch, reads):
    for i in range(30):
        add(folder, f"pet_{i:02}", (4, 4))

    def interrupt(trimap):
        raise KeyboardInterrupt

    def open_slowly(path, open_picture=decode.open_picture):
        time.sleep(0.01)
        return open_picture(path)

    monkeypatch.setattr(decode, "open_picture", open_slowly)
    monkeypatch.setattr(module, "pet_box", interrupt)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    filters = list(warnings.filters)
    with pytest.raises(KeyboardInterrupt):
        load_pets(folder, split="all", size=4)
    assert warnings.filters == filters and len(reads) < 30


def test_warnings_of_pillow_do_not_reach_the_user(folder):
    # Two numbers of the camera are announced, and missing.
    cut = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIIHHII", 2, 0x128, 3, 1, 2, 0x11a, 5, 1, 9999)
    content = encoded(halves((24, 16), RED, BLUE), "JPEG", exif=cut)
    with pytest.warns(UserWarning, match="Truncated"), Image.open(io.BytesIO(content)) as picture:
        picture.load()
    add(folder, "a", picture=content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert load_pets(folder, split="all", size=8).names == ["a"]
    assert caught == []


def test_progress_is_shown_only_when_it_takes_long(folder, monkeypatch, capsys):
    for i in range(3):
        add(folder, f"pet_{i}", (4, 4))
    load_pets(folder, split="all", size=4)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(module, "PATIENCE", 0)
    load_pets(folder, split="all", size=4, progress=False)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(module, "Progress", functools.partial(Progress, every=0))
    load_pets(folder, split="all", size=4)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and [line.split(",")[0] for line in lines] == [f"reading pictures {i}/3" for i in (1, 2, 3)]
    assert lines[0].endswith(" left") and ", took " in lines[2]


def snapshot(pets):
    return [pets.names, pets.problems, *(getattr(pets, key).copy() for key in CACHED)]


def same(pets, other):
    for a, b in zip(snapshot(pets), snapshot(other), strict=True):
        np.testing.assert_array_equal(a, b)
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)


@pytest.fixture
def cached(folder, tmp_path, reads):
    """A folder of three pictures, its cache, and a function that loads it and says which pictures were read."""
    for i in range(3):
        add(folder, f"pet_{i}", (8 + i, 8), trimap=halves((8 + i, 8), 1, 3, mode="L"))
    write_xml(folder, "pet_1", box_xml(1, 2, 3, 4))
    cache = tmp_path / "çache dir"

    def load(**options):
        del reads[:]
        pets = load_pets(folder, **{"split": "all", "size": 8, "cache": cache, **options})
        return pets, sorted(reads)

    return folder, cache, load


EVERY = ["pet_0", "pet_1", "pet_2"]


def test_the_cache_spares_reading_and_changes_nothing(cached):
    folder, cache, load = cached
    plain = load_pets(folder, split="all", size=8)
    first, read = load()
    assert read == EVERY
    second, read = load()
    assert read == []
    same(plain, first)
    same(plain, second)
    assert isinstance(second.images, np.memmap) and isinstance(second.trimaps, np.memmap)
    (place,) = cache.iterdir()
    assert place.name.startswith(f"{folder.name}-all-8-")
    assert sorted(path.name for path in place.iterdir()) == sorted(
        [f"{key}.npy" for key in CACHED] + ["meta.json"])
    meta = json.loads((place / "meta.json").read_text(encoding="utf-8"))
    assert meta["names"] == EVERY and meta["problems"] == []


def test_other_sizes_splits_and_limits_have_caches_of_their_own(cached):
    _, cache, load = cached
    for options in ({}, {"size": 4}, {"limit": 2}, {"split": "train", "limit": 1}):
        assert load(**options)[1] != []
        assert load(**options)[1] == []
    assert len(list(cache.iterdir())) == 4


@pytest.mark.parametrize("change", ["picture", "trimap", "xml", "list", "new", "gone"])
def test_a_change_is_noticed(cached, change):
    folder, _, load = cached
    old, _ = load()
    if change == "picture":
        add(folder, "pet_1", picture=halves((9, 8), GREEN, GREEN), trimap=halves((9, 8), 1, 3, mode="L"))
    elif change == "trimap":  # same size of file and picture, another time
        path = folder / "annotations" / "trimaps" / "pet_1.png"
        stat = path.stat()
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    elif change == "xml":
        write_xml(folder, "pet_2", box_xml(1, 1, 5, 5))
    elif change == "list":
        write_list(folder, "list.txt", "pet_0 1 1 1", "pet_1 1 1 1", "pet_2 1 2 1")
    elif change == "new":
        add(folder, "pet_3")
    elif change == "gone":
        (folder / "images" / "pet_2.jpg").unlink()
    new, read = load()
    assert read == {"new": [*EVERY, "pet_3"], "gone": EVERY[:2]}.get(change, EVERY)
    same(new, load_pets(folder, split="all", size=8))
    if change == "picture":
        assert (new.images[1] != old.images[1]).any()


def damage_byte(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["images.npy", "trimaps.npy", "head_boxes.npy", "meta.json"])
@pytest.mark.parametrize("damage", [
    lambda path: path.unlink(),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes()[:-20]),
    damage_byte,
], ids=["missing", "empty", "cut", "one bit"])
def test_a_damaged_cache_is_rebuilt(cached, file, damage):
    folder, cache, load = cached
    plain, _ = load()
    plain = plain.subset([0, 1, 2])  # a copy: the file below it is about to change
    (place,) = cache.iterdir()
    damage(place / file)
    pets, read = load()
    assert read == EVERY
    same(pets, plain)
    assert load()[1] == []
    assert [path.name for path in cache.iterdir()] == [place.name]


@pytest.mark.parametrize("change", [
    lambda meta: [], lambda meta: {}, lambda meta: {**meta, "names": 3}, lambda meta: {**meta, "crc32": None},
    lambda meta: {**meta, "names": meta["names"][::-1]}, lambda meta: {**meta, "names": meta["names"][:2]},
    lambda meta: {**meta, "names": ["x", "y", "z"]}, lambda meta: {**meta, "names": [[]]},
])
def test_a_cache_whose_description_is_wrong_is_rebuilt(cached, change):
    _, cache, load = cached
    load()
    path = next(cache.iterdir()) / "meta.json"
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    pets, read = load()
    assert set(read) == set(EVERY) and pets.names == EVERY
    assert load()[1] == []


def test_problems_survive_in_the_cache(cached):
    folder, cache, load = cached
    add(folder, "bad", picture=b"?")
    with pytest.raises(ValueError, match="images/bad.jpg"):
        load()
    assert list(cache.iterdir()) == []  # nothing to keep
    pets, read = load(broken="skip")
    assert read.count("pet_0") == 1 and pets.names == EVERY
    again, read = load(broken="skip")
    assert read == ["bad"]  # looked at again: it may have been a permission only
    same(pets, again)
    assert again.problems == pets.problems and again.problems[0].startswith("images/bad.jpg: not a picture")
    with pytest.raises(ValueError, match="images/bad.jpg"):
        load()


def test_a_picture_that_became_readable_is_taken_in(cached, monkeypatch):
    _, _, load = cached
    open_picture = decode.open_picture

    def refuse(path):
        if path.stem == "pet_1":
            raise PermissionError(13, "Permission denied")
        return open_picture(path)

    with monkeypatch.context() as patch:
        patch.setattr(decode, "open_picture", refuse)
        pets, _ = load(broken="skip")
        assert pets.names == ["pet_0", "pet_2"] and "Permission denied" in pets.problems[0]
    assert load(broken="skip")[0].names == EVERY
    assert load(broken="skip")[1] == []


def test_a_cache_that_cannot_be_written_only_warns(cached, monkeypatch):
    folder, cache, load = cached

    def refuse(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.np, "save", refuse)
        with pytest.warns(RuntimeWarning, match="could not be written.*No space left") as caught:
            pets, _ = load()
    assert caught[0].filename == __file__  # the caller's line
    same(pets, load_pets(folder, split="all", size=8))
    assert list(cache.iterdir()) == []
    with pytest.raises(OSError):
        load(cache=folder / "images" / "pet_0.jpg")


def test_a_stale_cache_that_cannot_be_moved_is_left_alone(cached, monkeypatch):
    _, cache, load = cached
    load()
    (place,) = cache.iterdir()
    damage_byte(place / "images.npy")

    def refuse(self, target):
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.warns(RuntimeWarning, match="could not be written"):
        pets, read = load()
    assert read == EVERY and len(pets) == 3
    assert [path.name for path in cache.iterdir()] == [place.name]
    assert len(list(place.iterdir())) == 7


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed on Windows")
def test_pictures_stay_readable_while_their_cache_is_deleted(cached):
    _, cache, load = cached
    pets, _ = load()
    total = int(pets.images.astype(int).sum())
    shutil.rmtree(cache)
    assert int(pets.images.astype(int).sum()) == total


@real
def test_real_pictures():
    train, test, every = (load_pets(REAL, split=split, size=128) for split in ("train", "test", "all"))
    assert (len(train), len(test), len(every)) == (20, 6, 26)
    shares = np.bincount(train.trimaps.ravel(), minlength=3) / train.trimaps.size
    np.testing.assert_allclose(shares, [0.2697, 0.5989, 0.1314], atol=5e-5)
    assert (test.trimaps == 1).mean() == pytest.approx(0.6438, abs=1e-4)
    cats = [name[0].isupper() for name in every.names]
    assert every.species.tolist() == [0 if cat else 1 for cat in cats]
    assert every.breeds[every.names.index("Abyssinian_1")] == 0
    assert every.problems == [] and np.isfinite(every.boxes).all() and np.isnan(every.head_boxes).all()
