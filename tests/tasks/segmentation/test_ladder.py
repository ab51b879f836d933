"""The ladder's table and figure, for made-up results; what is missing is named, what does not fit is refused."""
import numpy as np
import pytest

from minidl.tasks.segmentation.experiment import Result
from minidl.tasks.segmentation.ladder import (
    LADDER, Compared, comparison_figure, comparison_table, ladder_figure, ladder_table, missing_lessons, plus_minus,
    results_figure, results_table, scores_of,
)
from tests.figures import check_layout, words

RNG = np.random.default_rng(0)
N, SIZE = 5, 16
IMAGES = RNG.integers(0, 256, (N, 3, SIZE, SIZE), dtype=np.uint8)
LABELS = RNG.integers(0, 3, (N, SIZE, SIZE))


def result(number, **changes):
    k = list(LADDER).index(number)
    scores = {"pixel_accuracy": 0.5 + k / 20, "mean_iou": 0.3 + k / 15, "iou_object": 0.4, "iou_background": 0.6,
              "iou_border": k / 14}
    facts = {"name": LADDER[number], "lesson": f"{number}_made_up", "scores": scores, "parameters": 10**k,
             "receptive_field": 5 if k % 2 else SIZE, "seconds": 12.3,
             "predictions": RNG.integers(0, 3, (8, SIZE, SIZE), dtype=np.uint8), "trained": {}}
    return Result(**(facts | changes))


def results(count):
    """Made-up results in the wrong order."""
    return [result(number) for number in reversed(list(LADDER)[-count:])]


@pytest.mark.parametrize("count", [1, 3, 9])
def test_table_has_a_row_for_each_result_in_the_lessons_order(count):
    lines = [line for line in ladder_table(results(count)).splitlines() if line.startswith("|")]
    assert lines == results_table(results(count)).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in cells[2:]] == list(LADDER.values())[-count:] and {len(row) for row in cells} == {9}
    assert cells[-1] == ["U-Net", "17", "0.833", "0.400", "0.600", "0.571", "100,000,000", "16 × 16", "12.3"]


def test_missing_lessons_are_named():
    there = [result(number) for number in ("08", "11", "12b", "12", "13", "14", "17")]
    assert missing_lessons(there) == ["1 × 1 (lesson 10)", "encoder–decoder (lesson 16)"]
    assert missing_lessons([result("12")])[2:4] == ["5 × 5 (lesson 11)", "six 3 × 3 (lesson 12)"]
    assert [row.split("|")[1].strip() for row in results_table(there).splitlines()[4:6]] == ["9 × 9", "six 3 × 3"]
    named = "Not run yet: 1 × 1 (lesson 10), encoder–decoder (lesson 16)"
    assert ladder_table(there).endswith(f"|\n\n{named}.\n")
    assert named in words(ladder_figure(there, IMAGES, LABELS))
    assert missing_lessons(results(9)) == [] and "Not run" not in ladder_table(results(9))


def test_a_class_without_a_score_gets_a_dash():
    none = result("10", scores={"mean_iou": 0.25, "iou_object": 0.5, "iou_background": 0.5})
    assert "0.250 |  0.500 |      0.500 |      – |" in ladder_table([none])
    assert "–" in words(ladder_figure([none], IMAGES, LABELS))


@pytest.mark.parametrize("count", [1, 3, 9])
def test_figure_shows_each_result_with_its_scores(count):
    figure = ladder_figure(results(count), IMAGES, LABELS, title="The ladder " * 30)
    check_layout(figure)
    seen = words(figure)
    assert [text for text in seen if text in LADDER.values()] == list(LADDER.values())[-count:]
    assert {"image", "truth", "0.833", "0.571", "mean IoU", "border IoU", "border", "lesson 17",
            "receptive field: all"} <= set(seen)
    assert len([axes for axes in figure.axes if axes.images]) == 4 * (2 + count)
    assert count < 9 or 1000 <= figure.bbox.width <= 1500
    few = ladder_figure(results(count), IMAGES[:2], LABELS[:2])
    assert len([axes for axes in few.axes if axes.images]) == 2 * (2 + count)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_side_by_side_have_their_shares_of_right_pixels(count):
    these = results(count)
    figure = results_figure(these, IMAGES, LABELS, "Headline", rows=3)
    check_layout(figure)
    seen = words(figure)
    assert seen[0] == "Headline"
    for one in these:
        assert one.name in seen
        for truth, guess in zip(LABELS[:3], one.predictions):
            assert f"{np.mean(truth == guess):.0%} right" in seen


def ladder(images=IMAGES, labels=LABELS, rows=4, **changes):
    return ladder_figure([result("17", **changes)], images, labels, rows=rows)


NONE = r"expected at least one result, got none; run .* U-Net \(lesson 17\)"


@pytest.mark.parametrize("call, message", [
    (lambda: ladder_table([]), NONE), (lambda: results_table([]), NONE),
    (lambda: ladder_figure([], IMAGES, LABELS), NONE), (lambda: results_figure([], IMAGES, LABELS, ""), NONE),
    (lambda: ladder(IMAGES[:, :1]), r"images of shape \(N, 3, H, W\), got \(5, 1, 16, 16\)"),
    (lambda: ladder(labels=LABELS[:3]), r"4 maps of 16 × 16 pixels of 'truth', got \(3, 16, 16\)"),
    (lambda: ladder(predictions=np.zeros((2, 16, 16), np.uint8)), r"4 maps .* of 'U-Net', got \(2, 16, 16\)"),
    (lambda: ladder(predictions=np.zeros((8, 32, 32), np.uint8)), r"of 'U-Net', got \(4, 32, 32\)"),
    (lambda: ladder(predictions=np.full((8, 16, 16), 9, np.uint8)), "labels must lie in 0..2"),
    (lambda: ladder(rows=0), "at least one image"),
])
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def compared(k, seeds=3):
    name = list(LADDER.values())[k]
    scores = [{"mean_iou": 0.3 + k / 20 + seed / 100, "iou_object": 0.4, "iou_border": k / 20} for seed in range(seeds)]
    return Compared(name, None if k == 0 else 0.016, scores, scores[0] if k else None, 10**k, 64, [2 * k + 1] * seeds,
                    [k + 0.6] * seeds)


def test_comparison_has_a_row_per_model_with_its_spread():
    lines = comparison_table([compared(k, 3 if k else 1) for k in range(9)]).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert {len(row) for row in cells} == {11} and len(cells) == 2 + 9
    assert cells[2] == ["K-means", "–", "0.300", "0.400", "0.000", "–", "–", "1", "64 × 64", "1", "1"]
    assert cells[-1] == ["U-Net", "0.016", "0.710 ± 0.010", "0.400 ± 0.000", "0.400 ± 0.000", "0.700", "0.400",
                         "100,000,000", "64 × 64", "17 ± 0", "9"]
    assert lines[-1].startswith("Mean of 3 seeds ± half the distance between the lowest and the highest; 4 × budget")
    assert "Mean of 1 seed; " in comparison_table([compared(2, 1)])


@pytest.mark.parametrize("seeds", [1, 3])
def test_comparison_is_drawn_with_a_bar_per_score(seeds):
    figure = comparison_figure([compared(k, seeds) for k in range(9)])
    check_layout(figure)
    assert {*LADDER.values(), "mean IoU", "border IoU", "IoU on held-out images"} <= set(words(figure))
    assert len(figure.axes[0].patches) == 18


def test_a_score_that_a_seed_lacks_is_a_dash():
    row = compared(3)
    row.scores[1].pop("iou_border")
    assert plus_minus(scores_of(row.scores, "iou_border"), 3) is None
    assert " – |" in comparison_table([row]) and len(comparison_figure([row]).axes[0].patches) == 1
