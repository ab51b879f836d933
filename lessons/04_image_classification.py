# %% [markdown]
# # 04 · Image classification: convolution, then flatten, then decide
# Slides 1, 7, 8. *An image is more than a row of numbers. What does a network gain that knows about places?*
#
# **New here:** pooling; convolution, batch norm and pooling put together into a CNN, the part of slide 1 that finds
# features; augmentation; and what such a network looks at. First on the digits of lesson 2, then on cats and dogs.
#
# **Needs:** `Linear`, `Conv2d`, `BatchNorm2d` (lesson 0), the MLP and its training (lesson 2), weight decay and the
# cosine schedule (lesson 3).

# %%
import copy
from math import comb

import numpy as np

from minidl import (
    Adam, BatchNorm2d, Conv2d, CosineSchedule, CrossEntropyLoss, Flatten, Linear, MaxPool2d, ReLU, Sequential, Softmax,
    classifier, plotting,
)
from minidl.batches import Batches, as_input
from minidl.checkpoint import save_weights
from minidl.course.lesson import Lesson
from minidl.datasets.augment import Augment
from minidl.datasets.digits import load_digits, stratified_split
from minidl.metrics import confusion_matrix
from minidl.plotting import canvas
from minidl.runtime.format import percent
from minidl.step import predict
from minidl.tasks.classification import accuracy, confusion_figure, probability_grid
from minidl.training import fit

lesson = Lesson("04_image_classification", budget=20_000, batch_size=16)   # budget, size, lr and epochs: of the pets
digit_epochs = 2 if lesson.quick else 20
DIGITS, SPECIES = [str(k) for k in range(10)], ["cat", "dog"]
if lesson.size % 32:
    raise ValueError(f"--size: expected a size that divides by 32, to be halved five times, got {lesson.size}")

# %% [markdown]
# ## 1. Convolution: one small question, asked at every place
# The MLP of lesson 2 has a weight for each pixel and each hidden unit. It learns what a stroke is at each place anew;
# its digits, moved by one pixel, were strangers to it. A convolution (lesson 0) has one small kernel of weights, here 3
# × 3, and lays it on every place: y = Σ w x over the 3 × 3 pixels around it. What it says makes a new image, a *map*
# (or *feature map*).
#
# A kernel that subtracts the left from the right finds strokes' left and right edges; turned, upper and lower ones.
#
# **Predict:** the size of the map of an 8 × 8 image, if the kernel must lie within it. And with *padding "same"*, a
# frame of zeros around the image?

# %%
images, labels = load_digits(lesson.table("digits.csv.gz"))                # (1797, 1, 8, 8), (1797,)
training, test = stratified_split(labels)                                  # the same as in lesson 2
edges = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], np.float32)
kernels = np.stack([edges, edges.T])[:, None]                              # (2, 1, 3, 3)


def convolution(padding):
    """Return the layer with the two kernels above: 1 channel in, 2 channels out."""
    layer = Conv2d(1, 2, 3, padding=padding, bias=False)
    layer.weight.data[...] = kernels
    return layer


x = images[test][labels[test] == 0][:1]                                    # (1, 1, 8, 8): a zero
maps = convolution("same")(x)                                              # (1, 2, 8, 8)
assert convolution(0)(x).shape == (1, 2, 6, 6) and maps.shape == (1, 2, 8, 8)
assert np.isclose(maps[0, 0, 4, 3], np.sum(kernels[0, 0] * x[0, 0, 3:6, 2:5])), "row 4, column 3, by hand"

# %% [markdown]
# 6 × 6 without padding, 8 × 8 with it.
#
# **Predict:** what becomes of the maps if the digit moves to the right by one pixel? How many weights would an image
# of 1000 × 1000 pixels need?

# %%


def moved(images):
    """Return images (N, C, H, W) moved to the right by one pixel; what comes in on the left is 0."""
    result = np.zeros_like(images)
    result[..., 1:] = images[..., :-1]
    return result


assert not x[..., -1].any(), "nothing is pushed out on the right"
assert np.allclose(convolution("same")(moved(x))[..., 1:], maps[..., :-1]), "the maps move along"
print(f"{convolution('same').weight.data.size} weights, for images of any size")

# %% [markdown]
# ## 2. Pooling: what there was, not where exactly
# *Max pooling* keeps the largest value of each 2 × 2 square: half the height, half the width. A stroke that wanders by
# a pixel often stays in its square.
#
# **Predict:** move the digits by one pixel. By how much do the maps change, and by how much what is left after pooling?

# %%
features = Sequential(convolution("same"), ReLU())
pool = MaxPool2d(2)


def change(f):
    """Return how much f's output changes, against its size, when the test digits move by one pixel."""
    before, after = f(images[test]), f(moved(images[test]))
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))


changes = [change(f) for f in (features, lambda x: pool(features(x)))]
print(f"pooled: {pool(features(x)).shape}; change of the maps {changes[0]:.2f}, of the pooled maps {changes[1]:.2f}")
assert changes[1] < changes[0]
panels = np.stack([x[0, 0], *maps[0], np.kron(pool(features(x))[0, 0], np.ones((2, 2))), moved(x)[0, 0],
                   *convolution("same")(moved(x))[0], np.kron(pool(features(moved(x)))[0, 0], np.ones((2, 2)))])
panels = panels / np.abs(panels).max(axis=(1, 2), keepdims=True)
lesson.figure(plotting.image_strip(
    panels, ["a zero", "right minus left", "lower minus upper", "ReLU, pooled (4 × 4)", "the same, moved", "", "", ""],
    columns=4, cell=128, colormap="RdBu_r", limits=(-1, 1),
    title="Two convolutions by hand: red above 0, blue below; the maps move with the digit"), "convolution")

# %% [markdown]
# Compare the two rows: the maps move along with the digit, by one pixel; what is pooled changes less, but it changes.
#
# ## 3. Batch norm: every map on the same scale
# Layers are learned all at once: each must follow what the one below it makes of its input, and that changes with every
# step. Batch norm (lesson 0) sets each channel, over all images of the batch and all places, to mean 0 and variance
# 1, and then lets it learn a scale and a shift of its own. In training these are the batch's mean and variance, and so
# each image's result depends on the others a little; running means of them are kept, and used when training is over
# (`eval`).

# %%
norm = BatchNorm2d(2)
y = norm(convolution("same")(images[training][:64]))                       # (64, 2, 8, 8), in training mode
print("mean", y.mean(axis=(0, 2, 3)).round(3), "variance", y.var(axis=(0, 2, 3)).round(3))
assert np.allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-4) and np.allclose(y.var(axis=(0, 2, 3)), 1, atol=1e-2)
alone = norm(maps), norm.eval()(maps)                                      # the same image, training mode and eval
assert not np.allclose(*alone, atol=0.1)

# %% [markdown]
# ## 4. The model
# Slide 1: image → CNN → flatten → classification. A *CNN*, convolutional neural network, is block after block of
# convolution, batch norm, ReLU and pooling: the maps get smaller, and more in number, and each asks about a larger part
# of the image. *Flatten* then makes one row of what is left, and one `Linear` scores the classes, as in lesson 2. It
# is `classifier` in `minidl/models.py`.
#
# **Predict:** how many numbers does the `Linear` get, for `width` w? (Two blocks, and channels that double.)

# %%
cnn = classifier(lesson.width, 10, size=8, blocks=2, in_channels=1, rng=lesson.seed)
cnn.summary((1, 1, 8, 8))
assert cnn.layers[-1].in_features == 2 * lesson.width * 2 * 2


def count(model):
    """Return the number of parameters."""
    return sum(p.data.size for p in model.parameters())


hidden = round((count(cnn) - 10) / 75)                                     # 64 m + m + 10 m + 10 parameters


def mlp(seed):
    """Return the MLP of lesson 2, with about as many parameters as the CNN."""
    rng = np.random.default_rng(seed)
    return Sequential(Flatten(), Linear(64, hidden, rng=rng), ReLU(), Linear(hidden, 10, rng=rng))


print(f"CNN: {count(cnn):,} parameters; an MLP with {hidden} hidden units: {count(mlp(0)):,}")

# %% [markdown]
# ## 5. Training
# `fit` is lesson 2's loop: forward, loss, backward, step. Around it, it prints how far it is, saves a *checkpoint*, all
# that `--resume` needs to go on, and lets a schedule lower the learning rate (lesson 3). Learning rate, weight decay
# and epochs were chosen on parts of the training images, as in lesson 2; the decay for each of the two models by
# itself.

# %%
loss = CrossEntropyLoss()
DECAY = {"CNN": 3e-3, "MLP": 1e-3}


def trained(model, pictures, seed, decay):
    """Train a classifier of digits; return it and its history."""
    batches = Batches(pictures[training], labels[training], lesson.batch_size, rng=np.random.default_rng(seed))
    optimizer = Adam(model.parameters(), lr=1e-2, weight_decay=decay)
    return model, fit(model, batches, loss, optimizer, digit_epochs, progress=False,
                      schedule=CosineSchedule(optimizer, digit_epochs * len(batches)))


first_loss = loss(cnn(images[training]), labels[training])
cnn, history = trained(cnn, images, lesson.seed, DECAY["CNN"])
print(f"loss {first_loss:.3f} before training, {history[-1]['loss']:.4f} after {digit_epochs} epochs; "
      f"{accuracy(cnn, images[test], labels[test]):.3f} of the test images right")

# %% [markdown]
# ## 6. CNN against MLP
# As many parameters, the same images, the same number of epochs; and three seeds each, for one alone may be luck.
# Both are tested on the test images; and on these moved by one pixel, which neither was shown in training.
#
# And an experiment: shuffle the pixels, in the same way in all images, for training and for testing.
#
# **Predict:** which of the two will not notice? And the other, will it fall behind?

# %%
order = np.random.default_rng(lesson.seed).permutation(64)
shuffled = images.reshape(-1, 64)[:, order].reshape(images.shape)
seeds = [lesson.seed + k for k in range(3)]
found = {"CNN": [cnn], "MLP": [], "CNN, shuffled": [], "MLP, shuffled": []}
stopped = history.stopped
for name, models in found.items():
    for seed in seeds[len(models):]:
        model = (classifier(lesson.width, 10, size=8, blocks=2, in_channels=1, rng=seed) if name.startswith("CNN")
                 else mlp(seed))
        pictures = shuffled if "shuffled" in name else images
        model, its_history = trained(model, pictures, seed, DECAY[name[:3]])
        stopped |= its_history.stopped
        models.append(model)
results = {name: [accuracy(model, (shuffled if "shuffled" in name else images)[test], labels[test])
                  for model in models] for name, models in found.items()}
for name in ("CNN", "MLP"):
    results[f"{name}, moved"] = [accuracy(model, moved(images[test]), labels[test]) for model in found[name]]
for name, values in results.items():
    print(f"{name:<14} " + "  ".join(f"{value:.3f}" for value in values) + f"   mean {np.mean(values):.3f}")

# %%
groups = {"as they are": "", "moved by one pixel": ", moved", "pixels shuffled": ", shuffled"}
figure = canvas.blank(620, 330)
canvas.write(figure, 12, 20, lesson.headline("With as many parameters: the CNN is better as long as neighbors are "
                                             "neighbors", "CNN and MLP, with as many parameters"),
             canvas.TITLE, 600, weight="bold")
canvas.write(figure, 12, 44, "share of the test images that are right; a dot for each seed", canvas.TEXT, 500)
axes = canvas.place(figure, 46, 62, 560, 200)
canvas.quiet(axes)
low = min(value for values in results.values() for value in values)
axes.set(xlim=(-0.5, 2.5), ylim=(np.floor(low * 10) / 10 - 0.02, 1.005), xticks=[])
for k, (head, ending) in enumerate(groups.items()):
    canvas.write(figure, 46 + 560 * (k + 0.5) / 3, 280, head, canvas.TEXT, 180, ha="center")
    for j, name in enumerate(("CNN", "MLP")):
        values, at = results[name + ending], k + (j - 0.5) * 0.4
        axes.plot(at + np.linspace(-0.05, 0.05, len(values)), values, "o", color=canvas.LINE_COLORS[j], markersize=5)
        axes.annotate(f"{np.mean(values):.3f}", (at + 0.09, np.mean(values)), va="center", fontsize=canvas.SMALL,
                      color=canvas.LINE_COLORS[j])
canvas.legend(figure, 46, 300, ["CNN", "MLP"])
lesson.figure(figure, "cnn_and_mlp", alt="Mean accuracy on the test digits over three seeds: " + "; ".join(
    f"{name} {np.mean(values):.3f}" for name, values in results.items()))

# %% [markdown]
# A `Linear` has a weight for each pixel, and to it all orders of the pixels are the same. A convolution is told
# beforehand that neighbors belong together, and that what is worth finding is worth finding everywhere. Both are true
# of images; where they are not, much of the advantage is gone. (Moved digits are harder for the CNN, too: after
# `Flatten`, place counts again.)
#
# ## 7. Filters and feature maps
# What has it learned? Below: a digit; the kernels of the first convolution; their maps behind batch norm and ReLU; the
# same, pooled; and half of the maps of the second block, before its pooling.
#
# **Predict:** will the kernels look like those that we made in section 1?

# %%
x = images[test][labels[test] == 3][:1]                                    # (1, 1, 8, 8)
cnn.eval()
outputs = [x]
for layer in cnn.layers:
    outputs.append(layer(outputs[-1]))                                     # outputs[k + 1] is what layer k says
shown = min(16, lesson.width)
rows = {"kernels, 3 × 3": cnn.layers[0].weight.data[:, 0], "block 1, ReLU, 8 × 8": outputs[3][0],
        "pooled, 4 × 4": outputs[4][0], "block 2, ReLU, 4 × 4": outputs[7][0, ::2]}
figure = canvas.blank(300 + shown * 52, 60 + 4 * 58)
canvas.write(figure, 12, 20, lesson.headline("From strokes to maps of strokes: what the layers make of one 3",
                                             "What the layers make of one 3"), canvas.TITLE, 900, weight="bold")
axes = canvas.place(figure, 12, 60, 128, 128)
axes.imshow(x[0, 0], "gray_r", aspect="auto")
axes.set(xticks=[], yticks=[])
for r, (name, pictures) in enumerate(rows.items()):
    canvas.write(figure, 156, 60 + r * 58 + 24, name, canvas.SMALL, 124)
    reach = float(np.abs(pictures).max())
    for k, picture in enumerate(pictures[:shown]):
        axes = canvas.place(figure, 286 + k * 52, 60 + r * 58, 48, 48)
        axes.imshow(picture, "RdBu_r" if r == 0 else "magma", vmin=-reach if r == 0 else 0, vmax=reach, aspect="auto")
        axes.set_axis_off()
lesson.figure(figure, "feature_maps", alt="A handwritten 3; the first layer's kernels; the maps they make of the 3; "
              "these pooled; and maps of the second block")

# %% [markdown]
# Some kernels are edges, as ours were, most are not so tidy. Some answer to strokes of one direction, some to their
# ends, some to the empty paper beside the 3. In the second block, which sees 8 × 8 pixels with the pooling between, a
# bright place is a combination of these answers, and most places are silent.
#
# And where is the CNN wrong? These are the test images whose true digit gets the least probability.

# %%
probabilities = Softmax().forward(predict(cnn, images[test]))              # (n, 10)
worst = np.argsort(probabilities[np.arange(len(test)), labels[test]])[:8]
wrong = int((probabilities.argmax(axis=1) != labels[test]).sum())
lesson.figure(probability_grid(images[test][worst], probabilities[worst], labels[test][worst], DIGITS,
                               title=f"The CNN's most wrong: {wrong} of {len(test)} test images get another digit"),
              "digits_most_wrong")
digits = {"accuracy": results["CNN"][0], "accuracy_of_seeds": results["CNN"],
          **{f"accuracy_{name.lower().replace(', ', '_')}": float(np.mean(values)) for name, values in results.items()}}
numbers = {"first_loss": first_loss, "last_loss": history[-1]["loss"], "digits": digits, "digit_parameters": count(cnn),
           "mlp_parameters": count(mlp(0))}

# %% [markdown]
# ## 8. Cat or dog?
# Now images that are larger, colored, and taken from all sides, and a question that color cannot answer. In:
# (3, H, W). Out: cat or dog. Not every collection says which is which; images of unknown species are left out, and
# one species alone leaves nothing to tell apart.


# %%
def load(split):
    """Return the images of one split whose species is known."""
    pets = lesson.pets(split)                            # what cannot be read is left out and named
    if (pets.species < 0).any():
        print(f"left out: {(pets.species < 0).sum()} {split} images whose species annotations/list.txt does not tell")
    return pets[pets.species >= 0]


train, held_out = load("train"), load("test")
cats_and_dogs = np.bincount(train.species, minlength=2)
print(f"to train on: {cats_and_dogs[0]} cats, {cats_and_dogs[1]} dogs; held out: {(held_out.species == 0).sum()} cats, "
      f"{(held_out.species == 1).sum()} dogs")
if not cats_and_dogs.all() or not len(held_out):
    lesson.finish(test={"digits_accuracy": digits["accuracy"]}, **numbers)
    print(f"\n{lesson.data}: cats and dogs need images of both to train on, and some to test; sections 8 to 11 are "
          "left out. The species come from annotations/list.txt: NAME CLASS-ID SPECIES BREED-ID, 1 cat, 2 dog.")
    raise SystemExit
shown_pets = train[:16]
lesson.figure(plotting.image_strip(shown_pets.images, [SPECIES[k] for k in shown_pets.species], columns=8,
                                   title="Training images"), "pets")

# %% [markdown]
# How many epochs there are follows from a *budget*, the number of images that the training may look at.
#
# A dog in the mirror is a dog, and so is one in another light, a few pixels further left. *Augmentation* shows each
# image a little different every time: flipped or not, moved by up to a twentieth of its side, brighter or darker,
# tinted. That makes it harder to learn an image by heart. (Cutting parts out and enlarging them, too, was tried on a
# fifth of the training images: it made the network learn much more slowly.)
#
# Five blocks this time: 64 pixels become 2. The encoder of lesson 15 will be the same.
#
# **Predict:** the loss before training; and the share that a model gets right that always gives the more frequent
# answer.

# %%
pets_model = classifier(lesson.width, 2, lesson.size, rng=lesson.seed)
pets_model.summary((1, 3, lesson.size, lesson.size))
epochs = lesson.epochs(len(train))
batches = Batches(train.images, train.species, lesson.batch_size, rng=np.random.default_rng(lesson.seed),
                  augment=Augment(crop=(1, 1), shift=0.05), drop_last=len(train) % lesson.batch_size == 1)
majority = float((held_out.species == cats_and_dogs.argmax()).mean())
x, y = next(iter(batches))
pets_first_loss = loss(pets_model(x), y)
print(f"loss of one batch {pets_first_loss:.3f}, ln 2 = {np.log(2):.3f}; always {SPECIES[cats_and_dogs.argmax()]}: "
      f"{majority:.3f} right")

# %%
pets_model = classifier(lesson.width, 2, lesson.size, rng=lesson.seed)
batches.rng = np.random.default_rng(lesson.seed)
optimizer = Adam(pets_model.parameters(), lesson.lr)
schedule = CosineSchedule(optimizer, epochs * len(batches))
pets_history = fit(pets_model, batches, loss, optimizer, epochs, schedule=schedule,
                   evaluate=lambda model: {"accuracy": accuracy(model, held_out.images, held_out.species)},
                   evaluate_every=max(1, epochs // 10), checkpoint=lesson.out / "checkpoints", resume=lesson.resume)
stopped |= pets_history.stopped
save_weights(lesson.out / "encoder.npz", pets_model)                       # lesson 16 takes its features from here
pets_seconds = sum(row["seconds"] for row in pets_history)
lesson.figure(plotting.learning_curves(pets_history, scores={"accuracy": "held-out images right"},
                                       title="Cat or dog: the loss on training images, the answers on held-out ones"),
              "training")

# %% [markdown]
# ## 9. The result
# **Predict:** better than the majority's share? As good on held-out images as on those that it has learned from?

# %%
probabilities = Softmax().forward(predict(pets_model, held_out.images))    # (n, 2)
decided = probabilities.argmax(axis=1)
pets_accuracy = float((decided == held_out.species).mean())
on_training = accuracy(pets_model, train.images, train.species)
n, right = len(held_out), int((decided == held_out.species).sum())
by_luck = sum(comb(n, k) * majority**k * (1 - majority) ** (n - k) for k in range(right, n + 1))
print(f"right: {right} of {n} held-out images, {pets_accuracy:.3f}, and {on_training:.3f} of the training images; "
      f"always {SPECIES[cats_and_dogs.argmax()]}: {majority:.3f}")
print(f"so many or more by guesses that are right with probability {majority:.3f}: in {percent(by_luck)} of all cases")
if by_luck > 0.05:
    print(f"{n} images are too few, or the result too poor, to tell this from luck."
          + (" It knows its training images; whether it knows cats and dogs is open." if on_training > 0.9 else ""))
matrix = confusion_matrix(held_out.species, decided, 2)
lesson.figure(confusion_figure(matrix, SPECIES, title=f"{right} of {n} held-out images are right"),
              "pets_confusion")

# %%
of_true = probabilities[np.arange(len(held_out)), held_out.species]        # (n,)
first = np.arange(min(8, len(held_out)))
lesson.figure(probability_grid(held_out.images[first], probabilities[first], held_out.species[first], SPECIES, cell=128,
                               title="Held-out images and their probabilities"), "pets_predictions")
worst = np.argsort(of_true)[:8]
lesson.figure(probability_grid(held_out.images[worst], probabilities[worst], held_out.species[worst], SPECIES, cell=128,
                               title="The most wrong of the held-out images"), "pets_most_wrong")

# %% [markdown]
# On the rendered pets well above the majority's share, and a little below what it reaches on its training images: it
# has learned something about cats and dogs, not only these. Look at the mistakes: would you have known?
#
# ## 10. What does it look at?
# Two ways to ask. **The gradient:** `backward` carries a derivative down to the parameters, and if asked to, to the
# image itself: by how much does the score of the true species, less that of the other, change with each pixel? (In
# eval mode, as in use: batch norm's mean and variance are constants, and `backward` treats them as such.)
# **Occlusion:** cover a square of the image with its mean color. By how much does the score fall? That is slower, as
# each square takes a forward pass; but it is a real change, and not an infinitely small one.
#
# **Predict:** where in the image is a cat most of a cat?


# %%
def true_less_other(species):
    """Return dy (n, 2): the derivative of the true species' score less the other's."""
    return np.where(np.arange(2) == species[:, None], 1, -1).astype(np.float32)


def picture_gradient(model, x, species):
    """Return dx (n, 3, H, W): the derivative of that score with respect to each pixel's three colors."""
    model = copy.deepcopy(model).eval()                                    # its parameters' gradients are not wanted
    model(x)
    return model.backward(true_less_other(species))


def occlusion_map(model, x, species, side, step):
    """Return (H, W): for each place the mean fall of the score over all squares that cover it; x (1, 3, H, W)."""
    H = x.shape[-1]
    corners = [(i, j) for i in range(0, H - side + 1, step) for j in range(0, H - side + 1, step)]
    covered = np.repeat(x, len(corners), axis=0)
    for picture, (i, j) in zip(covered, corners):
        picture[:, i:i + side, j:j + side] = x[0].mean(axis=(1, 2), keepdims=True)
    score = predict(model, np.concatenate([x, covered])) @ true_less_other(species)[0]
    fall, times = np.zeros((H, H)), np.zeros((H, H))
    for (i, j), value in zip(corners, score[0] - score[1:]):
        fall[i:i + side, j:j + side] += value
        times[i:i + side, j:j + side] += 1
    return fall / np.maximum(1, times)


# %%
right_ones = [np.flatnonzero((held_out.species == kind) & (decided == kind) & (np.arange(n) != worst[0]))
              for kind in (0, 1)]                                          # cats, dogs
asked = np.concatenate([right_ones[0][:3], right_ones[1][:2], worst[:1]])  # and the most wrong
x, species = as_input(held_out.images[asked]), held_out.species[asked]
dx = picture_gradient(pets_model, x, species)                              # (n, 3, H, W)
gradients = np.abs(dx).max(axis=1)                                         # (n, H, W): the strongest of three colors
side, step = 3 * lesson.size // 16, lesson.size // 16
falls = np.stack([occlusion_map(pets_model, x[k:k + 1], species[k:k + 1], side, step) for k in range(len(asked))])
place = np.unravel_index(np.abs(dx[0]).argmax(), dx[0].shape)              # (color, row, column)
little = np.zeros(x[:1].shape)
little[0][place] = 1e-6
exact = copy.deepcopy(pets_model).eval().astype(np.float64)                # is dx what it says? as in lesson 0
rise = (exact(x[:1] + little) - exact(x[:1] - little))[0] @ true_less_other(species)[0] / 2e-6
print(f"where dx is largest, backward says {dx[0][place]:.4f}, and a small change of that one number {rise:.4f}")
assert np.isclose(dx[0][place], rise, rtol=0.02, atol=1e-4)

# %%
width = canvas.whole_multiple(lesson.size, 128)
figure = canvas.blank(112 + len(asked) * (width + 6) + 12, 66 + 3 * (width + 6) + 30)
canvas.write(figure, 12, 20, "What the answer hangs on: the gradient sees single pixels, covered squares see parts",
             canvas.TITLE, 800, weight="bold")
reach = float(np.abs(falls).max())
for k, (n, kind) in enumerate(zip(asked, species)):
    left = 112 + k * (width + 6)
    head = f"{SPECIES[kind]}: {percent(of_true[n])}"
    canvas.write(figure, left + width / 2, 50, head, canvas.TEXT, width, ha="center")
    pictures = [(x[k].transpose(1, 2, 0), {}),
                (gradients[k], {"cmap": "magma", "vmin": 0, "vmax": np.quantile(gradients[k], 0.995)}),
                (falls[k], {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach})]
    for r, (picture, options) in enumerate(pictures):
        axes = canvas.place(figure, left, 66 + r * (width + 6), width, width)
        axes.imshow(picture, aspect="auto", **options)
        axes.set_axis_off()
for r, name in enumerate(("image", "gradient", "occlusion")):
    canvas.write(figure, 12, 66 + r * (width + 6) + width / 2, name, canvas.TEXT, 90)
canvas.write(figure, 112, 66 + 3 * (width + 6) + 12, "Gradient: bright where a pixel matters. Occlusion: red where "
             "the true species' score falls if a square is covered, blue where it rises", canvas.SMALL, 800,
             color=canvas.QUIET)
lesson.figure(figure, "looks_at", alt="Six held-out images with the probability of their true species; below each "
              "how strongly the score depends on each pixel, and where covering a square lowers it")

# %% [markdown]
# Maps of six images are anecdotes. Let us count: what share of the gradient lies on the pet, what share on its head
# (where the set knows the head's box), and how much of the image are these? And for cats and dogs that are right, by
# how much does the score fall, at most, if a square is covered?
#
# **Predict:** must a network that tells cats from dogs know what a cat looks like?

# %%
many = held_out[:100]
maps = np.abs(picture_gradient(pets_model, as_input(many.images), many.species)).max(axis=1)       # (n, H, W)
maps /= maps.sum(axis=(1, 2), keepdims=True)
parts = {"pet": many.trimaps != 1}                                          # all but background; lesson 5
boxed = np.isfinite(many.head_boxes).all(axis=1)
if boxed.any():
    at = np.arange(lesson.size) + 0.5
    x0, y0, x1, y1 = (edge[:, None] for edge in many.head_boxes.T)         # (n, 1) each
    inside = ((at > y0) & (at < y1))[:, :, None] & ((at > x0) & (at < x1))[:, None, :]
    parts["head"] = inside
looks = {}
for name, mask in parts.items():
    which = boxed if name == "head" else slice(None)
    looks[name] = {"of_the_gradient": float((maps * mask).sum(axis=(1, 2))[which].mean()),
                   "of_the_picture": float(mask[which].mean())}
    print(f"{name}: {looks[name]['of_the_gradient']:.0%} of the gradient on {looks[name]['of_the_picture']:.0%} of the "
          "image")
most = {}
for kind, which in enumerate(right_ones):
    x, species = as_input(held_out.images[which[:12]]), held_out.species[which[:12]]
    largest = [occlusion_map(pets_model, x[k:k + 1], species[k:k + 1], side, 2 * step).max() for k in range(len(x))]
    if largest:
        most[SPECIES[kind]] = float(np.mean(largest))
        print(f"{SPECIES[kind]}s: the score is {np.mean(predict(pets_model, x) @ true_less_other(species)[0]):.1f} on "
              f"average, and falls by {most[SPECIES[kind]]:.1f} if the most important square is covered")

# %% [markdown]
# Nobody said where the pet is, and still the gradient favors it, most of all its head. (The six occlusion maps share
# one scale.) Of the rendered pets, covering one square, often on the head, can take most of its score from a dog; a cat
# loses about half. To answer "cat" wherever there is nothing of a dog's head is enough
# if there are only two answers. That is what was asked for; what a cat looks like was not.
#
# ## 11. What is kept
# The trained weights are in `encoder.npz`. Lesson 16 will ask this network not for its answer, but for its features:
# two images are alike if their maps are, even where they differ from pixel to pixel.

# %%
lesson.finish(test={"digits_accuracy": digits["accuracy"], "pets_accuracy": pets_accuracy, "pets_majority": majority,
                    "pets_by_luck": float(by_luck)}, **numbers,
              pets={"first_loss": pets_first_loss, "last_loss": pets_history[-1]["loss"], "looks_at": looks,
                    "accuracy_on_training": on_training, "epochs": len(pets_history), "largest_fall_if_covered": most},
              training_pictures=len(train), test_pictures=len(held_out), parameters=count(pets_model),
              training_seconds=pets_seconds)
if lesson.as_intended and not stopped:
    assert np.mean(results["CNN"]) >= 0.98 and np.mean(results["CNN"]) > np.mean(results["MLP"])
    assert np.mean(results["CNN, moved"]) > np.mean(results["MLP, moved"]) + 0.1
    assert pets_accuracy > 0.85 and looks["pet"]["of_the_gradient"] > looks["pet"]["of_the_picture"] + 0.1

# %% [markdown]
# **Try:**
# 1. `blocks=3` for the digits, in sections 4 and 6 (without the assertion of section 4): one place is left before
#    `Flatten`. Does the CNN now mind less if a digit is moved? Look at the middle of `cnn_and_mlp.png`.
# 2. Show moved digits in training, too: in `trained`, `Batches(np.concatenate([images[training],
#    moved(images[training])]), np.tile(labels[training], 2), ...)`. How far does the middle of the figure rise for
#    the CNN, how far for the MLP? And if you test digits that are moved up by a pixel, not to the right?
# 3. Leave out `augment` in section 8. How many of the training images are right now, how many of the held-out ones?
