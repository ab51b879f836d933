"""Channel-major memory, and cutting a batch into chunks."""
import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl.layers import layout
from tests.strategies import FEW, MEMORY_ORDERS, seeds, shapes


@FEW
@given(shapes(), st.sampled_from(sorted(MEMORY_ORDERS)), seeds)
def test_channel_major_changes_only_the_order_in_memory(shape, order, seed):
    x = MEMORY_ORDERS[order](np.random.default_rng(seed).normal(size=shape).astype(np.float32))
    y = layout.channel_major(x)
    assert np.array_equal(x, y) and y.dtype == x.dtype
    assert layout.is_channel_major(y)
    assert (y is x) == layout.is_channel_major(x)
    assert layout.channel_major(y) is y


def test_memory_of_a_channel_major_array_is_channel_by_channel():
    x = np.arange(24.0).reshape(2, 3, 2, 2)
    assert not layout.is_channel_major(x)
    y = layout.channel_major(x)
    assert y.strides == (32, 64, 16, 8)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1)])
def test_empty_and_zeros_are_channel_major(shape):
    for make in (layout.empty, layout.zeros):
        x = make(shape, np.float32)
        assert x.shape == shape and x.dtype == np.float32 and layout.is_channel_major(x)
    assert not layout.zeros(shape, np.float32).any()


@pytest.mark.parametrize("shape", [(3,), (3, 4), (2, 3, 4), (1, 2, 3, 4, 5)])
def test_arrays_of_other_ranks_keep_numpys_order(shape):
    x = np.ones(shape)
    assert layout.channel_major(x) is x and not layout.is_channel_major(x)
    assert layout.empty(shape, np.float32).flags.c_contiguous
    assert not layout.zeros(shape, np.float32).any()


@FEW
@given(shapes(), seeds)
def test_rows_are_a_view_with_one_row_per_channel(shape, seed):
    N, C, H, W = shape
    x = layout.channel_major(np.random.default_rng(seed).normal(size=shape))
    rows = layout.rows(x)
    assert rows.shape == (C, N * H * W) and np.shares_memory(rows, x) and rows.flags.c_contiguous
    for c in range(C):
        assert rows[c].tolist() == x[:, c].ravel().tolist()
    rows[...] = 7
    assert (x == 7).all()


@FEW
@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 200))
def test_chunks_cover_everything_once_and_fit_the_limit(count, size, limit):
    chunks = layout.image_chunks(count, size, limit)
    assert [k for chunk in chunks for k in range(count)[chunk]] == list(range(count))
    lengths = [chunk.stop - chunk.start for chunk in chunks]
    assert min(lengths) >= 1
    assert all(length * size <= limit or length == 1 for length in lengths)
    assert max(lengths) - min(lengths) <= 1              # as equal as they can be
    most = max(1, limit // size)
    assert (len(lengths) - 1) * most < count             # no more of them than needed


def test_nothing_is_cut_into_nothing_and_what_needs_no_memory_is_cut_too():
    assert layout.image_chunks(0, 100) == []
    assert layout.image_chunks(3, 0) == [slice(0, 3)]


@pytest.mark.parametrize("x", [np.zeros((2, 5, 3, 4)), np.zeros((5, 24)), np.zeros(5)])
def test_chunks_of_channels(x):
    per_channel = x.nbytes // 5
    assert layout.channel_chunks(x, 2 * per_channel) == [slice(0, 1), slice(1, 3), slice(3, 5)]
    assert layout.channel_chunks(x) == [slice(0, 5)]
