"""DataParallel: the step is the whole batch's, and it ends well whatever happens."""
import copy
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from minidl import (
    SGD, Adam, BatchNorm2d, Conv2d, CosineSchedule, CrossEntropyLoss, Dropout, MaxPool2d, MSELoss,
    RelativisticAverageLoss, ReLU, Residual, Sequential, Skip, Sum, Upsample, get_num_threads, set_num_threads, unet,
)
from minidl.layers import Layer
from minidl.parallel import DataParallel, useful_workers
from minidl.predict.model import open_model
from minidl.step import predict, train_step
from minidl.training import fit
from tests.parallels import CLASSES, training
from tests.programs import ROOT
from tests.strategies import assert_close


@st.composite
def models(draw):
    """A model of three channels in and classes out, float64: blocks in and beside containers, drawn by a seed."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    channels, layers = 3, []

    def block(before, after):
        return [Conv2d(before, after, 3, padding="same", bias=False, rng=rng), BatchNorm2d(after), ReLU()]

    kinds = ["block", "skip", "residual", "sum", "dropout"]
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4)):
        if kind == "block":
            layers += block(channels, 4)
            channels = 4
        elif kind == "skip":
            layers.append(Skip(Sequential(MaxPool2d(2), *block(channels, 2), Upsample(2))))
            channels += 2
        elif kind == "residual":
            layers.append(Residual(Sequential(*block(channels, channels)), scale=0.5))
        elif kind == "sum":
            layers.append(Sum(Conv2d(channels, 3, 1, rng=rng), Sequential(*block(channels, 3))))
            channels = 3
        else:
            layers.append(Dropout(0.3, rng=rng))
    return Sequential(*layers, Conv2d(channels, CLASSES, 1, rng=rng)).astype(np.float64)


LOSSES = [lambda: CrossEntropyLoss(), lambda: CrossEntropyLoss(np.array([1.0, 3.0, 0.5]), ignore_index=1),
          lambda: CrossEntropyLoss(reduction="sum"), lambda: MSELoss()]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(models(), st.sampled_from(LOSSES), st.integers(1, 4), st.integers(0, 99))
def test_steps_are_those_of_one_process(model, make_loss, workers, seed):
    rng = np.random.default_rng(seed)
    model, twin = copy.deepcopy(model), copy.deepcopy(model)
    a, b, loss_a, loss_b = (SGD(model.parameters(), 1e-2, momentum=0.9, weight_decay=0.1),
                            SGD(twin.parameters(), 1e-2, momentum=0.9, weight_decay=0.1), make_loss(), make_loss())
    with DataParallel(twin, loss_b, b, workers) as team:
        for n in (5, 2, 1, 4):                                   # a short last batch; fewer images than workers
            x = rng.normal(size=(n, 3, 4, 6))
            labels = rng.integers(0, CLASSES, (n, 4, 6))
            labels[0] = 1                                        # a part in which no label may count
            labels[0, 0] = 0 if n == 1 else 1
            target = rng.normal(size=(n, CLASSES, 4, 6)) if isinstance(loss_a, MSELoss) else labels
            assert team.step(x, target) == pytest.approx(train_step(model, loss_a, a, x, target), rel=1e-12)
            assert_close(b.grad, a.grad)
        outputs = team.predict(x, batch_size=1)
    assert_close(outputs, predict(model, x))
    for name, array in model.state_dict().items():
        assert_close(twin.state_dict()[name], array)
    assert type(twin) is Sequential and all(vars(layer).get("part") is None for _, layer in twin.walk())
    alone = train_step(twin, loss_b, b, x, target)                   # it goes on without the team
    assert alone == pytest.approx(train_step(model, loss_a, a, x, target), rel=1e-12)


def test_same_bits_each_time_and_it_learns():
    found = []
    for _ in range(2):
        parallel, x, target = training(3)
        with parallel as team:
            found.append([team.step(x, target) for _ in range(5)])
    assert found[0] == found[1] and found[0][-1] < found[0][0]


def test_a_worker_that_is_killed_is_an_error_at_once(left_over):
    parallel, x, target = training()
    with pytest.raises(RuntimeError, match="worker 1 ended unexpectedly"), parallel as team:
        team.step(x, target)
        process = team.team.processes[0]
        process.kill()
        started = time.perf_counter()
        try:
            team.step(x, target)
        finally:
            assert time.perf_counter() - started < 5
    assert not left_over()


def test_a_workers_error_comes_with_its_traceback(left_over):
    parallel, x, target = training()
    target[5] = 9                                                # in the worker's part
    told = r"worker 1 failed:(.|\n)*expected labels 0\.\.2, got 9 at \(2, 0, 0\)(.|\n)*begins with sample 3"
    with pytest.raises(RuntimeError, match=told), parallel as team:
        process = team.team.processes[0]
        team.step(x, target)
    assert process.poll() is not None and not left_over()


def test_a_loss_that_is_not_finite_updates_nothing_and_is_explained():
    parallel, x, target = training()
    with np.errstate(all="ignore"), parallel as team:
        team.step(x, target)
        parallel.model[3].weight.data[...] = np.inf
        before = parallel.model.state_dict()
        where = "at step 1 with learning rate 0.01; NaN or infinity first appeared in the parameter 3.weight"
        with pytest.raises(FloatingPointError, match=where):
            team.step(x, target)
        assert np.array_equal(parallel.model.state_dict()["0.weight"], before["0.weight"])
        with pytest.raises(RuntimeError, match="within its `with` block"):
            team.step(x, target)


def test_what_changes_between_steps_changes_for_all():
    """The learning rate, frozen batch norm, and what is refused."""
    parallel, x, target = training(2, SGD)
    twin, _, _ = training(1, SGD)
    with parallel as team, twin as alone:
        for lr, mode in ((1e-2, True), (1e-3, False), (1e-3, True)):
            for one in (parallel, twin):
                one.optimizer.lr = lr
                one.model[1].training = mode
            assert team.step(x, target) == pytest.approx(alone.step(x, target), rel=1e-5)
        for wrong, message in ((x[:0], "at least one sample"), (x[:, :2], r"shape \(N, 3, H, W\)")):
            with pytest.raises(ValueError, match=message):
                team.step(wrong, target)
        assert np.isfinite(team.step(x, target))                             # nothing of this ends the team
        Adam(parallel.model.parameters())
        with pytest.raises(RuntimeError, match="no longer belong to this optimizer"):
            team.step(x, target)


def test_copies_made_within_a_team_train_alone():
    parallel, x, target = training(2)
    with parallel as team:
        team.step(x, target)
        for copied in (copy.deepcopy, lambda things: pickle.loads(pickle.dumps(things))):
            model, loss, optimizer = copied((parallel.model, CrossEntropyLoss(), parallel.optimizer))
            alone = train_step(model, loss, optimizer, x, target)
    with parallel as team:
        assert team.step(x, target) == pytest.approx(alone, rel=1e-5)
        assert np.allclose(model[0].weight.data, parallel.model[0].weight.data, atol=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_batch_in_which_nothing_counts_is_refused(reduction):
    parallel, x, target = training()
    parallel.loss = CrossEntropyLoss(ignore_index=1, reduction=reduction)
    with pytest.raises((ValueError, RuntimeError), match="left to count"), parallel as team:
        team.step(x, np.ones_like(target))


class Noise(Layer):
    def __init__(self):
        self.rng = np.random.default_rng(0)


class OtherNorm(BatchNorm2d):
    pass


def a_loss_from_the_program():
    kind = type("OwnLoss", (MSELoss,), {"__module__": "__main__"})
    return kind()


@pytest.mark.parametrize("layer, loss, reason", [
    (ReLU(), RelativisticAverageLoss(), "RelativisticAverageLoss relates the samples of a batch to each other"),
    (Noise(), MSELoss(), r"layer 1, Noise\(\), may depend on the whole batch"),
    (OtherNorm(2), MSELoss(), r"layer 1, OtherNorm\(2\), may depend on the whole batch"),
    (ReLU(), a_loss_from_the_program(), "OwnLoss is defined in the program itself")])
def test_what_cannot_be_cut_into_parts_is_refused(layer, loss, reason):
    model = Sequential(Conv2d(3, 2, 1), layer)
    optimizer = SGD(model.parameters(), 0.1)
    with pytest.raises(ValueError, match=reason):
        DataParallel(model, loss, optimizer, 2)
    assert DataParallel(model, loss, optimizer, 1).workers == 1


def test_one_worker_is_the_plain_loop():
    parallel, x, target = training(1)
    twin, _, _ = training(1)
    with parallel as team:
        values = [team.step(x, target) for _ in range(3)]
    assert values == [train_step(twin.model, twin.loss, twin.optimizer, x, target) for _ in range(3)]
    assert all(np.array_equal(a.data, b.data) for a, b in zip(parallel.model.parameters(), twin.model.parameters()))


class Noises:
    """Three batches of images of noise, with a class per pixel: is its first channel bright?"""

    def __init__(self, stop_at=None):
        self.rng = np.random.default_rng(4)
        self.drawn, self.stop_at = 0, stop_at

    def __len__(self):
        return 3

    def __iter__(self):
        for n in (6, 6, 5):
            x = self.rng.random((n, 3, 32, 32), np.float32)
            self.drawn += 1
            if self.drawn == self.stop_at:
                signal.raise_signal(signal.SIGINT)
            yield x, (x[:, 0] > 0.5).astype(int)


def fitted(threads, folder, resume=False, **options):
    before = get_num_threads()
    set_num_threads(threads)
    try:
        model = unet(2, rng=0)
        optimizer = Adam(model.parameters(), 1e-2)
        history = fit(model, options.pop("batches", Noises()), CrossEntropyLoss(), optimizer, 3, progress=False,
                      schedule=CosineSchedule(optimizer, 9), checkpoint=folder, resume=resume, monitor="right",
                      evaluate=lambda model: {"right": float(predict(model, np.ones((2, 3, 32, 32), np.uint8)).max())})
    finally:
        set_num_threads(before)
    return model, history


def test_fit_trains_on_all_cores_and_resumes_with_as_many_to_the_same_bits(tmp_path, left_over):
    one, history = fitted(1, tmp_path / "one")
    two, same_history = fitted(2, tmp_path / "two")
    for a, b in zip(history, same_history, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
    assert not np.array_equal(one[0].weight.data, two[0].weight.data)        # two processes did train
    _, stopped = fitted(2, tmp_path / "again", batches=Noises(stop_at=5))
    assert stopped.stopped and len(stopped) == 1
    again, resumed_history = fitted(1, tmp_path / "again", resume=True)
    assert [row["loss"] for row in resumed_history] == [row["loss"] for row in same_history]
    state = two.state_dict()
    assert all(np.array_equal(state[name], array) for name, array in again.state_dict().items())
    best, _ = open_model(tmp_path / "two" / "best.npz")                      # the file knows how the model was built
    assert repr(best) == repr(two) and not left_over()


def test_fit_says_why_only_one_process_trains(capsys):
    model = Sequential(Conv2d(3, 2, 1), Noise())
    x = np.zeros((4, 3, 64, 64), np.float32)
    before = get_num_threads()
    set_num_threads(2)
    try:
        assert useful_workers(model, MSELoss(), SGD(model.parameters(), 0.1), x) == 1
    finally:
        set_num_threads(before)
    assert "One process trains, not 2: layer 1, Noise(), may depend on the whole batch." in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a way to kill a process at once")
def test_when_the_first_process_is_killed_the_workers_go(left_over):
    code = ("from tests.parallels import training\nparallel, x, target = training(3)\n"
            "with parallel as team:\n    team.step(x, target)\n"
            "    print(*[process.pid for process in team.team.processes], flush=True)\n"
            "    while True: team.step(x, target)")
    program = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                               env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert program.stdout is not None
    workers = [int(word) for word in program.stdout.readline().split()]
    program.kill()
    program.communicate()
    end = time.perf_counter() + 10
    while any(alive(worker) for worker in workers) and time.perf_counter() < end:
        time.sleep(0.05)
    assert len(workers) == 2 and not any(alive(worker) for worker in workers) and not left_over()


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True
