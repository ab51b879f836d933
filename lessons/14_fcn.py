# %% [markdown]
# # 14 · FCN: only convolutions, and coarse scores enlarged
# Slide 24. *Can a network see the whole image and still keep every place in its place?*
#
# **New here:** the *fully convolutional* network of Long, Shelhamer and Darrell: class scores on the encoder's coarse
# maps; transposed convolutions that enlarge them; and skips, ways around the deeper layers, whose scores are *added*.
#
# **Needs:** the encoder and its dense layer (lesson 13), conv blocks (lessons 10–12).

# %%
import numpy as np

from minidl import Conv2d, Linear, Upsample, fcn, no_backward, plotting
from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.models import enlarge
from minidl.plotting import canvas
from minidl.step import predict, predict_classes
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation, segmentation_scores
from minidl.tasks.segmentation.ladder import results_figure, results_table

lesson = Lesson("14_fcn")
task = Segmentation(lesson)
rng = np.random.default_rng(lesson.seed)

# %% [markdown]
# ## 1. A dense layer is a convolution
# A classifier's dense layer, on maps of C channels and 2 × 2 places, has a weight for each channel and place: C · 2 · 2
# for each class. So has a convolution with a 2 × 2 kernel, and on 2 × 2 places there is just one position to put it.
#
# **Predict:** with the same weights, do both give the same? And on maps of 4 × 4 places, where the dense layer fails?

# %%
dense, convolution = Linear(8 * 2 * 2, 3, rng=rng), Conv2d(8, 3, 2, rng=rng)
convolution.weight.data[...] = dense.weight.data.reshape(3, 8, 2, 2)
convolution.bias.data[...] = dense.bias.data
maps = rng.normal(size=(1, 8, 4, 4)).astype(np.float32)            # (N, C, H, W)
score_maps = convolution.forward(maps)                                 # (1, 3, 3, 3)
for i in range(3):
    for j in range(3):
        patch = maps[:, :, i:i + 2, j:j + 2]                       # (1, 8, 2, 2)
        assert np.allclose(score_maps[:, :, i, j], dense.forward(patch.reshape(1, -1)), atol=1e-5)
print(f"maps {maps.shape[1:]} -> scores {score_maps.shape[1:]}: the dense layer at 9 places")

# %% [markdown]
# It is the dense layer, moved over the maps: a classifier becomes a map of scores, for images of any size. That is
# the paper's first idea, and what lesson 13 lacked: one set of weights for all places. But after five poolings the map
# of scores is 32 times smaller than the image.
#
# ## 2. Enlarging with a transposed convolution
# A convolution collects: each output pixel is a weighted sum of the input pixels under its kernel. *Transposed*, it
# paints: each input pixel paints its kernel, times its value, onto the output, and where painted kernels overlap they
# add up. How many pixels apart they are painted is the *stride*; in general, how many pixels of the image one step on
# a map is. The kernel is learned. `enlarge` of `minidl/models.py` makes such a layer that begins with
# a tent for each class: largest in the middle, falling in straight lines to 0 at the places of the neighbors.
#
# **Predict:** the row 1, 5, 4, 8 is enlarged 8 times. What do the tents add up to between two of the values, and what
# beyond the last?


# %%
def paint(values, scale):
    """Return what each of a row of n values paints onto the row that is `scale` times longer, (n, scale n)."""
    tent = np.sqrt(np.diag(enlarge(1, scale).weight.data[0, 0]))   # the kernel is tent x tent
    parts = np.zeros((len(values), scale * (len(values) + 1)))
    for k, value in enumerate(values):
        parts[k, k * scale:(k + 2) * scale] = value * tent
    return parts[:, scale // 2:-scale // 2]                        # half a kernel lies beyond each end


values, scale = [1.0, 5.0, 4.0, 8.0], 8
parts = paint(values, scale)                                       # (4, 32)
straight = Upsample((1, scale), "bilinear").forward(np.array(values).reshape(1, 1, 1, -1)).ravel()
inside = np.s_[scale // 2:-scale // 2]
assert np.allclose(parts.sum(axis=0)[inside], straight[inside])
print("beyond the last value:", parts.sum(axis=0)[-scale // 2:].round(2))

# %% [markdown]
# Straight lines between the values; in two dimensions this is *bilinear interpolation* (lesson 15 works it out by
# hand). Beyond the first and the last value the other half of the sum is missing, and it falls towards 0.

# %%
small = rng.normal(size=(1, 1, 5, 5)).astype(np.float32)
painted, interpolated = (layer.forward(small)[0, 0] for layer in (enlarge(1, 8), Upsample(8, "bilinear")))
apart = np.abs(painted - interpolated)                             # (40, 40)
assert np.allclose(apart[4:-4, 4:-4], 0, atol=1e-6) and apart[0].max() > 0.1

figure = canvas.blank(1100, 270)
canvas.write(figure, 12, 20, "Tents painted side by side add up to bilinear interpolation, but for the rim",
             canvas.TITLE, 940, weight="bold")
axes = canvas.place(figure, 40, 64, 330, 160)
canvas.quiet(axes)
at = (np.arange(parts.shape[1]) + 0.5) / scale - 0.5               # in old pixels
for k, part in enumerate(parts):
    axes.fill_between(at, part, color=canvas.LINE_COLORS[k], alpha=0.3, linewidth=0)
axes.plot(at, straight, color=canvas.QUIET, linestyle="--", linewidth=1)
axes.plot(at, parts.sum(axis=0), color=canvas.INK, linewidth=1.6)
axes.plot(values, "o", color=canvas.INK)
axes.set(xticks=range(len(values)), ylim=(0, 9), xlim=(-0.5, len(values) - 0.5))
canvas.write(figure, 40, 50, "1, 5, 4, 8: four tents and their sum; dashed: bilinear", canvas.TEXT, 340)
low, high = float(interpolated.min()), float(interpolated.max())
for left, picture, title, limits in ((400, enlarge(1, 8).weight.data[0, 0], "the kernel, 16 × 16", (0, 1)),
                                     (572, painted, "5 × 5 values, painted", (low, high)),
                                     (744, interpolated, "the same, bilinear", (low, high)),
                                     (916, apart, "how far apart (dark: 0)", (0, high - low))):
    axes = canvas.place(figure, left, 64, 160, 160)
    axes.imshow(picture, "viridis", vmin=limits[0], vmax=limits[1], interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    canvas.write(figure, left, 50, title, canvas.TEXT, 160)
lesson.figure(figure, "enlarging")

# %% [markdown]
# ## 3. Three models
# FCN-32s: a 1 × 1 convolution scores the encoder's coarsest map (five poolings: a place stands for 32 × 32 pixels), and
# the scores are enlarged 32 times. FCN-16s: they are enlarged twice, and *added* to scores of the map before the last
# pooling; the sum is enlarged 16 times. FCN-8s: the same once more. A `Sum` in the summary holds both ways, and
# adds what comes out; the backward of a sum hands dy to both.
#
# **Predict:** from how many scores does each of the three draw all its pixels?

# %%
strides = {"FCN-32s": 32, "FCN-16s": 16, "FCN-8s": 8}
models = {name: fcn(stride, lesson.width, rng=lesson.seed) for name, stride in strides.items()}
models["FCN-8s"].summary((1, 3, lesson.size, lesson.size))
for name, stride in strides.items():
    print(f"{name}: {lesson.size**2:,} pixels from {3 * (lesson.size // stride)**2} scores, "
          f"{sum(parameter.data.size for parameter in models[name].parameters()):,} parameters")

# %% [markdown]
# Can so few scores say where a pet is? Let us give them the truth: of each square of 32 × 32 (16 × 16, 8 × 8) pixels,
# the shares of the three classes; enlarged with the tents.
#
# **Predict:** the IoU of the border, drawn from shares of squares that are larger than the border is wide.


# %%
def shares(labels, side):
    """Return (n, 3, H / side, W / side): how much of each square belongs to each class."""
    n, H, W = labels.shape
    squares = np.eye(3, dtype=np.float32)[labels].reshape(n, H // side, side, W // side, side, 3)
    return squares.mean(axis=(2, 4)).transpose(0, 3, 1, 2)


truth_enlarged = {name: segmentation_scores(enlarge(3, stride), shares(task.held.trimaps, stride), task.held.trimaps,
                                            CLASSES) for name, stride in strides.items()}
for name, best in truth_enlarged.items():
    print(f"{name}, the truth's shares enlarged: mean IoU {best['mean_iou']:.3f}, border {best['iou_border']:.3f}")

# %% [markdown]
# From squares of 32 × 32 pixels no border at all: nowhere is it the largest share. With tents that stay tents, this is
# about what can be had (the first exercise). But these are learned.
#
# **Predict:** can trained models do better than the truth's shares?
#
# ## 4. Loss and training
# As for all models of the ladder: cross entropy at each pixel, near ln 3 = 1.0986 or somewhat above it before training;
# Adam, the same images in the same order, the same number of epochs; for each of the three from scratch.

# %%
first_loss = task.first_loss(models["FCN-8s"])
print(f"loss before training: {first_loss:.3f}")
models["FCN-8s"] = fcn(8, lesson.width, rng=lesson.seed)
histories = {}
for name, model in models.items():
    print(name)
    histories[name] = task.fit(model, name)
history = histories["FCN-8s"]
together = [{"epoch": rows[0]["epoch"], **{name: row["loss"] for name, row in zip(histories, rows)},
             **{f"{name} IoU": row["mean_iou"] for name, row in zip(histories, rows) if "mean_iou" in row}}
            for rows in zip(*histories.values())]
curves = plotting.learning_curves([{**row, "loss": row["FCN-8s"]} for row in together],
                                  scores={f"{name} IoU": f"{name}, mean IoU" for name in strides},
                                  title=lesson.headline("Finer scores are better from the start (left: the loss of "
                                                        "FCN-8s)", "Training (left: the loss of FCN-8s)"))
lesson.figure(curves, "training")

# %% [markdown]
# ## 5. The result: 32s, 16s, 8s
# **Predict:** which class gains most from finer scores?

# %%
scores = {name: task.scores(model) for name, model in models.items()}
predictions = {name: task.predictions(model) for name, model in models.items()}
for name, found in scores.items():
    print(f"{name}: mean IoU {found['mean_iou']:.3f}, object {found['iou_object']:.3f}, "
          f"border {found.get('iou_border', 0):.3f} (the truth's shares: {truth_enlarged[name]['mean_iou']:.3f} and "
          f"{truth_enlarged[name]['iou_border']:.3f})")
rows = slice(0, 6)
notes = {name: [f"{(labels == guess).mean():.0%} right" for labels, guess in zip(task.held.trimaps[rows], maps)]
         for name, maps in predictions.items()}
grid = plotting.prediction_grid(task.held.images[rows], task.held.trimaps[rows],
                                {name: maps[rows] for name, maps in predictions.items()}, notes=notes,
                                title=lesson.headline(
                                    f"{3 * (lesson.size // 32)**2} scores draw a blob, "
                                    f"{3 * (lesson.size // 8)**2} begin to draw a pet", "Coarse and fine scores"))
lesson.figure(grid, "strides")
lesson.figure(plotting.class_bars(scores, title=lesson.headline(
    "Finer scores help every class, the border most", "IoU of each class")), "classes")

# %% [markdown]
# How can FCN-32s do better than the truth's shares? Its scores need not say what is in a square, only what is to be
# painted; and the kernels are learned. There is one for each pair of (score, class that it paints), and all but
# three were 0 at the start.
#
# **Predict:** do the tents stay tents?

# %%
figure = canvas.blank(790, 404)
canvas.write(figure, 12, 20, lesson.headline("FCN-8s keeps its tents, FCN-32s tears them to pieces",
                                             "The learned kernels") + " (red: above 0, blue: below)",
             canvas.TITLE, 730, weight="bold")
for left, name in ((90, "FCN-32s"), (450, "FCN-8s")):
    kernels = models[name].layers[-1].weight.data                  # (score, painted class, 2 stride, 2 stride)
    limit = float(np.abs(kernels).max())
    canvas.write(figure, left, 48, f"{name}: kernels of {kernels.shape[2]} × {kernels.shape[3]}", canvas.TEXT, 300)
    for (i, j), (score, painted_class) in zip(np.ndindex(3, 3), ((a, b) for a in CLASSES for b in CLASSES)):
        axes = canvas.place(figure, left + 104 * j, 84 + 104 * i, 96, 96)
        axes.imshow(kernels[i, j], "RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="auto")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(canvas.GRID)
        canvas.write(figure, left + 104 * j, 72, f"→ {painted_class}" if i == 0 else "", canvas.SMALL, 96)
        if j == 0 and left < 100:
            canvas.write(figure, 12, 132 + 104 * i, score, canvas.SMALL, 76)
lesson.figure(figure, "kernels")

# %% [markdown]
# On 64 × 64 pixels FCN-32s has 2 × 2 places, always the same four. An outer tile of 16 × 16 pixels of its kernel is
# only ever painted by one or two of them, always onto the same part of the image (the rest falls outside), a tile in
# the middle by all four. So the tiles need not fit together, and learn in part what lies *there* in our images: a
# small dense layer has come back. FCN-8s has 8 × 8 places, and nearly all of them use all of its kernel.

# %%
result = task.result("FCN-8s", models["FCN-8s"], history)
results = task.results_up_to(result)
print(results_table(results))
lesson.figure(results_figure(results[-4:], task.held.images, task.held.trimaps, lesson.headline(
    "FCN-8s: most of the pet, in a thick outline", "FCN-8s, and the rungs before it")), "predictions")

# %% [markdown]
# ## 6. Skips that add
# From the scores on, FCN-8s is linear: enlarge and add. So its result is a *sum* of three images, what the scores at
# stride 32, 16 and 8 contribute, each enlarged all the way.
#
# **Predict:** which of the three says most?


# %%
def contributions(model, x):
    """Return what the scores at stride 32, 16 and 8 add to the result of FCN-8s, (n, 3, H, W) each."""
    *encode, sum_8, enlarge_8 = model.eval().layers
    for layer in encode:
        x = layer.forward(x)
    (*encode, sum_16, double_16), score_8 = sum_8.layers
    at_8 = score_8.forward(x)
    for layer in encode:
        x = layer.forward(x)
    (*encode, score_32, double_32), score_16 = sum_16.layers
    at_16 = score_16.forward(x)
    for layer in encode:
        x = layer.forward(x)
    at_32 = double_32.forward(score_32.forward(x))
    return [enlarge_8.forward(scores) for scores in (double_16.forward(at_32), double_16.forward(at_16), at_8)]


images = as_input(task.held.images[:SHOWN])
with no_backward(models["FCN-8s"]):
    three = contributions(models["FCN-8s"], images)
logits = predict(models["FCN-8s"], images)                         # (n, 3, H, W)
assert np.allclose(sum(three), logits, atol=1e-3)
spread = [float((maps[:, 0] - maps[:, 1]).std()) for maps in three]    # of object's score minus background's
print("contributions' standard deviation: " + ", ".join(f"stride {stride} {value:.2f}" for stride, value
                                                        in zip((32, 16, 8), spread)))

# %%
n, cell = min(4, len(images)), canvas.whole_multiple(lesson.size, 128)
columns = {"stride 32": three[0], "+ stride 16": three[1], "+ stride 8": three[2], "= the sum": logits}
differences = {name: maps[:n, 0] - maps[:n, 1] for name, maps in columns.items()}                  # object - background
limit = float(np.percentile(np.abs(differences["= the sum"]), 98))
figure = canvas.blank(24 + 6 * (cell + 4), 72 + n * (cell + 4))
loudest = (32, 16, 8)[int(np.argmax(spread))]
canvas.write(figure, 12, 20, f"Three contributions, added; stride {loudest} says most (red: object, blue: background)",
             canvas.TITLE, 6 * cell, weight="bold")
for k in range(n):
    shown = [("image", images[k].transpose(1, 2, 0)), *((name, maps[k]) for name, maps in differences.items()),
             ("prediction", plotting.colorize(predictions["FCN-8s"][k]))]
    for j, (name, picture) in enumerate(shown):
        axes = canvas.place(figure, 12 + j * (cell + 4), 64 + k * (cell + 4), cell, cell)
        axes.imshow(picture, "RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        canvas.write(figure, 12 + j * (cell + 4) + cell / 2, 52, name if k == 0 else "", canvas.TEXT, cell,
                     ha="center")
lesson.figure(figure, "contributions")

# %% [markdown]
# The paper trains FCN-32s first, then adds a finer score map whose weights begin at 0, and so on: there the coarse
# scores must carry the image, and the finer ones correct it. Here all three begin at random and learn together, and
# the finer ones take over what they can say better.
#
# ## 7. Any size
# No layer knows the image's size. So the trained FCN-8s takes six held-out images laid out as one, without being
# told or trained.
#
# **Predict:** are the pets found as if each image had been put in alone? Where not?

# %%
six = np.arange(6) % len(task.test)


def lay_out(pictures):
    """Lay six arrays (6, ..., H, W) out in two rows of three: (..., 2 H, 3 W)."""
    return np.concatenate([np.concatenate(list(pictures[k:k + 3]), axis=-1) for k in (0, 3)], axis=-2)


large = lay_out(task.held.images[six])                             # (3, 2 H, 3 W)
at_once = predict(models["FCN-8s"], large[None]).argmax(axis=1)[0]
one_by_one = lay_out(predict(models["FCN-8s"], task.held.images[six]).argmax(axis=1))
same = at_once == one_by_one                                       # (2 H, 3 W)
truth = lay_out(task.held.trimaps[six])
print(f"{large.shape[1]} × {large.shape[2]} pixels at once: {same.mean():.1%} of them as one by one; right are "
      f"{(one_by_one == truth).mean():.1%} one by one, {(at_once == truth).mean():.1%} at once")
views = [large / 255, *(plotting.colorize(labels).transpose(2, 0, 1) for labels in (one_by_one, at_once)),
         np.broadcast_to(same, (3, *same.shape)).astype(float)]
strip = plotting.image_strip(np.stack(views), columns=2, cell=480, titles=[
    f"{large.shape[1]} × {large.shape[2]} pixels", "six predictions, one by one", "one prediction of all at once",
    "black: where the two differ"], title=f"Trained on {lesson.size} × {lesson.size} pixels, used on "
                                      f"{large.shape[1]} × {large.shape[2]}")
lesson.figure(strip, "any_size")

# %% [markdown]
# Mostly, but not near the seams: alone, an image ends in zeros, here in another image, and a pet that its frame cuts
# off runs on into its neighbor.
#
# *Scale* is something else. The same held-out images, read with twice as many pixels on each side, have pets twice
# as large as those it was trained on.
#
# **Predict:** better (there are more pixels to see), or worse?

# %%
twice = lesson.pets("test", 2 * lesson.size)
scores_twice = segmentation_scores(models["FCN-8s"], twice.images, twice.trimaps, CLASSES)
print(f"at {2 * lesson.size} × {2 * lesson.size} pixels: mean IoU {scores_twice['mean_iou']:.3f} "
      f"instead of {scores['FCN-8s']['mean_iou']:.3f}")

# %% [markdown]
# And lesson 13's experiment: move the images d pixels to the right, and compare predict(shift(x)) with
# shift(predict(x)).
#
# **Predict:** is FCN-8s equivariant? (It is made of convolutions; but also of poolings.)


# %%
def shift(x, d):
    """Move arrays (..., H, W) d pixels to the right; on the left, what is there goes on mirrored."""
    return np.concatenate([x[..., :d][..., ::-1], x[..., :x.shape[-1] - d]], axis=-1)


of_x, agreement = predict_classes(models["FCN-8s"], task.held.images), {}
for d in (1, lesson.size // 8, lesson.size // 4):
    of_moved = predict_classes(models["FCN-8s"], shift(task.held.images, d))
    inside = np.s_[:, 2:-2, d + 2:-2]                              # as in lesson 13
    agreement[str(d)], unnoticed = (float((guess == shift(of_x, d))[inside].mean()) for guess in (of_moved, of_x))
    print(f"moved by {d:>2}: {agreement[str(d)]:.1%} equal; had it not noticed, {unnoticed:.1%}")

# %% [markdown]
# It follows much better than the reshaping model, but it is not equivariant. A pooling takes squares 0–1, 2–3 and so
# on; moved by one pixel, other pixels meet. Three poolings are equivariant only for steps of 8, five for steps of 32.
# By one pixel, FCN-8s hardly notices, as little as the reshaping model.
#
# ## 8. What is not the paper's
# Theirs: VGG-16 as encoder, trained on ImageNet; two layers of 4096 channels before the scores; one model trained
# after the other, 32s, 16s, 8s, with score layers beginning at 0; the last enlargement fixed to bilinear, only those
# before it learned; photos of about 500 × 375 pixels, 21 classes. Their mean IoU: 0.594, 0.624 and 0.627 (on a part of
# PASCAL VOC's validation images). Ours: small, without pretraining, all learned at once, with batch norm. Finer scores
# gain more here, since our images are so small that stride 32 leaves 2 × 2 places of them.

# %%
lesson.finish(test=scores["FCN-8s"], fcn_16s=scores["FCN-16s"], fcn_32s=scores["FCN-32s"],
              truth_enlarged={name: values["mean_iou"] for name, values in truth_enlarged.items()},
              twice_as_large=scores_twice, same_at_once=float(same.mean()), agreement_shifted=agreement,
              contributions=dict(zip(("stride 32", "stride 16", "stride 8"), spread)),
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(task.train), test_images=len(task.test), parameters=result.parameters,
              sees=result.receptive_field, training_seconds=result.seconds,
              training_seconds_all=sum(row["seconds"] for rows in histories.values() for row in rows))
if lesson.as_intended and not any(rows.stopped for rows in histories.values()):
    means, borders = ([values[key] for values in scores.values()] for key in ("mean_iou", "iou_border"))
    assert means == sorted(means) and borders == sorted(borders), "finer is better"
    assert means[-1] > 0.57 and borders[-1] > 0.22

# %% [markdown]
# **Try:**
# 1. What are learned kernels worth? Fix the last enlargement of FCN-32s, as the paper does:
#    `Pyramid(*fcn(32, lesson.width, rng=lesson.seed).layers[:-1], Upsample(32, "bilinear"), multiple=32)` (`Pyramid` is
#    in `minidl.models`), and train it with `task.fit`. To which number printed above does its mean IoU come close?
# 2. Which of the three contributions is dispensable? Predict with `three[1] + three[2]` alone and count the right
#    pixels, then leave out another one. Do the printed standard deviations foretell the result?
# 3. Score FCN-8s on `lesson.pets("test", size)` for `size` 32, 64, 96 and 128. Where is it best? And 80?
