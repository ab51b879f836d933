# %% [markdown]
# # 21 · Speed: the same sums, thousands of times faster
# Slides 15–36. *How near can NumPy come to PyTorch, without a line of C?*
#
# **New here:** nothing is computed that earlier lessons did not compute. What changes is the order of the work: who
# runs the loops, where in memory the numbers lie, how many cores share the work. New are the tools to find out: timing,
# GFLOP/s, strides, caches, Amdahl's law; and at the end, training on all cores.
#
# **Needs:** the loops of a convolution, im2col and batch norm (lesson 4), multiply-adds (lesson 12), the U-Net and its
# training step (lesson 17). No data: random numbers will do.
#
# **Time:** about 55 minutes to read, 45 seconds to run on two cores.

# %%
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minidl import Adam, Conv2d, CrossEntropyLoss, DataParallel, get_num_threads, plotting, unet
from minidl.benchmark import busy, machine, profile, pytorch, reference, scaling, steps
from minidl.benchmark.options import Config
from minidl.benchmark.timing import interleave
from minidl.course.figures.speed import memory_figure, times_figure
from minidl.course.lesson import Lesson
from minidl.layers import layout
from minidl.runtime.format import number
from minidl.runtime.progress import duration
from minidl.runtime.threads import blas_threads
from minidl.step import train_step

lesson = Lesson("21_speed", size=64, width=32, batch_size=8)
rng = np.random.default_rng(lesson.seed)
cores = get_num_threads()
torch = None if lesson.quick else pytorch.find_torch()                 # PyTorch, where it is installed

# %% [markdown]
# Times depend on the machine, on what else runs there, and on chance. So no time is asserted. The text gives ratios, as
# ranges over eight runs on one machine: an AMD EPYC (Zen 3; a virtual machine), NumPy 2.4 with OpenBLAS 0.3.31. (Four
# measured processor time, which other programs on that machine disturb less.) Look at what your run printed.
# What *is* asserted is that all ways give the same result: a faster way to another result is not faster.
#
# `check` does that. `ms` measures as `python -m minidl.benchmark` does. `interleave` runs the functions alternately,
# round after round, so that all of them meet the same ups and downs of the machine; the first round warms up and is not
# counted. The *median* of the calls is not changed by a few slow ones. All runs on one core, until section 8.


# %%
def check(result, expected):
    """Refuse a result that differs by more than rounding."""
    error = np.abs(result - expected).max() / np.abs(expected).max()
    assert result.shape == expected.shape, f"{result.shape}, not {expected.shape}"
    assert error < (1e-5 if result.dtype == np.float32 else 1e-12), f"relative error {error:.1e}"


def ms(seconds, functions):
    """Return {name: median milliseconds of a call}; a function that sets no number of threads runs on one core."""
    with blas_threads(1):
        found = interleave(functions, 0.01 if lesson.quick else seconds)
    return {name: 1000 * timing.median for name, timing in found.items()}


def report(times):
    """Print times."""
    print(", ".join(f"{name} {number(value)} ms" for name, value in times.items()))


# %% [markdown]
# ## 1. Seven loops, and what the processor could do
# The convolution of lesson 4, here with padding 1 and no bias: for each image, output channel, row and column, a sum
# over input channels and the kernel's rows and columns.
#
# **Predict:** a layer takes 8 images from 32 to 64 channels, at 64 × 64. How many multiply-adds is that? How long would
# the loops need: seconds, minutes, hours? And a training of 1000 steps?


# %%
def seven_loops(x, weight):
    """Return y (N, O, H, W) for x (N, C, H, W) and weight (O, C, 3, 3)."""
    O, (N, C, H, W) = len(weight), x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros((N, O, H, W), x.dtype)
    for n, o, p, q, c, i, j in np.ndindex(N, O, H, W, C, 3, 3):
        y[n, o, p, q] += weight[o, c, i, j] * padded[n, c, p + i, q + j]
    return y


tiny = rng.normal(size=(1, 3, 16, 16)), rng.normal(size=(8, 3, 3, 3))                       # x, weight
by_loops = seven_loops(*tiny)
N, C, O, size = lesson.batch_size, lesson.width, 2 * lesson.width, lesson.size
x, weight = rng.normal(size=(N, C, size, size)), rng.normal(size=(O, C, 3, 3))              # float64
multiply_adds = N * O * size * size * C * 9

times = ms(1, {"loops": lambda: seven_loops(*tiny), "the same once more": lambda: seven_loops(*tiny)})
report(times)
nanoseconds = 1e6 * times["loops"] / (by_loops.size * 3 * 9)           # per multiply-add
loops_ms = 1e-6 * nanoseconds * multiply_adds
with blas_threads(1):
    peak = profile.matmul_peak((128,) if lesson.quick else (1024, 2048))
print(f"{multiply_adds:,} multiply-adds; {nanoseconds:.0f} ns each: {duration(loops_ms / 1000)}\n"
      f"1000 steps, with backward, which has two such sums (dW and dx): {duration(3 * loops_ms)}\n"
      f"large matrices (float32, one core): {peak / 1e9:.0f} GFLOP/s, {2e9 / peak:.3f} ns per multiply-add, "
      f"{nanoseconds * peak / 2e9:,.0f} times as fast")

# %% [markdown]
# The first line is the same function under two names. It shows how far the numbers of your run can be trusted: a gap as
# small as that one means nothing. The layer has 604 million multiply-adds. At 650 to 680 ns each, the loops need 6 to 7
# minutes for it, and two weeks for 1000 steps of training.
#
# The last line is what the processor can do. A *FLOP* is one floating-point operation; a multiply-add has two. In the
# product of two large matrices, NumPy's library (BLAS; here OpenBLAS) multiplies and adds several numbers at once, and
# uses each number many times while it is near. None of the ways below was faster per multiply-add. The loops spend
# their time on something else: for each pair, Python looks up names, checks indices and wraps numbers in objects.
#
# ## 2. Let NumPy run the long loops
# Python's price is *per operation*, on one number or on a million. So keep the loops that are short, over the kernel's
# 3 × 3, and give the five long ones to NumPy. For (i, j), all images are shifted, and their channels are mixed by the
# matrix weight[:, :, i, j].
#
# **Predict:** how many operations does Python start now? By what factor does the time of the layer fall?


# %%
def kernel_loops(x, weight):
    """Return the same y: nine shifts, nine products."""
    O, (N, _, H, W) = len(weight), x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros((O, N, H, W), x.dtype)
    for i, j in np.ndindex(3, 3):
        y += np.tensordot(weight[:, :, i, j], padded[:, :, i:i + H, j:j + W], axes=(1, 1))
    return np.ascontiguousarray(y.transpose(1, 0, 2, 3))


check(kernel_loops(*tiny), by_loops)
times = ms(1.5, {"tiny": lambda: kernel_loops(*tiny), "layer": lambda: kernel_loops(x, weight)})
gain = {"tiny": 1e-6 * nanoseconds * by_loops.size * 3 * 9 / times["tiny"], "layer": loops_ms / times["layer"]}
print("as fast as the loops: " + ", ".join(f"{name} {value:,.0f} times" for name, value in gain.items()))

# %% [markdown]
# Some 40 operations, whatever the size. The layer takes 1/3,000 to 1/6,000 of the loops' time, the tiny input of
# section 1 only 1/180 to 1/380: there each operation has little to do, and Python's price still counts.
#
# ## 3. One product; views and strides
# Nine products write all of y nine times. im2col (lesson 4) makes one product of them: it writes the numbers in each
# window side by side, C · 9 of them. Lesson 4 copied nine shifted images. Here is the same without a copy, as a *view*.
#
# An array is a line of cells in memory, and its *strides* say how many bytes to go from a number to the next one along
# each axis. A view has strides of its own on the cells of another array: `transpose` exchanges strides, and slicing
# changes the start. `sliding_window_view` adds two axes, for the rows and columns of a window, and gives them the
# strides that the rows and columns of the image have.
#
# **Predict:** the windows have nine times as many numbers as x. How much memory does this view take?

# %%
padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
windows = sliding_window_view(padded, (3, 3), axis=(2, 3))             # (N, C, H, W, 3, 3)
assert np.shares_memory(windows, padded)
assert windows.strides == padded.strides + padded.strides[2:]
assert windows[1, 2, 5, 6, 2, 1] == padded[1, 2, 5 + 2, 6 + 1]
print(f"padded  {padded.shape}, strides {padded.strides}\nwindows {windows.shape}, strides {windows.strides}\n"
      f"{windows.nbytes / 1e6:.0f} MB to look at, {padded.nbytes / 1e6:.0f} MB in memory")


def windows_of(x):
    """(N, C, H, W) -> (N, C, H, W, 3, 3): a view of the padded x."""
    return sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), axis=(2, 3))


# %% [markdown]
# None of its own. But a matrix product needs a matrix, two axes with one stride each. To get that, `reshape` must copy
# after all, and write each number nine times. What is left to choose is the order of the matrix.
#
# ## 4. The order in memory
# Most courses write one *row* of C · 9 numbers for each position. One can as well write one *column* for each position.
# It is the same matrix, transposed, and the product has the same multiply-adds.
#
# **Predict:** which one is written faster? How many numbers that are neighbors in a row of the matrix are neighbors in
# x, too?


# %%
def as_rows(windows):
    N, C, H, W, _, _ = windows.shape
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * H * W, C * 9)


def as_columns(windows):
    N, C, H, W, _, _ = windows.shape
    return windows.transpose(1, 4, 5, 0, 2, 3).reshape(C * 9, N * H * W)


def one_product_of_rows(x, weight):
    O, (N, _, H, W) = len(weight), x.shape
    y = as_rows(windows_of(x)) @ weight.reshape(O, -1).T               # (N*H*W, O)
    return np.ascontiguousarray(y.reshape(N, H, W, O).transpose(0, 3, 1, 2))


def one_product_of_columns(x, weight):
    O, (N, _, H, W) = len(weight), x.shape
    y = weight.reshape(O, -1) @ as_columns(windows_of(x))              # (O, N*H*W)
    return np.ascontiguousarray(y.reshape(O, N, H, W).transpose(1, 0, 2, 3))


rows, columns, w = as_rows(windows), as_columns(windows), weight.reshape(O, -1)
assert np.array_equal(rows.T, columns)
for way in (one_product_of_rows, one_product_of_columns):
    check(way(*tiny), by_loops)
report(ms(2, {"write rows": lambda: as_rows(windows), "multiply rows": lambda: rows @ w.T,
              "write columns": lambda: as_columns(windows), "multiply columns": lambda: w @ columns}))

# %% [markdown]
# Writing the rows took nearly three times as long as writing the columns; the two products differed by a sixth.
#
# If a row is a position, three numbers at a time are neighbors in x: the window is three wide, then comes another row
# of the image. If a column is a position, a row of the matrix has 64 neighbors at a time, as wide as the image. That
# matters twice. NumPy's inner loop runs over cells at equal distances, and each new piece is a new start of that loop.
# And memory comes to the processor in lines of mostly 64 bytes, eight float64: ask for one and you wait for all eight.
#
# ## 5. float32
# So far everything was float64, NumPy's default, as for checking gradients. minidl's weights are float32.
#
# **Predict:** half the bytes per number. Which part gains, writing the columns, multiplying, or both?

# %%
x32, weight32 = x.astype(np.float32), weight.astype(np.float32)
windows32, columns32, w32 = windows_of(x32), as_columns(windows_of(x32)), weight32.reshape(O, -1)
check(one_product_of_columns(*(array.astype(np.float32) for array in tiny)), by_loops)
expected = kernel_loops(x, weight)                                     # float64
report(ms(2, {"write, float64": lambda: as_columns(windows), "write, float32": lambda: as_columns(windows32),
              "multiply, float64": lambda: w @ columns, "multiply, float32": lambda: w32 @ columns32}))
error = np.abs(one_product_of_columns(x32, weight32) - expected).max() / np.abs(expected).max()
print(f"largest error {error:.0e} of the largest value")

# %% [markdown]
# Both: each took about half the time. Half as many bytes have to move, and a vector instruction of the processor takes
# twice as many float32 as float64. The error is that of rounding, and training does not notice it: all lessons train in
# float32.
#
# ## 6. Caches
# Between memory and the cores are *caches*, smaller and faster. On the machine of this text each core has 32 KiB that
# answer at once and 512 KiB that answer soon, and both share 32 MiB. What was used lately is still there. So it may pay
# to do all steps on some of the numbers, then all steps on the next ones, instead of each step on all of them. Batch
# norm with ReLU has six: mean, subtract, square, scale, shift, cut off.
#
# **Predict:** 8192 channels of 32 × 32, 32 MiB, in slabs of 1, 4, 16, ... channels. Which size is best? Why not the
# smallest?


# %%
def norm_relu(x, y):
    """Write batch norm (γ = 1, β = 0.1) and ReLU of the rows of x (channels, positions) to y."""
    np.subtract(x, x.mean(axis=1, keepdims=True), out=y)
    y *= 1 / np.sqrt(np.einsum("ij,ij->i", y, y) / y.shape[1] + 1e-5)[:, None]
    y += np.float32(0.1)
    np.maximum(y, 0, out=y)


def in_slabs(x, y, channels):
    for i in range(0, len(x), channels):
        norm_relu(x[i:i + channels], y[i:i + channels])


def as_formula(x):
    xhat = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + np.float32(1e-5))
    return np.maximum(xhat + np.float32(0.1), 0)


maps = rng.random((256 if lesson.quick else 8192, 1024), np.float32)   # 4 KiB per channel
out, slabs = np.empty_like(maps), [4**k for k in range(9) if 4**k < len(maps)] + [len(maps)]
result = as_formula(maps)
for channels in slabs:
    in_slabs(maps, out, channels)
    check(out, result)
times = ms(3, {str(n): lambda n=n: in_slabs(maps, out, n) for n in slabs} | {"formula": lambda: as_formula(maps)})
slab_ms = {4 * n: times[str(n)] for n in slabs}                        # by KiB
best = min(slab_ms.values())
print(", ".join(f"{kib:,} KiB {value / best:.2f}" for kib, value in slab_ms.items())
      + f", as one formula {times['formula'] / best:.2f} (1 is {best:.1f} ms)")
lesson.figure(plotting.line_chart({"in slabs": (list(slab_ms), list(slab_ms.values())),
                                   "as one formula": (list(slab_ms), [times["formula"]] * len(slabs))},
                                  f"Batch norm + ReLU of {4 * len(maps) // 1024} MiB", "KiB in a slab", "milliseconds",
                                  (0, None), log="x", dashed=["as one formula"]), "slabs")

# %% [markdown]
# *The left end* is Python again: a dozen calls per slab, for very few numbers; 4 KiB at a time took ten times as long
# as the best. *The bottom* is flat: from 256 KiB to 4 MiB all sizes were within a seventh of the best. *The right end*
# is memory: everything at once took 1.2 times as long. How much it rises depends on the last cache (little, where that
# holds the whole array). *The dashed line* is the formula as one would write it down, on everything at once: 3 to 9
# times as long as the best. It makes a new array for each operation (section 7 says why that costs so much), and `var`
# finds the mean once more. minidl takes 512 KiB.
#
# ## 7. One image at a time, in memory that stays
# A convolution in the same way: columns of one image, product, next image. One image's columns are an eighth of the
# batch's. And the product of one image, (O, H·W), is just what `y[n]` has in memory: `out=` writes it there, and the
# copy at the end is gone. (So this stage changes two things at once. Exercise 2 takes them apart.)
#
# The next stage changes one thing more. Each call so far asks for new memory, for the padded images, the columns and y.
# The operating system hands out large pieces anew each time, and clears them first. A *workspace* is allocated once and
# used again.
#
# **Predict:** which of the two steps gains more?


# %%
def image_by_image(x, weight):
    O, (N, _, H, W) = len(weight), x.shape
    y = np.empty((N, O, H, W), x.dtype)
    for n in range(N):
        np.matmul(weight.reshape(O, -1), as_columns(windows_of(x[n:n + 1])), out=y[n].reshape(O, H * W))
    return y


def new_workspace(x, weight):
    """Return memory for one padded image, its columns, and y."""
    O, (N, C, H, W) = len(weight), x.shape
    return (np.zeros((C, H + 2, W + 2), x.dtype), np.empty((C, 3, 3, H, W), x.dtype), np.empty((N, O, H, W), x.dtype))


def in_workspace(x, weight, workspace):
    O, (_, C, H, W), (padded, columns, y) = len(weight), x.shape, workspace
    windows = sliding_window_view(padded, (3, 3), axis=(1, 2)).transpose(0, 3, 4, 1, 2)      # (C, 3, 3, H, W)
    for image, of_image in zip(x, y):
        padded[:, 1:-1, 1:-1] = image
        columns[...] = windows
        np.matmul(weight.reshape(O, -1), columns.reshape(C * 9, H * W), out=of_image.reshape(O, H * W))
    return y


workspace = new_workspace(x32, weight32)
for y in (image_by_image(x32, weight32), in_workspace(x32, weight32, workspace)):
    check(y, expected)
report(ms(2, {"all images at once": lambda: one_product_of_columns(x32, weight32),
              "image by image": lambda: image_by_image(x32, weight32),
              "in a workspace": lambda: in_workspace(x32, weight32, workspace)}))

# %% [markdown]
# Image by image took 0.74 to 0.90 of the time, and the workspace 0.85 to 0.94 of that. Was the first gain due to the
# cache? Exercise 2 says: mostly not. Without the copy at the end, all images at once are nearly as fast.
#
# ## 8. All stages in one run
# Two last stages use all cores, in two ways. BLAS can split each *product* among cores by itself. Or we split the
# *batch*: a thread per core, each with its own images and its own workspace, and its products on one core. (NumPy lets
# other threads run while it copies and multiplies.)
#
# Then minidl's `Conv2d`, on one core; and PyTorch, if it is installed, on one core and on all, in the better of its two
# memory orders.
#
# **Predict:** is each bar shorter than the one before? How far is the last NumPy one from PyTorch?

# %%
parts = [slice(N * k // cores, N * (k + 1) // cores) for k in range(min(cores, N))]
threads = ThreadPoolExecutor(len(parts))
workspaces = [new_workspace(x32[part], weight32) for part in parts]


def images_on_all_cores():
    return list(threads.map(lambda part, own: in_workspace(x32[part], weight32, own), parts, workspaces))


conv = Conv2d(C, O, 3, padding=1, bias=False, rng=rng)
conv.weight.data[...] = weight32
x_minidl = layout.channel_major(x32)                                   # as the layer before it leaves it
stages = {"nine products, float64": lambda: kernel_loops(x, weight),
          "one product of rows": lambda: one_product_of_rows(x, weight),
          "one product of columns": lambda: one_product_of_columns(x, weight),
          "float32": lambda: one_product_of_columns(x32, weight32),
          "image by image": lambda: image_by_image(x32, weight32),
          "in a workspace": lambda: in_workspace(x32, weight32, workspace),
          "products on all cores": steps.with_blas_threads(cores, lambda: in_workspace(x32, weight32, workspace)),
          "images on all cores": images_on_all_cores,
          "minidl, one core": lambda: conv(x_minidl)}
for name, stage in stages.items():
    check(np.concatenate(stage()) if stage is images_on_all_cores else stage(), expected)


def of_pytorch(variant, threads):
    """Return a function that does the same in PyTorch."""
    rival = pytorch.twin(torch, conv)
    pytorch.copy_weights(torch, conv, rival)
    run = pytorch.predictor(torch, variant, rival, x32)
    check(run(), expected)
    return lambda: (torch.set_num_threads(threads), run())[1]


rivals = {} if torch is None else {(name, variant): of_pytorch(variant, n) for variant in pytorch.VARIANTS
                                   for name, n in (("PyTorch, one core", 1), ("PyTorch, all cores", cores))}
times = ms(3, stages | rivals)
threads.shutdown()
layer = {"seven loops (calculated)": loops_ms} | {name: times[name] for name in stages}
layer |= {name: min(times[name, variant] for variant in pytorch.VARIANTS) for name, _ in rivals}

# %%
machine_and_date = f"{reference.MACHINE}, {reference.DATE}"
runs = {"this run": layer}
if lesson.as_intended:
    runs[f"{machine_and_date}, processor time"] = reference.LAYER_MS
lesson.figure(times_figure(runs, f"One convolution in {len(layer)} ways: the same result in "
                           f"{number(layer['in a workspace'])} ms as in {duration(loops_ms / 1000)}",
                           f"milliseconds (forward, {N} images, {C} to {O} channels, {size} × {size})",
                           hatched=["seven loops (calculated)"]), "stages")
for run, known in runs.items():
    print(f"\n{run}:")
    for name, value in known.items():
        print(f"{name:<26}{value:12,.1f} ms {2e-6 * multiply_adds / value:10,.3g} GFLOP/s "
              f"{value / known['in a workspace']:10,.2f} times the workspace's time")

# %% [markdown]
# The loops' 6 to 10 minutes have become some 20 ms, on one core:
#
# - One product of rows took 0.7 to 0.95 of the time of nine products (once 1.4), columns 0.7 of that (once 0.4),
#   float32 0.4 to 0.5 of that. Image by image took 0.7 to 0.9 of the time before, the workspace 0.8 to 0.95.
# - minidl's `Conv2d` took 1.0 to 1.1 times the workspace's time. It returns a new array each time, as other layers keep
#   their inputs for backward.
# - For the two ways to use all cores, see your run. In the first, BLAS splits the products only, and one core still
#   writes all columns. In the second, each core does everything for its images.
# - PyTorch on one core took 0.7 to 0.8 of the workspace's time. The product by itself (section 5) took 0.8 to 0.95 of
#   it, and more than PyTorch in each run, so no im2col could get there. For convolutions, PyTorch's library need not
#   write columns at all: it can gather while it multiplies, with the instructions that the processor has. For that one
#   needs C (or a compiler).
#
# ## 9. From the layer to the network
# minidl's `Conv2d` works in the same way, with one difference: the order of the maps in memory. A batch of 2 images
# with 3 channels of 2 × 2 pixels is a line of 24 cells. **Predict:** in which order of N, C, H, W is a channel, of all
# images, in one piece?

# %%
cells = np.arange(24)                                                  # all indexed by (n, c, h, w):
orders = {"N, C, H, W (PyTorch). The products of single images write this order.": cells.reshape(2, 3, 2, 2),
          "N, H, W, C (PyTorch, channels_last). One product of rows writes it.":
              cells.reshape(2, 2, 2, 3).transpose(0, 3, 1, 2),
          "C, N, H, W (minidl). One product of columns writes it.": cells.reshape(3, 2, 2, 2).transpose(1, 0, 2, 3)}
pieces = [1 + int((np.diff(np.sort(of[:, 0], axis=None)) > 1).sum()) for of in orders.values()]
print(f"channel 0 lies in {pieces} pieces")
assert pieces == [2, 8, 1] and layout.is_channel_major(conv(x_minidl))
lesson.figure(memory_figure(orders, "The same 24 numbers in three orders"), "memory")

# %% [markdown]
# minidl's maps have the shape (N, C, H, W) and lie in the order C, N, H, W (`minidl/layers/layout.py`). Then the
# product of the columns of several images lies where it belongs, and batch norm finds each channel in one piece.
#
# A layer is not a network. `python -m minidl.benchmark` measures whole training steps (section `steps`), beside a busy
# program (`busy`), where a step's time goes (`layers`), how near each convolution comes to the peak (`convolutions`),
# memory, inference, and how the time grows. Here is `layers`, on one core, for a U-Net as in lesson 17.
#
# **Predict:** which share of a step do the convolutions take? If they took no time at all, how much faster would the
# step be?

# %%
config = Config(max(2, C // 2), size, N)                               # width, size, images
with blas_threads(1):
    step = profile.as_result(profile.measure(config, 0.1 if lesson.quick else 2))
print(profile.show(step))
share = next(row["share"] for row in step["kinds"] if row["kind"] == "Conv2d")
print(f"\nconvolutions twice as fast: a step {1 / (1 - share / 2):.2f} times as fast; "
      f"in no time: {1 / (1 - share):.1f} times")

# %% [markdown]
# *Amdahl's law*: if a share s of the time becomes k times as fast, the whole becomes 1 / (1 − s + s/k) times as fast.
# The convolutions take 70 to 75 % of this step, so if they took no time at all, the step would be less than four times
# as fast. That holds for cores, too: if BLAS splits the products between two, the other quarter, and the columns, stay
# on one.
#
# ## 10. All cores
# So cut the *batch*, as in section 8: each core takes some of the images through the whole network, forward and
# backward. What must the cores tell each other, so that the step is exactly that of the whole batch?
#
# *Gradients.* The loss is a mean over the pixels of all images. If part r has the share c_r of them and finds the
# gradient dL_r/dw, the whole batch's gradient is the sum of c_r · dL_r/dw.
#
# *Batch norm* is the only layer of the U-Net in which images affect each other. It needs mean and variance over the
# batch. **Predict:** two parts know their number of values m_r, their mean μ_r, and the sum q_r of squared differences
# from that mean. What are mean and variance of both together? Is q_1 + q_2 enough?

# %%
batch = rng.normal(size=(6, 4, 8, 8)) + np.arange(6)[:, None, None, None]     # (N, C, H, W), brighter and brighter
m, mu, q = [], [], []
for part in (batch[:2], batch[2:]):                                    # 2 images and 4
    m.append(part[:, 0].size)
    mu.append(part.mean(axis=(0, 2, 3)))                               # (C,)
    q.append(((part - mu[-1][:, None, None]) ** 2).sum(axis=(0, 2, 3)))
mean = (m[0] * mu[0] + m[1] * mu[1]) / sum(m)
variance = sum(q[r] + m[r] * (mu[r] - mean) ** 2 for r in (0, 1)) / sum(m)
check(mean, batch.mean(axis=(0, 2, 3)))
check(variance, batch.var(axis=(0, 2, 3)))
print(f"variance of the batch {variance.round(3)}; (q_1 + q_2) / m alone {((q[0] + q[1]) / sum(m)).round(3)}")

# %% [markdown]
# Each q counts from its own mean; what is missing is how far these means lie from the common one. So a core tells the
# others three numbers per channel forward, and two backward: the sums Σ g and Σ g x̂ of lesson 4.
#
# `minidl/parallel.py` is this chapter as a program. `DataParallel` starts a process per core, not a thread: between
# NumPy's calls Python runs one thread at a time, and a network has many calls. Weights, gradients and these sums lie in
# memory that all processes share. After backward, each process adds up all gradients for its share of the weights, and
# updates it. First the check: three steps on the whole batch, and the same three steps in parts.

# %%
workers = max(2, min(cores, N))
images, labels = steps.images(config)                                  # (N, 3, size, size), (N, size, size)
model, twin = unet(config.width, rng=lesson.seed), unet(config.width, rng=lesson.seed)
loss, optimizer = CrossEntropyLoss(), Adam(model.parameters(), 1e-3)
whole = [train_step(model, loss, optimizer, images, labels) for _ in range(3)]
with DataParallel(twin, CrossEntropyLoss(), Adam(twin.parameters(), 1e-3), workers) as team:
    in_parts = [team.step(images, labels) for _ in range(3)]
for name, losses in {"whole batch": whole, f"{workers} processes": in_parts}.items():
    print(f"{name:<12} losses " + ", ".join(f"{value:.6f}" for value in losses))
assert np.allclose(whole, in_parts, rtol=1e-3)

# %% [markdown]
# Three of the benchmark's measurements: the step with 1, 2, ... processes (section `growth`); with a process per core,
# with one process whose products BLAS splits, and in PyTorch (`steps`); and the same beside a program that multiplies
# matrices on one core all the time (`busy`). All must have the same first losses, or it refuses to compare them.
#
# **Predict:** with two cores, is a step in parts twice as fast as on one core? And if BLAS splits the products instead?
# What happens to both beside a busy program (a video call, a browser)?

# %%
machine.set_threads(cores, torch)
seconds = 0.05 if lesson.quick else 4
for row in scaling.measure(config, seconds / 2, cores, {})["series"]["processes"]:
    print(f"{row['processes']} processes: {row['ms']:.0f} ms")
found = {"nothing else runs": steps.measure((config,), seconds, torch),
         "beside one busy program": busy.measure((config,), seconds, torch)}
names = steps.LABELS | {"ours": "a process per core", "one": "products on all cores"}
step_ms = {condition: {names[name]: value for name, value in row["ms"].items()}
           for condition, (row,) in found.items()}
lesson.figure(times_figure(step_ms, f"A training step of the U-Net; cores: {cores}", f"milliseconds ({config})",
                           log=False), "all_cores")
known = reference.STEP_MS if lesson.as_intended else {}
for run, conditions in {"this run": step_ms, machine_and_date: known}.items():
    for condition, times in conditions.items():
        print(f"{run}, {condition}:\n    " + ", ".join(f"{name} {value:.0f} ms" for name, value in times.items()))

# %% [markdown]
# On the machine of this text, while nothing else ran, the processes took 0.80 of the time of the one process whose
# products BLAS split, and 1.09 times that of PyTorch; beside a busy program 0.69 times PyTorch's. (These three are from
# README's table: 50 ms against 63 and 46. Your run may be far from it.)
#
# Is that twice as fast as one core? On another machine (two cores of a Zen 4) one core took 58 ms, two processes 34,
# and half of the images on one core 33. So it is 1.7 times as fast, and what is missing is not lost in the exchange:
# half of the images take more than half of the time, as Python's calls and the update of the weights do not get fewer.
#
# Threads in place of processes were tried, too, within each layer: steps on two cores took 1.06 to 1.25 times as long,
# and for what lies between the products they gained nothing. After a product, OpenBLAS's threads keep their cores for
# some 25 ms, so as to begin the next one at once.
#
# The same works with many machines, and a network in place of shared memory. PyTorch calls it
# `DistributedDataParallel`, and batch norm over all parts `SyncBatchNorm`.
#
# ## Recap
# - Python's price is per operation, so give NumPy few and large ones: one product instead of nested loops is thousands
#   of times as fast. After that it is about memory: in which order, how often, how far away.
# - Measure alternately, take medians, know your noise, and check the results. Amdahl's law says what a faster part can
#   bring to the whole.
# - All cores: cut the batch. Gradients add up, batch norm exchanges a few sums, and the step is that of the whole
#   batch.
#
# **Write it yourself:** `joint_moments`. `python -m lessons.exercises 21` puts a stub into `my/21_speed.py` and checks
# what you write.

# %%
lesson.finish(threads=cores, multiply_adds=multiply_adds, loops_ns_per_multiply_add=nanoseconds,
              peak_gflops=peak / 1e9, layer_ms=layer, slab_ms={f"{kib} KiB": value for kib, value in slab_ms.items()},
              profile_ms={row["kind"]: row["ms"] for row in step["kinds"]}, share_of_convolutions=share,
              workers=workers, step_ms=step_ms)

# %% [markdown]
# **Try:**
# 1. ★ A convolution with stride 2 needs no copy more: take every other window, `windows_of(x)[:, :, ::2, ::2]`, in
#    `one_product_of_columns`, and H // 2, W // 2. You should see the strides (557568, 17424, 528, 8, 264, 4) for x32,
#    and no error in `check(strided(x32, weight32), conv(x32))`, with `conv = Conv2d(C, O, 3, stride=2, padding=1,
#    bias=False)` and `conv.weight.data[...] = weight32`.
# 2. ★★ Take the two changes of section 7 apart. Let `one_product_of_columns` return its transposed view, without
#    `np.ascontiguousarray`: it should take 0.75 to 0.85 of the time of "all images at once". Let `image_by_image` copy,
#    `y[n] = (weight.reshape(O, -1) @ as_columns(windows_of(x[n:n + 1]))).reshape(O, H, W)`: expect 1 to 1.1 times its
#    time. What is left for the cache?
# 3. ★★ In `kernel_loops`, take `np.einsum("oc,nchw->onhw", weight[:, :, i, j], padded[:, :, i:i + H, j:j + W])` in
#    place of `tensordot`. The checks must still pass. It should take 3.5 to 4.5 times as long on one core, and with
#    `optimize=True` 1.4 to 1.9 times. What does einsum do without it?
# 4. ★★★ Fewer multiplications. After a nearest upsampling, four neighboring pixels are equal, so a 3 × 3 convolution of
#    the large image is four 2 × 2 convolutions of the small one, each with sums of the old weights: 16 of 36
#    multiply-adds. Write it for `in_workspace`, and check it against `Sequential(Upsample(2), Conv2d(...))`. Does the
#    time go down to 44 %? (In minidl's U-Net, it lost: half of the channels come from the skip.)
