"""The ladder's table and figure, for made-up rungs; what is missing is named, what does not fit is refused."""
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from minidl.plotting.pictures import colorize
from minidl.tasks.segmentation.experiment import Result
from minidl.tasks.segmentation.ladder import (
    LADDER, ladder_figure, ladder_table, missing_rungs, rungs_figure, rungs_text,
)

RNG = np.random.default_rng(0)
N, SIZE = 5, 16
IMAGES = RNG.integers(0, 256, (N, 3, SIZE, SIZE), dtype=np.uint8)
LABELS = RNG.integers(0, 3, (N, SIZE, SIZE))


def rung(number, **changes):
    k = list(LADDER).index(number)
    scores = {"pixel_accuracy": 0.5 + k / 20, "mean_iou": 0.3 + k / 15, "iou_object": 0.4, "iou_background": 0.6,
              "iou_border": k / 14}
    facts = {"name": LADDER[number], "lesson": f"{number}_made_up", "scores": scores, "parameters": 10**k,
             "receptive_field": SIZE,
             "seconds": 12.3, "predictions": RNG.integers(0, 3, (8, SIZE, SIZE), dtype=np.uint8), "trained": {}}
    return Result(**(facts | changes))


def rungs(count):
    """Made-up rungs in the wrong order."""
    return [rung(number) for number in reversed(list(LADDER)[-count:])]


def render(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


def words(figure):
    return [text.get_text() for text in figure.texts] + [text.get_text() for axes in figure.axes for text in axes.texts]


# The table

@pytest.mark.parametrize("count", [1, 3, 8])
def test_table_has_a_row_for_each_rung_in_the_lessons_order(count):
    lines = ladder_table(rungs(count)).splitlines()
    heads, line, *rows = (line for line in lines if line.startswith("|"))
    assert [row.split("|")[1].strip() for row in rows] == list(LADDER.values())[-count:]
    assert {row.count("|") for row in (heads, line, *rows)} == {10}
    assert rows[-1] == "| U-Net | 17 | 0.767 | 0.400 | 0.600 | 0.500 | 10,000,000 | 16 × 16 | 12 |"


def test_missing_rungs_are_named_with_their_lesson():
    there = [rung(number) for number in ("07", "10", "11", "12", "13", "17")]
    assert missing_rungs(there) == ["1 × 1 (lesson 09)", "encoder–decoder (lesson 15)"]
    named = "Not run yet: 1 × 1 (lesson 09), encoder–decoder (lesson 15)"
    assert ladder_table(there).endswith(f"|\n\n{named}.\n")
    assert named in words(ladder_figure(there, IMAGES, LABELS))
    assert missing_rungs(rungs(8)) == [] and "Not run" not in ladder_table(rungs(8))


def test_a_class_without_a_score_gets_a_dash():
    none = rung("09", scores={"mean_iou": 0.25, "iou_object": 0.5, "iou_background": 0.5})
    assert "| 0.250 | 0.500 | 0.500 | – |" in ladder_table([none])
    assert "–" in words(ladder_figure([none], IMAGES, LABELS))


# The figure

@pytest.mark.parametrize("count", [1, 3, 8])
def test_figure_shows_each_rung_with_its_scores(count):
    figure = ladder_figure(rungs(count), IMAGES, LABELS, title="The ladder")
    seen = words(figure)
    names = list(LADDER.values())[-count:]
    assert [text for text in seen if text in LADDER.values()] == names
    assert {"The ladder", "picture", "truth", "0.767", "0.500", "mean IoU", "border IoU", "border"} <= set(seen)
    assert len([axes for axes in figure.axes if axes.images]) == 4 * (2 + count)
    assert count < 8 or 1000 <= render(figure).shape[1] <= 1400


@pytest.mark.parametrize("count", [1, 3, 8])
def test_texts_neither_overlap_nor_leave_the_figure(count):
    figure = ladder_figure(rungs(count), IMAGES, LABELS, title="A long title " * 30)
    height, width, _ = render(figure).shape
    texts = [text for text in (*figure.texts, *(text for axes in figure.axes for text in axes.texts))
             if text.get_text()]
    boxes = [Text.get_window_extent(text) for text in texts]
    for k, (text, box) in enumerate(zip(texts, boxes)):
        assert 0 <= box.x0 and box.x1 <= width and 0 <= box.y0 and box.y1 <= height, text
        for other in boxes[:k]:
            assert box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 + 2 or other.y1 <= box.y0 + 2, text


def test_label_maps_are_drawn_with_whole_pixels():
    one = rung("17")
    figure = ladder_figure([one], IMAGES, LABELS, rows=1)
    picture = render(figure)
    axes = [axes for axes in figure.axes if axes.images][-1]
    box = axes.get_window_extent()
    x, y = round(box.x0), round(picture.shape[0] - box.y1)
    drawn = picture[y:y + 128, x:x + 128]
    wanted = colorize(one.predictions[0]).repeat(128 // SIZE, axis=0).repeat(128 // SIZE, axis=1)
    assert np.abs(drawn - wanted).max() < 0.01


def test_few_pictures_make_few_rows():
    figure = ladder_figure(rungs(3), IMAGES[:2], LABELS[:2])
    assert len([axes for axes in figure.axes if axes.images]) == 2 * (2 + 3)


# What is refused

def test_no_rungs_are_refused():
    for refuses in (lambda: ladder_table([]), lambda: ladder_figure([], IMAGES, LABELS)):
        with pytest.raises(ValueError, match=r"expected at least one rung, got none; run .* U-Net \(lesson 17\)"):
            refuses()


@pytest.mark.parametrize("images, labels, changes, options, message", [
    (IMAGES[:, :1], LABELS, {}, {}, r"images of shape \(n, 3, H, W\), got \(5, 1, 16, 16\)"),
    (IMAGES, LABELS[:3], {}, {}, r"labels of shape \(n, H, W\) with n >= 4 .* got \(3, 16, 16\)"),
    (IMAGES, LABELS[:, :8], {}, {}, r"\(16, 16\) pixels, got \(5, 8, 16\)"),
    (IMAGES, LABELS, {"predictions": np.zeros((2, 16, 16), np.uint8)}, {}, "predictions of 'U-Net' .* n >= 4"),
    (IMAGES, LABELS, {"predictions": np.zeros((8, 32, 32), np.uint8)}, {}, r"predictions of 'U-Net' .* \(8, 32, 32\)"),
    (IMAGES, LABELS, {"predictions": np.full((8, 16, 16), 9, np.uint8)}, {}, "labels must lie in 0..2"),
    (IMAGES, LABELS, {"scores": {"iou_border": 0.1}}, {}, "a score 'mean_iou' of 'U-Net'"),
    (IMAGES, LABELS, {}, {"rows": 0}, "rows >= 1, got 0"),
])
def test_wrong_input_is_refused(images, labels, changes, options, message):
    with pytest.raises(ValueError, match=message):
        ladder_figure([rung("17", **changes)], images, labels, **options)


# Beside the rungs before

def test_text_has_a_line_for_each_rung_in_the_lessons_order_and_a_dash_for_what_is_missing():
    heads, *lines = rungs_text([*rungs(2), rung("09", scores={"mean_iou": 0.2})]).splitlines()
    assert [line.split()[0] for line in lines] == ["1", "encoder–decoder", "U-Net"]
    assert "–" in lines[0] and "0.767" in lines[2] and len({len(line) for line in (heads, *lines)}) == 1
    with pytest.raises(ValueError, match="expected at least one rung"):
        rungs_text([])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_figure_beside_the_rungs_before_shows_each_with_its_share_of_right_pixels(count):
    these = rungs(count)
    figure = rungs_figure(these, IMAGES, LABELS, "Headline", rows=3)
    texts = words(figure)
    render(figure)
    assert "Headline" in texts
    for one in these:
        assert one.name in texts
        for truth, guess in zip(LABELS[:3], one.predictions):
            assert f"{np.mean(truth == guess):.0%} right" in texts
