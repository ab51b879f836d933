# %% [markdown]
# # 14 · FCN: only convolutions, and coarse scores enlarged
# Slide 24. *Can a network use the whole image, and still answer for every pixel at its own position?*
#
# **New here:** the *fully convolutional network* (FCN) of Long, Shelhamer and Darrell: a dense layer that is moved
# over maps; *transposed convolutions*, which enlarge coarse scores; and scores of several resolutions, *added*.
#
# **Needs:** "forks add" (lesson 0), convolution and its backward (lesson 4), Adam (lesson 2), 1 × 1 convolutions and
# `Segmentation` (lesson 10), the encoder and its dense layer (lesson 13).
#
# **Time:** about 45 minutes to read, 95 seconds to run on two cores.

# %%
import copy

import numpy as np

from minidl import Adam, Conv2d, ConvTranspose2d, CrossEntropyLoss, Linear, Parameter, Upsample, fcn, plotting
from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.datasets.augment import moved
from minidl.datasets.pets import CLASSES
from minidl.metrics import confusion_matrix, scores
from minidl.models import enlarge
from minidl.step import predict, predict_classes
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation, segmentation_scores
from minidl.tasks.segmentation.ladder import results_table

lesson = Lesson("14_fcn")
task = Segmentation(lesson)
rng = np.random.default_rng(lesson.seed)

# %% [markdown]
# ## 1. A dense layer, moved over maps, is a convolution
# Lesson 13 ended in a dense layer with weights of its own for each pixel of the image. A *classifier*, too, ends in a
# dense layer. On maps of C channels and k × k positions it has C · k · k weights per class. A convolution with
# kernels of k × k has just as many, and on k × k positions there is only one place to put such a kernel.
#
# **Predict:** give both layers the same weights. What does the convolution return for maps of 4 × 4 positions, where
# the dense layer fails? Take k = 2 and k = 1.

# %%
maps = rng.normal(size=(1, 8, 4, 4)).astype(np.float32)                # (N, C, H, W)
for k in (2, 1):
    dense, convolution = Linear(8 * k * k, 3, rng=rng), Conv2d(8, 3, k, rng=rng)
    convolution.weight.data[...] = dense.weight.data.reshape(3, 8, k, k)
    convolution.bias.data[...] = dense.bias.data
    score_maps = convolution.forward(maps)                             # (1, 3, 5 - k, 5 - k)
    for i, j in np.ndindex(score_maps.shape[2:]):
        window = maps[:, :, i:i + k, j:j + k].reshape(1, -1)           # (1, 8 k k)
        assert np.allclose(score_maps[:, :, i, j], dense.forward(window), atol=1e-5)
    print(f"k = {k}: maps {maps.shape[1:]} -> scores {score_maps.shape[1:]}")

# %% [markdown]
# It returns the dense layer's answer for each window. So a classifier becomes a map of class scores, for images of
# any size, with one set of weights for all positions. The paper does this to VGG-16, a classifier with three dense
# layers. The first becomes a 7 × 7 convolution, the second a 1 × 1 convolution. The third scored other classes, so a
# new 1 × 1 convolution takes its place.
#
# Our encoder was no classifier before. We put only the last step after it: a 1 × 1 convolution that turns the
# channels of each position into three scores.
#
# **Predict:** lesson 13's dense layer had 6.3 million parameters. How many does this one have, for 128 channels?

# %%
channels = 8 * lesson.width
score = Conv2d(channels, 3, 1)
row_length = channels * 2 * 2                                          # lesson 13: 2 × 2 positions, as one row
print(f"dense layer {(row_length + 1) * 3 * lesson.size**2:,} parameters, 1 × 1 convolution "
      f"{sum(p.data.size for p in score.parameters()):,}")

# %% [markdown]
# (128 + 1) · 3 = 387, for all positions together. But after five poolings, the map of scores is 32 times smaller than
# the image: 2 × 2 positions for 64 × 64 pixels. In such a model, the *stride* of a map is the number of the image's
# pixels from one position to the next. Here it is 32. The scores must be enlarged, and for this the paper uses a
# layer that can learn how.
#
# ## 2. The transposed convolution
# A convolution collects: each output pixel is a weighted sum of the input pixels under its kernel. A *transposed*
# convolution paints: each input pixel paints its kernel, multiplied by its value, onto the output. Where painted
# kernels overlap, they add up. The stride is the distance between two of them on the output, and padding P cuts P
# rows and columns off on each side.
#
# **Predict:** 3 × 3 pixels, a 4 × 4 kernel, stride 2, P = 1: how large is the output?


# %%
def painted(x, kernel, stride, padding):
    """(H, W) -> (Ho, Wo): each pixel of x paints the kernel, times its value."""
    (H, W), k = x.shape, len(kernel)
    y = np.zeros(((H - 1) * stride + k, (W - 1) * stride + k))
    for i, j in np.ndindex(H, W):
        y[i * stride:i * stride + k, j * stride:j * stride + k] += x[i, j] * kernel
    return y[padding:y.shape[0] - padding, padding:y.shape[1] - padding]


layer = ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False, rng=rng).astype(np.float64)
x = rng.normal(size=(3, 3))
y = painted(x, layer.weight.data[0, 0], stride=2, padding=1)
assert np.allclose(layer.forward(x[None, None])[0, 0], y) and y.shape == (6, 6)

# %% [markdown]
# (3 − 1) · 2 + 4 − 2 · 1 = 6: twice the size. We have met this painting before. In lesson 4, the backward of a
# convolution stamped the kernel onto dx once per position, multiplied by dy, and added the stamps. It is the same
# computation, and that is where the name comes from.
#
# A convolution is linear, so on rows of 5 pixels it is a matrix C. Backward multiplies dy by Cᵀ (lesson 0). The
# transposed convolution multiplies its *input* by Cᵀ.
#
# **Predict:** C, for a kernel (1, 2, 3) and stride 2. How many rows and columns does it have?

# %%
convolution = Conv2d(1, 1, (1, 3), stride=(1, 2), bias=False).astype(np.float64)
transposed = ConvTranspose2d(1, 1, (1, 3), stride=(1, 2), bias=False).astype(np.float64)
for layer in (convolution, transposed):
    layer.weight.data[...] = [1, 2, 3]
# What a linear layer makes of the rows of an identity matrix are the columns of its matrix.
C = convolution.forward(np.eye(5)[:, None, None])[:, 0, 0].T           # (2, 5): 5 pixels in, 2 out
painting = transposed.forward(np.eye(2)[:, None, None])[:, 0, 0].T     # (5, 2): 2 pixels in, 5 out
print(f"C, the convolution\n{C.astype(int)}\nthe transposed convolution\n{painting.astype(int)}")
assert np.array_equal(painting, C.T)

# %% [markdown]
# Each row of C is the kernel at one position, and each column of Cᵀ is the kernel, painted at one position. The
# middle pixel lies under both kernels; there, 3 and 1 add up. The same holds for images, channels and padding, with
# the same weights: forward of one is backward of the other.

# %%
convolution = Conv2d(3, 8, 4, stride=2, padding=1, bias=False, rng=rng)            # (N, 3, 8, 8) -> (N, 8, 4, 4)
transposed = ConvTranspose2d(8, 3, 4, stride=2, padding=1, bias=False, rng=rng)    # (N, 8, 4, 4) -> (N, 3, 8, 8)
transposed.weight.data[...] = convolution.weight.data                  # both (8, 3, 4, 4)
x = rng.normal(size=(2, 3, 8, 8)).astype(np.float32)
dy = rng.normal(size=convolution.forward(x).shape).astype(np.float32)
y = transposed.forward(dy)
assert np.allclose(y, convolution.backward(dy), atol=1e-4)
assert np.allclose(transposed.backward(x), convolution.forward(x), atol=1e-4)
assert not np.allclose(transposed.forward(convolution.forward(x)), x, atol=0.1), "CᵀC is not the identity"

# %% [markdown]
# Its other name, deconvolution (the paper's), promises too much: as the last assert shows, it does not undo the
# convolution. It has the shapes of the way back, and weights that can be learned.
#
# ## 3. Tents
# With which kernel should the learning start? To enlarge s times, `enlarge` in `minidl/models.py` takes stride s, a
# kernel of 2s × 2s, and a *tent* for each class. In the middle the tent is nearly 1. From there it falls in straight
# lines, and reaches 0 at the middle of the neighboring tents.
#
# **Predict:** the row 1, 5, 4, 8 is enlarged 8 times. What do the painted tents add up to between two of the values?
# And beyond the last?


# %%
def tents(n, s):
    """Return the matrix (s n, n) that enlarges a row of n numbers s times: column k is the tent of number k."""
    tent = 1 - np.abs(np.arange(2 * s) - (s - 0.5)) / s                # (2 s,)
    T = np.zeros((s * (n + 1), n), np.float32)
    for k in range(n):
        T[k * s:(k + 2) * s, k] = tent
    return T[s // 2:-s // 2]                                           # padding s / 2 cuts the ends off


values, T = np.array([1, 5, 4, 8], np.float32), tents(4, 8)            # (4,), (32, 4)
bilinear = Upsample((1, 8), "bilinear").forward(values.reshape(1, 1, 1, 4)).ravel()                    # (32,)
assert np.allclose((T @ values)[4:-4], bilinear[4:-4], atol=1e-5)
print("beyond the last value:", (T @ values)[-4:].round(2))
x = rng.normal(size=(1, 3, 4, 4)).astype(np.float32)
assert np.allclose(enlarge(3, 8).forward(x), T @ x @ T.T, atol=1e-5), "images: along the columns, then along the rows"
at = (np.arange(32) + 0.5) / 8 - 0.5                                   # where the new pixels lie, in old pixels
lines = {**{f"{value:g} × tent": (at, value * tent) for value, tent in zip(values, T.T)},
         "sum of the tents": (at, T @ values), "bilinear": (at, bilinear)}
lesson.figure(plotting.line_chart(lines, "1, 5, 4, 8 enlarged 8 times: tents and their sum", "position in the old row",
                                  dashed=["bilinear"]), "tents")

# %% [markdown]
# Between the values, the sum runs in straight lines from one to the next: two neighboring tents always add up to 1.
# In two dimensions this is *bilinear interpolation*, which lesson 15 works out by hand. Beyond the last value, its
# neighbor's tent is missing, and the sum falls from 7.5 to 4.5. Bilinear interpolation stays at the last value there.
#
# ## 4. Three models, and sums
# FCN-32s: a 1 × 1 convolution scores the coarsest map, stride 32, and the scores are enlarged 32 times. FCN-16s: the
# scores are enlarged only twice, and *added* to those of the map before the last pooling, stride 16. The sum is
# enlarged 16 times. FCN-8s does the same once more, with stride 8. The finer scores come from fewer layers, along a
# *skip*: a way around the deeper ones.
#
# `Sum` adds what its layers make of the same x. Backward is the rule for forks: each layer gets all of dy, and their
# dx are added.
#
# **Predict:** from how many scores does each of the three draw its 64 × 64 pixels?

# %%
strides = {"FCN-32s": 32, "FCN-16s": 16, "FCN-8s": 8}
models = {name: fcn(stride, lesson.width, rng=lesson.seed) for name, stride in strides.items()}
shape = (1, 3, lesson.size, lesson.size)
models["FCN-8s"].summary(shape)
for name, stride in strides.items():
    print(f"{name}: {lesson.size**2:,} pixels from {3 * (lesson.size // stride)**2} scores at stride {stride}, "
          f"{sum(p.data.size for p in models[name].parameters()):,} parameters")
lesson.figure(plotting.diagram(models["FCN-8s"], shape, "FCN-8s: scores at three strides, enlarged and added"), "model")

# %% [markdown]
# In the diagram, the two bridges are the skips. From the three score layers on, everything is linear.
#
# **Predict:** the loss of FCN-8s before training. And with all weights of the score layers set to 0, as in the paper?


# %%
def score_layers(model):
    """Return the layers that score the classes, {stride: layer}, the coarsest first."""
    found = [layer for _, layer in model.walk() if isinstance(layer, Conv2d) and layer.kernel_size == (1, 1)]
    return dict(zip((32, 16, 8), found))


def silenced(model, silent):
    """Return a copy of a model whose scores at some strides are 0."""
    model = copy.deepcopy(model)
    for stride in silent:
        for parameter in score_layers(model)[stride].parameters():
            parameter.data[...] = 0
    return model


first_loss = task.first_loss(models["FCN-8s"])
start = task.first_loss(silenced(models["FCN-8s"], (32, 16, 8)))
print(f"loss before training {first_loss:.3f}, with score layers of 0 {start:.4f}; ln 3 = {np.log(3):.4f}")
assert np.isclose(start, np.log(3))

# %% [markdown]
# As in lesson 10: scores of 0 give each class 1/3, and the loss is ln 3. The random scores, three of which add up for
# each pixel, give 2.276.
#
# ## 5. What could so few scores draw?
# FCN-32s paints 4,096 pixels from 12 numbers. Can 12 numbers draw a pet at all? That is a question about the
# enlarging alone, so we ask it without a network. For each held-out image, take *free* scores, one number per class
# and position. Adjust them by gradient so that they, enlarged by fixed tents, draw the *true* trimap. The gradient
# comes back through the transposed tents. Only the scores change, and nothing looks at the image. (64 images are
# enough here.)
#
# **Predict:** the mean IoU at stride 32, 16 and 8.


# %%
def fitted(labels, stride, steps=150, lr=1.0):
    """(n, H, W) -> (n, H, W): what scores at a stride draw through fixed tents, if they are fitted to the truth."""
    n, H, W = labels.shape
    A, B, loss = tents(H // stride, stride), tents(W // stride, stride), CrossEntropyLoss()
    free = Parameter(np.zeros((n, 3, H // stride, W // stride), np.float32))
    optimizer = Adam([free], lr)
    for _ in range(steps):
        loss.forward(A @ free.data @ B.T, labels)
        free.grad[...] = A.T @ loss.backward() @ B                     # backward is the transpose
        optimizer.step()
    return (A @ free.data @ B.T).argmax(axis=1)


truth = task.held.trimaps.astype(np.int64)                             # (n, H, W)
drawn = {name: fitted(truth[:64], stride) for name, stride in strides.items()}
bound = {name: scores(confusion_matrix(truth[:64], labels, 3), CLASSES) for name, labels in drawn.items()}
for name, row in bound.items():
    print(f"{name}, scores fitted to the truth: mean IoU {row['mean_iou']:.3f}, border {row.get('iou_border', 0):.3f}")

# %% [markdown]
# Note what these numbers are: *lower bounds* on what scores at these strides can draw through *fixed tents*. Such
# scores exist, for we have them. Better ones may exist, too: the fit stops after 150 steps, and it lowers the cross
# entropy, not 1 − mean IoU. The numbers say nothing about learned kernels. And they do not say that a network can
# find such scores, for the fit was given the answer.
#
# With 12 scores hardly any border is drawn (IoU 0.004), and mean IoU is 0.332. With 48 scores it is 0.660, with 192
# scores 0.847.
#
# ## 6. Training
# Loss, images and epochs are those of the whole ladder (lesson 10), for each of the three from scratch.
#
# **Predict:** which of the three comes closest to its number of section 5?

# %%
seeds = [lesson.seed]
histories, found = {}, {name: [] for name in strides}
for seed in seeds:
    for name, stride in strides.items():
        model = fcn(stride, lesson.width, rng=seed)
        print(f"{name}, seed {seed}")
        history = task.fit(model, f"{name} {seed}", seed=seed)
        found[name].append(task.scores(model))
        if seed == lesson.seed:
            models[name], histories[name] = model, history
for name, runs in found.items():
    print(f"{name}: " + "; ".join(f"{key} " + " ".join(f"{run.get(key, 0):.3f}" for run in runs)
                                  for key in ("mean_iou", "iou_object", "iou_background", "iou_border")))

# %%
lesson.figure(plotting.bar_chart({name: {"fitted to the truth": bound[name]["mean_iou"], "trained": [
    run["mean_iou"] for run in found[name]]} for name in strides}, "Mean IoU: fitted scores, trained networks",
    limits=(0, 1)), "strides")
predictions = {name: task.predictions(model) for name, model in models.items()}
columns = {"fitted, stride 32": drawn["FCN-32s"], **predictions}
lesson.figure(plotting.prediction_grid(task.held.images[:5], task.held.trimaps[:5], {
    name: labels[:5] for name, labels in columns.items()}, title="Fitted scores, and three networks"), "predictions")

# %% [markdown]
# Mean IoU is 0.497, 0.578 and 0.622 for strides 32, 16 and 8, the border's IoU 0.049, 0.187 and 0.288. (One seed
# each; lesson 18 compares models over several seeds, FCN-8s among them.) In the figure FCN-32s draws blobs. FCN-16s
# has heads and parts of the border. FCN-8s has more of the border, but it is too thick in some places and missing in
# others. Tails, and nearly all ears, are lost in all three.
#
# FCN-16s and FCN-8s stay below the fits of section 5. But FCN-32s is far above its fit, 0.497 against 0.332! The fit
# is for *fixed tents*, and FCN-32s has learned its kernels: 9 of 64 × 64, one for each pair of score and class. If
# its last enlargement stays bilinear, as in the paper, it ends at 0.297 (exercise 4). The learned kernels make a
# difference of 0.200. The next section looks at them.
#
# First the rungs so far. (The table's receptive field is the theoretical one: all pixels that can matter at all.)

# %%
result = task.result("FCN-8s", models["FCN-8s"], histories["FCN-8s"])
print(results_table(task.results_up_to(result)))

# %% [markdown]
# ## 7. The learned kernels, and grid artifacts
# The transposed convolutions began as tents, one from each score to its own class. They have a kernel for *each* pair
# of score and class, the others were 0, and all of them were learned.
#
# A kernel of 2s × 2s at stride s gives each of the s × s output pixels of a position weights of its own. With tents
# they fit together: a map of ones becomes an even 1. Learned weights need not. Then the same pattern is painted at
# each position, with the period of the stride, even where the map is even: a *grid artifact* (or *checkerboard
# artifact*). Lesson 15 has more on it.
#
# **Predict:** do the tents stay tents?


# %%
def fed_with_ones(layer):
    """Return the first output of a transposed convolution for ones in its first input, without the rim."""
    x = np.zeros((1, 3, 6, 6), np.float32)
    x[:, 0] = 1
    rim = layer.stride[0]
    return layer.forward(x)[0, 0, rim:-rim, rim:-rim]                  # (4 stride, 4 stride)


last = {name: models[name].layers[-1] for name in ("FCN-8s", "FCN-32s")}
uneven = {}
for name, layer in last.items():
    s, pattern = layer.stride[0], fed_with_ones(layer)
    assert np.allclose(fed_with_ones(enlarge(3, s)), 1, atol=1e-5), "tents: even"
    assert np.allclose(pattern[:, s:], pattern[:, :-s], atol=1e-4), "the same again after a stride"
    uneven[name] = float(pattern.std() / abs(pattern.mean()))
    complete = sum(0 <= s * i - s // 2 and s * i + 3 * s // 2 <= lesson.size for i in range(lesson.size // s))**2
    print(f"{name}: fed with ones {pattern.mean():.2f} ± {pattern.std():.2f}; {complete} of {(lesson.size // s)**2} "
          "positions paint their whole kernel inside the image")
layers = {"a tent": enlarge(3, 8), **last}
lesson.figure(plotting.array_sheet([{f"{name}: kernel": layer.weight.data[0, 0] for name, layer in layers.items()},
                                    {f"{name}: ones": fed_with_ones(layer) for name, layer in layers.items()}],
                                   "Kernels from object to object, and what they make of ones", None, 192), "kernels")

# %% [markdown]
# FCN-8s has kept its tents, more or less. A map of ones becomes 1.01 ± 0.02: there is a grid, but a faint one. The
# kernel of FCN-32s has jumps, along lines at a quarter and at three quarters of its width and height. Its map of ones
# is 0.77 ± 0.16, and a cloudy pattern repeats every 32 pixels.
#
# Where do the jumps come from? On 64 × 64 pixels there are only 2 × 2 positions, and none of them paints its whole
# kernel inside the image. Cut the kernel into tiles of 16 × 16. A corner tile is only ever painted by one position, a
# tile at an edge by two, one in the middle by all four, each onto a fixed part of the image. Nothing makes
# neighboring tiles fit together, and each can learn what pets look like at *its* parts of our images. Weights are
# tied to positions again, as in lesson 13's dense layer. For FCN-8s, 36 of 64 positions paint their whole kernel
# inside the image.
#
# ## 8. A sum of three images
# From the scores on, FCN-8s only enlarges and adds. So its output is a *sum* of three images: what the scores at
# stride 32, 16 and 8 contribute, each enlarged all the way. To get one of them, set the other two score layers to 0.
#
# **Predict:** which of the three has the largest contrast between pet and background?

# %%
images = as_input(task.held.images[:SHOWN])
three = {f"stride {kept}": predict(silenced(models["FCN-8s"], {32, 16, 8} - {kept}), images) for kept in (32, 16, 8)}
logits = predict(models["FCN-8s"], images)                             # (n, 3, H, W)
assert np.allclose(sum(three.values()), logits, atol=1e-3)
three["sum"] = logits
differences = {name: maps[:, 0] - maps[:, 1] for name, maps in three.items()}              # object − background
contrast = {name: float(maps.std()) for name, maps in differences.items()}
without = {}
for stride in (32, 16, 8):
    guess = predict_classes(silenced(models["FCN-8s"], {stride}), task.held.images)
    without[f"stride {stride}"] = scores(confusion_matrix(truth, guess, 3), CLASSES)["mean_iou"]
print("standard deviation: " + ", ".join(f"{name} {value:.2f}" for name, value in contrast.items()))
print("mean IoU without: " + ", ".join(f"{name} {value:.3f}" for name, value in without.items()))
reach = float(np.percentile(np.abs(differences["sum"]), 98))
lesson.figure(plotting.image_rows({"image": images[:6], **{name: maps[:6] for name, maps in differences.items()},
                                   "prediction": predictions["FCN-8s"][:6]}, title="Three contributions, added (red: "
                                  "object, blue: background)", limits=dict.fromkeys(differences, (-reach, reach))),
              "contributions")

# %% [markdown]
# Stride 8 has the largest contrast (standard deviation 3.85; stride 16 has 2.82, stride 32 has 1.23), and without it
# the score falls most, from 0.622 to 0.359. Without stride 16 it is 0.518, without stride 32 0.551. So all three are
# needed, but not in equal parts. In the figure, stride 16 is red where the bulk of the pet is. Stride 8 adds heads
# and outlines. Stride 32 is nearly the same for the whole image and mostly speaks for the background. In the last
# image stride 8 is reddest on a patterned wall at the top left, and stride 32 is bluest there: it corrects, but not
# enough. The faint grid in the maps is that of section 7.
#
# These shares belong to this way of training. In the paper FCN-32s is trained first, and the finer scores begin at 0.
# There the coarse scores have to carry the image, and the finer ones correct them.
#
# ## 9. Any size, and moves
# No layer knows the image's size. So the trained FCN-8s takes wide images, without being told: each is made of six
# held-out images, side by side.
#
# And we can ask lesson 13's question again: is predict(moved(x)) = moved(predict(x))? Here we count the share of pixels
# that get the same class. FCN-8s is made of convolutions, which are equivariant, and of poolings. A pooling takes the
# columns 0–1, 2–3 and so on.
#
# **Predict:** for which d is the answer exactly "yes", away from the ends?

# %%
count = -(-384 // lesson.size)                                         # so many images are 384 pixels wide, or more
groups = np.arange(8 * count).reshape(8, count) % len(task.held)
wide = np.stack([np.concatenate(list(task.held.images[g]), axis=-1) for g in groups])                  # (8, 3, H, W)
model = models["FCN-8s"]
at_once = predict(model, wide)                                         # (8, 3, H, W)
wide_truth = np.stack([np.concatenate(list(truth[g]), axis=-1) for g in groups])
alone = np.stack([np.concatenate(list(predict_classes(model, task.held.images[g])), axis=-1) for g in groups])
print(f"{wide.shape[2]} × {wide.shape[3]} pixels: right {np.mean(at_once.argmax(axis=1) == wide_truth):.1%}, "
      f"image by image {np.mean(alone == wide_truth):.1%}")
middle, agreement = np.s_[..., 160:-160], {}                           # far from both ends
for d in (1, 2, 4, 8, 16, 32):
    of_moved, moved_along = predict(model, moved(wide, d))[middle], moved(at_once, d)[middle]
    agreement[str(d)] = float(np.mean(of_moved.argmax(axis=1) == moved_along.argmax(axis=1)))
    unnoticed = np.mean(at_once[middle].argmax(axis=1) == moved_along.argmax(axis=1))
    print(f"moved by {d:>2}: {agreement[str(d)]:.1%} equal; the old answer, not moved: {unnoticed:.1%}")
assert np.allclose(of_moved, moved_along, atol=1e-3), "five poolings: a move by 32"

# %% [markdown]
# It works, though not as well: 81.9 % of the pixels are right, and 85.3 % if the same images are put in one by one.
# New to the network is what lies beyond an image's left and right end: another image, where there were zeros in
# training.
#
# Now the moves. For d = 32 the answer is exactly "yes", as a convolution's is for any d: five poolings take squares
# of 32 × 32 pixels, and after a move by 32 the same pixels meet again. For other d, 93.4 to 96.8 % of the pixels have
# the same answer. Is that much? For d = 1 it is less than if the answer had not moved at all (96.0 %), so FCN-8s
# hardly notices a move by one pixel. For d = 16 it is much more (96.8 against 62.0 %): the answer moves along.
#
# *Scale* is something else. The same held-out images, read with twice as many pixels on each side, show pets that are
# twice as large, in pixels, as those of the training.
#
# **Predict:** are the larger images easier for the network, as they show more detail?

# %%
twice = lesson.pets("test", 2 * lesson.size, limit=64)
larger = segmentation_scores(model, twice.images, twice.trimaps, CLASSES)
same = lesson.pets("test", limit=64)                                   # the same images, as large as in training
usual = segmentation_scores(model, same.images, same.trimaps, CLASSES)
print(f"{len(same)} images of {2 * lesson.size} × {2 * lesson.size} pixels: mean IoU {larger['mean_iou']:.3f}; of "
      f"{lesson.size} × {lesson.size}: {usual['mean_iou']:.3f}")

# %% [markdown]
# They are harder: 0.572 against 0.635. The network takes any size, but it has learned one scale.
#
# ## 10. What is the paper's, and what is not
# Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015 (arXiv 1411.4038).
#
# - **Theirs and ours:** dense layers as convolutions (their section 3.1), transposed convolutions that begin as
#   bilinear interpolation (3.3), scores of strides 32, 16 and 8, added (4.2), cross entropy at each pixel, the whole
#   net trained end to end.
# - **The encoder:** theirs is VGG-16, trained on ImageNet. Its two dense layers of 4096 outputs each, as
#   convolutions, stand between the last pooling and the scores. Ours has five conv blocks with batch norm, the scores
#   come right after the last pooling, and all weights are random at first.
# - **The training:** theirs is in stages. FCN-32s is trained first. FCN-16s begins with its weights, has its new
#   score layer at 0, and a learning rate 100 times smaller. FCN-8s continues in this way. They use SGD with momentum
#   0.9 and 20 images per batch. Our three are trained independently, all layers at once, with Adam.
# - **The enlarging:** their last transposed convolution stays bilinear, and only those before it are learned. Ours
#   all are.
# - **The images:** theirs are photos of about 500 × 375 pixels with 21 classes, so stride 32 leaves some 16 × 12
#   positions. Ours leaves 2 × 2.
#
# Their mean IoU, on a part of the validation images of PASCAL VOC 2011: 0.594, 0.624 and 0.627 for strides 32, 16 and
# 8 (their table 2). The gain from 32 to 8 is 0.033 there and 0.125 here. Too much differs to name one reason.
#
# ## Recap
# - A dense layer, moved over maps, is a convolution. So a classifier becomes a map of scores, for images of any size.
# - A transposed convolution multiplies by Cᵀ: its forward is the backward of a convolution. With tents it is bilinear
#   interpolation, and learned kernels may paint a grid.
# - Scores of finer maps, added, raise mean IoU from 0.497 (stride 32) over 0.578 to 0.622 (stride 8), and the
#   border's IoU from 0.049 to 0.288.
#
# **Write it yourself:** `transposed_convolution` and `tent`. `python -m lessons.exercises 14` puts stubs into
# `my/14_fcn.py` and checks what you write.

# %%
lesson.finish(test=found["FCN-8s"][0], fcn_16s=found["FCN-16s"][0], fcn_32s=found["FCN-32s"][0],
              mean_iou_of_seeds={name: [run["mean_iou"] for run in runs] for name, runs in found.items()},
              fitted_to_the_truth={name: row["mean_iou"] for name, row in bound.items()}, uneven=uneven,
              twice_as_large=larger["mean_iou"], agreement_moved=agreement, contrast=contrast, mean_iou_without=without,
              first_loss=first_loss, last_loss=histories["FCN-8s"][-1]["loss"], epochs=len(histories["FCN-8s"]),
              training_images=len(task.train), test_images=len(task.test), parameters=result.parameters,
              receptive_field=result.receptive_field, training_seconds=result.seconds)
if lesson.as_intended and not any(history.stopped for history in histories.values()):
    for key, least in (("mean_iou", 0.57), ("iou_border", 0.22)):
        coarse, between, fine = ([run[key] for run in runs] for runs in found.values())
        assert max(coarse) < min(between) and max(between) < min(fine), "finer is better, with each seed"
        assert min(fine) > least
    assert all(bound[name]["mean_iou"] > value for name, value in zip(strides, (0.3, 0.6, 0.8)))

# %% [markdown]
# **Try:**
# 1. ★ Section 2, with `stride=(1, 1)` for both layers, and `np.eye(3)` for the second. C should be 3 × 5, and
#    `C.T @ np.ones(3)` should give 1, 3, 6, 5, 3. Why is it largest in the middle?
# 2. ★ Print `tents(4, 8) @ np.ones(4)`. You should see 1 everywhere but in the first and last four numbers, which go
#    down to 0.5625.
# 3. ★ Section 5 with `steps=20`. You should see about 0.336 for FCN-32s and 0.625 for FCN-16s. The first is *higher*
#    than after 150 steps. How can that be, if the loss is lower after 150?
# 4. ★★ The paper's way: leave the last enlargement bilinear. `Pyramid` is in `minidl.models`; train
#    `Pyramid(*fcn(32, lesson.width, rng=lesson.seed).layers[:-1], Upsample(32, "bilinear"), multiple=32)` with
#    `task.fit(model, "fixed")`, and print `task.scores(model)`. Its mean IoU should lie between 0.27 and 0.33. Does
#    FCN-8s need learned kernels as much?
# 5. ★★ Score FCN-8s on `lesson.pets("test", size, limit=64)` for `size` 32, 96 and 128. You should see mean IoUs of
#    0.498, 0.612 and 0.572, against 0.635 at 64. Can you think of a training that would help?
# 6. ★★★ Three seeds: `seeds = [0, 1, 2]`. Which of the gaps between the strides are larger than the spread over
#    seeds? And does each seed share the work as in section 8?
