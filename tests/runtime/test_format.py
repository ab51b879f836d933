"""How numbers, keys and tables are written."""
import numpy as np
import pytest

from minidl.runtime.format import flat, number, percent, table


def test_numbers_in_words():
    numbers = {"a": {"mean_iou": {"c": 1}}, "iou_border": 1, "many": list(range(100)), "deep": [[1]], "none": None}
    assert flat(numbers) == [
        ("a: mean IoU: c", "1"), ("border IoU", "1"), ("none", "–")]


def test_numpy_numbers_are_written_like_others():
    assert (number(np.float32(0.5)), number(np.int64(1234))) == ("0.500", "1,234")


@pytest.mark.parametrize("share, text", [
    (0, "0 %"), (1e-9, "< 1 %"), (0.994, "99 %"), (1 - 1e-9, "> 99 %"), (1, "100 %"),
])
def test_no_share_is_rounded_to_none_or_all(share, text):
    assert percent(share) == text


def test_tables_are_aligned_markdown():
    lines = table(["kind", "ms", "share"], [["Conv2d", 1234.5, "5.1 %"], ["loss", None, "10.0 %"]]).splitlines()
    assert lines == ["| kind   |    ms |  share |",
                     "|:-------|------:|-------:|",
                     "| Conv2d | 1,234 |  5.1 % |",
                     "| loss   |     – | 10.0 % |"]
    with pytest.raises(ValueError, match="rows of 2 cells, got"):
        table(["a", "b"], [[1]])
