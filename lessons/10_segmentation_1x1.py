# %% [markdown]
# # 09 · Segmentation (1): a class from a pixel's color
# Slides 15–16. *How is a segmentation network trained, and what does one find that looks at each pixel by itself?*
#
# **New here:** the first network whose output is an image; the training that all lessons up to 17 share, step by step;
# and a network of 1 × 1 convolutions only, applied to each pixel alone.
#
# **Needs:** a CNN and its training (lessons 4, 5), trimaps (lesson 6), 1 × 1 convolution (lesson 7), mean IoU and
# K-means (lesson 8), cross entropy at every pixel (lesson 9).

# %%
import numpy as np

from minidl import Adam, CosineSchedule, CrossEntropyLoss, Softmax, pixelwise, plotting
from minidl.batches import Batches, as_input
from minidl.course.lesson import Lesson
from minidl.datasets.augment import Augment
from minidl.datasets.pets import CLASSES
from minidl.metrics import confusion_matrix, pixel_accuracy
from minidl.plotting import canvas
from minidl.step import predict, predict_classes
from minidl.tasks.segmentation.experiment import Segmentation
from minidl.tasks.segmentation.ladder import results_figure, results_table
from minidl.tasks.segmentation.receptive_field import receptive_field

lesson = Lesson("10_segmentation_1x1")

# %% [markdown]
# ## 1. The data
# In: an image, (3, H, W). Out: a class for each of its pixels, object (the pet), background, or the border between
# them. Some images are to train on, the others held out.

# %%
train, test = lesson.pets("train"), lesson.pets("test")                # what cannot be read is left out and named
shares = np.array([(train.trimaps == k).mean() for k in range(3)])     # of the pixels, for each class
print(f"{len(train)} images to train on, {len(test)} held out: images {train.images.shape} {train.images.dtype}, "
      f"trimaps {train.trimaps.shape} {train.trimaps.dtype}")
print("of the pixels are " + ", ".join(f"{share:.0%} {name}" for share, name in zip(shares, CLASSES)))
shown = train[:8]
overlaid = [plotting.overlay(*pair).transpose(2, 0, 1) for pair in zip(shown.images, shown.trimaps)]
lesson.figure(plotting.image_strip(np.concatenate([as_input(shown.images), overlaid]), columns=len(shown),
                                   title="Training images, and below with their trimaps: orange object, blue-gray "
                                   "background, yellow border"), "data")

# %% [markdown]
# Minibatches, augmentation and a budget, as in lesson 5: each image is flipped or not, at random, together with its
# trimap. (If there are so few that each is shown more than 20 times, they are also cropped, shifted and tinted.) The
# budget is the same for all models of this ladder: what differs later is the model, and nothing else.

# %%
epochs = lesson.epochs(len(train))
augment = Augment() if epochs > 20 else Augment(flip=0.5, crop=(1, 1), shift=0, color=0)
batches = Batches(train.images, train.trimaps, lesson.batch_size, rng=np.random.default_rng(lesson.seed),
                  augment=augment)
x, labels = next(iter(batches))                                        # (n, 3, H, W), (n, H, W)
print(f"{epochs} epochs of {len(batches)} batches; x {x.shape} {x.dtype}, labels {labels.shape} {labels.dtype}")

# %% [markdown]
# ## 2. The model
# The block of all models of this ladder: convolution, with padding "same"; batch norm; ReLU. Here the kernel is 1 × 1.
# A last 1 × 1 convolution gives each pixel three scores.
#
# **Predict:** how many parameters does it have, for `width` w? (Batch norm learns two numbers per channel.)

# %%
model = pixelwise((1,), lesson.width, rng=lesson.seed)
model.summary((1, 3, lesson.size, lesson.size))
w = lesson.width
assert sum(p.data.size for p in model.parameters()) == (3 * w + w) + 2 * w + (w * 3 + 3)

# %% [markdown]
# ## 3. It is a function of the color, and of nothing else
# A 1 × 1 convolution multiplies a pixel's three numbers by a matrix; ReLU works on single numbers; and so does batch
# norm in eval mode, when mean and variance are fixed numbers and no longer those of a batch.
#
# **Predict:** shuffle the pixels of an image. What becomes of the result? No training is needed to answer that, so let
# the model keep the random weights it was born with.

# %%
image = as_input(test.images[:1])                                      # (1, 3, H, W) floats in [0, 1]
order = np.random.default_rng(lesson.seed).permutation(lesson.size**2)


def shuffled(maps):
    """(1, C, H, W) -> the same, its pixels in another order, the same one in all channels."""
    return maps.reshape(*maps.shape[:2], -1)[..., order].reshape(maps.shape)


scores, scores_of_shuffled = predict(model, image), predict(model, shuffled(image))        # (1, 3, H, W)
assert np.allclose(scores_of_shuffled, shuffled(scores), atol=1e-4)
assert receptive_field(model, image.shape) == (1, 1)
low, high = scores[:, 0].min(), scores[:, 0].max()
gray = [np.clip((maps[:, :1] - low) / (high - low + 1e-9), 0, 1) for maps in (scores, scores_of_shuffled)]
panels = np.concatenate([image, gray[0].repeat(3, axis=1), shuffled(image), gray[1].repeat(3, axis=1)])
lesson.figure(plotting.image_strip(panels, ["an image", "its scores for object", "the same pixels, shuffled",
                                            "their scores for object"], columns=4, cell=192,
                                   title="Shuffled pixels keep the scores that they had before"), "shuffled")

# %% [markdown]
# `receptive_field` measures the same from the other end: put a 1 into dy at one pixel of the result, go `backward`, and
# look at which pixels of the image get a gradient. It is one pixel: the *receptive field* of this model is 1 × 1.
#
# ## 4. The loss
# Cross entropy at each pixel, averaged over all of them (lesson 9). A model that gives all three classes the same
# probability has the loss ln 3 = 1.0986; one with random weights is somewhat above.
#
# **Predict:** which loss has a model that knows only how frequent each class is, and says so at every pixel?


# %%
def entropy(shares):
    """Return the loss of a model that gives each class its share as probability, at every pixel."""
    return float(-np.sum(shares * np.log(np.maximum(shares, 1e-9))))


loss = CrossEntropyLoss()
before = np.array([(loss.forward(model.forward(x), labels), len(x)) for x, labels in batches])
first_loss = float(np.average(before[:, 0], weights=before[:, 1]))              # a short last batch counts less
x, labels = next(iter(batches))
in_batch = np.bincount(labels.ravel(), minlength=3) / labels.size      # checked on one batch, by the loss itself
constant = np.log(np.maximum(in_batch, 1e-9))[:, None, None] * np.ones(labels[:, None].shape)       # (n, 3, H, W)
assert np.isclose(loss.forward(constant, labels), entropy(in_batch))
print(f"random weights: {first_loss:.3f}; only the shares, in all training images: {entropy(shares):.3f}")

# %% [markdown]
# That number is the *entropy* of the shares. What a model gets below it, it has learned from the image.
#
# ## 5. Training, in the open
# The step of all lessons: forward, loss, backward, and the optimizer, here Adam with the cosine schedule. Only the
# shapes are new: scores and their gradient are (n, 3, H, W) now.
#
# **Predict:** what must the loss of one batch do, if it is shown again and again?

# %%
optimizer = Adam(model.parameters(), lesson.lr)
one_batch = []
for _ in range(10):
    optimizer.zero_grad()                                              # backward *adds* to the gradients
    one_batch.append(loss.forward(model.forward(x), labels))
    model.backward_parameters(loss.backward())                         # the gradient of x itself is not needed
    optimizer.step()
print("ten steps on one batch: " + " ".join(f"{value:.3f}" for value in one_batch))
assert one_batch[-1] < one_batch[0]

# %% [markdown]
# And a training of one epoch, from the beginning again.

# %%
model = pixelwise((1,), lesson.width, rng=lesson.seed)
optimizer = Adam(model.parameters(), lesson.lr)
batches = Batches(train.images, train.trimaps, lesson.batch_size, rng=np.random.default_rng(lesson.seed),
                  augment=augment)
schedule = CosineSchedule(optimizer, len(batches))
by_hand = []
for x, labels in batches:
    optimizer.zero_grad()
    by_hand.append(loss.forward(model.forward(x), labels))
    model.backward_parameters(loss.backward())
    optimizer.step()
    schedule.step()
print(f"one epoch by hand: mean loss {np.mean(by_hand):.4f}")

# %% [markdown]
# ## 6. The same from now on, in two lines
# All of this is in `Segmentation` (`minidl/tasks/segmentation/experiment.py`): it reads the data, makes the batches,
# and its `fit` is the loop above, with progress, scores on the held-out images, and checkpoints. It also cuts each
# batch into a part for each core (lesson 21), and adds up what they find: the same sum, in another order. Do not
# believe it, look: the batches must be the same, and so must the epoch's mean loss, to rounding.

# %%
task = Segmentation(lesson)
rng = np.random.default_rng(lesson.seed)
assert task.epochs == epochs and np.array_equal(task.train.images, train.images)
again = Batches(train.images, train.trimaps, lesson.batch_size, rng=rng, augment=augment)
for (x, labels), (its_x, its_labels) in zip(again, task.new_batches(lesson.seed)):
    assert np.array_equal(x, its_x) and np.array_equal(labels, its_labels)
twin = pixelwise((1,), lesson.width, rng=lesson.seed)
its_history = task.fit(twin, "twin", epochs=1)
if not its_history.stopped:
    difference = abs(its_history[0]["loss"] - np.mean(by_hand))
    assert difference < 1e-4
    print(f"the same batches, and the same mean loss, to {difference:.0e}")

# %% [markdown]
# Now for as many epochs as the budget allows.

# %%
model = pixelwise((1,), lesson.width, rng=lesson.seed)
history = task.fit(model)
lesson.figure(plotting.learning_curves(history, scores={"pixel_accuracy": "pixels right", "mean_iou": "mean IoU"},
                                       title=lesson.headline(
                                           f"Little is learned beyond how frequent each class is "
                                           f"(loss {entropy(shares):.3f})", "Training the 1 × 1 network")), "training")

# %% [markdown]
# ## 7. The result
# "All background" gets most pixels right, and only a third of that share as mean IoU (lesson 8). `result` computes the
# scores and saves them for the lessons to come.
#
# **Predict:** which class does the model give to most pixels?

# %%
result = task.result("1 × 1", model, history)
predicted = predict_classes(model, test.images)                        # (n, H, W)
called = [float((predicted == k).mean()) for k in range(3)]
all_background = float((test.trimaps == 1).mean())
print("called " + ", ".join(f"{share:.1%} {name}" for share, name in zip(called, CLASSES)))
print(f"{result.scores['pixel_accuracy']:.1%} of the pixels right, all background: {all_background:.1%}")
results = task.results_up_to(result)
print(results_table(results))
lesson.figure(results_figure(results, test.images, test.trimaps, lesson.headline(
    "The result is poor: where colors leave a doubt, background is the best guess", "Colors alone"), rows=8),
    "predictions")

# %% [markdown]
# ## 8. All that it knows: a table of colors
# A function of the color can be written down as a table. Show the model an image of all colors, in 16 steps of red, of
# green and of blue: 4096 pixels. What it answers there is all that it will ever answer.
#
# And such a table can be had without any network: count, for each of these colors, how often its pixels are object.
#
# **Predict:** will the two tables look alike? Where not?

# %%
STEPS = 16


def color_index(images):
    """(n, 3, H, W) uint8 -> (n, H, W): the number of each pixel's color, with red, green and blue in 16 steps."""
    red, green, blue = (images.astype(np.int64) * STEPS // 256).transpose(1, 0, 2, 3)
    return (blue * STEPS + green) * STEPS + red


def count(pets):
    """Return how many pixels of each color (4096,) are of each class: (4096, 3)."""
    colors = color_index(pets.images)
    return np.stack([np.bincount(colors[pets.trimaps == k], minlength=STEPS**3) for k in range(3)], axis=1)


axis = ((np.arange(STEPS) + 0.5) / STEPS).astype(np.float32)           # the middle of each step
blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")        # (blue, green, red): (16, 16, 16) each
palette = np.stack([red, green, blue])                                 # (3, 16, 16, 16)
learned = Softmax().forward(predict(model, palette.reshape(1, 3, STEPS, STEPS**2)))[0].reshape(palette.shape)
counts = count(train[:1000])
pixels = counts.sum(axis=1)
counted = np.where(pixels >= 100, counts[:, 0] / np.maximum(pixels, 1), np.nan).reshape(palette.shape[1:])
common = np.isfinite(counted)
if common.sum() > 2:
    likeness = float(np.corrcoef(learned[0][common], counted[common])[0, 1])
    print(f"{common.sum()} colors have 100 pixels or more; correlation of the two tables: {likeness:.2f}")

# %%
slices = [1, 4, 7, 10, 13]                                             # of blue
rows = {"the colors": palette, "object, learned": learned[0], "object, counted": counted}
side, room = 144, 112
figure = canvas.blank(room + len(slices) * (side + 6) + 76, 62 + 3 * (side + 6) + 30)
canvas.write(figure, 12, 20, lesson.headline("Learned or counted: hardly a color is more often pet than not",
                                             "How often each color is object: learned, and counted"), canvas.TITLE,
             room + 5 * side, weight="bold")
for r, (name, table) in enumerate(rows.items()):
    top = 62 + r * (side + 6)
    canvas.write(figure, 12, top + side / 2, name, canvas.TEXT, room - 16)
    for k, step in enumerate(slices):
        axes = canvas.place(figure, room + k * (side + 6), top, side, side)
        axes.set_facecolor("#D5DADF")                                  # where hardly any pixel has the color
        plane = table[:, step].transpose(1, 2, 0) if r == 0 else table[step]
        drawn = axes.imshow(plane, "magma", vmin=0, vmax=1, origin="lower", aspect="auto", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        if r == 0:
            canvas.write(figure, room + k * (side + 6) + side / 2, 50, f"blue {axis[step]:.2f}", canvas.SMALL, side,
                         ha="center")
scale = canvas.place(figure, room + 5 * (side + 6) + 12, 62 + side + 6, 12, 2 * side + 6)
figure.colorbar(drawn, cax=scale).set_ticks([0, 0.5, 1], labels=["0", "0.5", "1"], fontsize=canvas.SMALL)
canvas.write(figure, room, 62 + 3 * (side + 6) + 12, "In each square red grows to the right and green upward, both "
             "from 0 to 1. Light gray: fewer than 100 training pixels", canvas.SMALL, 5 * side, color=canvas.QUIET)
lesson.figure(figure, "color_table", alt="The probability of object for each color, learned by the network and counted "
              f"in the training images; right: all background {all_background:.1%}, the model "
              f"{result.scores['pixel_accuracy']:.1%}")

# %% [markdown]
# ## 9. Would a better model help?
# Not if it sees one pixel only. No matter how it is trained, for each color it has one answer; the best is the class
# that most pixels of this color have. Two tables: one made from the training images; and one that cheats, made from
# the held-out images' own truth. No function of these 4096 colors gets more of their pixels right.
#
# **Predict:** how much better than "all background" can it be?

# %%
best = counts.argmax(axis=1)                                           # (4096,) classes
held = task.held                                                       # 200 of them, if there are more
by_table = pixel_accuracy(confusion_matrix(held.trimaps, best[color_index(held.images)], 3))
of_test = count(held)
bound = float(of_test.max(axis=1).sum() / of_test.sum())
print(f"right: all background {all_background:.1%}, the model {result.scores['pixel_accuracy']:.1%}, the training "
      f"images' table {by_table:.1%}; no table more than {bound:.1%}")
print(f"{pixels[best == 0].sum() / pixels.sum():.1%} of the training pixels have a color that is mostly object")
assert max(by_table, all_background) <= bound

# %% [markdown]
# The reason, drawn: take all pixels of one brightness of red, green or blue. What are they?

# %%
levels = np.arange(0, 256, 8)
figure = canvas.blank(3 * 250 + 40, 300)
canvas.write(figure, 12, 20, lesson.headline("Background is the best guess, however bright red, green or blue is",
                                             "What the pixels of one brightness are"), canvas.TITLE, 760,
             weight="bold")
canvas.legend(figure, 40, 36, CLASSES, plotting.CLASS_COLORS)
for channel, name in enumerate(("red", "green", "blue")):
    values, classes = train.images[:1000, channel] // 8, train.trimaps[:1000]
    found = np.stack([np.bincount(values[classes == k], minlength=32) for k in range(3)])              # (3, 32)
    found = found / np.maximum(1, found.sum(axis=0))
    axes = canvas.place(figure, 40 + channel * 250, 66, 230, 180)
    canvas.quiet(axes)
    for k in (0, 2, 1):                                                # object below, then border, then background
        below = sum((found[j] for j in {0: (), 2: (0,), 1: (0, 2)}[k]), np.zeros(32))
        axes.bar(levels, found[k], 8, bottom=below, align="edge", color=plotting.CLASS_COLORS[k], linewidth=0)
    axes.set(xlim=(0, 256), ylim=(0, 1), xticks=[0, 64, 128, 192, 256], yticks=[0, 0.5, 1])
    axes.tick_params(labelleft=channel == 0)
    canvas.write(figure, 40 + channel * 250 + 115, 280, name, canvas.TEXT, 200, ha="center")
lesson.figure(figure, "shares")

# %% [markdown]
# Cats have the colors of carpets. And the border is not a color at all: it lies *between* two things, and one pixel
# cannot show that. What helps is to look at its neighbors, too: lesson 11.

# %%
lesson.finish(test=result.scores, pixel_accuracy_all_background=all_background, pixel_accuracy_of_color_table=by_table,
              pixel_accuracy_bound=bound, loss_of_shares=entropy(shares), first_loss=first_loss,
              last_loss=history[-1]["loss"], epochs=len(history), training_pictures=len(train),
              test_pictures=len(test), parameters=result.parameters, sees=result.receptive_field,
              training_seconds=result.seconds)
if lesson.as_intended and not history.stopped:
    assert entropy(shares) - 0.1 < history[-1]["loss"] < entropy(shares) and bound < 0.65
    assert 0.19 < result.scores["mean_iou"] < 0.3 and result.scores["pixel_accuracy"] <= bound + 0.01

# %% [markdown]
# **Try:**
# 1. `pixelwise((1, 1, 1), 64, ...)` in section 6: three blocks, wide. Does the receptive field change? Does the bound?
#    Its mean IoU is about 0.23: where does the gain come from, when no more pixels are right?
# 2. `task.loss = CrossEntropyLoss(weight=(1 / shares).astype(np.float32))` before the last `task.fit`: each class
#    counts alike now. What happens to mean IoU, and what to the share of pixels that are right? Why?
# 3. `pixelwise((3,), ...)` in section 2. Which of the assertions fail, and at which pixels of the shuffled image?
