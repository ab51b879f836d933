# %% [markdown]
# # 00 · A layer and its gradient
# Slides 1–36. *What is a layer, what is a gradient, and how do we know that a gradient is right?*
#
# **New here:** layer, parameter, forward, loss, gradient, the chain rule, backward, finite differences, the gradient
# check, and gradient descent.
#
# **Needs:** Python, NumPy, and derivatives as in school: the slope of a function, and the chain rule.
#
# **Time:** about 35 minutes to read, 1 second to run on two cores.
#
# How to read a lesson: at each **Predict**, stop and write your answer down. Then run the next cell, or read what it
# prints. Each `assert` is the check: the program would stop there if the claim were false.

# %%
import numpy as np
from PIL import Image

from minidl import Layer, Linear, Sequential, Tanh, check_layer, plotting
from minidl.course.figures.graph import graph_figure
from minidl.course.lesson import Lesson
from minidl.datasets.synthetic_pets import render
from minidl.predict import open_model, segment

lesson = Lesson("00_layer_and_gradient", epochs=100, lr=0.1, quick_epochs=20)
print("(no data needed; --lr and --epochs, the number of steps, are those of section 7)")
rng = np.random.default_rng(lesson.seed)

# %% [markdown]
# ## 1. Where this leads
# A network can answer with an image. For each pixel of a photo it says: this belongs to the pet, to the background, or
# to the border between them. Slide 3 asks how that works. The answer, a *U-Net*, is built in lesson 17. A trained one
# comes with minidl. Using it takes three lines. We give it an image that it was not trained on. (The image is
# *rendered*: a program drew the cat or dog. Lesson 5 says more about these images.)
#
# **Predict:** how many numbers had to be learned for this: a hundred, ten thousand, more?

# %%
sample = render(0, 1004)                                         # training used images 0 to 999
unet, size = open_model()
mask = segment(unet, Image.fromarray(sample.image), size)        # (256, 256): 0 pet, 1 background, 2 border
truth = sample.trimap.astype(int) - 1
pixels_right, learned = float((mask == truth).mean()), sum(p.data.size for p in unet.parameters())
print(f"{learned:,} learned numbers; {pixels_right:.1%} of the pixels are right")
lesson.figure(plotting.prediction_grid(sample.image.transpose(2, 0, 1)[None], truth[None], {"U-Net": mask[None]},
                                       title=f"What a U-Net answers: {pixels_right:.1%} of the pixels are right",
                                       cell=256), "goal")

# %% [markdown]
# The network misses the belly and the front legs, and takes an edge of the violet toy, at the lower left, for the
# border of a pet. It learned from rendered images first and then from photographs, for which it is meant. Over 200
# rendered images 82.3 % of the pixels are right; over 154 photographs that it had not seen before, 89.2 %
# (`minidl/predict/weights/README.md`).
#
# Nobody chose the 735,795 numbers. They began at random, and each was moved again and again, by a little, in the
# direction that made the errors smaller. The *gradient* says which direction that is.
#
# A network is made of simple functions, its *layers*. This lesson shows what one layer does, how its gradient is
# calculated, and how we find out whether it is right. Everything later is made of more such layers.
#
# ## 2. One number in, one number out
# The plainest layer takes one number x and returns y = w·x + b. The numbers w, the *weight*, and b, the *bias*, are its
# *parameters*: the layer keeps them, and they will be learned. Calculating y from x is the *forward* pass.
#
# Say x = 3, and the right answer, the *target* t, is 8. A *loss* L measures how wrong y is. It is one number, and the
# smaller the better. We take the squared error, L = (y − t)².
#
# How fast does L grow with w? If w grows a little, y grows x times as much. If y grows a little, L grows 2(y − t) times
# as much. So the slopes multiply. This is the **chain rule**: dL/dw = dL/dy · dy/dw. All slopes here are slopes of L,
# so we write dw for dL/dw and dy for dL/dy:
#
# - dy = 2(y − t)
# - dw = dy · x, db = dy · 1, dx = dy · w
#
# Calculating these, from the loss back to the inputs, is the *backward* pass.
#
# **Predict:** with w = 2 and b = −1, what is y? Is dw positive or negative, and should w grow or shrink?

# %%
x, t = np.array([3.0, 8.0])
w, b = np.array([2.0, -1.0])
y = w * x + b
L = (y - t) ** 2
dy = 2 * (y - t)
dw, db, dx = dy * x, dy * 1, dy * w
print(f"y = {y}, L = {L}, dy = {dy}, dw = {dw}, db = {db}, dx = {dx}")
assert (y, L, dy, dw, db, dx) == (5, 9, -6, -18, -6, -12)

nudged = ((w + 0.001) * x + b - t) ** 2                          # is it true? Move w a little, and look
print(f"w grows by 0.001: L changes by {nudged - L:.5f}; 0.001 times dw is {0.001 * dw:.5f}")
assert abs((nudged - L) - 0.001 * dw) < 1e-4

# %% [markdown]
# y is 5, which is too small. dw is negative: L falls when w grows. So w should grow, against the sign of its slope. x
# is not learned, and still dx will be needed: in a chain of layers, x is the output of the layer before, and our dx is
# that layer's dy.
#
# All slopes of L together are its *gradient*. It points uphill, so a small step *against* it makes L smaller. That is
# *gradient descent*: take the gradient times a small number, the *learning rate*, off the parameters.
#
# **Predict:** the learning rate is 0.01. If the slopes stayed as they are, L would fall by 0.01 · (18² + 6²) = 3.6.
# Does it fall by more, or by less?

# %%
w, b = w - 0.01 * dw, b - 0.01 * db
after = (w * x + b - t) ** 2
print(f"w = {w:.2f}, b = {b:.2f}: L was {L:.2f} and is {after:.2f}, {L - after:.2f} less")
assert 0 < L - after < 3.6

# %% [markdown]
# By less, 3.24: the slopes become smaller on the way down.
#
# ## 3. A value that is used twice
# In section 2 there was one way from w to L. In a network there are often several: the slides' last models hand one
# array to two places (slide 34). Take the smallest case, z = x·y + x, and write it as a list of operations:
#
# - p = x · y
# - z = p + x
#
# Here x acts on z in two ways, through p and directly. If x grows a little, both ways raise z, and what they add is
# summed. So **slopes of several ways add up**. In code: begin with slope 0 for every value and 1 for the result, walk
# the list from its end, and let each operation *add* (`+=`) to the slopes of its two inputs:
#
# - sum, out = a + b: each input gets the slope of out
# - product, out = a · b: a gets the slope of out times b, and b gets the slope of out times a
#
# **Predict:** x = 3, y = 4. What are the slopes of z with respect to x and y? What would `=` instead of `+=` give for
# x?

# %%
graph = [("*", "p", "x", "y"), ("+", "z", "p", "x")]             # p = x * y, then z = p + x


def walk_forward(graph, **inputs):
    value = dict(inputs)
    for operation, out, a, b in graph:
        value[out] = value[a] * value[b] if operation == "*" else value[a] + value[b]
    return value


def walk_backward(graph, value):
    slope = dict.fromkeys(value, 0.0)
    slope[graph[-1][1]] = 1.0                                    # the last result: dz/dz
    for operation, out, a, b in reversed(graph):
        slope[a] += slope[out] * (value[b] if operation == "*" else 1)
        slope[b] += slope[out] * (value[a] if operation == "*" else 1)
    return slope


value = walk_forward(graph, x=3.0, y=4.0)
slope = walk_backward(graph, value)
print("values", value, "\nslopes", slope)
moved = walk_forward(graph, x=3.001, y=4.0)["z"] - value["z"]    # x moved by 0.001
assert slope["x"] == 4 + 1 and slope["y"] == 3 and np.isclose(moved, 0.001 * slope["x"])
lesson.figure(graph_figure(graph, value, slope, title="Values forward (black), slopes backward (orange)"), "graph")

# %% [markdown]
# The slope of x is 4 + 1 = 5: in the figure, each arrow carries the part that comes back along it, and the parts that
# arrive at x are added. With `=`, the part that came last would have overwritten the other, and the answer would be 4.
# In short: **forks add**. Where a value goes to two places, the gradients that come back are added.
#
# PyTorch writes such a list down by itself while it calculates. Its `z.backward()` walks the list from the end and adds
# to `x.grad` and `y.grad`. In minidl nothing is recorded: each layer's backward is written by hand, so that you can
# read it. The walk is the same.
#
# ## 4. Many numbers: the layer `Linear`
# `Linear`, also called a *dense* layer, has several inputs and outputs. Each output is a weighted sum of all inputs,
# plus a bias. The weights are a matrix W with one row per output. x is a matrix, too: each row is one *sample*, one
# flower or one image, and all N samples are treated alike. Always look at the *shapes* first:
#
#     x (N, in)      W (out, in)      b (out,)      y = x Wᵀ + b  (N, out)
#
# Backward gets dy, which has the shape of y. Then, as in section 2, but with sums over all ways to L:
#
# - x[n, i] acts on all outputs of sample n: dx[n, i] = Σ over o of dy[n, o] W[o, i], that is dx = dy W
# - W[o, i] acts on output o of all samples: dW[o, i] = Σ over n of dy[n, o] x[n, i], that is dW = dyᵀ x
# - b[o] is added to output o of all samples: db[o] = Σ over n of dy[n, o]
#
# Every gradient has the shape of the array that it belongs to.
#
# **Predict:** y for the first sample, (1, 2), with the weights below. And db, if dy is 1 everywhere?

# %%
W = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]])              # (3, 2): 3 outputs, 2 inputs
b = np.array([0.0, 1.0, -1.0])                                   # (3,)
x = np.array([[1.0, 2.0], [3.0, -1.0]])                          # (2, 2): 2 samples
y = x @ W.T + b                                                  # (2, 3)
dy = np.ones((2, 3))
dx, dW, db = dy @ W, dy.T @ x, dy.sum(axis=0)                    # (2, 2), (3, 2), (3,)
print("y", y, "dx", dx, "dW", dW, "db", db, sep="\n")
assert y.tolist() == [[5, -1, 2], [1, 2, 8]] and db.tolist() == [2, 2, 2]

layer = Linear(2, 3).astype(np.float64)                          # the library's; its weights are random at first
layer.weight.data[...], layer.bias.data[...] = W, b
assert np.array_equal(layer.forward(x), y) and np.array_equal(layer.backward(dy), dx)
assert np.array_equal(layer.weight.grad, dW) and np.array_equal(layer.bias.grad, db)
layer.backward(dy)                                               # once more, without clearing
assert np.array_equal(layer.weight.grad, 2 * dW)
layer.zero_grad()
assert not layer.weight.grad.any()

# %% [markdown]
# The library's layer gives the same numbers. Its `backward` takes dy and returns dx. It **adds** dW and db to the
# parameters' `.grad`, because forks add: the second call doubled them. So `zero_grad` has to clear them before each new
# step. The names are PyTorch's: `weight`, `bias`, `.grad`, `zero_grad`, `backward`.
#
# The layer does not know what L is. dy tells it all that it needs. So a chain of layers needs nothing new: forward runs
# from the first to the last, backward from the last to the first, and the dx of one layer is the dy of the layer
# before. The library calls such a chain `Sequential`.
#
# ## 5. Is a gradient right? Move one number, and look
# In section 2 we moved w by 0.001 and compared. A slope is the limit of such quotients, so take a small h:
#
# - *one-sided* difference: (L(w + h) − L(w)) / h
# - *central* difference: (L(w + h) − L(w − h)) / 2h
#
# Two things keep these *finite differences* from being exact. *Truncation*: h is not 0. L is curved, so the one-sided
# difference is wrong by something times h. In the central one the curvature of both sides cancels, and something times
# h² is left. *Rounding*: float64 stores about 16 digits, float32 about 7. The difference of two nearly equal numbers
# loses the leading digits, and is then divided by h: an error of about 1e-16 / h, or 1e-7 / h.
#
# We try it on L(w) = (tanh(w) − ½)². (tanh is an S-shaped curve from −1 to 1, with slope 1 − tanh².)
#
# **Predict:** is a smaller h always better? Which of the three below has the smallest error, and near which h?


# %%
def L_of(w):
    return (np.tanh(w) - 0.5) ** 2


def one_sided(w, h):
    return (L_of(w + h) - L_of(w)) / h


def central(w, h):
    return (L_of(w + h) - L_of(w - h)) / (2 * h)


w = rng.normal(size=50)                                          # fifty places, float64
exact = 2 * (np.tanh(w) - 0.5) * (1 - np.tanh(w) ** 2)           # the chain rule
kinds = {"one-sided, float64": (one_sided, w), "central, float64": (central, w),
         "central, float32": (central, w.astype(np.float32))}
steps = np.logspace(-13, 0, 53)                                  # h, four for each power of ten
errors = {name: np.array([np.abs(quotient(at, float(h)) - exact).max() for h in steps]) / np.abs(exact).max()
          for name, (quotient, at) in kinds.items()}
for name, error in errors.items():
    print(f"{name:<18}  smallest error {error.min():.0e} of the largest slope, at h = {steps[error.argmin()]:.0e}")
difference_error = float(errors["central, float64"][np.abs(steps - 1e-5).argmin()])
assert difference_error < 1e-9
assert errors["central, float64"].min() < min(errors["one-sided, float64"].min(), errors["central, float32"].min())
lesson.figure(plotting.line_chart({kind: (steps, line) for kind, line in errors.items()}, log="xy", xlabel="h",
                                  ylabel="largest error, as a share of the largest slope",
                                  title="Finite differences: error against h"), "difference_errors")

# %% [markdown]
# Both axes count powers of ten, so 1/h is a line that falls, h a line that rises, and h² one that rises twice as
# steeply. From right to left, each error first falls (less truncation) and then grows (more rounding). The central
# difference in float64 is best, at an h near 1e-5, and right to ten digits there. In float32 it is never right to more
# than about five: with h below 1e-8, w + h is rounded to w, the quotient is 0, and the error 1. So gradients are
# checked with central differences in float64. Training itself works well in float32.
#
# ## 6. A wrong backward, and how it is caught
# A wrong backward raises no error. The network just learns badly, or not at all. `check_layer` catches it. It moves
# every number of x and of the parameters by ±1e-5, and compares the quotients with what `backward` says. As L it takes
# the sum of dy · y with a random dy: then dL/dy is that dy. It reports the largest relative error of each gradient:
# |backward − quotient|, divided by the larger of the two.
#
# First a chain of three layers, as they are. Then a `Linear` whose dW is transposed by mistake. With three inputs and
# three outputs the shapes fit, so Python does not complain.
#
# **Predict:** which of dx, dweight and dbias will be reported?


# %%
class Transposed(Linear):
    """Wrong on purpose: dW = xᵀ dy instead of dyᵀ x."""

    def backward(self, dy):
        x, = self.recall(dy)                                     # what forward kept for backward
        self.weight.grad += x.T @ dy
        self.bias.grad += dy.sum(axis=0)
        return dy @ self.weight.data


x = rng.normal(size=(5, 3))
print(check_layer(Sequential(Linear(3, 4, rng=rng), Tanh(), Linear(4, 2, rng=rng)), x))
wrong = check_layer(Transposed(3, 3, rng=rng), x, strict=False)  # strict=True, the default, would raise
print(wrong)
assert not wrong.passed and wrong.errors["weight"] > 0.1 and max(wrong.errors["x"], wrong.errors["bias"]) < 1e-6

# %% [markdown]
# Errors of 1e-8 and below are rounding. Only dweight is reported, so the mistake is in the line that computes it. The
# size of an error is a hint, too: 1 if a gradient stays 0, 2 if its sign is wrong, 0.5 if it is doubled or halved.
#
# Why is dy *random*? A simpler choice is dy = 1 everywhere, which makes L the sum of y. Take a layer that subtracts
# from each sample its mean: y = x − mean(x). Each x[n, i] acts in two ways: it raises its own y, and through the mean
# it lowers all K numbers of its sample, by 1/K each. Forks add: dx = dy − mean(dy). The second class forgets the way
# through the mean; the third one is wrong by a factor of 2.
#
# **Predict:** which of the two mistakes is caught with ones, and which with random numbers?


# %%
class Center(Layer):
    """Subtract from each sample its mean."""

    def forward(self, x):
        return self.keep(x - x.mean(axis=1, keepdims=True))

    def backward(self, dy):
        return dy - dy.mean(axis=1, keepdims=True)


class ForgetsMean(Center):
    def backward(self, dy):
        return 1 * dy


class Doubled(Center):
    def backward(self, dy):
        return 2 * super().backward(dy)


check_layer(Center(), x)                                         # raises if it is wrong
found = {}
for layer in (ForgetsMean(), Doubled()):
    for name, dy in {"ones": np.ones(x.shape), "random": None}.items():
        found[type(layer).__name__, name] = check_layer(layer, x, dy=dy, strict=False)
        print(f"dy {name}: {found[type(layer).__name__, name]}")
assert not found["ForgetsMean", "ones"].passed and not found["ForgetsMean", "random"].passed
assert found["Doubled", "ones"].worst < 1e-5 and not found["Doubled", "random"].passed

# %% [markdown]
# With ones, the doubled gradient passes. The sum of y − mean(y) is 0 for every x, so the true gradient of that sum is
# 0, and twice 0 is 0 as well. A random dy has no such blind spot: it shows the error, 0.5. Every layer of minidl passes
# the check with random dy, and the tests also try it on layers that are wrong on purpose.
#
# ## 7. A first training
# Now all parts together. Four samples follow the rule y = 2x − 1. A `Linear(1, 1)` starts with a random weight and bias
# 0, and is to find the rule by gradient descent. The loss is the mean of the squared errors, so its gradient is 2(y −
# t) / N. Each step is: forward, loss, clear the gradients, backward, and a step against the gradient.
#
# **Predict:** which w and b will it find? Will the loss reach 0?

# %%
x = np.array([[0], [1], [2], [3]], np.float32)                   # (4, 1)
t = 2 * x - 1                                                    # (4, 1): -1, 1, 3, 5
layer = Linear(1, 1, rng=rng)
losses = []
print(f"{'step':>5} {'loss':>11} {'w':>8} {'b':>8}")
for step in range(lesson.options.epochs + 1):
    y = layer.forward(x)                                         # (4, 1)
    losses.append(float(np.mean((y - t) ** 2)))
    if step in (0, 1, 2, 5, 10, 20, 50, 100):
        print(f"{step:5} {losses[-1]:11.7f} {layer.weight.data.item():8.4f} {layer.bias.data.item():8.4f}")
    if losses[-1] > 1e9:                                         # it blows up: the learning rate is far too large
        break
    layer.zero_grad()                                            # backward adds to what is there
    layer.backward(2 * (y - t) / len(x))
    for p in layer.parameters():
        p.data -= lesson.lr * p.grad
lesson.figure(plotting.line_chart({f"learning rate {lesson.lr:g}": (np.arange(len(losses)), losses)}, log="y",
                                  xlabel="step", ylabel="loss", title="A line through four points: the loss of each "
                                  f"step, from {losses[0]:.2f} to {losses[-1]:.1g}"), "training")

# %% [markdown]
# After 100 steps w is 1.9985 and b is −0.9968. The loss has fallen with every step, from 5.55 to 0.0000036. It comes
# close to 0 because the rule fits these four samples exactly. Real data leave an error. Everything else stays: the
# U-Net of section 1 was trained by such a loop, with more layers, another loss, a refined step, and a few images per
# step.
#
# ## Recap
# - A layer calculates y from x and its parameters (forward), and from dy the gradients of x and of its parameters
#   (backward). The chain rule multiplies slopes along a way, and adds them over all ways: forks add.
# - Central differences in float64 with h = 1e-5 show whether a backward is right. The dy of the check must be random.
# - Training repeats: forward, loss, zero_grad, backward, and a small step against the gradient.
#
# **Write it yourself:** `linear_forward`, `linear_backward` and `numeric_gradient`. `python -m lessons.exercises 00`
# puts stubs into `my/00_layer_and_gradient.py` and checks what you write.

# %%
lesson.finish(first_loss=losses[0], last_loss=losses[-1], weight=layer.weight.data.item(), bias=layer.bias.data.item(),
              difference_error=difference_error, error_of_wrong_gradient=wrong.worst,
              error_seen_with_ones=found["Doubled", "ones"].worst,
              error_seen_with_random=found["Doubled", "random"].worst, pixels_right_of_unet=pixels_right)
if lesson.as_intended:
    assert abs(layer.weight.data.item() - 2) < 0.01 and abs(layer.bias.data.item() + 1) < 0.02
    assert pixels_right > 0.9 and losses[-1] < 1e-4

# %% [markdown]
# **Try:**
# 1. ★ Section 3: append `("*", "L", "z", "z")` to `graph`, so that L = z². You should see the slopes 150 for x and 90
#    for y. (The assert in that cell is about z. Comment it out, and look at the figure.)
# 2. ★ Section 7: comment out the line with `zero_grad`. In which step does the loss fall below 0.01 for the first time?
#    You should see step 36 with the line, and never without it. Why is the first step the same?
# 3. ★★ Write a layer y = x², derived from `Layer`: `forward` ends with `return self.keep(y, x)`, and in `backward` the
#    line `x, = self.recall(dy)` gives x back. `check_layer` should report an error below 1e-8. Now forget the factor 2:
#    which error do you expect?
# 4. ★★ Section 7: find the largest `--lr` with which the loss still goes to 0 (with `--epochs 1000`). It lies between
#    0.2 and 0.3. What happens above it?
# 5. ★★★ Section 3: add an operation with one input, tanh, and build tanh(w·x + b). Check all slopes by moving each
#    input.
