"""Segmenting pictures of any kind: the right class at the right place, files where they belong, failures named.

The model of most tests is made by hand: bright pixels are object (1 in the mask), dark ones background (2).
"""
import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from hypothesis import given, settings, strategies as st

from minidl import Layer, Upsample, pixelwise, unet
from minidl.checkpoint import save_weights
from minidl.datasets.pets.decode import ORIENTATION, UPRIGHT, open_picture, open_trimap
from minidl.metrics import confusion_matrix, mean_iou
from minidl.plotting.pictures import CLASS_COLORS
from minidl.predict import inference, open_model, results, segment
from minidl.predict.__main__ import main
from minidl.predict.inference import enlarged_classes, model_input, working_size
from minidl.training import predict

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "oxford-iiit-pet-mini"
OBJECT, BACKGROUND = 1, 2


def brightness_model():
    """Return a model that calls a pixel object if it is brighter than medium gray, and background otherwise."""
    model = pixelwise((1,), 2)
    state = {name: np.zeros_like(array) for name, array in model.state_dict().items()}
    state["0.weight"][:] = 1 / 3                          # gray, twice
    state["1.weight"][:] = state["1.running_var"][:] = 1
    state["3.weight"][0, :, 0, 0] = 1                     # object: twice the gray
    state["3.bias"][:] = 0, 1, -9                         # background: 1; border: never
    model.load_state_dict(state)
    return model.eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_weights(tmp_path_factory.mktemp("weights") / "bright.npz", brightness_model(), (32, 32))


def corner(width=60, height=40):
    """Return a dark picture whose top left quarter is bright."""
    pixels = np.full((height, width), 20, np.uint8)
    pixels[:height // 2, :width // 2] = 235
    return Image.fromarray(pixels)


def mask_of(picture):
    """Return the mask that the model made by hand should make of `corner`, turned or not."""
    return np.where(np.asarray(picture.convert("L")) > 128, OBJECT, BACKGROUND)


def differs(mask, expected):
    return float((np.asarray(mask) != np.asarray(expected)).mean())


# The library

@given(st.integers(0, 99), st.sampled_from([32, 64]))
@settings(max_examples=10, deadline=None)
def test_a_square_picture_of_the_training_size_gets_the_plain_pipelines_result(seed, size):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (size, size, 3), np.uint8)
    model = unet(2, rng=seed).eval()
    plain = predict(model, pixels.transpose(2, 0, 1)[None]).argmax(axis=1)[0]
    assert np.array_equal(segment(model, Image.fromarray(pixels), size), plain)


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
        x = model_input(Image.new("RGB", (width, height)), 64, multiple)
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
    with pytest.raises(ValueError, match=r"expected a model that returns \(N, classes, 26, 39\)"):
        segment(_Shrinking(), corner().convert("RGB"), 32)


class _Shrinking(Layer):
    """A model that returns only a vector for a picture."""

    def forward(self, x):
        return x.mean(axis=(2, 3))


# All kinds of pictures, from the command line

def alpha(picture, opaque):
    """Return the picture with another one as its alpha channel."""
    picture.putalpha(opaque)
    return picture


def see_through():
    """Return pictures black all over, and transparent where `corner` is bright: on white paper that looks like it."""
    opaque = corner().point(lambda value: 0 if value > 128 else 255)
    black = Image.new("L", opaque.size, 0)
    palette = Image.fromarray(np.where(np.asarray(opaque) == 0, 1, 0).astype(np.uint8))
    palette.putpalette([0, 0, 0, 10, 10, 10])
    return {"RGBA": alpha(black.convert("RGB"), opaque), "LA": alpha(black, opaque), "P": palette}


def deep():
    """Return `corner` in 16 bits."""
    return Image.fromarray(np.asarray(corner()).astype(np.uint16) * 257)


PICTURES: dict[str, tuple[Callable[[], Image.Image], dict[str, Any]]] = {
    "rgb.jpg": (lambda: corner().convert("RGB"), {}), "gray.jpeg": (corner, {}),
    "cmyk.jpg": (lambda: corner().convert("CMYK"), {}), "progressive.jpg": (corner, {"progressive": True}),
    "rgb.png": (lambda: corner().convert("RGB"), {}), "gray.png": (corner, {}),
    "one bit.png": (lambda: corner().convert("1"), {}), "palette.png": (lambda: corner().convert("P"), {}),
    "16 bit.png": (deep, {}), "16 bit.tif": (deep, {}), "alpha.png": (lambda: see_through()["RGBA"], {}),
    "gray alpha.png": (lambda: see_through()["LA"], {}),
    "palette alpha.png": (lambda: see_through()["P"], {"transparency": 1}),
    "alpha.webp": (lambda: see_through()["RGBA"], {"lossless": True}),
    "lossy.webp": (lambda: corner().convert("RGB"), {}),
    "gray.gif": (corner, {}), "alpha.gif": (lambda: see_through()["P"], {"transparency": 1}),
    "moving.gif": (corner, {"save_all": True, "append_images": [Image.new("L", (60, 40), 0)]}),
    "rgb.bmp": (lambda: corner().convert("RGB"), {}), "gray.bmp": (corner, {}),
    "rgb.tiff": (lambda: corner().convert("RGB"), {}), "lzw.tif": (corner, {"compression": "tiff_lzw"}),
    "cmyk.tif": (lambda: corner().convert("CMYK"), {}),
    "pages.tif": (corner, {"save_all": True, "append_images": [Image.new("L", (9, 9), 0)]}),
}


def test_every_format_and_mode(weights, tmp_path, capsys):
    for name, (make, options) in PICTURES.items():
        make().save(tmp_path / name, **options)
    (tmp_path / "not what it says.jpg").write_bytes((tmp_path / "rgb.png").read_bytes())
    (tmp_path / "no suffix").write_bytes((tmp_path / "rgb.bmp").read_bytes())
    files = [str(tmp_path / name) for name in [*PICTURES, "not what it says.jpg", "no suffix"]]
    assert main(["--weights", str(weights), "--out", str(tmp_path / "out"), *files]) == 0, capsys.readouterr().err
    for file in files:
        mask = open_trimap(tmp_path / "out" / f"{Path(file).name}.mask.png")
        assert mask.size == (60, 40) and differs(mask, mask_of(corner())) < 0.02, file
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(files) + 2 and all(f"/{len(files)} {file}: 25% object, 75% background, 0% border" in line
                                                for file, line in zip(files, lines[1:]))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_a_picture_is_upright_as_a_viewer_shows_it(suffix, weights, tmp_path):
    files, expected = [], []
    for orientation in range(1, 10):                      # 9 does not exist: nothing is turned
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        file = tmp_path / f"{orientation}.{suffix}"
        options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
        corner().convert("RGB").save(file, exif=exif, **options)
        files.append(str(file))
        turned = corner() if orientation not in UPRIGHT else corner().transpose(UPRIGHT[orientation])
        with Image.open(file) as picture:
            assert np.array_equal(mask_of(ImageOps.exif_transpose(picture)), mask_of(turned))      # Pillow agrees
        expected.append(mask_of(turned))
    assert main(["--weights", str(weights), "--out", str(tmp_path / "out"), *files]) == 0
    assert expected[5].shape == (60, 40) and len({e.tobytes() + bytes(e.shape) for e in expected}) == 8
    for file, mask in zip(files, expected):
        results = [tmp_path / "out" / f"{Path(file).name}.{what}.png" for what in ("mask", "overlay")]
        assert differs(open_trimap(results[0]), mask) < 0.02
        with Image.open(results[1]) as overlay:
            assert overlay.size == mask.shape[::-1] and overlay.mode == "RGB"
    if suffix != "tif":                                   # Pillow turns a TIFF by itself
        assert open_picture(Path(files[5])).size == (60, 40)            # the training reader takes pixels as they are


def test_mask_is_a_trimap_in_color_and_overlay_the_picture_under_it(weights, tmp_path):
    corner().save(tmp_path / "a.png")
    assert main(["--weights", str(weights), "--out", str(tmp_path / "out"), str(tmp_path / "a.png")]) == 0
    with Image.open(tmp_path / "out" / "a.png.mask.png") as mask:
        assert mask.mode == "P" and set(np.unique(np.asarray(mask))) == {OBJECT, BACKGROUND}
        colors = mask.convert("RGB")
    assert ["#%02X%02X%02X" % colors.getpixel(place) for place in [(0, 0), (59, 39)]] == list(CLASS_COLORS[:2])
    with Image.open(tmp_path / "out" / "a.png.overlay.png") as overlay:
        for place, gray in (((0, 0), 235), ((59, 39), 20)):
            assert overlay.getpixel(place) == pytest.approx([(gray + c) / 2 for c in colors.getpixel(place)], abs=1)


def test_models_of_other_numbers_of_classes(tmp_path, capsys):
    corner().convert("RGB").save(tmp_path / "a.png")
    for classes in (2, 12):
        weights = save_weights(tmp_path / "w.npz", unet(2, classes, rng=0))
        assert main(["--weights", str(weights), "--out", str(tmp_path / "out"), str(tmp_path / "a.png")]) == 0
        assert f"% class {classes}" in capsys.readouterr().out
        with Image.open(tmp_path / "out" / "a.png.mask.png") as mask:
            assert 1 <= np.asarray(mask).min() <= np.asarray(mask).max() <= classes


# Folders, names, failures

def table(out):
    with (out / "table.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_with_broken_files_is_done_but_for_these(weights, tmp_path, capsys):
    folder = tmp_path / "my pets"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "sub/a.jpg", "z.png"):
        corner().save(folder / name)
    (folder / "cut.jpg").write_bytes((folder / "a.jpg").read_bytes()[:300])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.gif").write_text("not a picture", encoding="utf-8")
    (folder / "float.tif").write_bytes(b"")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(folder / "float.tif")
    for passed_over in ("notes.txt", ".hidden.jpg", "._a.jpg"):
        (folder / passed_over).write_bytes(b"x")
    out = tmp_path / "out"
    assert main(["--weights", str(weights), "--out", str(out), str(folder)]) == 1
    printed = capsys.readouterr()
    for name in ("cut.jpg", "empty.png", "text.gif", "float.tif"):
        assert printed.err.count(f"error: my pets/{name}: ") == 1
    assert printed.err.count("error") == 4
    assert "3 of 7 segmented" in printed.out and "4 failed" in printed.out
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert written == sorted(["table.csv", *(f"my pets/{name}.{what}.png" for name in ("a.jpg", "sub/a.jpg", "z.png")
                                             for what in ("mask", "overlay"))])
    rows = {Path(row["image"]).relative_to(folder).as_posix(): row for row in table(out)}
    assert len(rows) == 7 and "none of the formats" in rows["text.gif"]["problem"] and not rows["text.gif"]["mask"]
    good = rows["sub/a.jpg"]
    assert (good["width"], good["height"], good["problem"]) == ("60", "40", "") and Path(good["mask"]).is_file()
    assert float(good["object"]) == pytest.approx(0.25, abs=0.02)
    assert sum(float(good[name]) for name in ("object", "background", "border")) == pytest.approx(1)


def test_results_do_not_collide(weights, tmp_path, capsys):
    names = ["one/a.jpg", "two/a.jpg", "two/a.png", "two/A.jpg", "two/sub/a.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        corner().save(tmp_path / name)
    found = [tmp_path / name for name in names]
    out = tmp_path / "out"
    assert main(["--weights", str(weights), "--out", str(out), *map(str, found), str(found[0])]) == 0
    rows = table(out)
    assert "5 of 5" in capsys.readouterr().out            # the first one was named twice
    assert len({row["mask"].casefold() for row in rows} | {row["overlay"].casefold() for row in rows}) == 10
    assert [Path(row["mask"]).name for row in rows] == [f"{name}.mask.png" for name in
                                                        ("a.jpg", "a-2.jpg", "a.png", "A-3.jpg", "a-4.jpg")]
    assert main(["--weights", str(weights), "--out", str(out), str(tmp_path / "one"), str(tmp_path / "two")]) == 0
    assert len({row["mask"].casefold() for row in table(out)}) == 5


def test_a_picture_is_never_overwritten_and_results_are_no_pictures(weights, tmp_path, capsys):
    corner().save(tmp_path / "a.jpg")
    arguments = ["--weights", str(weights), "--out", str(tmp_path)]
    assert main([*arguments, str(tmp_path / "a.jpg")]) == 0
    before = (tmp_path / "a.jpg.mask.png").read_bytes()
    capsys.readouterr()
    assert main([*arguments, str(tmp_path / "a.jpg"), str(tmp_path / "a.jpg.mask.png")]) == 2
    assert "would overwrite one of" in capsys.readouterr().err
    assert (tmp_path / "a.jpg.mask.png").read_bytes() == before
    assert main([*arguments, str(tmp_path)]) == 0
    assert "1 of 1 segmented" in capsys.readouterr().out  # the mask and the overlay in the folder are passed over


def test_names_of_all_languages(weights, tmp_path, capsys):
    names = ["Ümläut mit Leerzeichen.jpg", "кошка.png", "猫 🐈.webp", "e\u0301.jpg", "a;b,\"c'.png", "-x.jpg", "[a].png"]
    if sys.platform == "win32":
        names.remove("a;b,\"c'.png")
    for name in names:
        corner().save(tmp_path / name)
    if sys.platform == "linux":
        names.append(os.fsdecode(b"\xff\xfe.png"))        # no UTF-8 at all
        corner().save(tmp_path / "x.png")
        os.rename(tmp_path / "x.png", tmp_path / names[-1])
    out = tmp_path / "öut"
    assert main(["--weights", str(weights), "--out", str(out), *(str(tmp_path / name) for name in names)]) == 0
    assert sorted(path.name for path in out.glob("*.mask.png")) == sorted(f"{name}.mask.png" for name in names)
    assert [Path(row["image"]).name for row in table(out)] == names
    assert "猫 🐈.webp: 25% object" in capsys.readouterr().out


def test_patterns_that_no_shell_has_expanded(weights, tmp_path, capsys):
    for name in ("a.jpg", "b.jpg", "c.png"):
        corner().save(tmp_path / name)
    arguments = ["--weights", str(weights), "--out", str(tmp_path / "out")]
    assert main([*arguments, str(tmp_path / "*.jpg")]) == 0
    assert [Path(row["image"]).name for row in table(tmp_path / "out")] == ["a.jpg", "b.jpg"]
    assert main([*arguments, str(tmp_path / "*.bmp")]) == 1
    assert "*.bmp: nothing matches" in capsys.readouterr().err


def test_a_missing_file_and_an_empty_folder_are_named(weights, tmp_path, capsys):
    (tmp_path / "nothing").mkdir()
    corner().save(tmp_path / "a.jpg")
    arguments = [str(tmp_path / name) for name in ("none.jpg", "nothing", "a.jpg")]
    assert main(["--weights", str(weights), "--out", str(tmp_path / "out"), *arguments]) == 1
    printed = capsys.readouterr()
    assert "none.jpg: no such file" in printed.err and "nothing: no images in this folder" in printed.err
    assert "1 of 3 segmented" in printed.out


def test_usage_errors_have_status_2_and_do_nothing(weights, tmp_path, capsys):
    corner().save(tmp_path / "a.jpg")
    (tmp_path / "bad.npz").write_bytes(b"PK\3\4")
    (tmp_path / "file").write_bytes(b"")
    picture, out = str(tmp_path / "a.jpg"), tmp_path / "out"
    for arguments in ([], ["--size", "0", picture], ["--threads", "x", picture], ["--nonsense", picture]):
        with pytest.raises(SystemExit) as stop:
            main(["--out", str(out), *arguments])
        assert stop.value.code == 2
    for arguments, said in ((["--weights", str(tmp_path / "none.npz")], "none.npz"),
                            (["--weights", str(tmp_path / "bad.npz")], "bad.npz: expected an .npz file"),
                            (["--weights", str(weights), "--size", "9999"], "got a size of 9999"),
                            (["--weights", str(weights), "--out", str(tmp_path / "file")], "file")):
        assert main(["--out", str(out), *arguments, picture]) == 2
        assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_huge_picture_is_refused_by_name(weights, tmp_path, monkeypatch, capsys):
    corner().save(tmp_path / "huge.png")
    corner(20, 20).save(tmp_path / "small.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60 * 40 - 1)
    files = [str(tmp_path / name) for name in ("huge.png", "small.png")]
    assert main(["--weights", str(weights), "--out", str(tmp_path / "out"), *files]) == 1
    printed = capsys.readouterr()
    assert "huge.png: suspiciously large" in printed.err and "1 of 2 segmented" in printed.out


def test_interrupted_or_out_of_disk_what_is_done_is_kept(weights, tmp_path, monkeypatch, capsys):
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for file in files:
        corner().save(file)
    out = tmp_path / "out"
    write = results.write_image

    def failing(error):
        def write_or_fail(path, image):
            if path.name.startswith("1."):
                raise error
            write(path, image)
        return write_or_fail

    arguments = ["--weights", str(weights), "--out", str(out), *map(str, files)]
    monkeypatch.setattr(results, "write_image", failing(KeyboardInterrupt()))
    assert main(arguments) == 130
    assert "1 of 3 segmented" in capsys.readouterr().out and len(table(out)) == 1
    monkeypatch.setattr(results, "write_image", failing(OSError(28, "No space left on device", "1.png.mask.png")))
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert "No space left on device" in printed.err and "2 of 3 segmented" in printed.out
    assert [bool(row["problem"]) for row in table(out)] == [False, True, False]


def test_as_a_program_with_all_defaults(tmp_path):
    corner().convert("RGB").save(tmp_path / "cät.jpg")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "minidl.predict", "cät.jpg"], cwd=tmp_path, env=environment,
                          capture_output=True, encoding="ascii", timeout=120)
    assert done.returncode == 0, done.stderr
    assert "rendered pets only" in done.stdout and r"1/1 c\xe4t.jpg: " in done.stdout
    assert sorted(path.name for path in (tmp_path / "out" / "predict").iterdir()) == [
        "cät.jpg.mask.png", "cät.jpg.overlay.png", "table.csv"]


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the sample of real pictures beside the project")
def test_real_pictures_with_the_weights_that_come_with_minidl(tmp_path):
    assert main(["--out", str(tmp_path), str(REAL / "images")]) == 0
    counts = np.zeros((3, 3), np.int64)
    for path in sorted((REAL / "annotations" / "trimaps").glob("[!.]*.png")):
        found = open_trimap(tmp_path / "images" / f"{path.stem}.jpg.mask.png")
        counts += confusion_matrix(np.asarray(open_trimap(path)) - 1, np.asarray(found) - 1, 3)
    assert 0.5 < mean_iou(counts) < 0.57                  # 0.534; they have seen no photographs
    assert open_model()[1] == 128
