"""fit(): scores, sources of batches, and links between model, optimizer and schedule that are not as they should be."""
# mypy: disable-error-code="arg-type,list-item,union-attr"
import copy
import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from minidl import SGD, Adam, CosineSchedule, CrossEntropyLoss, Linear, get_num_threads, set_num_threads
from minidl.batches import Batches
from minidl.runtime.npz import load_arrays
from minidl.training import fit
from tests.trainings import Squares, new_training, run

ROW = np.ones((4, 3), np.float32), np.zeros(4, int)      # a batch for a model of a table


def fit_table(batches, epochs=1, **options):
    model = Linear(3, 2, rng=0)
    optimizer = SGD(model.parameters(), 0.1)
    return fit(model, batches, CrossEntropyLoss(), optimizer, epochs, progress=False, **options)


# Scores

VALUES = st.sampled_from([math.nan, -math.inf, 0.0, 0.5, 0.5, 0.7, math.inf])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=1, max_size=4), interrupted=st.booleans())
def test_the_best_checkpoint_is_of_the_last_of_the_highest_scores_that_are_numbers(tmp_path, values, interrupted):
    given_scores = iter(values)
    options = {"evaluate": lambda model: {"score": next(given_scores)}, "monitor": "score", "checkpoint": tmp_path}
    (tmp_path / "best.npz").unlink(missing_ok=True)
    if interrupted and len(values) > 1:
        fit_table([ROW], 1, **options)
    fit_table([ROW], len(values), resume=interrupted and len(values) > 1, **options)
    numbers = [(value, epoch) for epoch, value in enumerate(values, 1) if not math.isnan(value)]
    assert (tmp_path / "best.npz").exists() == bool(numbers)
    if numbers:
        assert load_arrays(tmp_path / "best.npz")["optimizer/steps"] == max(numbers)[1]


def test_a_score_named_as_the_trainings_own_stands_beside_it():
    rows = [fit_table([ROW], evaluate=lambda model: scores)[0] for scores in ({}, {"loss": 7, "lr": 8})]
    assert rows[1]["loss"] == rows[0]["loss"] and rows[1]["lr"] == 0.1
    assert rows[1]["evaluated_loss"] == 7 and rows[1]["evaluated_lr"] == 8


@pytest.mark.parametrize("name", ["loss", "lr", "epoch"])
def test_the_trainings_own_numbers_cannot_be_monitored(name):
    with pytest.raises(ValueError, match=f"monitor='{name}' needs .* another name than the training's own: epoch"):
        fit_table([ROW], monitor=name, evaluate=lambda model: {name: 1.0})


@pytest.mark.parametrize("returned, message", [
    ({"mean_iou": 0.5}, r"a score 'map' to monitor, got \['mean_iou'\]"), ({}, r"got \[\]"),
    (None, "with a number each, got None"), (0.5, "got 0.5"), ({"map": "high"}, "got {'map': 'high'}"),
    ({"map": [0.5, 0.6]}, "got"), ({"map": None}, "got {'map': None}")])
def test_scores_that_cannot_be_used_are_refused_and_the_epoch_is_kept(tmp_path, returned, message):
    with pytest.raises(ValueError, match="fit: expected evaluate to return .*" + message):
        fit_table([ROW], evaluate=lambda model: returned, monitor="map", checkpoint=tmp_path)
    history = fit_table([ROW], 2, evaluate=lambda model: {"map": 0.5}, monitor="map", checkpoint=tmp_path, resume=True)
    assert ["map" in row for row in history] == [False, True]
    assert load_arrays(tmp_path / "best.npz")["optimizer/steps"] == 2


@pytest.mark.parametrize("score", [np.float32(0.5), np.array(0.5), np.int64(1), True, 1])
def test_scores_may_be_any_kind_of_number(tmp_path, score):
    history = fit_table([ROW], evaluate=lambda model: {"score": score}, checkpoint=tmp_path)
    assert type(history[0]["score"]) is float
    assert fit_table([ROW], checkpoint=tmp_path, resume=True) == history


# Sources of batches

class Source:
    """Says it has `length` batches, and gives as many as `given` says, epoch by epoch."""

    def __init__(self, length, given):
        self.length, self.given = length, iter(given)

    def __len__(self):
        return self.length

    def __iter__(self):
        return iter([ROW] * next(self.given))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.lists(st.integers(0, 6), min_size=2, max_size=2))
def test_a_source_must_give_as_many_batches_as_its_len_says(length, given_batches):
    wrong = [n for n in given_batches if n != length]
    if not wrong:
        assert len(fit_table(Source(length, given_batches), 2)) == 2
        return
    message = (f"ran out of data after {wrong[0]} of {length} batches" if wrong[0] < length
               else f"expected {length} batches per epoch, as their len says, got more")
    with pytest.raises(ValueError, match=message):
        fit_table(Source(length, given_batches), 2)


def test_a_source_that_never_ends_is_refused_too():
    source = Source(2, [])
    source.__class__ = type("Endless", (Source,), {"__iter__": lambda self: itertools.repeat(ROW)})
    with pytest.raises(ValueError, match="expected 2 batches per epoch, as their len says, got more"):
        fit_table(source)


def test_a_training_goes_on_from_the_epoch_before_the_data_ran_out(tmp_path):
    class Short(Squares):
        def __iter__(self):
            return itertools.islice(super().__iter__(), 8 if next(whole) else 5)

    whole = iter([True, False])
    with pytest.raises(ValueError, match="ran out of data after 5 of 8"):
        run(Short(), checkpoint=tmp_path)
    model, history = run(checkpoint=tmp_path, resume=True)
    assert [row["loss"] for row in history] == [row["loss"] for row in run()[1]]


IMAGES, LABELS = np.zeros((6, 3, 8, 8), np.uint8), np.zeros((6, 8, 8), int)


@pytest.mark.parametrize("batches, message", [
    ((ROW for _ in range(3)), "expected batches with a len, such as Batches or a list.*got a generator"),
    (itertools.repeat(ROW), "got a repeat"), (ROW, r"a pair \(x, target\), got a ndarray; Batches\(images, labels"),
    ([None, ROW], "got a NoneType"), ([(*ROW, 1)], "got a tuple"), ([ROW[0]], "got a ndarray"),
    ([(ROW[0].tolist(), ROW[1])], "got a list"), ([(ROW[0].astype(int), ROW[1])], "got dtype int64"),
    ([(ROW[0][0], ROW[1])], r"It would fit as x\[None\]"), (Batches(IMAGES, LABELS, 3), "Linear")])
def test_what_is_not_a_batch_is_named(batches, message):
    with pytest.raises(ValueError, match=message):
        fit_table(batches)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("change, message", [
    (lambda x: x.tolist(), "got a list"), (lambda x: (x * 255).astype(np.uint8), "dtype uint8.*255"),
    (lambda x: x.transpose(0, 2, 3, 1), r"x\.transpose\(0, 3, 1, 2\)"), (lambda x: x[0], r"x\[None\]")])
def test_images_in_another_form_are_named_however_many_processes_train(threads, change, message):
    batches = Squares()
    images = [(change(x.repeat(4, 2).repeat(8, 3)), y.repeat(4, 1).repeat(8, 2)) for x, y in batches]
    model, _, loss, optimizer = new_training()
    before = get_num_threads()
    set_num_threads(threads)
    try:
        with pytest.raises(ValueError, match=message):
            fit(model, images, loss, optimizer, 1, progress=False)
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("images, labels, message", [
    (IMAGES, np.eye(4, dtype=int)[np.zeros(6, int)], r"They would fit as labels\.argmax\(axis=1\) if they are one-hot"),
    (IMAGES, np.moveaxis(np.eye(4)[LABELS], 3, 1), r"labels\.argmax\(axis=1\)"),
    (IMAGES, np.eye(4)[LABELS], r"labels\.argmax\(axis=3\)"), (IMAGES, LABELS[:, None], r"labels\.squeeze\(axis=1\)"),
    (IMAGES, np.zeros((6, 1), int), r"labels\.squeeze\(axis=1\)$"),
    (IMAGES.transpose(0, 2, 3, 1), LABELS, r"images\.transpose\(0, 3, 1, 2\)"),
    (IMAGES.astype(int), LABELS, r"images\.astype\(np\.uint8\)")])
def test_sets_in_another_form_are_told_how_they_fit(images, labels, message):
    with pytest.raises(ValueError, match="Batches: .*" + message):
        Batches(images, labels, 2)


# Links

def test_an_optimizer_of_another_model_is_refused():
    other = Adam(Linear(3, 2).parameters())
    with pytest.raises(ValueError, match="the optimizer has none of the model's parameters"):
        fit(Linear(3, 2), [ROW], CrossEntropyLoss(), other, 1)
    model = Linear(3, 2)
    optimizer = SGD([model.bias], 0.1)                       # only some of them: the others do not change
    weight = model.weight.data.copy()
    fit(model, [ROW], CrossEntropyLoss(), optimizer, 1, progress=False)
    assert np.array_equal(model.weight.data, weight) and model.bias.data.any()


def test_a_schedule_of_another_optimizer_is_refused():
    model = Linear(3, 2)
    optimizer = Adam(model.parameters())
    schedule = copy.deepcopy(CosineSchedule(optimizer, 4))   # with an optimizer of its own
    with pytest.raises(ValueError, match="the schedule is of another optimizer"):
        fit(model, [ROW], CrossEntropyLoss(), optimizer, 1, schedule=schedule)
    model, optimizer, schedule = copy.deepcopy((model, optimizer, CosineSchedule(optimizer, 4)))
    assert len(fit(model, [ROW], CrossEntropyLoss(), optimizer, 1, schedule=schedule, progress=False)) == 1


def test_a_copy_taken_while_evaluating_can_be_trained():
    """The best model so far, say."""
    copies = []

    def evaluate(model):
        copies.append(copy.deepcopy(model))
        return {}

    run(epochs=1, evaluate=evaluate)
    fit(copies[0], Squares(), CrossEntropyLoss(), Adam(copies[0].parameters()), 1, progress=False)
