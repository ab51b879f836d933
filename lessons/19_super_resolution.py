# %% [markdown]
# # 19 · Super-resolution: what was there before the image was made small?
# Slide 33, further reading. *Upsampling + convolution can draw more pixels than came in. Which ones should it draw?*
#
# **New here:** PSNR and SSIM, and the network of ESRGAN, trained for little distortion. Lesson 20 goes on with looks.
# Two papers, downsized:
#
# - Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", 2018, arXiv 1809.00219
# - Park, Moon, Cho, "Perception-Oriented Single Image Super-Resolution using Optimal Objective Estimation", CVPR 2023,
#   arXiv 2211.13676
#
# **Needs:** upsampling + conv (lesson 15), encoder and decoder (16); skips (17) help with reading the dense blocks.

# %%
import numpy as np

from minidl import Conv2d, L1Loss, rrdb_net
from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.plotting import canvas
from minidl.step import predict
from minidl.tasks.super_resolution.experiment import SuperResolution
from minidl.tasks.super_resolution.figures import comparison
from minidl.tasks.super_resolution.image_metrics import psnr
from minidl.tasks.super_resolution.images import METHODS, resized

lesson = Lesson("19_super_resolution", budget=14_000, quick_epochs=8)          # few images: few steps an epoch

# %% [markdown]
# ## 1. Data, and what an image program does
# The large images are the pets; the small ones are made of them with Pillow's bicubic filter, 4 times (and, for
# comparison, 2 times) smaller on each side. All have 8 bits a color, as files have. From 16 × 16 pixels nobody can know
# the 64 × 64: countless large images shrink to the same small one.
#
# Image programs enlarge with fixed rules: *nearest* copies the next pixel, *bilinear* mixes 2 × 2 of them (lesson 15),
# *bicubic* 4 × 4, some with negative weights, which sharpens edges.
#
# Two scores compare the result with the true image. **PSNR** is the mean squared error on a logarithmic scale, in
# decibels: 3 dB more are half the error. **SSIM** compares mean, contrast and pattern under a sliding window; 1 is
# equal. **Predict:** which rule wins? What PSNR has an image in which every value (0 to 1) is off by 0.1?

# %%
task = SuperResolution(lesson, 4)
half = SuperResolution(lesson, 2)
print(f"{len(task.train)} pairs to train on, {len(task.test)} held out, {task.small.shape[2:]} to {lesson.size} pixels")
truth = task.test.images                                            # (n, 3, S, S) uint8
assert np.allclose(psnr(np.full((1, 3, 8, 8), 0.4), np.full((1, 3, 8, 8), 0.5)), 20)

results = {4: {}, 2: {}}                                            # method: (n, 3, S, S) uint8
scores = {4: {}, 2: {}}
for problem in (task, half):
    for method in METHODS:
        results[problem.scale][method] = resized(problem.small_test, lesson.size, method)
        found = scores[problem.scale][method] = problem.scores(results[problem.scale][method])
        print(f"x{problem.scale}  {method:<9} PSNR {found['psnr']:.2f} dB, SSIM {found['ssim']:.3f}")

# %% [markdown]
# ## 2. The network
# All depth works at the small size, where a convolution is 16 times cheaper than at the large one. Its brick is the
# *dense block*: each convolution sees the block's input and everything computed since, laid side by side, which is a
# `Skip` around each. Three dense blocks, with a *residual* around each and around all three, are an RRDB. Then comes
# slide 30, twice: nearest upsampling + convolution.
#
# Two things are as in the paper: no batch norm (whose statistics change from batch to batch, and show), and each block
# adds only 0.2 of what it computes. Two are not: the paper has 23 RRDBs of 64 channels, 16.7 million parameters, and
# learns whole images; ours has one of 16, and learns what to *add* to the bilinear enlargement.
#
# **Predict:** how many channels does the last convolution of a dense block see, with 16 + 8 for each of four before it?

# %%
growth = max(1, lesson.width // 2)


def generator(scale=4, **more):
    """Return this lesson's network, untrained."""
    return rrdb_net(scale, lesson.width, growth, blocks=1, base="bilinear", **more)


distortion_net = generator(rng=lesson.seed)
distortion_net.summary((1, 3, lesson.size // 4, lesson.size // 4))
parameters = sum(parameter.data.size for parameter in distortion_net.parameters())
seen = max(layer.in_channels for _, layer in distortion_net.walk() if isinstance(layer, Conv2d))
assert seen == lesson.width + 4 * growth

# %% [markdown]
# ## 3. First aim: little distortion
# The loss is L1, the mean distance from the true value. With all its added part still 0, the network begins as the
# bilinear enlargement. **Predict:** where does its loss begin, and will it beat bicubic, which it never sees?

# %%
first_loss = L1Loss()(predict(distortion_net, task.small[:200]), as_input(task.train.images[:200]))
print(f"loss before training: {first_loss:.4f}")
history = task.fit(distortion_net, "x4")
half_net = generator(2, rng=lesson.seed)
print("and twice as large")
half_history = half.fit(half_net, "x2", epochs=max(1, half.epochs // 3))
if history.stopped or half_history.stopped:
    raise SystemExit("all that follows begins with these networks: run it again with --resume")
for problem, net in ((task, distortion_net), (half, half_net)):
    results[problem.scale]["L1"] = problem.enlarged(net)
    scores[problem.scale]["L1"] = problem.scores(results[problem.scale]["L1"])
gain = {scale: scores[scale]["L1"]["psnr"] - scores[scale]["bicubic"]["psnr"] for scale in scores}
for scale in scores:
    print(f"x{scale}: {scores[scale]['L1']['psnr']:.2f} dB, {gain[scale]:+.2f} dB against bicubic")

# %%
figure = canvas.blank(900, 330)
canvas.write(figure, 12, 20, "PSNR on held-out images (dB)" + lesson.headline(": from bilinear past bicubic", ""),
             canvas.TITLE, 870, weight="bold")
for k, (problem, rows) in enumerate(((task, history), (half, half_history))):
    axes = canvas.place(figure, 50 + 440 * k, 66, 300, 210)
    canvas.quiet(axes)
    canvas.write(figure, 40 + 440 * k, 50, f"{problem.scale} times larger", canvas.TEXT, 300, weight="bold")
    measured = [row for row in rows if "psnr" in row]
    before = scores[problem.scale]["bilinear"]["psnr"]               # of the network before training
    axes.plot([0] + [row["epoch"] for row in measured], [before] + [row["psnr"] for row in measured], "o-",
              color=canvas.LINE_COLORS[0], markersize=4)
    ends = {name: scores[problem.scale][name]["psnr"] for name in ("L1", *METHODS)}
    for color, (name, value) in zip(canvas.LINE_COLORS, ends.items()):
        axes.axhline(value, color=color, linewidth=1, linestyle="none" if name == "L1" else "--")
        axes.annotate(f"{name}  {value:.2f}", (1.02, value), xycoords=("axes fraction", "data"), va="center",
                      fontsize=canvas.TEXT, color=color)
    axes.set_xticks(range(0, len(rows) + 1, max(1, len(rows) // 5)))
    axes.set_xlabel("epoch", fontsize=canvas.SMALL, color=canvas.QUIET)
lesson.figure(figure, "training")

# %% [markdown]
# One epoch is enough to pass bicubic: a fixed rule mixes the same few pixels everywhere, the network has learned what
# outlines look like and draws them sharp (below, in the first comparison). But fur and grass are gone. Where ten
# different blades of grass fit the small image, the answer nearest to all of them is their median: an even green.
# Scored pixel by pixel, *no texture* beats *a wrong texture*. That is no fault of the training; it is the aim.

# %%
shown = np.linspace(0, len(truth) - 1, 1 if lesson.quick else 3).astype(int)
small = task.small_test[shown].repeat(4, axis=2).repeat(4, axis=3)
columns = {"small": small, **{name: results[4][name][shown] for name in ("bilinear", "bicubic", "L1")}}
means = ", ".join(f"{name} {scores[4][name]['psnr']:.1f}" for name in ("bicubic", "L1"))
figure = comparison(columns, truth[shown], f"Four times larger, with a detail below each (mean PSNR: {means} dB)",
                    scored=("bilinear", "bicubic", "L1"))
lesson.figure(figure, "comparison")

# %%
lesson.finish(x4=scores[4], x2=scores[2], gain_x4_over_bicubic=gain[4], gain_x2_over_bicubic=gain[2],
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(task.train), test_images=len(task.test), parameters=parameters,
              training_seconds=sum(row["seconds"] for row in history + half_history))
if lesson.as_intended and not history.stopped:
    assert gain[4] > 1 and gain[2] > 1, "L1 must beat bicubic by 1 dB"

# %% [markdown]
# **Try:**
# 1. `base=None` in `generator`: the network must learn the whole image, as in the paper. How many epochs later does
#    it pass bicubic? (`psnr` in the lines of the training.)
