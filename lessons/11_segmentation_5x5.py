# %% [markdown]
# # 11 · Segmentation (2): a pixel and its neighbors
# Slides 17–18. *A pixel's color does not tell its class. What do the 5 × 5 pixels around it tell?*
#
# **New here:** the *receptive field*, the part of the image that a score can depend on: calculated layer by layer,
# measured by `backward`, and compared with the *effective* receptive field, which says how much each pixel matters.
# Texture, which a single pixel does not have. And what zero padding does at the edges of the image.
#
# **Needs:** `backward` (lesson 0), He initialization (lesson 2), convolution, padding, stride and pooling (lesson 4),
# the training of a segmentation network (lesson 10).
#
# **Time:** about 45 minutes to read, 12 seconds to run on two cores.

# %%
import numpy as np

from minidl import Conv2d, MaxPool2d, Sequential, pixelwise, plotting
from minidl.batches import as_input
from minidl.course.figures.windows import random_positions, windows_figure
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.metrics import confusion_matrix, mean_iou, pixel_accuracy
from minidl.step import predict, predict_classes
from minidl.tasks.segmentation.experiment import Segmentation
from minidl.tasks.segmentation.ladder import results_table
from minidl.tasks.segmentation.receptive_field import effective_receptive_field, influence, seen_pixels

lesson = Lesson("11_segmentation_5x5")
if lesson.size < 20:
    raise ValueError(f"--size: expected at least 20, for windows of 13 × 13 pixels, got {lesson.size}")
task = Segmentation(lesson)                # data, batches, loss, training: what lesson 10 does step by step
size, w = lesson.size, lesson.width

# %% [markdown]
# ## 1. The model
# It is lesson 10's, with one number changed: the first kernel is 5 × 5. The last convolution stays 1 × 1.
#
# **Predict:** how many parameters does it have, for `width` w? With a 1 × 1 kernel there were 9w + 3.

# %%
model = pixelwise((5,), w, rng=lesson.seed)
shape = (1, 3, size, size)
model.summary(shape)
assert sum(p.data.size for p in model.parameters()) == 9 * w + 3 + (25 - 1) * 3 * w
lesson.figure(plotting.diagram(model, shape, title="As in lesson 10, except for the first kernel"), "model")

# %% [markdown]
# In lesson 10 the scores were a function of one color, three numbers. Now they are a function of a window, 75 numbers.
# Here is that function in plain NumPy. Padding "same" puts two rows and columns of zeros around the image, so that
# every pixel has a window, also in the corner.


# %%
def scores_of(window):
    """(3, 5, 5) -> (3,): the pixels around a pixel in, its three scores out."""
    conv, norm, _, last = model.layers
    hidden = (conv.weight.data * window).sum(axis=(1, 2, 3)) + conv.bias.data                            # (w,)
    hidden = (hidden - norm.running_mean) / np.sqrt(norm.running_var + norm.eps)
    hidden = norm.weight.data * hidden + norm.bias.data
    return last.weight.data[:, :, 0, 0] @ np.maximum(hidden, 0) + last.bias.data                         # (3,)


image = as_input(task.test.images[:1])                                 # (1, 3, H, W)
scores = predict(model, image)
padded = np.pad(image[0], ((0, 0), (2, 2), (2, 2)))                    # (3, H + 4, W + 4)
m = size // 2
for row, column in ((m, m), (0, 0), (size - 1, m)):
    window = padded[:, row:row + 5, column:column + 5]                 # its middle is pixel (row, column) of the image
    assert np.allclose(scores_of(window), scores[0, :, row, column], atol=1e-4)
    print(f"pixel ({row}, {column}): scores {scores_of(window).round(2)}, {np.sum(window[0] == 0)} zeros in the window")

# %% [markdown]
# ## 2. The receptive field, measured
# The *receptive field* of a score is the set of the image's pixels that it can depend on. For this model we have just
# seen it: the window. For a deep network one can measure it. Put random numbers into dy at one pixel, zeros elsewhere,
# and go `backward`: the pixels whose gradient is not 0 move the score.
#
# Two details. A ReLU that is 0 lets no gradient through, so we try several random images. And batch norm must be in
# eval mode. **Predict:** which pixels get a gradient in training mode, and why?


# %%
def moves(model, row, column):
    """Return which pixels of the first image move the scores of its pixel (row, column): (H, W) of bool."""
    rng = np.random.default_rng(0)
    seen = np.zeros((size, size), bool)
    for _ in range(4):
        y = model.forward(rng.random(shape, dtype=np.float32))
        dy = np.zeros_like(y)
        dy[0, :, row, column] = rng.normal(size=3)
        seen |= (model.backward(dy)[0] != 0).any(axis=0)
    return seen


measured = pixelwise((5,), 16, rng=0)                                  # untrained: the weights do not matter here
for name, (row, column) in {"middle": (m, m), "corner": (0, 0)}.items():
    assert np.array_equal(moves(measured.eval(), row, column), seen_pixels(measured, shape, row, column))
    rows, columns = np.nonzero(moves(measured, row, column))
    print(f"{name}: {len(rows)} pixels, rows {rows.min()} to {rows.max()}, columns {columns.min()} to {columns.max()}")
print(f"middle, in training mode: {moves(measured.train(), m, m).sum()} of {size**2} pixels")
assert moves(measured.eval(), m, m).sum() == 25 and moves(measured, 0, 0).sum() == 9

# %% [markdown]
# The middle pixel has a receptive field of 5 × 5. In the corner only 9 of the 25 numbers are pixels, the other 16 are
# zeros. In training mode all 4096 pixels get a gradient: batch norm subtracts the mean of all pixels and divides by
# their standard deviation, so each pixel moves each score a little. In eval mode these two are fixed numbers. The
# receptive field means what is left then.
#
# ## 3. The receptive field, calculated
# What if there are several layers? Walk along the chain, from the image to the scores, and keep two numbers for the map
# after each layer:
#
# - r, the side of the square of image pixels that one position of the map depends on. For the image itself r = 1.
# - jump, how many image pixels lie between two neighboring positions of the map. For the image itself jump = 1.
#
# A layer with a k × k kernel takes k positions side by side. The first of them depends on r pixels. Each of the k − 1
# others begins one jump further. Together they cover r + (k − 1) · jump pixels. And a layer of stride s takes only
# every s-th position, so that its jump is s times as large.
#
# **Predict:** r for two 5 × 5 convolutions; and for a 3 × 3 convolution, a 2 × 2 pooling, and one more 3 × 3.


# %%
def side_of(layers):
    """Return r of a chain of layers; those without a kernel (batch norm, ReLU) change nothing."""
    r, jump = 1, 1
    for layer in layers:
        if hasattr(layer, "kernel_size"):
            r += (layer.kernel_size[0] - 1) * jump
            jump *= layer.stride[0]
    return r


def measured_side(model):
    """Return the side of the box around the pixels that move a position in the middle of the output."""
    *_, height, width = model.output_shape(shape)
    rows = np.flatnonzero(seen_pixels(model, shape, height // 2, width // 2).any(axis=1))
    return rows[-1] - rows[0] + 1


def conv(channels, stride=1):
    return Conv2d(channels, 8, 3, padding=1, stride=stride, rng=0)


chains = {"1 × 1": pixelwise((1,), 16, rng=0), "5 × 5": measured, "5 × 5, 5 × 5": pixelwise((5, 5), 16, rng=0),
          "9 × 9, 5 × 5": pixelwise((9, 5), 16, rng=0), "six of 3 × 3": pixelwise((3,) * 6, 16, rng=0),
          "3 × 3, pooling, 3 × 3": Sequential(conv(3), MaxPool2d(2), conv(8)),
          "3 × 3 with stride 2, 3 × 3": Sequential(conv(3, stride=2), conv(8))}
for name, chain in chains.items():
    print(f"{name:28} calculated {side_of(chain.layers):2}, measured {measured_side(chain):2}")
    assert side_of(chain.layers) == measured_side(chain)

# %% [markdown]
# Convolutions of stride 1 add up: each adds k − 1, whatever their order. After a pooling the jump is 2, and a 3 × 3
# kernel adds 4 instead of 2: 1 + 2 + 1 + 4 = 8. Lesson 12 stacks convolutions, lesson 13 has
# poolings between them.
#
# ## 4. What can 25 pixels tell?
# Here are six pixels of an image, two of each class. First each by itself, which is all that lesson 10 had. Below, what
# is around it.
#
# **Predict** the class of each: from the color, then from the window, then by looking at the image.

# %%
example = min(3, len(task.test) - 1)
rng = np.random.default_rng(lesson.seed + 1)
positions = random_positions(task.test.trimaps[example], 6, 2, rng)
lesson.figure(windows_figure(task.test.images[example], positions, (1, 5), "Six pixels, and 5 × 5 pixels around each"),
              "windows")
named = {name: CLASSES[task.test.trimaps[example][at]] for name, at in zip("abcdef", positions)}
print("truth: " + ", ".join(f"{name} {label}" for name, label in named.items()))

# %% [markdown]
# A window can be smooth or rough, and it can have an edge in it. Take one number that a pixel alone does not have: the
# *roughness*, the standard deviation of the brightness in the window. Sort the pixels of 300 training images by it,
# into ten groups of the same size.
#
# **Predict:** in which groups is the background, in which the border?


# %%
def roughness(images):
    """(n, 3, H, W) uint8 -> (n, H-4, W-4): standard deviation of the brightness in each 5 x 5 window, 0 to 128."""
    bright = images.mean(axis=1, dtype=np.float32)                     # (n, H, W)
    return np.stack([np.lib.stride_tricks.sliding_window_view(one, (5, 5)).std(axis=(2, 3)) for one in bright])


def inner(trimaps):
    """(n, H, W) -> (n, H-4, W-4): only the pixels whose windows lie in the image."""
    return trimaps[:, 2:-2, 2:-2]


some = task.train[:300]
values, classes = roughness(some.images), inner(some.trimaps)
edges = np.quantile(values, np.linspace(0, 1, 11))[1:-1]               # the nine limits between ten groups
groups = np.searchsorted(edges, values)                                # (n, H-4, W-4): 0 to 9
counts = np.stack([np.bincount(groups[classes == k], minlength=10) for k in range(3)])     # (3, 10)
shares = counts / np.maximum(1, counts.sum(axis=0))
print("limits of the groups: " + " ".join(f"{edge:.0f}" for edge in edges))
for name, row in zip(CLASSES, shares):
    print(f"{name:10} " + " ".join(f"{share:4.0%}" for share in row))
lesson.figure(plotting.line_chart(dict(zip(CLASSES, shares)), "Share of each class, from smooth to rough windows",
                                  "tenth of the pixels, from the smoothest to the roughest", "", (0, 1)), "roughness")

# %% [markdown]
# Of the smoothest tenth more than 99 % are background. The rougher the window, the less background there is: in the
# roughest tenth 43 % are object and 42 % border.
#
# These images are rendered, so the same numbers were measured on the 665 photographs of lesson 5. There the smoothest
# tenth is background to 99 %, too. Object rises to 43 %, in the eighth tenth, and falls to 23 % in the roughest. Border
# rises to 40 %.
#
# So here is a rule: for each group, the class that most of its training pixels have. **Predict:** one number per pixel,
# and no color at all. Is it better on held-out images than the 1 × 1 network?

# %%
rule = counts.argmax(axis=0)                                           # (10,) classes
guess, truth = rule[np.searchsorted(edges, roughness(task.test.images))], inner(task.test.trimaps)
matrix = confusion_matrix(truth, guess, 3)
background = float((truth == 1).mean())
print("rule: " + ", ".join(CLASSES[k] for k in rule))
print(f"by roughness alone: {pixel_accuracy(matrix):.1%} of the pixels right, mean IoU {mean_iou(matrix):.3f}; "
      f"all background: {background:.1%}, {background / 3:.3f}")

# %% [markdown]
# It gets 63.3 % of the pixels right, where all background gets 56.0 % (without the outermost pixels, which are mostly
# background). The mean IoU is 0.331. The 1 × 1 network had 0.200. On the photographs the rule gets 53.7 %, and all
# background 51.2 %; its mean IoU is 0.320. Lesson 10's best table of colors had a mean IoU of 0.240 here, and of 0.266
# on the photographs.
#
# ## 5. Training
# Loss, images, their order and the number of epochs are lesson 10's. Only the model changes. There, a loss of 0.920
# meant "knows the shares of the classes", and 0.842 "knows the color" (the table of 4096 colors).
#
# **Predict:** where does the loss begin, and between which of these does it end, or below?

# %%
first_loss = task.first_loss(model)
initial = model.layers[0].weight.data.copy()                           # (w, 3, 5, 5)
before = influence(model, task.test.images[:8], 2)                     # for section 7
print(f"loss before training: {first_loss:.3f}")
history = task.fit(model)
print("mean loss of each epoch: " + " ".join(f"{epoch['loss']:.3f}" for epoch in history))

# %% [markdown]
# It starts at 1.291: random scores, as in lesson 10. In the last epoch it is 0.748, which is 0.094 below the table of
# colors.
#
# ## 6. The result
# **Predict:** which class gains most, compared with 1 × 1? Which mistakes must remain if all is decided from 25 pixels?

# %%
result = task.result("5 × 5", model, history)
results = task.results_up_to(result)
print(results_table(results))
predicted = predict_classes(model, task.test.images)                   # (n, H, W)
rough = roughness(task.test.images)
for name, k in (("object", 0), ("background", 1)):
    for low, high in ((0, 5), (5, 20), (20, 128)):
        here = (truth == k) & (rough >= low) & (rough < high)
        called = np.bincount(inner(predicted)[here], minlength=3) / max(1, here.sum())
        print(f"true {name}, roughness {low} to {high}: {here.sum():,} pixels, called "
              + ", ".join(f"{share:.0%} {label}" for share, label in zip(called, CLASSES)))
six = slice(0, 6)
lesson.figure(plotting.prediction_grid(
    task.test.images[six, :, 2:-2, 2:-2], truth[six], {"by roughness": guess[six], "5 × 5": inner(predicted)[six]},
    columns=2, title="Held-out images: the rule of section 4, and the network"), "predictions")

# %% [markdown]
# The mean IoU is 0.379. With 1 × 1 kernels it was 0.200. Object gains most, from 0.000 to 0.290; the border comes to
# 0.163, the background to 0.682. (Lesson 18 trains each model with three seeds. This gap is far larger than what they
# differ by.)
#
# In the figure both find what is rough, on the pet and beside it: the edge of a window in the second image, the floor
# of the fifth, the dotted wall of the last. The rule draws thick bands along edges. The network draws thinner lines,
# some of them with border beside them. The wall of the first image is full of speckles; there the rule has fewer.
# Neither fills the pets.
#
# The counts say which mistakes must remain. All of the object's pixels in smooth windows (roughness below 5) are called
# background, and so are 76 % of those with a roughness between 5 and 20. In rough windows 34 % are. Of the background
# in rough windows 35 % is called object. From 25 pixels, the smooth part of a coat looks like a wall, and a rough
# wall like a coat.
#
# ## 7. The effective receptive field
# The receptive field says which pixels *can* matter, not how much they do. To measure how much, take the score of the
# predicted class (above the mean of the three), and its gradient with respect to the image. The larger its absolute
# value at a pixel, the more a small change of that pixel changes the score. Scale these numbers to the sum 1, and
# average over images and pixels: the *influence* of each position in the window.
#
# **Predict:** do all 25 positions matter equally, before the training and after it?


# %%
def spread(model, images, reach):
    """Return the influence of the pixels around a pixel: (2 reach + 1, 2 reach + 1), with the sum 1."""
    x = as_input(images)
    total = np.zeros((2 * reach + 1, 2 * reach + 1))
    for row, column in [(m + a, m + b) for a in (-3, 0, 2) for b in (-3, 0, 2)]:
        y = model.forward(x)                                           # (n, 3, H, W)
        dy = np.zeros_like(y)
        dy[:, :, row, column] = -1 / 3
        dy[np.arange(len(y)), y[:, :, row, column].argmax(axis=1), row, column] += 1
        moved = np.abs(model.backward(dy)).sum(axis=1, dtype=np.float64)                   # (n, H, W)
        moved /= np.maximum(1e-30, moved.sum(axis=(1, 2), keepdims=True))
        total += moved.sum(axis=0)[row - reach:row + reach + 1, column - reach:column + reach + 1]
    return total / total.sum()


after = spread(model.eval(), task.test.images[:8], 2)
assert np.allclose(after, influence(model, task.test.images[:8], 2), atol=1e-4)
effective = effective_receptive_field(model, task.test.images[:8])     # side of the smallest square with 90 % of it
print(f"influence of each pixel of the window, in percent, after the training:\n{(100 * after).round(1)}")
print(f"middle 3 × 3: {before[1:4, 1:4].sum():.0%} before, {after[1:4, 1:4].sum():.0%} after the training "
      f"(if all were equal: {9 / 25:.0%}); 90 % lie in {effective} × {effective} pixels")

# %% [markdown]
# About equally. Each pixel has 3 to 6 % of the influence. The middle 3 × 3 have 33 % before the training and 34 %
# after it; if all were equal, they would have 36 %. For this model the theoretical and the effective receptive field
# agree.
#
# In a chain this is different, and that can be counted. Leave out ReLU, and draw the weights at random, independently,
# with the mean 0. The gradient at a pixel is a sum over all *paths* from the pixel to the score. A path takes one tap
# (one number of the kernel) in each layer, and its part of the sum is the product of their weights. In the square of
# the sum, the products of two different paths have the mean 0. So the mean squared gradient is proportional to the
# number of paths. A pixel at the edge of the receptive field has few paths, one in the middle has many.
#
# **Predict:** three chains with a receptive field of 13 × 13: one kernel of 13, kernels of 9 and 5, six kernels of 3.
# How do the numbers of paths go, along one row?


# %%
def paths(kernels):
    """Return for each pixel of a row from how many choices, one tap of each kernel, it is reached."""
    counted = np.ones(1, int)
    for k in kernels:
        counted = np.convolve(counted, np.ones(k, int))                # longer by k - 1
    return counted


thirteen = {"13": (13,), "9, 5": (9, 5), "six of 3": (3,) * 6}
for name, kernels in thirteen.items():
    ones = Sequential(*[Conv2d(1, 1, k, padding="same", bias=False) for k in kernels]).astype(np.float64)
    for layer in ones.layers:
        layer.weight.data[...] = 1                                     # then the gradient *is* the number of paths
    dy = ones.forward(np.zeros((1, 1, 25, 25)))
    dy[0, 0, 12, 12] = 1
    counted = paths(kernels)
    assert np.array_equal(ones.backward(dy)[0, 0, 6:19, 6:19], np.outer(counted, counted))
    share = counted / counted.sum()
    deviation = np.sqrt(np.sum(share * np.arange(-6, 7)**2))
    assert np.isclose(deviation, np.sqrt(sum((k * k - 1) / 12 for k in kernels)))
    print(f"{name:9} paths {' '.join(map(str, counted))}; standard deviation {deviation:.2f} pixels, middle 7 × 7: "
          f"{share[3:10].sum()**2:.0%}")
lesson.figure(plotting.line_chart({name: (np.arange(-6, 7), paths(kernels) / paths(kernels).sum())
                                   for name, kernels in thirteen.items()}, "Share of the paths to each pixel of a row",
                                  "distance from the middle (pixels)"), "paths")

# %% [markdown]
# All three have the same receptive field. Of the paths of the single kernel, 29 % begin in the middle 7 × 7 pixels, of
# the pair's 54 %, of the six small kernels' 85 %. The assert has the formula: a choice among k taps has the variance
# (k² − 1)/12, and the variances of independent choices add up. For n kernels of 3 that is 2n/3.
#
# W. Luo, Y. Li, R. Urtasun and R. Zemel ("Understanding the Effective Receptive Field in Deep Convolutional Neural
# Networks", NIPS 2016) worked this out. The *effective* receptive field of such a chain has the form of a Gaussian.
# With n layers its width grows like √n, while the theoretical one grows like n. They also found that training makes it
# larger. So "a receptive field of 13 × 13" is only an upper limit. Lesson 12 measures what trained networks make of it.
#
# ## 8. What the zeros do
# At an edge of the image the window reaches into the padding. Zeros are black, and the model is not told that they are
# not pixels. Without padding there would be none, and only 60 × 60 scores for 64 × 64 pixels. The frame of two pixels,
# whose windows have zeros, is 12 % of the image.
#
# We can compare: surround the *image* with two rows and columns that repeat its outermost pixels, and cut the scores
# back to the image's size. Then no window of the image has a zero. The model stays as it was trained.
#
# **Predict:** at which pixels do the scores change? What does the model take the black edge for?

# %%
around = np.pad(task.test.images, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")          # (n, 3, H + 4, W + 4)
repeated = predict(model, around[:8])[:, :, 2:-2, 2:-2]                # (8, 3, H, W)
with_zeros = predict(model, task.test.images[:8])
assert np.allclose(repeated[:, :, 2:-2, 2:-2], with_zeros[:, :, 2:-2, 2:-2], atol=1e-4)
frame = np.ones((size, size), bool)
frame[2:-2, 2:-2] = False
assert frame.sum() == size**2 - (size - 4)**2
true, zeros = task.test.trimaps[:, frame], predicted[:, frame]         # (n, pixels of the frame)
answers = {"truth": true, "zeros": zeros, "edge repeated": predict_classes(model, around)[:, 2:-2, 2:-2][:, frame]}
print(f"frame: {frame.mean():.0%} of the pixels")
right = {}
for name, answer in answers.items():
    called = np.bincount(answer.ravel(), minlength=3) / answer.size
    right[name] = float((answer == true).mean())
    print(f"{name:14}" + ", ".join(f"{share:.1%} {label}" for share, label in zip(called, CLASSES))
          + f"; {right[name]:.1%} right")

# %% [markdown]
# Only the scores of the frame change (the first assert). With the zeros, the model calls 93.5 % of the frame
# background. With repeated pixels it is 87.2 %, and 10.7 % are called object in place of 3.8 %. The truth is 89.1 %
# background and 5.2 % object.
#
# So the zeros help a little here: 87.4 % of the frame is right, and 85.3 % without them. A black edge tells the model
# that the image ends, and there is mostly background at the ends. It has learned that in its training. A model trained
# with repeated pixels would have learned something else, so these numbers do not say which padding is better (exercise
# 5). They say that scores near an edge depend on the padding. In a deep network that reaches further: each layer with
# padding brings its own zeros. M. A. Islam, S. Jia and N. Bruce ("How Much Position Information Do Convolutional Neural
# Networks Encode?", ICLR 2020) found that networks learn from such zeros where in the image they are.
#
# ## 9. The filters of the first layer
# Each of the w kernels has 5 × 5 numbers for red, green and blue: a small image, drawn with medium gray for 0. A filter
# answers most strongly where the image looks like it. One that is light on one side and dark on the other finds edges.
# One that has the same color all over measures brightness, or that color.
#
# **Predict:** what do they look like before the training, after it, and what about the difference, which the training
# added?


# %%
def as_images(weight):
    """(w, 3, 5, 5) -> the same as images in [0, 1]; each filter is scaled by its largest number, 0 becomes gray."""
    return 0.5 + 0.5 * weight / np.maximum(1e-12, np.abs(weight).max(axis=(1, 2, 3), keepdims=True))


def smoothness_of(weight):
    """Return the correlation of weights with their right-hand neighbors: 0 for noise, near 1 for smooth filters."""
    return float(np.corrcoef(weight[..., :-1].ravel(), weight[..., 1:].ravel())[0, 1])


learned = model.layers[0].weight.data
stages = {"initial": initial, "trained": learned, "added": learned - initial}
smoothness = {name: smoothness_of(weight) for name, weight in stages.items()}
print("correlation of neighboring weights: " + ", ".join(f"{name} {value:.2f}" for name, value in smoothness.items()))
by_use = np.argsort(-np.abs(model.layers[-1].weight.data).max(axis=(0, 2, 3)))[:12]        # most used first
lesson.figure(plotting.image_rows({name: as_images(weight[by_use]) for name, weight in stages.items()},
                                  title="Filters of the first layer, the most used ones first", cell=60), "filters")

# %% [markdown]
# The trained filters still look random: neighboring weights have a correlation of 0.12, at the start it was 0.02. Six
# epochs have moved the weights little. What was added is smooth (0.60). In some columns it is lighter on one side than
# on the other, as in the first two; in others it has one color all over.
#
# ## Recap
# - The receptive field of a chain: r grows by (k − 1) · jump per layer, and jump grows by the stride. `backward`
#   measures the same. It is the part of the image that can matter; the effective receptive field says how much it does.
# - What 25 pixels tell is texture and edges. The mean IoU rises from 0.200 to 0.379; a rule by roughness alone has
#   0.331. Smooth parts of the pet stay background.
# - Zero padding puts a black frame around the image. Scores near the edges depend on it: the model takes it as a sign
#   of background.
#
# **Write it yourself:** `receptive_field`. `python -m lessons.exercises 11` puts a stub into
# `my/11_segmentation_5x5.py` and checks what you write.

# %%
lesson.finish(test=result.scores, by_roughness={"pixel_accuracy": pixel_accuracy(matrix), "mean_iou": mean_iou(matrix)},
              filter_smoothness=smoothness, right_in_frame={name: right[name] for name in ("zeros", "edge repeated")},
              effective_receptive_field=effective,
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(task.train), test_images=len(task.test), parameters=result.parameters,
              receptive_field=result.receptive_field, training_seconds=result.seconds)
if lesson.as_intended and not history.stopped:
    assert result.scores["mean_iou"] > 0.34 and result.scores["iou_border"] > 0.1
    assert smoothness["added"] > 0.4 > smoothness["trained"] > smoothness["initial"]
    assert pixel_accuracy(matrix) > background                         # roughness says more than nothing
    assert all(result.scores["mean_iou"] > r.scores["mean_iou"] for r in results[:-1])

# %% [markdown]
# **Try:**
# 1. ★ Receptive fields at the upper edge: how many pixels does `seen_pixels(measured, shape, 0, 30).sum()` count? You
#    should see 15. And for the chain `pixelwise((9, 5), 16, rng=0)`? (7 × 13 = 91.)
# 2. ★ `side_of([Conv2d(3, 8, 3), MaxPool2d(2)] * 3)`: three blocks of convolution and pooling. Go through r and jump by
#    hand, layer by layer. You should get 22.
# 3. ★★ Train on gray images. After the first cell, with `import dataclasses`, for `name` in ("train", "test"):
#    `pets = getattr(task, name)`, `gray = pets.images.mean(axis=1, keepdims=True).repeat(3, axis=1).astype(np.uint8)`,
#    and `setattr(task, name, dataclasses.replace(pets, images=gray))`. The mean IoU should lie between 0.34 and 0.38.
#    How much of this lesson's result was color, how much texture?
# 4. ★★ `pixelwise((3, 3), w, rng=lesson.seed)` in section 1, without the assert, the diagram and the check of
#    `scores_of`, and without section 9: two layers, the same receptive field. Calculate the number of parameters first.
#    The mean IoU should lie between 0.44 and 0.48. Lesson 12 asks why.
# 5. ★★★ Train with repeated pixels in place of zeros: enlarge the training images as in section 8, and let the loss
#    look at the middle of the scores only. (`CrossEntropyLoss(ignore_index=...)` and trimaps with that label in the
#    frame do it.) Are the scores in the frame better than with zeros, for three seeds?
