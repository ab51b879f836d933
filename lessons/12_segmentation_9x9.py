# %% [markdown]
# # 12 · Segmentation (3): larger kernels, and what they cost
# Slides 19–20. *If 5 × 5 pixels are better than one, are 13 × 13 better still, and how long can one go on like this?*
#
# **New here:** receptive fields of layers behind one another add up; and the price of an answer, in *multiply-adds*
# (one multiplication and one addition) for each pixel of the result.
#
# **Needs:** lessons 10 and 11.

# %%
import numpy as np

from minidl import pixelwise, plotting
from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.layers import Conv2d
from minidl.plotting import canvas
from minidl.tasks.segmentation.experiment import Segmentation
from minidl.tasks.segmentation.ladder import results_figure, results_table
from minidl.tasks.segmentation.receptive_field import receptive_field, seen_pixels

from matplotlib.patches import Rectangle

lesson = Lesson("12_segmentation_9x9")
task = Segmentation(lesson)
test, size = task.test, lesson.size
ladder = {"1 × 1": (1,), "5 × 5": (5,), "9 × 9": (9, 5)}               # kernel sizes of the blocks, lessons 10 to 12

# %% [markdown]
# ## 1. The model
# Two blocks now: a 9 × 9 convolution with batch norm and ReLU, behind it a 5 × 5 one.

# %%
model = pixelwise((9, 5), lesson.width, rng=lesson.seed)
shape = (1, 3, size, size)
model.summary(shape)

# %% [markdown]
# ## 2. What one pixel sees
# A pixel of the result looks at 5 × 5 places of the map behind the first block, and each of them at 9 × 9 pixels of the
# image. Walk from the left edge to the right one: every kernel of size k reaches (k - 1) / 2 further on both sides.
#
# **Predict:** the receptive field of kernels of 9 and 5. Of 5 and 5? How many 3 × 3 blocks see as far as 9 and 5?


# %%
def reach(kernels):
    """Return the side of the square of pixels that a pixel sees through convolutions of stride 1, one after another."""
    return 1 + sum(k - 1 for k in kernels)


for kernels in [*ladder.values(), (5, 5), (3, 3, 3)]:
    measured = receptive_field(pixelwise(kernels, 2, rng=0), (1, 3, 24, 24))
    print(f"kernels {str(kernels):<10} predicted {reach(kernels):>2}, measured {measured[0]:>2} × {measured[1]}")
    assert measured == (reach(kernels), reach(kernels))
assert receptive_field(model, shape) == (13, 13) and reach((3,) * 6) == 13

# %% [markdown]
# The three receptive fields, around the same places of an image, at true size.

# %%
example = min(7, len(test) - 1)
picture = as_input(test.images[example:example + 1])[0].transpose(1, 2, 0)                 # (H, W, 3)
rng = np.random.default_rng(lesson.seed + 1)
inside = np.zeros((size, size), bool)
inside[7:-7, 7:-7] = True                                              # so that 13 × 13 pixels fit
places = [rng.permutation(np.argwhere((test.trimaps[example] == k) & inside))[:1] for k in range(3)]
places = np.concatenate(places)                                        # (3, 2): one of each class, if there is one
models = {name: pixelwise(kernels, 2, rng=0) for name, kernels in ladder.items()}
pixel = max(1, 448 // size)                                            # side of a pixel in the figure
figure = canvas.blank(size * pixel + 3 * 146 + 110, size * pixel + 60)
canvas.write(figure, 12, 20, lesson.headline("One pixel says nothing, 5 × 5 are a texture, 13 × 13 begin to be a part "
                                             "of something", "What one pixel sees through one or two kernels"),
             canvas.TITLE, 850, weight="bold")
axes = canvas.place(figure, 12, 44, size * pixel, size * pixel)
axes.imshow(picture, interpolation="nearest", aspect="auto")
axes.set_axis_off()
for n, (row, column) in enumerate(places):
    top = 64 + n * 146
    name = f"{'abc'[n]}: {CLASSES[test.trimaps[example, row, column]]}"
    canvas.write(figure, size * pixel + 24, top + 68, name, canvas.TEXT, 96)
    for m, (title, seer) in enumerate(models.items()):
        seen = seen_pixels(seer, shape, row, column)
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        axes.add_patch(Rectangle((columns[0] - 0.5, rows[0] - 0.5), columns.size, rows.size, fill=False,
                                 edgecolor="white", linewidth=1.6))
        left = size * pixel + 122 + m * 142
        patch = canvas.place(figure, left, top, 136, 136)
        patch.imshow(picture[np.ix_(rows, columns)], interpolation="nearest", aspect="auto", vmin=0, vmax=1)
        patch.set_axis_off()
        if n == 0:
            sees = f"{title}: sees {rows.size} × {columns.size}" if rows.size > 5 else title
            canvas.write(figure, left + 68, top - 10, sees, canvas.TEXT, 136, ha="center")
    axes.text(columns[-1] + 1, rows[0], "abc"[n], color="white", weight="bold", va="center", fontsize=11,
              bbox={"facecolor": "black", "alpha": 0.6, "pad": 1.5, "linewidth": 0})
lesson.figure(figure, "seen")

# %% [markdown]
# ## 3. What it costs
# **Predict:** a k × k convolution from C to O channels: how many multiply-adds for each pixel of its result? How many
# weights has it? And how much more expensive is `(9, 5)` than `(5,)`?


# %%
def multiply_adds(model):
    """Return the multiply-adds for each pixel of a model of convolutions that keep the resolution.

    Each of the O results at a pixel is a sum of C * k * k products. Batch norm and ReLU, a few operations a channel,
    are left out.
    """
    found = [layer for _, layer in model.walk() if isinstance(layer, Conv2d)]
    return sum(c.out_channels * c.in_channels * c.kernel_size[0] * c.kernel_size[1] for c in found)


print(f"{'':<6} {'sees':>4} {'parameters':>11} {'multiply-adds a pixel':>22} {'at width 64 (slides)':>22}")
costs = {}
for name, kernels in ladder.items():
    ours, slides = pixelwise(kernels, lesson.width, rng=0), pixelwise(kernels, 64, rng=0)
    costs[name] = {"sees": reach(kernels), "parameters": sum(p.data.size for p in ours.parameters()),
                   "multiply_adds": multiply_adds(ours), "multiply_adds_width_64": multiply_adds(slides)}
    print(f"{name:<6} {reach(kernels):>4} {costs[name]['parameters']:>11,} {multiply_adds(ours):>22,} "
          f"{multiply_adds(slides):>22,}")
    assert multiply_adds(ours) == sum(p.data.size for p in ours.parameters() if p.data.ndim == 4)

# %% [markdown]
# The assertion says it: every weight is used once for every pixel. Without a change of resolution, parameters and time
# are the same thing up to the number of pixels, and both grow with the *square* of the kernel size.
#
# ## 4. Training
# As before; only the model is another.

# %%
first_loss = task.first_loss(model)
print(f"loss before training: {first_loss:.3f}")
model = pixelwise((9, 5), lesson.width, rng=lesson.seed)
history = task.fit(model)
lesson.figure(plotting.learning_curves(history, scores={"mean_iou": "mean IoU", "iou_object": "object IoU",
                                                        "iou_border": "border IoU"},
                                       title=lesson.headline("The loss falls further than with 5 × 5",
                                                             "Training the 9 × 9 network")), "training")

# %% [markdown]
# ## 5. The result, beside the rungs before
# **Predict:** which class gains most? What can be told from 13 × 13 pixels that cannot be told from 5 × 5?

# %%
result = task.result("9 × 9", model, history)
results = task.results_up_to(result)
print(results_table(results))
gains = {name: result.scores.get(f"iou_{name}", 0) - results[-2].scores.get(f"iou_{name}", 0)
         for name in CLASSES if len(results) > 1}
if gains:
    print(f"gained since {results[-2].name}: " + ", ".join(f"{name} {gain:+.3f}" for name, gain in gains.items()))

# %%
drawn = [r for r in results if r.name in ladder][-3:]
lesson.figure(results_figure(drawn, test.images, test.trimaps, lesson.headline(
    "A wider sight fills what has texture: the pet, but a rough wall as well", "13 × 13 pixels")), "predictions")
bars = plotting.class_bars({r.name: r.scores for r in drawn}, title=lesson.headline(
    "Every step of the ladder gains in each class", "IoU of each class"))
lesson.figure(bars, "classes")

# %% [markdown]
# ## 6. Where it sees better
# Of the images drawn, the windows, a third of a side wide, in which the new model has won most pixels.
# **Look:** what is in the window, and what would you have said from 5 × 5 pixels of it?


# %%
def best_window(gained, side):
    """Return row and column of the side x side window of a map (H, W) with the largest sum."""
    sums = np.pad(gained, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)                  # of all upper left parts
    windows = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.unravel_index(windows.argmax(), windows.shape), int(windows.max())


side = size // 3
if len(drawn) > 1:
    before = drawn[-2]
    truth = test.trimaps[:len(before.predictions)]
    gained = (result.predictions == truth).astype(int) - (before.predictions == truth)     # 1 won, -1 lost
    windows = [best_window(one, side) for one in gained]
    best = np.argsort([-won for _, won in windows], kind="stable")[:4]
    cut = [(n, slice(windows[n][0][0], windows[n][0][0] + side), slice(windows[n][0][1], windows[n][0][1] + side))
           for n in best]
    close = {r.name: np.stack([r.predictions[where] for where in cut]) for r in (before, result)}
    grid = plotting.prediction_grid(np.stack([test.images[n, :, row, column] for n, row, column in cut]),
                                    np.stack([truth[where] for where in cut]), close, columns=2,
                                    notes={result.name: [f"{windows[n][1]:+} of {side * side} right" for n in best]},
                                    title=f"Close-ups ({side} × {side} pixels) where {result.name} beats {before.name}")
    lesson.figure(grid, "close_ups")

# %% [markdown]
# In ours they are faces and flanks: smooth within 5 × 5 pixels, and therefore called background.
#
# ## 7. Was it the wider sight?
# Two things have changed since lesson 11: the receptive field, and a second block, that is, a second ReLU. To tell them
# apart, change one at a time: `(13,)` sees 13 × 13 in one block, `(3, 3)` sees 5 × 5 in two.
#
# **Predict:** which of the two comes nearer to `(9, 5)`?

# %%
mean_ious = {(r.name == "9 × 9", r.receptive_field): r.scores["mean_iou"]      # (two blocks?, receptive field)
             for r in drawn if r.receptive_field > 1}
stopped = history.stopped
for two_blocks, kernels in ((False, (13,)), (True, (3, 3))):
    control = pixelwise(kernels, lesson.width, rng=lesson.seed)
    stopped |= task.fit(control, "control_" + "_".join(map(str, kernels))).stopped
    mean_ious[two_blocks, reach(kernels)] = task.scores(control)["mean_iou"]
figure = canvas.blank(490, 320)
canvas.write(figure, 12, 20, lesson.headline("The second block did more than the wider sight",
                                             "One block or two, 5 × 5 or 13 × 13"), canvas.TITLE, 466, weight="bold")
canvas.write(figure, 12, 44, "mean IoU, held-out images", canvas.TEXT, 400, weight="bold")
axes = canvas.place(figure, 44, 60, 340, 220)
canvas.quiet(axes)
kernels_of = {(False, 5): "(5,)", (False, 13): "(13,)", (True, 5): "(3, 3)", (True, 13): "(9, 5)"}
for two_blocks, name in ((False, "one block"), (True, "two blocks")):
    points = [(sees, mean_ious[two_blocks, sees]) for sees in (5, 13) if (two_blocks, sees) in mean_ious]
    color = canvas.LINE_COLORS[int(two_blocks)]
    axes.plot(*zip(*points), "o-", color=color, linewidth=1.6)
    axes.annotate(name, points[-1], (52, 0), textcoords="offset points", va="center", fontsize=canvas.TEXT,
                  color=color, annotation_clip=False)
    for span, value in points:
        print(f"{kernels_of[two_blocks, span]:<7} {name:<10} sees {span:>2} × {span:<2} mean IoU {value:.3f}")
        text = f"{kernels_of[two_blocks, span]}  {value:.2f}"
        axes.annotate(text, (span, value), (0, 8 if two_blocks else -15), textcoords="offset points", ha="center",
                      fontsize=canvas.SMALL)
axes.set(xlim=(3, 15), ylim=(0, 0.8), xticks=[5, 13])
axes.set_xticklabels(["sees 5 × 5", "sees 13 × 13"])
lesson.figure(figure, "control", alt="Mean IoU of one block or two, seeing 5 × 5 or 13 × 13 pixels: " + ", ".join(
    f"{kernels_of[key]} {value:.2f}" for key, value in mean_ious.items()))

# %% [markdown]
# Both help, and the second block more. One block weighs the colors in its window and cuts off at 0; a second one can
# combine such findings: an edge here *and* fur beside it. "Larger kernels" alone would have been the wrong lesson.
#
# ## 8. And so on?
# To see 25 × 25 pixels, or 49 × 49, or all of the image, double the kernels: (17, 9), (33, 17), (65, 33). Or put
# small ones in a longer row. **Predict:** by which factor does each doubling of the reach raise the price?

# %%
plans = {"one pair of kernels": [(9, 5), (17, 9), (33, 17), (65, 33)],
         "a row of 3 × 3": [(3,) * n for n in (2, 6, 12, 24, 48)]}
w = lesson.width
planned = {}
for plan, choices in plans.items():
    for kernels in choices:
        channels = [3] + [w] * len(kernels)
        cost = sum(k * k * c * w for k, c in zip(kernels, channels)) + 3 * w               # the last layer: 1 × 1
        planned.setdefault(plan, []).append((reach(kernels), cost))
        text = str(kernels) if len(set(kernels)) > 1 else f"{len(kernels)} of 3 × 3"
        times = cost / costs["9 × 9"]["multiply_adds"]
        print(f"{text:<12} sees {reach(kernels):>3}, {cost:>10,} multiply-adds a pixel: {times:5.1f} × (9, 5)")
assert planned["one pair of kernels"][0] == (13, multiply_adds(model))

# %%
figure = canvas.blank(860, 360)
canvas.write(figure, 12, 20, lesson.headline("Every step took about ten times the work; to see the whole image "
                                             "takes far more", "What it costs to see further"), canvas.TITLE, 830,
             weight="bold")
canvas.write(figure, 12, 48, "mean IoU, held-out images", canvas.TEXT, 380, weight="bold")
axes = canvas.place(figure, 44, 66, 330, 230)
canvas.quiet(axes)
for n, r in enumerate(drawn):
    x, y = costs[r.name]["multiply_adds"], r.scores["mean_iou"]
    axes.plot(x, y, "o", color=canvas.LINE_COLORS[n], markersize=8)
    axes.annotate(f"{r.name}\n{y:.2f}", (x, y), (0, 9), textcoords="offset points", ha="center", fontsize=canvas.SMALL)
axes.set_xscale("log")
axes.minorticks_off()
axes.set(xlim=(costs["1 × 1"]["multiply_adds"] / 3, costs["9 × 9"]["multiply_adds"] * 3), ylim=(0, 1))
canvas.write(figure, 209, 330, "multiply-adds a pixel", canvas.TEXT, 330, ha="center")
canvas.write(figure, 440, 48, "multiply-adds a pixel, calculated", canvas.TEXT, 380, weight="bold")
axes = canvas.place(figure, 490, 66, 340, 230)
canvas.quiet(axes)
for n, (plan, points) in enumerate(planned.items()):
    xs, ys = zip(*points)
    axes.plot(xs, ys, "o-", color=canvas.LINE_COLORS[3 + n], linewidth=1.6, markersize=5)
    axes.annotate(plan, (xs[-2 - n], ys[-2 - n]), (-8, 6) if n == 0 else (6, -12), textcoords="offset points",
                  ha="right" if n == 0 else "left", fontsize=canvas.TEXT, color=canvas.LINE_COLORS[3 + n])
axes.set_yscale("log")
axes.minorticks_off()
axes.set(xlim=(0, 104))
axes.axvline(size, color=canvas.QUIET, linewidth=0.8, linestyle=":")
axes.text(size + 1, axes.get_ylim()[0] * 1.2, f"a side of the image: {size}", fontsize=canvas.SMALL,
          color=canvas.QUIET)
canvas.write(figure, 660, 330, "receptive field: side of the square, in pixels", canvas.TEXT, 340, ha="center")
lesson.figure(figure, "cost", alt="Left, mean IoU over multiply-adds a pixel: " + "; ".join(
    f"{r.name} {r.scores['mean_iou']:.2f} for {costs[r.name]['multiply_adds']:,}" for r in drawn)
    + ". Right, multiply-adds to see further: " + "; ".join(
    f"{plan}, from {points[0][1]:,} for {points[0][0]} pixels to {points[-1][1]:,} for {points[-1][0]}"
    for plan, points in planned.items()))

# %% [markdown]
# Doubling the reach takes nearly four times the work with large kernels, and twice with a row of small ones, which has
# more blocks besides (exercise 1). Still, all that work is done at full resolution, at each pixel anew, for neighbors
# that see nearly the same. Is there a more efficient way to see the whole image? Make it smaller: lesson 13.

# %%
lesson.finish(test=result.scores, costs=costs, gained=gains,
              controls={"13": mean_ious[False, 13], "3, 3": mean_ious[True, 5]}, first_loss=first_loss,
              last_loss=history[-1]["loss"], epochs=len(history), training_images=len(task.train),
              test_images=len(test), parameters=result.parameters, sees=result.receptive_field,
              training_seconds=result.seconds)
if lesson.as_intended and not history.stopped:
    assert result.scores["mean_iou"] > 0.46 and result.scores["iou_object"] > 0.43 and result.scores["iou_border"] > 0.2
    assert all(result.scores["mean_iou"] > r.scores["mean_iou"] for r in results[:-1])
    assert stopped or mean_ious[False, 13] < mean_ious[True, 5] < mean_ious[True, 13]

# %% [markdown]
# **Try:**
# 1. `pixelwise((3,) * 6, ...)` as a third control: the receptive field of (9, 5), six blocks. Section 8 says what it
#    costs. Predict its mean IoU with what you have learned in section 7, then run it. (More than 0.6.)
# 2. `pixelwise((5, 9), ...)`: the same receptive field again. Why does it cost about twice as much?
# 3. `--size 128`: the same pets with twice as many pixels on each side. What happens to the mean IoU, and why? (How
#    large a share of the pet does the model see now?)
