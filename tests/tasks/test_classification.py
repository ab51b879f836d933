"""A classifier's accuracy and figures: what matters on them is read back; what does not fit is refused."""
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from minidl import Flatten, Linear, Sequential
from minidl.course.lesson import Lesson
from minidl.tasks.classification import (
    OTHER, RIGHT, WRONG, accuracy, cats_and_dogs, confusion_figure, probability_grid,
)
from tests.figures import area, check_layout, render, words
from tests.samples import block_pets

RNG = np.random.default_rng(0)
DIGITS = [str(k) for k in range(10)]
MATRIX = np.diag(np.arange(20, 30))
MATRIX[3, 8], MATRIX[9, 4], MATRIX[9, 9] = 4, 30, 0
IMAGES = RNG.integers(0, 256, (5, 3, 16, 16), dtype=np.uint8)
PROBABILITIES = RNG.dirichlet(np.full(10, 0.3), 5)
LABELS = RNG.integers(0, 10, 5)
BREEDS = ["Abyssinian", "a breed with a rather long name", "pug"]


@pytest.mark.parametrize("figure", [
    lambda: confusion_figure(MATRIX, DIGITS, title="One title of a certain length " * 4),
    lambda: confusion_figure([[123456, 1], [0, 0]], ["cat", "dog"], title="Cats " * 20),
    lambda: confusion_figure(np.eye(3, dtype=int), BREEDS),
    lambda: probability_grid(IMAGES, PROBABILITIES, LABELS, DIGITS, title="Title " * 60),
    lambda: probability_grid(IMAGES[:1], PROBABILITIES[:1], LABELS[:1], DIGITS),
    lambda: probability_grid(IMAGES[:, :1] / 255, np.eye(3)[[0, 1, 2, 0, 1]], LABELS % 3, BREEDS, cell=128),
])
def test_layout(figure):
    check_layout(figure())


def test_accuracy_is_the_share_of_labels_with_the_largest_logit():
    layer = Linear(2, 2, bias=False)
    layer.weight.data[...] = np.eye(2)
    model = Sequential(Flatten(), layer)
    images = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32).reshape(4, 1, 1, 2)
    assert accuracy(model, images, np.array([0, 1, 1, 1])) == 0.75
    with pytest.raises(ValueError, match=r"expected 4 labels, one per image, got shape \(3,\)"):
        accuracy(model, images, np.array([0, 1, 1]))
    with pytest.raises(ValueError, match=r"got shape \(4, 1\)"):
        accuracy(model, images, np.array([[0], [1], [1], [1]]))


def test_confusion_figure_writes_every_count_but_zero_in_its_square():
    figure = confusion_figure(MATRIX, DIGITS, title="Digits")
    axes, = figure.axes
    found = {(round(text.get_position()[1]), round(text.get_position()[0])): int(text.get_text())
             for text in axes.texts if text.get_text().isdecimal()}
    assert found == {(k, m): int(MATRIX[k, m]) for k, m in np.argwhere(MATRIX)}
    seen = words(figure)
    assert {"Digits", "true", "predicted", "23 of 27", "0 of 30"} <= set(seen) and seen.count("7") == 2
    assert "0 of 0" not in words(confusion_figure([[3, 1], [0, 0]], ["cat", "dog"]))


def test_confusion_figure_draws_mistakes_in_another_color_than_what_is_right():
    drawn = np.asarray(confusion_figure(MATRIX, DIGITS).axes[0].images[0].get_array())[..., :3]         # (K, K, 3)
    assert np.allclose(drawn[0, 1], 1)                                 # never happened: white
    for k, m in ((0, 0), (3, 3)):
        assert drawn[k, m, 2] > drawn[k, m, 0] + 0.2                   # right: blue
    for k, m in ((3, 8), (9, 4)):
        assert drawn[k, m, 0] > drawn[k, m, 2] + 0.2                   # wrong: orange
    assert drawn[9, 4, 2] < drawn[3, 8, 2]                             # more of them, stronger


def bars(figure):
    """(width, color) of each bar (but not the pale ones behind them), in order."""
    return [(bar.get_width(), to_hex(bar.get_facecolor()).upper()) for axes in figure.axes
            for panel in axes.child_axes for bar in panel.containers[1]]


def test_bars_are_the_likeliest_classes_and_the_true_one():
    probabilities = np.array([[0.7, 0.2, 0.06, 0.04, 0], [0.04, 0.06, 0.2, 0.7, 0], [0.1, 0.2, 0.3, 0.4, 0]])
    figure = probability_grid(IMAGES[:3], probabilities, np.array([0, 0, 2]), list("abcde"), title="Headline")
    assert [(round(width, 3), color) for width, color in bars(figure)] == [
        (0.7, RIGHT), (0.2, OTHER), (0.06, OTHER), (0.7, WRONG), (0.2, OTHER), (0.04, RIGHT),
        (0.4, WRONG), (0.3, RIGHT), (0.2, OTHER)]
    seen = words(figure)
    assert {"Headline", "70 %", "4 %", "true class", "wrong answer", "other class"} <= set(seen)
    assert [text for text in seen if text in "abcde"] == ["a", "b", "c", "d", "c", "a", "d", "c", "b"]


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
def test_probabilities_of_small_types(dtype):
    certain = np.eye(5)[[1, 3, 2]].astype(dtype)
    figure = probability_grid(IMAGES[:3], certain, np.array([1, 3, 2]), list("abcde"))
    assert bars(figure) == [(1, RIGHT), (0, OTHER), (0, OTHER)] * 3


def test_images_of_one_channel_are_ink_on_white_paper():
    figure = probability_grid(np.array([0, 1, 1, 0.5]).reshape(1, 1, 2, 2), np.array([[1.0, 0.0]]), np.array([0]),
                              ["a", "b"], cell=72)
    (white, black), (dark, gray) = area(render(figure), figure.axes[0])[18::36, 18::36, 0]   # the pixels' centers
    assert white == 255 and black == dark == 0 and 120 < gray < 135


def grid(images=IMAGES, probabilities=PROBABILITIES, labels=LABELS):
    return probability_grid(images, probabilities, labels, DIGITS)


@pytest.mark.parametrize("call, message", [
    (lambda: grid(IMAGES[:, :2]), r"images of shape .* got \(5, 2, 16, 16\)"),
    (lambda: grid(probabilities=PROBABILITIES[:4]), r"probabilities of shape \(5, 10\) .* got shape \(4, 10\)"),
    (lambda: grid(probabilities=3 * PROBABILITIES), "Logits become probabilities by Softmax"),
    (lambda: grid(probabilities=PROBABILITIES * np.nan), "rows add up to 1"),
    (lambda: grid(labels=LABELS[:3]), r"expected 5 labels, integers in 0\.\.9"),
    (lambda: grid(labels=LABELS + 0.0), "expected 5 labels, integers"),
    (lambda: grid(labels=LABELS + 10), r"in 0\.\.9"),
    (lambda: confusion_figure(np.eye(3), BREEDS), "expected a confusion matrix of shape"),
    (lambda: confusion_figure(np.eye(3, dtype=int), BREEDS[:2]), "expected 3 class names"),
    (lambda: confusion_figure(np.eye(3, dtype=int), "abc"), "expected 3 class names, got 'abc'"),
])
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def lesson_with(monkeypatch, tmp_path, train, test):
    """A lesson whose two splits have pets of these species."""
    sets = {split: replace(block_pets(len(species), 64), species=np.array(species, int))
            for split, species in (("train", train), ("test", test))}
    monkeypatch.setattr(Lesson, "pets", lambda self, split: sets[split])
    monkeypatch.setattr(Lesson, "data", tmp_path)
    return Lesson("00_test", argv=["--out", str(tmp_path)])


def test_images_of_unknown_species_are_left_out(monkeypatch, tmp_path, capsys):
    train, test = cats_and_dogs(lesson_with(monkeypatch, tmp_path, [0, 1, -1, 0, 1, 0, 1], [-1, 1]))
    assert train.species.tolist() == [0, 1, 0, 1, 0, 1] and test.species.tolist() == [1]
    said = capsys.readouterr().out
    assert "left out: 1 train images" in said and "3 cats and 3 dogs to train on, 1 images to test" in said


@pytest.mark.parametrize("train, test", [([0, 0, 0, 1, 1], [1]), ([0, 0, 0], [0]), ([0, 1] * 3, [-1])])
def test_a_lesson_without_both_species_ends(train, test, monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        cats_and_dogs(lesson_with(monkeypatch, tmp_path, train, test))
    assert ended.value.code is None and "cats and dogs need images of both" in capsys.readouterr().out
    assert (tmp_path / "00_test" / "metrics.json").is_file()
