# %% [markdown]
# # 00 · A layer and its gradient: what everything else is made of
# Slides 1–36, below all of them. *What is a layer, what is a gradient, and how do we know that one is right?*
#
# **New here:** layer, parameter, shape, forward, backward, gradient and the chain rule, on one layer,
# `Linear`; finite differences; and `check_layer`, which finds wrong gradients.
#
# **Needs:** Python, NumPy, and derivatives as in school: the slope of a function, and the chain rule.

# %%
import copy

import numpy as np

from minidl import BatchNorm2d, Conv2d, Linear, Sequential, Tanh, check_layer
from minidl.course.lesson import Lesson
from minidl.plotting import canvas

lesson = Lesson("00_layer_and_gradient")
print("(no data needed: only --seed, --out, --show and --quick change anything here)")
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
# ## 4. Wrong gradients, and how they are found
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
# With ones dx is 0 (lesson 4), and 0 times std is 0: this test cannot fail. The sum of batch norm's outputs does not
# depend on x at all, nor does any sum that is always the same. Every layer of minidl passes the check with random
# dy, and the tests also turn it on layers that are wrong on purpose. So from here on trust `backward`, and see what
# can be built on it: lesson 1.

# %%
lesson.finish(first_loss=float(before), last_loss=float(after), difference_error=difference_error,
              error_of_wrong_gradient=wrong.worst, error_seen_with_ones=blind.worst,
              error_seen_with_random=seeing.worst)

# %% [markdown]
# **Try:**
# 1. Section 3 without `Tanh()`: L is a straight line in each weight. Which part of the error vanishes, which h is best?
# 2. Write a layer y = x², a class derived from `minidl.Layer`, with `forward` (ends with `return self.keep(y, x)`) and
#    `backward` (`x, = self.recall(dy)` gives x back). What does `check_layer` say? And if you forget the factor 2?
