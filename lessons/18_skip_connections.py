# %% [markdown]
# # 18 · With and without skips: what do they carry?
# Slides 34–36. *Are the fine edges of the U-Net really owed to its skips, and which skip brings what?*
#
# **New here:** the fair comparison (one difference, several seeds), and silencing a part of a trained network to learn
# what that part does. At the end, the ladder: all models of the deck on the same images.
#
# **Needs:** the encoder–decoder (lesson 16), the U-Net (lesson 17).

# %%
import numpy as np

from minidl import Skip, encoder_decoder, metrics, no_backward, plotting
from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.plotting import canvas
from minidl.runtime.files import replacing
from minidl.runtime.npz import save_arrays
from minidl.step import predict
from minidl.tasks.segmentation.comparison import compare_ladder
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation
from minidl.tasks.segmentation.ladder import ladder_figure, ladder_table

lesson = Lesson("18_skip_connections", width=8, ladder=True)
task = Segmentation(lesson)
if lesson.options.ladder:                  # --ladder --seeds 3: all models under equal conditions, for about an hour
    compare_ladder(task, lesson.options.seeds)
    raise SystemExit
held = task.test[:200]                     # the held-out images that this lesson looks at more closely

# %% [markdown]
# ## 1. One difference
# Without skips, a decoder block takes what comes from below. With skips it takes the encoder's maps of its own
# resolution as well: more channels enter, and its 3 × 3 kernels have more weights. Nothing else differs.
#
# **Predict:** how many weights more? Channels of the encoder's maps: w, 2w, 4w, 8w, 8w; channels that the decoder's
# blocks return at the same resolutions: 3, w, 2w, 4w, 8w.

# %%
NAMES = {False: "without skips", True: "with skips"}
sizes = {}
for skip, name in NAMES.items():
    model = encoder_decoder(lesson.width, skip=skip, rng=lesson.seed)
    sizes[name] = sum(parameter.data.size for parameter in model.parameters())
model.summary((1, 3, lesson.size, lesson.size))

# %%
w = lesson.width
more = sum(9 * a * b for a, b in zip([w, 2 * w, 4 * w, 8 * w, 8 * w], [3, w, 2 * w, 4 * w, 8 * w]))
print(f"{sizes['without skips']:,} parameters without skips, {more:,} more with them")
assert sizes["with skips"] - sizes["without skips"] == more

# %% [markdown]
# ## 2. Six trainings
# A network's result also depends on chance: on its first weights, and on the order of the images. One training of
# each kind could not tell the skips' part from luck. So both are trained with three seeds, and *within* a seed they
# get the same images in the same order; loss (cross entropy) and optimizer are those of lesson 17.
#
# To keep six trainings within a minute or so, width and epochs are half of lesson 17's: these networks are less well
# trained, and not part of the ladder below.
#
# **Predict:** by how much will the border IoU differ between the two, and by how much between two seeds?

# %%
seeds = [lesson.seed, lesson.seed + 1, lesson.seed + 2]
epochs = max(2, task.epochs // 2)
first_loss = task.first_loss(encoder_decoder(w, skip=True, rng=lesson.seed))
models: dict[str, list] = {name: [] for name in NAMES.values()}
histories: dict[str, list] = {name: [] for name in NAMES.values()}
for seed in seeds:
    for skip, name in NAMES.items():
        print(f"\nseed {seed}, {name}")
        model = encoder_decoder(w, skip=skip, rng=seed)
        history = task.fit(model, f"{name.replace(' ', '-')}-{seed}", seed=seed, epochs=epochs)
        if history.stopped:
            raise SystemExit("a comparison needs all six trainings")
        models[name].append(model.eval())
        histories[name].append(history)

# %%
border = {name: np.array([history[-1].get("iou_border", 0.0) for history in histories[name]]) for name in histories}
gain = border["with skips"] - border["without skips"]          # one for each seed
print("border IoU on held-out images:\nseed   without skips   with skips   gain")
for seed, a, b in zip(seeds, *border.values()):
    print(f"{seed:>4} {a:>15.3f} {b:>12.3f} {b - a:>6.3f}")
spread = {name: float(np.ptp(values)) for name, values in border.items()}
print("between seeds: " + ", ".join(f"up to {value:.3f} {name}" for name, value in spread.items()))

# %%
figure = canvas.blank(1000, 332)
canvas.write(figure, 12, 20, f"Skips change the border IoU by {gain.min():+.2f} to {gain.max():+.2f}, another seed "
             f"by {max(spread.values()):.2f} at most", canvas.TITLE, 970, weight="bold")
canvas.legend(figure, 42, 36, list(NAMES.values()))
for k, (key, heading) in enumerate({"loss": "training loss", "iou_border": "border IoU, held out"}.items()):
    axes = canvas.place(figure, 42 + 330 * k, 96, 270, 196)
    canvas.quiet(axes)
    canvas.write(figure, 22 + 330 * k, 78, f"{heading}, epoch by epoch", canvas.TEXT, 300, weight="bold")
    for color, name in zip(canvas.LINE_COLORS, histories):
        for history in histories[name]:
            rows = [row for row in history if key in row]
            axes.plot([row["epoch"] for row in rows], [row[key] for row in rows], "o-", color=color, markersize=4)
    axes.set_xticks(sorted({1, (epochs + 1) // 2, epochs}))
    axes.set_ylim(0)
    canvas.write(figure, 177 + 330 * k, 316, "epoch", canvas.SMALL, 100, color=canvas.QUIET, ha="center")
axes = canvas.place(figure, 702, 96, 270, 196)
canvas.quiet(axes)
canvas.write(figure, 682, 78, "border IoU at the end, seed by seed", canvas.TEXT, 300, weight="bold")
for k, (a, b) in enumerate(zip(*border.values())):
    axes.plot([k, k], [a, b], color=canvas.QUIET, linewidth=1)
    axes.plot(k, a, "o", k, b, "o", markersize=8)
    axes.lines[-2].set_color(canvas.LINE_COLORS[0])
    axes.lines[-1].set_color(canvas.LINE_COLORS[1])
    axes.annotate(f"{b - a:+.2f}", (k, (a + b) / 2), (8, 0), textcoords="offset points", va="center", fontsize=9)
axes.set_xlim(-0.4, 2.8)
axes.set_xticks([0, 1, 2], [f"seed {seed}" for seed in seeds])
axes.set_ylim(0)
lesson.figure(figure, "seeds", alt="Border IoU without and with skips: " + "; ".join(
    f"seed {seed}: {a:.3f} and {b:.3f}" for seed, a, b in zip(seeds, *border.values())))

# %% [markdown]
# The gain is many times what chance makes of it. Mind what this says and what not: at this length of training. A
# longer one narrows the gap, as the decoder slowly learns to draw from memory what the skips would hand it; the
# ladder below shows both kinds after twice as many epochs.
#
# ## 3. Side by side
# The same seed without and with skips (slide 36).


# %%
def classes_of(model, images):
    """Return the predicted classes (n, H, W)."""
    return predict(model, images).argmax(axis=1).astype(np.uint8)


guesses = {name: np.stack([classes_of(model, held.images) for model in models[name]]) for name in models}
pair = {name: guesses[name][0, :SHOWN] for name in guesses}                           # of the first seed
notes = {name: [f"{(truth == guess).mean():.0%} right" for truth, guess in zip(held.trimaps, pair[name])]
         for name in pair}
grid = plotting.prediction_grid(held.images[:SHOWN], held.trimaps[:SHOWN], pair, notes=notes, columns=2,
                                title=lesson.headline("Without skips the pet is in its place, but smooth; with "
                                                      "them it has its outline", "Without and with skips"))
lesson.figure(grid, "side-by-side")
few = slice(0, 4)                          # for the slider on the page of all lessons
save_arrays(lesson.out / "comparison.npz", {"images": held.images[few], "truth": held.trimaps[few],
                                            **{name: pair[name][few] for name in pair}})

# %% [markdown]
# ## 4. Thin parts
# Lesson 16 asked how thick a pet is at each of its pixels: the largest k for which a k × k square that holds the pixel
# fits into the pet (object and border together). What no 6 × 6 square can reach are ears, tails and legs.
#
# **Predict:** what share of these pixels does each network take for a pet? And of the thick rest?


# %%
windows = np.lib.stride_tricks.sliding_window_view


def covered(mask, k):
    """Return which pixels of masks (n, H, W) lie in a k x k square that fits into the mask."""
    fits = windows(mask, (k, k), axis=(1, 2)).all(axis=(3, 4))         # by the square's upper left corner
    return windows(np.pad(fits, ((0, 0), (k - 1, k - 1), (k - 1, k - 1))), (k, k), axis=(1, 2)).any(axis=(3, 4))


bar = np.zeros((1, 9, 9), bool)
bar[:, 2:5] = True                                                     # 3 pixels thick
assert np.array_equal(covered(bar, 3), bar) and not covered(bar, 4).any()
pet = held.trimaps != CLASSES.index("background")
thick = covered(pet, max(2, lesson.size * 6 // 64))
parts = {"thin parts": pet & ~thick, "the rest of the pet": thick, "background": ~pet}
print(f"{'taken for a pet, of the pixels of':<34}{''.join(f'{part:>22}' for part in parts)}")
found = {name: {part: float((guesses[name] != 1)[:, mask].mean()) for part, mask in parts.items() if mask.any()}
         for name in guesses}
for name, shares in found.items():
    print(f"{name:<34}{''.join(f'{share:>22.3f}' for share in shares.values())}")

# %% [markdown]
# Now the windows in which most pixels are thin, one for each image, enlarged.

# %%
side = lesson.size * 3 // 8
counts = windows(windows(parts["thin parts"], side, axis=1).sum(axis=-1), side, axis=2).sum(axis=-1)
chosen = np.argsort(-counts.max(axis=(1, 2)), kind="stable")[:8]                      # images
corners = [np.unravel_index(counts[n].argmax(), counts[n].shape) for n in chosen]


def cut(maps):
    """Return the windows of maps (n, ..., H, W), one of each chosen image."""
    return np.stack([maps[n][..., y:y + side, x:x + side] for n, (y, x) in zip(chosen, corners)])


thin = [found[name].get("thin parts", 0.0) for name in found]
zoom = plotting.prediction_grid(cut(held.images), cut(held.trimaps), {name: cut(guesses[name][0]) for name in guesses},
                                columns=2, cell=144, title=f"Of the pixels of thin parts, {thin[0]:.0%} are found "
                                f"without skips, {thin[1]:.0%} with skips")
lesson.figure(zoom, "thin-parts")

# %% [markdown]
# ## 5. What passes through each skip?
# Take a trained U-Net and *silence* one skip: in place of the encoder's maps it brings each channel's mean, the same
# number at every pixel. How much there is of a feature is still told, but no longer where. Nothing is trained again.
# What gets worse is what the network had from that skip.
#
# The forward pass, written out: a `Skip` lays the result of its inner layers beside its own input.
#
# **Predict:** the finest skip has the image's resolution, the coarsest a sixteenth of it. Which one, silenced, costs
# the border most? Which one the object?


# %%
def forward(layers, x, silent=None, level=0):
    """Return a U-Net's output; the skip at level `silent` (0: full resolution) brings its channels' means."""
    for layer in layers:
        if isinstance(layer, Skip):
            below = forward(layer.inner, x, silent, level + 1)
            mean = x.mean(axis=(0, 2, 3), keepdims=True)                              # (1, C, 1, 1)
            beside = np.broadcast_to(mean, x.shape) if level == silent else x
            x = np.concatenate([below, beside], axis=1)
        else:
            x = layer(x)
    return x


def scores_without(model, silent):
    """Return the scores of a U-Net with a silenced skip."""
    matrix = np.zeros((3, 3), np.int64)
    for i in range(0, len(held), 50):
        with no_backward(model):
            guess = forward(model, as_input(held.images[i:i + 50]), silent).argmax(axis=1)
        matrix += metrics.confusion_matrix(held.trimaps[i:i + 50], guess, 3)
    return metrics.scores(matrix, CLASSES)


x = as_input(held.images[:2])
assert np.allclose(forward(models["with skips"][0], x), models["with skips"][0](x), atol=1e-4)

# %%
levels = {"none": None} | {f"{lesson.size >> k} × {lesson.size >> k}": k for k in range(5)}
keys = {"mean IoU": "mean_iou", "object IoU": "iou_object", "border IoU": "iou_border"}
silenced = {}
for name, level in levels.items():
    each = [scores_without(model, level) for model in models["with skips"]]
    silenced[name] = {label: float(np.mean([scores.get(key, 0.0) for scores in each])) for label, key in keys.items()}
lost = {name: {label: silenced["none"][label] - value for label, value in row.items()}
        for name, row in silenced.items() if name != "none"}
print("lost when the skip is silenced, mean of three U-Nets:")
for name, row in lost.items():
    print(f"{name:>8}: " + ", ".join(f"{label} {value:.3f}" for label, value in row.items()))

# %%
figure = canvas.blank(760, 330)
canvas.write(figure, 12, 20, lesson.headline("Fine skips carry the outline, a coarse one tells what is pet",
                                             "What each skip brings"), canvas.TITLE, 730, weight="bold")
canvas.legend(figure, 12, 36, list(keys))
canvas.write(figure, 12, 74, "lost when the skip is silenced (mean of three U-Nets)", canvas.TEXT, 730)
axes = canvas.place(figure, 46, 92, 700, 180)
canvas.quiet(axes)
for m, (label, color) in enumerate(zip(keys, canvas.LINE_COLORS)):
    for k, row in enumerate(lost.values()):
        axes.bar(k + 0.27 * (m - 1), row[label], 0.24, color=color)
        axes.annotate(f"{row[label]:.3f}", (k + 0.27 * (m - 1), max(0.0, row[label])), (0, 3), ha="center",
                      textcoords="offset points", fontsize=canvas.SMALL)
axes.set_xticks(range(5), list(lost), fontsize=canvas.TEXT)
axes.axhline(0, color=canvas.QUIET, linewidth=0.8)
canvas.write(figure, 396, 308, "resolution of the skip", canvas.TEXT, 700, ha="center")
lesson.figure(figure, "silenced", alt="Lost when a skip is silenced: " + "; ".join(
    f"{name}: " + ", ".join(f"{label} {value:.3f}" for label, value in row.items()) for name, row in lost.items()))

# %% [markdown]
# The two finest skips cost the border about four times what they cost the object: they carry edges. The very finest
# less than the next: its maps come from one convolution and have seen 3 × 3 pixels, enough to find an edge, but not to
# tell a pet's from a carpet's. At 8 × 8 it is the other way round: each place has seen 38 × 38 pixels, and says whether
# that is pet. The skip at 4 × 4 is hardly missed; the bottleneck right below it says nearly the same.
#
# A silenced network is not one that was trained without that skip: that one would have learned to do with what it has.
#
# ## 6. The ladder
# All rungs, trained alike (lessons 10–17: full width, all epochs), on the same held-out images. **Predict:** which
# step up was the largest, in mean IoU and in border IoU?

# %%
results = task.results()
if results:
    table = ladder_table(results)
    print(table)
    with replacing(lesson.out / "ladder.md") as temporary:
        temporary.write_text(table, encoding="utf-8")
    shown = slice(0, SHOWN)
    ends = [f"{result.name} (mean IoU {result.scores['mean_iou']:.2f})" for result in (results[0], results[-1])]
    lesson.figure(ladder_figure(results, task.test.images[shown], task.test.trimaps[shown],
                                title=f"The ladder: from {' to '.join(ends)}"), "ladder")
else:
    print("no ladder yet: run lessons 08, 10, 11, 12, 13, 14, 16 and 17 first, with the same options")

# %% [markdown]
# The largest steps: from one pixel to 5 × 5 in mean IoU, and the last one, the skips, in border IoU. More context, then
# the whole image, then place.
#
# Two steps go down, and both for a reason. K-means and 1 × 1 know the same, a pixel's color. The network answers
# "background" nearly always, and rightly so: that makes the fewest mistakes. K-means ventures to call some colors
# "object"; hardly more pixels are right, but an object IoU of a few percent lifts a *mean* over classes. And FCN-8s is
# better than the encoder–decoder, which has twice its parameters: its scores come from three resolutions and are added.
# It has skips, if small ones; all that the encoder–decoder draws has passed through its coarsest maps.

# %%
lesson.finish(test=task.scores(models["with skips"][0]), gain=list(gain), between_seeds=spread, taken_for_pet=found,
              border={name: list(values) for name, values in border.items()}, silenced=silenced, lost=lost,
              first_loss=first_loss, last_loss=histories["with skips"][0][-1]["loss"], epochs=epochs, parameters=sizes,
              training_seconds=sum(row["seconds"] for name in histories for h in histories[name] for row in h))
if lesson.as_intended:
    assert gain.min() > 0.05, "for each seed the skips must help the border"
    assert found["with skips"]["thin parts"] > found["without skips"]["thin parts"]
    fine, coarse = f"{lesson.size} × {lesson.size}", f"{lesson.size // 8} × {lesson.size // 8}"
    assert lost[fine]["border IoU"] > lost[fine]["object IoU"]
    assert lost[coarse]["object IoU"] > lost[coarse]["border IoU"]

# %% [markdown]
# **Try:**
# 1. More weights, or the skips? Find the smallest width at which `encoder_decoder` without skips has as many parameters
#    as the U-Net here, and train that one instead. How much of the gain is owed to the weights?
# 2. `--epochs 12` trains each network for 6 epochs. How much smaller is the gain? Do the curves still rise?
# 3. In `forward`, let a silenced skip bring the maps of another image, `np.roll(x, 1, axis=0)`. Is a wrong *where*
#    worse than none? Or silence all skips but one: which does best alone?
