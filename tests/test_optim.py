"""The optimizers, step by step against the written-out formulas, and the schedule."""
# mypy: disable-error-code="arg-type"
import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import SGD, Adam, CosineSchedule, Linear, Parameter, ReLU, Sequential, optim
from tests import reference as ref
from tests.strategies import FEW, seeds

SIZES = [(2, 3), (4,), (1,)]
each_optimizer = pytest.mark.parametrize("make", [
    lambda p: SGD(p, lr=0.1), lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01), lambda p: Adam(p, lr=0.01),
    lambda p: Adam(p, lr=0.01, betas=(0.8, 0.95), weight_decay=0.01)], ids=["sgd", "momentum", "adam", "adam, decay"])


def parameters(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [Parameter(rng.normal(size=size).astype(dtype)) for size in SIZES]


def flat(arrays):
    return np.concatenate([array.ravel() for array in arrays])


def gradients(seed):
    rng = np.random.default_rng(seed)
    while True:
        yield [rng.normal(size=size) for size in SIZES]


def walk(optimizer, drawn, steps):
    """Take steps with the drawn gradients; return all parameters as one vector."""
    for _ in range(steps):
        for p, g in zip(optimizer.parameters, next(drawn), strict=True):
            p.grad[...] = g
        optimizer.step()
    return flat(p.data for p in optimizer.parameters)


# Against the formulas

@FEW
@given(seeds, st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from([0.0, 0.1]))
def test_sgd_takes_the_steps_of_its_formula(seed, momentum, weight_decay):
    ps = parameters(seed)
    p, v = list(flat(q.data for q in ps)), [0.0] * 11
    optimizer, drawn, same = SGD(ps, 0.1, momentum, weight_decay), gradients(seed), gradients(seed)
    for _ in range(4):
        g = list(flat(next(same)))
        p, v = ref.sgd_step(p, g, v, 0.1, momentum, weight_decay)
        np.testing.assert_allclose(walk(optimizer, drawn, 1), p, rtol=1e-12, atol=1e-14)
    assert flat(q.grad for q in ps).tolist() == g        # weight decay is added to the step, not to the gradient


@FEW
@given(seeds, st.sampled_from([(0.9, 0.999), (0.0, 0.5), (0.5, 0.0)]), st.sampled_from([0.0, 0.1]),
       st.sampled_from([1e-8, 0.1]))
def test_adam_takes_the_steps_of_its_formula(seed, betas, weight_decay, eps):
    ps = parameters(seed)
    p, m, v = list(flat(q.data for q in ps)), [0.0] * 11, [0.0] * 11
    optimizer, drawn, same = Adam(ps, 0.01, betas, eps, weight_decay), gradients(seed), gradients(seed)
    for step in range(1, 5):
        p, m, v = ref.adam_step(p, list(flat(next(same))), m, v, step, 0.01, betas, eps, weight_decay)
        np.testing.assert_allclose(walk(optimizer, drawn, 1), p, rtol=1e-11, atol=1e-13)


@each_optimizer
def test_long_vectors_are_updated_block_by_block_alike(make, monkeypatch):
    whole = walk(make(parameters()), gradients(1), 3)
    monkeypatch.setattr(optim, "BLOCK_BYTES", 4 * 8)     # 11 numbers: blocks of 3, 4 and 4
    assert np.array_equal(walk(make(parameters()), gradients(1), 3), whole)


@each_optimizer
def test_single_precision_stays_single(make):
    ps = parameters(dtype=np.float32)
    optimizer = make(ps)
    close = walk(make(parameters()), gradients(1), 3)
    np.testing.assert_allclose(walk(optimizer, gradients(1), 3), close, rtol=1e-5, atol=1e-6)
    assert all(p.data.dtype == p.grad.dtype == np.float32 for p in ps)
    assert all(array.dtype == np.float32 for array in optimizer.state_dict().values() if array.size > 2)


@FEW
@given(seeds, st.floats(-9, 3), st.sampled_from([
    lambda p, lr: SGD(p, lr), lambda p, lr: SGD(p, lr, momentum=0.9, weight_decay=0.01), lambda p, lr: Adam(p, lr),
    lambda p, lr: Adam(p, lr, betas=(0.8, 0.95), weight_decay=0.01)]))
def test_half_precision_is_that_of_the_parameters_alone(seed, exponent, make):
    """Each step, from gradients of any size, is float64's for the same numbers, rounded when it is stored."""
    rng = np.random.default_rng(seed)
    half, double = [Parameter(rng.normal(size=20).astype(np.float16))], [Parameter(np.zeros(20))]
    ours, plain = make(half, 0.01), make(double, 0.01)
    for _ in range(4):
        half[0].grad[...] = rng.normal(size=20) * 10**exponent
        double[0].data[...], double[0].grad[...] = half[0].data, half[0].grad
        ours.step()
        plain.step()
        np.testing.assert_allclose(half[0].data, double[0].data.astype(np.float16), rtol=2**-10, atol=2**-23)
    assert half[0].data.dtype == half[0].grad.dtype == np.float16
    restored = make([Parameter(half[0].data.copy())], 0.01)
    restored.load_state_dict(ours.state_dict())
    for a, b in zip(ours.state_dict().values(), restored.state_dict().values(), strict=True):
        assert np.array_equal(a, b) and a.dtype == b.dtype


def test_sgd_of_half_precision_is_pytorchs():
    torch = pytest.importorskip("torch")
    p = Parameter(np.linspace(-2, 2, 9).astype(np.float16))
    theirs = torch.nn.Parameter(torch.from_numpy(p.data.copy()))
    ours, other = SGD([p], 0.125), torch.optim.SGD([theirs], 0.125)
    p.grad[...] = np.linspace(3, 1, 9)
    theirs.grad = torch.from_numpy(p.grad.copy())
    ours.step()
    other.step()
    np.testing.assert_allclose(p.data, theirs.detach().numpy(), rtol=2**-10)


# One vector, and the parameters as views of it

def test_parameters_become_views_of_one_vector_and_keep_their_values():
    ps = parameters()
    ps[0].grad[...] = 3
    data, grad = [p.data.copy() for p in ps], [p.grad.copy() for p in ps]
    optimizer = Adam(ps)
    for p, d, g in zip(ps, data, grad, strict=True):
        assert np.array_equal(p.data, d) and np.array_equal(p.grad, g)
        assert np.shares_memory(p.data, optimizer.data) and np.shares_memory(p.grad, optimizer.grad)
    ps[1].data[...] = 7
    ps[2].grad[...] = 5
    assert optimizer.data.tolist() == flat(p.data for p in ps).tolist() and optimizer.data[6:10].tolist() == [7] * 4
    assert optimizer.grad[-1] == 5
    optimizer.zero_grad()
    assert not any(p.grad.any() for p in ps)


def test_layers_and_load_state_dict_work_on_the_views():
    model = Sequential(Linear(3, 4, rng=0), ReLU(), Linear(4, 2, rng=1))
    state = {name: array + 1 for name, array in model.state_dict().items()}
    x = np.ones((5, 3), np.float32)
    twin = copy.deepcopy(model)
    optimizer = SGD(model.parameters(), lr=0.1)
    assert np.array_equal(model(x), twin(x))
    for m in (model, twin):
        m.backward(m(x))
    assert np.array_equal(optimizer.grad, flat(p.grad for p in twin.parameters()))
    model.load_state_dict(state)
    assert np.array_equal(optimizer.data, flat(state.values()))
    optimizer.step()
    moved = flat(state.values()) - np.float32(0.1) * flat(p.grad for p in twin.parameters())
    np.testing.assert_allclose(flat(p.data for p in model.parameters()), moved, rtol=1e-6)


@pytest.mark.parametrize("what", ["another optimizer", "astype", "data rebound", "grad rebound"])
def test_an_optimizer_whose_parameters_have_gone_says_so(what):
    model = Linear(3, 2, rng=0)
    optimizer = SGD(model.parameters(), lr=0.1)
    optimizer.step()
    if what == "another optimizer":
        other = Adam(model.parameters())
    elif what == "astype":
        model.astype(np.float32)
    elif what == "data rebound":
        model.weight.data = np.zeros((2, 3), np.float32)
    else:
        model.weight.grad = np.zeros((2, 3), np.float32)
    with pytest.raises(RuntimeError, match="no longer belong to this optimizer"):
        optimizer.step()
    assert optimizer.steps == 1
    if what == "another optimizer":
        other.step()


# Copies of a model with its optimizer and schedule

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda things: pickle.loads(pickle.dumps(things))}
each_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def with_optimizer(make, steps=2):
    model = Sequential(Linear(3, 4, rng=0), ReLU(), Linear(4, 2, rng=1))
    optimizer = make(model.parameters())
    schedule = CosineSchedule(optimizer, 9, warmup=1)
    train(model, optimizer, schedule, steps)
    return model, optimizer, schedule


def train(model, optimizer, schedule, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        model.backward(model.forward(X))
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
@each_copy
@each_optimizer
def test_copies_made_together_stay_together_and_apart_from_the_others(make, copied, order):
    """Both go on, one after the other, to the bits of a training that was never copied."""
    whole = with_optimizer(make, 5)
    things = with_optimizer(make)
    found = copied([things[i] for i in order])
    twins = tuple(found[order.index(i)] for i in range(3))
    for model, optimizer, schedule in (twins, things):
        assert schedule.optimizer is optimizer and optimizer.steps == 2
        assert all(np.shares_memory(p.data, optimizer.data) for p in model.parameters())
        train(model, optimizer, schedule, 3)
        assert optimizer.lr == whole[1].lr
        for name, array in whole[0].state_dict().items():
            assert np.array_equal(model.state_dict()[name], array)


@each_copy
def test_a_copy_of_one_alone_leaves_the_other_as_it_was(copied):
    model, optimizer, schedule = with_optimizer(Adam)
    before = model.state_dict()
    twin, alone = copied(model), copied(schedule)
    alone.optimizer.step()
    Adam(twin.parameters()).step()
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    train(model, optimizer, schedule, 1)


@each_copy
def test_an_optimizer_that_lost_its_parameters_is_copied_as_such(copied):
    model, first, _ = with_optimizer(Adam)
    second = SGD(model.parameters(), 0.1)
    for things in ([model, first, second], [second, first, model], [first, second, model]):
        twins = copied(things)
        twins[things.index(second)].step()
        with pytest.raises(RuntimeError, match="no longer belong to this optimizer"):
            twins[things.index(first)].step()


def test_a_pickle_holds_each_number_once():
    big = Parameter(np.zeros(100_000))
    assert len(pickle.dumps([big, Adam([big])])) < 4.1 * big.data.nbytes          # data, gradient, m and v


# The state

@each_optimizer
def test_a_state_restored_goes_on_bit_for_bit(make):
    straight = walk(make(parameters()), gradients(1), 5)
    first, drawn = make(parameters()), gradients(1)
    walk(first, drawn, 2)
    state = first.state_dict()
    ps = parameters(seed=9)
    for p, q in zip(ps, first.parameters, strict=True):
        p.data[...] = q.data
    second = make(ps)
    second.lr = 77.0
    second.load_state_dict(state)
    assert np.array_equal(walk(second, drawn, 3), straight) and second.steps == 5
    assert int(state["steps"]) == 2                      # the state is a copy


@pytest.mark.parametrize("spoil", [
    lambda state: state.pop("v"), lambda state: state.update(velocity=np.zeros(11)),
    lambda state: state.update(m=np.zeros(10)), lambda state: state.pop("steps")])
def test_a_state_that_does_not_fit_is_refused(spoil):
    optimizer = Adam(parameters())
    state = optimizer.state_dict()
    state["m"] += 1
    spoil(state)
    with pytest.raises(ValueError, match="Adam.load_state_dict: expected the arrays"):
        optimizer.load_state_dict(state)
    assert not optimizer.m.any()


# What is refused

@pytest.mark.parametrize("make, message", [
    (lambda p: SGD([], 0.1), "at least one parameter, got none"), (lambda p: Adam(ReLU().parameters()), "got none"),
    (lambda p: SGD([p, p], 0.1), "a parameter is given twice"),
    *((lambda p, given=given: Adam(given), r"expected parameters, as model\.parameters\(\) returns them, got " + got)
      for given, got in ((Linear(2, 2), "Linear"), (Sequential(Linear(2, 2)), "Sequential"), ([Linear(2, 2)], r"\[Lin"),
                         (Linear(2, 2).named_parameters(), r"\[\('weight'"), (Linear(2, 2).parameters, "<bound"),
                         (Linear(2, 2).state_dict(), r"\{'weight'"), (np.ones(3), "array"), ("abc", "'abc'"))),
    (lambda p: CosineSchedule(Linear(2, 2), 3), "CosineSchedule: expected an optimizer, got Linear"),
    (lambda p: Adam([p, Parameter(np.zeros(2, np.float32))]), "one dtype, got float32 and float64"),
    (lambda p: SGD([p], -0.1), "lr >= 0, got -0.1"), (lambda p: SGD([p], math.nan), "lr >= 0, got nan"),
    (lambda p: Adam([p], math.inf), "lr >= 0, got inf"), (lambda p: Adam([p], weight_decay=-1), "weight_decay >= 0"),
    (lambda p: SGD([p], 0.1, momentum=1.0), r"momentum in \[0, 1\), got 1.0"),
    (lambda p: Adam([p], betas=(0.9, 1.0)), r"betas in \[0, 1\)"), (lambda p: Adam([p], betas=(-0.1, 0.9)), "betas"),
])
def test_settings_that_make_no_sense_are_refused(make, message):
    p = Parameter(np.ones(3))
    data = p.data
    with pytest.raises(ValueError, match=message):
        make(p)
    if "momentum" not in message and "betas" not in message:
        assert p.data is data                            # refused before the parameters moved


# The schedule

def optimizer_of(lr):
    return SGD([Parameter(np.zeros(1))], lr)


def rates(schedule, steps):
    """Return the optimizer's lr at the start and after each step."""
    met = [schedule.optimizer.lr]
    for _ in range(steps):
        schedule.step()
        met.append(schedule.optimizer.lr)
    return met


def test_the_schedule_falls_along_half_a_cosine():
    lr = rates(CosineSchedule(optimizer_of(0.8), steps=8, final_lr=0.2), 10)
    assert lr[0] == pytest.approx(0.8) and lr[4] == pytest.approx(0.5)   # halfway in steps, halfway in lr
    assert lr[2] == pytest.approx(0.2 + 0.6 * (1 + math.sqrt(0.5)) / 2)
    assert lr[8:] == pytest.approx([0.2] * 3)                               # and stays there
    assert all(a > b for a, b in zip(lr[:8], lr[1:9]))


def test_the_schedule_rises_in_a_straight_line_first():
    lr = rates(CosineSchedule(optimizer_of(1.0), steps=13, warmup=3), 13)
    assert lr[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert lr[8] == pytest.approx(0.5) and lr[13] == pytest.approx(0, abs=1e-15)


def test_a_schedule_restored_goes_on_where_it_was():
    first, second = optimizer_of(0.8), optimizer_of(0.1)
    a = CosineSchedule(first, steps=8, warmup=2)
    rates(a, 5)
    b = CosineSchedule(second, steps=3, warmup=2)
    b.load_state_dict(a.state_dict())
    assert second.lr == first.lr
    a.step()
    b.step()
    assert second.lr == first.lr == pytest.approx(a.lr(6))


@pytest.mark.parametrize("settings", [{"steps": 0}, {"steps": 5, "warmup": 5}, {"steps": 5, "warmup": -1},
                                      {"steps": 5, "final_lr": -0.1}])
def test_schedules_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match="CosineSchedule: expected steps >= 1"):
        CosineSchedule(optimizer_of(0.1), **settings)
