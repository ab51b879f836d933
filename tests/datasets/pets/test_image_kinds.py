"""Every kind of image that Pillow reads, and every note of a camera: the right colors, upright where that is asked for.

The oracle is the format's own rule: what its samples mean, and that transparent parts lie on white.
"""
import io
import struct

import numpy as np
import pytest
from PIL import Image
from hypothesis import example, given, settings, strategies as st

from minidl.datasets.pets.decode import ORIENTATION, UPRIGHT, Problem, blame, open_image, pillow_warnings
from tests.datasets.pet_folders import encoded
from tests.datasets.raw_images import CHANNELS, chunk, png, tiff

fuzz = settings(max_examples=6, deadline=None)
GRAY = np.random.default_rng(0).integers(0, 256, (6, 9))
NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 24, 3), np.uint8))


@pytest.fixture
def read(tmp_path):
    """Return a function that opens the content of a file as its readers do."""
    def read(content, upright=False):
        path = tmp_path / "a.jpg"
        path.write_bytes(content)
        with pillow_warnings(), blame(path):
            return np.asarray(open_image(path, upright))

    return read


def on_white(color, opacity):
    """Return colors (H, W, 3) and opacities (H, W), from 0 to 1, as 8 bits on white."""
    return 255 * (color * opacity[..., None] + 1 - opacity[..., None])


@pytest.mark.parametrize("color, bits", [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2),
                                         (3, 4), (3, 8), (4, 8), (4, 16), (6, 8), (6, 16)])
def test_png_of_every_type_with_and_without_transparency(color, bits, read):
    @fuzz
    @given(st.integers(0, 2**32 - 1), st.booleans())
    def run(seed, transparent):
        rng, most = np.random.default_rng(seed), 2**bits - 1
        samples = rng.integers(0, most + 1, (5, 7, CHANNELS[color]))
        opacity, chunks = np.ones((5, 7)), []
        if color == 3:
            palette = rng.integers(0, 256, (most + 1, 3)).astype(np.uint8)
            opacities = rng.integers(0, 256, most + 1).astype(np.uint8)
            chunks = [chunk(b"PLTE", palette.tobytes())] + [chunk(b"tRNS", opacities.tobytes())] * transparent
            colors = palette[samples[..., 0]] / 255
            opacity = opacities[samples[..., 0]] / 255 if transparent else opacity
        else:
            key = samples[2, 3].copy()
            colors = np.broadcast_to(samples[..., :3 if color in (2, 6) else 1] / most, (5, 7, 3))
            if color in (4, 6):
                opacity = samples[..., -1] / most
            elif transparent:
                chunks = [chunk(b"tRNS", key.astype(">u2").tobytes())]
                opacity = 1.0 - (samples == key).all(axis=-1)
        np.testing.assert_allclose(read(png(samples, bits, color, *chunks)), on_white(colors, opacity), atol=2.1)

    run()


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("white_is_zero", [False, True], ids=["black is 0", "white is 0"])
@pytest.mark.parametrize("order", "<>", ids=["little", "big"])
def test_gray_tiff_of_8_12_and_16_bits(bits, white_is_zero, order, read):
    values = np.round(GRAY * ((2**bits - 1) / 255)).astype(int)[..., None]
    content = tiff(2**bits - 1 - values if white_is_zero else values, bits, 0 if white_is_zero else 1, order=order)
    try:
        image = read(content)
    except Problem as problem:           # not all of them are known to Pillow
        assert "none of the formats" in str(problem) and bits > 8 and (white_is_zero or order == ">")
    else:
        np.testing.assert_allclose(image, np.repeat(GRAY[..., None], 3, axis=2), atol=0.51)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("extra", [1, 2], ids=["multiplied by its opacity", "not multiplied"])
def test_transparent_tiff_is_on_white(channels, extra, bits, read):
    opacity = np.where(GRAY > 128, 1.0, 0.0)
    samples = np.repeat((GRAY * (opacity if extra == 1 else 1))[..., None], channels + 1, axis=2)
    samples[..., -1] = 255 * opacity
    content = tiff(samples.astype(int) * ((2**bits - 1) // 255), bits, 1 if channels == 1 else 2, extra)
    try:
        image = read(content)
    except Problem as problem:           # not all of them are known to Pillow
        assert "none of the formats" in str(problem) and channels == 1
    else:
        np.testing.assert_allclose(image, on_white(np.repeat(GRAY[..., None] / 255, 3, axis=2), opacity), atol=1.1)


def in_mode(mode):
    """Return the noise in a mode of Pillow."""
    if mode == "LAB":
        return Image.merge("LAB", [NOISE.getchannel(0), *(Image.new("L", NOISE.size, 128),) * 2])
    if mode in ("I", "I;16"):
        return Image.fromarray(np.asarray(NOISE.convert("L")).astype(np.int32 if mode == "I" else np.uint16) * 257)
    return (NOISE.convert("P") if mode == "PA" else NOISE).convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "I", "F", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr",
                                  "LAB"])
def test_every_mode_in_every_format_and_the_first_of_several_pages(mode, read):
    image, kinds = in_mode(mode), []
    for kind in ("JPEG", "MPO", "PNG", "GIF", "BMP", "TIFF", "WEBP"):
        several = kind in ("MPO", "GIF", "TIFF") or (kind in ("PNG", "WEBP") and mode.startswith("RGB"))
        pages = {"save_all": True, "append_images": [Image.new(mode, NOISE.size)]} if several else {}
        try:
            content = encoded(image, kind, **pages)
            with pillow_warnings(), Image.open(io.BytesIO(content)) as first:
                first.load()
        except (OSError, KeyError, ValueError, TypeError):
            continue                         # not for this format, or this version of Pillow writes it wrongly
        kinds.append(kind)
        with pillow_warnings(), Image.open(io.BytesIO(content)) as first:
            if first.mode in ("I", "F") and kind == "TIFF":
                with pytest.raises(Problem, match="expected 8 or 16 bits per color"):
                    read(content)
            else:
                expected = NOISE.convert("L") if first.mode.startswith("I") else first     # 257 times it
                assert np.array_equal(read(content), np.asarray(expected.convert("RGB"))), kind
    assert kinds


# What a camera notes

def note(kind, count, value, order="<"):
    """Return EXIF with nothing but an orientation, whose type and number of values may be wrong."""
    head = b"Exif\0\0II*\0" if order == "<" else b"Exif\0\0MM\0*"
    return head + struct.pack(order + "IHHHI", 8, 1, ORIENTATION, kind, count) + value + bytes(12)


def whole_note():
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010f], exif[0x011a] = 6, "A camera", 72.0
    return exif.tobytes()


WHOLE = whole_note()
NOTES = st.one_of(
    st.builds(note, st.integers(0, 14), st.sampled_from([0, 1, 2, 5, 2**31]), st.binary(min_size=4, max_size=4),
              st.sampled_from("<>")),
    st.builds(lambda place, byte: WHOLE[:place] + byte + WHOLE[place + 1:], st.integers(6, len(WHOLE) - 1),
              st.binary(min_size=1, max_size=1)),
    st.builds(lambda end: WHOLE[:end], st.integers(0, len(WHOLE))), st.binary(max_size=40),
    st.binary(max_size=40).map(b"Exif\0\0".__add__), st.just(WHOLE + WHOLE))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_damaged_note_of_the_camera_does_not_matter(kind, read):
    lossless = {"lossless": True} if kind == "WEBP" else {}
    plain = read(encoded(NOISE, kind, **lossless))
    views = [plain, *(np.asarray(Image.fromarray(plain).transpose(turn)) for turn in UPRIGHT.values())]

    @settings(fuzz, max_examples=60)
    @given(NOTES)
    @example(b"Exif\0\0not a TIFF file")
    def run(exif):
        content = encoded(NOISE, kind, exif=exif, **lossless)
        assert np.array_equal(read(content), plain)
        assert any(np.array_equal(read(content, upright=True), view) for view in views)

    run()
    for content in (encoded(NOISE, kind, exif=exif, **lossless) for exif in (b"", b"Exif\0\0", b"Exif\0\0II", b"x")):
        assert np.array_equal(read(content, upright=True), plain)
    assert np.array_equal(read(encoded(NOISE, kind, exif=WHOLE, **lossless), upright=True), views[5])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(10))
def test_the_note_turns_an_image_only_where_that_is_asked_for(kind, orientation, read):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    lossless = {"lossless": True} if kind == "WEBP" else {}
    plain = read(encoded(NOISE, kind, **lossless))
    content = encoded(NOISE, kind, exif=exif, **lossless)
    turned = Image.fromarray(plain)
    turned = turned.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else turned
    assert np.array_equal(read(content), plain)                       # as the trimaps were drawn
    assert np.array_equal(read(content, upright=True), np.asarray(turned))


@settings(fuzz, max_examples=60)
@given(place=st.integers(0, 200), byte=st.binary(min_size=1, max_size=1))
def test_a_tiff_with_a_damaged_note_is_read_or_named(tmp_path_factory, place, byte):
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010f] = 6, "A camera"
    content = encoded(NOISE, "TIFF", exif=exif)
    place = content.index(struct.pack("<H", ORIENTATION)) + 2 + place % 10
    path = tmp_path_factory.getbasetemp() / "note.tif"
    path.write_bytes(content[:place] + byte + content[place + 1:])
    try:
        with pillow_warnings(), blame(path):
            image = open_image(path, upright=True)
    except Problem as problem:
        assert "note.tif: not an image, damaged at its beginning" in str(problem)
    else:
        assert image.size in (NOISE.size, NOISE.size[::-1])
