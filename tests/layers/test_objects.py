"""Layers as Python objects: copies, pickles, slices; layers inside layers of one's own; outputs that are written to."""
# mypy: disable-error-code="arg-type,attr-defined,name-defined"
import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import (
    SGD, BatchNorm2d, Conv2d, Dropout, Flatten, Identity, Layer, Linear, Parameter, ReLU, Residual, Sequential, Sigmoid,
    Sum, no_backward,
)
from tests.layers.every_layer import each_layer
from tests.strategies import FEW, seeds

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda thing: pickle.loads(pickle.dumps(thing))}
each_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def gradients(layer, x, write=lambda y: None):
    """Return dx and the gradients of all parameters, after something was written into y."""
    rng = np.random.default_rng(1)
    layer.zero_grad()
    y = layer.forward(x)
    dy = rng.normal(size=y.shape).astype(np.float32)
    write(y)
    return [layer.backward(dy), *(p.grad.copy() for p in layer.parameters())]


def same(a, b):
    return all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


# Writing into an output

def shift(y):
    try:
        y -= 3
    except ValueError as error:
        assert "read-only" in str(error)


@pytest.mark.parametrize("within", [lambda layer: layer, lambda layer: Sequential(layer, Flatten()), Sum,
                                    lambda layer: Sequential(layer, Dropout(0.5).eval(), Identity())],
                         ids=["alone", "flattened", "in a sum", "handed through"])
@each_layer
def test_writing_into_an_output_is_refused_or_harmless(make, shape, within):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    layer = within(make())
    twin = copy.deepcopy(layer)
    assert same(gradients(layer, x.copy()), gradients(twin, x.copy(), shift))


def test_only_outputs_that_backward_needs_are_read_only():
    x = np.ones((2, 3), np.float32)
    assert not Sigmoid().forward(x).flags.writeable
    assert Linear(3, 2).forward(x).flags.writeable and Identity().forward(x).flags.writeable
    layer = Sequential(Linear(3, 2), Sigmoid())
    with no_backward(layer):
        assert layer.forward(x).flags.writeable


@each_layer
def test_a_second_backward_gives_the_same_and_adds_it(make, shape):
    layer = make()
    y = layer.forward(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    dy = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    dx = layer.backward(dy).copy()
    grads = [p.grad.copy() for p in layer.parameters()]
    assert np.array_equal(layer.backward(dy), dx)
    assert all(np.array_equal(p.grad, 2 * grad) for p, grad in zip(layer.parameters(), grads))


# Copies and pickles

@each_copy
@each_layer
def test_a_copy_computes_the_same_and_has_forgotten_the_forward(make, shape, copied):
    layer = make()
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    layer.backward(np.ones_like(layer.forward(x)))
    with no_backward(layer):
        twin = copied(layer)                                # keeps what backward needs all the same
    with pytest.raises(RuntimeError, match="needs a forward"):
        twin.backward(np.ones_like(layer.forward(x[:1])))
    layer = copied(layer)                                   # dropout's generator moved on
    twin.train()
    twin.load_state_dict(layer.state_dict())
    if not any(hasattr(part, "rng") for _, part in layer.walk()):
        assert same(gradients(layer, x), gradients(twin, x))


@each_layer
def test_a_pickle_is_small(make, shape):
    layer = make()
    before = len(pickle.dumps(layer))
    layer.backward(np.ones_like(layer.forward(np.zeros((64, *shape[1:]), np.float32))))
    assert len(pickle.dumps(layer)) <= before + 100 * len(list(layer.walk()))


# Slices

@given(st.integers(0, 5), st.one_of(st.none(), st.integers(-6, 6)), st.one_of(st.none(), st.integers(-6, 6)),
       st.sampled_from([None, 1, 2, -1]))
def test_a_slice_of_a_chain_is_a_chain_of_the_same_layers(n, start, stop, step):
    layers = [Linear(2, 2, rng=i) for i in range(n)]
    part = Sequential(*layers)[start:stop:step]
    assert type(part) is Sequential and list(part) == layers[start:stop:step]


def test_both_ends_of_a_chain_make_the_whole():
    model = Sequential(Conv2d(3, 4, 3, rng=0), ReLU(), Flatten(), Linear(16, 2, rng=1))
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    assert np.array_equal(model[2:](model[:2](x)), model(x))
    assert model[-1] is model.layers[3]
    with pytest.raises(IndexError):
        model[4]


# Layers of one's own, with layers inside

class Own(Layer):
    """Calls all layers that it holds, one after the other."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def forward(self, x):
        for _, layer in self.children():
            x = layer.forward(x)
        return x

    def backward(self, dy):
        for _, layer in reversed(self.children()):
            dy = layer.backward(dy)
        return dy


def nests():
    """Draw things that hold layers: lists, tuples and dicts of them, beside other things."""
    other: st.SearchStrategy[Any] = st.sampled_from([3, "name", None, (1, 2), [np.zeros(2)], {}])
    one = st.builds(lambda seed: Linear(2, 2, rng=seed), seeds)
    return st.recursive(one | other, lambda inside: (
        st.lists(inside, max_size=3) | st.lists(inside, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from("abc"), inside, max_size=2) | inside.map(lambda thing: Own(inner=thing))),
        max_leaves=6)


def linears(thing):
    if isinstance(thing, Linear):
        return [thing]
    things = (list(vars(thing).values()) if isinstance(thing, Own) else
              list(thing.values()) if isinstance(thing, dict) else thing if isinstance(thing, (list, tuple)) else [])
    return [found for one in things for found in linears(one)]


@FEW
@given(nests(), nests())
def test_layers_in_attributes_lists_tuples_and_dicts_are_found(first, second):
    layer = Own(first=first, second=second)
    inside = linears([first, second])
    assert [found for _, found in layer.walk() if isinstance(found, Linear)] == inside
    assert len(layer.state_dict()) == len(layer.parameters()) == 2 * len(inside)
    assert not any(found.training for found in [*inside, layer.eval()])
    if inside:
        x = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
        layer.backward(layer.forward(x))
        before = layer.state_dict()
        SGD(layer.parameters(), 0.1).step()
        assert all(not np.array_equal(before[name], after) for name, after in layer.state_dict().items())
        twin = pickle.loads(pickle.dumps(layer))
        twin.load_state_dict(before)
        assert not np.array_equal(twin(x), layer(x))


def test_names_are_those_of_pytorchs_lists_and_dicts_of_modules():
    layer = Own(norm=BatchNorm2d(2), blocks=[Conv2d(2, 2, 1), {"a": Linear(2, 2, bias=False)}],
                scales=[Parameter(np.ones(2))])
    assert [name for name in layer.state_dict() if "norm" not in name] == [
        "scales.0", "blocks.0.weight", "blocks.0.bias", "blocks.1.a.weight"]
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm2d(2)
            self.blocks = torch.nn.ModuleList([torch.nn.Conv2d(2, 2, 1),
                                               torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2, bias=False)})])
            self.scales = torch.nn.ParameterList([torch.ones(2)])

    assert set(Theirs().state_dict()) == set(layer.state_dict())


def test_an_attribute_beside_the_layers_of_a_container_is_found():
    class WithHead(Sequential):
        def __init__(self):
            self.head = Linear(2, 1)
            super().__init__(Linear(2, 2), ReLU())
            self.first = self.layers[0]                     # not a second layer

    assert [name for name, _ in WithHead().named_parameters()] == ["0.weight", "0.bias", "head.weight", "head.bias"]
    residual = Residual(Linear(2, 2))
    residual.head = Linear(2, 1)
    assert [name for name, _ in residual.walk()] == ["", "inner", "head"]


def test_one_layer_in_two_attributes_is_one_and_at_two_places_refused():
    conv = Conv2d(1, 1, 1)
    assert [name for name, _ in Own(conv=conv, layers=[conv, ReLU()]).walk()] == ["", "conv", "layers.1"]
    twice = Own(first=Sequential(conv), second=conv)
    child = Own()
    child.parent = Own(child=child)
    for layer in (twice, child):
        with pytest.raises(ValueError, match="object is placed at .* and at .*; make a layer for each place"):
            layer.parameters()
    with pytest.raises(ValueError, match=r"blocks: expected a list or a dict of Layer objects, got a set"):
        Own(blocks={conv}).parameters()


@pytest.mark.parametrize("held", [Conv2d(1, 1, 1), [ReLU(), Conv2d(1, 1, 1)], {"a": Parameter(np.ones(2))}])
def test_layers_of_a_class_instead_of_its_objects_are_refused(held):
    with pytest.raises(ValueError, match=r"Net\.held.*expected layers and parameters to be made in __init__"):
        type("Net", (Layer,), {"held": held})


def test_the_summary_counts_what_is_inside():
    table = Own(layers=[Linear(2, 3), Linear(3, 2)]).summary_table((1, 2))
    assert [line.split()[-1] for line in table.splitlines() if "Own" in line or "total" in line] == ["17", "17"]


# What a newcomer gives

GRAY, COLOR = Conv2d(1, 2, 3), Sequential(Conv2d(3, 2, 3), ReLU())


@pytest.mark.parametrize("model, shape, change", [
    (COLOR, (3, 8, 9), "x[None]"), (COLOR, (8, 9, 3), "x.transpose(2, 0, 1)[None]"),
    (COLOR, (5, 8, 9, 3), "x.transpose(0, 3, 1, 2)"), (GRAY, (5, 8, 9), "x[:, None]"), (GRAY, (8, 9), "x[None, None]"),
    (GRAY, (5, 8, 9, 1), "x.transpose(0, 3, 1, 2)"), (Linear(4, 1), (4,), "x[None]"),
    (Linear(1, 1), (4,), "x[:, None]"), (Sequential(Flatten(), Linear(72, 1)), (8, 9), "x[None]")])
def test_the_error_names_the_change_of_axes_that_fits(model, shape, change):
    x = np.zeros(shape, np.float32)
    with pytest.raises(ValueError) as error:
        model(x)
    assert str(error.value).endswith(f"It would fit as {change}.")
    model(eval(change))


def test_what_does_not_fit_in_any_way_gets_no_advice():
    for shape in ((2, 4, 8, 8), (3,), (2, 2, 2), (1, 8, 8, 5)):
        with pytest.raises(ValueError) as error:
            COLOR(np.zeros(shape, np.float32))
        assert "It would fit" not in str(error.value)


@pytest.mark.parametrize("x, got", [
    ([[1.0, 2.0]], "a list"), (np.ones((1, 2), int), "dtype int64"), (np.ones((1, 2), np.uint8), "dtype uint8"),
    (np.ones((1, 2), bool), "dtype bool"), (3.0, "a float"), (None, "a NoneType")])
def test_what_is_not_an_array_of_numbers_is_told_how_to_become_one(x, got):
    layer = Linear(2, 1)
    with pytest.raises(ValueError, match=rf"got {got}.*np\.asarray\(x, np\.float32\).*255"):
        layer(x)
    if got not in ("a float", "a NoneType"):
        layer(np.asarray(x, np.float32))


def test_other_mistakes_name_their_fix():
    layer = Linear(2, 2)
    layer(np.ones((1, 2), np.float32))
    with pytest.raises(ValueError, match=r"got a float\..*loss\.backward\(\)"):
        layer.backward(0.5)
    with pytest.raises(ValueError, match=r"Linear\.load_state_dict: expected \{name: array\}.*got a str"):
        layer.load_state_dict("weights.npz")
    with pytest.raises(ValueError, match=r"expected layers \(a list of them as \*layers\), got \[ReLU"):
        Sequential([ReLU()])


def test_batches_of_different_sizes_and_eval_mode_train_alike():
    rng = np.random.default_rng(0)
    model = Sequential(Conv2d(3, 4, 3, padding="same", rng=0), BatchNorm2d(4), Dropout(0.5), ReLU()).eval()
    optimizer = SGD(model.parameters(), 0.1)
    for shape in ((4, 3, 8, 8), (1, 3, 5, 9), (2, 3, 1, 1)):
        before = model.state_dict()
        optimizer.zero_grad()
        x = rng.normal(size=shape).astype(np.float32)
        assert model.backward(model.forward(x)).shape == shape
        optimizer.step()
        changed = {name for name, array in model.state_dict().items() if not np.array_equal(array, before[name])}
        assert changed <= {"0.weight", "0.bias", "1.weight", "1.bias"} and changed
