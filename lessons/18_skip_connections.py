# %% [markdown]
# # 18 · With and without skips, and the ladder
# Slide 36. *What do the skips of the U-Net bring, and is it really they that bring it?*
#
# **New here:** a comparison with a control, so that one thing changes; *silencing* a part of a trained network to find
# out what it is used for; the two ways of the gradient through a skip. At the end, the *ladder*: all models of lessons
# 8 to 17 under equal conditions. And one page on what came after the U-Net.
#
# **Needs:** "forks add" (lesson 0), mean IoU (lesson 8), how segmentation is trained (lesson 10), receptive field
# (lessons 11, 12), the encoder–decoder and the thickness of a pet's parts (lesson 16), the U-Net (lesson 17).
#
# **Time:** about 50 minutes to read, 160 seconds to run on two cores.

# %%
import copy

import numpy as np

from minidl import Conv2d, Sequential, Skip, encoder_decoder, metrics, no_backward, plotting
from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.runtime.files import replacing
from minidl.runtime.npz import save_arrays
from minidl.step import predict_classes
from minidl.tasks.segmentation.comparison import compare_ladder
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation
from minidl.tasks.segmentation.ladder import ladder_figure, ladder_table, plus_minus
from minidl.tasks.segmentation.receptive_field import receptive_field
from minidl.tasks.segmentation.thickness import covered

lesson = Lesson("18_skip_connections", width=8, takes=["ladder"])
task = Segmentation(lesson)
if lesson.options.ladder:                  # --ladder --seeds 3: all models under equal conditions, for about an hour
    compare_ladder(task, lesson.options.seeds)
    raise SystemExit
held, w = task.held, lesson.width

# %% [markdown]
# ## 1. One difference, or two?
# Slide 36 shows the results with and without skips side by side. Here are the two networks, with half of the channels
# of lessons 16 and 17, because we will train several of each.

# %%
shape = (1, 3, lesson.size, lesson.size)


def count(model):
    """Return the number of parameters."""
    return sum(parameter.data.size for parameter in model.parameters())


plain, unet = (encoder_decoder(w, skip=skip, rng=lesson.seed) for skip in (False, True))
unet.summary(shape)
lesson.figure(plotting.diagram(plain, shape, f"Without skips: {count(plain):,} parameters"), "without")
lesson.figure(plotting.diagram(unet, shape, f"With skips: {count(unet):,} parameters"), "with")

# %% [markdown]
# (Of the second, maps before a pooling and after an upsampling are drawn, too, because the skips begin and end there.)
# Encoder and bottleneck are the same. With skips a decoder block gets more channels: besides the upsampled maps, the
# encoder's maps of its own resolution. So its 3 × 3 kernels have more weights.
#
# **Predict:** how many more, for `width` w? (The skips bring w, 2w, 4w, 8w and 8w channels. The decoder's blocks
# return 3, w, 2w, 4w and 8w channels at the same resolutions.)

# %%
brought = [w, 2 * w, 4 * w, 8 * w, 8 * w]                              # channels of the skip at each level
more = sum(9 * a * b for a, b in zip(brought, [3, w, 2 * w, 4 * w, 8 * w]))
print(f"{count(plain):,} parameters without skips, {count(unet):,} with skips: {more / count(plain):.0%} more")
assert count(unet) - count(plain) == more

# %% [markdown]
# 50 % more. So the two networks differ in two things: in the maps that the decoder gets, and in the number of
# weights. If the U-Net is better, it could be for either reason.
#
# A *control* tells them apart: a network without skips that is widened until it has as many parameters as the U-Net.
# Against this one the U-Net has no advantage in the number of parameters. (They are not in the same places: the wider
# network has more of them in every layer, the U-Net in the decoder only. No control is perfect.)

# %%
wide = next(width for width in range(w, 2 * w) if count(encoder_decoder(width, rng=0)) >= count(unet))
KINDS = {"without skips": (w, False), "wider, without": (wide, False), "with skips": (w, True)}
for name, (width, skip) in KINDS.items():
    print(f"{name:<15} width {width:>2}, {count(encoder_decoder(width, skip=skip, rng=0)):>7,} parameters")

# %% [markdown]
# ## 2. Nine trainings
# One training of each kind could not tell the skips' part from luck: the result also depends on the first weights and
# on the order of the images. So each kind is trained with three seeds. Within a seed, all three get the same images in
# the same order. Loss, optimizer and learning rate are those of lesson 10. All train for half as many epochs as in
# lessons 16 and 17, and we choose nothing by their scores on held-out images.
#
# **Predict:** of the gain in border IoU, what share will the wider network reach without skips?

# %%
seeds = [lesson.seed, lesson.seed + 1, lesson.seed + 2]
epochs = max(2, task.epochs // 2)
first_loss = task.first_loss(unet)
models, histories = {name: [] for name in KINDS}, {name: [] for name in KINDS}


def trained(model, name, seed):
    """Train a model; return it and its history."""
    print(f"\nseed {seed}, {name}")
    history = task.fit(model, f"{name.split(',')[0].replace(' ', '-')}-{seed}", seed=seed, epochs=epochs)
    if history.stopped:
        raise SystemExit("the comparison needs all trainings")
    return model.eval(), history


for seed in seeds:
    for name, (width, skip) in KINDS.items():
        model, history = trained(encoder_decoder(width, skip=skip, rng=seed), name, seed)
        models[name].append(model)
        histories[name].append(history)

# %%
LABELS = {"mean IoU": "mean_iou", "object": "iou_object", "border": "iou_border"}
found = {label: {name: np.array([history[-1].get(key, 0.0) for history in histories[name]]) for name in KINDS}
         for label, key in LABELS.items()}


def row_of(name, columns):
    """Return a line of a table: for each column mean ± half the distance between the lowest and the highest."""
    return f"{name:24}" + "".join(f"{plus_minus(list(values), 3):>22}" for values in columns)


print(f"{'':24}" + "".join(f"{label:>22}" for label in [*LABELS, "training loss"]))
for name in KINDS:
    losses = [history[-1]["loss"] for history in histories[name]]
    print(row_of(name, [*(found[label][name] for label in LABELS), losses]))
border = found["border"]
gain, by_weights = border["with skips"] - border["without skips"], border["wider, without"] - border["without skips"]
by_skips = border["with skips"] - border["wider, without"]             # as many parameters, one for each seed
print("border IoU gained, seed by seed: by width " + ", ".join(f"{value:+.3f}" for value in by_weights)
      + "; by skips, with as many parameters, " + ", ".join(f"{value:+.3f}" for value in by_skips))
lesson.figure(plotting.bar_chart(found, "Three seeds each; the second has as many parameters as the third",
                                 "IoU on held-out images"), "seeds")

# %% [markdown]
# (± is half the distance between the lowest and the highest of the three seeds, here and in all tables of this lesson.)
#
# Border IoU is 0.058 ± 0.014 without skips and 0.406 ± 0.011 with them. The gain lies between 0.33 and 0.36 for each
# seed, many times the spread over seeds.
#
# How much of it is due to the weights? The wider network has 4 % more parameters than the U-Net, and no skips. It
# reaches 0.106 ± 0.018. So of the mean gain of 0.348, a seventh (0.048) comes with the width. The other 0.300 come with
# the skips, at no more parameters. Mean IoU and the IoU of the object have the same order: mean IoU 0.500, 0.523 and
# 0.673, object 0.638, 0.650 and 0.740. In both, the step to the U-Net is many times the spread.
#
# This holds for networks of this size after this training. Section 6 has the pair at full width, after 6 and after 24
# epochs.
#
# ## 3. Side by side
# The pair of slide 36: the encoder–decoder of lesson 16 and the U-Net of lesson 17, which have twice the channels of
# the networks above and were trained twice as long. (If these lessons were not run before, the small networks are
# drawn.)
#
# **Predict:** where in the images will the two differ most?

# %%
guesses = {name: np.stack([predict_classes(model, held.images) for model in models[name]]) for name in KINDS}
ends = {False: "without skips", True: "with skips"}
earlier = {result.lesson[:2]: result for result in task.results()}
full = {"16", "17"} <= set(earlier)
pair = {ends[skip]: earlier["17" if skip else "16"].predictions if full else guesses[ends[skip]][0, :SHOWN]
        for skip in ends}                                              # (8, H, W) each
notes = {name: [f"{(truth == guess).mean():.0%} right" for truth, guess in zip(held.trimaps, pair[name])]
         for name in pair}
lesson.figure(plotting.prediction_grid(held.images[:SHOWN], held.trimaps[:SHOWN], pair, notes=notes, columns=2,
                                       title="Without and with skips" + (", lessons 16 and 17" if full else "")),
              "side-by-side")
few = slice(0, 4)                          # for the slider on the page of all lessons
save_arrays(lesson.out / "comparison.npz", {"images": held.images[few], "truth": held.trimaps[few],
                                            **{name: pair[name][few] for name in pair}})

# %% [markdown]
# In all eight images more pixels are right with skips, by 4 to 8 percent of the image. Without skips the pet is a
# smooth shape without ears or tail, and the border is missing along parts of it. With skips the outline follows the
# pet: ears in the third and the seventh image, the tail in the third, the gap between body and forelegs in the second.
#
# Not all of it is right. In the sixth image both take a part of the surroundings for the dog: without skips most of the
# dark floor, with skips a piece of it and of the pattern at the left. In the last image the U-Net cuts into the body,
# and in the second it adds a spike on the neck.
#
# In numbers, for our nine networks: lesson 16 called a pixel of the pet (object or border) *thin* if no large square
# that fits into the pet holds it. What share of the pixels that no 6 × 6 square holds do they take for a pet, and what
# share of the rest?

# %%
pet = held.trimaps != CLASSES.index("background")
thick = covered(pet, max(2, lesson.size * 6 // 64))
parts = {"thin parts": pet & ~thick, "the rest of the pet": thick, "background": ~pet}
taken = {name: {part: [float((guess != 1)[mask].mean()) for guess in guesses[name]]
                for part, mask in parts.items() if mask.any()} for name in KINDS}
print(f"{'taken for a pet, of':24}" + "".join(f"{part:>22}" for part in parts))
for name, shares in taken.items():
    print(row_of(name, shares.values()))

# %% [markdown]
# Of the thin parts 0.16 are found without skips, 0.20 with more width, 0.46 with skips, while no more of the background
# is taken for a pet (0.06 each). So the skips find thin parts, but more than half of their pixels are still missed.
#
# ## 4. What is each skip used for?
# Take a trained U-Net and *silence* one skip: in place of the encoder's maps it brings, at every position, each
# channel's mean over the image. How much there is of a feature is still known, but no longer where. Nothing is trained
# again. What becomes worse is what the network used that skip for.
#
# The forward pass written out: a `Skip` puts the result of its inner layers and its own input together, channel by
# channel.
#
# **Predict:** the finest skip has the image's resolution, the coarsest a sixteenth of it. Which one, silenced, costs
# the border most? Which one the object?


# %%
def forward(layers, x, silent=(), level=0):
    """Return a U-Net's output; the skips at the silent levels (0: full resolution) bring their channels' means."""
    for layer in layers:
        if isinstance(layer, Skip):
            below = forward(layer.inner.layers, x, silent, level + 1)
            mean = x.mean(axis=(2, 3), keepdims=True)                  # (N, C, 1, 1)
            x = np.concatenate([below, np.broadcast_to(mean, x.shape) if level in silent else x], axis=1)
        else:
            x = layer(x)
    return x


def scores_without(model, silent):
    """Return a U-Net's scores with some skips silenced."""
    matrix = np.zeros((3, 3), np.int64)
    with no_backward(model):
        for i in range(0, len(held), 50):
            guess = forward(model.layers, as_input(held.images[i:i + 50]), silent).argmax(axis=1)
            matrix += metrics.confusion_matrix(held.trimaps[i:i + 50], guess, 3)
    return metrics.scores(matrix, CLASSES)


x = as_input(held.images[:2])
assert np.allclose(forward(models["with skips"][0].layers, x), models["with skips"][0](x), atol=1e-4)

# %%
sides = [f"{lesson.size >> k} × {lesson.size >> k}" for k in range(5)]
levels = {"none": ()} | {side: (k,) for k, side in enumerate(sides)} | {"all five": range(5)}
silenced = {name: {label: np.array([scores.get(LABELS[label], 0.0) for scores in every]) for label in LABELS}
            for name, every in ((name, [scores_without(model, silent) for model in models["with skips"]])
                                for name, silent in levels.items())}
lost = {name: {label: silenced["none"][label] - row[label] for label in LABELS} for name, row in silenced.items()
        if name != "none"}                                             # {skip: {label: one number per network}}
print(f"{'lost when silenced':24}" + "".join(f"{label:>22}" for label in LABELS))
for name, row in lost.items():
    print(row_of(name, row.values()))
lesson.figure(plotting.bar_chart({side: {label: lost[side][label] for label in ("object", "border")}
                                  for side in sides}, "IoU lost when one skip is silenced; three U-Nets, each a dot",
                                 "resolution of the skip", (None, None)), "silenced")

# %% [markdown]
# - Silencing 64 × 64 or 32 × 32 costs the border more than the object, in each of the three networks. But for the
#   finest skip that is only 0.026.
# - Silencing 8 × 8 costs the object the most of all five, in each network, on average 0.133. It costs the border 0.076,
#   which is within the spread of the 0.083 at 32 × 32.
# - At 16 × 16 the networks do not agree on which of the two loses more. The skip at 4 × 4 is hardly used.
# - How much a skip is used differs from network to network: silencing 32 × 32 costs the border 0.04, 0.06 or 0.15.
#
# So this does not show that fine skips are for the outline and coarse ones for the object: the skip at 8 × 8 is used
# for both.
#
# With all five silenced, the object's IoU falls by 0.513 and the border's to about 0. That is more than the sum of the
# five single losses (0.204 and 0.249). And a silenced network is not one that was trained without skips: the latter has
# an object IoU of 0.638, the silenced one 0.227. It never learned to do without.
#
# ## 5. The gradient's two ways through a skip
# Skips are often said to help the *gradient*: it can reach the encoder without passing all the deep layers. That can
# be measured.
#
# An encoder's map goes two ways: down through the deep layers, and through the skip. Forward, the skip concatenates.
# Backward, the gradient dy is cut where the two were joined. One part goes back through the deep layers, the other is
# already the gradient of the map. Both are gradients with respect to the same numbers, so they add (lesson 0: forks
# add).


# %%
def backward(layers, dy, ways, level=0):
    """Return dx; put the two parts that reach the encoder's map of each level into `ways`."""
    for layer in reversed(layers):
        if isinstance(layer, Skip):
            C = dy.shape[1] - brought[level]                           # channels that came from below
            deep, direct = backward(layer.inner.layers, dy[:, :C], ways, level + 1), dy[:, C:]
            ways[level], dy = (deep, direct), deep + direct
        else:
            dy = layer.backward(dy)
    return dy


x, labels = as_input(task.train.images[:32]), task.train.trimaps[:32].astype(np.int64)
model = encoder_decoder(w, skip=True, rng=lesson.seed)
task.loss.forward(model(x), labels)
dy = task.loss.backward()
assert np.allclose(backward(model.layers, dy, {}), model.backward(dy), rtol=1e-3, atol=1e-7)

# %% [markdown]
# That is all of the U-Net's backward that is not in a plain chain, and it gives the library's dx.
#
# How large are the two parts? |a| is the root of the sum of the squares of all numbers in a. We compare |direct| with
# |deep| at each skip, in untrained and in trained networks. We also compare the gradient of the weights of each of the
# encoder's five convolutions with the weights, |dW| / |W|, in untrained networks with and without skips.
#
# **Predict:** at the finest skip, is the direct part larger than the deep one? And does the gradient vanish on its way
# to the first convolution, if there are no skips?


# %%
def sizes(model):
    """Return |direct| / |deep| for each skip, and |dW| / |W| of the five convolutions of the encoder."""
    model.train()
    model.zero_grad()
    task.loss.forward(model(x), labels)
    ways: dict[int, tuple] = {}
    backward(model.layers, task.loss.backward(), ways)
    model.eval()
    convs = [layer for _, layer in model.walk() if isinstance(layer, Conv2d)][:5]
    return ([np.linalg.norm(ways[k][1]) / np.linalg.norm(ways[k][0]) for k in sorted(ways)],
            [np.linalg.norm(conv.weight.grad) / np.linalg.norm(conv.weight.data) for conv in convs])


fresh = {name: [sizes(encoder_decoder(w, skip=skip, rng=seed)) for seed in seeds] for skip, name in ends.items()}
after = [sizes(copy.deepcopy(model)) for model in models["with skips"]]
print(f"{'':24}" + "".join(f"{side:>22}" for side in sides))
for name, runs in {"untrained": fresh["with skips"], "trained": after}.items():
    print(row_of(f"direct/deep, {name}", zip(*(ratios for ratios, _ in runs))))
for name, runs in fresh.items():
    print(row_of(f"|dW|/|W|, {name}", zip(*(weights for _, weights in runs))))
lesson.figure(plotting.bar_chart({side: {name: [ratios[k] for ratios, _ in runs] for name, runs in
                                         (("untrained", fresh["with skips"]), ("trained", after))}
                                  for k, side in enumerate(sides)}, "The gradient through a skip, beside the one "
                                 "through the deep layers", "|direct| / |deep|, by resolution of the skip",
                                 values=".2f"), "ways")

# %% [markdown]
# In the untrained networks the direct part is a tenth of the deep one at the finest skip, and 0.86 of it at the
# coarsest. In the trained ones it is the larger part at 8 × 8 only (1.21), and at the finest skip it is 0.07. So what
# reaches the encoder's finest maps comes, for the most part, the long way.
#
# Without skips the gradient does not vanish: |dW| / |W| is 0.061 in the first convolution, 0.038 to 0.055 in the other
# four. With skips it is larger in the first (0.167; larger with each seed) and smaller in the last two. These networks
# have ten convolutions, with batch norm. Drozdzal and others (2016, arXiv 1608.04117) looked at the gradients of
# segmentation networks of hundreds of layers. Those gained from skips of both kinds, long ones as here and short ones
# (residual blocks, lesson 19).
#
# The size of a gradient does not tell what it is good for. So we try it: skips that bring the maps forward but let no
# gradient back. Three trainings, with the same seeds as before. (On several cores these run on one: other processes
# cannot import a class that is defined in a lesson.)
#
# **Predict:** with the maps but without their gradient, is the border IoU nearer to that without skips (0.06) or to
# that with skips (0.41)?


# %%
class ForwardOnly(Skip):
    """A skip whose gradient goes back through the deep layers only."""

    def backward(self, dy):
        C, = self.recall(dy)                                           # what forward kept: the channels from below
        return self.inner.backward(dy[:, :C])


def cut(model):
    """Let no gradient back through a U-Net's skips."""
    for _, layer in model.walk():
        if isinstance(layer, Skip):
            layer.__class__ = ForwardOnly                              # the same layer with the other backward
    return model


one_way = [trained(cut(encoder_decoder(w, skip=True, rng=seed)), "cut", seed)[1] for seed in seeds]
for label, key in LABELS.items():
    found[label]["maps only"] = np.array([history[-1].get(key, 0.0) for history in one_way])
print(f"\n{'':24}" + "".join(f"{label:>22}" for label in LABELS))
for name in border:
    print(row_of(name, [found[label][name] for label in LABELS]))

# %% [markdown]
# Border IoU is 0.304 ± 0.018 with the maps only. So of the gain of 0.348, 0.246 comes with the maps alone, and 0.102
# only if the gradient can take this way, too. Both are larger than the spread. Most of what the skips bring is
# information that the decoder would not have otherwise. The gradient through them is small beside the other one, yet
# it has a share. Whether it makes the encoder learn faster, or learn other maps, cannot be told from this.
#
# ## 6. The ladder
# The models of lessons 8 to 17, as they were trained there: once each, with one learning rate, on the same images. (At
# full width and for all epochs: the small networks of this lesson are not among them.)
#
# **Predict:** which step up was the largest, in mean IoU and in border IoU?

# %%
results = task.results()
if results:
    table = ladder_table(results)
    print(table)
    with replacing(lesson.out / "ladder.md") as temporary:
        temporary.write_text(table, encoding="utf-8")
    eight = slice(0, SHOWN)
    lesson.figure(ladder_figure(results, task.test.images[eight], task.test.trimaps[eight],
                                title="The ladder: each model's answer to the same held-out images"), "ladder")
else:
    print("no ladder yet: run lessons 8, 10, 11, 12, 13, 14, 16 and 17 first, with the same options")

# %% [markdown]
# These are single trainings. They cannot say which steps are more than luck, and one learning rate for all favors the
# models that it happens to suit. `python lessons/18_skip_connections.py --ladder --seeds 3` compares the models under
# equal conditions. (It takes an hour or more, and goes on where it was stopped.)
#
# - The learning rate of each model is chosen among 0.001, 0.004 and 0.016, by the mean IoU on *validation images*: a
#   fifth of the training images, on which these trainings do not train. The held-out images have no part in the choice.
# - Then the model is trained on all training images, 6 epochs, with three seeds, and scored on the held-out images.
# - Then once more, four times as long, with the first seed. Does it lack training, or ability?
#
# This was the result. K-means, which is not trained by gradients, is that of lesson 8.
#
# | model | learning rate | mean IoU | object | border | mean IoU, 4 × | border, 4 × |
# |:---|---:|---:|---:|---:|---:|---:|
# | K-means | – | 0.214 | 0.043 | 0.000 | – | – |
# | 1 × 1 | 0.016 | 0.213 ± 0.014 | 0.042 ± 0.044 | 0.000 ± 0.000 | 0.221 | 0.000 |
# | 5 × 5 | 0.016 | 0.392 ± 0.009 | 0.322 ± 0.006 | 0.161 ± 0.014 | 0.425 | 0.178 |
# | 9 × 9 | 0.004 | 0.499 ± 0.002 | 0.494 ± 0.006 | 0.245 ± 0.004 | 0.546 | 0.312 |
# | six 3 × 3 | 0.004 | 0.649 ± 0.014 | 0.687 ± 0.021 | 0.420 ± 0.010 | 0.724 | 0.519 |
# | reshape | 0.004 | 0.532 ± 0.019 | 0.639 ± 0.018 | 0.143 ± 0.027 | 0.629 | 0.297 |
# | FCN-8s | 0.016 | 0.623 ± 0.006 | 0.715 ± 0.004 | 0.285 ± 0.009 | 0.695 | 0.401 |
# | encoder–decoder | 0.004 | 0.600 ± 0.005 | 0.710 ± 0.004 | 0.238 ± 0.009 | 0.674 | 0.364 |
# | U-Net | 0.004 | 0.757 ± 0.003 | 0.821 ± 0.003 | 0.530 ± 0.003 | 0.806 | 0.612 |
#
# ± is again half the distance between the lowest and the highest of the three seeds. 4 ×: one training of 24 epochs.
#
# | model | parameters | receptive field | effective | seconds |
# |:---|---:|---:|---:|---:|
# | K-means | 256 | 1 × 1 | – | 5 |
# | 1 × 1 | 147 | 1 × 1 | 1 ± 0 | 4 |
# | 5 × 5 | 1,299 | 5 × 5 | 5 ± 0 | 7 |
# | 9 × 9 | 10,435 | 13 × 13 | 13 ± 0 | 47 |
# | six 3 × 3 | 12,291 | 13 × 13 | 11 ± 0 | 71 |
# | reshape | 6,549,504 | 64 × 64 | 58 ± 1 | 56 |
# | FCN-8s | 249,321 | 64 × 64 | 53 ± 0 | 27 |
# | encoder–decoder | 491,139 | 64 × 64 | 58 ± 1 | 42 |
# | U-Net | 735,795 | 64 × 64 | 50 ± 1 | 53 |
#
# Effective: the side of the square around a pixel near the middle that holds 90 % of the gradient (lesson 11). The
# seconds are those of 750 steps, which are 6 epochs, on one core: 750 times the median of 12 steps, taken alternately
# with those of the other models.

# %% [markdown]
# We call a gap larger than the spread if the ranges over the seeds do not overlap: the worst seed of one model is
# better than the best of the other. (Three seeds are few. A small gap may well vanish with ten.)
#
# - K-means and 1 × 1 have no gap in mean IoU: 0.214 and 0.213 ± 0.014.
# - 5 × 5, 9 × 9 and six 3 × 3, all at full resolution: each is better than the one before, in mean IoU and in both
#   classes, by more than the spread.
# - **Six 3 × 3**, with 12,291 parameters and a receptive field of 13 × 13 pixels, has a higher mean IoU (0.649) than
#   reshape (0.532), FCN-8s (0.623) and the encoder–decoder (0.600), which have the whole image. Its border is better
#   than theirs by 0.13 to 0.28. Its object is better than that of reshape, and worse than that of FCN-8s and of the
#   encoder–decoder by 0.03 and 0.02. All these gaps are larger than the spread; the smallest, to FCN-8s in mean IoU and
#   to the encoder–decoder in object, only just.
# - Reshape beats 9 × 9 in mean IoU and object, and loses at the border.
# - FCN-8s is better than the encoder–decoder, which has twice its parameters, in mean IoU (by 0.023) and at the border
#   (by 0.048). In object there is no gap: 0.715 ± 0.004 and 0.710 ± 0.004.
# - The **U-Net** is better than all others in everything. The steps from the encoder–decoder, 0.157 in mean IoU, 0.111
#   in object and 0.293 at the border, are many times the spread.
#
# So not every lesson was a step up. And the table does not say why one model is better than another: they differ in
# depth, kernels, poolings, parameters and receptive field all at once. The last step is the one with controls (sections
# 1 to 5). For the step from 9 × 9 to six 3 × 3, lesson 12 changes one thing at a time.
#
# In the figure above, six 3 × 3 draw ears and legs, but leave holes in the third pet. FCN-8s and the encoder–decoder
# draw closed shapes and hardly an ear. The U-Net draws closed shapes with ears.
#
# **Four times as long** is one training each, so its spread is not known. 1 × 1 has 0.221 after it, in the range of its
# three seeds. All others gain: 5 × 5 0.03 in mean IoU, 9 × 9 0.05, six 3 × 3 0.08, reshape 0.10, FCN-8s 0.07, the
# encoder–decoder 0.07, the U-Net 0.05. So after 6 epochs all but 1 × 1 still lack training, and the gaps depend on
# its length. At the border the encoder–decoder comes from 0.238 to 0.364, the U-Net from 0.530 to 0.612: the gap goes
# from 0.293 to 0.248. In mean IoU it goes from 0.157 to 0.132. Most of it stays.

# %% [markdown]
# **On photographs.** The same comparison with `--data` and the 665 photographs of lesson 5: 511 to train on, 12 epochs
# instead of 6, so that as many images are shown, and 154 held out. 102 of the 511 are the validation images.
#
# | model | learning rate | mean IoU | object | border | mean IoU, 4 × | border, 4 × | effective |
# |:---|---:|---:|---:|---:|---:|---:|---:|
# | K-means | – | 0.245 | 0.181 | 0.000 | – | – | – |
# | 1 × 1 | 0.016 | 0.272 ± 0.005 | 0.261 ± 0.016 | 0.000 ± 0.000 | 0.273 | 0.000 | 1 ± 0 |
# | 5 × 5 | 0.016 | 0.341 ± 0.008 | 0.311 ± 0.013 | 0.115 ± 0.007 | 0.367 | 0.143 | 5 ± 0 |
# | 9 × 9 | 0.004 | 0.402 ± 0.002 | 0.424 ± 0.002 | 0.143 ± 0.008 | 0.427 | 0.182 | 13 ± 0 |
# | six 3 × 3 | 0.004 | 0.464 ± 0.005 | 0.493 ± 0.006 | 0.225 ± 0.014 | 0.507 | 0.280 | 11 ± 0 |
# | reshape | 0.001 | 0.406 ± 0.006 | 0.505 ± 0.007 | 0.034 ± 0.006 | 0.466 | 0.146 | 59 ± 0 |
# | FCN-8s | 0.016 | 0.464 ± 0.009 | 0.564 ± 0.012 | 0.107 ± 0.009 | 0.521 | 0.222 | 54 ± 1 |
# | encoder–decoder | 0.004 | 0.431 ± 0.004 | 0.550 ± 0.008 | 0.037 ± 0.002 | 0.489 | 0.182 | 59 ± 0 |
# | U-Net | 0.004 | 0.568 ± 0.004 | 0.634 ± 0.002 | 0.301 ± 0.008 | 0.590 | 0.346 | 56 ± 1 |
#
# - **Everything but color is harder.** From 5 × 5 on, each model has less than on the rendered pets: 5 × 5 by 0.05, six
#   3 × 3 and the U-Net by 0.19. The shares of the classes are not the reason: they agree within 0.02 (lesson 5).
# - **Color tells more.** 1 × 1 has 0.272 ± 0.005, more than K-means and more than on the rendered pets; a counted color
#   table has 0.269 (lesson 5). The rendered pets were made so that color does not give them away.
# - **Six 3 × 3** and FCN-8s are level, 0.464, where six 3 × 3 led by 0.026: its object is worse by 0.07, there 0.03. It
#   still leads reshape and the encoder–decoder, and the borders of all three are worse than its own.
# - Reshape has no gap to 9 × 9 in mean IoU (0.406 ± 0.006 and 0.402 ± 0.002), where it led by 0.033.
# - **The U-Net** is better than all others in everything, here too. The gap to the encoder–decoder is 0.137 in mean IoU
#   and 0.264 at the border, nearly as large as on the rendered pets.
# - **Four times as long** gains less for every model but 1 × 1: 0.02 for the U-Net instead of 0.05, 0.06 for reshape
#   instead of 0.10. There are half as many images to learn from, each shown 48 times.
#
# But for the two ties, the models stand in the same order as on the rendered pets. How large the numbers are, and which
# gaps are larger than the spread, could not have been told from these. (Section 11 of lesson 17 says what a training
# reaches that was made for photographs: 0.733, at the photographs' own sizes.)

# %% [markdown]
# ## 7. What came after
# The U-Net is from 2015 (Ronneberger, Fischer, Brox, MICCAI 2015, arXiv 1505.04597). The deck ends with it. What came
# next can be read with what you know now.
#
# **Dilated convolution** (Yu, Koltun, ICLR 2016, arXiv 1511.07122). The nine weights of a 3 × 3 kernel are applied to
# pixels that lie d apart. With dilations 1, 2, 4, ... from layer to layer the receptive field grows exponentially, at
# full resolution and without any pooling. `Conv2d` has it as an argument.
#
# **Predict:** the receptive field of four 3 × 3 convolutions with dilations 1, 2, 4 and 8. And without dilation?

# %%
for dilations in ((1, 1, 1, 1), (1, 2, 4, 8)):
    layers = [Conv2d(1, 1, 3, padding="same", dilation=dilation, rng=0) for dilation in dilations]
    side, _ = receptive_field(Sequential(*layers), (1, 1, 64, 64))
    print(f"dilations {dilations}: {side} × {side} pixels, {count(Sequential(*layers))} parameters")
    assert side == 1 + sum(2 * dilation for dilation in dilations)

# %% [markdown]
# **Pretrained encoders.** An encoder can be trained on another task first, for which there are more images. TernausNet
# (Iglovikov, Shvets, 2018, arXiv 1801.05746) is a U-Net whose encoder is a VGG-11, trained to classify the photographs
# of ImageNet. The decoder starts from random weights, and both are trained on the segmentation.
#
# **DeepLab v3+** (Chen, Zhu, Papandreou, Schroff, Adam, ECCV 2018, arXiv 1802.02611) joins the two ideas. Its
# encoder, pretrained, has dilated convolutions, at the end several dilations side by side. A small decoder enlarges
# the result bilinearly and concatenates maps of an early layer: a U-Net with a single skip.
#
# **Feature pyramids** (FPN: Lin, Dollár, Girshick, He, Hariharan, Belongie, CVPR 2017, arXiv 1612.03144) were made for
# detection. Their skips are *added*, after a 1 × 1 convolution, as in the FCN of lesson 14. And each level of the way
# up gives predictions, the coarse ones for large objects, the fine ones for small objects.
#
# **SegFormer** (Xie, Wang, Yu, Anandkumar, Alvarez, Luo, NeurIPS 2021, arXiv 2105.15203). Its encoder is a
# *transformer*: in each layer a position mixes in features from all over the image, with weights that are calculated
# from the features themselves (*attention*). So the receptive field is the whole image from the first layer on. The
# encoder still returns maps at four resolutions. A small decoder of dense layers, applied at each position, enlarges
# all of them to one size and joins them.
#
# **nnU-Net** (Isensee, Jaeger, Kohl, Petersen, Maier-Hein, Nature Methods 18, 2021, pages 203–211; preprint arXiv
# 1904.08128) changes hardly anything in the U-Net. It derives everything around it from the data by fixed rules: how
# images are resampled and cut, the depth of the network, batch size, training. According to the paper that was better
# than most specialized methods on 23 public sets of medical images.
#
# **SAM** (Segment Anything: Kirillov and others, ICCV 2023, arXiv 2304.02643) was trained on 11 million images with
# more than a billion masks. It gets an image and a *prompt*, such as a point or a box, and returns the mask of the
# thing meant. It does not name the thing: its masks have no classes.
#
# **Diffusion models** make images by removing noise step by step (Ho, Jain, Abbeel, NeurIPS 2020, arXiv 2006.11239).
# The network that predicts the noise is a U-Net with skips that are concatenated, as here, and with residual blocks
# (lesson 19) and attention. Latent diffusion (Rombach and others, CVPR 2022, arXiv 2112.10752) has a U-Net, too. In
# later ones a transformer took its place (Peebles, Xie, ICCV 2023, arXiv 2212.09748).
#
# ## Recap
# - A U-Net differs from an encoder–decoder in two things, its skips and 50 % more weights. Without skips, border IoU
#   is 0.058, with as many parameters and no skips 0.106, with skips 0.406 (three seeds, each ± 0.018 at most).
# - Of that gain over the plain network, 0.25 comes with the maps that the skips bring forward, 0.10 with the gradient
#   that they let back. Silenced, the two finest skips cost the border more than the object, 8 × 8 costs both.
# - The ladder over three seeds: the U-Net is the best in everything (mean IoU 0.757 ± 0.003). Second in mean IoU are
#   six 3 × 3 convolutions at full resolution (0.649 ± 0.014), with a receptive field of 13 × 13 pixels.

# %%
lesson.finish(test=task.scores(models["with skips"][0]), gain=list(gain), gain_by_width=list(by_weights),
              gain_by_skips=list(by_skips), taken_for_pet=taken,
              border={name: list(values) for name, values in border.items()},
              lost={name: {label: list(values) for label, values in row.items()} for name, row in lost.items()},
              first_loss=first_loss, last_loss=histories["with skips"][0][-1]["loss"], epochs=epochs,
              training_images=len(task.train), test_images=len(task.test),
              parameters={name: count(models[name][0]) for name in KINDS},
              training_seconds=sum(row["seconds"] for rows in [*histories.values(), one_way] for history in rows
                                   for row in history))
if lesson.as_intended:
    assert gain.min() > 0.05 and by_skips.min() > 0.05, "for each seed the skips must help the border"
    assert min(taken["with skips"]["thin parts"]) > max(taken["without skips"]["thin parts"])
    fine, coarse = sides[0], sides[3]
    assert lost[fine]["border"].mean() > lost[fine]["object"].mean()
    assert lost[coarse]["object"].mean() > lost[coarse]["border"].mean()

# %% [markdown]
# **Try:** (After one run of the lesson, `--resume` takes its finished trainings, so that changes after section 2 run in
# seconds.)
# 1. ★ `[count(encoder_decoder(64, skip=skip, rng=0)) for skip in (False, True)]`: the networks of the slides. You
#    should see 7,825,923 and 11,735,235. The U-Net has 50 % more parameters here, too. Why nearly the same share?
# 2. ★ In `backward`, forget the fork: `ways[level], dy = (deep, direct), deep`. You should see the assert below it
#    fail. Replace `model.backward(dy)` there by `cut(model).backward(dy)`, with `ForwardOnly` and `cut` moved up. Why
#    does it hold now?
# 3. ★★ In `forward`, let a silenced skip bring the maps of another image, `np.roll(x, 1, axis=0)`. Silencing 32 × 32
#    should cost the border between 0.10 and 0.20, silencing 8 × 8 the object between 0.15 and 0.22. Is a wrong *where*
#    worse than none?
# 4. ★★ Silence all skips but one: in `levels`, `set(range(5)) - {k}` in place of `(k,)`. With 8 × 8 alone, the object
#    should lose 0.06 to 0.12; it is then about as good as in the networks that were trained without skips. With 64 × 64
#    alone, the border should lose 0.36 to 0.41, nearly all. Does that mean that the finest skip is useless?
# 5. ★★★ Train without one skip instead of silencing it: a `Skip` whose `forward_checked` puts its channels' means
#    beside the result of its inner layers, and whose `backward` fits to that. Which skip is missed most now? How do
#    the losses compare with those of section 4?
