# %% [markdown]
# # 11 · Segmentation (2): look at the neighbors, too
# Slides 17–18. *A pixel's color does not tell its class. What do the 5 × 5 pixels around it tell?*
#
# **New here:** the receptive field (lesson 10 measured one of 1 × 1), the part of the image that one pixel's class can
# depend on: predicted, measured and drawn. And texture, which a single pixel does not have.
#
# **Needs:** lesson 10, whose training is used here as it is, and convolution (lesson 4).

# %%
import numpy as np

from minidl import pixelwise, plotting
from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.metrics import confusion_matrix, mean_iou, pixel_accuracy
from minidl.plotting import canvas
from minidl.step import predict
from minidl.tasks.segmentation.experiment import Segmentation
from minidl.tasks.segmentation.ladder import results_figure, results_table
from minidl.tasks.segmentation.receptive_field import receptive_field, seen_pixels

from matplotlib.patches import Rectangle

lesson = Lesson("11_segmentation_5x5")
task = Segmentation(lesson)                # data, batches, loss, training: what lesson 10 does step by step
train, test, size = task.train, task.held, lesson.size

# %% [markdown]
# ## 1. The model
# Lesson 10's, with one number changed: the first kernel is 5 × 5. The last convolution stays 1 × 1.
#
# **Predict:** how many parameters for `width` w? With a 1 × 1 kernel there were 9w + 3.

# %%
model = pixelwise((5,), lesson.width, rng=lesson.seed)
model.summary((1, 3, size, size))
w = lesson.width
assert sum(p.data.size for p in model.parameters()) == 9 * w + 3 + (25 - 1) * 3 * w

# %% [markdown]
# ## 2. What one pixel sees
# **Predict:** which pixels can the class of the image's middle pixel depend on? And that of the pixel in the upper
# left corner, around which there are zeros?

# %%
shape = (1, 3, size, size)
height, width = receptive_field(model, shape)
m = size // 2
seen = seen_pixels(model, shape, m, m)                                 # (H, W) of bool
assert (height, width) == (5, 5) and seen[m - 2:m + 3, m - 2:m + 3].all() and seen.sum() == 25
corner = seen_pixels(model, shape, 0, 0)
assert corner[:3, :3].all() and corner.sum() == 9
print(f"receptive field {height} × {width}; in the corner {corner.sum()} pixels of the image and 16 zeros")

# %% [markdown]
# So the order of the pixels matters now. Lesson 10 shuffled them and got the same scores, shuffled; no longer.

# %%
x = as_input(test.images[:1])
order = np.random.default_rng(lesson.seed).permutation(size**2)
shuffled = x.reshape(1, 3, -1)[..., order].reshape(shape)
scores, scores_of_shuffled = predict(model, x), predict(model, shuffled)
assert not np.allclose(scores_of_shuffled, scores.reshape(1, 3, -1)[..., order].reshape(shape), atol=1e-4)

# %% [markdown]
# Here is what it has to decide from: two places of each class, in an image at true size (each pixel is a square), and
# the 5 × 5 pixels around them. **Predict** the class of the middle pixel of each, before you look for it on the left.

# %%
example = min(3, len(test) - 1)
rng = np.random.default_rng(lesson.seed)
middle = np.zeros((size, size), bool)
middle[8:-8, 8:-8] = True                                              # not at the edges
found = [np.argwhere((test.trimaps[example] == k) & middle) for k in range(3)]            # rows and columns, by class
places = [place for candidates in found for place in rng.permutation(candidates)[:2]]
places = [places[k] for k in rng.permutation(len(places))]
picture = as_input(test.images[example:example + 1])[0].transpose(1, 2, 0)                 # (H, W, 3)

pixel = max(1, 448 // size)                                                   # side of a pixel in the figure
figure = canvas.blank(size * pixel + 3 * 140 + 44, size * pixel + 60)
canvas.write(figure, 12, 20, lesson.headline("Some of these windows look like fur, some like an edge; a single pixel "
                                             "never does", "What one pixel sees, at six places"), canvas.TITLE, 850,
             weight="bold")
axes = canvas.place(figure, 12, 44, size * pixel, size * pixel)
axes.imshow(picture, interpolation="nearest", aspect="auto")
axes.set_axis_off()
for n, (row, column) in enumerate(places):
    field = seen_pixels(model, shape, row, column)
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    for line, color in ((4, "black"), (1.6, "white")):
        axes.add_patch(Rectangle((columns[0] - 0.5, rows[0] - 0.5), columns.size, rows.size, fill=False,
                                 edgecolor=color, linewidth=line))
    axes.text(columns[-1] + 1.2, rows[0], "abcdef"[n], color="white", weight="bold", va="center", fontsize=11,
              bbox={"facecolor": "black", "alpha": 0.6, "pad": 1.5, "linewidth": 0})
    left, top = size * pixel + 32 + n % 3 * 140, 64 + n // 3 * 170
    canvas.write(figure, left + 65, top - 10, "abcdef"[n], canvas.TEXT, 120, ha="center", weight="bold")
    patch = canvas.place(figure, left, top, 130, 130)
    patch.imshow(picture[np.ix_(rows, columns)], interpolation="nearest", aspect="auto", vmin=0, vmax=1)
    patch.set_axis_off()
answers = ", ".join(f"{name} {CLASSES[test.trimaps[example][tuple(place)]]}" for name, place in zip("abcdef", places))
canvas.write(figure, size * pixel + 32, 390, f"truth: {answers}", canvas.SMALL, 410, color=canvas.QUIET)
lesson.figure(figure, "seen")

# %% [markdown]
# ## 3. Why texture helps
# Take one number that a pixel alone does not have: the *roughness*, the standard deviation of brightness in the window
# of 5 × 5 pixels around it. Sort all training pixels by it into ten groups of the same size.
#
# **Predict:** in which groups will the background be, in which the border? (Photographers keep the pet in focus.)


# %%
def roughness(images):
    """(n, 3, H, W) uint8 -> (n, H-4, W-4): standard deviation of the brightness in each 5 x 5 window, 0..128."""
    bright = images.mean(axis=1, dtype=np.float32)                     # (n, H, W)
    return np.stack([np.lib.stride_tricks.sliding_window_view(one, (5, 5)).std(axis=(2, 3)) for one in bright])


def inner(trimaps):
    """(n, H, W) -> (n, H-4, W-4): only the pixels whose windows lie in the image."""
    return trimaps[:, 2:-2, 2:-2]


looked_at = train[:300]
values, classes = roughness(looked_at.images), inner(looked_at.trimaps)
edges = np.quantile(values, np.linspace(0, 1, 11))
groups = np.searchsorted(edges[1:-1], values)                          # (n, H-4, W-4): 0..9
counts = np.stack([np.bincount(groups[classes == k], minlength=10) for k in range(3)])     # (3, 10)
shares = counts / np.maximum(1, counts.sum(axis=0))

# %%
figure = canvas.blank(620, 330)
canvas.write(figure, 12, 20, lesson.headline("Smooth places are background; the rougher, the more pet and border",
                                             "Classes by roughness"), canvas.TITLE, 590, weight="bold")
canvas.legend(figure, 40, 36, CLASSES, plotting.CLASS_COLORS)
axes = canvas.place(figure, 40, 66, 560, 200)
canvas.quiet(axes)
bottom = np.zeros(10)
for k in (0, 2, 1):
    axes.bar(np.arange(10), shares[k], 0.94, bottom=bottom, color=plotting.CLASS_COLORS[k])
    bottom = bottom + shares[k]
axes.set(xlim=(-0.5, 9.5), ylim=(0, 1), yticks=[0, 0.5, 1], xticks=np.arange(10))
axes.set_xticklabels([f"{low:.0f}–{high:.0f}" for low, high in zip(edges, edges[1:])])
canvas.write(figure, 320, 304, "roughness: standard deviation of 25 pixels' brightness (0–255), a tenth of the pixels "
             "in each group", canvas.SMALL, 590, ha="center", color=canvas.QUIET)
lesson.figure(figure, "roughness", alt="Share of object in ten groups of pixels, from smooth to rough: " + ", ".join(
    f"{share:.0%}" for share in shares[0]) + "; of border: " + ", ".join(f"{share:.0%}" for share in shares[2]))

# %% [markdown]
# Now the rule "the class that most pixels of this roughness have", on the held-out images. **Predict:** one number per
# pixel, and no color at all: better than the 1 × 1 network?

# %%
rule = counts.argmax(axis=0)                                           # (10,) classes
guess, truth = rule[np.searchsorted(edges[1:-1], roughness(test.images))], inner(test.trimaps)
matrix = confusion_matrix(truth, guess, 3)
background = float((truth == 1).mean())
print(f"by roughness alone: {pixel_accuracy(matrix):.1%} of the pixels right, mean IoU {mean_iou(matrix):.3f}; "
      f"all background: {background:.1%}, {background / 3:.3f}")

# %% [markdown]
# Better than the 1 × 1 network, and by much: where pixels differ from their neighbors tells more than what color they
# are.
#
# ## 4. Training
# The loss, the images and their order, the number of epochs: as in lesson 10.

# %%
first_loss = task.first_loss(model)
print(f"loss before training: {first_loss:.3f}")
model = pixelwise((5,), lesson.width, rng=lesson.seed)
born = model.layers[0].weight.data.copy()                              # (w, 3, 5, 5)
history = task.fit(model)
lesson.figure(plotting.learning_curves(history, scores={"mean_iou": "mean IoU", "iou_object": "object IoU",
                                                        "iou_border": "border IoU"},
                                       title=lesson.headline("Now the loss falls, and even some of the border is "
                                                             "found", "Training the 5 × 5 network")), "training")

# %% [markdown]
# ## 5. The filters of the first layer
# Each of the w kernels has 5 × 5 numbers for red, green and blue: a small image, drawn with 0 as medium gray. A
# filter answers strongly where the photo looks like it. One that is light on one side and dark on the other finds
# edges; one whose 75 numbers are much alike sees brightness.
#
# **Predict:** what do they look like before training, what afterwards, and what the difference, which training added?


# %%
def as_patches(weight):
    """(w, 3, 5, 5) -> the same as images in [0, 1]; each filter is scaled by its largest number, 0 becomes gray."""
    return 0.5 + 0.5 * weight / np.abs(weight).max(axis=(1, 2, 3), keepdims=True)


def alikeness(weight):
    """Return the correlation of weights with their right-hand neighbors: 0 for noise, near 1 for smooth filters."""
    return float(np.corrcoef(weight[..., :-1].ravel(), weight[..., 1:].ravel())[0, 1])


learned = model.layers[0].weight.data
stages = {"born": born, "trained": learned, "added": learned - born}
smoothness = {name: alikeness(weight) for name, weight in stages.items()}
print("correlation of neighboring weights: " + ", ".join(f"{name} {value:.2f}" for name, value in smoothness.items()))
by_use = np.argsort(-np.abs(model.layers[-1].weight.data).max(axis=(0, 2, 3)))             # most used first
strip = plotting.image_strip(np.concatenate([as_patches(weight[by_use]) for weight in stages.values()]),
                             [f"{n} {name}" for name in stages for n in range(1, len(by_use) + 1)], cell=60,
                             columns=len(by_use), title=lesson.headline(
                                 "What training added to the filters: stripes, spots and edges", "The first layer"))
lesson.figure(strip, "filters", alt=f"{len(by_use)} filters of the first layer as born, trained, and the difference; "
              "correlation of neighboring weights: " + ", ".join(f"{n} {value:.2f}" for n, value in smoothness.items()))

# %% [markdown]
# After these few epochs a filter is still mostly the noise that it was born with. What was added is smooth: the bottom
# row shows what the loss asked for.
#
# What becomes of an image: for each class the channel whose weight in the last layer speaks most for it, its filter,
# and the map that it gives (behind batch norm and ReLU), dark for 0.

# %%
maps = x = as_input(test.images[example:example + 1])
for layer in model.eval().layers[:-1]:
    maps = layer.forward(maps)                                         # (1, w, H, W)
speaks = model.layers[-1].weight.data[..., 0, 0] * maps.std(axis=(0, 2, 3))                # (3, w)
speaks = speaks - speaks.mean(axis=0)                                  # softmax: only differences between classes count
chosen = speaks.argmax(axis=1)                                         # (3,) channels
side = 192
figure = canvas.blank(4 * (side + 6) + 18, side + 100)
canvas.write(figure, 12, 20, "One channel for each class: where it is bright, it speaks for the class", canvas.TITLE,
             780, weight="bold")
for n, (name, cell) in enumerate([("the image", picture), *zip(CLASSES, maps[0, chosen])]):
    left = 12 + n * (side + 6)
    axes = canvas.place(figure, left, 84, side, side)
    axes.imshow(cell, "magma", interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    canvas.write(figure, left + (44 if n else 0), 64, name, canvas.TEXT, side - 50)
    if n:
        axes = canvas.place(figure, left, 42, 36, 36)
        axes.imshow(as_patches(learned[chosen[n - 1]][None])[0].transpose(1, 2, 0), interpolation="nearest", vmin=0,
                    vmax=1, aspect="auto")
        axes.set_axis_off()
lesson.figure(figure, "channels")

# %% [markdown]
# A bright or dark frame is no mistake of the drawing: there the window reaches into the zeros around the image, which
# look like a black edge.
#
# ## 6. The result, beside the rungs before
# **Predict:** which class gains, compared with 1 × 1? Which mistakes must remain, if all is decided from 25 pixels?

# %%
result = task.result("5 × 5", model, history)
results = task.results_up_to(result)
print(results_table(results))

# %%
drawn = results[-2:]                                                   # the last but one, if there is one, and this
lesson.figure(results_figure(drawn, test.images, test.trimaps, lesson.headline(
    "Texture and edges are found, on the pet and off it; nothing is filled", "5 × 5 pixels"), rows=8), "predictions")
lesson.figure(plotting.class_bars({r.name: r.scores for r in drawn}, title=lesson.headline(
    "All classes gain, the object most", "IoU of each class")), "classes")

# %% [markdown]
# A rough carpet is taken for a pet, the smooth part of a coat for background, any contour for a border. The model does
# not know *what* it sees, only what 25 pixels of it are like. Lesson 12 looks further.

# %%
lesson.finish(test=result.scores, by_roughness={"pixel_accuracy": pixel_accuracy(matrix), "mean_iou": mean_iou(matrix)},
              filter_smoothness=smoothness,
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(train), test_images=len(test), parameters=result.parameters,
              sees=result.receptive_field, training_seconds=result.seconds)
if lesson.as_intended and not history.stopped:
    assert result.scores["mean_iou"] > 0.34 and result.scores["iou_border"] > 0.1
    assert smoothness["added"] > 0.4 > smoothness["trained"] > smoothness["born"]
    assert pixel_accuracy(matrix) > background                         # roughness says more than nothing
    assert all(result.scores["mean_iou"] > r.scores["mean_iou"] for r in results[:-1])

# %% [markdown]
# **Try:**
# 1. `pixelwise((3, 3), ...)` in place of `pixelwise((5,), ...)`: the same receptive field. Predict the number of
#    parameters, then the mean IoU. (The assertion about parameters has to go.) Lesson 12 will ask why.
# 2. Train on images without color: replace `task.train` and `task.test` by gray ones, with
#    `dataclasses.replace(pets, images=pets.images.mean(axis=1, keepdims=True).repeat(3, 1).astype(np.uint8))`. How much
#    of the mean IoU was color, how much texture? (0.35 is left.)
# 3. `seen_pixels(model, shape, 0, 30)`: predict the number of pixels at the upper edge, then count them.
