# %% [markdown]
# # 15 · Upsampling: more pixels than numbers
# Slides 25–30. *Pooling made the maps small. What do we write into the pixels that are missing?*
#
# **New here:** interpolation, nearest and bilinear, first by hand, then as a matrix; its backward, which is the same
# matrix transposed; which transposed convolutions paint evenly; and what a convolution after each upsampling adds.
#
# **Needs:** forks add, finite differences (lesson 0); convolution, pooling and "adjoint" (lesson 4); trimaps and mean
# IoU (lesson 8); how segmentation is trained (lesson 10); the transposed convolution (lesson 14).
#
# **Time:** about 55 minutes to read, 50 seconds to run on two cores.

# %%
import numpy as np

from minidl import (
    Adam, BatchNorm2d, Conv2d, ConvTranspose2d, CosineSchedule, MSELoss, ReLU, Sequential, Upsample, check_layer,
    plotting,
)
from minidl.batches import as_input
from minidl.course.figures.upsampling import between_figure, rows_figure
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.layers.upsampling import interpolation_matrix
from minidl.models import conv_block
from minidl.step import predict, predict_classes
from minidl.tasks.segmentation.experiment import Segmentation, segmentation_scores
from minidl.training import fit

lesson = Lesson("15_upsampling", budget=3_000)
if lesson.size % 8:
    raise ValueError(f"--size: expected a size that divides by 8, for maps 8 times smaller, got {lesson.size}")
rng = np.random.default_rng(lesson.seed)

# %% [markdown]
# ## 1. A row of pixels
# An encoder makes maps smaller: fewer rows and columns, more channels. A segmentation needs an answer at every pixel,
# so a *decoder* has to make them larger again (slide 25). Lesson 16 builds the two. Here we look at one step: twice as
# many rows and columns, so that three pixels in four are missing. To fill them in from the values that are there is
# *interpolation*.
#
# Start with one row. A pixel is a small square, and its value belongs to its center. If two pixels have their centers
# at 0 and 1, the row reaches from −1/2 to 3/2. Cut into four pixels, each 1/2 wide, it has centers at −1/4, 1/4, 3/4
# and 5/4. With a factor s, new pixel i lies at (i + 1/2)/s − 1/2, in units of old pixels. There we write
#
# - *nearest* (nearest neighbor): the value of the closest old center;
# - *linear*: the value on the straight line between the two old centers around it. At a share t of the way from a to b,
#   that is (1 − t)·a + t·b. Beyond the first and the last center there is no line, and the outermost value continues.
#
# **Predict:** the row 1, 5 becomes four values. Which, by each of the two?


# %%
def positions(size, scale):
    """Where the new pixels lie, in units of old pixels: (size * scale,)."""
    return (np.arange(size * scale) + 0.5) / scale - 0.5


def nearest_row(values, scale):
    """(W,) -> (W * scale,)"""
    return values[np.round(positions(len(values), scale)).astype(int)]


def linear_row(values, scale):
    """(W,) -> (W * scale,), for at least two values."""
    at = positions(len(values), scale).clip(0, len(values) - 1)            # beyond the ends: the outermost value
    left = np.minimum(np.floor(at).astype(int), len(values) - 2)           # the old center to the left of each
    t = at - left
    return (1 - t) * values[left] + t * values[left + 1]


two, four, random_row = np.array([1.0, 5.0]), np.array([1.0, 5.0, 4.0, 8.0]), rng.normal(size=7)
print("nearest", nearest_row(two, 2), " linear", linear_row(two, 2))
assert nearest_row(two, 2).tolist() == [1, 1, 5, 5] and linear_row(two, 2).tolist() == [1, 2, 4, 5]
for mode, by_hand in (("nearest", nearest_row), ("bilinear", linear_row)):
    library = Upsample((1, 3), mode).forward(random_row.reshape(1, 1, 1, 7))             # (N, C, H, W): W times 3
    assert np.allclose(library.ravel(), by_hand(random_row, 3))
lesson.figure(rows_figure({
    "1, 5, with twice as many pixels": (two, {"nearest": nearest_row(two, 2), "linear": linear_row(two, 2)}),
    "1, 5, 4, 8, with eight times as many": (four, {"nearest": nearest_row(four, 8), "linear": linear_row(four, 8)}),
}, "New pixels stand at their own centers"), "one_dimension")

# %% [markdown]
# Nearest copies each value, and between two old pixels it jumps. Linear goes from one ring to the next in equal steps,
# and is level at both ends.
#
# The library calls this convention `align_corners=False`: the *edges* of the row stay where they are. There is another
# one, `align_corners=True`. It takes pixels as points and keeps the outermost *centers* where they are. Then the row
# 1, 5 becomes 1, 2.33, 3.67, 5. We use the first, as slide 29 does.

# %%
points = Upsample((1, 2), "bilinear", align_corners=True).forward(two.reshape(1, 1, 1, 2)).ravel()
assert np.allclose(points, [1, 7 / 3, 11 / 3, 5])

# %% [markdown]
# ## 2. An image: along both sides
# Slide 27: four pixels, 1 and 5 above, 4 and 8 below. What lies a quarter of the way to the right and three quarters of
# the way down? First interpolate on the left side and on the right side, three quarters down each. Then go a quarter
# of the way from the one result to the other. *Bilinear* means linear along both sides.
#
# **Predict:** the three values. Does it matter whether we go down first, or across first?

# %%
corners = np.array([[1.0, 5.0], [4.0, 8.0]])
down, right = 3 / 4, 1 / 4
left_side = (1 - down) * corners[0, 0] + down * corners[1, 0]
right_side = (1 - down) * corners[0, 1] + down * corners[1, 1]
inside = (1 - right) * left_side + right * right_side
print(f"left side {left_side}, right side {right_side}, between them {inside}")
assert (left_side, right_side, inside) == (3.25, 7.25, 4.25)
above, below = (1 - right) * corners[:, 0] + right * corners[:, 1]         # across first
assert (1 - down) * above + down * below == inside
shares = np.outer([1 - down, down], [1 - right, right])                    # of the four corners: 3/16, 1/16, 9/16, 3/16
assert np.sum(shares * corners) == inside and shares.sum() == 1

# %% [markdown]
# It does not matter. Either way each corner gets the same share: the product of its share down and its share across.
# Now for all 4 × 4 new pixels. **Predict:** which of them is the 4.25?


# %%
def enlarge(image, scale, row_by):
    """(H, W) -> (scale H, scale W): first down the columns, then along the rows."""
    tall = np.stack([row_by(column, scale) for column in image.T], axis=1)               # (scale H, W)
    return np.stack([row_by(row, scale) for row in tall])                                # (scale H, scale W)


nearest, bilinear = (enlarge(corners, 2, row_by) for row_by in (nearest_row, linear_row))
print(bilinear)
slide_28 = np.array([[1, 1, 5, 5], [1, 1, 5, 5], [4, 4, 8, 8], [4, 4, 8, 8]])
slide_29 = np.array([[1.0, 2.0, 4.0, 5.0], [1.75, 2.75, 4.75, 5.75],       # the slide cuts to one decimal
                     [3.25, 4.25, 6.25, 7.25], [4.0, 5.0, 7.0, 8.0]])
assert np.array_equal(nearest, slide_28) and np.array_equal(bilinear, slide_29) and bilinear[2, 1] == inside
for mode, by_hand in (("nearest", nearest), ("bilinear", bilinear)):
    assert np.allclose(Upsample(2, mode).forward(corners[None, None])[0, 0], by_hand)
lesson.figure(between_figure(corners, down, right, {"nearest (slide 28)": nearest, "bilinear (slide 29)": bilinear},
                             "Bilinear mixes the four centers around a point, nearest copies one of them"),
              "two_dimensions")

# %% [markdown]
# Row 2, column 1 (counted from 0): its center lies at 3/4 down and 1/4 to the right. In the left drawing, the corners
# are the four old centers. The corners of the enlarged images lie outside of that square, so they keep 1, 5, 4 and 8.
#
# ## 3. As a matrix, and back by its transpose
# Each new value is a sum of old values, each times a fixed share. So enlarging a row is a matrix product, y = A x: row
# i of A has the shares of new pixel i. To find A, enlarge the rows 1, 0, 0, … and 0, 1, 0, … and so on: what becomes of
# the j-th of them is column j. An image X is enlarged down its columns by A and along its rows by B: Y = A X Bᵀ.
#
# **Predict:** the sum of each row of A, and the sum of each column.


# %%
def matrix_of(enlarge_row, size, scale):
    """The (size * scale, size) matrix of a linear map: column j is what it makes of the j-th unit row."""
    return np.stack([enlarge_row(unit, scale) for unit in np.eye(size)], axis=1)


A_nearest, A_linear = matrix_of(nearest_row, 4, 2), matrix_of(linear_row, 4, 2)          # (8, 4)
print(A_linear)
for A, mode in ((A_nearest, "nearest"), (A_linear, "bilinear")):
    assert np.allclose(A, interpolation_matrix(4, 2, mode))                # the library's own
    assert np.allclose(A.sum(axis=1), 1) and np.allclose(A.sum(axis=0), 2)
A = matrix_of(linear_row, 2, 2)
assert np.allclose(A @ corners @ A.T, bilinear)

# %% [markdown]
# The shares of each new pixel sum to 1, so a constant image stays constant. And each old pixel hands out 2 in all, as
# there are twice as many pixels.
#
# Backward: old pixel j acts on L through each new pixel i, with share A[i, j]. Forks add: dx[j] = Σ over i of A[i, j] ·
# dy[i], which is dx = Aᵀ dy. For images, dX = Aᵀ dY B. What was copied is summed, and what was mixed is handed back in
# the same shares. There are no parameters, so nothing is learned here.
#
# **Predict:** dx of both modes for dy all ones.

# %%
x, dy = rng.normal(size=(2, 3, 3, 4)), rng.normal(size=(2, 3, 6, 8))
for mode, row_by in (("nearest", nearest_row), ("bilinear", linear_row)):
    A, B = matrix_of(row_by, 3, 2), matrix_of(row_by, 4, 2)                # (6, 3), (8, 4)
    layer = Upsample(2, mode)
    y = layer.forward(x)
    dx = layer.backward(dy)
    assert np.allclose(y, A @ x @ B.T) and np.allclose(dx, A.T @ dy @ B)
    print(f"{mode:<8}  ⟨y, dy⟩ = {np.sum(y * dy):.12f}   ⟨x, dx⟩ = {np.sum(x * dx):.12f}")
    assert np.isclose(np.sum(y * dy), np.sum(x * dx)), "adjoint (lesson 4)"
    assert np.allclose(layer.backward(np.ones_like(y)), 4), "2 along each side"
    print(check_layer(layer, x))                                           # finite differences

# %% [markdown]
# ## 4. Painting evenly
# Lesson 14's transposed convolution enlarges, too, with weights that are learned. Each old pixel *paints* its kernel,
# times its value. One stride farther the next one paints, and where kernels overlap, they add up. Lesson 14 also found
# *grid artifacts*: a map of ones does not become even. Which kernels paint evenly?
#
# Again this is a matrix, only read by columns: column j is what old pixel j paints. And bilinear interpolation can be
# painted. In its matrix above, the middle columns hold the same little tent, ¼ ¾ ¾ ¼, each two rows below the one
# before. Only the two outer columns differ: what a tent would paint beyond the edge is added to the outermost pixel.
#
# **Predict:** all old pixels are 1, and the stride is 2. What is painted inside, away from the ends, by the kernels
# [1, 1, 1], [1, 1, 1, 1], [¼, ¾, ¾, ¼] and [½, 1, ½]?


# %%
def paint(values, kernel, stride=2):
    """Each value paints the kernel, times itself, `stride` pixels after the one before."""
    y = np.zeros((len(values) - 1) * stride + len(kernel))
    for j, value in enumerate(values):
        y[j * stride:j * stride + len(kernel)] += value * kernel
    return y


kernels = {"three ones": np.ones(3), "four ones": np.ones(4), "tent of 4": np.array([1, 3, 3, 1]) / 4,
           "tent of 3": np.array([1, 2, 1]) / 2}
for name, kernel in kernels.items():
    layer = ConvTranspose2d(1, 1, (1, len(kernel)), stride=(1, 2), bias=False).astype(np.float64)
    layer.weight.data[...] = kernel
    assert np.allclose(layer.forward(four.reshape(1, 1, 1, 4)).ravel(), paint(four, kernel))
    print(f"{name}: ones become {paint(np.ones(4), kernel)[2:-2]} inside; 1, 5, 4, 8 becomes {paint(four, kernel)}")
assert np.allclose(paint(four, kernels["tent of 4"])[2:-2], linear_row(four, 2)[1:-1])
painted = {f"painted, {name}": np.stack([paint(unit, kernel) for unit in np.eye(4)], axis=1)
           for name, kernel in kernels.items() if name != "four ones"}
lesson.figure(plotting.array_sheet([{"nearest": A_nearest, "linear": A_linear, **painted}],
                                   "Four pixels become more: five matrices", "g", side=250), "matrices")

# %% [markdown]
# In the figure, a column is what one old pixel paints, and a row is what one new pixel is mixed from. Inside, the rows
# of "three ones" sum to 2 and 1 alternately: it paints ones unevenly. Those of all others sum to 1. The tent of 3 draws
# straight lines, too. Its new pixels lie on the old centers (the rows with a single 1) and halfway between them.
#
# Why is a kernel even or uneven? With stride s, a new pixel gets every s-th entry of the kernel. So the stride cuts a
# kernel into s parts, in two dimensions into s · s, and on ones the inside repeats the sums of these parts. *Painting
# is even if all parts have the same sum.* For three entries at stride 2 that means w₀ + w₂ = w₁, and for four entries
# w₀ + w₂ = w₁ + w₃. Either size can be even, as the tents are, and random weights of either size are not.
#
# The sizes differ in something else. Of four entries, each part has two. Of three entries, one part
# has two and the other has one; in two dimensions, the four parts have 4, 2, 2 and 1.
#
# **Predict:** draw 2,000 random kernels. What are the standard deviations of their four sums, for 3 × 3 and for 4 × 4?


# %%
def parts(kernel, stride=2):
    """(..., k, k) -> (stride, stride, ...): the sums of the parts into which the stride cuts a kernel."""
    return np.array([[kernel[..., i::stride, j::stride].sum(axis=(-2, -1)) for j in range(stride)]
                     for i in range(stride)])


for k, counts in ((3, [[4, 2], [2, 1]]), (4, [[4, 4], [4, 4]])):
    assert parts(np.ones((k, k))).tolist() == counts
    spread = parts(rng.normal(size=(2_000, k, k))).std(axis=-1)            # (2, 2)
    print(f"{k} × {k}: one kernel {parts(rng.normal(size=(k, k))).round(1).tolist()}, "
          f"standard deviations of 2,000 {spread.round(2).tolist()}")
    assert np.allclose(spread, np.sqrt(counts), rtol=0.1)
tent = np.outer(kernels["tent of 3"], kernels["tent of 3"])
assert np.array_equal(parts(tent), np.ones((2, 2))), "even, with kernel 3 and stride 2"

# %% [markdown]
# A single random kernel is uneven, of either size. But over many kernels, or many channels, 4 × 4 favors no part (2.0
# for all four), and 3 × 3 favors the one with four entries (2.0, 1.4, 1.4 and 1.0). So the question is whether the
# kernel's size divides by the stride. If it does, as 4 by 2, all parts start alike on average. If not, as 3 by 2, a
# layer starts uneven on average, at the same pixels in all its channels, and has to learn to be even. (Odena,
# Dumoulin, Olah, "Deconvolution and Checkerboard Artifacts", Distill, 2016,
# https://distill.pub/2016/deconv-checkerboard.)
#
# That article recommends what slide 30 shows: first enlarge by interpolation, then convolve. Such a convolution has one
# kernel for all pixels. Nearest makes ones of ones, and so each pixel inside gets the sum of all weights, for any
# weights.
#
# Can the transposed convolutions learn it? A small training: gray images are averaged to half their size, and three
# layers, with random weights at first, have to restore them. (Averaging is the transpose of nearest: it sums the copies
# of each pixel. Divided by their number, that is a mean.) The paddings below only cut what is painted to twice the
# size of the input.
#
# **Predict:** the four sums of each layer after training. Think of a patch of wall with one gray value.


# %%
def shrink(x, factor):
    """(..., H, W) -> (..., H / factor, W / factor): the means of squares of pixels."""
    A, B = (interpolation_matrix(size // factor, factor, "nearest") for size in x.shape[-2:])
    return (A.T @ x @ B / factor**2).astype(np.float32)


def sums(layer):
    """Return what a layer that doubles makes of ones: (2, 2) neighboring pixels, far from the edges."""
    return layer.forward(np.ones((1, 1, 6, 6), np.float32))[0, 0, 3:5, 3:5].astype(float).round(3)


task = Segmentation(lesson)
gray = as_input(task.train.images[:160]).mean(axis=1, keepdims=True)       # (n, 1, H, W)
half, inner = shrink(gray, 2), np.s_[:, :, 2:-2, 2:-2]                     # (n, 1, H / 2, W / 2); all but a rim
doublers = {"transposed, 3 × 3": ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False, rng=rng),
            "transposed, 4 × 4": ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False, rng=rng),
            "nearest, conv 3 × 3": Sequential(Upsample(2), Conv2d(1, 1, 3, padding="same", bias=False, rng=rng))}

# %%
squares, doubled = MSELoss(), {"at first": [], "after training": []}
for name, layer in doublers.items():
    at_first = sums(layer)
    doubled["at first"].append(layer.forward(half[:1])[0, 0])
    optimizer = Adam(layer.parameters(), 0.05)
    for k in range(20 if lesson.quick else 300):
        some = np.arange(16 * k, 16 * k + 16) % len(gray)
        optimizer.zero_grad()
        y = layer.forward(half[some])
        squares.forward(y[inner], gray[some][inner])
        dy = np.zeros_like(y)                                              # the rim is left out: zeros lie beyond it
        dy[inner] = squares.backward()
        layer.backward_parameters(dy)
        optimizer.step()
    doubled["after training"].append(layer.forward(half[:1])[0, 0])
    error = np.sqrt(squares.forward(layer.forward(half)[inner], gray[inner]))
    print(f"{name:<20} on ones {at_first.tolist()} at first, {sums(layer).tolist()} after training; error {error:.4f}")
    if isinstance(layer, ConvTranspose2d):
        assert np.allclose(parts(layer.weight.data[0, 0]), sums(layer), atol=1e-3)
    else:
        assert np.ptp(at_first) < 2e-3, "even for any weights"
for mode in ("nearest", "bilinear"):
    error = np.sqrt(squares.forward(Upsample(2, mode).forward(half)[inner], gray[inner]))
    print(f"{mode}, no weights: error {error:.4f}")
middle = lesson.size // 2
lesson.figure(plotting.image_rows({when: np.stack(maps)[:, middle - 14:middle + 14, middle - 14:middle + 14]
                                   for when, maps in doubled.items()}, list(doublers), "A part of an image, doubled",
                                  cell=196, limits={"after training": (0, 1)}, colors={"after training": "gray"}),
              "evenness")

# %% [markdown]
# At first (blue: below 0, red: above 0) the two transposed convolutions cover the image with a checkerboard. "Nearest,
# conv" shows the old pixels as blocks of 2 × 2. After training no checkerboard is left: all four sums of each layer lie
# between 1.001 and 1.007. Flat regions teach it, since there the four new pixels must be alike. So kernel 3 can learn
# to paint evenly.
#
# Even does not mean good. Its error (the root of the mean squared difference) is 0.047 after these 300 steps, as large
# as that of nearest without any weights. The others have 0.041, as bilinear has. And one thing more training cannot
# change: one new pixel in four gets a single entry of a 3 × 3 kernel. It is a multiple of one old pixel, never a
# mixture.
#
# ## 5. A decoder
# Slide 30: upsampling alone gives maps without detail; a convolution after each upsampling overcomes it. We measure
# that, on a task that has nothing else in it. A trimap is averaged over squares of 8 × 8 pixels. What is left is the
# *share* of each class in each square, (3, 8, 8) numbers for an image of 64 × 64. From these shares, restore the
# trimap.
#
# Upsampling alone needs no training: enlarge the shares 8 times and take the class with the largest share. The decoder
# of slide 30 does it in three steps. The first two are a *decoder block* each: nearest upsampling, 3 × 3 convolution,
# batch norm, ReLU. The third is upsampling and a last convolution, which gives the scores of the three classes.
#
# What would a gain over upsampling alone be due to? The decoder differs from it in more than one thing: it has learned
# weights, its convolutions combine neighbors, and they do so at each resolution. So there are controls.
#
# - **1 × 1 after each**: the same decoder with 1 × 1 convolutions. It has learned weights, but combines no neighbors.
# - **3 × 3 before**: the same convolutions as in the decoder, with as many weights, but all at the low resolution. One
#   bilinear upsampling at the end enlarges their scores 8 times.
# - **transposed 3 × 3** and **transposed 4 × 4**: a transposed convolution with stride 2 in place of each pair of
#   upsampling and convolution.

# %%
ALONE, BEFORE, AFTER, PAINT_3, PAINT_4 = (
    "1 × 1 after each", "3 × 3 before", "3 × 3 after each", "transposed 3 × 3", "transposed 4 × 4")


def decoder(way, seed):
    """Return a decoder, (n, 3, H / 8, W / 8) -> (n, 3, H, W)."""
    w, weights = lesson.width, np.random.default_rng(seed)
    if way in (PAINT_3, PAINT_4):
        k = 3 if way == PAINT_3 else 4
        paints = [ConvTranspose2d(c, o, k, stride=2, padding=(k - 1) // 2, output_padding=k % 2, rng=weights)
                  for c, o in ((3, w), (w, w), (w, 3))]
        return Sequential(paints[0], BatchNorm2d(w), ReLU(), paints[1], BatchNorm2d(w), ReLU(), paints[2])
    k, mode = 1 if way == ALONE else 3, "nearest"
    first, second = conv_block(3, w, k, rng=weights), conv_block(w, w, k, rng=weights)
    last = Conv2d(w, 3, k, padding="same", rng=weights)
    if way == BEFORE:
        return Sequential(*first, *second, last, Upsample(8, "bilinear"))
    return Sequential(Upsample(2, mode), *first, Upsample(2, mode), *second, Upsample(2, mode), last)


small_shape = (1, 3, lesson.size // 8, lesson.size // 8)
decoder(AFTER, lesson.seed).summary(small_shape)
lesson.figure(plotting.diagram(decoder(AFTER, lesson.seed), small_shape, "Upsample, convolve, three times"), "decoder")

# %% [markdown]
# Each of the five is trained with three seeds, which draw its first weights and the order of the images. The loss is
# cross entropy at each pixel. The trimaps are those of the rendered pets (lesson 5). We choose nothing by the scores on
# held-out images: all have the same learning rate and three epochs.
#
# **Predict:** the order by mean IoU, with nearest and bilinear among them. What does "1 × 1 after each" look like?


# %%
def shares_of(trimaps):
    """(n, H, W) integers -> (n, 3, H / 8, W / 8): which part of each square belongs to each class."""
    return shrink(np.eye(3, dtype=np.float32)[trimaps].transpose(0, 3, 1, 2), 8)


class Shares:
    """The training batches: shares in, trimaps as targets."""

    def __init__(self, seed):
        self.shares, self.rng = shares_of(task.train.trimaps), np.random.default_rng(seed)

    def __len__(self):
        return -(-len(self.shares) // lesson.batch_size)

    def __iter__(self):
        for some in np.array_split(self.rng.permutation(len(self.shares)), len(self)):
            yield self.shares[some], task.train.trimaps[some].astype(np.int64)


seeds = range(lesson.seed, lesson.seed + (2 if lesson.quick else 3))
x, labels = next(iter(Shares(lesson.seed)))
first_loss = task.loss.forward(decoder(AFTER, lesson.seed).forward(x), labels)
models, histories = {}, {}
for n, way in enumerate((ALONE, BEFORE, AFTER, PAINT_3, PAINT_4)):
    for seed in seeds:
        model, batches = decoder(way, seed), Shares(seed)
        optimizer = Adam(model.parameters(), lesson.lr)
        models[way, seed] = model
        histories[way, seed] = fit(model, batches, task.loss, optimizer, task.epochs, progress=False,
                                   schedule=CosineSchedule(optimizer, task.epochs * len(batches)),
                                   checkpoint=lesson.out / "checkpoints" / f"{n}_{seed}", resume=lesson.resume)
    print(f"{way:<17} loss " + ", ".join(f"{histories[way, seed][-1]['loss']:.4f}" for seed in seeds)
          + f"; {sum(parameter.data.size for parameter in model.parameters()):,} parameters")

# %%
coarse, truth = shares_of(task.held.trimaps), task.held.trimaps            # (n, 3, H / 8, W / 8), (n, H, W)
models |= {(mode, lesson.seed): Upsample(8, mode) for mode in ("nearest", "bilinear")}
ways = ("nearest", "bilinear", ALONE, BEFORE, AFTER, PAINT_3, PAINT_4)
scores = {way: [segmentation_scores(model, coarse, truth, CLASSES) for (its, _), model in models.items() if its == way]
          for way in ways}
found = {label: {way: [row.get(key, 0.0) for row in rows] for way, rows in scores.items()} for label, key in
         (("mean IoU", "mean_iou"), ("object", "iou_object"), ("border", "iou_border"), ("right", "pixel_accuracy"))}
for way in ways:
    print(f"{way:<18}" + "   ".join(f"{label} {np.mean(of[way]):.3f} ± {np.std(of[way]):.3f}"
                                    for label, of in found.items()))
restored = {way: predict_classes(models[way, lesson.seed], coarse) for way in ways}      # (n, H, W)
blocks = restored[ALONE].reshape(-1, lesson.size // 8, 8, lesson.size // 8, 8)
assert (blocks == blocks[:, :, :1, :, :1]).all(), "one class for each square"
assert max(found["right"][ALONE]) <= found["right"]["nearest"][0] + 1e-9
lesson.figure(plotting.bar_chart({label: found[label] for label in ("mean IoU", "border")},
                                 f"From shares to trimaps; {len(seeds)} seeds for each decoder", "IoU"), "scores")

# %% [markdown]
# ± is the standard deviation over the seeds. Of the mean IoU it is at most 0.004.
#
# - **Upsampling alone**: 0.614 (nearest) and 0.624 (bilinear). Border seldom has the largest share, and its IoU is low.
# - **1 × 1 after each**: 0.612 ± 0.004, within the spread of nearest. It gives each square a single class, and nearest
#   gives each square the class that most of its pixels have. So it cannot get more pixels right (asserted).
# - **3 × 3 before**: 0.771 ± 0.003. Of the decoder's gain over bilinear, 0.147 of 0.174 is reached by convolutions that
#   combine neighbors at the low resolution.
# - **3 × 3 after each** (slide 30): 0.798 ± 0.003. The other 0.027 are larger than the spread. Here the number of
#   weights is the same. What changes is where the convolutions stand, and with it three things: the resolution at which
#   they work, the mode of upsampling, and the receptive field (3 × 3 squares at most, instead of 8 × 8).
# - **transposed 4 × 4**: 0.805 ± 0.001, with 5,731 parameters instead of 3,267. It leads slide 30's decoder by 0.007,
#   with all three seeds. That is little, and it may be due to the number of weights (exercise 3 has another candidate).
# - **transposed 3 × 3**: 0.735 ± 0.003. It has exactly as many parameters as "3 × 3 after each".

# %%
shown = slice(0, 4)
notes = {way: [f"{(labels == guess).mean():.0%} right" for labels, guess in zip(truth[shown], maps[shown])]
         for way, maps in restored.items()}
lesson.figure(plotting.prediction_grid(task.held.images[shown], truth[shown], {way: maps[shown] for way, maps in
                                       restored.items()}, notes, cell=128, title=f"From {lesson.size // 8} × "
                                       f"{lesson.size // 8} shares back to the trimap"), "restored")

# %% [markdown]
# Nearest and "1 × 1 after each" consist of squares. Bilinear has smooth outlines and, for the most part, no border
# along them. "3 × 3 before" draws a smooth border nearly all around. "3 × 3 after each" adds detail, as between the
# ears of the third image. "Transposed 3 × 3" has grid artifacts: dots and short strokes in rows and columns along the
# outlines, and in the last image a vertical line inside the pet. "Transposed 4 × 4" has hardly any.
#
# So in these decoders kernel 3 did not learn to paint evenly. We can measure that: let all squares be pure background,
# and look at the scores inside, far from the edges. **Predict:** by how much do they differ from pixel to pixel?

# %%
empty = np.zeros((1, 3, 16, 16), np.float32)
empty[:, CLASSES.index("background")] = 1
ranges = {}
for way in (AFTER, PAINT_3, PAINT_4):
    logits = np.stack([predict(models[way, seed], empty)[0, :, 48:-48, 48:-48] for seed in seeds])   # (n, 3, 32, 32)
    lead, background = logits[:, 1] - logits[:, 0], np.ones(logits[:, 0].shape, np.int64)
    ranges[way] = [float(np.ptp(one)) for one in lead]
    print(f"{way}: by how much background's score exceeds object's, for each seed: "
          + ", ".join(f"{one.min():.1f} to {one.max():.1f}" for one in lead)
          + f"; mean loss {task.loss.forward(logits, background):.4f}")
assert max(ranges[AFTER]) < 1e-3

# %% [markdown]
# After upsampling and a convolution the scores are equal everywhere, with each seed (asserted). By kernels of 4 × 4 the
# lead of background over object varies from 9 to 13, by kernels of 3 × 3 from about 5 to about 20. Yet even there the
# mean cross entropy is only 0.004, so at these pixels the loss has little to gain from even scores. Near an outline,
# where the leads are small, an uneven pattern can change the class.
#
# ## Recap
# - Nearest copies, bilinear mixes the four centers around a new pixel. Both are matrices, Y = A X Bᵀ, and backward is
#   dX = Aᵀ dY B. Nothing is learned in them.
# - A transposed convolution paints evenly if the parts into which the stride cuts its kernel have equal sums. Kernels 3
#   and 4 can both do that at stride 2. Kernel 3 starts uneven. In a single layer it learned to be even, in the
#   decoder it did not, and its outlines have grid artifacts. Upsampling and a convolution are even for any weights.
# - From 8 × 8 shares back to the trimap: upsampling alone 0.62 mean IoU, with a 3 × 3 convolution after each upsampling
#   0.80, with the same convolutions before a single upsampling 0.77.
#
# **Write it yourself:** `nearest_forward`, `nearest_backward`, `bilinear_matrix`, `bilinear_forward` and
# `bilinear_backward`. `python -m lessons.exercises 15` puts stubs into `my/15_upsampling.py` and checks what you write.

# %%
test, history = scores[AFTER][0], histories[AFTER, lesson.seed]
lesson.finish(test=test, mean_iou={way: found["mean IoU"][way] for way in ways},
              border={way: found["border"][way] for way in ways}, range_on_background=ranges,
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(task.train), test_images=len(truth),
              parameters=sum(parameter.data.size for parameter in models[AFTER, lesson.seed].parameters()),
              training_seconds=sum(row["seconds"] for rows in histories.values() for row in rows))
if lesson.as_intended and not any(rows.stopped for rows in histories.values()):
    assert min(found["mean IoU"][AFTER]) > max(found["mean IoU"][BEFORE]) > found["mean IoU"]["bilinear"][0] + 0.1
    assert min(found["mean IoU"][AFTER]) > max(0.75, max(found["mean IoU"][PAINT_3]) + 0.03)

# %% [markdown]
# **Try:**
# 1. ★ `interpolation_matrix(4, 2, align_corners=True).sum(axis=0)`. You should see 1.71, 2.29, 2.29, 1.71. Section 3
#    found 2 for each. Which old pixels count for less, and why?
# 2. ★ Is doubling twice the same as enlarging 4 times? Compare `interpolation_matrix(8, 2, mode) @
#    interpolation_matrix(4, 2, mode)` with `interpolation_matrix(4, 4, mode)`. You should see a largest difference of 0
#    for "nearest" and of 0.125 for "bilinear". Draw both for the row 1, 5, 4, 8.
# 3. ★★ `mode = "bilinear"` in `decoder`. The mean IoU of "1 × 1 after each" should rise to between 0.74 and 0.76: where
#    does it get its neighbors from? (The assert "one class for each square" fails then.) "3 × 3 after each" should
#    reach 0.80 to 0.81. What does that say about the lead of "transposed 4 × 4"?
# 4. ★★ Kernel 2 at stride 2 divides, too: `k = 2 if way == PAINT_3 else 4` in `decoder`. The mean IoU of "transposed
#    3 × 3" should then lie between 0.61 and 0.63. No pattern is favored, so what is missing?
# 5. ★★★ Let "transposed 3 × 3" start evenly: each of its kernels a tent, times a random number. Is it still even after
#    training? How much of the gap to "transposed 4 × 4" does that close?
