# %% [markdown]
# # 21 · Speed: the same sums, thousands of times faster
# Slides 15–36, all of their convolutions. *How near can NumPy come to PyTorch, without a line of C?*
#
# **New here:** nothing is computed that earlier lessons did not compute. What changes is the order of the work: who
# runs the loops, where in memory the numbers lie, how many of them are on their way at a time.
#
# **Needs:** convolution and im2col, batch norm (lesson 4), upsampling (lesson 15). No training, no images: random
# numbers will do.

# %%
import numpy as np

from minidl import (
    Adam, Conv2d, CrossEntropyLoss, DataParallel, Sequential, Upsample, Window, get_num_threads, unet,
)
from minidl.benchmark import figures, machine, pytorch, textbook
from minidl.benchmark.busy import busy_program
from minidl.benchmark.profile import matmul_peak
from minidl.benchmark.steps import with_blas_threads
from minidl.benchmark.timing import interleave
from minidl.course.lesson import Lesson
from minidl.layers import layout
from minidl.layers.conv import swapped
from minidl.layers.im2col import columns, matmul_im2col, col2im_matmul
from minidl.runtime.format import number, words
from minidl.runtime.progress import duration
from minidl.step import train_step

lesson = Lesson("21_speed", size=64, width=64, batch_size=8)
rng = np.random.default_rng(lesson.seed)
results = {}                               # for metrics.json

# %% [markdown]
# Two tools. `ms` runs functions alternately, so that all of them meet the same ups and downs of the machine, omits a
# first round as warm-up, and returns the *median* time of a call. `check` compares two results: a faster way to a
# different result is not faster. Times differ from machine to machine, and from run to run; results must not.


# %%
def ms(seconds=1.5, **functions):
    """Return {name: median milliseconds of a call}."""
    found = interleave(functions, 0.01 if lesson.quick else seconds)
    return {name: 1000 * timing.median for name, timing in found.items()}


def check(result, expected):
    """Refuse a result that differs by more than rounding."""
    error = np.abs(result - expected).max() / np.abs(expected).max()
    assert result.shape == expected.shape and result.dtype == expected.dtype
    assert error < (1e-5 if expected.dtype == np.float32 else 1e-12), f"relative error {error:.1e}"


def report(times):
    """Print times and keep them."""
    results.update({f"{name}_ms": value for name, value in times.items()})
    print(", ".join(f"{words(name)} {number(value)} ms" for name, value in times.items()))

# %% [markdown]
# ## 1. Seven loops
# A convolution by the book: for each image, output channel, row and column, a sum over input channels and
# the kernel's places. Padding 1, no bias.
#
# **Predict:** one layer of the deck's U-Net takes 8 images from 64 to 128 channels at 64 x 64. How many
# multiplications with addition is that? And how long would these loops need: seconds, minutes, hours?


# %%
def seven_loops(x, weight):
    """Return y (N, O, H, W) for x (N, C, H, W) and weight (O, C, kh, kw)."""
    N, C, H, W = x.shape
    kh, kw = weight.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros((N, len(weight), H, W), x.dtype)
    for n in range(N):
        for o in range(len(weight)):
            for p in range(H):
                for q in range(W):
                    for c in range(C):
                        for i in range(kh):
                            for j in range(kw):
                                y[n, o, p, q] += weight[o, c, i, j] * padded[n, c, p + i, q + j]
    return y


tiny = {dtype: (rng.normal(size=(1, 3, 16, 16)).astype(dtype), rng.normal(size=(8, 3, 3, 3)).astype(dtype))
        for dtype in (np.float32, np.float64)}                                 # {dtype: (x, weight)}
expected = {dtype: seven_loops(*case) for dtype, case in tiny.items()}

# %%
N, C, size = lesson.batch_size, lesson.width, lesson.size
x = rng.normal(size=(N, C, size, size)).astype(np.float32)
conv = Conv2d(C, 2 * C, 3, padding=1, init="torch", bias=False, rng=rng)
weight = conv.weight.data                                              # (2C, C, 3, 3)
macs = weight.size * N * size * size                                   # multiply, add: one pair for each
tiny_macs = tiny[np.float32][1].size * 16 * 16
loops = ms(loops_tiny=lambda: seven_loops(*tiny[np.float32]))["loops_tiny"]
nanoseconds = 1e6 * loops / tiny_macs
results["loops_ns_per_multiply_add"] = nanoseconds
forward_loops = 1e-9 * nanoseconds * macs                              # seconds
print(f"{tiny_macs:,} multiply-adds: {loops:.1f} ms, {nanoseconds:.0f} ns each\n"
      f"{macs:,} of this layer, forward: {duration(forward_loops)}; with backward, which has two such sums (dw\n"
      f"and dx): {duration(3 * forward_loops)}; a training of 1000 steps: {duration(3000 * forward_loops)}")

# %% [markdown]
# The processor needs well below a nanosecond for a multiplication and an addition. The rest is Python: for each pair it
# looks up names, checks indices, wraps numbers in objects and throws them away.
#
# ## 2. Let NumPy run the long loops
# Python's price is *per operation*, whether on one number or a million. So turn the loops inside out: keep those that
# are short, over the kernel's 3 x 3 places, and give the five long ones to NumPy. For place (i, j), all images are
# shifted, and their channels mixed by the matrix weight[:, :, i, j].
#
# **Predict:** how many operations does Python start now? How much faster will it be?


# %%
def kernel_loops(x, weight):
    """Return the same y: nine shifts, nine products."""
    N, _, H, W = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros((len(weight), N, H, W), x.dtype)
    for i, j in np.ndindex(weight.shape[2:]):
        shifted = padded[:, :, i:i + H, j:j + W]                               # (N, C, H, W), a view
        y += np.tensordot(weight[:, :, i, j], shifted, axes=(1, 1))            # (O, N, H, W)
    return y.transpose(1, 0, 2, 3)


for dtype, case in tiny.items():
    check(kernel_loops(*case), expected[dtype])
small = ms(0.5, loops=lambda: seven_loops(*tiny[np.float32]), kernel=lambda: kernel_loops(*tiny[np.float32]))
report(ms(kernel_loops=lambda: kernel_loops(x, weight)))
results["kernel_loops_speedup"] = 1000 * forward_loops / results["kernel_loops_ms"]
print(f"tiny: {small['loops'] / small['kernel']:.0f} times as fast, "
      f"this layer: {results['kernel_loops_speedup']:,.0f} times")

# %% [markdown]
# The larger the layer, the more each of Python's few operations has to do, and the less they matter.
#
# ## 3. im2col: one product for all
# Nine products add up to y nine times, and y must come from memory each time. If what the window sees at each place is
# written into a row first, C*kh*kw numbers, one product does it all, and the sum stays in the processor. So do most
# courses, with rows of (N*H*W, C*kh*kw); `minidl/benchmark/textbook.py` has it.
#
# **Predict:** of its three parts (write the rows, multiply, bring the result into (N, O, H, W)), which takes longest?

# %%
zero_bias = np.zeros(2 * C, np.float32)
y = kernel_loops(x, weight)
check(textbook.forward(x, weight, zero_bias, padding=1)[0], y)
for dtype, (small_x, small_weight) in tiny.items():
    check(textbook.forward(small_x, small_weight, np.zeros(8, dtype), padding=1)[0], expected[dtype])
flat = weight.reshape(2 * C, -1).T                                             # (C*9, 2C)
rows = textbook.im2rows(x, 3, 3, 1)                                            # (N*H*W, C*9)
product = (rows @ flat).reshape(N, size, size, 2 * C)
parts = {"rows": lambda: textbook.im2rows(x, 3, 3, 1), "product": lambda: rows @ flat,
         "back": lambda: np.ascontiguousarray(product.transpose(0, 3, 1, 2))}
report(ms(**{f"textbook_{name}": part for name, part in parts.items()}))

# %% [markdown]
# A product of large matrices is the fastest thing NumPy can do: a library of many years' work (OpenBLAS, say) runs it
# on all cores, with every number used many times while it is near. Its speed is the bar to measure a convolution by.

# %%
peak = matmul_peak((64, 128)) if lesson.quick else matmul_peak((1024, 2048))
whole = sum(results[f"textbook_{part}_ms"] for part in ("rows", "product", "back"))
for name, value in (("its product alone", results["textbook_product_ms"]), ("textbook im2col", whole),
                    ("loops over the kernel", results["kernel_loops_ms"])):
    speed = 2 * macs / (value / 1000)                                          # a multiply-add counts as two
    print(f"{name:<22} {speed / 1e9:6.1f} GFLOP/s, {speed / peak:4.0%} of the peak")
print(f"{'large square matrices':<22} {peak / 1e9:6.1f} GFLOP/s")
results |= {"peak_gflops": peak / 1e9, "textbook_gflops": 2e-6 * macs / whole,
            "kernel_loops_gflops": 2e-6 * macs / results["kernel_loops_ms"]}

# %% [markdown]
# The product is fast; getting the numbers to it is not. One product instead of nine may even lose, if writing the rows
# takes longer than adding up nine times. Why is it so slow?
#
# ## 4. Memory order
# Memory is one long line of cells; the shape is only a way to count them. A batch of 2 images with 3 channels of
# 2 x 2 pixels has 24. **Predict:** N images, C channels: in which order of N, C, H, W is a channel, of all images,
# in one piece?


# %%
def address(order):
    """Return at which cell x[n, c, h, w] lies if the axes follow each other in memory as in `order`."""
    sizes = {"N": 2, "C": 3, "H": 2, "W": 2}
    cells = np.arange(24).reshape([sizes[axis] for axis in order])
    return cells.transpose([order.index(axis) for axis in "NCHW"])


def pieces(cells):
    """Count the runs of neighbors."""
    return 1 + int((np.diff(np.sort(cells, axis=None)) > 1).sum())


assert [pieces(address(order)[:, 0]) for order in ("NCHW", "NHWC", "CNHW")] == [2, 8, 1]
lines = {"(N, C, H, W), the textbook's and PyTorch's: a channel is in 2 pieces": address("NCHW"),
         "(N, H, W, C), PyTorch's channels_last: a channel is in 8 pieces": address("NHWC"),
         "(C, N, H, W), minidl's: a channel is one block": address("CNHW")}
notes = ["No product of the whole batch writes this order: the result of one must be transposed.",
         "What rows @ weight.T writes, (N*H*W, O): all channels of a pixel, then those of the next.",
         "What weight @ columns writes, (O, N*H*W): the result lies where it belongs, a channel is one row."]
title = "The same 24 numbers in three orders: only in the last is a channel one block"
lesson.figure(figures.memory_lines(lines, notes, title), "memory")

# %% [markdown]
# So minidl keeps the shape (N, C, H, W), but lays it out as (C, N, H, W): `minidl/layers/layout.py`. It matters twice.
# Memory comes in lines of mostly 64 bytes, 16 floats: ask for one and you wait for all 16. And NumPy's inner
# loop runs over cells at equal distances; each further piece is a new start of that loop.
#
# **Predict:** take each channel by itself, and look for its maximum. Which order is slow? Which two differ little?

# %%
orders = {"NCHW": np.ascontiguousarray(x), "NHWC": x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
          "CNHW": layout.channel_major(x)}                                      # equal shapes, equal numbers
assert orders["CNHW"].shape == x.shape and layout.is_channel_major(orders["CNHW"])


def maxima(batch):
    """Return each channel's maximum, one channel at a time."""
    return np.array([channel.max() for channel in batch.transpose(1, 0, 2, 3)])


for batch in orders.values():
    check(maxima(batch), maxima(x))
report(ms(2, **{f"maxima_{order}": lambda batch=batch: maxima(batch) for order, batch in orders.items()}))

# %% [markdown]
# One channel of one image, size x size floats, is a piece long enough. How long must a piece be? Below, the same
# number of floats is copied in pieces of 2, of 4, and so on, each with a gap behind it, like the rows of a padded
# image.
#
# **Predict:** from which length on does it not matter?


# %%
def copier(run, count):
    """Return a function that copies `count` floats in pieces of `run`."""
    source, target = rng.random((count // run, run + 2), np.float32), np.empty((count // run, run), np.float32)

    def copy():
        target[...] = source[:, 1:1 + run]
    return copy


count = 2**14 if lesson.quick else 2**20
times = ms(1.5, **{str(2**k): copier(2**k, count) for k in range(1, 13)})
per_float = {int(run): 1e6 * value / count for run, value in times.items()}    # nanoseconds
results["copy_ns_per_float"] = {str(run): value for run, value in per_float.items()}
title = f"Copied in pieces of 4, a float takes {per_float[4] / per_float[64]:.1f} times as long as in pieces of 64"
lesson.figure(figures.times({"copy": per_float}, title, "floats in a piece (in im2col: the width of an image)",
                            "nanoseconds per float", {run: str(run) for run in per_float}), "runs")
print(f"pieces of 4: {per_float[4]:.2f} ns per float, of 64: {per_float[64]:.2f}, of 4096: {per_float[4096]:.2f}")

# %% [markdown]
# The U-Net's deepest maps, of 128 x 128 images, are 4 x 4: their rows are such short pieces, one reason why
# convolutions of small maps reach less of the peak. The textbook's rows are worse still: what lies side by side in them
# comes, number by number, from far apart.
#
# ## 5. Caches
# Between memory and each core are caches: some 32 KiB that answer at once, 0.5 to 2 MiB that answer soon, and, shared
# by the cores, a few or many MiB. Batch norm with ReLU goes over its numbers six times (mean, subtract, square,
# scale, shift, cut off). In the whole array each pass comes from far away; in a *slab* of channels, only the first
# does.
#
# **Predict:** an array of 32 MiB, cut into slabs of 4 KiB up to 32 MiB. Which size is best, and why not the smallest?


# %%
def norm_relu(xs, ys):
    """Write batch norm (scale 1, shift 0.1) and ReLU of the rows xs (C, m) to ys."""
    np.subtract(xs, xs.mean(axis=1, keepdims=True), out=ys)
    ys *= 1 / np.sqrt(np.einsum("ik,ik->i", ys, ys) / ys.shape[1] + 1e-5)[:, None]
    ys += np.float32(0.1)
    np.maximum(ys, 0, out=ys)


def in_slabs(maps, out, limit):
    """Do so slab by slab."""
    xs, ys = layout.rows(maps), layout.rows(out)                                 # (C, m)
    for s in layout.channel_chunks(maps, limit):
        norm_relu(xs[s], ys[s])


def as_formula(maps):
    """Return the same as one would write it down."""
    xs = layout.rows(maps)
    scale = 1 / np.sqrt(xs.var(axis=1, keepdims=True) + 1e-5)
    return np.maximum((xs - xs.mean(axis=1, keepdims=True)) * scale + np.float32(0.1), 0)


channels = 256 if lesson.quick else 8192                                       # of one map of 32 x 32: 4 KiB
maps = layout.channel_major(rng.random((1, channels, 32, 32), np.float32))
out = layout.empty(maps.shape, maps.dtype)

# %%
limits = [2**k for k in range(12, 12 + channels.bit_length())]                 # bytes
expected_rows = as_formula(maps)
for limit in limits:
    in_slabs(maps, out, limit)
    check(layout.rows(out), expected_rows)
times = ms(2, **{str(limit): lambda limit=limit: in_slabs(maps, out, limit) for limit in limits},
           formula=lambda: as_formula(maps))
by_limit = {limit: times[str(limit)] for limit in limits}
best = min(by_limit, key=by_limit.__getitem__)
names = {limit: f"{limit // 2**10} KiB" if limit < 2**20 else f"{limit // 2**20} MiB" for limit in limits}
last = limits[-1]
title = (lesson.headline("Tiny slabs pay for Python's calls: best", "Batch norm + ReLU in slabs: best")
         + f" are {names[best]} here; everything at once takes {by_limit[last] / by_limit[best]:.2f} times as long")
lesson.figure(figures.times({"in slabs, in place": by_limit}, title, "bytes in a slab",
                            f"milliseconds for batch norm + ReLU of {names[last]}",
                            {limit: names[limit] for limit in limits[::2]},
                            {"as one formula": times["formula"]}), "slabs")
print(f"best: {names[best]}, {by_limit[best]:.1f} ms; {names[limits[0]]}: {by_limit[limits[0]] / by_limit[best]:.1f} "
      f"times that; everything at once: {by_limit[last] / by_limit[best]:.2f} times; as one formula: "
      f"{times['formula'] / by_limit[best]:.2f} times")
results |= {"norm_relu_ms": {names[limit]: value for limit, value in by_limit.items()},
            "norm_relu_formula_ms": times["formula"], "best_slab_bytes": best}

# %% [markdown]
# *The left end* is Python again: a dozen calls for each slab, a microsecond or so each, for very few numbers. *The
# right end* is memory: each pass fetches all of the array. How much it rises depends on the machine's last cache
# (little, where that holds the whole array) and on who else uses it. *The dashed line*, the formula as one would
# write it, makes a new array for each operation, whose memory comes from the operating system, which must clear it
# first. In between lies a wide flat bottom; minidl takes `layout.CHUNK_BYTES`, 512 KiB.
#
# ## 6. Columns where there are fewer of them
# A 3 x 3 convolution from 128 to 32 channels: im2col's columns have 128*9 rows (`matmul_im2col`). But the product can
# come first: mix the channels at each pixel to 32*9 numbers, then add each to the position where it belongs
# (`col2im_matmul`). The same sums, a quarter of the columns; `Conv2d.adjoint_window` chooses. **Predict:** a
# quarter of the time?

# %%
many, few = 2 * C, max(1, C // 2)
wide_x = layout.channel_major(rng.normal(size=(N, many, size, size)).astype(np.float32))
narrowing = Conv2d(many, few, 3, padding=1, bias=False, rng=rng)
w, y_few = narrowing.weight.data, layout.empty((N, few, size, size), np.float32)
flipped = Window((3, 3), before=(1, 1), after=(1, 1), flipped=True)
assert narrowing.adjoint_window(N * size * size) == flipped                   # Conv2d would take the second way
ways = {"gather": lambda: matmul_im2col(w.reshape(few, -1), wide_x, narrowing.window, out=y_few),
        "scatter": lambda: col2im_matmul(swapped(w).T, wide_x, flipped, out=y_few)}
expected_few = kernel_loops(wide_x, w)
for way in ways.values():
    way()
    check(y_few, expected_few)
report(ms(3, **ways))
print(f"scatter takes {results['scatter_ms'] / results['gather_ms']:.2f} of gather's time")

# %% [markdown]
# The multiplications are as many as before; only what is copied is less.
#
# Columns of a whole batch are large: nine times x. Made for a few images at a time, they are still in the cache when
# the product comes to read them, and the next ones take the same memory. **Predict:** what is the best size of a part?


# %%
def in_parts(limit):
    """Write the convolution of our_x to our_y, with columns of at most `limit` bytes at a time."""
    for part, cols in columns(our_x, conv.window, limit):
        np.matmul(weight.reshape(2 * C, -1), cols, out=layout.rows(our_y[part]))


our_x, our_y = layout.channel_major(x), layout.empty(y.shape, y.dtype)
all_bytes = 9 * x.nbytes
limits = [all_bytes * count // N for count in sorted({1, min(2, N), max(1, N // 2), N})]     # so many images
for limit in limits:
    in_parts(limit)
    check(our_y, y)
times = ms(3, **{str(limit): lambda limit=limit: in_parts(limit) for limit in limits})
for limit in limits:
    print(f"parts of {limit / 2**20:6.2f} MiB: {number(times[str(limit)])} ms")
results |= {"one_picture_at_a_time_ms": times[str(limits[0])], "all_columns_at_once_ms": times[str(limits[-1])]}

# %% [markdown]
# minidl takes parts of `layout.COLUMNS_BYTES`, 4 MiB (at least an image). Unless a single part was enough, it makes
# them again in the backward pass instead of keeping them: nine times x, for each layer, would soon fill the memory.
#
# ## 7. Fewer multiplications
# So far the sums stayed the same. Behind a nearest upsampling there are fewer to do: the four pixels that it makes of
# each are equal. A row of the large image, 2p or 2p + 1, with weights w0, w1, w2 for the rows above, at and below it:
#
#     large row    sees large rows           which are small rows    so the weights are
#     2p           2p-1   2p     2p+1        p-1   p    p            w0 for p-1,        w1 + w2 for p
#     2p + 1       2p     2p+1   2p+2        p     p    p+1          w0 + w1 for p,     w2 for p+1
#
# Two weights instead of three, and so for columns: of the large image's pixels, each of four kinds is a 2 x 2
# convolution of the *small* image. 4*4 multiplications instead of 4*9: 16 of 36, 44 %.
#
# **Predict:** 44 % of the time, too?

# %%
FOLD = np.array([[[1, 0, 0], [0, 1, 1]],               # rows 2p: two new weights from three old ones
                 [[1, 1, 0], [0, 0, 1]]], np.float32)  # rows 2p + 1


def upsampled_conv(x, weight, bias):
    """Return conv(upsample(x)), (N, O, 2H, 2W), for x (N, C, H, W) and weight (O, C, 3, 3); best for C > O."""
    N, _, H, W = x.shape
    y = layout.empty((N, len(weight), 2 * H, 2 * W), x.dtype)
    quarter = layout.empty((N, len(weight), H, W), x.dtype)
    for a, b in np.ndindex(2, 2):                                              # rows 2p + a, columns 2q + b
        four = np.einsum("ri,ocij,sj->ocrs", FOLD[a], weight, FOLD[b], optimize=True)      # (O, C, 2, 2)
        window = Window((2, 2), before=(a, b), after=(1 - a, 1 - b), flipped=True)         # for scatter, as in 6
        col2im_matmul(swapped(four).T, x, window, out=quarter)
        np.add(quarter, bias[:, None, None], out=y[:, :, a::2, b::2])
    return y


small_size = max(1, size // 4)
layers = {"wide": (4 * C, C), "narrow": (16, 8)}
for name, (before, after) in layers.items():
    plain = Sequential(Upsample(2), Conv2d(before, after, 3, padding=1, rng=rng)).eval()
    small = layout.channel_major(rng.normal(size=(N, before, small_size, small_size)).astype(np.float32))
    parameters = [parameter.data for parameter in plain.parameters()]
    check(upsampled_conv(small, *parameters), plain(small))
    report(ms(2, **{f"{name}_upsample_conv": lambda: plain(small),
                    f"{name}_four_convs": lambda: upsampled_conv(small, *parameters)}))
    results[f"{name}_four_convs_ratio"] = results[f"{name}_four_convs_ms"] / results[f"{name}_upsample_conv_ms"]
    print(f"{name}, {before} to {after} channels: {results[f'{name}_four_convs_ratio']:.2f} of the time for 0.44 of "
          "the multiplications")

# %% [markdown]
# Where channels are few, it was not multiplying that took the time, but the calls, and copies with gaps (every other
# pixel); of them there are more now. **Tried and left out**, each for a page less to read:
#
# * This trick, forward and backward in a U-Net: 1.11 of a step's time at width 64, 1.29 at width 16 (one core). Half of
#   the channels come from the skip and still need all columns of the large image; those of the small one come on top.
# * Winograd's F(4, 3) along the rows, half the multiplications, with errors of 3e-6: 0.8–1.1 of the time on wide
#   layers, slower on narrow ones.
# * Python threads over parts of a layer, instead of the BLAS library's own: 1.06–1.25 of the time on two cores.
# * Python threads for the element-wise work between products: no gain. OpenBLAS's threads spin for some 25 ms after
#   each product, so as to begin the next at once, and keep the cores.
#
# ## 8. The ladder
# The layer of step 1 once more, as in training: forward and backward, that is y, dx and dweight. All candidates in
# turns, with the same number of threads; PyTorch where it is installed (not in a `--quick` run), in both of its
# orders.
#
# First the backward of step 2: each line undoes one of `kernel_loops`.


# %%
def kernel_loops_backward(x, weight, dy):
    """Return dx and dweight."""
    N, _, H, W = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    dpadded, dweight = np.zeros_like(padded), np.empty_like(weight)
    for i, j in np.ndindex(weight.shape[2:]):
        here = np.s_[:, :, i:i + H, j:j + W]
        dweight[:, :, i, j] = np.tensordot(dy, padded[here], axes=((0, 2, 3), (0, 2, 3)))              # (O, C)
        dpadded[here] += np.tensordot(weight[:, :, i, j], dy, axes=(0, 1)).transpose(1, 0, 2, 3)       # (N, C, H, W)
    return dpadded[:, :, 1:-1, 1:-1], dweight


def of_kernel_loops():
    return kernel_loops(x, weight), *kernel_loops_backward(x, weight, dy)


def of_textbook():
    y, rows = textbook.forward(x, weight, zero_bias, padding=1)
    return y, *textbook.backward(dy, rows, x.shape, weight, padding=1)[:2]


def of_minidl():
    conv.zero_grad()
    y = conv(our_x)
    return y, conv.backward(our_dy), conv.weight.grad


dy = rng.normal(size=y.shape).astype(np.float32)
our_dy = layout.channel_major(dy)                       # as the layer behind leaves it


# %%
def of_torch(torch, variant):
    """Return a function that does the same in PyTorch."""
    rival = pytorch.twin(torch, conv)
    pytorch.copy_weights(torch, conv, rival)
    rival, inputs = pytorch.as_variant(torch, variant, rival, x)
    upstream = pytorch.as_variant(torch, variant, rival, dy)[1]
    inputs.requires_grad_()

    def step():
        y = rival(inputs)
        dx, dweight = torch.autograd.grad(y, [inputs, rival.weight], upstream)
        return y.detach().numpy(), dx.numpy(), dweight.numpy()
    return step


torch = None if lesson.quick else pytorch.find_torch()
machine.set_threads(get_num_threads(), torch)
candidates = {"loops over the kernel": of_kernel_loops, "textbook im2col": of_textbook, "minidl": of_minidl}
candidates |= {pytorch.LABELS[variant]: of_torch(torch, variant) for variant in (pytorch.VARIANTS if torch else ())}
expected_step = of_kernel_loops()
for name, step in candidates.items():
    for result, expected_result in zip(step(), expected_step):
        check(result, expected_result)

# %% [markdown]
# **Predict:** seven loops, loops over the kernel, textbook im2col, minidl, PyTorch: is each rung shorter than the last?

# %%
layer = {"seven loops, extrapolated": 3000 * forward_loops} | ms(8, **candidates)
texts = [f"{number(value)} ms" if value < 10_000 else duration(value / 1000) for value in layer.values()]
speedup = float(f"{layer['seven loops, extrapolated'] / layer['minidl']:.2g}")
title = f"One layer, forward and backward: minidl takes 1/{speedup:,.0f} of the loops' time"
sizes = f"{N} images, {C} to {2 * C} channels, {size} x {size}; threads: {get_num_threads()}"
lesson.figure(figures.ladder(layer, title, f"milliseconds for one layer ({sizes})", texts,
                             extrapolated=["seven loops, extrapolated"]), "ladder",
              alt=f"{title}. " + ", ".join(f"{name}: {text}" for name, text in zip(layer, texts)))
for name, text in zip(layer, texts):
    print(f"{name:<28} {text:>14}   {layer[name] / layer['minidl']:9.2f} times minidl's")
step_gflops = 3 * 2e-6 * macs / layer["minidl"]
print(f"minidl: {step_gflops:.0f} GFLOP/s, {step_gflops * 1e9 / peak:.0%} of the peak")

# %% [markdown]
# The textbook's rung may well be longer than that of the loops over the kernel: a good idea, the one product, in the
# wrong order of memory. How near minidl comes to PyTorch depends on the processor. PyTorch's library need not write
# columns to memory: it gathers while it multiplies, with the widest instructions of each processor. For that one
# needs C.
#
# A layer is not a network: `python -m minidl.benchmark` times whole training steps against PyTorch, and tells where the
# time goes and how near each convolution comes to the peak.
#
# ## 9. All cores
# So far the matrix library split each product among the cores. Everything between the products ran on one core, and so
# did products that are too small to split. The other way is to cut the *batch*: each core takes some of the images
# through the whole network, forward and backward. What must the cores tell each other, so that the step is exactly that
# of the whole batch?
#
# *Gradients.* The loss is a mean over images, and the derivative of a mean is the mean of the derivatives. A part r of
# the batch with its share c_r of all labels finds dL_r/dw. The whole batch's gradient is the sum of c_r dL_r/dw.
#
# *Batch norm* is the only layer in which one image affects another. It needs mean and variance over the batch, and
# those are made of sums. **Predict:** two parts know their number of values m_r, their mean mu_r and the sum q_r of
# squared differences from that mean. What are mean and variance of both together? Is q_1 + q_2 enough?

# %%
batch = rng.normal(3, 2, size=(6, 4, 8, 8))                                    # (N, C, H, W)
m, mu, q = [], [], []
for part in (batch[:2], batch[2:]):                                            # 2 images and 4
    values = layout.rows(layout.channel_major(part))                           # (C, m_r)
    m.append(values.shape[1])
    mu.append(values.mean(axis=1))
    q.append(((values - mu[-1][:, None]) ** 2).sum(axis=1))
mean = (m[0] * mu[0] + m[1] * mu[1]) / sum(m)                                  # (C,)
var = sum(q[r] + m[r] * (mu[r] - mean) ** 2 for r in (0, 1)) / sum(m)
check(mean, batch.mean(axis=(0, 2, 3)))
check(var, batch.var(axis=(0, 2, 3)))
print(f"variance of the batch {var.round(3)}; without the means' distance {((q[0] + q[1]) / sum(m)).round(3)}")

# %% [markdown]
# Each part's q counts from its own mean; what is missing is how far these means lie from the common one. Three numbers
# per channel forward, and in the backward pass two more (`dbias` and `dweight`, which its formula needs of the whole
# batch), are all that one core tells another within a step. `minidl/parallel.py` is this chapter as a program.
# `DataParallel` starts a process for each core, with the weights, the gradients and these sums in memory that all of
# them share. After the backward pass each process adds up all gradients for a share of the weights, and updates it.
#
# First the check: three steps of a U-Net on the whole batch, and the same three steps in parts.

# %%
workers = max(2, min(get_num_threads(), N))
images, labels = rng.random((N, 3, size, size), np.float32), rng.integers(0, 3, (N, size, size))
width = max(4, C // 4)


def new_training():
    """Return model, loss and optimizer, always the same."""
    model = unet(width, rng=lesson.seed)
    return model, CrossEntropyLoss(), Adam(model.parameters(), 1e-3)


model, loss, optimizer = new_training()
one_process = [train_step(model, loss, optimizer, images, labels) for _ in range(3)]
model, loss, optimizer = new_training()
with DataParallel(model, loss, optimizer, workers) as team:
    in_parts_losses = [team.step(images, labels) for _ in range(3)]
print("losses of one process: " + ", ".join(f"{value:.6f}" for value in one_process))
print(f"losses of {workers} processes: " + ", ".join(f"{value:.6f}" for value in in_parts_losses))
assert np.allclose(one_process, in_parts_losses, rtol=1e-3)

# %% [markdown]
# **Predict:** with two cores, is a step in parts twice as fast as one process with one core? And if the matrix library
# uses both cores instead? What happens to either if another program keeps one core busy (a video call, a browser)?


# %%
def step_times():
    """Return milliseconds of a training step, three ways (four with PyTorch)."""
    model, loss, optimizer = new_training()
    ways = {"one process, one core": lambda: train_step(model, loss, optimizer, images, labels)}
    ways["one process, products on all cores"] = with_blas_threads(get_num_threads(), ways["one process, one core"])
    if torch is not None:
        ways["PyTorch on all cores"] = pytorch.trainer(torch, "plain", pytorch.twin(torch, model), images, labels)
    team_model, team_loss, team_optimizer = new_training()
    with DataParallel(team_model, team_loss, team_optimizer, workers) as team:      # within, products are on one core
        return ms(6, **ways, **{f"{workers} processes": lambda: team.step(images, labels)})


alone = step_times()
with busy_program():
    beside = step_times()
for name in alone:
    print(f"{name:<36} {number(alone[name]):>8} ms   beside a busy program {number(beside[name]):>8} ms")
best_alone = alone[f"{workers} processes"] / alone["one process, products on all cores"]
title = f"{workers} processes take {best_alone:.2f} of the time of one whose products use all cores"
lesson.figure(figures.pairs({"nothing else runs": alone, "beside one busy program": beside}, title,
                            f"milliseconds for a training step (U-Net of width {width}, {N} images, {size} x {size})"),
              "all_cores", alt=title)
results |= {"workers": workers, "step_ms": alone, "step_beside_busy_ms": beside}

# %% [markdown]
# How much the processes gain depends on the network: on wide ones, most of the time is in large products, and the
# matrix library splits those well by itself. Two processes do not halve the time of one core, since Python's calls and
# the weights' gradients do not get fewer with half of the images. A busy program slows down whoever waits for a core
# that is shared: the library's threads at the end of each product, the processes a few times per layer.
#
# (Where there is enough other work, the simplest cut is the best: `python -m lessons` runs as many lessons at a time as
# there are cores, one core for each.)
#
# The same idea leads from one machine to many. There the sums travel over a network instead of shared memory; PyTorch
# calls it `DistributedDataParallel`, and its batch norm over all parts `SyncBatchNorm`. Your model moves there with its
# weights by name (`torch.from_numpy` for each array of `state_dict()`); what each process does, you have seen here.

# %%
lesson.finish(threads=get_num_threads(), **results, layer_ms=layer, layer_multiply_adds=macs,
              minidl_gflops=step_gflops, minidl_share_of_peak=step_gflops * 1e9 / peak)

# %% [markdown]
# **Try:**
# 1. In `kernel_loops`, replace `np.tensordot(weight[:, :, i, j], shifted, axes=(1, 1))` by
#    `np.einsum("oc,nchw->onhw", weight[:, :, i, j], shifted)`. The checks must still pass. How many GFLOP/s does step 3
#    report now? Then add `optimize=True`. What does einsum do without it?
# 2. `--threads 1 --out one`: compare the two `metrics.json`. Which times grow, which stay? What does that say about a
#    computer with 16 cores?
# 3. A 5 x 5 kernel behind a nearest upsampling: draw the table of step 7 for w0 to w4, and write its `FOLD`, (2, 3, 5),
#    and its window. Check it against `Sequential(Upsample(2), Conv2d(C, O, 5, padding=2))`. Which share of the
#    multiplications is left? (36 of 100.)
