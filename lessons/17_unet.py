# %% [markdown]
# # 17 · U-Net: let the details go around the bottleneck
# Slides 34–35. *An encoder–decoder squeezes an image through a few coarse maps. How do fine edges get past them?*
#
# **New here:** the skip connection, forward and backward; what of our U-Net is in the paper and what is not; scores
# that forgive a shift of one pixel; the worst images, and what they have in common; losses for a class that few pixels
# belong to; and your own image.
#
# **Needs:** forks add (lesson 0), softmax and cross entropy (lesson 1), batch norm (lesson 4), precision and recall
# (lesson 7), the training of a segmentation network (lesson 10), effective receptive field (lesson 11), upsampling and
# convolution (lesson 15), the encoder–decoder and thickness (lesson 16).
#
# **Time:** about 65 minutes to read, 140 seconds to run on two cores.

# %%
import copy

import numpy as np

from minidl import (
    Conv2d, CrossEntropyLoss, DiceLoss, FocalLoss, MaxPool2d, Sequential, Skip, Softmax, Upsample, check_layer,
    check_loss, plotting, unet,
)
from minidl.batches import as_input
from minidl.checkpoint import save_weights
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.metrics import confusion_matrix
from minidl.metrics import scores as scores_of
from minidl.predict import open_model, segment
from minidl.predict.__main__ import main as predict_command
from minidl.step import predict, predict_classes
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation, segmentation_scores
from minidl.tasks.segmentation.flips import flipped_probabilities
from minidl.tasks.segmentation.ladder import results_figure, results_table
from minidl.tasks.segmentation.own import train_mine
from minidl.tasks.segmentation.photographs import train_for_photographs
from minidl.tasks.segmentation.receptive_field import effective_receptive_field, receptive_field
from minidl.tasks.segmentation.thickness import found_by_thickness
from minidl.tasks.segmentation.tolerance import tolerant_counts, tolerant_scores

from PIL import Image

lesson = Lesson("17_unet", takes=["mine", "names"])
if lesson.options.names:                   # --names: weights for photographs, as those that come with minidl
    train_for_photographs(lesson, lesson.options.names)
    raise SystemExit
task = Segmentation(lesson)                # images, batches, loss and budget: the same for all models of lessons 10–17
if lesson.options.mine:                    # --mine: the same network, on the layers that you wrote in the exercises
    train_mine(task, lesson.options.minutes)
    raise SystemExit
held, truth = task.held, np.asarray(task.held.trimaps)                     # up to 200 held-out images; (n, H, W)
rng = np.random.default_rng(lesson.seed)

# %% [markdown]
# ## 1. Concatenate, and what that does to the gradient
# Lesson 16's decoder gets everything from a map of 2 × 2 positions. But on the way down the encoder had finer maps: at
# full resolution, at a half, at a quarter, and so on. They were used once, for the next convolution. A *skip
# connection* uses such a map x a second time. All the deeper layers together, from the pooling to the upsampling, make
# a map f(x) of the same height and width. Then the two are *concatenated*: their channels are stacked,
#
# y = [f(x), x]
#
# so that 16 and 8 channels become 24. The next convolution of the decoder gets both.
#
# Backward, two rules meet. dy has 24 channels. The first 16 were f(x), so they are the gradient that goes into f. The
# other 8 were x itself. *Concatenations split.* And x went two ways, so its gradient is the sum of what comes back on
# both: *forks add* (lesson 0).
#
# **Predict:** if f is the identity, what is dx for dy all ones?


# %%
def skip_forward(f, x):
    """(N, C, H, W) -> (N, C' + C, H, W), if f makes C' channels of C."""
    return np.concatenate([f.forward(x), x], axis=1)


def skip_backward(f, x, dy):
    """(N, C' + C, H, W) -> (N, C, H, W)"""
    C = x.shape[1]
    through_f, past_f = dy[:, :-C], dy[:, -C:]                             # the concatenation splits
    return f.backward(through_f) + past_f                                  # the fork adds


inner = Sequential(MaxPool2d(2), Conv2d(3, 5, 3, padding="same", rng=rng), Upsample(2)).astype(np.float64)
x, dy = rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(2, 8, 4, 4))
y_by_hand = skip_forward(inner, x)                                         # (2, 5 + 3, 4, 4)
dx_by_hand = skip_backward(inner, x, dy)
skip = Skip(inner)                                                         # the library's own
assert np.allclose(skip.forward(x), y_by_hand) and np.allclose(skip.backward(dy), dx_by_hand)
print(check_layer(skip, x))                                                # finite differences

# %% [markdown]
# Twice the ones: dx is 2 everywhere (exercise 1).
#
# Lesson 14's FCN also brings finer maps to coarser ones, but it *adds* scores. For that they must have the same
# channels with the same meaning. Concatenated maps may differ in number and meaning, and the next convolution weighs
# them: its weights for [a, b] are weights for a beside weights for b.
#
# **Predict:** cut the weights of a convolution on [a, b] into these two parts. How do you get its result from a
# convolution of a alone and one of b alone?

# %%
a, b = x, rng.normal(size=(2, 5, 4, 4))
joint = Conv2d(3 + 5, 4, 3, padding="same", bias=False, rng=rng).astype(np.float64)
for_a, for_b = (Conv2d(C, 4, 3, padding="same", bias=False).astype(np.float64) for C in (3, 5))
for_a.weight.data[...], for_b.weight.data[...] = joint.weight.data[:, :3], joint.weight.data[:, 3:]
assert np.allclose(joint.forward(np.concatenate([a, b], axis=1)), for_a.forward(a) + for_b.forward(b))

# %% [markdown]
# You add them. So a concatenation followed by a convolution is a sum, each part with weights of its own. No weight has
# to serve both.
#
# ## 2. The model: skips inside skips (slides 34–35)
# The U-Net is lesson 16's encoder–decoder with a skip at each of its five resolutions. The map is taken just before the
# pooling, and concatenated just after the upsampling to the same resolution. In code, what lies inside the first skip
# is: a pooling, a conv block, *a smaller U-Net's skip*, a conv block, an upsampling. So a forward through all of it
# is a function that calls itself.
#
# **Predict:** our smallest map has 128 channels at 2 × 2 positions, 512 numbers. How many numbers go around it?


# %%
def forward(layers, x, joined):
    """Return what the layers make of x; note what is concatenated in `joined`."""
    for layer in layers:
        if isinstance(layer, Skip):
            below = forward(layer.inner, x, joined)                        # all lower resolutions
            joined.append((below.shape[1:], x.shape[1:]))
            x = np.concatenate([below, x], axis=1)
        else:
            x = layer.forward(x)
    return x


model = unet(lesson.width, rng=lesson.seed)
shape = (1, 3, lesson.size, lesson.size)
model.summary(shape)
joined, image = [], as_input(held.images[:1])                              # (1, 3, H, W) floats in [0, 1]
assert np.allclose(forward(model.eval(), image, joined), predict(model, image), atol=1e-4)
for below, skipped in joined:
    print(f"from below {below}, by the skip {skipped}: {np.prod(skipped):,} numbers go around")
smallest = (8 * lesson.width, lesson.size // 32, lesson.size // 32)
around = np.sum([np.prod(skipped) for _, skipped in joined])
print(f"through the smallest map {smallest}: {np.prod(smallest):,}; around it: {around:,}; "
      f"the image: {3 * lesson.size**2:,}")
lesson.figure(plotting.diagram(unet(64, rng=0), (1, 3, 128, 128), "Slides 34–35: the U-Net for 128 × 128 pixels, with "
                               "64 channels in the first block"), "model")

# %% [markdown]
# 124,928 numbers go around the smallest map, and 65,536 of them at full resolution: more than the image itself has.
# With these, the last block could find the edges by itself. But from maps of a single 3 × 3 convolution it cannot
# know which edge is the pet's (lessons 11 and 12). It needs both: what comes from below, and the edges.
#
# In the figure the orange part of a box is what a skip brought. Compare the summary with lesson 16's: a decoder block
# now has more input channels, and so more weights. The model has 735,795 parameters instead of 491,139. So against the
# encoder–decoder *two* things differ. Lesson 18 separates them, with a U-Net and an encoder–decoder of the same number
# of parameters.
#
# ## 3. What is the paper's, and what is not
# The U-Net is by Olaf Ronneberger, Philipp Fischer and Thomas Brox: "U-Net: Convolutional Networks for Biomedical Image
# Segmentation", MICCAI 2015, arXiv:1505.04597. It was made for cells under a microscope, with as few as 30 training
# images. From it we have the U: poolings with ever more channels on the way down, upsampling on the way up, and at each
# resolution a concatenation with the encoder's map. The rest is the slides', simpler or later:
#
# - **Convolutions per resolution.** Paper: two on the way down, two on the way up, four poolings, a 1 × 1 convolution
#   at the end. Slides and we: one and one, five poolings, a 3 × 3 convolution at the end.
# - **Padding.** Paper: none. Each 3 × 3 convolution costs a row at each side, so the encoder's map is larger and must
#   be *cropped* before the concatenation, and the answer is smaller than the image. The paper mirrors an image at its
#   edges to get that rim back, and cuts a large image into tiles that overlap. We pad with zeros ("same").
# - **Upsampling.** Paper: an "up-convolution" of 2 × 2, which also halves the channels (lesson 14's transposed
#   convolution, stride 2). We: nearest (lesson 15), and the convolution comes after the concatenation.
# - **Batch norm.** Paper: none. We: after each convolution but the last.
# - **Dropout** at the end of the way down. We: none.
# - **Augmentation.** Paper: shifts, rotations, changes of brightness, and above all *elastic deformations*: a coarse
#   3 × 3 grid of random moves, with a standard deviation of 10 pixels, interpolated to a smooth warp. We: flips.
# - **Training.** Paper: one large image tile per step, with a momentum of 0.99. We: 8 images per step, Adam.
# - **Weights in the loss.** Paper: touching cells must not grow together, so a pixel between two cells counts more.
#   With its distances d₁ and d₂ to the two nearest cells, its weight is w_c + 10 · exp(−(d₁ + d₂)² / (2 · 5²)), where
#   w_c balances the classes. Ours have one pet per image: we weigh classes only (section 10).
#
# **Predict:** the paper's network on 572 × 572 pixels. How large is the answer?


# %%
def unpadded(size, poolings=4):
    """Return the size of the paper's answer, and how many rows and columns are cropped at each concatenation."""
    on_the_way_down, crops = [], []
    for _ in range(poolings):
        size -= 4                                                          # two convolutions, 3 × 3
        on_the_way_down.append(size)
        assert size % 2 == 0, "a pooling needs an even size"
        size //= 2
    size -= 4
    for there in reversed(on_the_way_down):
        crops.append(there - 2 * size)
        size = 2 * size - 4
    return size, crops


size, crops = unpadded(572)
print(f"572 × 572 pixels in, {size} × {size} out; cropped {crops}")
assert size == 388

# %% [markdown]
# 388 × 388, as in the paper's figure 1. Of its finest maps 176 rows and columns are cropped.
#
# ## 4. Training, and the result beside the lessons before
# As for all models from lesson 10 on: cross entropy at each pixel, Adam, the same images, the same number of epochs.
# The pets are rendered (lesson 5). Nothing is chosen by the held-out images; their scores are only looked at.
#
# **Predict:** the start loss (lesson 10). Then: which class will gain most over the encoder–decoder, and which least?

# %%
first_loss = task.first_loss(unet(lesson.width, rng=lesson.seed))
print(f"loss before training: {first_loss:.3f}; ln 3 = {np.log(3):.3f}")
model = unet(lesson.width, rng=lesson.seed)
history = task.fit(model)
save_weights(lesson.out / "weights.npz", model, (lesson.size, lesson.size))
result = task.result("U-Net", model, history)                              # scores; saved for lesson 18
train_scores = segmentation_scores(model, task.train.images[:200], task.train.trimaps[:200], CLASSES)
print(f"mean IoU on training images {train_scores['mean_iou']:.3f}, on held-out images {result.scores['mean_iou']:.3f}")

# %%
results = task.results_up_to(result)
print(results_table(results))
lesson.figure(results_figure(results[-2:], held.images[:SHOWN], truth[:SHOWN], "Held-out images: "
                             + " and ".join(one.name for one in results[-2:])), "predictions")

# %% [markdown]
# The start loss is 1.142, near ln 3. After six epochs the U-Net has a mean IoU of 0.759, the encoder–decoder 0.602 and
# FCN-8s 0.622. Against the encoder–decoder, the border gains most: from 0.239 to 0.534. The object goes from 0.714 to
# 0.823, the background from 0.854 to 0.920. A second seed gave 0.757 and a border of 0.530, so these gaps are not due
# to one lucky run (lesson 18 has the table over seeds). On 200 training images it gets 0.781: in six epochs it has
# memorized little.
#
# In the figure, the encoder–decoder draws smooth bodies. The U-Net adds a head and an ear in the first image, the ears
# and part of the tail in the third, and legs and a tail in the fifth. In the last image both predict pet on the curtain
# at the left; we come back to this image.
#
# ## 5. What gets around: thin parts
# Lesson 16 sorted the pet's pixels by thickness, and found that thin parts are lost, even if the encoder–decoder gets
# the truth itself as its input, for three epochs. (A pixel has thickness k if a k × k square that holds it fits into
# the pet, and no larger one does.) Here are its bars, read from the results of lesson 16 if they are there, beside the
# U-Net's.
#
# **Predict:** at which thickness do they differ most?

# %%
predicted = predict_classes(model, held.images)                            # (n, H, W)
pet, found = truth != CLASSES.index("background"), predicted != CLASSES.index("background")
recall = {"U-Net": found_by_thickness(pet, found)}
for earlier in results[:-1]:
    if "found_by_thickness" in (its_numbers := task.numbers_of(earlier)):
        recall = {earlier.name: its_numbers["found_by_thickness"], **recall}
for name, row in recall.items():
    print(f"{name:16}" + "   ".join(f"{band}: {share:.0%}" for band, share in row.items()))
bars = {band: {name: row[band] for name, row in recall.items() if band in row} for band in recall["U-Net"]}
lesson.figure(plotting.bar_chart(bars, "How much of the pet is found, by thickness", "share of the pet's pixels; "
                                 "groups: thickness in pixels", (0, 1), ".2f"), "thickness")

# %% [markdown]
# Of the parts up to 3 pixels thick, the encoder–decoder finds 22 % of the pixels, the U-Net 49 %. At 4–5 pixels it is
# 25 % and 63 %, at 6–7 pixels 35 % and 75 %: there the gap is largest, 0.40. For thicker parts it shrinks, to 0.03 at
# 24 pixels and more. So what was added is mostly thin. Half of the thinnest pixels are still missing.
#
# ## 6. The border, one pixel off
# The border's IoU is 0.534. Is that bad? Its band is about two pixels wide, and an outline drawn by hand is not exact
# to the pixel. A band of two pixels that is drawn one pixel off has an IoU of 1/3. So we also score it with a
# *tolerance*: a predicted border pixel is right if a true one lies among itself and its 8 neighbors, and a true one is
# found if a predicted one does. *Precision* is the share of the predicted pixels that are right, *recall* the share of
# the true ones that are found (lesson 7), and F1 = 2 · precision · recall / (precision + recall).
#
# **Predict:** without tolerance, is F1 above or below IoU? And how much of a bad border does the tolerance forgive?
# As a control we score each prediction against the *next* image's truth.


# %%
def wider(mask):
    """(n, H, W) -> (n, H, W): each True pixel and its 8 neighbors."""
    H, W = mask.shape[1:]
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    return np.any([padded[:, i:i + H, j:j + W] for i in range(3) for j in range(3)], axis=0)


BORDER = CLASSES.index("border")
true, said = truth == BORDER, predicted == BORDER
precision, recall_1 = said[wider(true)].sum() / max(1, said.sum()), true[wider(said)].sum() / max(1, true.sum())
border_f1 = {t: tolerant_scores(tolerant_counts(truth, predicted, BORDER, t)) for t in (0, 1, 2)}
assert np.allclose([border_f1[1]["precision"], border_f1[1]["recall"]], [precision, recall_1], equal_nan=True)
next_truth = np.roll(truth, 1, axis=0)
control = {t: tolerant_scores(tolerant_counts(next_truth, predicted, BORDER, t))["f1"] for t in border_f1}
iou_border = scores_of(confusion_matrix(truth, predicted, 3), CLASSES)["iou_border"]
assert np.isclose(border_f1[0]["f1"], 2 * iou_border / (1 + iou_border))
for t, row in border_f1.items():
    print(f"tolerance {t}: " + ", ".join(f"{key} {value:.3f}" for key, value in row.items())
          + f"; against another image's truth F1 {control[t]:.3f}")

# %% [markdown]
# F1 = 2 IoU / (1 + IoU) (asserted), so F1 is the larger of the two numbers for the same prediction: 0.696. With a
# tolerance of one pixel it is 0.897, with two 0.942. The control rises too, from 0.147 to 0.276 and 0.387, but it stays
# far below. So of the border pixels that IoU counts as wrong, about two thirds are one pixel off.
#
# ## 7. The worst images, looked at
# A mean hides what goes wrong. So we score each held-out image by itself and look at the worst. Wrong pixels are of
# three kinds: pet that is *missed* (called background), background that is *invented* (called pet), and, within the
# pet, object and border confused.
#
# **Predict:** which of the three are most of the wrong pixels? And what will the worst images have in common?

# %%
wrong, missed, invented = predicted != truth, pet & ~found, found & ~pet
for name, mask in {"wrong": wrong, "missed": missed, "invented": invented, "confused": wrong & pet & found}.items():
    print(f"{name:9}{mask.mean():.1%} of all pixels; {(mask & wider(true)).sum() / max(1, mask.sum()):.0%} of them "
          "within one pixel of the true border")
by_image = np.array([scores_of(confusion_matrix(one, guess, 3), CLASSES)["mean_iou"]
                     for one, guess in zip(truth, predicted)])             # (n,)
order = np.argsort(by_image)                                               # the worst first
print("mean IoU by image: " + ", ".join(f"{name} {np.quantile(by_image, q):.3f}" for name, q in (
    ("worst", 0), ("a tenth below", 0.1), ("half below", 0.5), ("best", 1))))
worst = order[:8]
marked = np.where(missed, 3, np.where(invented, 4, truth))
lesson.figure(plotting.prediction_grid(
    held.images[worst], truth[worst], {"U-Net": predicted[worst], "wrong": marked[worst]},
    {"U-Net": [f"mean IoU {by_image[k]:.2f}" for k in worst]}, columns=2, title="The worst of the held-out images",
    class_names=(*CLASSES, "missed", "invented"), colors=(*plotting.CLASS_COLORS, "#C8102E", "#2EA84A")), "worst")

# %% [markdown]
# 9.0 % of all pixels are wrong. 4.0 % confuse object and border, and 89 % of these are within one pixel of the true
# border. 2.6 % are missed and 2.5 % invented. Of the invented ones, 47 % are farther away.
#
# The worst images show two kinds of failure.
#
# - *Something beside the pet is taken for a part of it*: a curtain and a dark cover (first image), a toy on a string
#   (seventh), a ball behind the head (eighth).
# - *A part of the pet is taken for background*: the chest of a dark dog before a dark wall (third), the belly of a
#   black cat (fourth), and twice a whole head before a striped wall (second and fifth). Around the white dog on a
#   striped cloth (sixth) the outline is frayed.
#
# So in the worst images large parts fail, not thin ones. In several of them, pet and background are equally dark or
# equally bright.
#
# To check such an impression on all images, we need numbers: the distance between the mean color of the pet and that of
# the background around it (within 3 pixels of the border), the pet's share of the image, and its species.

# %%
x = as_input(held.images)                                                  # (n, 3, H, W)


def mean_color(mask):
    """(n, H, W) -> (n, 3): the mean color of the pixels of a mask."""
    return (x * mask[:, None]).sum(axis=(2, 3)) / np.maximum(1, mask.sum(axis=(1, 2)))[:, None]


ring = wider(wider(wider(true)))                                           # the border, and 3 pixels on either side
across = mean_color(ring & (truth == 0)) - mean_color(ring & ~pet)
facts = {"color distance at the border": np.sqrt((across**2).sum(axis=1)), "share of the image": pet.mean(axis=(1, 2))}
groups = {f"{name}, {level}": third for name, values in facts.items()
          for level, third in zip(("lowest third", "middle", "highest third"), np.array_split(np.argsort(values), 3))}
groups |= {name: np.flatnonzero(held.species == k) for k, name in enumerate(("cats", "dogs"))}
for name, chosen in groups.items():
    if len(chosen) > 1:
        error = by_image[chosen].std() / np.sqrt(len(chosen))              # of the mean
        print(f"{name:45}{by_image[chosen].mean():.3f} ± {error:.3f}")

# %% [markdown]
# ± is the standard error of the mean over images: two groups that differ by less than two or three of them may differ
# by chance. The third of the images with the smallest color distance has 0.738 ± 0.008, the middle 0.745 ± 0.009, the
# third with the largest 0.797 ± 0.006. So it is better where pet and background differ in color. (This is a
# correlation. Such images may be easier for other reasons, too.) The size of the pet makes no difference that can be
# seen (0.762, 0.764, 0.752), nor does cat or dog (0.762 and 0.757).
#
# ## 8. The same weights, used in two other ways
# **Flips.** The pets of the training were flipped at random, so the network should not care about left and right. It
# does, a little. So ask it twice, about the image and about its mirror image, turn the second answer back, and average
# the probabilities. That takes twice the time, and no training.
#
# **Batch norm.** In eval mode it uses running means and variances, which training has collected (lesson 4). In training
# mode it takes those of the batch at hand. If you forget `eval()`, the answer to an image depends on the other images
# of its batch.
#
# **Predict:** how much do flips gain? And what does training mode cost, for batches of 8 images, and of one?

# %%
images = held.images[:32]
mirrored = Softmax().forward(predict(model, images[..., ::-1]))[..., ::-1]
both = (Softmax().forward(predict(model, images)) + mirrored) / 2
assert np.allclose(both, flipped_probabilities(model, images), atol=1e-5)
flipped = flipped_probabilities(model, held.images).argmax(axis=1)         # (n, H, W)


def in_training_mode(batch):
    """Return the classes (n, H, W) if batch norm takes its statistics from batches of so many images."""
    twin = copy.deepcopy(model).train()                                    # forward changes running statistics
    return np.concatenate([twin.forward(as_input(held.images[k:k + batch])).argmax(axis=1)
                           for k in range(0, len(held), batch)])


ways = {"as it is": predicted, "flips": flipped} | {f"training mode, batches of {batch}": in_training_mode(batch)
                                                    for batch in (8, 2, 1)}
used = {name: scores_of(confusion_matrix(truth, guess, 3), CLASSES) for name, guess in ways.items()}
for name, row in used.items():
    print(f"{name:28}mean IoU {row['mean_iou']:.3f}, border {row['iou_border']:.3f}; "
          f"another class than as it is: {np.mean(ways[name] != predicted):.1%} of the pixels")
flipped_by_image = np.array([scores_of(confusion_matrix(one, guess, 3), CLASSES)["mean_iou"]
                             for one, guess in zip(truth, flipped)])
better, worse = np.sum(flipped_by_image > by_image), np.sum(flipped_by_image < by_image)
print(f"with flips {better} images are better, {worse} worse")

# %% [markdown]
# With flips mean IoU is 0.766 instead of 0.759, and the border 0.545 instead of 0.534; 146 images are better, 54 worse.
# For other losses and seeds, the gain was between 0.006 and 0.010 (mean IoU), and between 0.008 and 0.014 (border).
#
# Training mode with 8 images, as many as in a training step, costs nothing here: 0.760. Yet 1.8 % of the pixels get
# another class, and which ones depends on the other images of the batch. With two images per batch it is 0.749, with
# one 0.737. At the coarsest batch norms an image has 4 × 4 positions, so with a batch of one, mean and variance are
# those of 16 numbers.
#
# ## 9. The receptive field, theoretical and effective
# In theory every pixel of the image can have an influence, as for the encoder–decoder. Its *effective* receptive field
# was nearly as large (lesson 16): 57 × 57 pixels held 90 % of the influence on a pixel near the middle, and 39 × 39
# held half of it. (If all pixels had the same influence, that would be 63 × 63 and 47 × 47.)
#
# **Predict:** the same for the U-Net. The finest skip brings maps that depend on 3 × 3 pixels.

# %%
assert max(receptive_field(model, shape)) == lesson.size
sides = {}
for name, one in {"untrained": unet(lesson.width, rng=lesson.seed), "trained": model}.items():
    half, most = (effective_receptive_field(one, held.images[:6], part) for part in (0.5, 0.9))
    sides[name] = most
    print(f"{name:9}  {half} × {half} pixels hold 50 % of the influence, {most} × {most} hold 90 %")

# %% [markdown]
# Before the training, 27 × 27 pixels hold half of the influence, and afterwards 21 × 21: less than a third of the area
# that the encoder–decoder needs. 90 % are held by 51 × 51 (55 × 55 before the training). So a pixel's class depends on
# its neighborhood far more than in the encoder–decoder, and still on most of the image. These are six images and one
# seed; lesson 18's table has the 90 % for all models and three seeds.
#
# ## 10. Losses for a class that few pixels belong to
# The border has 13 % of the pixels. In the mean over all pixels each pixel counts alike, so does a rare class count too
# little? Three other losses are often used for such classes. With p = softmax(z), true class y, and C = −log p_y:
#
# - **Weighted cross entropy**: Σ w_y C / Σ w_y over all pixels. We take w = 1 / share of the class, so that each class
#   has the same total weight.
# - **Focal loss**: the mean of q² C with q = 1 − p_y. Pixels that are nearly right count little.
# - **Dice loss**: for each class of each image D_k = (2 Σ p_k g_k + 1) / (Σ p_k² + Σ g_k² + 1), with g one-hot. For p
#   of zeros and ones and without the 1, this is F1. The loss is 1 minus the mean of D_k over classes and images.
#
# Their gradients. *Cross entropy* has (p − g) at each pixel, times the pixel's share in the mean (lesson 9). *Weighted*
# changes the share to w_y / Σ w_y. *Focal*: both factors depend on p_y only, and dp_y/dz_k = p_y (g_k − p_k). By the
# product rule d(q² C)/dp_y = −q² / p_y − 2 q C, so dz = f (p − g) with f = q² + 2 q p_y C. *Dice*: call the denominator
# A. By the quotient rule dD_k/dp_k = 2 (g_k − D_k p_k) / A_k. Then back through the softmax. By the quotient rule
# dp_j/dz_k = p_j (1[j = k] − p_k), so dz_k = p_k (dp_k − Σⱼ p_j dp_j).
#
# **Predict:** a pixel that is wrong and sure, p_y = 0.01 and another class 0.98. Which of the losses have a gradient
# near 0 there?

# %%
shares = np.bincount(task.train.trimaps.ravel(), minlength=3) / task.train.trimaps.size
p_true = np.take_along_axis(Softmax().forward(predict(model, held.images)), truth[:, None].astype(np.int64), axis=1)
C = -np.log(np.maximum(p_true[:, 0], 1e-30))                               # (n, H, W), of the U-Net of section 4
print(", ".join(f"{name}: {np.mean(truth == k):.0%} of the pixels, {C[truth == k].sum() / C.sum():.0%} of the loss"
                for k, name in enumerate(CLASSES)))
weight = (1 / np.maximum(shares, 1e-3)).astype(np.float32)


def cross_entropy(z, labels, w=np.ones(3), gamma=0):
    """Weighted and focal cross entropy and its gradient; the defaults are plain cross entropy."""
    p, g = Softmax().forward(z), np.eye(3)[labels].transpose(0, 3, 1, 2)   # (N, 3, H, W)
    p_y = (p * g).sum(axis=1, keepdims=True)                               # (N, 1, H, W)
    C, q, part = -np.log(p_y), 1 - p_y, w[labels][:, None] / w[labels].sum()
    f = q**gamma + gamma * q**max(0, gamma - 1) * p_y * C
    return (part * q**gamma * C).sum(), part * f * (p - g)


def dice(z, labels):
    """The Dice loss and its gradient."""
    p, g = Softmax().forward(z), np.eye(3)[labels].transpose(0, 3, 1, 2)
    A = (p**2).sum(axis=(2, 3)) + (g**2).sum(axis=(2, 3)) + 1              # (N, 3)
    D = (2 * (p * g).sum(axis=(2, 3)) + 1) / A
    dp = -2 * (g - D[:, :, None, None] * p) / A[:, :, None, None] / D.size
    return 1 - D.mean(), p * (dp - (p * dp).sum(axis=1, keepdims=True))


losses = {"cross entropy": CrossEntropyLoss(), "weighted": CrossEntropyLoss(weight=weight), "focal": FocalLoss(gamma=2),
          "Dice": DiceLoss()}
z, labels = rng.normal(size=(2, 3, 4, 5)), rng.integers(0, 3, size=(2, 4, 5))
by_hand = {"cross entropy": cross_entropy(z, labels), "weighted": cross_entropy(z, labels, weight.astype(np.float64)),
           "focal": cross_entropy(z, labels, gamma=2), "Dice": dice(z, labels)}
for name, loss in losses.items():
    value, dz = by_hand[name]
    assert np.isclose(loss.forward(z, labels), value) and np.allclose(loss.backward(), dz), name
    print(check_loss(loss, z, labels))                                     # finite differences

# %%
confidence = [0.001, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99]
scores, labels = np.zeros((1, 3, 64, 64)), np.zeros((1, 64, 64), np.int64)
scores[:, 0] = 20                                                          # object everywhere, right and sure
labels[0, 32, 32] = BORDER                                                 # but for this pixel
pull = {name: [] for name in losses}
for name, loss in losses.items():
    for p_y in confidence:
        scores[0, :, 32, 32] = np.log([1 - p_y - 1e-6, 1e-6, p_y])
        loss.forward(scores, labels)
        pull[name].append(-loss.backward()[0, BORDER, 32, 32])             # on the score of the true class
    print(f"{name:15}pull at p_y = 0.01 {pull[name][1]:.5f}, at most {max(pull[name]):.5f}")
lesson.figure(plotting.line_chart({name: (confidence, np.array(row) / max(row)) for name, row in pull.items()},
                                  "The pull on one border pixel, against its largest", "its probability of border", "",
                                  log="x"), "pull")

# %% [markdown]
# Does the border count too little, with 13 % of the pixels? In the trained U-Net's cross entropy it has 45 % of the
# loss: its pixels are the hard ones. So it is less clear than it seems that another loss is needed.
#
# In the figure each loss is scaled to its own largest pull. Plain and weighted cross entropy have the same curve, so
# they lie on each other: the weight is a factor, here 2.1. Focal loss pulls as hard as these on a pixel that is wrong,
# and less on one that is nearly right: 0.27 instead of 0.50 at p_y = 0.5. Dice loss pulls most in the middle, and
# hardly on a pixel that is wrong and sure: 0.06 at p_y = 0.01, as the factor p_k in dz says.
#
# The scale differs, too. In this image, with a single border pixel, Dice loss pulls up to 0.052, cross entropy
# 0.00024, which is 1 / 64². (Adam takes out a common factor, but not one that differs between classes or images.)
#
# Now train with each. To fit the lesson's time they get at most a third of the epochs, all from the same first weights
# and with the same images in the same order. So cross entropy, too, is trained again.
#
# **Predict:** which loss gets the highest IoU of the border? Which calls the most pixels border?

# %%
short = max(1, min(task.epochs // 3, 2_000 // len(task.train)))            # epochs
compared, stopped = {}, history.stopped
for name, loss in losses.items():
    variant = copy.copy(task)                                              # the same task with another loss
    variant.loss = loss
    net = unet(lesson.width, rng=lesson.seed)
    stopped |= variant.fit(net, name.replace(" ", "_"), epochs=short).stopped
    guess = predict_classes(net, held.images)
    compared[name] = scores_of(confusion_matrix(truth, guess, 3), CLASSES)
    compared[name] |= tolerant_scores(tolerant_counts(truth, guess, BORDER, 0))
    compared[name]["called border"] = np.mean(guess == BORDER)
print(f"{short} epochs; {shares[BORDER]:.1%} of the training pixels are border")
for name, row in compared.items():
    print(f"{name:15}" + ", ".join(f"{key} {row.get(key, 0):.3f}" for key in (
        "mean_iou", "iou_object", "iou_border", "precision", "recall", "called border")))
lesson.figure(plotting.bar_chart({"mean IoU": {name: row["mean_iou"] for name, row in compared.items()},
                                  "border IoU": {name: row.get("iou_border", 0) for name, row in compared.items()}},
                                 f"Four losses, {short} epochs each, one seed", "IoU"), "losses")

# %% [markdown]
# Dice loss has the highest IoU of the border, 0.496 instead of 0.434, and the highest mean IoU, 0.716 instead of 0.690.
# With weights, recall of the border rises from 0.562 to 0.803, and precision falls from 0.655 to 0.521: 20.3 % of the
# pixels are called border, where 13.2 % are. Its border IoU gains 0.028, and mean IoU hardly changes (0.688). Focal
# loss is below plain cross entropy in both.
#
# That is one seed, and a short training. Here are two seeds with half of the full budget (three epochs), measured in
# the same way, and in the last column the full six epochs.
#
#     mean IoU / border IoU       seed 0           seed 1           six epochs, seed 0
#     cross entropy               0.723 / 0.481    0.709 / 0.459    0.759 / 0.534 (seed 1: 0.757 / 0.530)
#     weighted, 1 / share         0.717 / 0.497    0.705 / 0.479    0.754 / 0.542
#     weighted, 1 / √share        0.729 / 0.508    0.718 / 0.490    –
#     focal                       0.711 / 0.465    0.693 / 0.436    –
#     Dice                        0.742 / 0.528    0.729 / 0.512    0.773 / 0.569
#     Dice + cross entropy        0.734 / 0.507    0.724 / 0.492    –
#
# By mean IoU the order is the same for both seeds. The gain of Dice loss is 0.019 and 0.020 (mean IoU), 0.047 and 0.053
# (border): more than the seeds differ, which is 0.014 and 0.022 for cross entropy. With six epochs it is 0.014 and
# 0.035, for one seed. The loss of weights, 0.006 and
# 0.005, is less. The learning rate was the same for all. It was chosen for none of them.
#
# ## 11. Your own image
# The lesson has saved its weights. On the command line,
#
#     python -m minidl.predict --weights out/17_unet/weights.npz cat.jpg
#
# segments your own image, or a folder of them. The file says which function of `minidl.models` built the model and how
# large its training images were. The command looks at your image four times: stretched into a square of that size, as
# the training images were; in its own ratio of width to height, with the pixels of a square that is a quarter larger;
# and at the mirror images of both (section 8). Where the sides do not divide by 32 it repeats the pixels at the edges,
# and cuts off what is predicted there. The mean of the probabilities is enlarged to your image's size, bilinearly
# (lesson 15), and only then the classes are decided. It writes a mask, an overlay, and a table with the share of each
# class. With `--once` it looks only once, in the image's own ratio. (`--help` lists the options.)
#
# **Predict:** a held-out image has just the size of the training images. Do we know already which classes the command
# will give with `--once`?

# %%
(lesson.out / "own").mkdir(exist_ok=True)
path = lesson.out / "own" / "pet.png"
Image.fromarray(held.images[0].transpose(1, 2, 0)).save(path)
command = ["--once", "--weights", str(lesson.out / "weights.npz"), "--out", str(lesson.out / "own"), str(path)]
assert predict_command(command) == 0                                       # as python -m minidl.predict ...
mask = np.asarray(Image.open(lesson.out / "own" / "pet.png.mask.png"))      # 1 object, 2 background, 3 border
assert np.mean(mask - 1 == predicted[0]) > 0.99
opened, its_size = open_model(lesson.out / "weights.npz")                  # the same from a program
assert its_size == lesson.size
assert np.array_equal(segment(opened, Image.open(path), its_size, average=False), mask - 1)

# %% [markdown]
# Yes: nothing was resized, so they are section 4's. (Where two classes are equally probable up to rounding, a pixel may
# differ.)
#
# What to expect of a photograph? Our network has been trained on rendered pets only. The weights that come with minidl
# are of the same model, and have learned from photographs, too: after 20 epochs on the rendered pets, 150 epochs on 511
# photographs of the Oxford-IIIT Pet set, at 128 × 128 pixels, with Dice loss. On 154 others, 89 % of the pixels are
# right, where background everywhere would be right for 56 %, and mean IoU is 0.733. With this lesson's cross entropy,
# half as many pixels to a side and no rendered pets it would be less: `minidl/predict/weights/README.md` has a table of
# what helped. `--names` (see `--help`) is the command that made them.
#
# ## Recap
# - A skip connection concatenates a map of the encoder to the decoder's map of the same resolution. Backward, the
#   concatenation splits dy, and the fork adds the two gradients of the encoder's map.
# - Mean IoU 0.759, border 0.534; the encoder–decoder has 0.602 and 0.239. Most of the wrong border pixels are off by
#   one pixel. The worst images lack contrast, or have something beside the pet that is taken for a part of it.
# - Without another model: flips gain 0.007 of mean IoU, and Dice loss 0.01 to 0.03, the less the longer the training.
#   Batch norm in training mode makes an answer depend on the other images of the batch.
#
# **Write it yourself:** `skip_forward`, `skip_backward` and `dice_loss`. `python -m lessons.exercises 17` puts stubs
# into `my/17_unet.py` and checks what you write.

# %%
all_background = float((task.test.trimaps == 1).mean())
lesson.finish(test=result.scores, train=train_scores, pixel_accuracy_all_background=all_background,
              found_by_thickness=recall["U-Net"],
              border_f1={f"tolerance {t}": row["f1"] for t, row in border_f1.items()},
              with_flips=used["flips"], other_ways={name: row["mean_iou"] for name, row in used.items()},
              losses={name: {key: row.get(key, 0.0) for key in ("mean_iou", "iou_border")}
                      for name, row in compared.items()},
              effective_receptive_field=sides["trained"], receptive_field=result.receptive_field,
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(task.train), test_images=len(task.test), parameters=result.parameters,
              training_seconds=result.seconds, **task.pace(history))
if lesson.as_intended and not stopped:
    assert result.scores["mean_iou"] > 0.7 and result.scores["iou_border"] > 0.45
    assert recall["U-Net"]["4–5"] > 0.5 and border_f1[1]["f1"] > 0.85
    assert used["flips"]["mean_iou"] > used["as it is"]["mean_iou"] > used["training mode, batches of 1"]["mean_iou"]
    assert compared["Dice"]["iou_border"] > compared["cross entropy"]["iou_border"] + 0.03

# %% [markdown]
# **Try:**
# 1. ★ Section 1 with `Skip(Identity())` (from `minidl`): forward of x of shape (2, 3, 4, 4), then backward of ones. You
#    should see y of shape (2, 6, 4, 4), and dx equal to 2 everywhere.
# 2. ★ Which sizes of images does the paper's network take? Call `unpadded` for all sizes from 100 to 700 (an assert in
#    it refuses the others), and keep the positive answers. You should see 4 × 4 for 188, and the next larger sizes in
#    steps of 16. Why 16?
# 3. ★ In section 8, turn the images upside down instead: `[:, :, ::-1]` in place of `[..., ::-1]`, for all held-out
#    images. You should see a mean IoU of 0.709, below that of no flips. Why? (The assert against
#    `flipped_probabilities` fails then.)
# 4. ★★ In section 10 let `weight` be 1 / √share: `(1 / np.sqrt(shares)).astype(np.float32)`. "Weighted" should then
#    have a border IoU between 0.46 and 0.48, and a mean IoU between 0.69 and 0.71. What becomes of precision and
#    recall?
# 5. ★★★ Build the paper's blocks: two convolutions at each resolution, on the way down and up, by `conv_block` (from
#    `minidl.models`) and `Skip`, as in `encoder_decoder` of `minidl/models.py`. Choose a width that gives about as many
#    parameters as ours. Is it better with the same budget? Which controls do you need to say why?
