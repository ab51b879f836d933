"""The rendered pets: the same bits from the same seed, the layout, the difficulty, and whole sets only."""
import json
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minidl.datasets import synthetic_pets as pets
from minidl.datasets.pets import load_pets
from minidl.datasets.rendering import calibration
from minidl.datasets.rendering.calibration import (
    PHOTOGRAPHS, class_shares, color_table, contact_sheet, save_contact_sheet, set_numbers,
)
from minidl.datasets.rendering.parts import BREEDS
from minidl.datasets.rendering.shading import rasterize
from minidl.datasets.rendering.solids import Solid
from minidl.datasets.rendering.trimap import band, grown
from minidl.datasets.synthetic_pets import Sample, empty_room, empty_rooms, ensure, render, write
from minidl.metrics import iou
from tests.programs import ROOT
from tests.rendered import image as rendered_image, rendered

REAL = ROOT.parent / "shared" / "oxford-iiit-pet-sample"


def some(count: int = 48) -> list[Sample]:
    """The first images of set 3, rendered once for all tests."""
    return [rendered_image(index) for index in range(count)]


def bits(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def names(folder: Path, split: str) -> list[str]:
    lines = (folder / "annotations" / f"{split}.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if not line.startswith("#")]


def test_bits_depend_on_seed_and_index_only():
    again = render(3, 5)
    assert np.array_equal(again.image, some()[5].image) and np.array_equal(again.trimap, some()[5].trimap)
    assert (again.name, again.head) == (some()[5].name, some()[5].head)
    samples = {p.image.tobytes() for p in some()}
    assert len(samples) == len(some())
    assert render(4, 5).image.tobytes() not in samples


@pytest.mark.parametrize("size", [48, 128, 192])
def test_shapes_and_values_of_any_size(size):
    samples = some() if size == 128 else [render(3, index, size) for index in range(6)]
    for sample in samples:
        assert sample.image.shape == (size, size, 3) and sample.image.dtype == np.uint8
        assert sample.trimap.shape == (size, size) and sample.trimap.dtype == np.uint8
        assert set(np.unique(sample.trimap)) == {1, 2, 3}
    assert 0.08 < np.mean([(p.trimap == 3).mean() for p in samples]) < 0.2


def test_shares_are_near_those_of_the_real_images():
    shares = class_shares(np.stack([p.trimap for p in some()]) - 1)
    assert shares.sum() == pytest.approx(1)
    assert shares == pytest.approx([0.27, 0.60, 0.13], abs=0.05)


def test_species_breeds_and_head_boxes():
    assert [p.species for p in some()] == [1, 2] * (len(some()) // 2)
    classes = [p.class_id for p in some()]
    assert {classes.count(k) for k in range(1, 13)} == {len(classes) // 12}
    for p in some():
        assert p.name.startswith(BREEDS[p.species][p.breed - 1])
        assert p.name[0].isupper() == (p.species == 1)
        x0, y0, x1, y1 = p.head
        assert 0 <= x0 < x1 < 128 and 0 <= y0 < y1 < 128
        assert (p.trimap[y0:y1 + 1, x0:x1 + 1] == 1).mean() > 0.25, p.name


def test_empty_rooms_depend_on_seed_and_index_only():
    rooms = empty_rooms(3, size=64, seed=3)
    assert rooms.shape == (3, 3, 64, 64) and rooms.dtype == np.uint8
    assert np.array_equal(rooms[:2], empty_rooms(2, size=64, seed=3)) and len({room.tobytes() for room in rooms}) == 3
    assert empty_room(3, 0, 48).shape == (48, 48, 3) and not np.array_equal(empty_room(3, 0), empty_room(4, 0))
    for wrong in ((-1, 0), (0, -1), (0, 0, 31)):
        with pytest.raises(ValueError, match="empty_room"):
            empty_room(*wrong)


def test_most_of_each_pet_is_one_piece():
    """The border must not eat the legs' and tails' cores, nor the pet be confetti."""
    shares = []
    for p in some()[:12]:
        mask = p.trimap[::2, ::2] == 1
        piece = np.zeros_like(mask)
        piece[np.unravel_index(np.flatnonzero(mask)[mask.sum() // 2], mask.shape)] = True
        for _ in range(200):
            piece = grown(piece, 1) & mask
        shares.append(piece.sum() / mask.sum())
    assert np.median(shares) > 0.9


def test_band_around_a_square_and_none_along_the_frame():
    mask = np.zeros((256, 256), bool)
    mask[100:, 60:160] = True
    trimap = band(mask)
    middle = trimap[:, 55]
    assert (middle[60:] == 1).all()                                # down to the frame
    assert (np.flatnonzero(middle == 3) == np.arange(47, 52)).all()
    assert (trimap[90] == 3).sum() == 10


def test_a_color_table_learns_next_to_nothing():
    images = np.stack([p.image for p in some()]).transpose(0, 3, 1, 2)                   # (48, 3, 128, 128)
    labels = np.stack([p.trimap for p in some()]) - 1
    halves = (images[:24], labels[:24]), (images[24:], labels[24:])
    assert np.mean([iou(color_table(*halves)), iou(color_table(*halves[::-1]))]) <= 0.30
    labels[labels == 2] = 1                                        # were the pets of one color, it would learn
    images[:] = np.where(labels[:, None] == 0, np.reshape([250, 10, 10], (3, 1, 1)), images)
    assert iou(color_table(*halves))[:2].mean() > 0.9


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pets, "render", rendered)
        return write(tmp_path_factory.mktemp("sets") / "small", seed=3, train=8, test=4, workers=1)


def test_layout(small, tmp_path):
    annotations = small / "annotations"
    train, test = names(small, "trainval"), names(small, "test")
    assert (len(train), len(test)) == (8, 4) and names(small, "list") == train + test
    assert sorted(p.stem for p in (small / "images").iterdir()) == sorted(train + test)
    assert sorted(p.stem for p in (annotations / "trimaps").iterdir()) == sorted(train + test)
    lines = [line.split() for line in (annotations / "list.txt").read_text(encoding="utf-8").splitlines()[2:]]
    for sample, (name, class_id, species, breed) in zip(some(), lines):
        assert (name, int(class_id), int(species), int(breed)) == (
            sample.name, sample.class_id, sample.species, sample.breed)
        with Image.open(small / "images" / f"{name}.jpg") as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (128, 128))
            assert np.abs(np.asarray(image, int) - sample.image).mean() < 8
        with Image.open(annotations / "trimaps" / f"{name}.png") as trimap:
            assert (trimap.format, trimap.mode) == ("PNG", "L")
            assert np.array_equal(np.asarray(trimap), sample.trimap)
        root = ElementTree.parse(annotations / "xmls" / f"{name}.xml").getroot()
        assert root.findtext("object/name") == ("cat", "dog")[sample.species - 1]
        assert tuple(int(root.findtext(f"object/bndbox/{tag}", "")) for tag in ("xmin", "ymin", "xmax", "ymax")
                     ) == sample.head
        assert root.findtext("size/width") == "128"
    again = write(tmp_path / "again", seed=3, train=8, test=4, workers=2)
    assert bits(again) == bits(small)                              # two processes write the same bits


def test_an_interrupted_set_leaves_nothing(tmp_path, monkeypatch):
    def stop(seed: int, index: int, size: int) -> Sample:
        if index == 3:
            raise KeyboardInterrupt
        return rendered(seed, index, size)
    monkeypatch.setattr(pets, "render", stop)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "set", seed=3, train=5, test=1, workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("train, kept", [(8, True), (7, False)])
def test_the_same_set_finished_by_another_is_kept(train, kept, small, tmp_path, monkeypatch):
    folder = tmp_path / "set"

    def slow(seed: int, index: int, size: int) -> Sample:
        if index == 5:
            shutil.copytree(small, folder)
            (folder / "mark").touch()
        return rendered(seed, index, size)
    monkeypatch.setattr(pets, "render", slow)
    write(folder, seed=3, train=train, test=4, workers=1)
    assert (folder / "mark").exists() == kept and len(names(folder, "trainval")) == train
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("first", [True, False])
def test_a_set_that_cannot_be_put_in_place(first, small, tmp_path, monkeypatch):
    """Another process was quicker by a hair, or it is an error."""
    folder = tmp_path / "set"

    def refuse(self: Path, target: Path) -> None:
        if first:
            shutil.copytree(small, folder)
        raise PermissionError("in use")
    monkeypatch.setattr(pets, "render", rendered)
    monkeypatch.setattr(Path, "rename", refuse)
    with nullcontext() if first else pytest.raises(PermissionError, match="in use"):
        write(folder, seed=3, train=8, test=4, workers=1)
    assert list(tmp_path.iterdir()) == [folder] * first


@pytest.mark.parametrize("train", [8, 7])
def test_an_earlier_set_is_replaced(train, small, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(small, tmp_path / "set"))
    next((folder / "images").iterdir()).write_bytes(b"damaged")
    monkeypatch.setattr(pets, "render", rendered)
    write(folder, seed=3, train=train, test=12 - train, workers=1)
    assert len(names(folder, "trainval")) == train and list(tmp_path.iterdir()) == [folder]
    assert (bits(folder / "images"), bits(folder / "annotations" / "xmls")) == (
        bits(small / "images"), bits(small / "annotations" / "xmls"))


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    for make in (write, ensure):
        with pytest.raises(ValueError, match="not a rendered set"):
            make(tmp_path, train=1, test=1)
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("wrong", [dict(seed=-1), dict(train=0), dict(test=0), dict(workers=0), dict(size=16)])
def test_bad_arguments(wrong, tmp_path):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        write(tmp_path / "set", **wrong)
    assert not (tmp_path / "set").exists()
    for arguments in ((-1, 0), (0, -1), (0, 0, 31)):
        with pytest.raises(ValueError, match="render: "):
            render(*arguments)


def test_ensure_renders_once_and_again_for_another_seed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)                                    # the child must find minidl from anywhere
    with ThreadPoolExecutor(2) as pool:                            # two at once get along
        folder, other = pool.map(lambda _: ensure("set", seed=3, train=2, test=1), range(2))
    assert folder == other == Path("set") and [p.name for p in tmp_path.iterdir()] == ["set"]
    first = bits(folder)
    assert names(folder, "trainval") == [p.name for p in some()[:2]]
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", None)
        assert ensure("set", seed=3, train=2, test=1) == folder    # nothing is run
    assert bits(ensure("set", seed=4, train=2, test=1)) != first
    assert json.loads((folder / "annotations/rendered.json").read_text(encoding="utf-8"))["seed"] == 4
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 3))
    with pytest.raises(OSError, match="exit code 3"):
        ensure("set", seed=5, train=1, test=1)


def test_command_line(tmp_path, capsys, monkeypatch):
    for name in pets.WORKER_SETTINGS:                              # main would set them for good
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(pets, "render", rendered)
    assert pets.main(["--to", str(tmp_path / "s"), "--seed", "3", "--train", "2", "--test", "1", "--workers", "1"]) == 0
    assert "rendering cats and dogs 3/3" in capsys.readouterr().out
    assert pets.main(["--calibrate", str(tmp_path / "s")]) == 0
    assert "share of border" in capsys.readouterr().out
    assert pets.main(["--to", str(tmp_path / "s"), "--seed", "-1"]) == 2
    assert "seed" in capsys.readouterr().err


def test_set_numbers_are_those_of_a_set(tmp_path, monkeypatch):
    monkeypatch.setattr(pets, "render", rendered)
    folder = write(tmp_path / "s", seed=3, train=6, test=3, workers=1)
    train, test = load_pets(folder, "train", 64), load_pets(folder, "test", 64)
    numbers = set_numbers(folder, train, test)
    assert list(numbers) == list(PHOTOGRAPHS)
    assert list(numbers.values())[:5] == [9, 5, 4, 128, 128]
    assert sum(numbers[f"share of {name}"] for name in ("object", "background", "border")) == pytest.approx(1)
    table = color_table((train.images, train.trimaps), (test.images, test.trimaps))
    assert numbers["color table: pixels right"] == np.trace(table) / table.sum()
    assert set_numbers(folder, train[:2], test)["images"] == 5


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the sample of real images beside the project")
def test_numbers_of_the_photographs_are_as_measured():
    numbers = set_numbers(REAL, load_pets(REAL, "train", 64), load_pets(REAL, "test", 64))
    assert numbers == pytest.approx(PHOTOGRAPHS, abs=5e-4)


def test_contact_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "render", rendered)
    sheet = contact_sheet(3, trimaps=True, across=2, down=1, tile=128)
    assert sheet.size == (512, 128)
    assert np.array_equal(np.asarray(sheet)[:, :128], some()[0].image)
    assert (np.asarray(sheet)[:, 128:256, 0] == np.array((0, 255, 0, 128))[some()[0].trimap]).all()
    save_contact_sheet(tmp_path / "sheet.png", 3)
    with Image.open(tmp_path / "sheet.png") as image:
        assert (image.format, image.size) == ("PNG", (8 * 192, 6 * 192))
    with pytest.raises(ValueError, match="sheet.txt"):
        save_contact_sheet(tmp_path / "sheet.txt", 3)


def test_a_tilted_ellipsoid_satisfies_its_equation():
    rng = np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    solid = Solid()
    solid.ball((24, 20, 0), (14, 9, 4), part=0, turn=turn)
    blobs = solid.blobs()
    height, owner = rasterize(blobs, (40, 48))
    y, x = np.nonzero(owner == 0)
    p = np.stack((x, y, height[y, x]), 1) - blobs.center[0]
    assert len(p) > 100
    assert np.einsum("pi,ij,pj->p", p, np.linalg.inv(blobs.G[0]), p) == pytest.approx(1, abs=0.01)


def test_the_nearer_blob_is_in_front():
    solid = Solid()
    solid.ball((10, 10, 0), 5.1, part=0)
    solid.ball((12, 10, 6), 3.0, part=1)
    solid.ball((10, 10, -9), 4.0, part=2)
    owner = rasterize(solid.blobs(), (20, 20))[1]
    assert owner[10, 12] == 1 and owner[10, 6] == 0 and not (owner == 2).any()
    y, x = np.mgrid[:20, :20]
    assert np.array_equal(owner >= 0, (x - 10) ** 2 + (y - 10) ** 2 < 5.1**2)
