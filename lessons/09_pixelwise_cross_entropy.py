# %% [markdown]
# # 08 · Cross entropy at every pixel
# Slides 12–14. *A classifier gives one answer an image. What are output, label and loss if every pixel gets one?*
#
# **New here:** nothing but the shape. Segmentation is classification H·W times over: three scores for each pixel, a
# softmax over them, a cross entropy, and the mean of them all. And its gradient, which is itself an image.
#
# **Needs:** softmax, one-hot and cross entropy (lesson 1), a convolutional network (lesson 4), trimaps (lesson 6).

# %%
import numpy as np

from minidl import Adam, CrossEntropyLoss, Softmax, pixelwise, plotting
from minidl.batches import Batches, as_input
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.plotting.canvas import MARGIN, QUIET, SMALL, TEXT, TITLE, blank, draw_grid, place, whole_multiple, write
from minidl.step import train_step

from matplotlib.colors import ListedColormap

lesson = Lesson("09_pixelwise_cross_entropy")
softmax, loss = Softmax(), CrossEntropyLoss()

# %% [markdown]
# ## 1. Input and output
# An image of 2 x 2 pixels goes into a model, and out come 3 x 2 x 2 numbers: a *map* for each of the classes 0, 1, 2,
# with a score, or logit, for each pixel. *Argmax* over the three maps gives each pixel the class with the largest
# score.
#
# **Predict:** which labels do these scores give? (The slide prints the labels only; the scores are ours.)

# %%
scores = np.array([[[2.0, 0.1],
                    [0.3, 0.2]],           # class 0
                   [[0.5, 0.4],
                    [0.1, 1.5]],           # class 1
                   [[0.1, 3.0],
                    [2.2, 0.6]]])          # class 2
labels = scores.argmax(axis=0)             # (3, 2, 2) -> (2, 2)
print(labels)
assert labels.tolist() == [[0, 2], [2, 1]]

# %% [markdown]
# ## 2. The label of an image is an image
# For training, the ground truth says the right class of each pixel. One-hot (lesson 1) writes it as probabilities, in
# the shape of the output: 1 in the map of the right class, 0 in the others.
#
# **Predict:** the ground truth [[1, 0], [2, 0]] as three maps.


# %%
def one_hot(labels, classes=3):
    """(H, W) -> (classes, H, W): row k of the identity matrix for each pixel of class k."""
    return np.eye(classes)[labels].transpose(2, 0, 1)


truth = np.array([[1, 0], [2, 0]])
print(one_hot(truth).astype(int))
assert one_hot(truth).tolist() == [[[0, 1], [0, 1]], [[1, 0], [0, 0]], [[0, 0], [1, 0]]]
assert np.array_equal(one_hot(truth).argmax(axis=0), truth)        # argmax undoes one-hot


# %%
figure = blank(680, 330)
class_colors = ListedColormap(plotting.CLASS_COLORS)
lefts = (MARGIN + 36, MARGIN + 176, MARGIN + 316, MARGIN + 530)
write(figure, MARGIN, MARGIN + 8, "Output and label have the same shape: one map a class", TITLE, 640, weight="bold")
for k in range(3):
    draw_grid(figure, lefts[k], 66, scores[k], 45, f"scores of class {k}", "Greys", (-1, 6), ".1f")
    draw_grid(figure, lefts[k], 198, one_hot(truth)[k], 45, f"class {k}: yes or no", "Greys", (-0.3, 2), ".0f")
draw_grid(figure, lefts[3], 66, labels, 45, "predicted labels", class_colors, (0, 2), "d")
draw_grid(figure, lefts[3], 198, truth, 45, "ground truth", class_colors, (0, 2), "d")
write(figure, lefts[2] + 152, 111, "argmax  →", TEXT, 120, ha="center")
write(figure, lefts[2] + 152, 243, "←  one-hot", TEXT, 120, ha="center")
write(figure, MARGIN + 36, 312, "above: what the model says; below: what it should have said", SMALL, 600, color=QUIET)
lesson.figure(figure, "tensors", alt=f"Scores of 2 x 2 pixels, a map a class: {scores.tolist()}; argmax makes labels "
              f"{labels.tolist()} of them; the truth {truth.tolist()}, one-hot, is three maps, too")

# %% [markdown]
# ## 3. One pixel
# The pixel on slide 14 has the logits 0.07, -0.65, 0.81 for object, background, border. Softmax, as in lesson 1:
# p_k = exp(z_k) / sum of all exp(z_j).
#
# **Predict:** exp(0.07) = 1.073, exp(-0.65) = 0.522, exp(0.81) = 2.248. Divide each by their sum.

# %%
z = np.array([[0.07, -0.65, 0.81]])                                # (1, 3): one pixel, three classes
p = softmax(z)
print(f"softmax {p.round(3)}; the slide prints 0.27, 0.13, 0.60, not quite rounded")
assert p.round(3).tolist() == [[0.279, 0.136, 0.585]]
assert np.allclose(p, np.exp(z) / np.exp(z).sum())

# %% [markdown]
# Cross entropy with one-hot probabilities y is -sum y_k ln p_k, of which one term is left: -ln of the probability of
# the right class. The slide's other example: p = (0.60, 0.13, 0.27), right class 0. The library's loss takes logits;
# ln p will do as logits, for softmax(ln p) = p.

# %%
p, y = np.array([[0.60, 0.13, 0.27]]), np.array([[1, 0, 0]])
by_hand = -(y * np.log(p)).sum()
by_library = loss(np.log(p), np.array([0]))
print(f"by hand {by_hand:.3f}, by the library {by_library:.3f}; the slide prints 0.5")
assert np.isclose(by_hand, by_library) and round(by_library, 3) == 0.511 and f"{by_library:.1f}" == "0.5"

# %% [markdown]
# ## 4. All pixels
# The total loss is the mean of the pixels' losses: 1/(H·W) ΣΣ. Not the sum, so that it, and the step that a learning
# rate makes, do not depend on the image's size.
#
# **Predict:** four pixels, with the scores of section 1 and the truth of section 2. Three of four labels are wrong. Is
# the loss above or below ln 3 = 1.099, the loss of a model that gives each class 1/3?

# %%
total = 0.0
for row in range(2):
    for column in range(2):
        exp = np.exp(scores[:, row, column])                       # (3,)
        pixel = -np.log(exp[truth[row, column]] / exp.sum())
        print(f"pixel ({row}, {column}): truth {truth[row, column]}, predicted {labels[row, column]}, loss {pixel:.3f}")
        total += pixel / 4
assert np.isclose(loss(scores[None], truth[None]), total)          # (N, 3, H, W) with (N, H, W)
print(f"mean {total:.3f}; confident and wrong costs more than not knowing: ln 3 = {np.log(3):.3f}")

# %% [markdown]
# ## 5. Why softmax and cross entropy are one layer
# Put the two formulas together: -ln p_y = ln(sum_k exp(z_k)) - z_y. Shifting all logits by the same number changes
# nothing, so let the largest be 0: then no exp overflows, and the sum is at least 1. In this *fused* form nothing can
# go wrong. In two steps, in float32, exp(z) overflows above z = 88, and a probability below 1e-45 is 0: its logarithm
# is -inf. A common remedy, ln(p + 1e-7), cannot say more than 16.1.
#
# **Predict:** logits (z, 0), and class 1 is right. For large z the loss is z + ln(1 + exp(-z)), nearly z. Which way
# still gets z = 40, 100, 1000?

# %%
print(f"{'z':>5} {'two steps':>10} {'shifted':>10} {'ln(p + 1e-7)':>13} {'fused':>10} {'exact':>10}")
for large in (1.0, 40.0, 100.0, 1000.0):
    z = np.array([[large, 0]], np.float32)
    with np.errstate(all="ignore"):                                # overflow and log(0) are the point here
        plain = -np.log(np.exp(z) / np.exp(z).sum())[0, 1]
        p = softmax(z)                                             # shifts by the largest, too
        shifted, patched = -np.log(p)[0, 1], -np.log(p + np.float32(1e-7))[0, 1]
    fused, exact = loss(z, np.array([1])), large + np.log1p(np.exp(-large))
    print(f"{large:5g} {plain:10.3f} {shifted:10.3f} {patched:13.3f} {fused:10.3f} {exact:10.3f}")
    assert np.isclose(fused, exact, rtol=1e-6)
assert np.isinf(plain) and np.isinf(shifted) and patched < 16.2 and fused == 1000

# %% [markdown]
# The gradient fares worse still. In two steps, cross entropy hands -1/p = -inf to the softmax, which multiplies it by
# p = 0. The fused gradient is the most useful there is: "class 0 down, class 1 up".

# %%
with np.errstate(all="ignore"):
    in_two_steps = softmax.backward(np.array([[0, -1]], np.float32) / p)
print(f"gradient in two steps {in_two_steps}, fused {loss.backward()}")
assert np.isnan(in_two_steps).any() and np.allclose(loss.backward(), [[1, -1]])

# %% [markdown]
# ## 6. The gradient: softmax minus one-hot
# For one pixel it is p - y, as lesson 1 derived; with the mean over all pixels, dL/dz = (p - y) / (H·W).
#
# **Predict:** what is its sum over the classes of a pixel?
#
# Check it as every gradient of this library is checked (lesson 0): move each number a little to both sides, and see
# what the loss does.

# %%
rng = np.random.default_rng(lesson.seed)
z, target = rng.normal(size=(1, 3, 4, 5)), rng.integers(0, 3, size=(1, 4, 5))
loss(z, target)
dz = loss.backward()                                               # (1, 3, 4, 5)
assert np.allclose(dz, (softmax(z) - one_hot(target[0])) / (4 * 5), rtol=1e-12)
assert np.abs(dz.sum(axis=1)).max() < 1e-15                        # both p and y sum to 1 at each pixel
difference = np.zeros_like(z)
for index in np.ndindex(z.shape):
    nudge = np.zeros_like(z)
    nudge[index] = 1e-5
    difference[index] = (loss(z + nudge, target) - loss(z - nudge, target)) / 2e-5
error = float(np.abs(difference - dz).max() / np.abs(dz).max())
print(f"gradient against differences: largest error {error:.1e} of the largest gradient")
assert error < 1e-8

# %% [markdown]
# ## 7. The gradient is an image
# Three maps of numbers, as large as the photo. To look at them we need logits that are partly right, so a small
# network (two 5x5 convolutions; lesson 11 is about such) learns for a few steps. How good it becomes does not matter
# here.

# %%
train, test = lesson.pets("train", limit=96), lesson.pets("test", limit=5)
model = pixelwise((5, 5), lesson.width, rng=rng)
optimizer = Adam(model.parameters(), lesson.lr)
batches = Batches(train.images, train.trimaps, lesson.batch_size, rng=rng)
for epoch in range(lesson.options.epochs or 6):
    losses = [train_step(model, loss, optimizer, x, labels) for x, labels in batches]
    print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}")
one = test[2 % len(test)]
picture, trimap = one.images, one.trimaps.astype(np.int64)                     # (1, 3, H, W), (1, H, W)
logits = model.eval()(as_input(picture))                                       # (1, 3, H, W)
model_loss = loss(logits, trimap)
p, dlogits = softmax(logits)[0], loss.backward()[0]                            # (3, H, W) each
_, H, W = p.shape
assert np.allclose(dlogits * (H * W), p - one_hot(trimap[0]), atol=1e-5)
assert np.abs(dlogits.sum(axis=0)).max() * (H * W) < 1e-5

# %%
side = whole_multiple(W, 180)
tall, gap = round(side * H / W), 12
figure = blank(4 * (side + gap) + 64, 2 * (tall + 30) + 46)
write(figure, MARGIN, MARGIN + 8, "The gradient is large where the model is wrong, and zero where it is sure and right",
      TITLE, 4 * side, weight="bold")
rows = ((p, "probability of {}", "viridis", 0, picture[0].transpose(1, 2, 0), "image"),
        (dlogits * (H * W), "gradient of {}, times H·W", "RdBu_r", -1, plotting.colorize(trimap[0]), "trimap"))
for row, (maps, heading, colors, low, beside, name) in enumerate(rows):
    top = 64 + row * (tall + 30)
    axes = place(figure, MARGIN, top, side, tall)
    axes.imshow(beside, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    write(figure, MARGIN + side / 2, top - 11, name, SMALL, side, ha="center", color=QUIET)
    for k, values in enumerate(maps):
        left = MARGIN + (k + 1) * (side + gap)
        axes = place(figure, left, top, side, tall)
        shown = axes.imshow(values, colors, vmin=low, vmax=1, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        write(figure, left + side / 2, top - 11, heading.format(CLASSES[k]), SMALL, side, ha="center", color=QUIET)
    bar = figure.colorbar(shown, cax=place(figure, MARGIN + 4 * (side + gap), top, 12, tall))
    bar.set_ticks([low, (low + 1) / 2, 1])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, labelcolor=QUIET, color=QUIET, length=3)
lesson.figure(figure, "gradient", alt="An image, its trimap, and for each class the map of its probability and that "
              f"of its gradient; the loss is {model_loss:.3f}. The gradient is large where the model is wrong")

# %% [markdown]
# Training goes *against* the gradient. Red: this logit will be lowered here; blue: raised; white: it stays. At each
# pixel the three colors cancel. The pet's outline is blue in the border's map wherever the model calls it something
# else.
#
# ## 8. Training without a model
# Forget the network: let the logits themselves be the parameters, 3·H·W of them for one image, and follow the
# gradient. As the mean divides each pixel's gradient by H·W, a learning rate of H·W gives each pixel a step of p - y.
#
# **Predict:** from logits 0, all p are 1/3. After one step they are 2/3 for the right class and -1/3 for the others.
# What is the loss then?

# %%
z = np.zeros((1, 3, H, W))
start = loss(z, trimap)
z -= H * W * loss.backward()
print(f"from logits 0: loss {start:.4f} = ln 3, after one step {loss(z, trimap):.4f} = ln(1 + 2/e)")
assert np.isclose(start, np.log(3)) and np.isclose(loss(z, trimap), np.log(1 + 2 / np.e))

# %% [markdown]
# The same from the network's logits, where some pixels are right already and others are not.

# %%
z, history, frames = logits.astype(np.float64), [], {}
for step in range(101):
    history.append(loss(z, trimap))
    if step in (0, 1, 2, 4, 10, 100):
        frames[step] = softmax(z)[0]                                           # (3, H, W)
    z -= H * W * loss.backward()
assert np.all(np.diff(history) < 0)                                            # every step lowers the loss

# %%
palette = np.stack([plotting.colorize(np.array([[k]]))[0, 0] for k in range(3)])                    # (3 classes, rgb)
mixed = [np.einsum("khw,kc->chw", p, palette) for p in frames.values()]        # class colors, mixed as p says
wrong = [np.abs(p - one_hot(trimap[0])).max(axis=0) for p in frames.values()]  # (H, W): the largest of |p - y|
missing = [np.broadcast_to(1 - values, (3, H, W)) for values in wrong]
titles = [*(f"step {step}: loss {history[step]:.3f}" for step in frames),
          *(f"largest: {values.max():.3f}" for values in wrong)]
lesson.figure(plotting.image_strip(np.clip(np.stack([*mixed, *missing]), 0, 1), titles, columns=len(frames), cell=128,
                                   title="Probabilities, as mixed class colors, turn into the truth; "
                                         "below, dark: gradient that is left, times H·W"), "descent")
right = [float((p.argmax(axis=0) == trimap[0]).mean()) for p in frames.values()]
print("pixels right: " + ", ".join(f"{share:.1%} at step {step}" for step, share in zip(frames, right)))
assert right[-1] == 1

# %% [markdown]
# Every pixel walked alone to its own truth. The image was never looked at: these logits are of no use for any other.
# A network has to *make* the logits from the image, with weights that all pixels of all images share. Its backward
# pass starts from the maps above, and all lessons from here on differ only in what comes before them.

# %%
lesson.finish(first_loss=history[0], last_loss=history[-1], steps=len(history) - 1, model_loss=model_loss,
              gradient_error=error, pixels_right=right, picture=one.names[0])

# %% [markdown]
# **Try** (assertions about the plain loss have to go):
# 1. `CrossEntropyLoss(weight=np.array([1.0, 1.0, 5.0]))` in section 7. Which map of the gradient becomes stronger? Does
#    the sum over the classes of a pixel stay 0?
# 2. `loss = CrossEntropyLoss(ignore_index=2)` before section 7: what is the gradient at border pixels, and what does
#    section 8 make of them?
# 3. A learning rate of 10·H·W in section 8: does the loss still fall at every step? And with 0.1·H·W, how many steps
#    take it below 0.05?
