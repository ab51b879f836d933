# %% [markdown]
# # 05 · Image classification: convolution, then flatten, then decide
# Slides 1, 7, 8. *Cat or dog? What does a network answer, and what does it look at?*
#
# **New here:** the pets; augmentation; and what a network looks at.
#
# **Needs:** the CNN (lesson 4), weight decay and the cosine schedule (lesson 3).

# %%
import copy
from math import comb

import numpy as np

from minidl import Adam, CosineSchedule, CrossEntropyLoss, Softmax, classifier, plotting
from minidl.batches import Batches, as_input
from minidl.checkpoint import save_weights
from minidl.course.lesson import Lesson
from minidl.datasets.augment import Augment
from minidl.metrics import confusion_matrix
from minidl.plotting import canvas
from minidl.runtime.format import percent
from minidl.step import predict
from minidl.tasks.classification import accuracy, confusion_figure, probability_grid
from minidl.training import fit

lesson = Lesson("05_image_classification", budget=20_000, batch_size=16)
SPECIES, loss = ["cat", "dog"], CrossEntropyLoss()
if lesson.size % 32:
    raise ValueError(f"--size: expected a size that divides by 32, to be halved five times, got {lesson.size}")

# %% [markdown]
# ## 1. Cat or dog?
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
    lesson.finish(test={})
    print(f"\n{lesson.data}: cats and dogs need images of both to train on, and some to test; sections 1 to 4 are "
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
# Five blocks this time: 64 pixels become 2. The encoder of lesson 16 will be the same.
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
stopped = pets_history.stopped
save_weights(lesson.out / "encoder.npz", pets_model)                       # lesson 19 takes its features from here
pets_seconds = sum(row["seconds"] for row in pets_history)
lesson.figure(plotting.learning_curves(pets_history, scores={"accuracy": "held-out images right"},
                                       title="Cat or dog: the loss on training images, the answers on held-out ones"),
              "training")

# %% [markdown]
# ## 2. The result
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
# ## 3. What does it look at?
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
parts = {"pet": many.trimaps != 1}                                          # all but background; lesson 6
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
# ## 4. What is kept
# The trained weights are in `encoder.npz`. Lesson 19 will ask this network not for its answer, but for its features:
# two images are alike if their maps are, even where they differ from pixel to pixel.

# %%
lesson.finish(test={"pets_accuracy": pets_accuracy, "pets_majority": majority,
                    "pets_by_luck": float(by_luck)}, first_loss=pets_first_loss, last_loss=pets_history[-1]["loss"],
              looks_at=looks, accuracy_on_training=on_training, epochs=len(pets_history),
              largest_fall_if_covered=most,
              training_pictures=len(train), test_pictures=len(held_out),
              parameters=sum(p.data.size for p in pets_model.parameters()),
              training_seconds=pets_seconds)
if lesson.as_intended and not stopped:
    assert pets_accuracy > 0.85 and looks["pet"]["of_the_gradient"] > looks["pet"]["of_the_picture"] + 0.1

# %% [markdown]
# **Try:**
# 1. Leave out `augment` in section 1. How many of the training images are right now, how many of the held-out ones?
