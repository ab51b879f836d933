# %% [markdown]
# # 13 · Encode, then reshape: an image from one long row of numbers
# Slides 21–23. *Pooling makes it cheap to see the whole image. Can a dense layer turn what is left into an image
# again?*
#
# **New here:** an *encoder*, conv blocks with poolings between them; what `Reshape` does to the order of numbers, and
# pixel shuffle instead; and *equivariance*: if the image moves, does the answer move along, as the maps of lesson 4
# did?
#
# **Needs:** dense layers (lesson 0), pooling (lesson 4), the data and the loss (lessons 9, 10), conv blocks (lessons
# 9–11).

# %%
import numpy as np

from minidl import Flatten, Linear, MaxPool2d, PixelShuffle, Reshape, Sequential, pixelwise, plotting, reshape_segmenter
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.models import conv_block
from minidl.plotting import canvas
from minidl.step import predict
from minidl.tasks.segmentation.experiment import Segmentation, segmentation_scores
from minidl.tasks.segmentation.ladder import results_figure, results_table

lesson = Lesson("13_segmentation_reshape")
if lesson.size < 8:
    raise ValueError(f"--size: expected at least 8, so that images can be moved to the side, got {lesson.size}")
task = Segmentation(lesson)

# %% [markdown]
# ## 1. The encoder
# With 9 × 9 and 5 × 5 kernels at full resolution a pixel saw 13 × 13 pixels, and the training took long. A pooling
# halves the maps: the next 3 × 3 kernel then covers twice as much of the image, at a quarter of the work. Done over
# and over until 2 × 2 places are left, with more and more channels, this is slide 21.
#
# **Predict:** the shapes after the poolings, for 64 channels in the first block and 128 × 128 pixels.


# %%
def encoder(width, size, rng=None):
    """Return what comes before the dense layer: conv block and pooling, until 2 x 2 places are left."""
    layers, channels = [], 3
    for level in range(size.bit_length() - 2):                     # size 128 is halved 6 times
        more = width * min(2**level, 8)
        layers += [*conv_block(channels, more, rng=rng), MaxPool2d(2)]
        channels = more
    return Sequential(*layers)


slide, shape, shapes = encoder(64, 128), (1, 3, 128, 128), []
for layer in slide:
    shape = layer.output_shape(shape)
    if isinstance(layer, MaxPool2d):
        shapes.append(shape[1:])
print(" -> ".join(map(str, shapes)))
assert shapes == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4), (512, 2, 2)]

# %% [markdown]
# Behind it: flatten to a row of 512 · 2 · 2 numbers, a dense layer to 3 · 128 · 128, one number for each class and
# pixel, and that row, reshaped, is the image.
#
# **Predict:** the dense layer has a weight for each pair (number in, number out), and a bias for each number out. How
# many parameters is that, and what share of the whole model's?


# %%
def count(layers):
    """Return the number of parameters of some layers."""
    return sum(parameter.data.size for layer in layers for parameter in layer.parameters())


row_in, row_out = int(np.prod(shapes[-1])), 3 * 128 * 128
slide_dense, slide_encoder = (row_in + 1) * row_out, count(slide)  # counted, not built: it would take 400 MB
slide_share = slide_dense / (slide_dense + slide_encoder)
print(f"slide: {row_in:,} numbers in, {row_out:,} out: {slide_dense:,} parameters, {slide_share:.1%} of the model; "
      f"the six conv blocks have {slide_encoder:,}")
assert slide_dense == 100_712_448

# %% [markdown]
# ## 2. Reshape: the same numbers, row after row
# Slide 22 reshapes four 3 × 3 maps into one 6 × 6 image. `Reshape` moves nothing: the numbers stay in the order in
# which they lie in memory, first map first, each row by row, and are only cut into rows of six instead of three.
#
# **Predict:** from which maps do the six numbers of the image's second row come?

# %%
maps = np.array([[1, 2, 5, 1, 4, 3, 4, 2, 0], [7, 4, 1, 2, 5, 5, 9, 3, 6],
                 [0, 3, 4, 9, 9, 4, 7, 4, 5], [5, 6, 6, 2, 4, 9, 5, 3, 1]], float).reshape(1, 4, 3, 3)
reshaped = Reshape((1, 6, 6)).forward(maps)[0, 0]                  # (6, 6)
shuffled = PixelShuffle(2).forward(maps)[0, 0]                     # (6, 6)
slide_22 = np.array([[1, 2, 5, 1, 4, 3], [4, 2, 0, 7, 4, 1], [2, 5, 5, 9, 3, 6],
                     [0, 3, 4, 9, 9, 4], [7, 4, 5, 5, 6, 6], [2, 4, 9, 5, 3, 1]])
assert np.array_equal(reshaped, slide_22)
assert all(np.array_equal(shuffled[k // 2::2, k % 2::2], maps[0, k]) for k in range(4))
print(reshaped.astype(int), shuffled.astype(int), sep="\n\n")

# %% [markdown]
# Pixel shuffle makes one 2 × 2 square of each *place*, with one number from each map: what was top left in the maps is
# top left in the image. Let us color each number by the map it comes from, and ring those that were at the maps'
# top left.


# %%
def draw_cells(figure, left, top, numbers, origin, first, title):
    """Draw numbers (H, W) as cells in the colors of their maps; those where `first` is true are ringed."""
    H, W = numbers.shape
    axes = canvas.place(figure, left, top, 40 * W, 40 * H)
    axes.imshow(plotting.colorize(origin, MAP_COLORS), extent=(0, W, H, 0), aspect="auto")
    axes.hlines(range(H + 1), 0, W, color="white", linewidth=2)
    axes.vlines(range(W + 1), 0, H, color="white", linewidth=2)
    for (i, j), value in np.ndenumerate(numbers):
        axes.text(j + 0.5, i + 0.53, f"{value:g}", ha="center", va="center", fontsize=11, color=canvas.INK)
        if first[i, j]:
            axes.plot(j + 0.5, i + 0.5, "o", color=canvas.INK, markersize=20, fillstyle="none")
    axes.set_axis_off()
    canvas.write(figure, left, top - 12, title, canvas.TEXT, 40 * W + 60)


MAP_COLORS = ("#F5C08E", "#A9CBE6", "#F4E48E", "#B5DCB0")
origin = np.broadcast_to(np.arange(4.0)[:, None, None], (4, 3, 3))[None]                           # (1, 4, 3, 3)
first = np.zeros((1, 4, 3, 3))
first[:, :, 0, 0] = 1
figure = canvas.blank(900, 370)
canvas.write(figure, 12, 20, "Reshape lays the maps out one after the other, pixel shuffle keeps every place in its "
             "place", canvas.TITLE, 880, weight="bold")
for k in range(4):
    draw_cells(figure, 20 + 145 * (k % 2), 80 + 145 * (k // 2), maps[0, k], origin[0, k].astype(int), first[0, k],
               f"map {k + 1}")
for left, layer, title in ((350, Reshape((1, 6, 6)), "reshaped (slide 22)"), (630, PixelShuffle(2), "pixel-shuffled")):
    numbers, from_map, corner = (layer.forward(array)[0, 0] for array in (maps, origin, first))
    draw_cells(figure, left, 80, numbers, from_map.astype(int), corner, title)
lesson.figure(figure, "reshape")

# %% [markdown]
# So a reshape of *maps* tears places apart: what belonged to one place ends up in four, and neighbors part.
#
# Slide 21 has a dense layer in front, each of whose outputs is computed from *all* numbers of the row.
#
# **Predict:** would the model of slide 21 learn better if it ended in a pixel shuffle?

# %%
S = lesson.size
row = np.random.default_rng(0).normal(size=(1, 3 * S * S))         # what a dense layer may return
one, other = Reshape((3, S, S)), Sequential(Reshape((12, S // 2, S // 2)), PixelShuffle(2))
order = other.forward(np.arange(3.0 * S * S)[None]).astype(int).ravel()    # which number becomes which pixel
assert np.array_equal(other.forward(row), one.forward(row[:, order]))

# %% [markdown]
# The images are the same if the dense layer's outputs are numbered in another order, and nothing in its training
# depends on their numbers. So it would learn neither better nor worse: behind a dense layer any order is as good as any
# other. That should make us suspicious. It is as good, because none has anything to do with places in an image.
#
# ## 3. The model
# Ours is smaller in width and size, otherwise the slide's.

# %%
model = reshape_segmenter(lesson.width, lesson.size, rng=lesson.seed)
model.summary((1, 3, lesson.size, lesson.size))
*encoding, flatten, dense, reshape = model.layers
assert repr(Sequential(*encoding)) == repr(encoder(lesson.width, lesson.size))
assert [type(layer) for layer in (flatten, dense, reshape)] == [Flatten, Linear, Reshape]
share = count([dense]) / count([model])
print(f"the dense layer has {share:.1%} of all parameters")

# %% [markdown]
# ## 4. Loss and training
# As for all models of the ladder: cross entropy at each pixel, near ln 3 = 1.0986 or somewhat above it before training;
# Adam, the same images in the same order, the same number of epochs.

# %%
first_loss = task.first_loss(model)
print(f"loss before training: {first_loss:.3f}")
model = reshape_segmenter(lesson.width, lesson.size, rng=lesson.seed)
dense = model.layers[-2]
history = task.fit(model)
curves = plotting.learning_curves(history, scores={"mean_iou": "mean IoU", "iou_object": "object IoU",
                                                   "iou_border": "border IoU"},
                                  title=lesson.headline("It learns where pets are, but hardly any border",
                                                        "Training the reshaping network"))
lesson.figure(curves, "training")

# %% [markdown]
# ## 5. The result, beside the rungs before
# **Predict:** this model sees the whole image, those before it at most 13 × 13 pixels. On which class does it win, on
# which does it lose?

# %%
result = task.result("reshape", model, history)
results = task.results_up_to(result)
print(results_table(results))
lesson.figure(results_figure(results[-4:], task.test.images, task.test.trimaps, lesson.headline(
    "Reshape: the right place, a usual shape, a ragged outline", "Reshape, and the rungs before it")), "predictions")
train_scores = segmentation_scores(model, task.train.images[:200], task.train.trimaps[:200], CLASSES)
lesson.figure(plotting.class_bars({"training images": train_scores, "held-out images": result.scores},
                                  title=lesson.headline("The border is lost, on training images too",
                                                        "IoU of each class")), "classes")

# %% [markdown]
# ## 6. "Problem?" (slide 23)
# **First: size.** Let us draw each block as a square whose *area* is its number of parameters.


# %%
def squares(figure, left, bottom, counts, color):
    """Draw squares whose areas are the counts, side by side, from a place in figure pixels on."""
    for n in counts:
        side = n**0.5 * 0.028
        axes = canvas.place(figure, left, bottom - side, side, side)
        axes.set_facecolor(color)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        left += side + 14
    return left


def blocks(encoder):
    """Return the number of parameters of each block: convolution, batch norm, ReLU, pooling."""
    return [count(encoder[i:i + 4]) for i in range(0, len(encoder), 4)]


figure = canvas.blank(800, 390)
canvas.write(figure, 12, 20, f"{slide_share:.0%} of the slide's parameters, {share:.0%} of ours, are in one layer",
             canvas.TITLE, 760, weight="bold")
both = (("slide: width 64, 128 × 128 pixels", 20, blocks(slide.layers), slide_dense),
        (f"ours: width {lesson.width}, {lesson.size} × {lesson.size}", 580, blocks(encoding), count([dense])))
for title, left, encoder_counts, dense_count in both:
    canvas.write(figure, left, 50, title, canvas.TEXT, 260)
    right = squares(figure, left, 350, encoder_counts, canvas.LINE_COLORS[0])
    squares(figure, right, 350, [dense_count], canvas.LINE_COLORS[1])
    canvas.write(figure, left, 370, f"conv blocks {sum(encoder_counts):,}", canvas.SMALL, 260,
                 canvas.LINE_COLORS[0])
    canvas.write(figure, right, 340 - dense_count**0.5 * 0.028, f"dense {dense_count:,}", canvas.SMALL, 200,
                 canvas.LINE_COLORS[1])
lesson.figure(figure, "parameters")

# %% [markdown]
# Twice the side would make four times as many outputs. And images of another size cannot be put in at all: the conv
# blocks would take them, but the row in front of the dense layer gets too long.

# %%
try:
    model.output_shape((1, 3, 2 * lesson.size, 2 * lesson.size))
except ValueError as error:
    print(f"ValueError: {error}")
else:
    raise AssertionError("a dense layer takes rows of one length only")

# %% [markdown]
# **Second: no place for place.** A convolution uses the same weights everywhere. In a dense layer each pixel has
# weights of its own: what is learned about an ear at one place says nothing about ears at another. So let us move the
# images d pixels to the right (what enters on the left is mirrored) and see whether the predictions move along. A
# model with predict(shift(x)) = shift(predict(x)) is called *equivariant*.
#
# To compare with: the 5 × 5 convolution of lesson 11, after one epoch of training only.
#
# **Predict:** on how many percent of the pixels are the two sides equal, for each of the models? (At the rims, where
# zeros or a mirror image come into sight, they may differ anyway: two pixels there are not counted.)


# %%
def shift(x, d):
    """Move arrays (..., H, W) d pixels to the right; on the left, what is there goes on mirrored."""
    return np.concatenate([x[..., :d][..., ::-1], x[..., :x.shape[-1] - d]], axis=-1)


def classes(model, images):
    """Return the predicted classes (n, H, W) of images."""
    return predict(model, images).argmax(axis=1)


convolution = pixelwise((5,), lesson.width, rng=lesson.seed)
task.fit(convolution, "5x5", epochs=1)
images, rim = task.held.images, 2                                  # a 5 x 5 kernel reaches 2 pixels far
distances = [d for d in (1, 2, 4, 8, 16) if d < lesson.size // 2]
agreement = {"5 × 5 convolution": [], "reshape": [], "reshape, had it not noticed": []}
of_x = {"5 × 5 convolution": classes(convolution, images), "reshape": classes(model, images)}
for d in distances:
    inside = np.s_[:, rim:-rim, d + rim:-rim]
    guesses = {"5 × 5 convolution": classes(convolution, shift(images, d)),
               "reshape": classes(model, shift(images, d)), "reshape, had it not noticed": of_x["reshape"]}
    for name, guess in guesses.items():
        moved_along = shift(of_x[name.split(",")[0]], d)
        agreement[name].append(float((guess == moved_along)[inside].mean()))
    print(f"{d:>2} pixels: " + ", ".join(f"{name} {values[-1]:.1%}" for name, values in agreement.items()))
assert min(agreement["5 × 5 convolution"]) > 0.9999

# %%
figure, (axes,) = canvas.subplots(640, 320, title=lesson.headline(
    "A convolution's answer moves along with the image, the reshaped one only in part",
    "Does the answer move along with the image?"))
axes.set_title("share of pixels where predict(shift(x)) = shift(predict(x))", loc="left", fontsize=canvas.TEXT)
axes.set_xlabel("pixels that the images are moved by", fontsize=canvas.SMALL)
axes.set_xticks(range(len(distances)), [str(d) for d in distances])
plotting.named_lines(axes, {f"{name}  {values[-1]:.0%}": (range(len(values)), values)
                            for name, values in agreement.items()}, (None, 1))
lesson.figure(figure, "shift", alt="Share of pixels whose answer moves along with the image: " + "; ".join(
    f"{name} " + ", ".join(f"{value:.1%} for {d}" for d, value in zip(distances, values))
    for name, values in agreement.items()))

# %% [markdown]
# The convolution's 100 % is mathematics; training has nothing to do with it. The third line is what a model scores that
# gives the same answer for the moved image as before. For one pixel the reshaping model is no better than that: it
# does not notice. (Its poolings have to do with that, and lesson 14 will measure an FCN in the same way.) For more, it
# follows as far as it has seen pets at the new place in training; each place has to be learned by itself.

# %%
d = distances[-2:][0]                                              # the last but one
guess, moved_along = classes(model, shift(images, d)), shift(of_x["reshape"], d)
understood = (of_x["reshape"] == task.held.trimaps).mean(axis=(1, 2))
understood = understood >= np.median(understood)
differs = (guess != moved_along)[:, rim:-rim, d + rim:-rim].mean(axis=(1, 2))                      # (n,)
some = np.argsort(-differs * understood)[:5]
pairs = {"reshape: old, moved": moved_along[some], "reshape: new answer": guess[some],
         "5 × 5: old, moved": shift(of_x["5 × 5 convolution"][some], d),
         "5 × 5: new answer": classes(convolution, shift(images[some], d))}
alike = {"reshape: new answer": [f"{1 - differs[k]:.0%} equal" for k in some],
         "5 × 5: new answer": [f"{agreement['5 × 5 convolution'][-2:][0]:.0%} equal"] * len(some)}
grid = plotting.prediction_grid(shift(images[some], d), shift(task.held.trimaps[some], d), pairs, notes=alike,
                                title=f"Moved by {d} pixels: where the reshaping model's new answer is least like its "
                                      "old one")
lesson.figure(grid, "moved")

# %% [markdown]
# **Third: blur.** A pixel's scores are sums of the row's numbers, times weights. Seen from the other end: each number
# of the row adds one fixed image of scores, its column of the weights, times its value. All that the model can ever
# draw is a mixture of these.
#
# **Predict:** what do these images show? Are they smooth?

# %%
row = predict(Sequential(*model.layers[:-2]), task.held.images)                                    # (n, row)
templates = dense.weight.data.T.reshape(-1, 3, lesson.size, lesson.size)                           # (row, 3, H, W)
mixed = np.tensordot(row[0], templates, 1) + dense.bias.data.reshape(3, lesson.size, lesson.size)
assert np.allclose(mixed, predict(model, images[:1])[0], atol=1e-3)
towards_object = templates[:, 0] - templates[:, 1]                 # (row, H, W): object's score minus background's
use = row.std(axis=0) * towards_object.std(axis=(1, 2))            # how much a template changes from image to image
chosen = np.argsort(-use)[:16]
limit = 0.7 * float(np.abs(towards_object[chosen]).max())
strip = plotting.image_strip(towards_object[chosen], columns=8, colormap="RdBu_r", limits=(-limit, limit),
                             title=f"16 of the {len(use)} images that predictions are mixed from "
                                   "(red: object, blue: background)")
lesson.figure(strip, "templates")

# %% [markdown]
# Heads, trunks and floors at certain places, overlaid: good for a usual pet at a usual place, and a blur for
# any other; there is no template for *this* tail. And they are grainy: nothing tells a weight that its pixel has
# neighbors, so what was random at the start is still in there. Hence the ragged outlines.
#
# Scores on training images are hardly better than on held-out ones (`classes.png`): with so few epochs it is not yet
# that millions of weights learn images by heart. It has too much to learn, everything anew for each place.
#
# What is needed is a model that sees as much as this one, and keeps every place in its place: lessons 14 to 17.

# %%
lesson.finish(test=result.scores, train=train_scores, first_loss=first_loss, last_loss=history[-1]["loss"],
              epochs=len(history), training_images=len(task.train), test_images=len(task.test),
              parameters=result.parameters, parameters_dense=count([dense]), share_dense=share,
              parameters_dense_slide=slide_dense, share_dense_slide=slide_share,
              shifted_by=distances, agreement=agreement, sees=result.receptive_field, training_seconds=result.seconds)
if lesson.as_intended and not history.stopped:
    assert result.scores["mean_iou"] > 0.45 and result.scores["iou_object"] > 0.55
    assert share > 0.9 and agreement["reshape"][distances.index(8)] < 0.92

# %% [markdown]
# **Try:**
# 1. How many parameters would the dense layer have with `--size 128` and our width? Count first, then print
#    `reshape_segmenter(16, 128).summary((1, 3, 128, 128))`. By what factor did the conv blocks grow?
# 2. No place for place, to the extreme. Before the training, set `task.augment = None` and stir the pixels of all
#    trimaps alike, `order = np.random.default_rng(1).permutation(lesson.size**2)`, for `name` in ("train", "test"):
#    `pets = getattr(task, name)`, `stirred = pets.trimaps.reshape(len(pets), -1)[:, order]`,
#    `setattr(task, name, dataclasses.replace(pets, trimaps=stirred.reshape(pets.trimaps.shape)))`. What can
#    `reshape_segmenter` still learn, what the 5 × 5 convolution? (`--epochs 2` is enough; each also without stirring.)
# 3. Can it be taught to move along? `task.augment = Augment(crop=(1, 1), color=0, shift=0.25)` (from
#    `minidl.batches`) shifts the training images. Which line of `shift.png` rises, and what becomes of the
#    score?
