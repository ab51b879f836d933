# %% [markdown]
# # 13 · Segmentation (4): encode, then one dense layer, reshaped to the image
# Slides 21–23. *Poolings make a large receptive field cheap. Can a dense layer turn what is left into an image again?*
#
# **New here:** an *encoder*, and a dense layer whose output is reshaped to an image; what `Reshape` does to the order
# of numbers, and pixel shuffle instead; *equivariance*: when the image moves, does the answer move along?
#
# **Needs:** dense layers and He initialization (lessons 0, 2), overfitting (lesson 3), convolution, pooling and batch
# norm (lesson 4), the training of a segmentation network (lesson 10), receptive field and multiply-adds (lessons 11,
# 12).
#
# **Time:** about 55 minutes to read, 65 seconds to run on two cores.

# %%
import copy

import numpy as np

from minidl import (
    Conv2d, CrossEntropyLoss, Flatten, Linear, MaxPool2d, PixelShuffle, Reshape, Sequential, pixelwise, plotting,
    reshape_segmenter,
)
from minidl.batches import as_input
from minidl.course.figures.reshape import cells_figure
from minidl.course.lesson import Lesson
from minidl.datasets.augment import moved
from minidl.datasets.pets import CLASSES
from minidl.metrics import confusion_matrix, scores
from minidl.models import encoder
from minidl.step import predict, predict_classes
from minidl.tasks.segmentation.experiment import Segmentation, segmentation_scores
from minidl.tasks.segmentation.ladder import results_table

lesson = Lesson("13_segmentation_reshape")
if lesson.size < 8:
    raise ValueError(f"--size: expected at least 8, so that images can be moved to the side, got {lesson.size}")
task = Segmentation(lesson)
S, width = lesson.size, lesson.width

# %% [markdown]
# ## 1. The encoder
# Lesson 12 had a receptive field of 13 × 13 pixels, and every layer worked at full resolution. Slide 21 says "make it
# more efficient": after each block a pooling halves the maps. A 3 × 3 kernel then covers twice as much of the image on
# each side, and there are only a quarter as many positions to calculate. The slide goes on until 2 × 2 positions are
# left, with more and more channels on the way. Such a network, from an image to a few numbers that describe it, is
# called an *encoder*.
#
# **Predict:** the shapes after the poolings, for 64 channels in the first block and an image of 128 × 128 pixels.
# (The channels double from block to block until there are 512.)

# %%
levels = 6                                                             # 128 is halved 6 times: 64, 32, 16, 8, 4, 2
slide, channels = encoder(levels, 64, rng=0)                           # a list of layers: conv block, pooling, ...
shape, shapes = (1, 3, 128, 128), []
for layer in slide:
    shape = layer.output_shape(shape)
    if isinstance(layer, MaxPool2d):
        shapes.append(shape[1:])
print(" -> ".join(map(str, shapes)))
assert shapes == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4), (512, 2, 2)]

# %% [markdown]
# Then all is flattened to one row of 512 · 2 · 2 numbers. A dense layer makes 3 · 128 · 128 numbers of it, one score
# per class and pixel, and these are reshaped to (3, 128, 128).
#
# ## 2. Reshape: the same numbers, cut into other rows
# Slide 22 reshapes four 3 × 3 maps into one 6 × 6 image. `Reshape` moves nothing. The numbers keep the order in which
# they lie in memory: the first map first, in each map row by row (C order). They are only cut into rows of six instead
# of three.
#
# **Predict:** from which maps do the six numbers of the image's second row come?

# %%
maps = np.array([[1, 2, 5, 1, 4, 3, 4, 2, 0], [7, 4, 1, 2, 5, 5, 9, 3, 6],
                 [0, 3, 4, 9, 9, 4, 7, 4, 5], [5, 6, 6, 2, 4, 9, 5, 3, 1]], float).reshape(1, 4, 3, 3)
slide_22 = [[1, 2, 5, 1, 4, 3], [4, 2, 0, 7, 4, 1], [2, 5, 5, 9, 3, 6],
            [0, 3, 4, 9, 9, 4], [7, 4, 5, 5, 6, 6], [2, 4, 9, 5, 3, 1]]
reshaped = np.zeros((6, 6))
for k, i, j in np.ndindex(4, 3, 3):                                    # map, row, column
    position = 9 * k + 3 * i + j                                       # in memory
    reshaped[position // 6, position % 6] = maps[0, k, i, j]
assert np.array_equal(reshaped, slide_22)
assert np.array_equal(reshaped, Reshape((1, 6, 6)).forward(maps)[0, 0])
print(reshaped.astype(int))

# %% [markdown]
# From two: three numbers are the last row of the first map, three the first row of the second map.
#
# *Pixel shuffle* makes an image of the same maps in another way. Each *position* of the maps becomes a square of 2 × 2
# pixels, one from each map. What was at the top left of the maps is at the top left of the image.

# %%
shuffled = np.zeros((6, 6))
for k in range(4):
    shuffled[k // 2::2, k % 2::2] = maps[0, k]                         # every second row, every second column
assert np.array_equal(shuffled, PixelShuffle(2).forward(maps)[0, 0])

source = np.broadcast_to(np.arange(4.0)[:, None, None], (4, 3, 3))[None]                     # the map of each number


def side_by_side(four):
    """(1, 4, 3, 3) -> (7, 7): the four maps in two rows, with a gap between them."""
    sheet = np.full((7, 7), np.nan)
    for k in range(4):
        sheet[k // 2 * 4:k // 2 * 4 + 3, k % 2 * 4:k % 2 * 4 + 3] = four[0, k]
    return sheet


lesson.figure(cells_figure({
    "four maps": (side_by_side(maps), np.nan_to_num(side_by_side(source))),
    "reshaped (slide 22)": (reshaped, Reshape((1, 6, 6)).forward(source)[0, 0]),
    "pixel shuffle": (shuffled, PixelShuffle(2).forward(source)[0, 0])}, "Each number in the color of its map"),
    "reshape")

# %% [markdown]
# In the reshaped image each map fills one and a half rows. Its own columns are torn apart: the first map's 5 stood
# above its 3, now both are in the first row. And what came from the top left of the four maps (1, 7, 0, 5) is in four
# different rows. In the shuffled image these four are the square at the top left.
#
# But on slide 21 it is not maps that are reshaped. It is the output of a dense layer, and each of its numbers is
# calculated from *all* 512 · 2 · 2 numbers.
#
# **Predict:** would the model learn better if it ended in a pixel shuffle?

# %%
row = np.random.default_rng(0).normal(size=(1, 3 * S * S))             # what a dense layer may return
by_reshape = Reshape((3, S, S))
by_shuffle = Sequential(Reshape((12, S // 2, S // 2)), PixelShuffle(2))
order = by_shuffle.forward(np.arange(3.0 * S * S)[None]).astype(int).ravel()               # which number goes where
assert np.array_equal(by_shuffle.forward(row), by_reshape.forward(row[:, order]))

# %% [markdown]
# No. The two images are the same if the outputs of the dense layer are numbered in another order. All outputs start
# from random weights, and no step of the training uses their numbers. So any order is as good as any other
# (exercise 2). To a dense layer, the pixels of an image are a list: it does not know which of them are neighbors.
#
# ## 3. The model
# Ours has the slide's form, with images of 64 × 64 pixels and 16 channels in the first block.
#
# **Predict:** the dense layer has one weight for each pair (number in, number out), and one bias for each number out.
# How many parameters is that? Which share of the model's?


# %%
def count(layers):
    """Return the number of parameters of some layers."""
    return sum(parameter.data.size for layer in layers for parameter in layer.parameters())


model = reshape_segmenter(width, S, rng=lesson.seed)
model.summary((1, 3, S, S))
*encoding, flatten, dense, reshape = model.layers
assert [type(layer) for layer in (flatten, dense, reshape)] == [Flatten, Linear, Reshape]
inputs = encoding[-3].num_features * 2 * 2                             # channels of the last batch norm, at 2 x 2
assert count([dense]) == (inputs + 1) * 3 * S * S
share = count([dense]) / count([model])
print(f"dense layer: {count([dense]):,} of {count([model]):,} parameters, {share:.1%}")
slide_dense = (channels * 2 * 2 + 1) * 3 * 128 * 128                   # counted, not built: it would take 400 MB
slide_share = slide_dense / (slide_dense + count(slide))
print(f"on the slide: {slide_dense:,} of {slide_dense + count(slide):,}, {slide_share:.1%}")
assert slide_dense == 100_712_448
lesson.figure(plotting.diagram(model, (1, 3, S, S), title=f"{count([model]):,} parameters, {share:.0%} of them in the "
                               "dense layer"), "model")

# %% [markdown]
# 6.3 of our 6.5 million parameters are in one layer. The receptive field is the whole image, because each score
# depends on all numbers of the row. (That is the *theoretical* receptive field. It says which pixels can have an
# influence on a score, not how much.)
#
# Is it more efficient? Lesson 12 counted multiply-adds per pixel of the image. A block after k poolings calculates its
# maps at only 1 / 4ᵏ of the positions.

# %%
per_pixel, level = {"conv blocks": 0.0}, 0
for layer in encoding:
    if isinstance(layer, Conv2d):
        per_pixel["conv blocks"] += layer.weight.data.size / 4**level
    level += isinstance(layer, MaxPool2d)
per_pixel["dense layer"] = dense.weight.data.size / S**2
lesson_12 = sum(p.data.size for p in pixelwise((9, 5), width, rng=0).parameters() if p.data.ndim == 4)
print(", ".join(f"{name} {cost:,.0f}" for name, cost in per_pixel.items())
      + f", together {sum(per_pixel.values()):,.0f} multiply-adds per pixel; lesson 12: {lesson_12:,}")

# %% [markdown]
# It takes 58 % of the multiply-adds of lesson 12's model, with the whole image as its receptive field. (They are not
# the whole price of a training step. After each batch, Adam has to go through 6.5 million parameters.)
#
# The dense layer in plain NumPy, from the row to the image:

# %%
x = as_input(task.held.images[:4])                                     # (4, 3, S, S)
row = predict(Sequential(*encoding, flatten), x)                       # (4, inputs)
by_hand = (row @ dense.weight.data.T + dense.bias.data).reshape(4, 3, S, S)
assert np.allclose(by_hand, predict(model, x), atol=1e-4)
print(f"row {row.shape}, weights {dense.weight.data.shape}, scores {by_hand.shape}")

# %% [markdown]
# ## 4. The start loss
# **Predict:** the loss before training. Is ln 3 = 1.0986 the right answer?

# %%
x, labels = as_input(task.train.images[:64]), task.train.trimaps[:64].astype(np.int64)
loss = CrossEntropyLoss()
untrained = reshape_segmenter(width, S, rng=lesson.seed)
row = Sequential(*untrained.layers[:-2]).forward(x)                    # in training mode, as in the first step
z = Sequential(*untrained.layers[-2:]).forward(row)                    # (64, 3, S, S)
first_loss = loss.forward(z, labels)
print(f"loss {first_loss:.3f}; scores have the standard deviation {z.std():.2f}, "
      f"sqrt(2 mean(row²)) is {np.sqrt(2 * np.mean(row**2)):.2f}")
for factor in (0.5, 0.1, 0.01):
    print(f"scores times {factor}: loss {loss.forward(factor * z, labels):.4f}")
small = loss.forward(0.01 * z, labels)
assert abs(small - np.log(3)) < 0.03

# %% [markdown]
# The loss is ln 3 if all scores are near 0 (lessons 2 and 10). Here they are not: their standard deviation is 1.69. He
# initialization draws weights of variance 2/n for n inputs, so a score, a sum of n products, has the variance
# 2 mean(row²). The numbers of the row are not small: each is the largest of four after a pooling. Scores of that size
# that know nothing are often confidently wrong. Scaled down, the same scores have losses nearer and nearer to ln 3. So
# a start loss of 1.78 is not the sign of a bug. We leave it as it is: all models of lessons 10 to 17 start from the
# library's weights.
#
# ## 5. The last 3 × 3 convolution of slide 21
# Slide 21 has one more layer, after the reshape: a 3 × 3 convolution, padding "same". So far we have left it out. Now
# we build it as a variant. It takes the three channels of scores to three new ones, with only 84 parameters.
#
# **Predict:** which functions can the longer model represent that the shorter one cannot? (There is no ReLU between the
# dense layer and the convolution.)

# %%
with_conv = Sequential(*reshape_segmenter(width, S, rng=lesson.seed).layers,
                       Conv2d(3, 3, 3, padding="same", rng=lesson.seed))
assert count([with_conv]) == count([model]) + 3 * 3 * 9 + 3


def folded(dense, conv):
    """Return weights and biases of the one dense layer that does the work of dense layer, reshape and convolution."""
    templates = dense.weight.data.T.reshape(-1, 3, S, S)               # (inputs, 3, S, S): what each input adds
    zero = predict(conv, np.zeros((1, 3, S, S), np.float32))           # what the convolution adds by itself
    bias = predict(conv, dense.bias.data.reshape(1, 3, S, S))
    return (predict(conv, templates) - zero).reshape(len(templates), -1).T, bias.ravel()


*front, its_dense, _, its_conv = with_conv.layers
weight, bias = folded(its_dense, its_conv)
row, y = predict(Sequential(*front), task.held.images[:8]), predict(with_conv, task.held.images[:8])
assert np.allclose((row @ weight.T + bias).reshape(y.shape), y, atol=2e-3 * np.abs(y).max())

# %% [markdown]
# None. Dense layer and convolution are linear (apart from their biases), and one linear map after another is again a
# linear map. So there is a dense layer that gives the same scores without the convolution. `folded` finds it: it sends
# what each input adds to the image through the convolution.
#
# What can differ is the start and the way of the training: with the convolution, the gradient of each score goes to
# the weights of 3 × 3 pixels. To see whether it does, both were trained as all models from lesson 10 on (Adam, the same
# images in the same order, the same number of epochs), with three seeds each. That takes long, so the scores are
# written down here. Seed 0 without the convolution is this lesson's own model, trained below; exercise 3 trains the one
# with it.
#
# **Predict:** which of the two gets the higher mean IoU?

# %%
measured = {"dense": (0.513, 0.550, 0.532), "dense, then 3 × 3": (0.509, 0.550, 0.514)}               # seeds 0, 1, 2
for name, values in measured.items():
    print(f"{name:18}mean IoU " + ", ".join(f"{value:.3f}" for value in values) + f", mean {np.mean(values):.3f}")
history = task.fit(model, "dense")
result = task.result("reshape", model, history)                        # slide 21 without its last convolution
print(f"this run, dense: training loss {history[-1]['loss']:.3f}, "
      + ", ".join(f"{key} {value:.3f}" for key, value in result.scores.items()))

# %% [markdown]
# The gaps in mean IoU are 0.004, 0.000 and 0.018. They are smaller than the spread over seeds, which is 0.037 without
# the convolution. The IoU of the border was lower with the convolution for all three seeds, by 0.030, 0.015 and 0.045.
# But it differs as much from seed to seed, and three seeds are few. A gain from the convolution cannot be seen here.
#
# The lessons to come compare with the model without it. The rest of this lesson is about its dense layer.
#
# ## 6. The result, beside the lessons before
# **Predict:** this model has the whole image as its receptive field, those before it at most 13 × 13 pixels. Which
# class will be better, which worse, than with 9 × 9 kernels?

# %%
print(results_table(task.results_up_to(result)))
often = np.stack([(task.train.trimaps[:1000] == k).mean(axis=0) for k in range(3)])        # (3, S, S)
usual = np.broadcast_to(often.argmax(axis=0), task.test.trimaps.shape)
by_place = scores(confusion_matrix(task.test.trimaps, usual, 3), CLASSES)
print("the most frequent class of each pixel, whatever the image: "
      + ", ".join(f"{key} {value:.3f}" for key, value in by_place.items()))
six = slice(0, 6)
lesson.figure(plotting.prediction_grid(
    task.held.images[six], task.held.trimaps[six], {"usual": usual[six], "reshape": predict_classes(
        model, task.held.images[six])}, columns=2, title="The usual shape, and the reshaping model"), "predictions")

# %% [markdown]
# Its mean IoU is 0.513, with 0.622 for the object and 0.115 for the border. Lesson 12's model of 9 × 9 and 5 × 5
# kernels had 0.488 for the object and 0.249 for the border. So the object is better here, and the border worse. But
# lesson 12's six blocks of 3 × 3 had 0.703 and 0.428: both better than here, with 12,291 parameters. (Lesson 18
# compares all models, each with three seeds.) The usual shape, the same answer for every image, has a mean IoU of
# 0.365. What is above it comes from the images.
#
# In the figure, the model finds out where the pet is, and whether it lies or sits. Heads and bodies are blobs
# of a usual shape; ears, legs and tails are missing. The outlines are ragged, and the border is a thin broken line or
# a patch. In the last image the pet is small, and a large one is painted.
#
# What has the dense layer learned? A score is a sum over the numbers of the row. Seen from the other end: each number
# of the row adds one fixed image of scores, a *template* (its column of the weights), times its value. All that the
# model can ever draw is a sum of such templates and of the biases.
#
# **Predict:** what do the templates show? Are they smooth?


# %%
def towards_object(weight):
    """(3*S*S, inputs) -> (inputs, S, S): what each input adds to the score of object, minus that of background."""
    templates = weight.T.reshape(-1, 3, S, S)
    return templates[:, 0] - templates[:, 1]


def neighbors_alike(templates):
    """Return the correlation of horizontally neighboring numbers."""
    return float(np.corrcoef(templates[..., :-1].ravel(), templates[..., 1:].ravel())[0, 1])


learned = {"untrained": towards_object(untrained.layers[-2].weight.data), "trained": towards_object(dense.weight.data)}
alike = {name: neighbors_alike(templates) for name, templates in learned.items()}
print("correlation of neighboring weights: " + ", ".join(f"{name} {value:.2f}" for name, value in alike.items()))
as_at_first = np.corrcoef(untrained.layers[-2].weight.data.ravel(), dense.weight.data.ravel())[0, 1]
print(f"correlation of the trained weights with the untrained ones: {as_at_first:.2f}")


row = predict(Sequential(*encoding, flatten), task.held.images)        # (n, inputs)
# those first whose share in the scores varies most from image to image
most_used = np.argsort(-row.std(axis=0) * learned["trained"].std(axis=(1, 2)))[:8]
lesson.figure(plotting.image_rows({name: templates[most_used] for name, templates in learned.items()},
                                  title="Templates: red adds to object, blue to background", cell=96), "templates")

# %% [markdown]
# Before the training they are noise, after it heads, bodies and floors at certain places: a prediction is a sum of such
# templates. There is none for *this* tail.
#
# And they are grainy. At the start neighboring weights have nothing in common: their correlation is 0.00. After the
# training it is 0.42. Neighboring pixels mostly have the same class, so their weights get similar gradients. But most
# of the random start is still there: the trained weights have a correlation of 0.86 with the untrained ones.
#
# ## 7. "Problem?" (slide 23)
# **First: the size.** **Predict:** how many parameters does the dense layer have for images of twice the side? And what
# happens if you put such an image into our trained model?

# %%
twice = count([dense]) * 4                                             # as many inputs, four times as many outputs
print(f"for {2 * S} × {2 * S} pixels the dense layer would have {twice:,} parameters")
try:
    model.output_shape((1, 3, 2 * S, 2 * S))
except ValueError as error:
    print(f"ValueError: {error}")
else:
    raise AssertionError("a dense layer takes rows of one length only")

# %% [markdown]
# The convolutions would take the larger image, but it leaves 4 × 4 positions, and the row is too long for the dense
# layer. So this model has one size only.
#
# **Second: memorizing.** A model with 6.5 million parameters can store a lot. Compare its scores on training images
# with those on held-out images, after the training on all images; and again after a training on a twentieth of them,
# each of which is shown three times as often. As a control the 5 × 5 convolution of lesson 11 is trained on the same
# few images in the same way.
#
# **Predict:** in which of the three cases are the two scores far apart?

# %%
few = copy.copy(task)                                                  # the same task with fewer images to train on
few.train = task.train[:max(8, len(task.train) // 20)]
memorizer, convolution = reshape_segmenter(width, S, rng=lesson.seed), pixelwise((5,), width, rng=lesson.seed)
stopped = history.stopped
for name, one in {"few": memorizer, "few_5x5": convolution}.items():
    stopped |= few.fit(one, name, epochs=3 * task.epochs).stopped
cases = {f"reshape, {len(task.train)} images": (model, task.train[:200]),
         f"reshape, {len(few.train)} images": (memorizer, few.train),
         f"5 × 5, {len(few.train)} images": (convolution, few.train)}
memory = {}
for name, (one, seen) in cases.items():
    on_seen = segmentation_scores(one, seen.images, seen.trimaps, CLASSES)
    memory[name] = {"training images": on_seen["mean_iou"], "held-out images": task.scores(one)["mean_iou"]}
    print(f"{name:24}" + ", ".join(f"{key} {value:.3f}" for key, value in memory[name].items()))

# %% [markdown]
# With 1000 images hardly: 0.528 and 0.513. Each was shown six times only, so there was little time to memorize. With
# 50 images, shown 18 times each, the training images reach 0.432 and the held-out ones 0.368, which is no more than the
# usual shape has (0.365). So part of what it has learned holds for these images only (lesson 3), and with more epochs
# the gap grows: 30 instead of 18 gave 0.560 and 0.407. The convolution, with 1,299 parameters, has 0.349 and 0.325: it
# fits the few images less well, and what it has learned holds nearly as well for new ones.
#
# **Third: no weights are shared between positions.** A convolution uses the same weights at every position, so each
# pixel of each training image teaches all positions. In the dense layer each pixel has its own weights.
#
# **Predict:** let only one pixel have a gradient. How many weights of a dense layer get one, and how many of a
# convolution?

# %%
dy = np.zeros((1, 3, S, S), np.float32)
dy[0, :, S // 2, S // 3] = 1, -2, 1                                    # one pixel's scores shall change
own = Linear(8, 3 * S * S, rng=0)
own.forward(np.ones((1, 8), np.float32))
own.backward(dy.reshape(1, -1))
shared = Conv2d(3, 3, 3, padding="same", rng=0)
shared.forward(as_input(task.held.images[:1]) + 1)
shared.backward(dy)
for name, layer in {"dense": own, "convolution": shared}.items():
    print(f"{name}: {(layer.weight.grad != 0).sum()} of {layer.weight.grad.size:,} weights get a gradient")
assert np.flatnonzero(own.weight.grad.any(axis=1)).tolist() == [(k * S + S // 2) * S + S // 3 for k in range(3)]
assert (shared.weight.grad != 0).all()

# %% [markdown]
# In the dense layer only the three rows of weights that belong to this pixel change: what is learned about an ear at
# one pixel says nothing about ears at another. (The encoder before it is convolutional and shared.)
#
# So what happens when the image moves? A model is called *equivariant* to a move if its answer moves along:
# predict(moved(x)) = moved(predict(x)). We move the held-out images d pixels to the right (what comes in at the left is
# black), and compare the object pixels of both sides by their IoU: 1 if they are the same. What came in is not
# counted, and neither are the two columns at the right edge, where a 5 × 5 kernel meets the padding.
#
# Two controls say what a number below 1 means. *It does not notice:* the answer to the unmoved image in place of
# predict(moved(x)). And *black bar:* the images are not moved, but their d left columns are blackened; how much does
# the answer to the rest change?
#
# **Predict:** for each model: does the IoU stay 1?


# %%
def object_iou(a, b, d):
    """Return the IoU of the object pixels of two answers, without the left d and the right two columns."""
    a, b = (labels[..., d:-2] == 0 for labels in (a, b))
    either = (a | b).sum()
    return float((a & b).sum() / either) if either else 1.0


def moved_labels(labels, d):
    """Return labels moved to the right; what comes in at the left is background, class 1."""
    return 1 + moved(labels.astype(int) - 1, d)


def follows(model, images, d):
    """Return how well the answer moves along, and the two controls."""
    answer, black = predict_classes(model, images), images.copy()
    black[..., :d] = 0
    goal = moved_labels(answer, d)
    return {"moves along": object_iou(predict_classes(model, moved(images, d)), goal, d),
            "does not notice": object_iou(answer, goal, d),
            "black bar": object_iou(predict_classes(model, black), answer, d)}


images = task.held.images
distances = [d for d in (1, 2, 4, 8, 16) if d < S // 2]
followed = {name: [follows(one, images, d) for d in distances]
            for name, one in {"5 × 5": convolution, "reshape": model}.items()}
for name, rows in followed.items():
    for d, row in zip(distances, rows):
        print(f"{name:10} {d:>2} pixels: " + ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
assert min(row["moves along"] for row in followed["5 × 5"]) > 0.999
lines = {"5 × 5 convolution": [row["moves along"] for row in followed["5 × 5"]],
         "reshape": [row["moves along"] for row in followed["reshape"]],
         "reshape, black bar": [row["black bar"] for row in followed["reshape"]],
         "does not notice": [row["does not notice"] for row in followed["reshape"]]}
lesson.figure(plotting.line_chart({name: (distances, values) for name, values in lines.items()},
                                  "Does the answer move along? (IoU of object)", "moved by (pixels)", "",
                                  (0, 1), dashed=("reshape, black bar", "does not notice")), "follows")

# %% [markdown]
# The convolution's answer moves along exactly, apart from rounding. That is mathematics, and the training has nothing
# to do with it.
#
# The reshaping model's does not. For moves of 1 to 8 pixels its IoU is that of "does not notice", give or take 0.02:
# from 0.89 down to 0.57. Its answers are no closer to the moved ones than if it had not noticed the move. At 16 pixels
# it is 0.47 against 0.33: there it follows in part. (The poolings may have a part in that. Lesson 14 moves the
# images for a network that has poolings and no dense layer.)
#
# Not all of the loss is due to the move: the black bar alone brings the IoU down to 0.74 (8 pixels) or 0.79 (16). The
# encoder's values change, and through the dense layer each of them reaches every pixel. For the convolution the bar
# costs 0.04 at most, in the two columns beside it.

# %%
d, five = distances[-1], slice(0, 5)
truth = moved_labels(task.held.trimaps, d)
answer, of_moved = predict_classes(model, images), predict_classes(model, moved(images, d))
print(f"object IoU with the truth, the same pixels: unmoved {object_iou(moved_labels(answer, d), truth, d):.3f}, "
      f"moved by {d} {object_iou(of_moved, truth, d):.3f}")
lesson.figure(plotting.prediction_grid(
    moved(images[five], d), truth[five], {"old, moved": moved_labels(answer[five], d), "new answer": of_moved[five]},
    title=f"Moved by {d} pixels: the reshaping model, first five held-out images"), "moved")

# %% [markdown]
# The two right columns should be alike outside the bar. The new answer is drawn at about the new place, but as another
# shape: the head of the first pet is gone from the image, and a neck is painted all the same; in the fourth a
# sitting dog becomes a lying one. Against the truth the object IoU falls from 0.647 to 0.421. It has to learn
# everything again for each place.
#
# What is needed is a model with a receptive field as large as this one's, whose weights are shared between positions
# up to the last layer. That is lesson 14.
#
# ## Recap
# - An encoder of conv blocks and poolings gives the whole image as receptive field for 58 % of the multiply-adds of
#   lesson 12's model. A dense layer, reshaped, makes an image of what it leaves: 96 % of the 6.5 million parameters.
# - `Reshape` only cuts the numbers into other rows. For the dense layer before it the pixels are a list: each has its
#   own weights, and no weights are shared between positions. The last 3 × 3 convolution of slide 21 does not change
#   which functions the model can represent.
# - The model finds the pet (mean IoU 0.513, object 0.622) and draws a usual shape with a ragged outline (border 0.115).
#   When the image moves, the answer does not move along.
#
# **Write it yourself:** `pixel_shuffle`. `python -m lessons.exercises 13` puts a stub into
# `my/13_segmentation_reshape.py` and checks what you write.

# %%
lesson.finish(test=result.scores, usual=by_place, memory=memory,
              neighbors_alike=alike, moved_by=distances, moves_along=lines, first_loss=first_loss,
              last_loss=history[-1]["loss"], epochs=len(history), training_images=len(task.train),
              test_images=len(task.test), parameters=result.parameters, parameters_dense=count([dense]),
              share_dense=share, parameters_dense_slide=slide_dense, share_dense_slide=slide_share,
              receptive_field=result.receptive_field, training_seconds=result.seconds)
if lesson.as_intended and not stopped:
    assert result.scores["mean_iou"] > 0.45 and result.scores["iou_object"] > 0.55 and share > 0.9
    assert followed["reshape"][distances.index(8)]["moves along"] < 0.92

# %% [markdown]
# **Try:**
# 1. ★ `reshape_segmenter(width, 128, rng=0).summary((1, 3, 128, 128))`: the model for images of twice the side. You
#    should see 25,214,976 parameters in the dense layer, four times ours. How many did the convolutional part gain?
# 2. ★ Section 2 in training: give the model a pixel shuffle in place of its reshape,
#    `twin = Sequential(*reshape_segmenter(width, S, rng=lesson.seed).layers[:-1], *by_shuffle.layers)`, and the weights
#    of an untrained `one = reshape_segmenter(width, S, rng=lesson.seed)` in the other order,
#    `twin.layers[-3].weight.data[order] = one.layers[-2].weight.data`. Train both by `task.fit(..., epochs=1)`. You
#    should see the same loss, to 0.001. (The sums are the same, but the rounding is not.)
# 3. ★★ After section 5, `task.fit(with_conv, "dense_conv")` and `print(task.scores(with_conv))`: slide 21 with its last
#    convolution. The mean IoU should lie between 0.50 and 0.56. (For seed 0 you should see 0.509.)
# 4. ★★ Stir the pixels of all trimaps in the same way, before any training: set `task.augment = None`, and for `name`
#    in ("train", "test") `pets = getattr(task, name)`, `order = np.random.default_rng(1).permutation(S * S)`,
#    `stirred = pets.trimaps.reshape(len(pets), -1)[:, order].reshape(pets.trimaps.shape)`,
#    `setattr(task, name, dataclasses.replace(pets, trimaps=stirred))`. Train `reshape_segmenter` and `pixelwise((5,))`
#    with `epochs=2`, with and without stirring, and compare `task.scores`. The first should get a mean IoU between 0.36
#    and 0.42 both times, the second 0.33 without stirring and 0.20 (everything background) with it. Why?
# 5. ★★ How many templates does it need? After section 6, keep the n most used numbers of its `row` (`most_used` without
#    the `[:8]` has their order); set all others to their mean over the images. Make scores of it as in section 3, and
#    compute the mean IoU. For n = 64 it should lie between 0.42 and 0.46, for 256 between 0.49 and 0.51. Which of the
#    numbers printed in section 6 do you get for n = 0, and why?
# 6. ★★★ Can the model be taught to move along? Set `task.augment = Augment(crop=(1, 1), color=0, shift=0.25)` (from
#    `minidl.datasets.augment`) before the trainings. Which lines of `follows.png` rise? What becomes of the mean IoU?
