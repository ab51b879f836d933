"""fit(): what it learns, saves, resumes, and says when something goes wrong."""
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from minidl import (
    SGD, Adam, BCEWithLogitsLoss, BatchNorm2d, Conv2d, CosineSchedule, CrossEntropyLoss, Dropout, L1Loss, MSELoss, ReLU,
    Sequential, SmoothL1Loss,
)
from minidl.checkpoint import load_weights, unfinished
from minidl.runtime.non_finite import first_non_finite
from minidl.runtime.npz import load_arrays
from minidl.step import predict, predict_classes
from minidl.tasks.segmentation.experiment import segmentation_scores
from minidl.training import fit
from tests.trainings import EPOCHS, Squares, new_training, run

CLASSES = ("dark", "bright")
ROOT = Path(__file__).resolve().parents[1]


class Interrupted(CrossEntropyLoss):
    """A loss in whose n-th computation somebody presses Ctrl-C, once or twice."""

    def __init__(self, at=None, presses=1):
        super().__init__()
        self.at, self.presses, self.computed = at, presses, 0

    def forward(self, prediction, target):
        self.computed += 1
        for _ in range(self.presses if self.computed == self.at else 0):
            signal.raise_signal(signal.SIGINT)
        return super().forward(prediction, target)


def scores(model):
    data = Squares()
    return segmentation_scores(model, data.x, data.labels, CLASSES)


def equal_states(a, b):
    a, b = a.state_dict(), b.state_dict()
    return all(np.array_equal(a[name], b[name]) for name in a)


def train(folder, kind, settings, epochs, schedule=None, **options):
    """Train with an optimizer of this kind (and a cosine schedule with these settings); return model and history."""
    model, batches, loss, _ = new_training()
    optimizer = kind(model.parameters(), **settings)
    cosine = None if schedule is None else CosineSchedule(optimizer, 24, **schedule)
    return model, fit(model, batches, loss, optimizer, epochs, schedule=cosine, progress=False, checkpoint=folder,
                      **options)


def test_training_learns():
    model, history = run(evaluate=scores)
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    assert history[-1]["mean_iou"] > 0.7 > history[0]["mean_iou"]
    assert [row["epoch"] for row in history] == list(range(1, EPOCHS + 1))
    assert model.training


def test_evaluation_only_as_often_as_asked_and_at_the_end():
    _, history = run(epochs=5, evaluate=scores, evaluate_every=2)
    assert [row["epoch"] for row in history if "mean_iou" in row] == [2, 4, 5]


@pytest.mark.parametrize("loss", [
    MSELoss(), L1Loss(), SmoothL1Loss(), BCEWithLogitsLoss(), CrossEntropyLoss(),
    CrossEntropyLoss(weight=np.array([1.0, 5.0, 0.5])), CrossEntropyLoss(ignore_index=1)])
def test_an_epochs_loss_is_that_of_all_samples(loss):
    """A short batch counts as much as it has samples, or labels that count."""
    rng = np.random.default_rng(0)
    x, target = rng.random((2, 5, 3, 4, 4)).astype(np.float32)
    if isinstance(loss, CrossEntropyLoss):
        target = rng.integers(0, 3, (5, 4, 4))
        target[0, :3] = 1
    model = Conv2d(3, 3, 1, rng=0)
    whole = loss(model(x), target)
    batches = [(x[:1], target[:1]), (x[1:], target[1:])]
    history = fit(model, batches, loss, SGD(model.parameters(), 0), 1, progress=False)
    assert history[0]["loss"] == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("interrupt_at", [1, 8, 9, 21, 8 * EPOCHS - 1])
def test_resumed_training_ends_with_the_same_bits(tmp_path, interrupt_at):
    whole, whole_history = run()
    _, history = run(loss=Interrupted(interrupt_at), checkpoint=tmp_path)
    assert history.stopped and len(history) == interrupt_at // 8
    resumed, resumed_history = run(checkpoint=tmp_path, resume=True)
    assert equal_states(whole, resumed)
    assert [row["loss"] for row in resumed_history] == [row["loss"] for row in whole_history]
    assert not resumed_history.stopped


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_any_kind_of_generator_is_restored(tmp_path, kind):
    """The states of some of them hold arrays, which JSON does not know."""
    def batches():
        squares = Squares()
        squares.rng = np.random.Generator(kind(5))
        return squares

    whole, _ = run(batches())
    run(batches(), loss=Interrupted(21), checkpoint=tmp_path)
    assert equal_states(whole, run(batches(), checkpoint=tmp_path, resume=True)[0])


def test_weights_can_be_taken_from_a_checkpoint(tmp_path):
    model, _ = run(checkpoint=tmp_path)
    other = new_training()[0]
    load_weights(tmp_path / "last.npz", other)
    assert equal_states(model, other)


def test_batches_without_a_generator_train_as_well(tmp_path):
    x = np.random.default_rng(1).random((8, 3, 8, 8), dtype=np.float32)
    batches = [(x, (x[:, 0] > 0.5).astype(int))] * 4
    model, _, loss, optimizer = new_training()
    history = fit(model, batches, loss, optimizer, 3, checkpoint=tmp_path, progress=False)
    assert history[-1]["loss"] < history[0]["loss"]
    assert fit(model, batches, loss, optimizer, 3, checkpoint=tmp_path, resume=True, progress=False) == history


def test_resuming_a_finished_training_changes_nothing(tmp_path):
    model, history = run(checkpoint=tmp_path)
    again, history_again = run(checkpoint=tmp_path, resume=True)
    assert equal_states(model, again) and history_again == history


def test_a_stopped_training_is_unfinished_until_it_is_resumed(tmp_path):
    last = tmp_path / "last.npz"
    run(loss=Interrupted(3), checkpoint=tmp_path)
    assert unfinished(last)
    run(checkpoint=tmp_path, resume=True)
    assert not unfinished(last)
    last.write_bytes(last.read_bytes()[:100])
    assert unfinished(last) and unfinished(tmp_path / "missing.npz")


def test_ctrl_c_leaves_the_signal_handler_as_it_was():
    before = signal.getsignal(signal.SIGINT)
    _, history = run(loss=Interrupted(3))
    assert history.stopped and signal.getsignal(signal.SIGINT) is before


def test_second_ctrl_c_interrupts_at_once():
    with pytest.raises(KeyboardInterrupt):
        run(loss=Interrupted(1, presses=2))


@pytest.mark.parametrize("after", [0.0, 0.1])
def test_a_killed_training_loses_at_most_an_epoch_and_ends_with_the_same_bits(tmp_path, after):
    code = f"from tests.trainings import Slow, run; run(Slow(), checkpoint={str(tmp_path)!r})"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    training = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)
    while not (tmp_path / "last.npz").exists():
        assert training.poll() is None, "the training should still be running"
        time.sleep(0.005)
    time.sleep(after)
    training.kill()                              # no handler, no goodbye
    training.wait()
    done = load_arrays(tmp_path / "last.npz")["optimizer/steps"]
    assert done % 8 == 0 and 8 <= done < 8 * EPOCHS, "whole epochs, and not all of them"
    resumed, history = run(checkpoint=tmp_path, resume=True)
    assert equal_states(run()[0], resumed) and len(history) == EPOCHS


def test_the_next_batch_is_made_while_the_model_is_trained():
    class Watched(Squares):
        def __iter__(self):
            for batch in super().__iter__():
                makers.add(threading.get_ident())
                yield batch

    makers = set()
    _, history = run(Watched(), epochs=1)
    assert threading.get_ident() not in makers
    assert 0 <= history[0]["waited"] < history[0]["seconds"]


def test_an_error_in_a_batch_reaches_the_caller():
    class Broken(Squares):
        def __iter__(self):
            yield from itertools.islice(super().__iter__(), 3)
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        run(Broken())


def test_best_checkpoint_is_that_of_the_highest_score(tmp_path):
    given = iter([0.1, 0.9, 0.3])
    _, history = run(epochs=3, evaluate=lambda model: {"score": next(given)}, monitor="score", checkpoint=tmp_path)
    assert load_arrays(tmp_path / "best.npz")["optimizer/steps"] == 16
    assert load_arrays(tmp_path / "last.npz")["optimizer/steps"] == 24


class Fewer(Squares):
    def __len__(self):
        return 7

    def __iter__(self):
        yield from itertools.islice(super().__iter__(), 7)


@pytest.mark.parametrize("asked, message", [
    ({"batches": Fewer()}, r"last\.npz.*steps per epoch: 8 in the checkpoint, 7 here"),
    ({"epochs": 2}, "6 epochs are done, 2 were asked for"),
    ({"width": 9}, r"last\.npz.*0\.weight: expected shape \(9, 3, 3, 3\), got \(8, 3, 3, 3\)"),
])
def test_checkpoint_of_another_training_is_refused(asked, message, tmp_path):
    run(checkpoint=tmp_path)
    with pytest.raises(ValueError, match=message):
        run(**asked, checkpoint=tmp_path, resume=True)


def test_refused_checkpoint_leaves_the_model_alone(tmp_path):
    run(checkpoint=tmp_path)
    model, batches, loss, optimizer = new_training()
    before = model.state_dict()
    with pytest.raises(ValueError, match="cannot be resumed"):
        fit(model, batches, loss, SGD(model.parameters(), 0.1), EPOCHS, checkpoint=tmp_path, resume=True)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())


def test_resume_may_ask_for_more_epochs(tmp_path, capsys):
    """With a constant learning rate the result is that of one long training."""
    whole, _ = train(tmp_path, Adam, {"lr": 0.05}, 5)
    train(tmp_path, Adam, {"lr": 0.05}, 2)
    resumed, history = train(tmp_path, Adam, {"lr": 0.05}, 5, resume=True)
    assert equal_states(whole, resumed) and len(history) == 5 and not history.stopped
    assert "epochs: 5 as asked (2 in the checkpoint)" in capsys.readouterr().out


def test_more_epochs_stretch_the_schedule(tmp_path):
    run(epochs=2, checkpoint=tmp_path)
    _, history = run(epochs=4, checkpoint=tmp_path, resume=True)
    assert [row["lr"] for row in history] == pytest.approx([0.025, 0, 0.05 * (1 + np.cos(np.pi * 3 / 4)) / 2, 0])


@pytest.mark.parametrize("kind, given, asked, said", [
    (SGD, {"lr": 0.1, "momentum": 0.9}, {"lr": 0.2, "momentum": 0.5},
     "lr: 0.1 as in the checkpoint (0.2 was asked for), momentum: 0.9 as in the checkpoint (0.5 was asked for)"),
    (Adam, {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.1}, {"lr": 0.1, "eps": 1e-3},
     "betas: (0.8, 0.9) as in the checkpoint ((0.9, 0.999) was asked for), eps: 1e-08 as in the checkpoint (0.001 was "
     "asked for), weight_decay: 0.1 as in the checkpoint (0.0 was asked for)"),
])
def test_resume_says_which_settings_differ_and_are_used(tmp_path, capsys, kind, given, asked, said):
    whole, _ = train(tmp_path, kind, given, 3)
    train(tmp_path, kind, given, 2)
    capsys.readouterr()
    assert equal_states(whole, train(tmp_path, kind, asked, 3, resume=True)[0])
    assert said in capsys.readouterr().out


def test_resume_says_which_schedule_is_used(tmp_path, capsys):
    train(tmp_path, Adam, {}, 2, {"warmup": 4})
    train(tmp_path, Adam, {}, 3, {"warmup": 6, "final_lr": 1e-3}, resume=True)
    said = capsys.readouterr().out
    assert "warmup: 4 as in the checkpoint (6 was asked for)" in said and "final_lr: 0.0 as in" in said


def test_resume_with_the_same_settings_says_nothing(tmp_path, capsys):
    run(loss=Interrupted(11), checkpoint=tmp_path)
    capsys.readouterr()
    run(checkpoint=tmp_path, resume=True)
    assert not capsys.readouterr().out


def test_nan_in_the_data_names_the_sample():
    batches = Squares()
    batches.x[:] = 0.5
    batches.x[:, 0, 2, 2] = np.nan
    with pytest.raises(ValueError, match="step 0: sample 0 of the batch contains NaN"):
        run(batches)


def test_diverging_loss_names_step_learning_rate_and_layer():
    model, batches, loss, _ = new_training()
    optimizer = SGD(model.parameters(), 1e30)
    with pytest.raises(FloatingPointError, match=r"at step [1-9]\d* with learning rate 1e\+30.*first appeared in the"):
        fit(model, batches, loss, optimizer, 3, progress=False)


def test_first_non_finite_names_the_layer_or_the_parameter():
    model = Sequential(Conv2d(1, 1, 1, bias=False, rng=0), Sequential(ReLU(), Conv2d(1, 1, 1, bias=False, rng=0)))
    x = np.ones((1, 1, 2, 2), np.float32)
    model.parameters()[0].data[...] = 1e30
    model.parameters()[1].data[...] = 1e30
    with np.errstate(over="ignore"):
        assert "output of layer 1.1, Conv2d(1, 1, 1, bias=False)" in first_non_finite(model, x)
    model.parameters()[1].data[...] = np.inf
    assert first_non_finite(model, x) == "the parameter 1.1.weight"
    assert "forward" not in vars(model.layers[0])      # the watching is over


@pytest.mark.parametrize("options, message", [
    ({"epochs": 0}, "epochs=0"),
    ({"evaluate_every": 0}, "evaluate_every=0"),
    ({"monitor": "mean_iou"}, "needs an evaluate function"),
])
def test_impossible_settings_are_refused(options, message):
    model, batches, loss, optimizer = new_training()
    with pytest.raises(ValueError, match=message):
        fit(model, batches, loss, optimizer, **({"epochs": 1, "progress": False} | options))


def test_predict_is_the_same_for_any_batch_size():
    model, _ = run(epochs=1)
    x = Squares().x
    assert predict(model, x).shape == (32, 2, 8, 8)
    assert np.allclose(predict(model, x, 5), predict(model, x, 32), atol=1e-6)


def test_predict_leaves_each_layer_in_its_mode():
    model = Sequential(Conv2d(3, 2, 1, rng=0), Dropout(0.5, rng=0).eval(), BatchNorm2d(2))
    predict(model, np.zeros((1, 3, 2, 2), np.uint8))
    assert [layer.training for _, layer in model.walk()] == [True, True, False, True]


@pytest.mark.parametrize("classes, dtype", [(3, np.uint8), (256, np.uint8), (300, np.uint16)])
def test_predicted_classes_are_not_wrapped(classes, dtype):
    best = Conv2d(1, classes, 1, rng=0)
    best.load_state_dict({"weight": np.zeros((classes, 1, 1, 1)), "bias": np.arange(classes)})
    predicted = predict_classes(best, np.zeros((2, 1, 2, 2), np.uint8))
    assert (predicted == classes - 1).all() and predicted.dtype == dtype


def test_predict_scales_bytes():
    model, _ = run(epochs=1)
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    assert np.allclose(predict(model, images), predict(model, images.astype(np.float32) / 255), atol=1e-6)


@pytest.mark.parametrize("function", [predict, predict_classes])
def test_predict_refuses_nothing_and_what_are_not_images(function):
    model = new_training()[0]
    for images, message in (
            (np.zeros((0, 3, 8, 8), np.uint8), "at least one image"), ([], "at least one image"),
            (np.zeros((3, 8, 8), np.uint8), r"got \(3, 8, 8\).*x\[None\]"),
            (np.zeros((8, 8, 3), np.uint8), r"x\.transpose\(2, 0, 1\)\[None\]"),
            (np.zeros((5, 8, 8, 3), np.uint8), r"x\.transpose\(0, 3, 1, 2\)"),
            (np.zeros((2, 3, 8, 8), int), "dtype int64.*255")):
        with pytest.raises(ValueError, match=message):
            function(model, images)
    images = Squares().x[:3]
    assert np.array_equal(function(model, list(images)), function(model, images))


def test_progress_lines(capsys):
    model, batches, loss, optimizer = new_training()
    fit(model, batches, loss, optimizer, 2, evaluate=scores)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("epoch 1/2, loss 0.") and "mean iou 0." in lines[0]
    assert lines[0].endswith("left") and "took" in lines[1]


def test_killed_while_writing_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    run(checkpoint=tmp_path)
    old = (tmp_path / "last.npz").read_bytes()

    def broken_replace(*_):
        raise OSError("disk full")
    monkeypatch.setattr(os, "replace", broken_replace)
    with pytest.raises(OSError, match="disk full"):
        run(checkpoint=tmp_path)
    assert (tmp_path / "last.npz").read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["last.npz"]
