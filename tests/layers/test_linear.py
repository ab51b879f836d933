"""Linear."""
import numpy as np
from hypothesis import given, strategies as st

from minidl import Linear, check_layer
from tests import reference as ref
from tests.strategies import FEW, assert_close, assert_linear_with_adjoint, pairs, randomized, seeds, spaced


@st.composite
def linears(draw, bias=st.booleans()):
    N, (O, C) = draw(st.integers(1, 4)), draw(pairs(1, 6))
    rng = np.random.default_rng(draw(seeds))
    return randomized(Linear(C, O, bias=draw(bias)), rng), spaced((N, C), rng)


@FEW
@given(linears())
def test_gradients(case):
    layer, x = case
    check_layer(layer, x)


@FEW
@given(linears())
def test_forward(case):
    layer, x = case
    bias = None if layer.bias is None else layer.bias.data
    assert_close(layer.forward(x), ref.linear(x, layer.weight.data, bias))


@FEW
@given(linears(bias=st.just(False)))
def test_backward_is_the_adjoint_of_forward(case):
    layer, x = case
    assert_linear_with_adjoint(layer, x.shape, np.random.default_rng(0))


def test_by_hand():
    layer = Linear(2, 1).astype(np.float64)
    layer.load_state_dict({"weight": [[3, -1]], "bias": [0.5]})
    assert layer.forward(np.array([[1.0, 2.0], [0.0, 4.0]])).tolist() == [[1.5], [-3.5]]
    assert layer.backward(np.array([[2.0], [1.0]])).tolist() == [[6, -2], [3, -1]]
    weight, bias = layer.parameters()
    assert weight.grad.tolist() == [[2, 8]]              # 2 * (1, 2) + 1 * (0, 4)
    assert bias.grad.tolist() == [3]
