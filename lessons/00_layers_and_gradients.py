# %% [markdown]
# # 00 · Layers and gradients: what everything else is made of
# Slides 1–36, below all of them. *What is a layer, what is a gradient, and how do we know that one is right?*
#
# **New here:** layer, parameter, shape, forward, backward, gradient and the chain rule, on three layers, `Linear`,
# `Conv2d` and `BatchNorm2d`; finite differences; and `check_layer`, which finds wrong gradients.
#
# **Needs:** Python, NumPy, and derivatives as in school: the slope of a function, and the chain rule.

# %%
import copy
import time

import numpy as np

from minidl import BatchNorm2d, Conv2d, Linear, MSELoss, Sequential, Tanh, Window, check_layer, col2im, im2col
from minidl.course.lesson import Lesson
from minidl.plotting import canvas

from matplotlib.patches import Rectangle

lesson = Lesson("00_layers_and_gradients", epochs=300, lr=0.2)
print("(no data needed: --data, --size, --width and --batch-size change nothing here)")
rng = np.random.default_rng(lesson.seed)

# %% [markdown]
# ## 1. A layer is a function with numbers in it
# A network is a chain of *layers*. A layer takes an array x and computes an array y: that is its *forward*. What y
# becomes depends on x and on the layer's *parameters*, arrays of numbers that it keeps inside and that will be learned.
#
# The plainest layer is `Linear`, a *dense* layer: each output is a weighted sum of all inputs, plus a constant. Its
# parameters are the *weight* W, a row for each output, and the *bias* b: y = x Wᵀ + b. Each row of x is a *sample*: a
# flower, say; all N samples are treated alike. Always look at the *shapes* first: here x (N, 2), W (3, 2), b (3,), and
# so y (N, 3).
#
# **Predict:** y for the first sample, (1, 2).

# %%
layer = Linear(2, 3).astype(np.float64)                  # born with random weights; here we set our own
layer.weight.data[...] = [[1, 2], [0, -1], [3, 0]]       # (3, 2)
layer.bias.data[...] = [0, 1, -1]                        # (3,)
x = np.array([[1.0, 2.0], [3.0, -1.0]])                  # (2, 2): two samples of two numbers
y = layer.forward(x)                                     # (2, 3)
print(y)
assert y.tolist() == [[5, -1, 2], [1, 2, 8]]

# %% [markdown]
# ## 2. Gradients: how much does each number matter?
# Whether y is good says a *loss* L: one number, the smaller the better. Say we want all outputs to be 1, and L is half
# the sum of (y − 1)². The *gradient* of an array holds, for each of its numbers, the derivative of L with respect to
# it: how fast L grows with this one number. So it has the array's shape, always. In code, dy is short for dL/dy, the
# gradient of y. Here dy = y − 1.
#
# From dy to the gradients of all that made y leads the **chain rule**. Nudge x[n, i]: each y[n, o] moves W[o, i] times
# as far, and L moves dy[n, o] times as far as that. Over all ways that lead from a number to L, the effects add up:
#
# - dx[n, i] = Σ over o of dy[n, o] W[o, i], for all at once: dx = dy W
# - W[o, i] acts on output o of every sample, multiplied by x[n, i]: dW = dyᵀ x
# - b[o] is added to output o of every sample: db = sum of dy over the samples
#
# That is the layer's *backward*: it takes dy, returns dx, and **adds** dW and db to what stands in the parameters'
# `.grad` (a parameter may act on L in several ways, too). Nobody tells it what L is; dy is all it needs.
#
# **Predict:** db.

# %%
dy = y - 1                                               # (2, 3)
dx = layer.backward(dy)                                  # (2, 2)
print("dx", dx, "dW", layer.weight.grad, "db", layer.bias.grad, sep="\n")
assert np.array_equal(dx, dy @ layer.weight.data) and np.array_equal(layer.weight.grad, dy.T @ x)
assert layer.bias.grad.tolist() == [4, -1, 8]

# %% [markdown]
# What is it good for? A gradient points uphill, so a small step *against* it makes L smaller. That is all of training.
#
# **Predict:** take 0.001 (the *learning rate*) of its gradient off each parameter. By how much does L fall? (Each
# number falls by 0.001 of its slope, and L with it: 0.001 times the sum of the squared slopes, while the slopes stay as
# they are.)

# %%
before, slopes = np.sum((y - 1) ** 2) / 2, np.concatenate([p.grad.ravel() for p in layer.parameters()])
for p in layer.parameters():
    p.data -= 0.001 * p.grad
after, predicted = np.sum((layer.forward(x) - 1) ** 2) / 2, 0.001 * np.sum(slopes**2)
print(f"L was {before:.3f} and is {after:.3f}, {before - after:.3f} less; predicted {predicted:.3f}")
assert 0 < before - after < predicted                    # on the way down the slope lessens: L is curved

# %% [markdown]
# Nearly as much as predicted; a little less, as the slopes lessen on the way down.
#
# A chain of layers needs nothing new. `Sequential` calls forward from the first to the last, backward from the last to
# the first: the dx of a layer is the dy of the one before. (`Tanh`, tanh of each number, has no parameters.)
#
# ## 3. Is a gradient right? Move one number, and look
# A derivative is the limit of quotients, so take a small h: (L(w + h) − L(w)) / h. Better is the *central difference*,
# (L(w + h) − L(w − h)) / 2h. Two things keep such *finite differences* from being exact:
#
# - *truncation*: h is not 0. As L is curved, the first quotient is off by something times h; in the central one the
#   curvature of both sides cancels, and something times h² is left.
# - *rounding*: float64 knows L to 16 digits, float32 to 7. The difference of two nearly equal numbers has lost the
#   leading ones, and is then divided by a small h: an error of about 1e-16 / h, or 1e-7 / h.
#
# **Predict:** is a smaller h always better? Where does the error of each have its minimum?

# %%
model = Sequential(Linear(3, 4, rng=rng), Tanh(), Linear(4, 2, rng=rng)).astype(np.float64)
model.summary((5, 3))
x, dy = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
model.forward(x)
model.backward(dy)
exact = model[0].weight.grad                             # (4, 3): by the chain rule, through three layers


def quotients(model, up, down):
    """Return (L(w + up) - L(w - down)) / (up + down) for each first weight; L = sum of dy * y, whose dL/dy is dy."""
    weight, slopes = model[0].weight.data, np.empty((4, 3))
    for index in np.ndindex(4, 3):
        old, losses = weight[index], []
        for moved in (old + up, old - down):
            weight[index] = moved
            losses.append(np.sum(dy.astype(weight.dtype) * model.forward(x.astype(weight.dtype))))
        weight[index] = old
        slopes[index] = (losses[0] - losses[1]) / (up + down)
    return slopes


steps = np.logspace(-13, 0, 53)                          # h
single = copy.deepcopy(model).astype(np.float32)
kinds = {"one-sided, float64": (model, 0), "central, float64": (model, 1), "central, float32": (single, 1)}
errors = {name: np.array([np.abs(quotients(net, h, h * side) - exact).max() for h in steps]) / np.abs(exact).max()
          for name, (net, side) in kinds.items()}
lowest = [f"{name} {error.min():.0e} at h = {steps[error.argmin()]:.0e}" for name, error in errors.items()]
print("lowest error, as a share of the largest gradient: " + ", ".join(lowest))
difference_error = float(errors["central, float64"][np.abs(steps - 1e-5).argmin()])
assert difference_error < 1e-9 and errors["central, float64"].min() < errors["central, float32"].min()

# %%
figure = canvas.blank(760, 350)
canvas.write(figure, 12, 20, "Too large a step is wrong by curvature, too small a step by rounding", canvas.TITLE,
             730, weight="bold")
canvas.legend(figure, 52, 32, list(errors))
axes = canvas.place(figure, 52, 62, 690, 240)
canvas.quiet(axes)
for error, color in zip(errors.values(), canvas.LINE_COLORS):
    axes.loglog(steps, error, color=color, linewidth=1.6)
axes.axvline(1e-5, color=canvas.QUIET, linewidth=0.8, linestyle="--")
for at, height, text in ((1.3e-5, 1e-12, "h = 1e-5, as in check_layer"), (2e-11, 2e-9, "rounding, 1/h"),
                         (3e-3, 1e-9, "truncation, h²"), (1e-7, 3e-6, "truncation, h"), (2e-8, 4, "float32: rounding")):
    axes.text(at, height, text, fontsize=canvas.SMALL, color=canvas.QUIET)
axes.set(ylim=(1e-13, 1e3), xlim=(steps[0], steps[-1]))
canvas.write(figure, 397, 336, "to the right: h; upward: error of the quotient", canvas.SMALL, 660, ha="center",
             color=canvas.QUIET)
lesson.figure(figure, "difference_errors", alt="Errors of finite differences over h; lowest: " + ", ".join(lowest))

# %% [markdown]
# Both axes count powers of ten: 1/h is a line that falls, h² one that rises twice as steeply as h. The central one in
# float64 is best near 1e-5 and right to ten digits there; in float32 it never gets beyond five. So gradients are
# checked in float64, with central differences. Training itself is content with float32.
#
# ## 4. Conv2d: from seven loops to one matrix product
# Images come as arrays of shape **(N, C, H, W)**: N images, C channels (red, green, blue; many more inside a
# network), H rows and W columns of pixels. `Linear` would need a weight for each input pixel and output pixel.
# `Conv2d` looks at a small window of the image, and uses the same few weights W (O, C, kh, kw) at every place; those
# of one of its O output channels are called a *kernel* or *filter*:
#
# - y[n, o, p, q] = Σ over c, i, j of W[o, c, i, j] x[n, c, p + i, q + j], plus a bias b[o] if wanted
#
# Four loops for where the result goes, three for the sum. Python's loops are slow, NumPy's matrix product is fast. So
# write what a window sees into a column: then the three inner loops are one product of W, as a matrix (O, C·kh·kw), and
# a column. And if *all* columns stand side by side, all seven are one. `im2col` ("image to columns") puts them there.
#
# **Predict:** how many times faster is the last of the three?


# %%
def seven_loops(x, w):
    N, (O, C, kh, kw) = len(x), w.shape
    Ho, Wo = x.shape[2] - kh + 1, x.shape[3] - kw + 1    # the window must fit into the image
    y = np.zeros((N, O, Ho, Wo))
    for n in range(N):
        for o in range(O):
            for p in range(Ho):
                for q in range(Wo):
                    for c in range(C):
                        for i in range(kh):
                            for j in range(kw):
                                y[n, o, p, q] += w[o, c, i, j] * x[n, c, p + i, q + j]
    return y


def window_by_window(x, w):
    N, (O, _, kh, kw) = len(x), w.shape
    y = np.zeros((N, O, x.shape[2] - kh + 1, x.shape[3] - kw + 1))
    for n, p, q in np.ndindex(N, *y.shape[2:]):
        column = x[n, :, p:p + kh, q:q + kw].ravel()     # (C*kh*kw,)
        y[n, :, p, q] = w.reshape(O, -1) @ column        # (O,)
    return y


def one_product(x, w):
    O, _, kh, kw = w.shape
    columns = im2col(x, Window((kh, kw)))                # (C*kh*kw, N*Ho*Wo)
    y = w.reshape(O, -1) @ columns                       # (O, N*Ho*Wo)
    return y.reshape(O, len(x), x.shape[2] - kh + 1, -1).transpose(1, 0, 2, 3)               # (N, O, Ho, Wo)


# %%
x = rng.normal(size=(4, 3, 24, 24))
conv = Conv2d(3, 8, 3, bias=False, rng=rng).astype(np.float64)
seconds = {}
for way in (seven_loops, window_by_window, one_product):
    times = []
    for _ in range(3):
        started = time.perf_counter()
        y = way(x, conv.weight.data)                     # (4, 8, 22, 22)
        times.append(time.perf_counter() - started)
    seconds[way.__name__] = min(times)
    print(f"{way.__name__.replace('_', ' '):<17} {1000 * seconds[way.__name__]:8.2f} ms")
    assert np.allclose(y, conv.forward(x), rtol=0, atol=1e-12)

# %%
small = np.array([[9, 9, 1, 0], [9, 8, 1, 1], [9, 9, 7, 2], [8, 9, 9, 8.0]])
edge = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])  # left minus right: finds edges that run from top to bottom
columns = im2col(small[None, None], Window((3, 3)))      # (9, 4)
result = edge.reshape(1, 9) @ columns                    # (1, 4)
assert np.array_equal(result.reshape(1, 1, 2, 2), seven_loops(small[None, None], edge[None, None]))
figure = canvas.blank(896, 380)
canvas.write(figure, 12, 20, "im2col: what each window sees becomes a column, and all windows one matrix product",
             canvas.TITLE, 850, weight="bold")
picture = canvas.draw_grid(figure, 16, 70, small, 42, "image and its four windows", limits=(-9, 14), numbers=".0f")
stack = canvas.draw_grid(figure, 526, 86, columns, 30, "columns (9 × 4)", limits=(-9, 14), numbers=".0f")
for k, color in enumerate(canvas.LINE_COLORS[:4]):
    corner = (k % 2 - 0.44 + 0.05 * (k // 2), k // 2 - 0.44 + 0.05 * (k % 2))
    for axes, place, width, height in ((picture, corner, 2.84, 2.84), (stack, (k - 0.45, -0.45), 0.9, 8.9)):
        axes.add_patch(Rectangle(place, width, height, fill=False, edgecolor=color, linewidth=2.5))
for left, top, cell, values, title, limit in ((16, 280, 24, edge, "weight (3 × 3)", 3), (818, 191, 30, result.reshape(
        2, 2), "y (2 × 2)", 40), (220, 206, 30, edge.reshape(1, 9), "weight as a row (1 × 9)", 3),
        (672, 206, 30, result, "y as a row", 40)):
    canvas.draw_grid(figure, left, top, values, cell, title, "RdBu_r", (-limit, limit), ".0f")
for left, sign in ((509, "×"), (659, "="), (803, "→")):
    canvas.write(figure, left, 221, sign, 14, 20, ha="center")
lesson.figure(figure, "im2col")

# %% [markdown]
# Each of the two steps makes it dozens of times faster, both together more than a thousand times. In the figure, y is
# large where a window is brighter at its left than at its right. A pixel that several windows see stands in
# several columns: memory is the price.
#
# ## 5. Conv2d, backward, and what a gradient is good for
# With columns, y = W · columns, as in `Linear`; and so dW = dy · columnsᵀ and dcolumns = Wᵀ · dy. What is left is to
# bring dcolumns back to the pixels. A pixel that stands in several columns acts on L through all of them; so what they
# say is *added up*, each at the place where it came from. `col2im` does that.
#
# Below, x is a cat, and the target is the same cat filtered by the weights above, divided by 4. A random filter is to
# find out, from this one example, which weights those were. Loss: the mean of (y − target)² over all pixels, `MSELoss`.
# (*Padding* "same" lays zeros around the image, so that y becomes as large as x.)
#
# **Predict:** if dy is 1 at one pixel and 0 elsewhere, what does dx look like?

# %%
CAT = """............ .#........#. .##......##. .###....###. .##########. .##..##..##.
         .##########. .####..####. ..########.. ...##..##... ....####.... ............"""
cat = np.array([[[[pixel == "#" for pixel in row] for row in CAT.split()]]], float)           # (1, 1, 12, 12)
teacher, pupil = (Conv2d(1, 1, 3, padding="same", bias=False, rng=rng).astype(np.float64) for _ in range(2))
teacher.weight.data[...] = edge / 4
target, loss = teacher.forward(cat), MSELoss()           # (1, 1, 12, 12)
y = pupil.forward(cat)
first_loss = loss.forward(y, target)
dy = loss.backward()                                     # 2 (y - target) / 144
dx, dw = pupil.backward(dy), pupil.weight.grad.copy()    # (1, 1, 12, 12), (1, 1, 3, 3)
columns, w = im2col(cat, pupil.window), pupil.weight.data.reshape(1, 9)
assert np.allclose(dw.ravel(), (dy.reshape(1, -1) @ columns.T).ravel())
assert np.allclose(dx, col2im(w.T @ dy.reshape(1, -1), cat.shape, pupil.window))
one_pixel = np.zeros_like(dy)
one_pixel[0, 0, 4, 7] = 1
stamped = pupil.backward(one_pixel)
assert np.allclose(stamped[0, 0, 3:6, 6:9], w.reshape(3, 3)) and np.count_nonzero(stamped) == 9


# %%
def draw_maps(title, rows):
    """Draw rows of (title, values, limit): images, and kernels with numbers, blue -limit, white 0, red limit."""
    figure = canvas.blank(160 * len(rows[0]) + 8, 168 * len(rows) + 48)
    canvas.write(figure, 12, 20, title, canvas.TITLE, 160 * len(rows[0]), weight="bold")
    for row, column in np.ndindex(len(rows), len(rows[0])):
        name, values, limit = rows[row][column]
        canvas.draw_grid(figure, 14 + 160 * column, 64 + 168 * row, values[0, 0], 132 / values.shape[2], name,
                         "RdBu_r", (-limit, limit), ".2f" if values.shape[2] == 3 else None)
    return figure


forward = {"x": cat, "W, random": pupil.weight.data, "y": y, "target": target, "target's W": teacher.weight.data}
backward = {"dx": dx, "dW": dw, "dy: red: y too high": dy, "if dy were one pixel": one_pixel, "dx would be": stamped}
lesson.figure(draw_maps("Forward (above) leads from x to y, backward (below) from dy to dW and dx", [
    [(name, values, np.abs(values).max()) for name, values in row.items()] for row in (forward, backward)]),
    "conv_gradients")

# %% [markdown]
# Red is above 0, blue below. Bottom right: the dx of a single pixel is the kernel itself, written around that pixel. dx
# is the sum of such stamps, each as strong as dy is there. dW tells which weights to lower (red) and which to raise.
# Doing so step by step is *training*; a step is `zero_grad`, for backward adds, then forward, loss, backward, update.

# %%
frames = []
for step in range(lesson.options.epochs + 1):
    pupil.zero_grad()
    y = pupil.forward(cat)
    last_loss = loss.forward(y, target)
    if step in (0, 3, 10, 30, lesson.options.epochs):
        frames.append((step, pupil.weight.data.copy(), y, last_loss))
    pupil.backward(loss.backward())
    pupil.weight.data -= lesson.lr * pupil.weight.grad
print(f"loss {first_loss:.3f} -> {last_loss:.2e}")
lesson.figure(draw_maps(lesson.headline("Against its gradient, a random filter becomes the one that made the target",
                                        "A random filter goes against its gradient"), [
    [(f"W after {step} steps", weight, 0.75) for step, weight, _, _ in frames],
    [(f"y, loss {value:.2g}", y, 1) for _, _, y, value in frames]]), "learning",
    alt="The filter and its result after some steps of training; loss " + ", ".join(
        f"{value:.2g} after {step}" for step, _, _, value in frames))

# %% [markdown]
# First the left column becomes positive and the right one negative; the middle column takes longest to fall to 0.
#
# ## 6. BatchNorm2d: every number depends on every other
# In a chain of layers numbers may grow or shrink, and training suffers. *Batch norm* brings each channel back to mean 0
# and variance 1, over all pixels of the *batch*, all images that are computed together: x̂ = (x − mean) / std, then
# y = weight · x̂ + bias. (After training, in *eval* mode, it uses means and variances collected meanwhile.)
#
# Backward looks hard: each x also acts through mean and std, on all of y. But add a constant to all x, and y stays; or
# double all x, and y stays. So both dx and dx · x̂ must sum to 0. Take out of dy what would violate that, and you have
# the answer (for weight 1; derived in `minidl/layers/normalization.py`): dx = (dy − mean(dy) − x̂ mean(dy · x̂)) / std
#
# **Predict:** dy is 1 at one pixel of the second image. Where is dx not 0? And if dy is 1 *everywhere*?

# %%
cats = np.concatenate([cat * contrast + level for contrast, level in ((0.9, 0), (0.3, 0.6), (-0.7, 0.9), (0.2, 0.1))])
norm = BatchNorm2d(1).astype(np.float64)
y = norm.forward(cats)                                   # (4, 1, 12, 12); x̂, as weight and bias are born 1 and 0
print(f"x: mean {cats.mean():.3f}, std {cats.std():.3f}; y: mean {abs(y.mean()):.3f}, std {y.std():.3f}")
dy = np.zeros_like(cats)
dy[1, 0, 4, 7] = 1
dx = norm.backward(dy)
assert np.allclose(dx, (dy - dy.mean() - y * (dy * y).mean()) / np.sqrt(cats.var() + norm.eps))
assert abs(dx.sum()) < 1e-12 and np.abs(norm.backward(np.ones_like(cats))).max() < 1e-12
pupil.forward(cats)
rows = {"x, image {}": (cats, 1), "dx of a convolution": (pupil.backward(dy), 0.5),
        "dx of batch norm": (dx, np.abs(dx[dy == 0]).max())}
lesson.figure(draw_maps("One pixel of dy: a convolution hands it to the neighbors, batch norm to all images", [
    [(name.format(k + 1), values[k:k + 1], limit) for k in range(4)] for name, (values, limit) in rows.items()]),
    "batch_norm")

# %% [markdown]
# The pixel's own dx is large (far beyond the colors). But its x̂ also grows if other numbers fall: those with a similar
# x get a negative dx. And it grows if the std shrinks: x far on the other side of the mean, as image 1's background,
# get a positive one, which leads them to the mean. And so in all four images.
#
# ## 7. Wrong gradients, and how they are found
# A wrong backward raises no error. Training goes worse, or not at all, and one looks for the reason everywhere else.
# `check_layer` moves every number of x and of all parameters by ±1e-5 and compares. Its report: the layer, the verdict
# and the error allowed; then for each gradient the largest relative error, |backward − quotient| / the larger of them.


# %%
class TransposedKernel(Conv2d):
    """Wrong on purpose: rows and columns of the weight's gradient are exchanged."""

    def backward(self, dy):
        before = self.weight.grad.copy()
        dx = super().backward(dy)
        self.weight.grad[...] = before + (self.weight.grad - before).swapaxes(2, 3)
        return dx


x = rng.normal(size=(2, 2, 4, 5))
print(check_layer(Conv2d(2, 3, 3, padding="same", rng=rng), x))
wrong = check_layer(TransposedKernel(2, 3, 3, padding="same", rng=rng), x, strict=False)     # strict: would raise
print(wrong)
assert not wrong.passed and wrong.errors["weight"] > 0.1 and wrong.errors["x"] < 1e-6

# %% [markdown]
# Errors of 1e-9 or so are rounding. `dx` and `dbias` are right, `dweight` is not: the mistake is where weight.grad is
# computed. The size is a hint, too: 1 if a gradient stays 0, 2 if its sign is wrong, 0.5 if it is doubled or halved, a
# small one if something small was forgotten, or if x sits on a kink, as max(x, 0) has at 0: no derivative there.
#
# And why is dy *random* in this check? The simplest dy is 1 everywhere, the gradient of the sum of y. Here is a batch
# norm that forgets to divide by std. **Predict** what the check says with ones, and what with random numbers.


# %%
class ForgetsStd(BatchNorm2d):
    """Wrong on purpose: dx is std times too large."""

    def backward(self, dy):
        _, _, inverse_std, _ = self.recall(dy)
        return super().backward(dy) / inverse_std[:, None, None]


x = 3 * rng.normal(size=(2, 3, 2, 2))
blind, seeing = (check_layer(ForgetsStd(3), x, dy=dy, strict=False) for dy in (np.ones(x.shape), None))
print("with ones:  ", blind, "\nwith random:", seeing)
assert blind.worst < 1e-5 and seeing.errors["x"] > 0.1

# %% [markdown]
# With ones dx is 0 (section 6), and 0 times std is 0: this test cannot fail. The sum of batch norm's outputs does not
# depend on x at all, nor does any sum that is always the same. Every layer of minidl passes the check with random
# dy, and the tests also turn it on layers that are wrong on purpose. So from here on trust `backward`, and see what
# can be built on it: lesson 1.

# %%
lesson.finish(first_loss=first_loss, last_loss=last_loss, steps=lesson.options.epochs,
              difference_error=difference_error, seconds_of_convolution=seconds,
              times_faster=seconds["seven_loops"] / seconds["one_product"], error_of_wrong_gradient=wrong.worst,
              error_seen_with_ones=blind.worst, error_seen_with_random=seeing.worst)
if lesson.as_intended:
    assert last_loss < 1e-4 and np.allclose(pupil.weight.data[0, 0], edge / 4, atol=0.05)
    assert seconds["seven_loops"] > 20 * seconds["one_product"]

# %% [markdown]
# **Try:**
# 1. Section 3 without `Tanh()`: L is a straight line in each weight. Which part of the error vanishes, which h is best?
# 2. Write a layer y = x², a class derived from `minidl.Layer`, with `forward` (ends with `return self.keep(y, x)`) and
#    `backward` (`x, = self.recall(dy)` gives x back). What does `check_layer` say? And if you forget the factor 2?
# 3. In section 5, let the cat be one pixel: `cat[...] = 0; cat[0, 0, 5, 5] = 1`. Are the weights still found? Try
#    `--lr 72 --epochs 1`: why is one step enough now? (dy holds 2 / 144, and each weight has an output of its own.)
