# %% [markdown]
# # 01 · Softmax regression: from one number to one of three classes
# Slide 9. *One number x, three classes. How do scores become probabilities, and how wrong are they?*
#
# **New here:** classification and all that belongs to it: scores, softmax, one-hot, cross entropy, its gradient, a
# training loop, and flowers held out to test it.
#
# **Needs:** layers, gradients and finite differences (lesson 0).

# %%
import time

import numpy as np

from minidl import SGD, CrossEntropyLoss, Linear, Softmax
from minidl.course.lesson import Lesson
from minidl.datasets.iris import SPECIES, load_iris
from minidl.plotting import canvas

lesson = Lesson("01_softmax_regression", epochs=1000, lr=1.0)
print("(the data are a small table: --data, --size, --width and --batch-size change nothing here)")

# %% [markdown]
# ## 1. Input and output
# In: the length of an iris's petal in cm, one number x. Out: its species, one of three: setosa, versicolor, virginica,
# or 0, 1, 2. R. A. Fisher published 150 such flowers in 1936, 50 of each.
#
# A model can memorize flowers, so a part is *held out*: looked at in the end, never learned from. Here it is every
# third. Training works best on numbers around 0 of size 1, so x is *standardized*: minus the mean, divided by the
# standard deviation, both of the training flowers. The held-out ones have no say, not even in that.

# %%
measurements, labels = load_iris(lesson.table("iris.csv"))         # (150, 4), (150,)
length = measurements[:, 2]                                        # petal length in cm
held_out = np.arange(len(length)) % 3 == 2
mean, std = length[~held_out].mean(), length[~held_out].std()


def standardize(length):
    """Turn lengths in cm (N,) into what the model takes, (N, 1) float32."""
    return ((np.asarray(length) - mean) / std).astype(np.float32)[:, None]


x, y = standardize(length[~held_out]), labels[~held_out]           # (100, 1), (100,)
x_test, y_test = standardize(length[held_out]), labels[held_out]   # (50, 1), (50,)
print(f"{len(x)} flowers to train on, {len(x_test)} held out; mean {mean:.2f} cm, standard deviation {std:.2f} cm")

# %% [markdown]
# ## 2. Three scores, and softmax makes them probabilities
# A `Linear` layer gives each class a score, or *logit*: z₀, z₁, z₂, each a straight line in x. *Softmax* turns them
# into probabilities: ŷᵢ = exp(zᵢ) / Σ exp(zⱼ). They are above 0 and sum to 1, and the largest score stays the largest.
#
# Let us set weights by hand: long petals speak for virginica, short ones for setosa, and a constant for versicolor.
#
# **Predict:** at a length of 4.8 cm, which class is the most probable? (Standardized, that is about 0.61.)

# %%
model, softmax = Linear(1, 3, rng=lesson.seed), Softmax()
model.weight.data[...] = [[-2], [0], [2]]                          # (3, 1)
model.bias.data[...] = [0, 1, 0]                                   # (3,)
z = model.forward(standardize([4.8]))                              # (1, 3)
yhat = softmax.forward(z)                                          # (1, 3)
print(f"z = {z[0].round(2)}, yhat = {yhat[0].round(2)}: {SPECIES[yhat[0].argmax()]}")
assert np.allclose(yhat, np.exp(z) / np.exp(z).sum()) and np.isclose(yhat.sum(), 1) and yhat[0].argmax() == 2

# %% [markdown]
# ## 3. How wrong is that? One-hot and cross entropy
# Write the truth as probabilities, too, all of it on the right class: *one-hot*. y = 0 → (1, 0, 0), y = 1 → (0, 1, 0),
# y = 2 → (0, 0, 1): yᵢ ∈ {0, 1}, Σ yᵢ = 1. *Cross entropy* compares the two: **L = −Σ yᵢ log ŷᵢ**. One term of the sum
# is left, minus the (natural) logarithm of the right class's probability: 0 if that is 1, and the larger the nearer it
# is to 0. The loss of many flowers is the mean of theirs.
#
# **Predict:** our flower of 4.8 cm is a versicolor. Its loss? And that of a model which gives all three 1/3?

# %%
one_hot = np.eye(3)                                                # row k is the one-hot vector of class k
assert one_hot[[0, 1, 2]].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
loss = CrossEntropyLoss()                                          # takes scores and classes: softmax is built in
as_printed = -np.sum(one_hot[1] * np.log(yhat[0]))
by_library = loss.forward(z, np.array([1]))
print(f"-ln {yhat[0, 1]:.3f} = {as_printed:.3f}, by the library {by_library:.3f}; 1/3 each: {np.log(3):.3f}")
assert np.isclose(as_printed, by_library) and np.isclose(loss.forward(np.zeros((1, 3)), np.array([1])), np.log(3))

# %% [markdown]
# ## 4. The gradient by hand
# Take the logarithm of softmax first: log ŷᵢ = zᵢ − log Σ exp(zⱼ). With Σ yᵢ = 1, L = log Σ exp(zⱼ) − Σ yᵢ zᵢ. The
# derivative of the first part with respect to zₖ is exp(zₖ) / Σ exp(zⱼ) = ŷₖ, that of the second yₖ. So
#
# - **dz = ŷ − y**, softmax minus one-hot; divided by N for the mean of N flowers
# - dW = dzᵀ x and db = Σ dz, as in any `Linear` (lesson 0)
#
# **Predict:** the sum of dz over the classes. And which of the three is negative?

# %%
z = model.forward(x)                                               # (100, 3)
dz = (softmax.forward(z) - one_hot[y]) / len(x)
dW, db = dz.T @ x, dz.sum(axis=0)                                  # (3, 1), (3,)
value = loss.forward(z, y)
model.zero_grad()
model.backward(loss.backward())
assert np.allclose(dz, loss.backward(), atol=1e-7) and np.abs(dz.sum(axis=1)).max() < 1e-7
assert np.allclose(dW, model.weight.grad, atol=1e-6) and np.allclose(db, model.bias.grad, atol=1e-6)


def loss_with(W, b):
    """Return the mean of -sum y log yhat over the training flowers, in float64 and written out as on the slide."""
    scores = x.astype(np.float64) @ W.T + b                        # (100, 3)
    yhat = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return float(-np.sum(one_hot[y] * np.log(yhat), axis=1).mean())


W, b, h = model.weight.data.astype(np.float64), model.bias.data.astype(np.float64), 1e-5
steps = h * np.eye(3)                                              # row k moves number k
quotient_W = [(loss_with(W + d[:, None], b) - loss_with(W - d[:, None], b)) / (2 * h) for d in steps]
quotient_b = [(loss_with(W, b + d) - loss_with(W, b - d)) / (2 * h) for d in steps]
error = float(max(np.abs(quotient_W - dW[:, 0]).max(), np.abs(quotient_b - db).max()))
print(f"{'by hand':>16} {'library':>9} {'quotient':>9}")
for k, name in enumerate(SPECIES):
    print(f"dW {k}   {dW[k, 0]:9.5f} {model.weight.grad[k, 0]:9.5f} {quotient_W[k]:9.5f}")
    print(f"db {k}   {db[k]:9.5f} {model.bias.grad[k]:9.5f} {quotient_b[k]:9.5f}")
assert error < 1e-6                                                # float32 against float64

# %% [markdown]
# All three agree. The sum of dz over the classes is 0, since ŷ and y both sum to 1, and only the right class's is
# negative. Drawn for one flower of each species. What is left of ŷ when y is taken away pulls the scores: up where it
# is below 0, down where it is above, for training goes against the gradient. The surer and the more right, the smaller
# the pull.

# %%
COLORS = canvas.LINE_COLORS[:3]
figure = canvas.blank(720, 316)
canvas.write(figure, 12, 20, "Softmax minus one-hot: the right class's score is pulled up, the others' down",
             canvas.TITLE, 680, weight="bold")
for column, (k, cm) in enumerate(((0, 1.4), (1, 4.8), (2, 6.0))):
    yhat = softmax.forward(model.forward(standardize([cm])))[0]    # (3,)
    left = 80 + 216 * column
    canvas.write(figure, left, 48, f"{SPECIES[k]}, {cm} cm: loss {-np.log(yhat[k]):.2f}", canvas.TEXT, 200)
    for top, height, values, limits in ((64, 120, yhat, (0, 1.1)), (212, 96, yhat - one_hot[k], (-0.9, 0.8))):
        axes = canvas.place(figure, left, top, 190, height)
        canvas.quiet(axes)
        axes.bar(range(3), values, 0.6, color=COLORS)
        for j, number in enumerate(values):
            axes.annotate(f"{number:.2f}", (j, number), (0, 3 if number >= 0 else -10), fontsize=canvas.SMALL,
                          textcoords="offset points", ha="center", color=canvas.INK)
        axes.axhline(0, color=canvas.QUIET, linewidth=0.8)
        axes.set(ylim=limits, yticks=[0, 1] if top == 64 else [], xlim=(-0.6, 2.6))
        axes.set_xticks(range(3), SPECIES if top == 64 else [""] * 3)
        axes.spines["bottom"].set_visible(top == 64)
        axes.tick_params(axis="x", length=0)
        if top == 64:
            axes.bar(range(3), one_hot[k], 0.75, fill=False, edgecolor=canvas.INK, linewidth=1)
for middle, text in ((124, "ŷ (bars)"), (140, "y (box)"), (260, "ŷ − y")):
    canvas.write(figure, 12, middle, text, canvas.TEXT, 60)
lesson.figure(figure, "gradient")

# %% [markdown]
# ## 5. Training, in the open
# Begin with random weights. Each *epoch* shows all training flowers: forward, loss, backward, and a step against the
# gradient. `SGD` takes the learning rate times the gradient off each parameter. (A hundred flowers are few enough to
# take all of them at each step. Later lessons take a few at a time.)
#
# **Predict:** how do the three probabilities over x look in the end? Which can have a hill, that falls on both sides?

# %%
model = Linear(1, 3, rng=lesson.seed)
optimizer = SGD(model.parameters(), lesson.lr)
epochs, frames, started = lesson.options.epochs, {}, time.perf_counter()
losses = []
for epoch in range(epochs + 1):
    optimizer.zero_grad()                                          # backward adds to the gradients
    losses.append(loss.forward(model.forward(x), y))
    if epoch in (0, 1, 3, 10, 100, epochs):
        frames[epoch] = model.state_dict()                         # a copy of the weights
    if epoch < epochs:
        model.backward(loss.backward())
        optimizer.step()
seconds = time.perf_counter() - started
print("loss " + ", ".join(f"{losses[epoch]:.3f} after {epoch}" for epoch in frames) + f" epochs ({seconds:.2f} s)")
assert losses[-1] < losses[0]

# %%
centimeters = np.linspace(length.min() - 0.5, length.max() + 0.5, 281)


def draw_curves(figure, left, top, width, height, model, title):
    """Draw the probability of each class over the length; below it all flowers, those called wrongly ringed."""
    axes = canvas.place(figure, left, top, width, height)
    canvas.quiet(axes)
    for curve, color in zip(softmax.forward(model.forward(standardize(centimeters))).T, COLORS):
        axes.plot(centimeters, curve, color=color, linewidth=1.8)
    axes.set(xlim=centimeters[[0, -1]], ylim=(0, 1.02), yticks=[0, 0.5, 1])
    canvas.write(figure, left, top - 14, title, canvas.TEXT, width)
    called = model.forward(standardize(length)).argmax(axis=1)
    axes = canvas.place(figure, left, top + height + 20, width, 48)
    for value in np.unique(length):                                # stack the flowers of one length
        here = np.flatnonzero(length == value)
        axes.scatter(np.full(len(here), value), np.arange(len(here)), 9, [COLORS[k] for k in labels[here]],
                     edgecolors=[canvas.INK if called[i] != labels[i] else "none" for i in here], linewidths=0.9)
    axes.set(xlim=centimeters[[0, -1]], ylim=(13.5, -1))
    axes.set_axis_off()


figure = canvas.blank(820, 560)
canvas.write(figure, 12, 20, lesson.headline("Training moves the curves apart, each to its flowers", "Training"),
             canvas.TITLE, 800, weight="bold")
canvas.legend(figure, 40, 30, SPECIES, COLORS)
for k, (epoch, state) in enumerate(frames.items()):
    model.load_state_dict(state)
    right = (model.forward(x).argmax(axis=1) == y).mean()
    draw_curves(figure, 40 + 262 * (k % 3), 84 + 244 * (k // 3), 238, 142, model,
                f"epoch {epoch}: loss {losses[epoch]:.3f}, {right:.0%} right")
canvas.write(figure, 410, 548, "petal length in cm; ringed: all flowers that are called something else", canvas.SMALL,
             700, ha="center", color=canvas.QUIET)
lesson.figure(figure, "training", alt="Three probabilities over the petal length, after some epochs; loss " + ", ".join(
    f"{losses[epoch]:.3f} after {epoch}" for epoch in frames))

# %% [markdown]
# Only versicolor, the middle one, has a hill. Setosas lie apart: their curve may become as steep as it likes, and the
# loss falls a little with it. Versicolor and virginica overlap between 4.5 and 5.1 cm: if the curves became too steep
# there, the flowers on the wrong side would cost too much. A probability of one half is no lack of training, it is what
# the flowers say.
#
# ## 6. Where the decision changes
# Called is the class with the largest probability, that is, the largest score. The scores are straight lines, and where
# two of them cross, the decision changes: w₀ x + b₀ = w₁ x + b₁, so x = −(b₁ − b₀) / (w₁ − w₀).
#
# **Predict:** how many boundaries can three lines have at most?

# %%
weight, bias = model.weight.data[:, 0].astype(float), model.bias.data.astype(float)                # (3,), (3,)
boundaries = [float(mean - std * (bias[k + 1] - bias[k]) / (weight[k + 1] - weight[k])) for k in (0, 1)]
z = model.forward(standardize(centimeters))                        # (281, 3)
figure = canvas.blank(720, 320)
canvas.write(figure, 12, 20, "The largest score decides: boundaries at {:.2f} and {:.2f} cm".format(*boundaries),
             canvas.TITLE, 700, weight="bold")
canvas.legend(figure, 40, 30, SPECIES, COLORS)
axes = canvas.place(figure, 40, 66, 300, 210)
canvas.quiet(axes)
for k, color in enumerate(COLORS):
    axes.plot(centimeters, z[:, k], color=color, linewidth=1)
    axes.plot(centimeters, np.where(z.argmax(axis=1) == k, z[:, k], np.nan), color=color, linewidth=3.5)
axes.set(xlim=centimeters[[0, -1]])
canvas.write(figure, 40, 300, "scores z, the largest thick", canvas.SMALL, 300, color=canvas.QUIET)
draw_curves(figure, 390, 66, 300, 150, model, "probabilities")
for axes in figure.axes:
    for boundary in boundaries:
        axes.axvline(boundary, color=canvas.QUIET, linewidth=1, linestyle="--")
canvas.write(figure, 390, 300, "petal length in cm; all flowers", canvas.SMALL, 300, color=canvas.QUIET)
lesson.figure(figure, "boundaries")

# %% [markdown]
# Two boundaries at most, for each line is the largest in one stretch. So all that this model can learn are two
# thresholds.
#
# ## 7. Could two thresholds do better?
# There are not many that differ on these flowers: try all. Called setosa below the first, virginica above the second.
#
# **Predict:** by how much does the best pair beat the model, on the flowers it was chosen for?


# %%
def accuracy(thresholds, part):
    """Return the share of the flowers of a part that two thresholds in cm call by their names."""
    return float((np.searchsorted(thresholds, length[part]) == labels[part]).mean())


values = np.unique(length)
cuts = (values[1:] + values[:-1]) / 2                              # between two lengths that occur
pairs = [(low, high) for k, low in enumerate(cuts) for high in cuts[k + 1:]]
best = max(pairs, key=lambda pair: accuracy(pair, ~held_out))
scores = {"training": float((model.forward(x).argmax(axis=1) == y).mean()),
          "held out": float((model.forward(x_test).argmax(axis=1) == y_test).mean())}
of_best = {"training": accuracy(best, ~held_out), "held out": accuracy(best, held_out)}
print(f"of {len(pairs)} pairs the best is {best[0]:.2f} and {best[1]:.2f} cm")
for part in scores:
    print(f"{part:<9} model {scores[part]:.2f}, best thresholds {of_best[part]:.2f}")
if boundaries[0] < boundaries[1]:
    assert np.isclose(accuracy(boundaries, held_out), scores["held out"])
assert scores["training"] <= of_best["training"]                   # the model is such a pair, too

# %% [markdown]
# The model was never told to count right answers: accuracy jumps from one flower to the next and has no gradient. It
# lowered the cross entropy, and found thresholds as good as the best. And it says how sure it is, which a threshold
# does not. What is missing is a better look at the flower, or the digit, or the pet: more inputs, and layers between.

# %%
lesson.finish(test={"accuracy": scores["held out"]}, train={"accuracy": scores["training"]},
              test_accuracy_of_best_thresholds=of_best["held out"], gradient_error=error,
              boundaries_cm=dict(zip(("setosa_versicolor", "versicolor_virginica"), boundaries)),
              first_loss=losses[0], last_loss=losses[-1], epochs=epochs, training_flowers=len(x),
              test_flowers=len(x_test), parameters=6, training_seconds=round(seconds, 2))
if lesson.as_intended:
    assert scores["training"] >= of_best["training"] - 0.01 and scores["held out"] >= 0.94
    assert 2.45 < boundaries[0] < 3 and 4.7 < boundaries[1] < 4.9 and losses[-1] < 0.13

# %% [markdown]
# **Try:**
# 1. Do not standardize: `mean, std = 0, 1` in section 1. What becomes of the loss with `--lr 1`? Which lr works, and
#    how many epochs does it need to get below 0.2?
# 2. Petal width instead: `measurements[:, 3]` in section 1. Which of the two tells the species better, by accuracy and
#    by loss? (The last assertions are about the length.)
# 3. Add 100 to all three biases after training. What becomes of ŷ and of the loss? So how many of the six parameters
#    does the model need?
