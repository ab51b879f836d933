"""The handwritten digits: the file of the project, files that are damaged or something else, and the split."""
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidl.datasets.digits import load_digits, stratified_split
from tests.strategies import FEW

FILE = Path(__file__).resolve().parents[2] / "data" / "digits.csv.gz"
ROW = ",".join(["0", "5", "16", "9"] * 16 + ["7"])


def written(folder, text):
    path = folder / "digits.csv.gz"
    path.write_bytes(gzip.compress(text.encode("utf-8")))
    return path


def test_the_file_of_the_project():
    images, labels = load_digits(FILE)
    assert images.shape == (1797, 1, 8, 8) and images.dtype == np.float32
    assert (images.min(), images.max()) == (0, 1) and np.array_equal(images * 16, (images * 16).round())
    assert labels.shape == (1797,) and labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    zero = "..###... ..#####. ..#..##. ..#..##. .##..##. ..#..##. ..####.. ..###..."
    drawn = " ".join("".join("#" if ink >= 0.3 else "." for ink in row) for row in images[0, 0])
    assert labels[0] == 0 and drawn == zero


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_rows_become_images_row_by_row(tmp_path, end):
    images, labels = load_digits(written(tmp_path, ROW + "\n" + ROW.replace("7", "3") + end))
    assert labels.tolist() == [7, 3]
    assert np.array_equal(images[1, 0], np.array([0, 5, 16, 9] * 16).reshape(8, 8) / 16)


@pytest.mark.parametrize("text, message", [
    ("", "expected rows of 64 gray values and a digit, got 0 rows"),
    (ROW + "\n" + ROW[:-2], "columns changed from 65 to 64 at row 2"), (ROW + ",1", "got 1 rows of 66 values"),
    (ROW.replace("16", "17", 1), "line 1, value 3: expected gray values from 0 to 16 and a digit.*, got 17"),
    (ROW.replace("16", "-1", 1), "line 1, value 3: .*, got -1"), (ROW[:-1] + "10", "line 1, value 65: .*, got 10"),
    (ROW.replace("5", "5.5", 1), "line 1, value 2: .*, got 5.5"), (ROW.replace("5", "nan", 1), "got nan"),
    (ROW.replace("5", "", 1), "string ''"),
    (ROW.replace("5", "9" * 6000, 1), "line 1, value 2: .*, got inf"),
    (ROW.replace("5", "٥", 1), "damaged or something else .UnicodeDecodeError"),
    ("label,pixel\n" + ROW, "could not convert string 'label'"),
])
def test_other_tables_are_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        load_digits(written(tmp_path, text))
    assert "digits.csv.gz" in str(error.value)


WHOLE = FILE.read_bytes()


@pytest.mark.parametrize("content", [
    WHOLE[:1], WHOLE[:20], WHOLE[:-9], WHOLE[:-1], WHOLE[:1000] + b"??" + WHOLE[1002:], WHOLE[:-6] + b"??????",
    ROW.encode(),
])
def test_damaged_and_other_files_are_refused(tmp_path, content):
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="digits.csv.gz: expected a gzip file of numbers, but it is truncated"):
        load_digits(path)
    with pytest.raises(FileNotFoundError):
        load_digits(tmp_path / "missing.csv.gz")


# The split

@FEW
@given(st.lists(st.integers(0, 3), min_size=10, max_size=80), st.floats(0.2, 0.8), st.integers(0, 99))
def test_a_split_holds_out_the_share_of_each_class(labels, share, seed):
    labels = np.array(labels)
    first, second = stratified_split(labels, share, seed)
    assert np.array_equal(np.sort(np.concatenate([first, second])), np.arange(len(labels)))
    assert (np.diff(first) > 0).all() and (np.diff(second) > 0).all()
    for k in np.unique(labels):
        assert abs((labels[second] == k).sum() - share * (labels == k).sum()) <= 0.5


def test_the_split_of_the_lessons_is_always_the_same():
    _, labels = load_digits(FILE)
    train, test = stratified_split(labels)
    assert (len(train), len(test)) == (1438, 359)
    for rng in (0, np.random.default_rng(0)):
        assert np.array_equal(test, stratified_split(labels, rng=rng)[1])
    assert not np.array_equal(test, stratified_split(labels, rng=1)[1])
    assert np.bincount(labels[test]).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]


@pytest.mark.parametrize("labels, share, message", [
    (np.zeros(5), 0.2, r"expected integer labels of shape \(N,\), got float64 \(5,\)"),
    (np.zeros((5, 1), int), 0.2, r"got int\d+ \(5, 1\)"),
    (np.zeros(5, int), 1.0, "a share between 0 and 1, got 1.0"),
    (np.zeros(5, int), float("nan"), "a share between 0 and 1, got nan"),
    (np.arange(5), 0.2, "divides 5 samples into 5 and 0; expected at least one in each part"),
    (np.array([], int), 0.2, "divides 0 samples"),
])
def test_splits_that_make_no_sense_are_refused(labels, share, message):
    with pytest.raises(ValueError, match=message):
        stratified_split(labels, share)
