"""Segmenting images of any kind: the right class at the right place, files where they belong, failures named.

The model of most tests is made by hand: bright pixels are object (1 in the mask), dark ones background (2).
"""
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from hypothesis import given, settings, strategies as st

from minidl import Flatten, Upsample, pixelwise, unet
from minidl.checkpoint import save_weights
from minidl.datasets.pets.decode import ORIENTATION, UPRIGHT, open_image, open_trimap
from minidl.plotting.pictures import CLASS_COLORS
from minidl.predict import inference, results, segment
from minidl.predict.inference import enlarged_classes, model_input, working_size
from minidl.step import predict
from tests.predict.corners import Run, corner, write_corners

OBJECT, BACKGROUND = 1, 2
ROOT = Path(__file__).resolve().parents[2]


def mask_of(image):
    """Return the mask that the model made by hand should make of `corner`, turned or not."""
    return np.where(np.asarray(image.convert("L")) > 128, OBJECT, BACKGROUND)


def differs(mask, expected):
    return float((np.asarray(mask) != np.asarray(expected)).mean())


# The library

@given(st.integers(0, 99), st.sampled_from([32, 64]))
@settings(max_examples=10, deadline=None)
def test_a_square_of_the_training_size_gets_the_plain_prediction(seed, size):
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    model = unet(2, rng=seed).eval()
    plain = predict(model, pixels.transpose(2, 0, 1)[None]).argmax(axis=1)[0]
    assert np.array_equal(segment(model, Image.fromarray(pixels), size, average=False), plain)


@given(st.integers(0, 99))
@settings(max_examples=5, deadline=None)
def test_the_average_is_that_of_two_fits_and_their_mirror_images(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 64, 3), np.uint8)
    model, image, mirrored = unet(2, rng=seed).eval(), Image.fromarray(pixels), Image.fromarray(pixels[:, ::-1])
    own, square = ((inference.look(model, image, sides, mirrored=False)
                    + inference.look(model, mirrored, sides, mirrored=False)[..., ::-1]) / 2
                   for sides in (working_size(64, 32, 45), (36, 36)))                     # 64 x 32: nothing is repeated
    h, w = own.shape[1:]
    both = (own + np.stack([np.asarray(Image.fromarray(one).resize((w, h), Image.Resampling.BILINEAR))
                            for one in square])) / 2
    found = inference.class_probabilities(model, image, 36)
    assert np.allclose(found, both, atol=1e-6) and np.allclose(found.sum(axis=0), 1, atol=1e-5)
    assert np.allclose(inference.class_probabilities(model, mirrored, 36), found[..., ::-1], atol=1e-5)


def test_a_long_image_is_not_pressed_into_a_square():
    model, pixels = unet(2, rng=0).eval(), np.random.default_rng(0).integers(0, 256, (32, 65, 3), np.uint8)
    image = Image.fromarray(pixels)
    assert np.array_equal(inference.class_probabilities(model, image, 32),
                          inference.look(model, image, working_size(65, 32, 40)))


@pytest.mark.parametrize("width, height", [(1, 1), (1, 500), (500, 1), (33, 47), (127, 3), (2, 2), (1, 20_000)])
@pytest.mark.parametrize("build", [unet, lambda width, rng: pixelwise((3,), width, rng=rng)], ids=["unet", "3x3"])
def test_every_size_comes_back_as_it_was(build, width, height):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    classes = segment(build(2, rng=0), Image.fromarray(pixels), 32)
    assert classes.shape == (height, width) and classes.dtype == np.uint8 and classes.max() < 3


@given(st.integers(1, 10**5), st.integers(1, 10**5), st.sampled_from([1, 32]))
@settings(deadline=None)
def test_working_size_is_bounded_and_keeps_the_ratio(width, height, multiple):
    w, h = working_size(width, height, 64)
    assert 1 <= min(w, h) and max(w, h) <= inference.LONGEST * 64
    if max(width, height) <= 4 * min(width, height):
        assert abs(w - h * width / height) <= 0.5 + 0.5 * width / height
        assert 0.9 < w * h / 64**2 < 1.1
    if max(width, height) < 300:
        x = model_input(Image.new("RGB", (width, height)), (w, h), multiple)
        assert x.shape[1] % multiple == x.shape[2] % multiple == 0
        assert h <= x.shape[1] < h + multiple and w <= x.shape[2] < w + multiple


def test_scores_are_enlarged_bilinearly_in_any_number_of_strips(monkeypatch):
    scores = np.random.default_rng(0).normal(size=(3, 7, 9)).astype(np.float32)
    whole = enlarged_classes(scores, 36, 28)
    assert np.array_equal(whole, Upsample(4, "bilinear")(scores[None])[0].argmax(axis=0))
    for values in (1, 3 * 36 * 5, 3 * 36 * 27):
        monkeypatch.setattr(inference, "STRIP_VALUES", values)
        assert np.array_equal(enlarged_classes(scores, 36, 28), whole)


def test_what_cannot_be_segmented_is_refused():
    model = pixelwise((1,), 2, rng=0)
    with pytest.raises(ValueError, match="expected an image of mode RGB, got L"):
        segment(model, corner())
    model.parameters()[0].data[0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        segment(model, corner().convert("RGB"))
    with pytest.raises(ValueError, match=r"expected a model that returns \(N, classes, 33, 49\)"):
        segment(Flatten(), corner().convert("RGB"), 32)


# All kinds of images, from the command line

def see_through(mode):
    """Return an image, black all over, and transparent where `corner` is bright: on white paper it looks like it."""
    bright = np.asarray(corner()) > 128
    if mode == "P":
        image = Image.fromarray(bright.astype(np.uint8))
        image.putpalette([0, 0, 0, 10, 10, 10])
    else:
        image = Image.new(mode.removesuffix("A"), corner().size, 0)
        image.putalpha(Image.fromarray(np.where(bright, 0, 255).astype(np.uint8)))
    return image


DEEP = Image.fromarray(np.asarray(corner()).astype(np.uint16) * 257)
IMAGES: dict[str, tuple[Image.Image, dict[str, Any]]] = {
    **{f"rgb.{suffix}": (corner().convert("RGB"), {}) for suffix in ("jpg", "png", "bmp", "tiff", "webp")},
    **{f"gray.{suffix}": (corner(), {}) for suffix in ("jpeg", "png", "gif", "bmp")},
    **{f"cmyk.{suffix}": (corner().convert("CMYK"), {}) for suffix in ("jpg", "tif")},
    "progressive.jpg": (corner(), {"progressive": True}), "lzw.tif": (corner(), {"compression": "tiff_lzw"}),
    "one bit.png": (corner().convert("1"), {}), "palette.png": (corner().convert("P"), {}),
    "16 bit.png": (DEEP, {}), "16 bit.tif": (DEEP, {}),
    "alpha.png": (see_through("RGBA"), {}), "gray alpha.png": (see_through("LA"), {}),
    "palette alpha.png": (see_through("P"), {"transparency": 1}), "alpha.gif": (see_through("P"), {"transparency": 1}),
    "alpha.webp": (see_through("RGBA"), {"lossless": True}),
    "moving.gif": (corner(), {"save_all": True, "append_images": [Image.new("L", (60, 40), 0)]}),
    "pages.tif": (corner(), {"save_all": True, "append_images": [Image.new("L", (9, 9), 0)]}),
}


def test_every_format_and_mode(run, tmp_path):
    for name, (image, options) in IMAGES.items():
        image.save(tmp_path / name, **options)
    (tmp_path / "not what it says.jpg").write_bytes((tmp_path / "rgb.png").read_bytes())
    (tmp_path / "no suffix").write_bytes((tmp_path / "rgb.bmp").read_bytes())
    files = [tmp_path / name for name in [*IMAGES, "not what it says.jpg", "no suffix"]]
    done = run(*files)
    assert done.status == 0, done.err
    for file in files:
        mask = open_trimap(tmp_path / "out" / f"{file.name}.mask.png")
        assert mask.size == (60, 40) and differs(mask, mask_of(corner())) < 0.02, file
    lines = done.out.splitlines()
    assert len(lines) == len(files) + 2 and all(f"/{len(files)} {file}: 25% object, 75% background, 0% border" in line
                                                for file, line in zip(files, lines[1:]))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_an_image_is_upright_as_a_viewer_shows_it(suffix, run, tmp_path):
    files = [tmp_path / f"{orientation}.{suffix}" for orientation in range(1, 10)]   # 9 does not exist: nothing turned
    expected = []
    for orientation, file in enumerate(files, start=1):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        corner().convert("RGB").save(file, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
        turned = corner() if orientation not in UPRIGHT else corner().transpose(UPRIGHT[orientation])
        with Image.open(file) as image:
            assert np.array_equal(mask_of(ImageOps.exif_transpose(image)), mask_of(turned))      # Pillow agrees
        expected.append(mask_of(turned))
    assert run(*files).status == 0
    assert expected[5].shape == (60, 40) and len({e.tobytes() + bytes(e.shape) for e in expected}) == 8
    for file, mask in zip(files, expected):
        assert differs(open_trimap(tmp_path / "out" / f"{file.name}.mask.png"), mask) < 0.02
        with Image.open(tmp_path / "out" / f"{file.name}.overlay.png") as overlay:
            assert overlay.size == mask.shape[::-1] and overlay.mode == "RGB"
    if suffix != "tif":                                   # Pillow turns a TIFF by itself
        assert open_image(files[5]).size == (60, 40)    # the training reader takes pixels as they are


def test_mask_is_a_trimap_in_color_and_overlay_the_image_under_it(run, tmp_path):
    run(*write_corners(tmp_path, "a.png"))
    with Image.open(tmp_path / "out" / "a.png.mask.png") as mask:
        assert mask.mode == "P" and set(np.unique(np.asarray(mask))) == {OBJECT, BACKGROUND}
        colors = mask.convert("RGB")
    assert ["#%02X%02X%02X" % colors.getpixel(place) for place in [(0, 0), (59, 39)]] == list(CLASS_COLORS[:2])
    with Image.open(tmp_path / "out" / "a.png.overlay.png") as overlay:
        for place, gray in (((0, 0), 235), ((59, 39), 20)):
            assert overlay.getpixel(place) == pytest.approx([(gray + c) / 2 for c in colors.getpixel(place)], abs=1)


def test_probabilities_are_gray_images_that_agree_with_the_mask(run, tmp_path):
    images = write_corners(tmp_path, "a.png")
    run("--probabilities", *images)
    names = [f"a.png.prob{value}.png" for value in (1, 2, 3)]
    maps = np.stack([np.asarray(Image.open(tmp_path / "out" / name)) for name in names]).astype(int)   # (3, H, W)
    mask = np.asarray(Image.open(tmp_path / "out" / "a.png.mask.png"))
    assert maps.shape[1:] == mask.shape and abs(maps.sum(axis=0) - 255).max() <= 2
    assert (np.take_along_axis(maps, mask[None].astype(int) - 1, 0)[0] >= maps.max(axis=0) - 1).all()
    assert run(tmp_path / "out").status == 1, "results are not images"


@pytest.mark.parametrize("classes, said", [(2, True), (12, False)], ids=["said by the file", "said by options"])
def test_models_of_other_numbers_of_classes(classes, said, tmp_path, capsys):
    model = unet(2, classes, rng=0)
    state: dict[str, Any] = model.state_dict()
    save_weights(tmp_path / "w.npz", model) if said else np.savez(tmp_path / "w.npz", **state)
    options = [] if said else ["--model", "unet", "--width", "2", "--classes", str(classes), "--size", "32"]
    done = Run(tmp_path / "w.npz", tmp_path / "out", capsys, *options, *write_corners(tmp_path, "a.png"))
    assert done.status == 0 and f"% class {classes}" in done.out and f"{64 if said else 32} pixels in the" in done.out
    with Image.open(tmp_path / "out" / "a.png.mask.png") as mask:
        assert 1 <= np.asarray(mask).min() <= np.asarray(mask).max() <= classes


# Folders, names, failures

def test_a_folder_with_broken_files_is_done_but_for_these(run, tmp_path, monkeypatch):
    folder, out = tmp_path / "my pets", tmp_path / "out"
    write_corners(folder, "a.jpg", "sub/a.jpg", "z.png")
    (folder / "cut.jpg").write_bytes((folder / "a.jpg").read_bytes()[:300])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.gif").write_text("not an image", encoding="utf-8")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(folder / "float.tif")
    corner(61, 40).save(folder / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60 * 40)
    for passed_over in ("notes.txt", ".hidden.jpg", "._a.jpg"):
        (folder / passed_over).write_bytes(b"x")
    done = run(folder)
    assert done.status == 1 and "3 of 8 segmented" in done.out and "5 failed" in done.out
    for name in ("cut.jpg", "empty.png", "text.gif", "float.tif", "huge.png"):
        assert done.err.count(f"error: my pets/{name}: ") == 1
    assert done.err.count("error") == 5 and "huge.png: suspiciously large" in done.err
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert written == sorted(["table.csv", *(f"my pets/{name}.{what}.png" for name in ("a.jpg", "sub/a.jpg", "z.png")
                                             for what in ("mask", "overlay"))])
    rows = {Path(row["image"]).relative_to(folder).as_posix(): row for row in done.rows}
    assert len(rows) == 8 and "none of the formats" in rows["text.gif"]["problem"] and not rows["text.gif"]["mask"]
    good = rows["sub/a.jpg"]
    assert (good["width"], good["height"], good["problem"]) == ("60", "40", "") and Path(good["mask"]).is_file()
    assert float(good["object"]) == pytest.approx(0.25, abs=0.02)
    assert sum(float(good[name]) for name in ("object", "background", "border")) == pytest.approx(1)


def test_results_do_not_collide(run, tmp_path):
    files = write_corners(tmp_path, "one/a.jpg", "two/a.jpg", "two/a.png", "two/A.jpg", "two/sub/a.jpg")
    done = run(*files, files[0])
    assert "5 of 5" in done.out                           # the first one was named twice
    assert len({row[what].casefold() for row in done.rows for what in ("mask", "overlay")}) == 10
    assert [Path(row["mask"]).name for row in done.rows] == [f"{name}.mask.png" for name in
                                                             ("a.jpg", "a-2.jpg", "a.png", "A-3.jpg", "a-4.jpg")]
    assert len({row["mask"].casefold() for row in run(tmp_path / "one", tmp_path / "two").rows}) == 5


def test_an_image_is_never_overwritten_and_results_are_not_images(run, tmp_path):
    image, = write_corners(tmp_path, "a.jpg")
    assert run(image, out=tmp_path).status == 0
    before = (tmp_path / "a.jpg.mask.png").read_bytes()
    done = run(image, tmp_path / "a.jpg.mask.png", out=tmp_path)
    assert done.status == 2 and "would overwrite one of" in done.err
    assert (tmp_path / "a.jpg.mask.png").read_bytes() == before
    assert "1 of 1 segmented" in run(tmp_path, out=tmp_path).out  # mask and overlay in the folder are passed over


def test_names_of_all_languages(run, tmp_path):
    names = ["Ümläut mit Leerzeichen.jpg", "кошка.png", "猫 🐈.webp", "e\u0301.jpg", "a;b,\"c'.png", "-x.jpg", "[a].png"]
    if sys.platform == "win32":
        names.remove("a;b,\"c'.png")
    write_corners(tmp_path, *names)
    if sys.platform == "linux":
        names.append(os.fsdecode(b"\xff\xfe.png"))        # not UTF-8 at all
        os.rename(write_corners(tmp_path, "x.png")[0], tmp_path / names[-1])
    done = run(*(tmp_path / name for name in names), out=tmp_path / "öut")
    assert done.status == 0 and "猫 🐈.webp: 25% object" in done.out
    assert sorted(path.name for path in (tmp_path / "öut").glob("*.mask.png")) == sorted(f"{n}.mask.png" for n in names)
    assert [Path(row["image"]).name for row in done.rows] == names


def test_what_is_not_there_is_named(run, tmp_path):
    write_corners(tmp_path, "a.jpg", "b.jpg", "c.png")
    (tmp_path / "nothing").mkdir()
    done = run(*(tmp_path / name for name in ("none.jpg", "nothing", "*.jpg", "*.bmp")))    # patterns as on Windows
    assert done.status == 1 and "2 of 5 segmented" in done.out
    assert [Path(row["image"]).name for row in done.rows] == ["none.jpg", "nothing", "a.jpg", "b.jpg", "*.bmp"]
    for problem in ("none.jpg: no such file", "nothing: no images in this folder", "*.bmp: nothing matches"):
        assert problem in done.err


def test_options_weights_and_folders_that_cannot_be_used_have_status_2(run, tmp_path):
    image, = write_corners(tmp_path, "a.jpg")
    for options in (["--size", "0"], ["--threads", "x"], ["--nonsense"], ["--model", "vgg"], ["--width", "3"]):
        with pytest.raises(SystemExit) as stop:
            run(image, *options)
        assert stop.value.code == 2
    state: dict[str, Any] = unet(2).state_dict()
    np.savez(tmp_path / "bare.npz", **state)
    (tmp_path / "bad.npz").write_bytes(b"PK\3\4")
    for arguments, said in ((["--weights", tmp_path / "none.npz"], "none.npz"), (["--size", "9999"], "a size of 9999"),
                            (["--weights", tmp_path / "bad.npz"], "bad.npz: expected an .npz file"),
                            (["--weights", tmp_path / "bare.npz"], "bare.npz: the file does not say which model"),
                            (["--out", tmp_path / "bad.npz"], "bad.npz")):
        done = run(*arguments, image)
        assert done.status == 2 and said in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("error, status, said, rows", [
    (KeyboardInterrupt(), 130, "1 of 3 segmented", [False]),
    (OSError(28, "No space left on device", "1.png.mask.png"), 1, "2 of 3 segmented", [False, True, False]),
])
def test_what_is_done_is_kept_after_an_interruption(error, status, said, rows, run, tmp_path, monkeypatch):
    write = results.write_images

    def write_or_fail(job, *images):
        if job.image.name.startswith("1."):
            raise error
        write(job, *images)

    monkeypatch.setattr(results, "write_images", write_or_fail)
    done = run(*write_corners(tmp_path, "0.png", "1.png", "2.png"))
    assert done.status == status and said in done.out
    assert [bool(row["problem"]) for row in done.rows] == rows


def test_as_a_program_with_all_defaults(tmp_path):
    corner().convert("RGB").save(tmp_path / "cät.jpg")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "minidl.predict", "cät.jpg"], cwd=tmp_path, env=environment,
                          capture_output=True, encoding="ascii", timeout=120)
    assert done.returncode == 0, done.stderr
    assert "trained on photographs of cats and dogs" in done.stdout and r"1/1 c\xe4t.jpg: " in done.stdout
    assert sorted(path.name for path in (tmp_path / "out" / "predict").iterdir()) == [
        "cät.jpg.mask.png", "cät.jpg.overlay.png", "table.csv"]
