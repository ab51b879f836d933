# %% [markdown]
# # 04 · Convolution: one small question, asked at every position
# Slide 1. *An image is more than a row of numbers. What does a network gain that knows which pixels are neighbors?*
#
# **New here:** convolution, from seven loops to one matrix product (im2col), and its backward (col2im); max pooling;
# batch norm; and the CNN of slide 1, made of these, on the digits of lesson 2.
#
# **Needs:** `Linear`, backward, "forks add", finite differences (lesson 0); the MLP and its training (lesson 2).
#
# **Time:** about 45 minutes to read, 25 seconds to run on two cores.

# %%
import time

import numpy as np

import minidl
from minidl import (
    Adam, BatchNorm2d, Conv2d, CrossEntropyLoss, MaxPool2d, MSELoss, ReLU, Sequential, classifier, mlp, plotting,
)
from minidl.batches import Batches
from minidl.course.figures.convolution import feature_maps_figure, im2col_figure
from minidl.course.lesson import Lesson
from minidl.datasets.augment import moved
from minidl.datasets.digits import load_digits, stratified_split
from minidl.gradcheck import numeric_gradient
from minidl.runtime.threads import blas_threads
from minidl.step import train_step
from minidl.tasks.classification import accuracy

lesson = Lesson("04_convolution", batch_size=64, lr=1e-2)
rng = np.random.default_rng(lesson.seed)

# %% [markdown]
# ## 1. Why an MLP forgets a digit that moves
# Lesson 2 moved its test digits to the right by one pixel, and the MLP lost many of them. To an MLP an image is a row
# of 64 numbers, and each weight belongs to one pixel.
#
# **Predict:** as such rows, which two are closer: a digit and its moved copy, or a digit and the most similar image of
# *another* digit? (Distance: the root of the sum of the squared differences.)

# %%
images, labels = load_digits(lesson.table("digits.csv.gz"))                # (1797, 1, 8, 8), (1797,)
training, test = stratified_split(labels)                                  # the split of lesson 2
rows = images.reshape(-1, 64)                                              # (1797, 64)
to_copy = np.linalg.norm(moved(images[:300]).reshape(-1, 64) - rows[:300], axis=1)         # (300,)
to_others = np.linalg.norm(rows[:300, None] - rows, axis=2)                # (300, 1797): from 300 images to all
to_others[labels[:300, None] == labels] = np.inf                           # only to those of other digits
print(f"moved copy at {to_copy.mean():.2f}, most similar other digit at {to_others.min(axis=1).mean():.2f}")

# %% [markdown]
# The moved copy is farther away: 3.13 against 1.82. Its strokes meet other weights of the MLP, and these learned from
# other strokes.
#
# ## 2. One kernel for all positions
# A *convolution* has few weights, the *kernel* (or *filter*), here 3 × 3. It asks the same question at every position
# of the image: y[p, q] = Σ over i, j of W[i, j] · x[p + i, q + j]. The answers make a new image, a *feature map*. Each
# of them depends on 3 × 3 pixels, its *receptive field*. The first kernel below is "right minus left": from left to
# right, it is positive where ink begins and negative where it ends. The second is "lower minus upper".
#
# **Predict:** the size of the map of an 8 × 8 image. And what happens to the map if the digit moves by one pixel?

# %%
edges = np.array([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]])
kernels = {"right minus left": edges, "lower minus upper": edges.T}
zero = images[test][labels[test] == 0][0, 0].astype(np.float64)            # (8, 8)


def feature_map(x, kernel):
    """Ask the kernel's question wherever the 3 × 3 kernel lies within x, (H, W)."""
    H, W = x.shape
    return np.array([[np.sum(kernel * x[p:p + 3, q:q + 3]) for q in range(W - 2)] for p in range(H - 2)])


maps, maps_moved = ({name: feature_map(x, kernel) for name, kernel in kernels.items()} for x in (zero, moved(zero)))
for name in kernels:
    assert maps[name].shape == (6, 6) and np.allclose(maps_moved[name][:, 1:], maps[name][:, :-1])
lesson.figure(plotting.array_sheet([{"a zero": zero, **maps}, {"moved by one pixel": moved(zero), **maps_moved}],
                                   "Two kernels on a zero; all maps on one scale, blue −3, red 3", side=190,
                                   limits=dict.fromkeys(kernels, (-3.0, 3.0))), "convolution")

# %% [markdown]
# 6 × 6, as the kernel fits at 6 positions along each axis. Compare the rows: the maps move along with the digit.
#
# In mathematics, a convolution turns the kernel by 180° first. Without that it is called *cross-correlation*. Deep
# learning libraries compute the latter and say convolution. For weights that are learned it makes no difference.
#
# ## 3. Shapes: channels, padding, stride
# Images come as (N, C, H, W): N images, C channels (red, green, blue; or the maps of the layer before), H rows and W
# columns. A kernel spans all C channels, and a layer has O kernels. So its W is (O, C, k, k), and y is (N, O, Ho, Wo):
#
# - y[n, o, p, q] = b[o] + Σ over c, i, j of W[o, c, i, j] · x[n, c, p + i, q + j]
#
# *Padding* P lays P rows and columns of zeros around the image; "same" takes as many as keep H and W. *Stride* s moves
# the window by s pixels from one position to the next. So Ho = ⌊(H + 2P − k) / s⌋ + 1, and Wo likewise.
#
# **Predict:** Ho of an 8 × 8 image for k = 3 and s = 1 or 2, P = 0 or 1. And how many parameters does
# `Conv2d(3, 8, 3)` have, from 3 channels to 8, for images of 1000 × 1000?

# %%
for s, P, Ho in ((1, 0, 6), (1, 1, 8), (2, 0, 3), (2, 1, 4)):
    assert Conv2d(1, 1, 3, stride=s, padding=P).output_shape((1, 1, 8, 8)) == (1, 1, Ho, Ho)
    assert Ho == (8 + 2 * P - 3) // s + 1
assert sum(p.data.size for p in Conv2d(3, 8, 3).parameters()) == 8 * (3 * 3 * 3) + 8, "224, for images of any size"

# %% [markdown]
# ## 4. From seven loops to one matrix product
# The formula is seven loops: four over the results n, o, p, q, three over the sum c, i, j. Python's loops are slow,
# NumPy's matrix product is fast. So write each window as a column of C·k·k numbers. Then the loops over c, i, j, and
# the one over o, are one product of W, as a matrix (O, C·k·k), and that column. With *all* columns side by side, a
# single product does everything. `im2col` ("image to columns") writes them, by copying k·k shifted images.
#
# **Predict:** by what factor does each of the two steps shorten the time?


# %%
def sizes(x, w):
    (N, C, H, W), (O, _, k, _) = x.shape, w.shape
    return N, O, C, k, H - k + 1, W - k + 1


def seven_loops(x, w):
    N, O, C, k, Ho, Wo = sizes(x, w)
    y = np.zeros((N, O, Ho, Wo))
    for n, o, p, q, c, i, j in np.ndindex(N, O, Ho, Wo, C, k, k):
        y[n, o, p, q] += w[o, c, i, j] * x[n, c, p + i, q + j]
    return y


def column_by_column(x, w):
    N, O, C, k, Ho, Wo = sizes(x, w)
    y = np.zeros((N, O, Ho, Wo))
    for n, p, q in np.ndindex(N, Ho, Wo):
        y[n, :, p, q] = w.reshape(O, -1) @ x[n, :, p:p + k, q:q + k].ravel()       # (O, C*k*k) @ (C*k*k,)
    return y


def im2col(x, k):
    N, C, Ho, Wo = len(x), x.shape[1], x.shape[2] - k + 1, x.shape[3] - k + 1
    columns = np.empty((C, k, k, N, Ho, Wo))
    for i, j in np.ndindex(k, k):                        # what pixel (i, j) of the window meets, at all positions
        columns[:, i, j] = x[:, :, i:i + Ho, j:j + Wo].transpose(1, 0, 2, 3)
    return columns.reshape(C * k * k, N * Ho * Wo)


def one_product(x, w):
    N, O, C, k, Ho, Wo = sizes(x, w)
    return (w.reshape(O, -1) @ im2col(x, k)).reshape(O, N, Ho, Wo).transpose(1, 0, 2, 3)


# %%
batch = rng.normal(size=(4, 3, 16, 16))
conv = Conv2d(3, 8, 3, bias=False, rng=rng).astype(np.float64)
w, seconds = conv.weight.data, {}
for way in (seven_loops, column_by_column, one_product):
    started = time.perf_counter()
    y = way(batch, w)                                    # (4, 8, 14, 14)
    seconds[way.__name__] = time.perf_counter() - started
    print(f"{way.__name__.replace('_', ' '):<17} {1000 * seconds[way.__name__]:8.2f} ms")
    assert np.allclose(y, conv.forward(batch))
assert np.array_equal(im2col(batch, 3), minidl.im2col(batch, minidl.Window((3, 3))))
small = np.array([[9, 9, 1, 0], [9, 8, 1, 1], [9, 9, 7, 2], [8, 9, 9, 8]])
lesson.figure(im2col_figure(small, edges, "im2col: each window is a column, and all windows are one matrix product"),
              "im2col")

# %% [markdown]
# A pixel that lies in several windows stands in several columns. Memory is the price: up to k·k times the image's.
#
# ## 5. Backward: from columns back to pixels
# y = W · columns is `Linear`, with samples as columns. So dW = dy · columnsᵀ and dcolumns = Wᵀ · dy, as in lesson 0.
# What is left is the way from dcolumns to dx. A pixel that stands in several columns acts on L through all of them:
# forks add. `col2im` is `im2col` with source and target exchanged, and `+=`.
#
# Both are linear, and the matrix of one is the transpose of the other's: they are *adjoint*. So for any x and c,
# ⟨im2col(x), c⟩ = ⟨x, col2im(c)⟩, where ⟨a, b⟩ is the sum of all a · b. This makes a test of one line.
#
# **Predict:** if dy is 1 at one position and 0 elsewhere, what does dx look like?


# %%
def col2im(columns, shape, k):
    (N, C, H, W), x = shape, np.zeros(shape)
    Ho, Wo = H - k + 1, W - k + 1
    columns = columns.reshape(C, k, k, N, Ho, Wo)
    for i, j in np.ndindex(k, k):
        x[:, :, i:i + Ho, j:j + Wo] += columns[:, i, j].transpose(1, 0, 2, 3)
    return x


columns = im2col(batch, 3)                               # (27, 784)
c = rng.normal(size=columns.shape)
assert np.isclose(np.sum(columns * c), np.sum(batch * col2im(c, batch.shape, 3))), "adjoint"
dy = rng.normal(size=y.shape)
flat = dy.transpose(1, 0, 2, 3).reshape(8, -1)           # (8, 784)
assert np.allclose(conv.backward(dy), col2im(w.reshape(8, -1).T @ flat, batch.shape, 3)), "dx"
assert np.allclose(conv.weight.grad, (flat @ columns.T).reshape(w.shape)), "dW"
one = np.eye(1, 36, 2 * 6 + 3)                           # a dy of 6 × 6: 1 in row 2, column 3
stamp = col2im(edges.reshape(9, 1) @ one, (1, 1, 8, 8), 3)[0, 0]                                 # (8, 8)
print(stamp.astype(int))
assert np.array_equal(stamp[2:5, 3:6], edges) and np.count_nonzero(stamp) == 6

# %% [markdown]
# The dx of a single position is the kernel itself, written where the window was, like a stamp. For any dy, dx is the
# sum of such stamps, each multiplied by its dy. And dW is good for learning: below, the target is the zero's map of
# "right minus left". A random kernel has to find, from this one example, the weights that made it. The loss is the mean
# of (y − target)².

# %%
student, squares = Conv2d(1, 1, 3, bias=False, rng=rng).astype(np.float64), MSELoss()
target, kept, filter_losses = maps["right minus left"][None, None], {}, []
for step in range(401):
    filter_losses.append(squares(student(zero[None, None]), target))
    if step in (0, 10, 50, 400):
        kept[f"after {step} steps"] = student.weight.data[0, 0].copy()
    student.zero_grad()
    student.backward_parameters(squares.backward())
    student.weight.data -= 0.1 * student.weight.grad
print(f"loss {filter_losses[0]:.3f} at first, {filter_losses[-1]:.1e} after 400 steps")
lesson.figure(plotting.array_sheet([{**kept, "sought": edges}], "A kernel found from one example", ".2f"), "filter")

# %% [markdown]
# After 10 steps the left column is below 0 and the right one above. After 50 steps the worst of the nine weights is
# still 0.33 off, after 400 only 0.02.
#
# ## 6. Max pooling: what is there, not exactly where
# *Max pooling* keeps the largest value of each 2 × 2 square: half the height, half the width, no parameters. Only that
# value acted on y, so in backward it alone gets the dy, and the other three get 0. In a tie, the first of them gets it.
#
# **Predict:** dx for a square of four equal numbers.


# %%
def squares_of(x):
    """Cut x (N, C, H, W) into squares: (N, C, H/2, W/2, 4)."""
    N, C, H, W = x.shape
    return x.reshape(N, C, H // 2, 2, W // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(N, C, H // 2, W // 2, 4)


pool, x = MaxPool2d(2), np.array([[[[1.0, 7, 5, 5], [3, 2, 5, 5]]]])       # two squares, the second one a tie
dy, dsquares = np.array([[[[10.0, 20]]]]), np.zeros((1, 1, 1, 2, 4))
winner = squares_of(x).argmax(axis=4)                                      # (1, 1, 1, 2): the first of the largest
np.put_along_axis(dsquares, winner[..., None], dy[..., None], axis=4)
assert np.array_equal(pool(x), squares_of(x).max(axis=4)) and np.array_equal(squares_of(pool.backward(dy)), dsquares)
print(f"y\n{pool(x)[0, 0]}\ndx\n{pool.backward(dy)[0, 0]}")

# %% [markdown]
# The 10 went to the 7, and the 20 to the first of the four equal numbers. What does pooling buy? Move all test digits
# by one pixel, and see by how much their maps change, relative to their size: ‖after − before‖ / ‖before‖. The control:
# halve the maps without a maximum, by keeping each square's upper left pixel.
#
# **Predict:** the order of the three: whole maps, pooled, every other pixel.

# %%
edge_maps = Sequential(Conv2d(1, 2, 3, padding="same", bias=False), ReLU())
edge_maps[0].weight.data[...] = np.stack([edges, edges.T])[:, None]
before, after = edge_maps(images[test]), edge_maps(moved(images[test]))    # (n, 2, 8, 8)
pairs = {"whole": (before, after), "pooled": (pool(before), pool(after)),
         "every other pixel": (before[:, :, ::2, ::2], after[:, :, ::2, ::2])}
change = {name: float(np.linalg.norm(b - a) / np.linalg.norm(a)) for name, (a, b) in pairs.items()}
print("change of the maps: " + ", ".join(f"{name} {value:.2f}" for name, value in change.items()))

# %% [markdown]
# 0.85, 0.63 and 0.75: pooled maps change least, but they change.
#
# ## 7. Batch norm, and the three paths of its gradient
# From layer to layer numbers may grow or shrink, and a step that suits one channel is too large for another. *Batch
# norm* brings each channel to mean 0 and variance 1, over all its m = N·H·W values in the *batch*:
#
# - x̂ = (x − mean) / std, with std = √(variance + ε), and then y = γ · x̂ + β
#
# γ and β are learned (`weight` and `bias`; 1 and 0 at first). ε = 10⁻⁵ keeps a constant channel from dividing by 0.
#
# Backward: each x acts on *every* y of its channel, as it is part of the mean and of the variance. Let g = γ · dy be
# the gradient of x̂. Three paths lead from x_k to L, and forks add:
#
# - **Direct:** dx̂_k/dx_k = 1 / std. This gives g_k / std.
# - **Through the mean:** dx̂/dmean = −1 / std for every x̂, so dL/dmean = −Σ g / std. And dmean/dx_k = 1/m. This gives
#   −mean(g) / std.
# - **Through the variance:** x̂ = (x − mean) · (variance + ε)^(−½), so dx̂/dvariance = −x̂ / (2 std²), and
#   dL/dvariance = −Σ g x̂ / (2 std²). And dvariance/dx_k = 2 (x_k − mean) / m = 2 std x̂_k / m. This gives
#   −x̂_k · mean(g x̂) / std. (The variance contains the mean, too, but its derivative is −2 mean(x − mean) = 0.)
#
# Together: dx = (g − mean(g) − x̂ · mean(g x̂)) / std.
#
# In training, what becomes of an image thus depends a little on the other images of the batch. After training this is
# not wanted. So batch norm keeps running averages of mean and variance (the newest batch counts 0.1), and uses them in
# *eval mode*, after `model.eval()`. Then they are constants, and only the direct path is left.
#
# **Predict:** dx, if dy is 1 everywhere. And does y change if all x are doubled?

# %%
norm = BatchNorm2d(1).astype(np.float64)
norm.weight.data[...], norm.bias.data[...] = 1.5, 0.5
x, dy = rng.normal(3, 2, size=(4, 1, 5, 5)), rng.normal(size=(4, 1, 5, 5))         # one channel, m = 100
std = np.sqrt(x.var() + norm.eps)
xhat, g = (x - x.mean()) / std, 1.5 * dy
y = norm.forward(x)
direct, through_mean, through_variance = g / std, -g.mean() / std, -xhat * (g * xhat).mean() / std
dx = direct + through_mean + through_variance
assert np.allclose(y, 1.5 * xhat + 0.5) and np.allclose(norm.backward(dy), dx)
assert np.allclose(norm.backward(np.ones_like(x)), 0)
assert np.allclose(numeric_gradient(lambda: norm.forward(x), x, dy), dx), "finite differences"
print(f"y of x + 1: {np.abs(norm(x + 1) - y).max():.0e} off; y of 2x: {np.abs(norm(2 * x) - y).max():.0e} off")
assert not np.allclose(norm(x)[0], norm(x[:1])[0]), "training: the other image matters"
assert np.allclose(norm.eval()(x)[0], norm(x[:1])[0]), "eval: it does not"

# %% [markdown]
# The sum of all y is m · β, whatever x is, so dx is 0 if dy is 1 everywhere. Add 1 to all x, and y stays, to rounding.
# Double all x, and y stays only nearly, because ε is not doubled.
#
# ## 8. A CNN, with and without batch norm
# Slide 1: image → CNN → flatten → classification. A *CNN*, convolutional neural network, is block after block of
# convolution, batch norm, ReLU and max pooling. The maps get smaller, and there are more of them. *Flatten* makes one
# row of what is left, and a `Linear` scores the classes. It is `classifier` in `minidl/models.py`.
#
# **Predict:** how many numbers does the `Linear` get, with 16 channels in the first block and 32 in the second?


# %%
def cnn(seed):
    """Return a CNN of two blocks, the first with `--width` channels."""
    return classifier(lesson.width, 10, size=8, blocks=2, in_channels=1, rng=seed)


model = cnn(lesson.seed)
model.summary((1, 1, 8, 8))
parameters = sum(p.data.size for p in model.parameters())
assert model[-1].in_features == 2 * lesson.width * 2 * 2
lesson.figure(plotting.diagram(model, (1, 1, 8, 8), "The CNN: maps get smaller and more, then one row"), "cnn")

# %% [markdown]
# The receptive field grows: 3 × 3 pixels after the first convolution, 4 × 4 after its pooling, 8 × 8 after the second
# convolution (whose inputs lie 2 pixels apart), 10 × 10 after its pooling, more than the image.
#
# Now train it, once as it is, and once without its two batch norms (96 of its 6,186 parameters), from the same initial
# weights, at three learning rates and with three seeds each. `train_step` is one step of lesson 2's loop.
#
# **Predict:** at which learning rate does batch norm make the largest difference?

# %%
loss = CrossEntropyLoss()


def train(model, images, labels, lr, seed, epochs=lesson.options.epochs or 10):
    """Train a classifier of images; return the mean loss of each epoch."""
    batches = Batches(images, labels, lesson.batch_size, rng=np.random.default_rng(seed))
    optimizer = Adam(model.parameters(), lr)
    with blas_threads(1):                                # with matrices as small as these, two threads only wait
        return [float(np.mean([train_step(model, loss, optimizer, x, y) for x, y in batches])) for _ in range(epochs)]


curves = {lr: {"with batch norm": [], "without": []} for lr in (1e-3, 1e-2, 1e-1)}
for lr, of in curves.items():
    for name, seed in [(name, lesson.seed + k) for name in of for k in range(1 if lesson.quick else 3)]:
        layers = [layer for layer in cnn(seed) if name != "without" or not isinstance(layer, BatchNorm2d)]
        of[name].append(train(Sequential(*layers), images[training], labels[training], lr, seed,
                              epochs=lesson.options.epochs or 6))
    print(f"learning rate {lr:g}: " + ", ".join(f"{name} {np.round(runs, 3)[:, -1]}" for name, runs in of.items()))
means = {f"learning rate {lr:g}": {name: np.mean(of[name], axis=0) for name in of} for lr, of in curves.items()}
lesson.figure(plotting.line_chart(means, "The CNN with and without batch norm, mean over the seeds", "epoch", "loss",
                                  limits=(0.01, 5), log="y"), "batch_norm")

# %% [markdown]
# With batch norm, the loss of the sixth epoch is lower at each rate and with each seed: 0.26 against 0.50 at 0.001 (the
# means), 0.014 against 0.043 at 0.01. At 0.1, two of the three networks without it end at 2.31, about ln 10: they have
# learned nothing. With it, all three learn (0.08 to 0.40). So it saves steps here, and allows a larger learning rate.
#
# Why it helps is disputed. Its authors (Ioffe and Szegedy 2015) argued that the distribution of a layer's inputs no
# longer shifts while the layers before it learn. Santurkar et al., "How Does Batch Normalization Help Optimization?"
# (NeurIPS 2018), found little of that, and that the loss becomes smoother instead.
#
# ## 9. What it buys to know which pixels are neighbors
# The CNN against an MLP with as many parameters: the same images, 10 epochs, each with the learning rate that was best
# on validation images (0.01 and 0.03). One split into training and test images may favor either of them, so there are
# five, each with new initial weights. The control: two more networks, for images whose pixels are shuffled, in the same
# way in all of them. Each image keeps its numbers; what is lost is which of them are neighbors.
#
# **Predict:** the gap on test digits that are moved by one pixel (training digits are not), and on digits as they are.
# Which of the two networks does not notice the shuffling?

# %%
hidden = round((parameters - 10) / 75)                                     # the MLP has 64 m + m + 10 m + 10
builders = {"CNN": (cnn, lesson.lr), "MLP": (lambda seed: mlp(64, (hidden,), 10, rng=seed), 3 * lesson.lr)}
order, right = rng.permutation(64), moved(images)
shuffled, right_shuffled = (x.reshape(-1, 64)[:, order].reshape(images.shape) for x in (images, right))
scores = {group: {"CNN": [], "MLP": []} for group in ("moved", "as they are", "moved, shuffled", "shuffled")}
networks, losses = [], []
for split in range(lesson.seed, lesson.seed + (2 if lesson.quick else 5)):
    training, test = stratified_split(labels, rng=split)
    for name, (build, lr) in builders.items():
        plain, other = build(split), build(split)
        losses.append(train(plain, images[training], labels[training], lr, split))
        train(other, shuffled[training], labels[training], lr, split)
        for found, network, x in zip(scores.values(), (plain, plain, other, other),
                                     (right, images, right_shuffled, shuffled)):
            found[name].append(accuracy(network, x[test], labels[test]))
        networks.append(plain)
print(f"CNN {parameters:,} parameters, MLP with {hidden} hidden units {75 * hidden + 10:,}; {len(test)} test images")
for group, of in scores.items():
    gaps = np.subtract(of["CNN"], of["MLP"])
    print(f"{group:<16}" + "".join(f"{name} {np.mean(of[name]):.3f} ± {np.std(of[name]):.3f}   " for name in of)
          + f"gap {gaps.mean():.3f} ± {gaps.std():.3f}, from {gaps.min():.3f} to {gaps.max():.3f}")
lesson.figure(plotting.bar_chart(scores, "Share of test images right: mean of the splits"), "cnn_and_mlp")

# %% [markdown]
# - **Moved:** 0.770 ± 0.050 against 0.512 ± 0.014 (± is the standard deviation over the splits). The gap is at least
#   0.18 in every split. The CNN loses, too: after `Flatten`, each position has weights of its own again.
# - **As they are:** 0.989 against 0.966. That is 8 of 359 images, about as much as one MLP differs from another (0.955
#   to 0.975), so a single split would not show it. In all five the CNN leads, by 6 to 10 images.
# - **Shuffled:** to `Linear` all orders of the pixels are alike, and the MLP does not suffer. The CNN's leads are gone:
#   0.979 against 0.975 is within the spread, and of the moved ones it gets fewer right than the MLP, 0.430 to 0.509.
#
# So both leads come from the neighbors. From which part of the CNN, this comparison cannot say: convolution, pooling,
# batch norm and depth all differ (exercise 4).
#
# ## 10. Filters and feature maps
# What did the CNN of the first split learn? Below: a 3; the kernels of the first convolution; the maps that they make
# of it, after batch norm and ReLU; the same maps, pooled; and half of the second block's maps, before its pooling.
#
# **Predict:** will the kernels look like those of section 2?

# %%
outputs = [images[labels == 3][:1]]                                        # (1, 1, 8, 8)
for layer in networks[0].eval():
    outputs.append(layer(outputs[-1]))                                     # outputs[k + 1] is what layer k makes
filters = networks[0][0].weight.data[:, 0]                                 # (width, 3, 3)
alike = np.corrcoef(np.stack([edges.ravel(), edges.T.ravel(), *filters.reshape(-1, 9)]))[:2, 2:]   # (2, width)
for name, row in zip(kernels, alike):
    k = np.abs(row).argmax()
    print(f"most like {name}: number {k + 1}, correlation {row[k]:.2f}")
lesson.figure(feature_maps_figure(outputs[0][0, 0], filters, {
    "block 1, ReLU\n8 × 8": outputs[3][0], "block 1, pooled\n4 × 4": outputs[4][0],
    "block 2, ReLU\n4 × 4, every other map": outputs[7][0, ::2]}, "What the CNN makes of a 3"), "feature_maps")

# %% [markdown]
# Two come close: the 12th is like "right minus left" (correlation 0.79), the 14th like "upper minus lower" (−0.87).
# Most are like neither. The second kernel has only negative weights; its map is bright on the paper beside the 3, and
# dark on the ink. Pooled, the maps show the same, coarser. In the second block, each value combines 16 maps over 8 × 8
# pixels; many positions are black, as ReLU made them 0.
#
# ## Recap
# - A convolution asks one question at every position, and its map moves with the image. It is one product, of W and
#   the columns of im2col; backward goes through col2im, its adjoint.
# - Max pooling hands dy to the largest value. Batch norm hands it on by three paths: directly, through the mean, and
#   through the variance. Here it saved steps and allowed a larger learning rate.
# - Of digits that move by a pixel, the CNN gets 0.77 right, an MLP with as many parameters 0.51. With shuffled pixels
#   the lead is gone.
#
# **Write it yourself:** `convolve`, `im2col`, `col2im`, `conv_forward`, `conv_backward`, `max_pool_forward`,
# `max_pool_backward`, `batch_norm_forward` and `batch_norm_backward`. `python -m lessons.exercises 04` puts stubs into
# `my/04_convolution.py` and checks what you write.

# %%
lesson.finish(test={"digits_accuracy": float(np.mean(scores["as they are"]["CNN"]))}, first_loss=losses[0][0],
              last_loss=losses[0][-1], accuracy=scores, change_when_moved=change, parameters=parameters,
              mlp_hidden=hidden, filter_first_loss=filter_losses[0], filter_last_loss=filter_losses[-1],
              loss_of_batch_norm={f"{lr:g}": of for lr, of in curves.items()}, seconds_of_convolution=seconds)
if lesson.as_intended:
    assert filter_losses[-1] < 1e-3 * filter_losses[0]
    assert np.mean(curves[1e-2]["with batch norm"], axis=0)[-1] < 0.1
    assert np.allclose(student.weight.data[0, 0], edges, atol=0.2)
    assert 0.98 <= np.mean(scores["as they are"]["CNN"]) > np.mean(scores["as they are"]["MLP"])
    assert np.mean(scores["moved"]["CNN"]) > np.mean(scores["moved"]["MLP"]) + 0.1

# %% [markdown]
# **Try:**
# 1. ★ In `col2im`, write `=` for `+=`. The assert "adjoint" should fail.
# 2. ★ Section 5, one example of a single pixel: before `target`, set `zero = np.eye(1, 64, 27).reshape(8, 8)` and
#    `maps["right minus left"] = feature_map(zero, edges)`. Each weight then has one position of its own, and its error
#    shrinks by the factor 1 − 0.2/36 per step. You should see a last loss of 0.0116 times the first.
# 3. ★★ Section 9, moved digits in training, too: for `plain`, train on `np.concatenate([images[training],
#    moved(images[training])])` and `np.tile(labels[training], 2)`. On moved digits, expect 0.98 to 1 for the CNN, 0.94
#    to 0.98 for the MLP. What does the MLP have to learn twice?
# 4. ★★★ Which part of the CNN gives the lead on moved digits? Take out one thing at a time: batch norm, as in section
#    8; max pooling, with `AvgPool2d(2)` in its place; the second block.
