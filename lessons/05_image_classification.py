# %% [markdown]
# # 05 · Image classification: the pets, cat or dog
# Slides 1, 6, 7, 8. *Cat or dog? What does a network answer, and what does it look at?*
#
# **New here:** the pets, the data of all later lessons; augmentation; one image followed from pixels to loss; and two
# ways to ask a trained network what it looks at, with untrained networks as a control.
#
# **Needs:** softmax and cross entropy (lesson 1); the start loss, Adam, validation images (lesson 2); the cosine
# schedule (lesson 3); convolution, batch norm, pooling, the CNN (lesson 4).
#
# **Time:** about 45 minutes to read, 60 seconds to run on two cores.

# %%
import copy
from math import comb

import numpy as np

from minidl import Adam, CosineSchedule, CrossEntropyLoss, Sequential, Softmax, classifier, plotting
from minidl.batches import Batches, as_input
from minidl.course.figures.pets import pets_sheet
from minidl.course.lesson import Lesson
from minidl.datasets.augment import Augment
from minidl.datasets.digits import stratified_split
from minidl.datasets.rendering.calibration import PHOTOGRAPHS, set_numbers
from minidl.datasets.synthetic_pets import empty_rooms
from minidl.metrics import confusion_matrix
from minidl.runtime.format import number, percent
from minidl.step import predict
from minidl.tasks.classification import SPECIES, accuracy, cats_and_dogs, probability_grid
from minidl.training import fit

lesson = Lesson("05_image_classification", budget=14_400, batch_size=16, quick_epochs=8)
size, loss = lesson.size, CrossEntropyLoss()

# %% [markdown]
# ## 1. The pets
# From here on, all lessons use the same images. Slide 6 names the **Oxford-IIIT Pet** set: 7,349 photographs of 37
# breeds of cats and dogs, with trimaps. It is a download of 811 MB, so by default the lessons use a stand-in: 1,200
# images that are **rendered**. A program (`minidl/datasets/rendering`) draws a cat or a dog in a room or a garden, 128
# × 128 pixels. No pet that you see in a figure is a photograph, unless you asked for photographs:
#
#     python -m minidl.datasets download
#     python -m lessons 5 --data data/oxford-iiit-pet
#
# (`data/README.md` says more.) Both sets come in the same folders and files. Each image has a **species**, cat or dog;
# a **trimap**, which says of each pixel whether it is *object* (the pet), *background*, or *border*, a band of a few
# pixels between the two; the **box** around the pet, computed from the trimap; and for many images a second box, drawn
# around the head. This lesson learns from the species. The trimap is for the lessons on segmentation, the box for
# lesson 6. The images are split in two: those to train on, and those that are held out for the test.
#
# All lessons shrink the images to `size` × `size`, by default 64 × 64 pixels.

# %%
shown = lesson.pets("train")[:8]
print(shown, shown.images.shape, shown.trimaps.shape, shown.boxes.shape)
lesson.figure(pets_sheet(shown, SPECIES, title=f"Training images with all that is known of them, {size} × {size} "
                         "pixels"), "pets")

# %% [markdown]
# How much do rendered images tell us about photographs? Compare numbers. Those of the photographs were measured by the
# same function, `set_numbers`, on 665 of the 7,349 (O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar, "Cats and
# Dogs", CVPR 2012). Most of these 665 are of three breeds, so they are not a fair sample; with `--data` and the whole
# set, this cell prints the whole set's numbers.
#
# The last two lines ask what color alone can tell. A *color table* has 512 colors, 8 shades each of red, green and
# blue. For each color it keeps the class, object, background or border, that most training pixels of this color have.
# Then it says the class of each pixel of the test images. *Pixels right* is the share of right answers. *Mean IoU* is
# stricter: for each class, the pixels that are of this class *and* are called so, divided by the pixels that are one
# *or* the other; then the mean of the three classes. It is 1 if all is right. (Lesson 9 works with it.)
#
# **Predict:** how many of the pixels does the color table get right? What would "background" for every pixel get?

# %%
here = set_numbers(lesson.data, lesson.pets("train"), lesson.pets("test"))
print(f"{'':<28}{'this set':>10}{'665 photographs':>18}")
for name, value in here.items():
    print(f"{name:<28}{number(value):>10}{number(PHOTOGRAPHS[name]):>18}")

# %% [markdown]
# On the rendered pets the color table gets 60.0 % of the pixels right, on the photographs 58.3 %. "Background" for
# every pixel would get about as many: 59 % of the pixels are background, in both sets. The mean IoU is 0.23 and 0.27.
# So color alone says little about what a pixel belongs to.
#
# For the rendered pets this is **by design**. Fur, walls, rugs and toys take their colors from one list, and the
# renderer was adjusted until a color table does badly and until the shares of object, background and border are near
# those of the photographs. When a later lesson finds that color is not enough, remember that these images were made so.
# The color table does little better on the photographs. In other ways they differ, and these numbers do not show it:
# photographs are larger, of 37 breeds, and more varied in everything.
#
# So how real are the rendered pets? A stricter test: train a network on the one, and try it on the other. Below is the
# mean IoU of two networks of later lessons: one that sees 5 × 5 pixels (lesson 11) and the U-Net (lesson 17). Each was
# trained on 511 images of one set, in 30 epochs, and tested on 154 photographs and 200 rendered pets, with three seeds.
# (`python -m minidl.tasks.segmentation.transfer FOLDER` makes this table, in about 20 minutes.)
#
# | network | trained on | tested on photographs | tested on rendered pets |
# |:---|:---|---:|---:|
# | 5 × 5 | photographs | 0.367 ± 0.003 | 0.386 ± 0.007 |
# | 5 × 5 | rendered pets | 0.351 ± 0.005 | 0.429 ± 0.007 |
# | U-Net | photographs | 0.585 ± 0.005 | 0.544 ± 0.017 |
# | U-Net | rendered pets | 0.466 ± 0.008 | 0.758 ± 0.002 |
#
# What 5 × 5 pixels tell is nearly the same in both sets: on photographs, training on rendered pets costs it 0.016. The
# U-Net loses 0.12 by it, and still has 0.466, far above the color table's 0.27. So a part of what a U-Net learns from
# rendered pets holds for photographs, and a part does not. A result on the rendered pets holds for rendered pets; for
# photographs, run the lesson on them.
#
# ## 2. Cat or dog: input, output, loss
# Slide 7 asks three things of each task. **Input:** an image, (3, H, W), numbers from 0 to 1. **Output:** two scores,
# one for cat (class 0), one for dog (class 1); softmax turns them into probabilities. **Loss:** cross entropy. What is
# new against the digits of lesson 4: three colors, 64 × 64 pixels, and an animal at any place, in any pose.
#
# Images of unknown species are left out: `--data` may name a set that does not say which is which. From the training
# images we split a fifth off for **validation**. We watch these while the network trains. The test images are looked at
# once, at the end.

# %%
train, test = cats_and_dogs(lesson)                                        # a set without both: the lesson ends here
fitting, watched = stratified_split(train.species)                         # indices; the same split for every seed
validation, train = train[watched], train[fitting]
print(f"{len(train)} images to train on, {len(validation)} for validation, {len(test)} to test")

# %% [markdown]
# Slide 1: image → CNN → flatten → classification. `classifier` builds it: five blocks of convolution, batch norm, ReLU
# and max pooling, then `Flatten` and one `Linear`. Each block halves height and width. The channels double from one
# block to the next, from `width` to at most 8 times `width`.
#
# **Predict:** how many numbers does the `Linear` get, for `width` 16 and 64 × 64 pixels?

# %%
model = classifier(lesson.width, 2, size, rng=lesson.seed)
model.summary((1, 3, size, size))
parameters = sum(p.data.size for p in model.parameters())
assert model.layers[-1].in_features == 8 * lesson.width * (size // 32) ** 2
lesson.figure(plotting.diagram(model, (1, 3, size, size), title=f"A CNN of {parameters:,} parameters"), "model")

# %% [markdown]
# **The first check: the start loss** (lesson 2). An untrained network knows nothing, so its two probabilities should be
# near ½ each, for every image.
#
# **Predict:** the loss of probabilities ½ and ½. Does our network start there?

# %%
x, y = as_input(train.images[:200]), train.species[:200]                   # (200, 3, 64, 64), (200,)
for scale in (1.0, 0.1):
    model.layers[-1].weight.data *= scale                                  # of the last layer's weights
    scores = model(x)                                                      # (200, 2)
    first_loss, variance = loss(scores, y), scores.var(axis=1).mean()      # variance: between the scores of an image
    print(f"last layer times {scale:g}: loss {first_loss:.3f}, ln 2 + variance of the scores / 2: "
          f"{np.log(2) + variance / 2:.3f}")
if lesson.as_intended:
    assert abs(first_loss - np.log(2)) < 0.05

# %% [markdown]
# Not with He's scale: the loss is 1.021. Lesson 2 gives the reason. The scores differ although they mean nothing yet,
# and half of their variance is added to the loss. A tenth of the weights leaves a hundredth of the variance. The loss
# is then 0.700, near ln 2 = 0.693, and the network starts undecided. We keep the small last layer.
#
# ## 3. Slide 8, for one image
# Follow one image, which the network will not train on, from pixels to loss: the CNN's last maps; *flatten*, all of
# them in one row; two scores, the row times the weights of the `Linear`; softmax makes them ŷ, the *predicted y*. The
# *real y* is the class from the list, as one-hot (1, 0) or (0, 1). Cross entropy compares the two: −Σ y ln ŷ, which is
# −ln of the probability that the true class got.


# %%
def follow(model, image, label):
    """Print what becomes of one image (3, H, W) on its way to the loss, and return the loss."""
    model.eval()
    maps = Sequential(*model.layers[:-2])(as_input(image[None]))           # (1, 8 width, H / 32, W / 32): the CNN
    row = maps.reshape(1, -1)                                              # (1, features): flatten
    W, b = (p.data for p in model.layers[-1].parameters())                 # (2, features), (2,)
    scores = (row @ W.T + b)[0]                                            # (2,)
    predicted = np.exp(scores) / np.exp(scores).sum()                      # (2,): softmax, ŷ
    real = np.eye(2)[label]                                                # (2,): one-hot, y
    value = -np.sum(real * np.log(predicted))
    print(f"image {image.shape} → maps {maps.shape[1:]} → flatten {row.shape[1:]} → scores {scores.round(3)}\n"
          f"predicted ŷ {predicted.round(3)}, real y = {label} ({SPECIES[label]}), one-hot {real}: "
          f"loss −ln {predicted[label]:.3f} = {value:.3f}")
    assert np.isclose(value, loss(model(as_input(image[None])), np.array([label])), atol=1e-5)
    return float(value)


example = validation.images[0], int(validation.species[0])
before = follow(model, *example)

# %% [markdown]
# Before training, ŷ is close to (½, ½) and the loss close to ln 2. Training has to move ŷ toward the one-hot y.
#
# ## 4. Two checks before a long training
# **Overfit one batch** (lesson 2): a network that cannot even memorize 16 images has a mistake in it, and would waste a
# long training. The loop is lesson 2's.
#
# **Predict:** the loss after 30 steps on the same 16 images.

# %%
augment = Augment(crop=(1, 1), shift=0.05)                                 # explained and shown below
batches = Batches(train.images, train.species, lesson.batch_size, rng=np.random.default_rng(lesson.seed),
                  augment=augment)
x, y = next(iter(batches))                                                 # (16, 3, 64, 64), (16,)
pupil = classifier(lesson.width, 2, size, rng=lesson.seed)
optimizer = Adam(pupil.parameters(), lesson.lr)
memorized = []
for step in range(30):
    optimizer.zero_grad()
    memorized.append(loss(pupil(x), y))
    pupil.backward_parameters(loss.backward())
    optimizer.step()
print(f"the same {len(x)} images 30 times: loss {memorized[0]:.3f} → {memorized[-1]:.4f}")

# %% [markdown]
# It can: 0.0004. But memorizing is not the aim. 800 images are few for a network of 246,786 parameters, and it will get
# each of them 18 times.
#
# A dog in a mirror is a dog. So is a dog in another light, or a few pixels further left. **Augmentation** shows each
# image a little different every time: mirrored or not, moved by up to a twentieth of its side, brighter or darker,
# tinted. The label stays the same. The idea: single images are harder to memorize, and the network is told which
# changes do not matter. (Exercise 3 measures what it does here.) Look at what the network will get:

# %%
rng = np.random.default_rng(lesson.seed)
variants = np.stack([augment(train.images[1], None, rng)[0] for _ in range(7)])            # (7, 3, H, W)
lesson.figure(plotting.image_strip(np.concatenate([as_input(train.images[1:2]), variants]), ["as it is"] + [""] * 7,
                                   title="One training image, and seven times as the network gets it"), "augmented")

# %% [markdown]
# ## 5. Training
# `fit` is the loop above, with a line of progress per epoch. How many epochs? Each lesson has a *budget*: 14,400 images
# here, 18 times 800. Adam's learning rate falls along a cosine (lesson 3). After every few epochs the validation images
# are scored. Nothing is chosen by this curve: number of epochs and learning rate are fixed beforehand. We watch it to
# notice if something goes wrong.
#
# **Predict:** which share of the test images is right, if a model always answers with the more frequent species?

# %%
epochs = lesson.epochs(len(train))
optimizer = Adam(model.parameters(), lesson.lr)
history = fit(model, batches, loss, optimizer, epochs, schedule=CosineSchedule(optimizer, epochs * len(batches)),
              evaluate=lambda model: {"accuracy": accuracy(model, validation.images, validation.species)},
              evaluate_every=max(1, epochs // 8), checkpoint=lesson.out / "checkpoints", resume=lesson.resume)
lesson.figure(plotting.learning_curves(history, {"accuracy": "validation images right"},
                                       title="Cat or dog: loss on training images, share right of the validation ones"),
              "training")
after = follow(model, *example)

# %% [markdown]
# At first the loss rises: it is 0.79 in the mean of epoch 1, 0.72 in epoch 2. Then it falls, to 0.056 in the last
# epoch. The share of the validation images that is right rises to 0.960. For the image of section 3, ŷ for dog went
# from 0.513 to 0.989, and the loss from 0.668 to 0.011.
#
# ## 6. The result
# Now the test images, once. And three questions about the number. Is it better than always giving the more frequent
# answer? Could it be luck? If each answer is right with probability p, independently, k or more of n answers are right
# with probability Σ (n choose j) pʲ (1 − p)ⁿ⁻ʲ over j from k to n. And is it as good on new images as on those that
# the network has trained on?
#
# **Predict:** the answers to the three.

# %%
probabilities = Softmax().forward(predict(model, test.images))             # (n, 2)
decided = probabilities.argmax(axis=1)                                     # (n,)
n, right = len(test), int((decided == test.species).sum())
frequent = int(np.bincount(train.species).argmax())
p = float((test.species == frequent).mean())
by_luck = sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(right, n + 1))
scores = {"test": right / n, "validation": accuracy(model, validation.images, validation.species),
          "training": accuracy(model, train.images, train.species)}
error = np.sqrt(scores["test"] * (1 - scores["test"]) / n)                 # the standard error of lesson 2
print(f"right: {right} of {n} test images, {scores['test']:.3f} ± {error:.3f}; validation {scores['validation']:.3f}, "
      f"training {scores['training']:.3f}; always {SPECIES[frequent]}: {p:.3f}, so many by luck: {by_luck:.1e}")
matrix = confusion_matrix(test.species, decided, 2)                        # rows: true, columns: predicted
for name, row in zip(SPECIES, matrix):
    print(f"{row.sum():>4} {name}s: {row[0]} called cat, {row[1]} called dog")
assert np.trace(matrix) == right

# %%
of_true = probabilities[np.arange(n), test.species]                        # (n,)
worst = np.argsort(of_true)[:8]
lesson.figure(probability_grid(test.images[worst], probabilities[worst], test.species[worst], SPECIES, cell=128,
                               title=f"The most wrong of {n} test images ({n - right} are wrong)"), "most_wrong")

# %% [markdown]
# 191 of 200 test images are right, 0.955 ± 0.015, where always the same answer gets 0.500. Luck would do as well in a
# share of 10⁻⁴⁵ of all cases. Of the training images 0.986 are right. The validation images, 0.960, are as new to the
# network as the test images. (With `--seed 1` both are 0.960, and the training images 0.998.) So the network does a
# little better on the images that it has trained on, by about twice the standard error.
#
# Nine answers are wrong, six of them dogs called cat. Look at the eight images with the least probability for the true
# class. In some the head is dark, small, seen from the side, or cut off by the frame; others look like ordinary pets.
#
# **On photographs.** With the 665 photographs of section 1 as `--data`, the lesson trains on 409, validates on 102 and
# tests on 154. Of these 131 are right, 0.851 ± 0.029, where always "cat" gets 0.636. All training images are right, and
# 0.873 of the validation images: the gap between training and test is far larger than on the rendered pets.
# (And most of these cats are of two breeds, most of the dogs of one, so the network may have learned breeds.)
#
# ## 7. What does it look at? The gradient
# `backward` carries a derivative from the scores down to all parameters. Asked to, it goes on to the image itself: by
# how much does the score of the true species, less that of the other, change if one number of the image changes a
# little? The size of this derivative, as an image, is called a **saliency map** (Simonyan, Vedaldi, Zisserman, "Deep
# Inside Convolutional Networks", 2013). (In eval mode, as here, batch norm's mean and variance are constants.)
#
# Is the derivative what it says? Lesson 0's check: change one number by a little and see.


# %%
def true_less_other(species):
    """Return (n, 2): +1 for the true species' score, −1 for the other's."""
    return np.where(np.arange(2) == species[:, None], 1, -1).astype(np.float32)


def gradient(model, x, species):
    """Return (n, 3, H, W): the derivative of the true score less the other one with respect to the image."""
    model.eval()
    model(x)
    return model.backward(true_less_other(species))


x, species = as_input(test.images[:100]), test.species[:100]               # up to 100 images
dx = gradient(model, x, species)
place = np.unravel_index(np.abs(dx[0]).argmax(), dx[0].shape)              # (color, row, column)
little = np.zeros(x[:1].shape)
little[0][place] = 1e-6
exact = copy.deepcopy(model).astype(np.float64)                            # float32 is too coarse for so small a change
rise = (exact(x[:1] + little) - exact(x[:1] - little))[0] @ true_less_other(species)[0] / 2e-6
print(f"where it is largest, in image 0: backward says {dx[0][place]:.4f}, a small change {rise:.4f}")
assert np.isclose(dx[0][place], rise, rtol=0.02, atol=1e-4)

# %% [markdown]
# A map is easy to read too much into. So count, over 100 images: which share of the gradient lies on the pet, and which
# on its head? And compare with two numbers: the share of the *image* that is pet, or head; and the share in networks
# that were **never trained**. They are the control. (They only run over 30 batches without a step, so that batch norm
# knows the mean and variance of their maps.)
#
# **Predict:** the share of the gradient on the pet in a network that has learned nothing.


# %%
def share(maps, mask):
    """Return the mean share of maps (n, H, W) that lies within a mask (n, H, W), over the images that have one."""
    known = mask.any(axis=(1, 2))
    return float(((maps * mask).sum(axis=(1, 2)) / maps.sum(axis=(1, 2)))[known].mean())


maps = {"trained": np.abs(dx).max(axis=1)}                                 # (100, H, W): the strongest of three colors
for k in (1, 2, 3):
    untrained = classifier(lesson.width, 2, size, rng=lesson.seed + k)
    for _, (some, _) in zip(range(30), batches):                           # 30 batches, no step
        untrained(some)
    maps[f"untrained {k}"] = np.abs(gradient(untrained, x, species)).max(axis=1)
middle = np.arange(size) + 0.5                                             # of each row and column of pixels
left, top, right_edge, bottom = (edge[:, None] for edge in test.head_boxes[:100].T)                # NaN: not known
masks = {"pet": test.trimaps[:100] != 1,                                   # all but background
         "head": ((middle > top) & (middle < bottom))[:, :, None] & ((middle > left) & (middle < right_edge))[:, None]}
looks = {part: {name: share(values, mask) for name, values in {"image": np.ones_like(dx[:, 0]), **maps}.items()}
         for part, mask in masks.items() if mask.any()}
for part, shares in looks.items():
    print(f"{part}: " + ", ".join(f"{name} {percent(value)}" for name, value in shares.items()))

# %% [markdown]
# The control matters. A network that has learned nothing already has 50 to 52 % of its gradient on the pet, which
# covers 40 % of the image. So "most of the gradient is on the pet" proves nothing by itself. Training raises the share
# on the pet to 69 %, and the share on the head from 18 % to 37 %. Nobody told the network where the pet or its head is.
#
# ## 8. What does it look at? Covered squares
# The gradient is about tiny changes of single pixels. **Occlusion** (Zeiler, Fergus, "Visualizing and Understanding
# Convolutional Networks", ECCV 2014) makes a large one: cover a square with the image's mean color. By how much does
# the score fall? The map gives each pixel the mean fall over all squares that cover it.


# %%
def occlusion(model, x, species, side, step):
    """Return (H, W): for each pixel the mean fall of the score over all squares that cover it; x (1, 3, H, W)."""
    corners = [(i, j) for i in range(0, size - side + 1, step) for j in range(0, size - side + 1, step)]
    covered = np.repeat(x, len(corners), axis=0)                           # one copy for each square
    for image, (i, j) in zip(covered, corners):
        image[:, i:i + side, j:j + side] = x[0].mean(axis=(1, 2), keepdims=True)
    score = predict(model, np.concatenate([x, covered])) @ true_less_other(species)[0]
    fall, times = np.zeros((size, size)), np.zeros((size, size))
    for (i, j), value in zip(corners, score[0] - score[1:]):
        fall[i:i + side, j:j + side] += value
        times[i:i + side, j:j + side] += 1
    return fall / np.maximum(1, times)


side, step = 3 * size // 16, size // 16
asked = np.concatenate([np.flatnonzero(species == kind)[:4] for kind in (0, 1)])                   # 4 cats, 4 dogs
falls = np.stack([occlusion(model, x[k:k + 1], species[k:k + 1], side, step) for k in asked])      # (8, H, W)
reach = float(np.quantile(np.abs(falls), 0.99))

# %%
lesson.figure(plotting.image_rows(
    {"image": x[asked], **{f"gradient, {name}": np.stack([m / np.quantile(m, 0.995) for m in maps[name][asked]])
                           for name in ("trained", "untrained 1")}, "occlusion": falls},
    [f"{SPECIES[species[k]]}: {percent(of_true[k])}" for k in asked],
    limits={"gradient, trained": (0, 1), "gradient, untrained 1": (0, 1), "occlusion": (-reach, reach)},
    title="What the answer depends on: bright or red where a pixel, or a covered square, matters"), "looks_at")

# %% [markdown]
# Look at the rows. Trained, the gradient gathers in a few spots: in six of the eight images on the head or beside it,
# in the third on the cat's back, and in the first on the head and along the lower edge, off the cat. Untrained, it is
# spread over the image, a little brighter on some pets. Occlusion has one color scale for all eight, red where the
# score falls, blue where it rises. A square on the face matters much for the second and the fourth dog. The cats' maps
# are pale. The first dog is one that the network calls a cat: its true class gets 3 %.
#
# **Predict:** what does the network answer for a room without a pet?

# %%
covered = {}
for kind in (0, 1):
    chosen = np.flatnonzero((species == kind) & (decided[:len(x)] == kind))[:2 if lesson.quick else 16]     # right
    if len(chosen):
        largest = [occlusion(model, x[k:k + 1], species[k:k + 1], side, 2 * step).max() for k in chosen]
        score = predict(model, x[chosen]) @ true_less_other(species[chosen[:1]])[0]                # (16,)
        covered[SPECIES[kind]] = {"score": float(np.mean(score)), "largest fall": float(np.mean(largest))}
        print(f"{len(chosen)} {SPECIES[kind]}s: mean score {np.mean(score):.1f}, the most important square takes "
              f"{np.mean(largest):.1f}")
rooms = Softmax().forward(predict(model, empty_rooms(100, size, lesson.seed)))                     # (100, 2)
print(f"100 rendered rooms without a pet: {(rooms[:, 0] > 0.5).sum()} called cat; mean probability of cat "
      f"{rooms[:, 0].mean():.2f}")

# %% [markdown]
# For the dogs, one square takes as much as the whole score: 8.4, where the score is 8.2. For the cats it takes half,
# 2.8 of 5.5. And 89 of 100 rooms without a pet are called cat. Both fit one explanation: this network looks for a dog's
# head, and answers "cat" if it finds none. The loss did not ask for more. There are only two answers, and every
# training image had a pet in it. (With `--seed 1`: 7.9 of 9.6, 2.9 of 6.8, 87 rooms.)
#
# ## Recap
# - Input an image, output two scores, loss −ln of the true class's probability; before training it should be near ln 2.
# - Augmentation shows each image changed in ways that leave its label; validation images are watched in training, test
#   images are looked at once, and a result needs a baseline and a look at its mistakes.
# - A saliency map or an occlusion map shows what an answer depends on; it means little without a control.

# %%
lesson.finish(test={"pets_accuracy": scores["test"], "pets_majority": p, "pets_by_luck": float(by_luck)},
              first_loss=first_loss, last_loss=history[-1]["loss"], validation_accuracy=scores["validation"],
              accuracy_on_training=scores["training"], one_image={"before": before, "after": after},
              memorized=memorized[-1], looks_at=looks, covered=covered, set=here,
              rooms_called_cat=float((rooms[:, 0] > 0.5).mean()), epochs=len(history), parameters=parameters,
              training_images=len(train), validation_images=len(validation), test_images=n,
              training_seconds=sum(row["seconds"] for row in history))
if lesson.as_intended and not history.stopped:
    assert scores["test"] > 0.85 and memorized[-1] < 0.1
    assert looks["pet"]["trained"] > 0.1 + max(share for name, share in looks["pet"].items() if name != "trained")

# %% [markdown]
# **Try:**
# 1. ★ Is it the color? In section 6, also test on gray images: `gray = test.images.mean(axis=1, keepdims=True)`, then
#    `accuracy(model, np.repeat(gray, 3, axis=1).astype(np.uint8), test.species)`. You should see about 0.97.
# 2. ★ The same with mirrored images, `test.images[..., ::-1]`, and with images upside down, `test.images[:, :, ::-1]`.
#    You should see 0.95 to 0.98, and 0.5 to 0.6. Which of the two did augmentation show to the network?
# 3. ★★ Train without augmentation: `augment=None` in the `Batches` of section 4. All training images should be right;
#    of the validation images 0.90 to 0.95, of the test images 0.94 to 0.98. Is the difference larger than its standard
#    error?
# 4. ★★ Labels without meaning: `np.random.default_rng(9).permutation(train.species)` in the `Batches` of section 4. The
#    loss should stay between 0.66 and 0.70 for all 18 epochs. And without augmentation, does the network memorize them?
# 5. ★★★ Download the photographs and train on them. How many are right, which are the most wrong, and where is the
#    gradient? Which of the numbers of section 1 would you have needed to foresee that?
