"""Which images belong to a split: lists, folders, and what is missing or contradicts."""
import os
import unicodedata

import pytest

from minidl.datasets.pets import load_pets
from tests.datasets.pet_folders import add, box_xml, write_list


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


def test_without_lists_every_fifth_name_is_for_testing(folder):
    names = [f"pet_{i:02}" for i in range(12)]
    for name in names:
        add(folder, name, (4, 4))
    assert load_pets(folder, split="test", size=4).names == ["pet_04", "pet_09"]
    train = load_pets(folder, split="train", size=4).names
    assert train == [name for name in names if name not in ("pet_04", "pet_09")]
    assert load_pets(folder, split="all", size=4, limit=3).names == ["pet_00", "pet_04", "pet_08"]
    write_list(folder, "list.txt", *reversed(names))
    assert load_pets(folder, split="test", size=4).names == ["pet_04", "pet_09"]
    assert all(len(load_pets(folder, split="all", size=4, limit=limit)) == 12 for limit in (12, 99))


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


@pytest.mark.parametrize("suffix", [".jpeg", ".JPG", ".png", ".bmp", ".TIFF", ".gif", ".webp"])
def test_any_suffix_and_spelling_of_accents(folder, suffix):
    add(folder, unicodedata.normalize("NFD", "Käthe"), suffix=suffix)
    write_list(folder, "trainval.txt", unicodedata.normalize("NFC", "Käthe"))
    assert load_pets(folder, size=8).names == ["Käthe"]


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.*images/NAME.jpg"):
        load_pets(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no images in it.*annotations/trimaps/NAME.png"):
        load_pets(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match="no annotations/trimaps in it"):
        load_pets(tmp_path)
    (tmp_path / "annotations" / "trimaps").mkdir(parents=True)
    with pytest.raises(ValueError, match="no image.*0 images.*0 trimaps.*images/NAME.jpg"):
        load_pets(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NotADirectoryError, match="not a folder"):
        load_pets(tmp_path / "file")
    add(tmp_path, "a")
    with pytest.raises(ValueError, match="no image for the split 'test' among 1 images"):
        load_pets(tmp_path, split="test", size=8)


@pytest.mark.parametrize("line, words", [
    ("a 1", "NAME CLASS-ID SPECIES BREED-ID.*'a 1'"),
    ("a 1 1 1 1", "NAME CLASS-ID SPECIES BREED-ID"),
    ("a one 1 1", "three integers.*'a one 1 1'"),
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


def test_files_that_are_missing_or_there_twice(folder):
    add(folder, "a")
    add(folder, "c")
    (folder / "annotations" / "trimaps" / "c.png").unlink()
    write_list(folder, "trainval.txt", "a", "b", "c")
    with pytest.raises(ValueError, match="2 of 3 images.*broken='skip'") as caught:
        load_pets(folder, size=8)
    assert "images/b.jpg: no such file, listed in annotations/trainval.txt, line 2" in str(caught.value)
    assert "trimaps/c.png: no such file, listed in annotations/trainval.txt, line 3" in str(caught.value)
    assert load_pets(folder, size=8, broken="skip").names == ["a"]
    add(folder, "a", suffix=".png")
    with pytest.raises(ValueError, match="images/a.jpg: expected one file of this name, got a.jpg, a.png"):
        load_pets(folder, split="all")


@pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")
@pytest.mark.parametrize("listed", [False, True], ids=["without a list", "in a list"])
@pytest.mark.parametrize("place", ["images/bad.jpg", "annotations/trimaps/bad.png", "annotations/xmls/bad.xml"])
@pytest.mark.parametrize("kind, words", [
    ("nowhere", "a link that leads nowhere"), ("itself", "a link that leads nowhere"),
    ("pipe", "not a file with data in it"), ("link", None),
])
def test_links_and_pipes_are_named_and_the_rest_is_read(listed, place, kind, words, folder):
    add(folder, "bad")
    add(folder, "good")
    path = folder / place
    path.parent.mkdir(exist_ok=True)
    target = folder / f"elsewhere{path.suffix}"
    if path.suffix == ".xml":
        target.write_text(box_xml(), encoding="utf-8")
    else:
        path.rename(target)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"nowhere": folder / "gone", "itself": path, "link": target}[kind])
    if listed:
        write_list(folder, "list.txt", "bad 1 1 1", "good 2 2 1")
    pets = load_pets(folder, split="all", size=8, broken="skip")
    assert pets.names == ["bad", "good"] if kind == "link" else pets.names == ["good"]
    assert [f"{path.parent.name}/{path.name}: {words}" in problem for problem in pets.problems] == [True] * bool(words)


@pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")
@pytest.mark.parametrize("kind, words", [
    ("nowhere", "a link that leads nowhere"), ("pipe", "not a file with"), ("folder", "not a file with"),
])
def test_a_list_that_cannot_be_read_is_not_taken_for_none(kind, words, folder):
    add(folder, "a")
    path = folder / "annotations" / "trainval.txt"
    if kind == "nowhere":
        path.symlink_to(folder / "gone")
    else:
        os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(ValueError, match=f"trainval.txt: {words}"):
        load_pets(folder, size=8)
