# %% [markdown]
# # 16 · Encoder–decoder: squeeze an image, then draw its trimap
# Slides 31–33. *What is left of an image in a few coarse maps, and how much of the trimap can be drawn from that?*
#
# **New here:** the whole pyramid, five times smaller with more channels (encoding), then five times larger with fewer
# (decoding); its feature maps; and its *bottleneck*, the smallest map, which everything must pass.
#
# **Needs:** the reshaping segmenter and the FCN (lessons 13, 14), upsampling + conv (lesson 15).

# %%
import numpy as np

from minidl import encoder_decoder, plotting
from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.layers import Softmax
from minidl.plotting import canvas
from minidl.step import predict_classes
from minidl.tasks.segmentation.experiment import Segmentation
from minidl.tasks.segmentation.ladder import results_figure, results_table

lesson = Lesson("16_encoder_decoder")
task = Segmentation(lesson)

# %% [markdown]
# ## 1. The model
# An encoder block is a 3 × 3 convolution, batch norm, ReLU and 2 × 2 max pooling, as in lessons 13 and 14. A decoder
# block is upsampling and a 3 × 3 convolution, batch norm and ReLU; the last has only upsampling and convolution, to the
# classes' scores. The dense layer of lesson 13, which had no place for place, is gone: every layer here keeps left on
# the left and top on top. And unlike in lesson 14, learned layers work at every resolution on the way up.
#
# **Predict:** the shapes after the ten blocks, for the slide's 128 × 128 pixels and 64 channels in the first block.


# %%
def blocks(model):
    """Return the model's ten blocks: four layers each, but two in the last."""
    return [model.layers[i:i + 4] for i in range(0, len(model), 4)]


def shapes(model, shape):
    """Return the shape (C, H, W) after each block, for an input of shape (N, C, H, W)."""
    found = []
    for block in blocks(model):
        for layer in block:
            shape = layer.output_shape(shape)
        found.append(shape[1:])
    return found


slide = shapes(encoder_decoder(64), (1, 3, 128, 128))
print("encoding:", *slide[:5], "\ndecoding:", *slide[5:])
assert slide == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4),
                 (512, 8, 8), (256, 16, 16), (128, 32, 32), (64, 64, 64), (3, 128, 128)]

# %%
model = encoder_decoder(lesson.width, rng=lesson.seed)
ours = (1, 3, lesson.size, lesson.size)
model.summary(ours)

# %% [markdown]
# ## 2. The bottleneck, counted
# The slide's smallest map is (512, 4, 4). Five halvings of 64 pixels leave 2: ours is smaller, but for the same reason.
# One place of it stands for 32 × 32 pixels of the image, in both.
#
# **Predict:** how many numbers enter, how many are left there, how many classes must be drawn from them?

# %%
smallest = shapes(model, ours)[4]
enter, remain, drawn = 3 * lesson.size**2, int(np.prod(smallest)), lesson.size**2
print(f"{enter:,} numbers enter, {remain:,} are left at {smallest}, {drawn:,} pixels get a class from them")
print(f"one place: {smallest[0]} numbers, for the classes of {drawn // (smallest[1] * smallest[2]):,} pixels")
assert drawn // (smallest[1] * smallest[2]) == 32 * 32

# %% [markdown]
# ## 3. Loss and training
# As for all models of the ladder: cross entropy at each pixel, Adam, the same images, the same number of epochs. A
# model that knows nothing starts near ln 3 = 1.0986, ours with random weights somewhat above.

# %%
first_loss = task.first_loss(model)
print(f"loss before training: {first_loss:.3f}")
model = encoder_decoder(lesson.width, rng=lesson.seed)
history = task.fit(model)
curves = plotting.learning_curves(history, scores={"mean_iou": "mean IoU", "iou_object": "object IoU",
                                                   "iou_border": "border IoU"},
                                  title=lesson.headline("The object is learned early, the border hardly",
                                                        "Training the encoder–decoder"))
lesson.figure(curves, "training")

# %% [markdown]
# ## 4. Feature maps while encoding and decoding
# A Sequential is a row of layers, so its inner maps are simply what each layer hands to the next. Let us run them one
# by one, and keep what comes out of each block.
#
# **Predict:** where are eyes and fur still visible? What can a map of 2 × 2 places show? And on the way back, do the
# maps regain the fur?


# %%
def feature_maps(model, x):
    """Return the input and the maps (N, C, H, W) behind each block, in eval mode."""
    model.eval()
    maps = [x]
    for block in blocks(model):
        for layer in block:
            x = layer.forward(x)
        maps.append(x)
    return maps


predicted = predict_classes(model, task.held.images)                       # (n, H, W)
right = (predicted == task.held.trimaps).mean(axis=(1, 2))                                         # (n,)
example = int(np.argsort(right)[-len(right) // 4])                 # better than three quarters of the others
x = as_input(task.held.images[example:example + 1])
maps = feature_maps(model, x)
assert np.array_equal(maps[-1].argmax(axis=1)[0], predicted[example])
assert [m.shape[1:] for m in maps[1:]] == shapes(model, ours)


# %%
def chosen_channels(maps, n=3):
    """Return the n channels (n, H, W) of maps (1, C, H, W) that differ most from place to place."""
    return maps[0, np.argsort(-maps[0].std(axis=(1, 2)))[:n]]


def draw_column(figure, left, width, pictures, head, shape, room):
    """Draw three images below each other, what they are above and their shape below."""
    for k, picture in enumerate(pictures):
        axes = canvas.place(figure, left, 66 + k * 138 + (128 - width) // 2, width, width)
        axes.imshow(picture, "magma", interpolation="nearest", aspect="auto")
        axes.set_axis_off()
    for y, text, color in ((52, head, canvas.INK), (488, str(shape).replace(" ", ""), canvas.INK),
                           (504, f"{np.prod(shape):,}", canvas.QUIET)):
        canvas.write(figure, left + width / 2, y, text, canvas.SMALL, room, color=color, ha="center")


probabilities = Softmax().forward(maps[-1])[0]                                                     # (3, H, W)
columns = [("input", [x[0].transpose(1, 2, 0), *map(plotting.colorize, (task.held.trimaps[example],
                                                                        predicted[example]))])]
columns += [(f"block {k}", list(chosen_channels(m))) for k, m in enumerate(maps[1:-1], 1)]
columns += [("block 10, softmax", list(probabilities))]
widths = [canvas.whole_multiple(m.shape[3], wanted)
          for m, wanted in zip(maps, (128, 96, 80, 64, 48, 32, 48, 64, 80, 96, 128))]
gap = 20
figure = canvas.blank(24 + sum(widths) + 10 * gap + 66, 520)
canvas.write(figure, 12, 20, f"From {lesson.size} × {lesson.size} pixels to {smallest[1]} × {smallest[2]} places and "
             "back" + lesson.headline(": texture goes in, only shape comes out", ""), canvas.TITLE, 1050,
             weight="bold")
left = 12
for (head, pictures), m, width in zip(columns, maps, widths):
    draw_column(figure, left, width, pictures, head, m.shape[1:], width + gap - 2)
    left += width + gap
for k, name in enumerate(CLASSES):
    canvas.write(figure, left - gap + 6, 66 + k * 138 + 64, name, canvas.SMALL, 76)
lesson.figure(figure, "feature_maps", alt=f"An image and, of each of ten blocks, three feature maps, from {ours[1:]} "
              f"to {smallest} and back: fur is seen in the first ones, later only the pet's shape")

# %% [markdown]
# Left below the image: the truth and the prediction. Of each block the three channels that vary most are drawn, each
# with brightness of its own, dark for small; below them the map's shape and how many numbers that is. Eyes and fur are
# there in the first block or two. At 2 × 2 places nothing is left to recognize by eye, and on the way back comes
# the outline of a pet, but no fur: nobody asked for it.
#
# ## 5. The decoder draws what the bottleneck says
# Nothing else reaches it. So we can forge the bottleneck: its left half from one image, its right half from another.
#
# **Predict:** what does the decoder draw?


# %%
def decode(model, bottleneck):
    """Return the classes (n, H, W) that blocks 6 to 10 draw from bottlenecks (n, C, h, w)."""
    for block in blocks(model.eval())[5:]:
        for layer in block:
            bottleneck = layer.forward(bottleneck)
    return bottleneck.argmax(axis=1)


middle = lesson.size // 2
understood = right >= np.median(right)
on_the_left = (predicted[:, :, :middle] != 1).mean(axis=(1, 2)) * understood                       # (n,)
on_the_right = (predicted[:, :, middle:] != 1).mean(axis=(1, 2)) * understood
n = min(4, len(right) // 2)
one = np.argsort(-on_the_left)[:n]                                 # pets that fill the left half of their image
on_the_right[one] = 0
other = np.argsort(-on_the_right)[:n]                              # and others that fill the right one
bottleneck = feature_maps(model, as_input(task.held.images[one]))[5]                               # (n, C, h, w)
assert np.array_equal(decode(model, bottleneck), predicted[one])
half = bottleneck.shape[3] // 2
forged = bottleneck.copy()
forged[..., half:] = feature_maps(model, as_input(task.held.images[other]))[5][..., half:]
drawn_from_forged = decode(model, forged)                          # (n, H, W)

# %%
cells = [plotting.colorize(labels).transpose(2, 0, 1) for k in range(n)
         for labels in (predicted[one[k]], predicted[other[k]], drawn_from_forged[k])]
strip = np.stack(cells)
strip[..., middle - 1] = 0                                         # a line through the middle
figure = plotting.image_strip(strip, columns=6, cell=128, titles=["one", "another", "forged of both"] * n,
                              title="A forged bottleneck: the left places of one image, the right ones of another")
lesson.figure(figure, "forged")

# %% [markdown]
# Each half is drawn where it belongs, and in the middle, where both are within reach of the convolutions, the decoder
# makes up a passage that looks like a pet. *Where* is in the place; *what*, down to the course of the outline, is in
# the channels.
#
# ## 6. What the bottleneck cannot hold
# Say that a pixel of the pet (object or border) has thickness k if a k × k square that holds it fits into the pet, and
# no larger one does. Tails and the tips of ears are thin, trunks thick.
#
# **Predict:** of the pet's pixels of each thickness, what share does the model find?


# %%
def covered(mask, k):
    """Return which pixels of masks (n, H, W) lie in a k x k square that fits into the mask."""
    for _ in range(k - 1):                                         # upper left corners of the squares that fit
        mask = mask[:, 1:, 1:] & mask[:, 1:, :-1] & mask[:, :-1, 1:] & mask[:, :-1, :-1]
    for _ in range(k - 1):                                         # and all pixels of these squares
        mask = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
        mask = mask[:, 1:, 1:] | mask[:, 1:, :-1] | mask[:, :-1, 1:] | mask[:, :-1, :-1]
    return mask


assert covered(np.ones((1, 5, 7), bool), 5).all() and not covered(np.ones((1, 5, 7), bool), 6).any()
pet, found = task.held.trimaps != 1, predicted != 1                                                # (n, H, W)
steps = [1, 4, 6, 8, 12, 16, 24]
thick_from = [covered(pet, k) for k in steps] + [np.zeros_like(pet)]
bands = {f"{low}–{high - 1}": a & ~b for low, high, a, b in zip(steps, steps[1:], thick_from, thick_from[1:])}
bands[f"{steps[-1]} and more"] = thick_from[-2]
recall = {name: float(found[band].mean()) for name, band in bands.items() if band.any()}
for name, share in recall.items():
    print(f"{name:>12} pixels thick: {share:.0%} of {int(bands[name].sum()):,} pixels found")

# %%
figure = canvas.blank(560, 320)
canvas.write(figure, 12, 20, lesson.headline("The thinner a part of the pet, the less of it is found",
                                             "How much of the pet is found"), canvas.TITLE, 530, weight="bold")
canvas.write(figure, 12, 44, "share of the pet's pixels that are found", canvas.TEXT, 500)
axes = canvas.place(figure, 46, 60, 496, 200)
canvas.quiet(axes)
axes.bar(list(recall), list(recall.values()), 0.8, color=canvas.LINE_COLORS[0])
for k, share in enumerate(recall.values()):
    axes.annotate(f"{share:.2f}", (k, share), (0, 3), ha="center", textcoords="offset points", fontsize=8)
axes.set_ylim(0, 1)
canvas.write(figure, 294, 296, "thickness of the part, in pixels", canvas.TEXT, 496, ha="center")
lesson.figure(figure, "thickness", alt="Share of the pet's pixels that are found, by thickness in pixels: " + ", ".join(
    f"{name}: {share:.0%}" for name, share in recall.items()))

# %% [markdown]
# Of the thinnest parts little is found, of the thickest nearly all. Is that the bottleneck's doing? Lesson 17 leaves it
# as it is, and opens a way around it; exercise 1 draws these bars again. Now let us look at images whose pet was
# found, but for its thin parts; in red, what of the pet was taken for background.

# %%
thin, thick = pet & ~covered(pet, 6), covered(pet, 12)
thick_found = (thick & found).sum(axis=(1, 2)) / np.maximum(1, thick.sum(axis=(1, 2)))             # (n,)
thin_lost = (thin & ~found).sum(axis=(1, 2))                                                       # (n,)
vanished = np.argsort(np.where(thick_found > 0.85, -thin_lost, 1), kind="stable")[:6]
lost = np.where(pet & ~found, 3, task.held.trimaps)[vanished]
grid = plotting.prediction_grid(task.held.images[vanished], task.held.trimaps[vanished],
                                {"encoder–decoder": predicted[vanished], "lost": lost}, columns=2,
                                class_names=(*CLASSES, "pet, taken for background"),
                                colors=(*plotting.CLASS_COLORS, "#C8102E"),
                                title=lesson.headline("Trunks pass the bottleneck; ears, legs and tails do not",
                                                      "What is lost"))
lesson.figure(grid, "lost")

# %% [markdown]
# ## 7. The result, beside the rungs before
# **Predict:** a model that sees the whole image, against those that see 5 or 13 pixels of it: where does it win,
# where does it lose?

# %%
result = task.result("encoder–decoder", model, history)
results = task.results_up_to(result)
print(results_table(results))
lesson.figure(results_figure(results[-4:], task.test.images, task.test.trimaps, lesson.headline(
    "The encoder–decoder draws pets, with round corners", "The encoder–decoder, and the rungs before it")),
    "predictions")
lesson.figure(plotting.class_bars(result.scores, title=lesson.headline(
    "The border is far below the object", "IoU of each class")), "classes")

# %% [markdown]
# It wins what needs the whole image, the object and the background, by far. At the border it is no better than 9 × 9,
# which saw little but worked at full resolution; and FCN-8s, which adds finer scores, has more of it.


# %%
lesson.finish(test=result.scores, found_by_thickness=recall, bottleneck_numbers=remain, picture_numbers=enter,
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(task.train), test_images=len(task.test), parameters=result.parameters,
              sees=result.receptive_field, training_seconds=result.seconds)
if lesson.as_intended and not history.stopped:
    assert result.scores["mean_iou"] > 0.55 and result.scores["iou_object"] > 0.65
    assert result.scores["iou_border"] < result.scores["iou_object"] - 0.3
    assert recall["1–3"] < 0.5 < 0.85 < recall["24 and more"]

# %% [markdown]
# **Try:**
# 1. `encoder_decoder(lesson.width, skip=True)` is the model of lesson 17; `blocks` does not fit it, so leave out
#    sections 2, 4 and 5. What becomes of the bars in `thickness.png`, the first and the last?
# 2. `--size 128 --epochs 1`: the bottleneck is now 4 × 4, as on the slide. Before you run it: which numbers of section
#    2 change, and is a larger or a smaller share of the image's numbers left?
# 3. Forge every second channel instead of the right half: `forged[:, ::2] = ...[5][:, ::2]`. Do the drawings
#    still show one outline on the left and another on the right?
