# %% [markdown]
# # 02 · MLP: ten digits from 64 numbers
# Slide 10. *How does a network learn to tell handwritten digits apart, and how do we know that it can?*
#
# **New here:** a hidden layer and ReLU; learning from a few images at a time; momentum and Adam; validation images;
# the confusion matrix.
#
# **Needs:** `Linear`, forward and backward (lesson 0); softmax, one-hot, cross entropy, epochs and what is held out
# (lesson 1).

# %%
import numpy as np

from minidl import SGD, Adam, CrossEntropyLoss, Flatten, Linear, ReLU, Sequential, Softmax, plotting
from minidl.batches import Batches
from minidl.course.lesson import Lesson
from minidl.datasets.digits import load_digits, stratified_split
from minidl.metrics import confusion_matrix
from minidl.plotting import canvas
from minidl.step import predict
from minidl.tasks.classification import accuracy, confusion_figure, probability_grid

lesson = Lesson("02_mlp_classifier", width=64, batch_size=32, lr=1e-2)     # width: units in the hidden layer
epochs = lesson.options.epochs or 40
DIGITS = [str(k) for k in range(10)]
if lesson.options.data is not None:
    print("This lesson learns from its own table of digits: --data and --size play no part in it.")

# %% [markdown]
# ## 1. The data
# 1,797 digits that 13 people wrote by hand, scanned and shrunk to 8 × 8 gray values. In: an image, (1, 8, 8), numbers
# from 0, paper, to 1, ink. Out: one of ten classes.

# %%
images, labels = load_digits(lesson.table("digits.csv.gz"))                # (1797, 1, 8, 8) and (1797,)
print(f"images {images.shape} {images.dtype} from {images.min():g} to {images.max():g}; labels {labels.shape}")
print("how many of each digit: " + ", ".join(f"{k}: {n}" for k, n in enumerate(np.bincount(labels))))
columns = [np.flatnonzero(labels == k)[:4] for k in range(10)]             # the first four of each digit
lesson.figure(plotting.image_strip(images[np.array(columns).T.ravel()], columns=10, colormap="gray_r", cell=64,
                                   title="Four of each digit, 8 × 8 pixels"), "data")

# %% [markdown]
# ## 2. What it must not see
# A table that lists all 1,797 images with their digits makes no mistake on them, and has learned nothing. So a fifth
# of each digit is *held out*: the **test** images, looked at once, at the end. And while we try what works best, a
# fifth of what remains stands in for them: the **validation** images. If you try twenty settings and keep the one
# that is best on the test images, you have selected on them, and report more than the next thousand digits will show.

# %%
training, test = stratified_split(labels)                                  # the same for every seed, and in lesson 4
fitting, validation = (training[part] for part in stratified_split(labels[training], rng=1))
print(f"{len(fitting)} images to try things on, {len(validation)} to judge these tries, {len(test)} to test")
assert not set(test) & (set(fitting) | set(validation))

# %% [markdown]
# (Drawn at random, all parts have digits by the same 13 people. How it would do on a 14th person's, they do not tell:
# exercise 3.)
#
# ## 3. The model
# Slide 10: n inputs, a layer of m units, an output for each class. `Flatten` makes one row of the image's 64 pixels.
# Each hidden unit sums over all of them, with weights of its own, and its ReLU lets through what is above 0. Ten scores
# sum over the hidden units; softmax (in the loss) makes probabilities of them. A network of such layers is a
# *multilayer perceptron*, MLP.
#
# **Predict:** how many parameters does it have, for m = 64?

# %%


def mlp(m, seed):
    """Return the network of slide 10, with m hidden units."""
    rng = np.random.default_rng(seed)
    return Sequential(Flatten(), Linear(64, m, rng=rng), ReLU(), Linear(m, 10, rng=rng))


m = lesson.width
model = mlp(m, lesson.seed)
model.summary((1, 1, 8, 8))
parameters = sum(p.data.size for p in model.parameters())
assert parameters == (64 * m + m) + (m * 10 + 10)

# %% [markdown]
# Why the ReLU? **Predict:** what can two `Linear` layers in a row do that one cannot, without it between them?

# %%
first, second = model.layers[1], model.layers[3]
x = images[:100].reshape(100, 64)                                          # (100, 64)
W = second.weight.data @ first.weight.data                                 # (10, m) @ (m, 64) = (10, 64)
b = second.weight.data @ first.bias.data + second.bias.data                # (10,)
assert np.allclose(second(first(x)), x @ W.T + b, atol=1e-4)
assert not np.allclose(second(model.layers[2](first(x))), x @ W.T + b, atol=1e-2)
print("two Linear layers in a row are one; with a ReLU between them they are not")

# %% [markdown]
# ## 4. The loss
# Slide 10: the truth is class 1, one-hot (0, 1, 0); the network says ŷ = (0.1, 0.6, 0.3). Cross entropy looks at the
# probability of the true class only, −ln 0.6. The slide prints 0.5.
#
# **Predict:** the third digit; in which direction each of the three scores is moved; and the loss of our untrained
# network, which knows nothing of ten classes.

# %%
loss = CrossEntropyLoss()
z = np.log([[0.1, 0.6, 0.3]])                                              # scores whose softmax is the slide's ŷ
before, gradient = loss(z, np.array([1])), loss.backward()
after = loss(z - 1.0 * gradient, np.array([1]))                            # "update": a step of size 1 downhill
print(f"loss {before:.3f}; its gradient {gradient[0].round(3)} is ŷ minus one-hot; after one step {after:.3f}")
assert round(before, 3) == 0.511 and np.allclose(gradient, [[0.1, -0.4, 0.3]]) and after < before
first_loss = loss(model(images[training]), labels[training])
print(f"untrained: {first_loss:.3f}; ten equal probabilities: ln 10 = {np.log(10):.3f}")
assert abs(first_loss - np.log(10)) < 1.5

# %% [markdown]
# ## 5. A few images at a time
# The gradient that we want is that of the mean loss over all training images. To see all of them for one small step
# is thorough, and slow. A *minibatch*, some images drawn at random, gives an estimate of that gradient. How good is
# it? The cosine of the angle between the two is 1 if they point the same way, and 0 if they have nothing to do with
# each other.
#
# **Predict:** how many images does it take for a cosine of 0.7, an angle of 45°? The error of a mean of n numbers
# falls with √n. So how many more does it take to halve the angle's tangent, the error's size against what is right?


# %%
def gradient_of(model, x, y):
    """Return the gradient of all parameters, as one long vector."""
    model.zero_grad()
    loss(model(x), y)
    model.backward_parameters(loss.backward())
    return np.concatenate([p.grad.ravel() for p in model.parameters()])


rng = np.random.default_rng(lesson.seed)
whole = gradient_of(model, images[training], labels[training])
cosines = {}
for n in (1, 2, 4, 8, 16, 32, 64, 128, 256):
    draws = [rng.choice(training, n, replace=False) for _ in range(50)]
    found = [gradient_of(model, images[draw], labels[draw]) for draw in draws]
    cosines[n] = float(np.mean([g @ whole / np.linalg.norm(g) / np.linalg.norm(whole) for g in found]))
print("cosine with the gradient of all images: " + ", ".join(f"{n}: {c:.2f}" for n, c in cosines.items()))
tangents = {n: float(np.sqrt(1 / c**2 - 1)) for n, c in cosines.items()}
print("tangent of the angle: " + ", ".join(f"{n}: {t:.2f}" for n, t in tangents.items()))
assert cosines[1] < cosines[32] < cosines[256] and 1.5 < tangents[8] / tangents[32] < 2.7

# %%
figure = canvas.blank(560, 320)
canvas.write(figure, 12, 20, lesson.headline(f"32 of {len(training):,} images point at about 45° to where all of "
                                             "them do", "Where the gradient of a few images points"),
             canvas.TITLE, 540, weight="bold")
canvas.write(figure, 12, 44, "cosine of a minibatch's gradient with that of all training images", canvas.TEXT, 540)
axes = canvas.place(figure, 46, 60, 490, 200)
canvas.quiet(axes)
axes.plot(range(len(cosines)), list(cosines.values()), "o-", color=canvas.LINE_COLORS[0])
axes.set(ylim=(0, 1.05), yticks=[0, 0.25, 0.5, 0.75, 1])
axes.set_xticks(range(len(cosines)), [str(n) for n in cosines])
for k, c in enumerate(cosines.values()):
    axes.annotate(f"{c:.2f}", (k, c), (0, -14), ha="center", textcoords="offset points", fontsize=canvas.SMALL)
canvas.write(figure, 291, 296, "images in the minibatch", canvas.TEXT, 490, ha="center")
lesson.figure(figure, "minibatches", alt="Cosine between a minibatch's gradient and that of all training images, "
              "untrained network: " + ", ".join(f"{c:.2f} for {n}" for n, c in cosines.items()))

# %% [markdown]
# Four times the images halve the error. So 32 images, at a fortieth of the price, point at an angle of about 45° to
# where all of them would; and forty such steps lead farther than one that is exact. An epoch still is one pass over all
# images, now in an order drawn anew. `Batches` deals them out.
#
# ## 6. Training, in the open
# Four lines: *forward* gives the scores, the loss its value and its gradient; *backward* carries that to every
# parameter; the optimizer takes a step. All training in these lessons is this loop, however large the network.


# %%
def train(model, optimizer, part, epochs, seed):
    """Train on the images of `part`; return for each epoch its mean loss and the accuracy on the validation part."""
    batches = Batches(images[part], labels[part], lesson.batch_size, rng=np.random.default_rng(seed))
    history = []
    for epoch in range(1, epochs + 1):
        losses = []
        for x, y in batches:                                               # (n, 1, 8, 8), (n,)
            optimizer.zero_grad()                                          # backward *adds* to the gradients
            losses.append(loss(model(x), y))
            model.backward_parameters(loss.backward())                     # the gradient of x itself is not needed
            optimizer.step()
        history.append({"epoch": epoch, "loss": float(np.mean(losses)),
                        "accuracy": accuracy(model, images[validation], labels[validation])})
    return history


# %% [markdown]
# **SGD**, stochastic gradient descent, goes `lr` times the gradient downhill, *stochastic* because the minibatch is
# drawn. With *momentum* it goes on in the direction of the steps before. **Adam** divides, for each parameter by
# itself, the mean of its latest gradients by their usual size: each moves by about `lr` a step, be its gradients large
# or small. That is why one learning rate serves for very different networks, and why the lessons use it.
#
# **Predict:** the order of these four after a few epochs.

# %%
tries = {"SGD, lr 0.03": lambda p: SGD(p, 0.03), "SGD, lr 0.3": lambda p: SGD(p, 0.3),
         "SGD, lr 0.03, momentum": lambda p: SGD(p, 0.03, momentum=0.9),
         f"Adam, lr {lesson.lr:g}": lambda p: Adam(p, lesson.lr)}
histories = {}
for name, optimizer in tries.items():
    tried = mlp(m, lesson.seed)
    histories[name] = train(tried, optimizer(tried.parameters()), fitting, min(epochs, 20), lesson.seed)
    print(f"{name:<24} loss {histories[name][-1]['loss']:.3f}, right of the validation images "
          f"{histories[name][-1]['accuracy']:.3f}")

# %%
figure, panels = canvas.subplots(1090, 330, 2, "One network, four ways of walking downhill")
for axes, (key, head, limits) in zip(panels, (
        ("loss", "loss, training images", (0, None)),
        ("accuracy", "share right, validation images (below 0.8: at 0.8)", (0.8, 1)))):
    axes.set_title(head, loc="left", fontsize=canvas.TEXT)
    axes.set_xlabel("epoch", fontsize=canvas.SMALL)
    axes.locator_params("x", integer=True)
    plotting.named_lines(axes, {f"{name}: {history[-1][key]:.3f}": (
        [row["epoch"] for row in history], [max(row[key], limits[0]) for row in history])
        for name, history in histories.items()}, limits)
lesson.figure(figure, "optimizers", alt="Loss of training images, share of validation images right: " + "; ".join(
    f"{name}: {history[-1]['loss']:.3f}, {history[-1]['accuracy']:.3f}" for name, history in histories.items()))

# %% [markdown]
# Plain SGD is far behind with the small learning rate. With ten times that, or with momentum, which adds up to as much,
# it comes close; Adam needs no such search. On the validation images the last three differ by a few images only.
#
# Which optimizer, how many hidden units and epochs: that was settled on validation images. Now the network starts
# again, and learns from all training images, those for validation included.

# %%
model = mlp(m, lesson.seed)
history = train(model, Adam(model.parameters(), lesson.lr), training, epochs, lesson.seed)
print(f"{epochs} epochs: loss {history[0]['loss']:.3f} in the first, {history[-1]['loss']:.4f} in the last")

# %% [markdown]
# ## 7. The result
# **Predict:** how many of the test images are right? And which digits are taken for each other?

# %%
probabilities = Softmax().forward(predict(model, images[test]))            # (n, 10)
decided = probabilities.argmax(axis=1)                                     # (n,): the likeliest class
right = decided == labels[test]
scores = {"accuracy": float(right.mean())}
spread = np.sqrt(scores["accuracy"] * (1 - scores["accuracy"]) / len(test))
print(f"{right.sum()} of {len(test)} test images right: {scores['accuracy']:.3f} ± {spread:.3f}; of the training "
      f"images: {accuracy(model, images[training], labels[training]):.3f}; always the most frequent digit: "
      f"{np.bincount(labels[test]).max() / len(test):.3f}")

# %% [markdown]
# (The ± is the standard error √(p (1 − p) / n): so much would the number change, typically, if another n images
# had been held out. One image more or less is 0.003.)
#
# The *confusion matrix* counts, for each true digit (a row), what it was taken for (the columns).

# %%
matrix = confusion_matrix(labels[test], decided, 10)
assert np.trace(matrix) == right.sum() and matrix.sum() == len(test)
wrong_pairs = matrix * (1 - np.eye(10, dtype=int))
true, taken = np.unravel_index(wrong_pairs.argmax(), wrong_pairs.shape)
lesson.figure(confusion_figure(matrix, DIGITS, title=f"{len(test) - right.sum()} of {len(test)} test images are "
                               "taken for another digit"), "confusion",
              alt=f"Confusion matrix of {len(test)} test images: {right.sum()} on the diagonal; the most frequent "
              f"mistake, {wrong_pairs.max()} times: {true} taken for {taken}")

# %% [markdown]
# Mistakes are spread thinly: hardly a pair is confused more than once or twice. Which images are the most wrong?
# Those whose true digit got the least probability: the terms of the loss that are largest. Would you have known?

# %%
of_true = probabilities[np.arange(len(test)), labels[test]]                # (n,)
worst = np.argsort(of_true)[:12]
lesson.figure(probability_grid(images[test][worst], probabilities[worst], labels[test][worst], DIGITS,
                               title="The most wrong: little probability for the true digit (blue)"), "most_wrong",
              alt="The twelve test images whose true digit got the least probability: " + ", ".join(
                  f"a {labels[test][n]} ({of_true[n]:.2f})" for n in worst))

# %% [markdown]
# It is often sure when it is wrong. Cross entropy made it so: once a training image is right, the only way to a lower
# loss is to be surer.
#
# ## 8. What the hidden units look at
# A hidden unit has one weight for each pixel, so its weights can be drawn as an image: red where ink excites it, blue
# where ink silences it. By which images is it excited most?
#
# **Predict:** is there a unit for each digit, one that looks like a 3?

# %%
hidden, output = model.layers[1], model.layers[3]
weights = hidden.weight.data.reshape(m, 8, 8)
excited = np.maximum(hidden(images[test].reshape(-1, 64)), 0)              # (n, m): behind the ReLU
strength = np.linalg.norm(output.weight.data, axis=0) * excited.std(axis=0)                # (m,)
strongest = np.argsort(-strength)[:8]                                      # units that move the scores most
k = int(strongest[0])
x = images[test].reshape(-1, 64)
x = x / np.linalg.norm(x, axis=1, keepdims=True)                           # as much ink in each
own = hidden.weight.data[k] / np.linalg.norm(hidden.weight.data[k])
assert (x @ own).max() < own @ own, "of all images of one length, a unit likes that of its weights best"

# %%
side, gap, row = 64, 8, 92
figure = canvas.blank(24 + 2 * (7 * (side + gap) + 120), 64 + 4 * row)
canvas.write(figure, 12, 20, lesson.headline("Eight hidden units: strokes and gaps at certain places, no whole digits",
                                             "Hidden units"), canvas.TITLE, 1000, weight="bold")
reach = float(np.abs(weights[strongest]).max())
for n, k in enumerate(strongest):
    left, top = 12 + n // 4 * (7 * (side + gap) + 120), 74 + n % 4 * row
    axes = canvas.place(figure, left, top, side, side)
    axes.imshow(weights[k], "RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    axes.set_axis_off()
    for j, picture in enumerate(np.argsort(-excited[:, k])[:6]):
        axes = canvas.place(figure, left + (j + 1) * (side + gap) + 8, top, side, side)
        axes.imshow(images[test][picture, 0], "gray_r", aspect="auto")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(canvas.GRID)
    order = np.argsort(output.weight.data[:, k])
    for y, text in ((top + 20, f"for {order[-1]} and {order[-2]},"), (top + 38, f"against {order[0]} and {order[1]}")):
        canvas.write(figure, left + 7 * (side + gap) + 10, y, text, canvas.TEXT, 110)
for left in (12, 12 + 7 * (side + gap) + 120):
    canvas.write(figure, left, 58, "weights", canvas.TEXT, side)
    canvas.write(figure, left + side + gap + 8, 58, "test images that excite it most", canvas.TEXT, 400)
    canvas.write(figure, left + 7 * (side + gap) + 10, 58, "it speaks", canvas.TEXT, 100)
lesson.figure(figure, "hidden_units", alt="Weights of the eight hidden units that move the scores most, as images of "
              "8 × 8; the six test images that excite each most; and the digits it speaks for and against")

# %% [markdown]
# A unit is a question about ink at certain places, asked of many digits; each digit is a pattern of answers. And all of
# it hangs on the place: move a digit by a pixel, and these units see another image. What helps there is lesson 4.

# %%
moved = np.zeros_like(images[test])
moved[..., 1:] = images[test][..., :-1]                                    # one pixel to the right
accuracy_moved = accuracy(model, moved, labels[test])
print(f"test images, moved to the right by one pixel: {accuracy_moved:.3f} right")

# %%
lesson.finish(test=scores, accuracy_moved=accuracy_moved, cosine_of_minibatch=cosines[32], first_loss=first_loss,
              last_loss=history[-1]["loss"], epochs=epochs, training_pictures=len(training), test_pictures=len(test),
              parameters=parameters, confusion=matrix.tolist())
if lesson.as_intended:
    assert scores["accuracy"] >= 0.95 and history[-1]["loss"] < 0.1
    assert accuracy_moved < scores["accuracy"] - 0.1

# %% [markdown]
# **Try:**
# 1. `--width 1`, `2`, `4`, `8`, `16`: from how many hidden units on are 95 % of the test images right? Think first:
#    how many yes-or-no answers does it take to tell ten digits apart?
# 2. `Identity()` (import it from minidl) in place of `ReLU()` in `mlp`. By section 3 (whose last assertion has to go)
#    it is one layer then. Is it much worse? Which digits does it confuse? Look at `confusion.png`.
# 3. Hold out the last images of the file: `training, test = np.arange(1438), np.arange(1438, 1797)`. What becomes of
#    the accuracy (and of the last assertion)? If the file goes writer by writer, what explains it, and which of the two
#    numbers would you promise to a post office?
