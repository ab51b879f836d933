"""im2col and col2im: what lies under each window, and that the two are each other's adjoint."""
import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import Window, col2im, im2col
from minidl.layers import layout
from minidl.layers.arguments import pair
from minidl.layers.im2col import add_weight_gradient, columns, matmul_im2col, col2im_matmul
from minidl.layers.window import positions
from tests.strategies import FEW, MEMORY_ORDERS, assert_close, pairs, seeds, shapes, windows


@st.composite
def windows_and_images(draw):
    """A window with four different paddings, and images it fits into."""
    kernel, stride, _, dilation, _ = draw(windows())
    flipped = draw(st.booleans())
    before, after = draw(pairs(0, 2)), draw(pairs(0, 2))
    least = tuple(max(1, d * (k - 1) + 1 - b - a) for k, d, b, a in zip(kernel, dilation, before, after))
    x = np.random.default_rng(draw(seeds)).normal(size=draw(shapes(least)))
    return Window(kernel, stride, before, after, dilation, flipped), x


def looked_up(x, window):
    """im2col, value by value: the image with zeros around it, read under each window."""
    N, C, H, W = x.shape
    (top, left), (bottom, right) = window.before, window.after
    big = np.zeros((N, C, top + H + bottom, left + W + right))
    big[:, :, top:top + H, left:left + W] = x
    Ho, Wo = window.output_size(H, W)
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    down, along = list(range(kh)), list(range(kw))
    if window.flipped:
        down, along = down[::-1], along[::-1]
    return np.array([[big[n, c, p * sh + i * dh, q * sw + j * dw] for n in range(N) for p in range(Ho)
                      for q in range(Wo)] for c in range(C) for i in down for j in along])


@FEW
@given(windows_and_images())
def test_im2col_writes_what_lies_under_each_window(case):
    window, x = case
    expected = looked_up(x, window)
    for rearranged in MEMORY_ORDERS.values():
        assert np.array_equal(im2col(rearranged(x), window), expected)
    out = np.full(expected.shape, np.nan)
    assert im2col(x, window, out=out) is out and np.array_equal(out, expected)


@FEW
@given(windows_and_images(), seeds)
def test_col2im_is_the_adjoint_of_im2col(case, seed):
    window, x = case
    cols = im2col(x, window)
    c = np.random.default_rng(seed).normal(size=cols.shape)
    before = c.copy()
    back = col2im(c, x.shape, window)
    assert_close(np.vdot(cols, c), np.vdot(x, back))
    assert back.shape == x.shape and np.array_equal(c, before)
    out = layout.channel_major(np.full(x.shape, np.nan))
    assert col2im(c, x.shape, window, out=out) is out and np.array_equal(out, back)


def test_the_adjoint_identity_notices_windows_that_overlap_without_adding():
    x, window = np.arange(1.0, 10.0).reshape(1, 1, 3, 3), Window((2, 2))
    cols = im2col(x, window)
    back = np.zeros_like(x)
    for i, j, view in positions(back, window, 2, 2):
        view[...] = cols.reshape(2, 2, 2, 2)[i, j]       # = instead of +=
    with pytest.raises(AssertionError):
        assert_close(np.vdot(cols, cols), np.vdot(x, back))


@FEW
@given(windows_and_images(), seeds)
def test_col2im_matmul_is_the_adjoint_of_matmul_im2col(case, seed):
    window, x = case
    rng = np.random.default_rng(seed)
    cols = im2col(x, window)
    matrix = rng.normal(size=(len(cols), 2))             # (C*kh*kw, O)
    y = layout.channel_major(rng.normal(size=(len(x), 2, *window.output_size(*x.shape[2:]))))
    back = layout.channel_major(np.full_like(x, np.nan))  # all of it is to be written
    col2im_matmul(matrix, y, window, out=back)
    gathered = layout.empty(y.shape, y.dtype)
    kept = matmul_im2col(matrix.T, x, window, out=gathered)
    assert_close(layout.rows(gathered), matrix.T @ cols)
    assert kept is not None and np.array_equal(kept, cols)      # all of them were made at once
    assert_close(np.vdot(gathered, y), np.vdot(x, back))


@pytest.mark.parametrize("size", [2, 9])                 # few positions and many: two ways to make the product
def test_weight_gradient_is_added(size):
    rng = np.random.default_rng(0)
    window, x = Window((3, 3), before=(1, 1), after=(1, 1)), rng.normal(size=(4, 2, size, size))
    cols, start = im2col(x, window), rng.normal(size=(3, 18))
    assert (cols.shape[1] > 4 * len(cols)) == (size == 9)
    y, total = layout.channel_major(rng.normal(size=(4, 3, size, size))), start.copy()
    add_weight_gradient(total, y, cols)
    assert_close(total, start + layout.rows(y) @ cols.T)


@pytest.mark.parametrize("limit", [1, 300, 10**9])
@pytest.mark.parametrize("window", [Window((3, 2), before=(1, 0)), Window((1, 1)), Window((1, 1), stride=(2, 1)),
                                    Window((1, 1), after=(0, 1))])
def test_columns_a_few_images_at_a_time_are_the_columns_of_all(window, limit, monkeypatch):
    image_chunks = layout.image_chunks
    monkeypatch.setattr(layout, "image_chunks", lambda N, size, _=0: image_chunks(N, size, limit))
    x = np.random.default_rng(0).normal(size=(5, 2, 4, 3))
    parts = [(part, cols.copy()) for part, cols in columns(x, window)]
    assert [n for part, _ in parts for n in range(5)[part]] == [0, 1, 2, 3, 4]
    assert np.array_equal(np.hstack([cols for _, cols in parts]), im2col(x, window))
    if not window.is_pixel() and limit != 300:
        assert len(parts) == (5 if limit == 1 else 1)
    matrix = np.random.default_rng(1).normal(size=(len(parts[0][1]), 3))
    y = layout.channel_major(np.random.default_rng(2).normal(size=(5, 3, *window.output_size(4, 3))))
    back = layout.channel_major(np.full_like(x, np.nan))
    col2im_matmul(matrix, y, window, out=back)
    assert_close(back, col2im(matrix @ layout.rows(y), x.shape, window))


def test_output_size_is_not_positive_where_the_window_does_not_fit():
    assert Window((3, 3)).output_size(3, 5) == (1, 3)
    assert min(Window((3, 3)).output_size(2, 5)) < 1
    assert Window((3, 3), dilation=(2, 1)).extent == (4, 2)
    assert Window((2, 3), (2, 1), (1, 0), (0, 2), (3, 1)).output_size(5, 4) == (2, 4)  # (5+1-3-1)//2+1, (4+2-2-1)+1


@pytest.mark.parametrize("value, expected", [(2, (2, 2)), ((1, 3), (1, 3)), ([1, 3], (1, 3)), (np.int64(2), (2, 2))])
def test_pair(value, expected):
    assert pair("kernel", value) == expected


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True, (1,), (1, 2, 3), (1, 0), (True, 1), None])
def test_pair_refuses(value):
    with pytest.raises(ValueError, match="kernel: expected an integer of at least 1 or a pair of them, got"):
        pair("kernel", value)
