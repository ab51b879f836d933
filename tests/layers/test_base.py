"""Parameter and Layer: the state and its names, types, and the summary."""
import numpy as np
import pytest

from minidl import BatchNorm2d, Conv2d, Flatten, Layer, Linear, MaxPool2d, Parameter, ReLU, Residual, Sequential, Skip
from minidl import Upsample


def model(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential(Conv2d(3, 4, 3, padding="same", rng=rng), BatchNorm2d(4), ReLU(),
                      Skip(Sequential(MaxPool2d(2), Conv2d(4, 2, 1, rng=rng), Upsample(2))),
                      Flatten(), Linear(96, 2, rng=rng))


SHAPES = {
    "0.weight": (4, 3, 3, 3), "0.bias": (4,),
    "1.weight": (4,), "1.bias": (4,), "1.running_mean": (4,), "1.running_var": (4,), "1.num_batches_tracked": (),
    "3.inner.1.weight": (2, 4, 1, 1), "3.inner.1.bias": (2,),
    "5.weight": (2, 96), "5.bias": (2,),
}
X = np.random.default_rng(1).normal(size=(2, 3, 4, 4)).astype(np.float32)


def equal(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_a_parameters_gradient_is_initialized_to_zeros():
    p = Parameter(np.ones((2, 3), np.float32))
    assert p.grad.shape == (2, 3) and p.grad.dtype == np.float32 and not p.grad.any()
    assert repr(p) == "Parameter(shape=(2, 3), dtype=float32)"


def test_a_layer_without_its_methods_says_so():
    with pytest.raises(NotImplementedError):
        Layer().forward(X)
    with pytest.raises(NotImplementedError):
        Layer().backward(X)


# state_dict

def test_names_and_layouts_of_the_state_are_pytorchs():
    state = model().state_dict()
    assert {name: array.shape for name, array in state.items()} == SHAPES
    assert list(state) == list(SHAPES)
    assert state["1.num_batches_tracked"].dtype == np.int64
    assert list(Residual(Linear(2, 2)).state_dict()) == ["inner.weight", "inner.bias"]
    assert list(Linear(2, 2, bias=False).state_dict()) == ["weight"]


def test_the_state_is_a_copy():
    m = model()
    state = m.state_dict()
    for array in state.values():
        array[...] = 7
    assert equal(m.state_dict(), model().state_dict())


def test_loading_a_state_gives_a_model_that_computes_the_same():
    a, b = model(0), model(1)
    a.forward(X)                                         # moves the running statistics
    before = [p.data for p in b.parameters()]
    assert not equal(a.state_dict(), b.state_dict())
    b.load_state_dict(a.state_dict())
    assert equal(a.state_dict(), b.state_dict())
    assert np.array_equal(a.eval()(X), b.eval()(X))
    assert all(p.data is data for p, data in zip(b.parameters(), before))  # written into, not replaced


def test_loading_takes_lists_and_other_precisions_and_keeps_its_own():
    layer = Linear(2, 1)
    layer.load_state_dict({"weight": [[1, 2]], "bias": np.array([0.1])})
    assert layer.weight.data.tolist() == [[1, 2]]
    assert all(p.data.dtype == np.float32 for p in layer.parameters())


def test_all_faults_of_a_state_are_named_at_once_and_nothing_is_written():
    m = model()
    before = m.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    del state["0.bias"], state["1.running_var"]
    state["7.weight"] = np.zeros(3)
    state["5.weight"] = np.zeros((96, 2))
    state["3.inner.1.bias"] = np.array(["a", "b"])
    with pytest.raises(ValueError) as error:
        m.load_state_dict(state)
    message = str(error.value)
    for part in ("5 of the names", "missing: 0.bias", "missing: 1.running_var", "unknown: 7.weight",
                 "5.weight: expected shape (2, 96), got (96, 2)", "3.inner.1.bias: expected numbers, got dtype"):
        assert part in message
    assert equal(m.state_dict(), before)


@pytest.mark.parametrize("name, value, expected", [
    ("weight", np.zeros((1, 2, 1)), r"shape \(2,\)"), ("weight", 3.0, "shape"), ("bias", [None] * 2, "numbers"),
    ("bias", [1j] * 2, "numbers"), ("bias", [True] * 2, "numbers"),
    *(("num_batches_tracked", np.array(count), "integers") for count in (np.nan, np.inf, 1e30, 2.5)),
])
def test_a_single_fault_is_enough(name, value, expected):
    layer = BatchNorm2d(2)
    before = layer.state_dict()
    with pytest.raises(ValueError, match=f"1 of the names do not fit: {name}: expected {expected}"):
        layer.load_state_dict(before | {name: value})
    assert equal(layer.state_dict(), before)


# astype, train, eval

def test_astype_converts_the_whole_tree_there_and_back():
    m = model()
    assert m.astype(np.float64) is m
    for p in m.parameters():
        assert p.data.dtype == p.grad.dtype == np.float64
    assert m[1].running_mean.dtype == m[1].running_var.dtype == np.float64
    assert m[1].num_batches_tracked.dtype == np.int64
    y = m.eval()(X.astype(np.float64))
    assert y.dtype == np.float64
    m.astype(np.float32)
    assert all(p.data.dtype == p.grad.dtype == np.float32 for p in m.parameters())
    assert equal(m.state_dict(), model().state_dict())   # float32 -> float64 -> float32 loses nothing
    np.testing.assert_allclose(m(X), y, rtol=1e-4, atol=1e-5)


def test_astype_forgets_the_forward_pass_of_the_other_type():
    m = model()
    y = m.forward(X)
    m.astype(np.float64)
    with pytest.raises(RuntimeError, match="needs a forward"):
        m.backward(y.astype(np.float64))


def test_astype_takes_floating_point_types_only():
    with pytest.raises(ValueError, match="Linear.astype: expected a floating-point dtype, got int64"):
        Linear(2, 2).astype(np.int64)


def test_train_and_eval_switch_the_whole_tree_and_return_it():
    m = model()
    assert m.eval() is m and not any(layer.training for _, layer in m.walk())
    assert m.train() is m and all(layer.training for _, layer in m.walk())
    assert m.train(False) is m and not any(layer.training for _, layer in m.walk())
    assert Linear(2, 2).training                         # of one model only


def test_zero_grad_clears_all_gradients_in_place():
    m = model()
    m.backward(m.forward(X))
    grads = [p.grad for p in m.parameters()]
    assert any(grad.any() for grad in grads)
    m.zero_grad()
    assert all(p.grad is grad and not grad.any() for p, grad in zip(m.parameters(), grads))


# summary

SUMMARY = """\
layer                                     output shape  parameters
------------------------------------------------------------------
input                                     (3, 8, 6)
Conv2d(3, 4, 3, padding='same')           (4, 8, 6)            112
BatchNorm2d(4)                            (4, 8, 6)              8
Skip:
  MaxPool2d(2)                            (4, 4, 3)
  Residual:
    Conv2d(4, 4, 1)                       (4, 4, 3)             20
  end of Residual: joined with its input  (4, 4, 3)
  Upsample(2, 'nearest')                  (4, 8, 6)
end of Skip: joined with its input        (8, 8, 6)
Flatten()                                 (384,)
Linear(384, 10)                           (10,)              3,850
------------------------------------------------------------------
total                                                        3,990
"""


def test_summary_prints_each_layer_with_its_shape_and_parameters(capsys):
    m = Sequential(Conv2d(3, 4, 3, padding="same"), BatchNorm2d(4),
                   Skip(Sequential(MaxPool2d(2), Residual(Conv2d(4, 4, 1)), Upsample(2))), Flatten(), Linear(384, 10))
    m.summary((16, 3, 8, 6))
    assert capsys.readouterr().out == SUMMARY


def test_summary_refuses_what_forward_would():
    with pytest.raises(ValueError, match=r"expected input of shape \(N, 3, H, W\)"):
        model().summary((1, 4, 8, 8))
