"""Single files: images called .jpg that are something else, faulty trimaps and boxes, and files made to do harm."""
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from minidl.datasets.pets import load_pets
from tests.datasets.pet_folders import BLUE, GREEN, RED, add, box_xml, encoded, halves, write_xml

WHITE = (255, 255, 255)


def check_left_out(folder, words):
    """The file of "bad" is refused, or left out and named on one line; "good" is read."""
    with pytest.raises(ValueError, match=words):
        load_pets(folder, split="all", size=8)
    pets = load_pets(folder, split="all", size=8, broken="skip")
    assert pets.names == ["good"] and len(pets.images) == len(pets.boxes) == len(pets.species) == 1
    np.testing.assert_allclose(pets.images[0, :, 4, 1], RED, atol=12)
    problem, = pets.problems
    assert "/bad." in problem and "\n" not in problem


def test_resizing_averages_images_but_not_classes(folder):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    trimap = np.where(np.arange(64) % 2, 1, 3).astype(np.uint8) * np.ones((64, 1), np.uint8)
    add(folder, "a", image=Image.fromarray(stripes), trimap=Image.fromarray(trimap), suffix=".png")
    pets = load_pets(folder, split="all", size=8)
    assert np.abs(pets.images.astype(int) - 128).max() < 20  # without antialiasing: 0 or 255
    assert set(np.unique(pets.trimaps)) <= {0, 2}            # the mean of 1 and 3 would be background


def gray16(values):
    return Image.fromarray(np.asarray(values, np.uint16))


def with_transparency(kind):
    """An image whose left half is transparent and whose right half is blue."""
    if kind == "png":
        return encoded(halves((24, 16), (0, 0, 0, 0), (*BLUE, 255), mode="RGBA"), "PNG")
    colors = halves((24, 16), 0, 1, mode="P")
    colors.putpalette([0, 0, 0, *BLUE])
    return encoded(colors, "PNG", transparency=bytes([0, 255])) if kind == "palette" \
        else encoded(colors, "GIF", transparency=0)


def held_upright():
    """Not applied by the reader: the trimaps were drawn on the pixels as they are stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(halves((24, 16), RED, BLUE), "JPEG", exif=exif)


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
    (held_upright(), RED, BLUE),
], ids=["png", "gif", "animated gif", "palette", "gray", "one bit", "cmyk", "16 bits", "gray alpha", "alpha",
        "transparent palette", "transparent gif", "orientation"])
def test_images_called_jpg_that_are_something_else(folder, content, left, right):
    add(folder, "a", image=content)
    image = load_pets(folder, split="all", size=8).images[0]
    np.testing.assert_allclose(image[:, 4, 1], left, atol=12)
    np.testing.assert_allclose(image[:, 4, 6], right, atol=12)


def test_sixteen_bits_are_scaled_and_palettes_not_applied(folder):
    values = np.random.default_rng(0).integers(0, 65536, (16, 16))
    trimap = halves((16, 16), 1, 3, mode="P")
    trimap.putpalette([9, 9, 9, 2, 2, 2, 7, 7, 7, 1, 1, 1])
    add(folder, "a", image=encoded(gray16(values), "PNG"), trimap=trimap)
    pets = load_pets(folder, split="all", size=16)
    assert np.array_equal(pets.images[0, 1], np.round(values / 257).astype(np.uint8))
    assert (pets.trimaps[0, :, :8] == 0).all() and (pets.trimaps[0, :, 8:] == 2).all()


GOOD = encoded(halves((24, 16), RED, BLUE), "JPEG")
GOOD_PNG = encoded(halves((24, 16), RED, BLUE), "PNG")
FORGED = b"IHDR" + (60000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])       # a size that would fill the memory


@pytest.mark.parametrize("content, words", [
    (b"", "images/bad.jpg: not an image"),
    (b"<html>404 Not Found</html>", "images/bad.jpg: not an image"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 24 16\n", "images/bad.jpg: not an image"),
    (b"\xff\xd8\xff\xe0" + bytes(200), "images/bad.jpg: not an image"),
    (GOOD[:len(GOOD) * 3 // 4], "images/bad.jpg: cannot be read"),
    (GOOD_PNG[:len(GOOD_PNG) * 3 // 4], "images/bad.jpg: cannot be read"),
    (encoded(Image.new("F", (24, 16)), "TIFF"), "images/bad.jpg: expected 8 or 16 bits per color, got.*'F'"),
    (GOOD_PNG[:12] + FORGED + zlib.crc32(FORGED).to_bytes(4, "big") + GOOD_PNG[33:], "suspiciously large"),
], ids=["empty", "html", "eps", "fake jpeg", "cut jpeg", "cut png", "float tiff", "forged size"])
def test_broken_images(folder, content, words):
    add(folder, "good")
    add(folder, "bad", image=content)
    check_left_out(folder, words)


@pytest.mark.parametrize("limit", [100, 300])  # 24 * 16 pixels: more than twice as many, and more
def test_decompression_bombs(folder, limit, monkeypatch):
    add(folder, "a")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    filters = list(warnings.filters)
    with pytest.raises(ValueError, match="images/a.jpg: suspiciously large.*384 pixels"):
        load_pets(folder, split="all", size=8)
    assert warnings.filters == filters
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 384)
    assert len(load_pets(folder, split="all", size=8)) == 1


@pytest.mark.parametrize("trimap, words", [
    (halves((24, 16), 0, 2, mode="L"), "values 1 .object.*got also 0"),
    (halves((24, 16), 4, 255, mode="L"), "got also 4, 255"),
    (Image.fromarray(np.arange(384, dtype=np.int32).astype(np.uint8).reshape(16, 24)), "got also 0, 4, 5, .*, ..."),
    (halves((24, 16), (1, 1, 1), (2, 2, 2)), "one byte per pixel.*got mode 'RGB'"),
    (halves((24, 16), 0, 1, mode="1"), "one byte per pixel.*got mode '1'"),
    (halves((16, 24), 1, 2, mode="L"), "size of images/bad.jpg, 24 x 16, got 16 x 24"),
    (b"not a png", "not an image"),
    (GOOD, "not an image"),
    (encoded(halves((24, 16), 1, 2, mode="L"), "PNG")[:45], "cannot be read"),
], ids=["zero", "others", "many", "rgb", "one bit", "size", "text", "jpeg", "cut"])
def test_faulty_trimaps(folder, trimap, words):
    add(folder, "good")
    add(folder, "bad", trimap=trimap)
    check_left_out(folder, "trimaps/bad.png: .*" + words)


@pytest.mark.parametrize("text, words", [
    ("", "not well-formed"),
    ("<annotation>", "not well-formed"),
    ("<annotation/>", "<object> with a <bndbox>, got none"),
    (box_xml().replace("<ymin>4</ymin>", ""), "within 24 x 16 pixels, got 6, nan"),
    (box_xml(xmin="left"), "cannot be read .ValueError.* 'left'"),
    (box_xml(xmin=""), "within 24 x 16 pixels, got nan"),
    (box_xml(xmin="nan"), "within 24 x 16 pixels, got nan"),
    (box_xml(xmax="inf"), "within 24 x 16 pixels"),
    (box_xml(xmin=-1), "within 24 x 16 pixels, got -1"),
    (box_xml(xmax=25), "within 24 x 16 pixels, got 6, 4, 25, 8"),
    (box_xml(ymax=17), "within 24 x 16 pixels"),
    (box_xml(xmin=18, xmax=6), "xmin < xmax"),
    (box_xml(ymin=8, ymax=8), "ymin < ymax"),
    ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>' + box_xml(xmax="&b;"), "not well-formed"),
    ('<?xml version="1.0" encoding="no-such"?>' + box_xml(), ""),
    ("<a>" * 300_000, "not well-formed"),
])
def test_faulty_xml(folder, text, words):
    add(folder, "good")
    add(folder, "bad")
    write_xml(folder, "bad", text)
    check_left_out(folder, "xmls/bad.xml: .*" + words)


def test_warnings_of_pillow_do_not_reach_the_user(folder):
    # Two numbers of the camera are announced, and missing.
    cut = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIIHHII", 2, 0x128, 3, 1, 2, 0x11a, 5, 1, 9999)
    content = encoded(halves((24, 16), RED, BLUE), "JPEG", exif=cut)
    with pytest.warns(UserWarning, match="Truncated"), Image.open(io.BytesIO(content)) as image:
        image.load()
    add(folder, "a", image=content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert load_pets(folder, split="all", size=8).names == ["a"]
    assert caught == []
