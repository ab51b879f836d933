# %% [markdown]
# # 19 · Super-resolution: what was there before the image was made small?
# Slide 33. *Upsampling + convolution can draw more pixels than came in. Which ones should it draw?*
#
# **New here:** super-resolution, the further reading of slide 33: a network that enlarges an image. Two scores for
# images, PSNR and SSIM, and what they do not measure. Residuals and dense blocks, which make deep networks trainable.
#
# **Needs:** finite differences and "forks add" (lesson 0), initialization and dead ReLUs (lesson 2), convolution and
# batch norm (lesson 4), the rendered pets and `fit` (lesson 5), bilinear interpolation and upsampling + convolution
# (lesson 15), `Skip` (lesson 17).
#
# **Time:** about 40 minutes to read, 55 seconds to run on two cores.

# %%
import numpy as np

from minidl import Conv2d, L1Loss, LeakyReLU, Residual, Sequential, Upsample, plotting
from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.step import predict
from minidl.tasks.super_resolution.experiment import SuperResolution
from minidl.tasks.super_resolution.figures import comparison
from minidl.tasks.super_resolution.image_metrics import psnr, ssim
from minidl.tasks.super_resolution.images import METHODS, block_means, resized
from minidl.tasks.super_resolution.models import dense_block

SCALE = 4
lesson = Lesson("19_super_resolution", quick_epochs=8)                 # few images: few steps per epoch
rng = np.random.default_rng(lesson.seed)
S, width = lesson.size, lesson.width

# %% [markdown]
# ## 1. A question with many right answers
# Take an image, make it four times smaller on each side, and ask for the large one back. Each small pixel is made of
# 4 × 4 large ones, so 15 numbers in 16 are gone. Training data cost nothing: every image can be made small.
#
# **Predict:** can two different large images have the same small one? Take the mean of each square of 4 × 4 pixels as
# the small image, and look for two.

# %%
task = SuperResolution(lesson, SCALE)
truth = task.test.images                                               # (n, 3, S, S) uint8
print(f"{len(task.train)} pairs to train on, {len(truth)} held out: {task.small.shape[2:]} -> {truth.shape[2:]} pixels")
one = truth[0] / 255
checkers = 0.1 * (-1.0)**np.add.outer(np.arange(S), np.arange(S))      # +0.1 and -0.1, as many of each in every square
assert np.allclose(block_means(one, SCALE), block_means(one + checkers, SCALE))

# %% [markdown]
# Add a pattern whose mean is 0 in every square: the large image changes, the small one does not. There are as many such
# patterns as there are lost numbers. So nobody can calculate the large image from the small one. A method has to choose
# among all large images that fit, by what images usually look like. The task is called *ill-posed*.
#
# Our small images are made with Pillow's bicubic filter, as is usual in papers. It weights 16 × 16 large pixels for
# each small one. All images have 8 bits per color, as in files. They are the rendered pets of lesson 5.
#
# ## 2. Fixed rules
# Image programs enlarge by interpolation (lesson 15). *Nearest* copies one pixel, *bilinear* mixes 2 × 2 of them,
# *bicubic* mixes 4 × 4. Along a row, bicubic gives an old pixel at distance d the share
#
#     1.5 d³ - 2.5 d² + 1               for d up to 1
#     -0.5 d³ + 2.5 d² - 4 d + 2        for d from 1 to 2, and 0 beyond
#
# (Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981).
#
# **Predict:** the share of a pixel at distance 1.5. What does that do to an edge?


# %%
def cubic(d):
    """Return the share of an old pixel at the distance d, in old pixels."""
    d = np.abs(d)
    return np.where(d <= 1, 1.5 * d**3 - 2.5 * d**2 + 1,
                    np.where(d < 2, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2, 0))


edge = np.repeat([50.0, 200.0], 8)                                     # a dark side and a light side
centers = (np.arange(16 * 4) + 0.5) / 4 - 0.5                          # of the new pixels, in old pixels (lesson 15)
shares = cubic(centers[:, None] - np.arange(16))                       # (64, 16)
inside = slice(8, -8)                                                  # near the ends, old pixels are missing
by_hand = (shares @ edge)[inside]
assert np.allclose(shares[inside].sum(axis=1), 1) and cubic(1.5) < 0
library = resized(np.tile(edge, (1, 3, 16, 1)).astype(np.uint8), 64, "bicubic")[0, 0, 32, inside]
assert np.abs(by_hand - library).max() <= 1                            # Pillow rounds
print(f"share at distance 1.5: {cubic(1.5):.4f}; near an edge from 50 to 200: {library[20:28]}")

# %% [markdown]
# Some shares are negative. Beside the edge, bicubic undershoots and overshoots: 39 and 211 beside 50 and 200. That
# makes an edge steeper than bilinear interpolation does.
#
# ## 3. PSNR
# How good is an enlarged image? The simplest score is the *mean squared error* (MSE) over all pixels and colors, with
# values from 0 to 1. It is written on a logarithmic scale, in decibels (dB), as the *peak signal-to-noise ratio*:
#
#     PSNR = 10 log10(1 / MSE) = -20 log10(root of the MSE)
#
# The 1 is the squared *peak*, the largest value that a pixel can have. Larger is better.
#
# **Predict:** the PSNR if every value is off by 0.1. By how many dB does it rise when the squared error is halved? Is
# the mean of the PSNRs of many images the PSNR of their mean MSE?


# %%
def psnr_by_hand(image, true):
    """Two arrays with values from 0 to 1 -> dB."""
    return 10 * np.log10(1 / np.mean((image - true)**2))


flat = np.full((1, 3, 8, 8), 0.4)
off, off_less = flat + 0.1, flat + 0.1 / np.sqrt(2)
assert np.isclose(psnr_by_hand(off, flat), 20)
assert np.isclose(psnr_by_hand(off_less, flat) - psnr_by_hand(off, flat), 10 * np.log10(2))
results = {method: resized(task.small_test, S, method) for method in METHODS}          # (n, 3, S, S) uint8
each = psnr(results["bicubic"], truth)                                 # (n,): the library's
assert np.isclose(each[0], psnr_by_hand(results["bicubic"][0] / 255, one))
together = psnr_by_hand(results["bicubic"] / 255, truth / 255)
print(f"bicubic: {each.min():.1f} to {each.max():.1f} dB, mean {each.mean():.2f}; PSNR of the mean MSE {together:.2f}")
assert each.mean() > together

# %% [markdown]
# 20 dB, and 3.01 dB for half the squared error. The mean over images is not the PSNR of the mean MSE: the logarithm of
# a mean is not the mean of logarithms. Papers report the mean over images, and so do we. It differs widely from image
# to image, so PSNRs of different test sets cannot be compared.
#
# ## 4. SSIM, and what neither score measures
# *SSIM* (structural similarity) compares small windows. For two windows a and b with means m, variances v and
# covariance c,
#
#     SSIM = (2 m_a m_b + C1) / (m_a² + m_b² + C1)  ·  (2 c + C2) / (v_a + v_b + C2)
#
# The first factor is 1 if the means are equal, the second if the windows vary together and equally strongly. The small
# constants, C1 = 0.01² and C2 = 0.03², keep it from dividing by 0. The score of an image is the mean over all windows
# of 11 × 11 pixels; inside a window, pixels near the middle count more (a Gaussian with σ = 1.5). It is 1 for equal
# images. (Wang, Bovik, Sheikh, Simoncelli, 2004.) For a single window:


# %%
def ssim_of_window(a, b):
    """Two windows (11, 11) with values from 0 to 1 -> SSIM."""
    bell = np.exp(-(np.arange(11) - 5)**2 / (2 * 1.5**2))
    share = np.outer(bell, bell) / bell.sum()**2                       # of each pixel; the sum is 1
    mean_a, mean_b = (share * a).sum(), (share * b).sum()
    var_a, var_b = (share * (a - mean_a)**2).sum(), (share * (b - mean_b)**2).sum()
    cov = (share * (a - mean_a) * (b - mean_b)).sum()
    c1, c2 = 0.01**2, 0.03**2
    return (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1) * (2 * cov + c2) / (var_a + var_b + c2)


a, b = rng.random((2, 11, 11))
assert np.isclose(ssim_of_window(a, b), ssim(a[None, None], b[None, None])[0])
for method, images in results.items():
    print(f"{method:<9} PSNR {psnr(images, truth).mean():.2f} dB, SSIM {ssim(images, truth).mean():.3f}")

# %% [markdown]
# Both scores have the same order: nearest, bilinear, bicubic. Do they score what we see? We damage an image in four
# ways. Brighter, noise and blur are made equally bad by construction: all have the same MSE, 0.05². The fourth is the
# image itself, moved by one pixel.
#
# **Predict:** the PSNR of the first three. Which has the best SSIM? And what do the scores say of the moved image?

# %%
shown = min(7, len(truth) - 1)
clean = truth[shown].astype(np.float64) / 255
soft = block_means(clean, 2).repeat(2, axis=1).repeat(2, axis=2)       # squares of 2 x 2 pixels


def with_error(change, size=0.05):
    """Return the clean image, changed in this direction until the root of the MSE is `size`."""
    return clean + change * size / np.sqrt(np.mean(change**2))


damaged = {"true image": clean, "brighter": with_error(np.ones_like(clean)),
           "noise": with_error(rng.normal(size=clean.shape)), "blocks": with_error(soft - clean),
           "one pixel right": np.roll(clean, 1, axis=2)}
captions = ["true image"]
for name, image in list(damaged.items())[1:]:
    db, similar = psnr_by_hand(image, clean), ssim(image[None], clean[None])[0]
    captions.append(f"{name}: {db:.1f} dB, {similar:.2f}")
    print(f"{name:<16} PSNR {db:.2f} dB, SSIM {similar:.3f}")
lesson.figure(plotting.image_strip(np.clip(list(damaged.values()), 0, 1), captions, columns=5, cell=192,
                                   title="Four changes of an image, with PSNR and SSIM"), "scores")

# %% [markdown]
# The first three have 26.02 dB, as they must: −20 log10(0.05). They do not look equally bad. To the eye, the brighter
# image is hardly changed, and SSIM agrees (0.98). It puts noise last (0.69) and blocks between (0.80). You may disagree
# about these two. The image that was moved by one pixel looks like the true one. Yet it has the worst PSNR of all, 24.6
# dB, and with 0.75 a lower SSIM than the blocks. Both scores compare pixels at the same position. SSIM is often said to
# measure what people see. It does so better than PSNR in the first case, and no better in the last.
#
# ## 5. Bricks for depth: LeakyReLU, residual, dense block
# The network of this lesson is a small version of one from the paper that slide 33 names: Wang et al., "ESRGAN", 2018
# (arXiv 1809.00219). Besides convolutions it has three new bricks.
#
# **LeakyReLU.** A ReLU passes no gradient where its input is negative, and a unit that is negative for all inputs never
# learns again (lesson 2). LeakyReLU multiplies negative inputs by a small slope instead, here 0.2. So dx is dy or 0.2
# dy, never 0.
#
# **Residual.** y = x + s · f(x). The layers f learn what to *add* to x. The input goes two ways, so its gradient is the
# sum of two (forks add): dx = dy + what comes back through f for s · dy. The first part passes unchanged, however deep
# the network. (He, Zhang, Ren, Sun, "Deep Residual Learning", 2015, arXiv 1512.03385.)

# %%
x, dy = rng.normal(size=(2, 16, 6, 6)), rng.normal(size=(2, 16, 6, 6))
leaky = LeakyReLU(0.2)
assert np.allclose(leaky(x), np.where(x > 0, x, 0.2 * x))
assert np.allclose(leaky.backward(dy), np.where(x > 0, dy, 0.2 * dy))
f = Sequential(Conv2d(16, 16, 3, padding="same", rng=rng), LeakyReLU(0.2)).astype(np.float64)
around = Residual(f, scale=0.2)
assert np.allclose(around(x), x + 0.2 * f(x))
assert np.allclose(around.backward(dy), dy + f.backward(0.2 * dy))

# %% [markdown]
# What does that do for depth? We stack 30 pairs of convolution and LeakyReLU, untrained: as a chain, with residuals of
# scale 1, and with residuals of scale 0.2. The weights are He's (lesson 2), or 10 times smaller, as in the paper. We
# compare how far the numbers spread (their standard deviation) after the stack, with the input; and the gradients that
# come back to the input, with those that went in at the end.
#
# **Predict:** which stacks will explode, which will fade away?


# %%
def stack(scale, factor, depth=30):
    """Return `depth` pairs of layers; scale None: a chain; their first weights are He's times `factor`."""
    weights, pairs = np.random.default_rng(lesson.seed), []
    for _ in range(depth):
        pair = Sequential(Conv2d(16, 16, 3, padding="same", rng=weights), LeakyReLU(0.2))
        pair[0].weight.data *= factor
        pairs.append(pair if scale is None else Residual(pair, scale))
    return Sequential(*pairs).astype(np.float64)


gains = {}
for scale, name in ((None, "chain"), (1, "residual"), (0.2, "residual, 0.2")):
    for factor in (1, 0.1):
        model = stack(scale, factor)
        gains[name, factor] = model(x).std() / x.std(), model.backward(dy).std() / dy.std()
        print(f"{name:<14} weights {factor:>3} × He: forward × {gains[name, factor][0]:.2g}, "
              f"backward × {gains[name, factor][1]:.2g}")

# %% [markdown]
# With He's weights the chain loses little, a factor of 8 after 30 layers, but its numbers depend on the weights alone:
# 10 times smaller weights leave 10⁻³¹ of input and gradient. With residuals, x and dy always pass. With scale 1 and
# He's weights each block adds about as much as it got, and the sum explodes (× 460,000 forward). Scale 0.2 keeps it
# at × 4, smaller weights at × 1.3, both together at × 1.0. So residuals need small additions, at least at first. The
# paper has both: scale 0.2 and small first weights.
#
# **Dense block.** Each convolution gets the block's input and everything that was computed since, as channels side by
# side. That is the `Skip` of lesson 17 around each convolution. In the paper's block, four convolutions each add
# `growth` channels, a fifth takes all of them back to `width`, and a residual of scale 0.2 goes around the block. Three
# such blocks with one more residual around them are an RRDB, a *residual-in-residual dense block*.
#
# **Predict:** how many channels does the fifth convolution get, for `width` 16 and `growth` 8?

# %%
growth = max(1, width // 2)
block = dense_block(width, growth, rng=rng)
*four, fifth = [layer for _, layer in block.walk() if isinstance(layer, Conv2d)]
assert len(four) == 4 and fifth.in_channels == width + 4 * growth
x = rng.normal(size=(2, width, 6, 6)).astype(np.float32)
everything = x
for conv in four:
    everything = np.concatenate([leaky(conv(everything)), everything], axis=1)         # growth channels more
assert np.allclose(block(x), x + 0.2 * fifth(everything), atol=1e-5)
print(f"inputs of the five convolutions: {[conv.in_channels for conv in (*four, fifth)]} channels")

# %% [markdown]
# ## 6. The network
# Nearly all layers work at the small size. First a convolution, an RRDB and a convolution, with a residual around the
# last two. Then slide 30, twice: nearest upsampling, convolution. Two more convolutions make the three colors. There is
# no batch norm. Its statistics change from batch to batch, and the paper's authors found that this shows as artifacts.
#
# (Many networks end in a pixel shuffle instead, lesson 13: Shi et al., "Real-Time Single Image and Video
# Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", 2016, arXiv 1609.05158. None is used
# here.)
#
# Ours differs from the paper's in two ways. The paper has 23 RRDBs of 64 channels, 16.7 million parameters; ours has
# one of 16. And the paper's network makes the whole image, while ours makes what to *add* to the bilinear enlargement.
# Its last convolution starts with weights 0.
#
# **Predict:** the output of the untrained network. With the last weights 0, which layers get a gradient in the first
# step?

# %%
model = task.generator(rng=lesson.seed)
shape = (1, 3, S // SCALE, S // SCALE)
model.summary(shape)
parameters = sum(parameter.data.size for parameter in model.parameters())
small, large = as_input(task.small[:8]), as_input(task.train.images[:8])
untrained = model.forward(small)
assert np.allclose(untrained, Upsample(SCALE, "bilinear").forward(small), atol=1e-6)
loss = L1Loss()
loss.forward(untrained, large)
model.zero_grad()
model.backward_parameters(loss.backward())
reached = [name for name, parameter in model.named_parameters() if parameter.grad.any()]
print(f"{parameters:,} parameters; a gradient in the first step: {reached}")
assert len(reached) == 2                                               # weight and bias of the last convolution
lesson.figure(plotting.diagram(model, shape, title=f"{parameters:,} parameters; the RRDB works at {shape[2]} × "
                               f"{shape[3]}"), "model")

# %% [markdown]
# It is exactly the bilinear enlargement. In the first step only the last convolution gets a gradient, since to reach
# the others it would have to pass through its weights. After that step they are no longer 0.
#
# ## 7. Training for little distortion
# The loss is L1, the mean of |output − truth| over all pixels and colors. Its gradient is ±1 / (number of values),
# whatever the size of the error. Adam, 6 epochs, the learning rate rises for 50 steps and then falls along a cosine
# (`SuperResolution.fit`). In each batch all images are turned and mirrored in one of eight ways, small and large alike.
# We look at held-out images during training and choose nothing by them.
#
# **Predict:** where does the loss begin? Will the network beat bicubic?

# %%
first_loss = loss.forward(predict(model, task.small[:200]), as_input(task.train.images[:200]))
assert np.isclose(first_loss, np.abs(predict(model, task.small[:200]) - task.train.images[:200] / 255).mean())
print(f"loss before training {first_loss:.4f}")
history = task.fit(model, f"x{SCALE}")
if history.stopped:
    raise SystemExit("the rest needs the trained network: run it again with --resume")
task.save(model)                                                       # lesson 20 begins with it
results["network"] = task.enlarged(model)                              # rounded to 8 bits, as the others
scores = {method: task.scores(images) for method, images in results.items()}
for method, found in scores.items():
    print(f"{method:<9} PSNR {found['psnr']:.2f} dB, SSIM {found['ssim']:.3f}")
gain = psnr(results["network"], truth) - psnr(results["bicubic"], truth)               # (n,)
print(f"against bicubic: {gain.mean():+.2f} dB, on single images {gain.min():+.2f} to {gain.max():+.2f}")
measured = [(0, scores["bilinear"]["psnr"])] + [(row["epoch"], row["psnr"]) for row in history if "psnr" in row]
epochs, values = zip(*measured)
fixed = {f"{method} {found['psnr']:.2f}": (epochs, [found["psnr"]] * len(epochs))
         for method, found in scores.items() if method != "network"}
lesson.figure(plotting.line_chart({f"network {values[-1]:.2f}": (epochs, values), **fixed}, "From bilinear enlargement "
                                  "on, held-out images", "epoch", "PSNR (dB)", dashed=fixed), "training")

# %% [markdown]
# The loss begins at 0.048, that of bilinear enlargement. After one epoch, 125 steps, the network has passed bicubic. It
# ends at 24.80 dB, 1.44 dB above bicubic, and it is better on each of the 200 held-out images (by 0.17 to 3.26 dB). In
# the sixth epoch it gained 0.01 dB; the learning rate is nearly 0 then. With seed 1 it ends at 24.79 dB.
#
# The comparison is not between equals. The fixed rules know nothing about images, and the network was trained on 1000
# images from the same renderer as those it is tested on. What it would do on photographs, this run does not say.
#
# ## 8. What the network adds, and what not
# Look at three held-out images. Below each is the detail with the most contrast.

# %%
some = np.linspace(0, len(truth) - 1, 1 if lesson.quick else 3).astype(int)
columns = {"small": task.small_test[some].repeat(SCALE, axis=2).repeat(SCALE, axis=3),
           **{name: results[name][some] for name in ("bilinear", "bicubic", "network")}}
lesson.figure(comparison(columns, truth[some], f"{SCALE} times larger, with a detail below each",
                         scored=("bilinear", "bicubic", "network")), "comparison")

# %% [markdown]
# The network draws outlines sharper than bicubic: heads, legs, the ball. In the second and the third image it draws
# some of the wall's stripes, where the rules blur them. The eyes of the first pet, the nose and the eyes of the second,
# and the curly fur are not restored.
#
# Two measurements. First, the squared error by the classes of the trimap: inside the pet, on the background, and on the
# border between them. Second, the *contrast* of neighbors: the mean |difference| of two pixels side by side.
#
# **Predict:** on which class is the gain over bicubic largest? Does the network restore the contrast of the truth?

# %%
by_class = {}
for number, name in enumerate(CLASSES):
    here = np.repeat((task.test.trimaps == number)[:, None], 3, axis=1)
    by_class[name] = {method: psnr_by_hand(results[method][here] / 255, truth[here] / 255)
                      for method in ("bicubic", "network")}
    print(f"{name:<11} PSNR of all its pixels: bicubic {by_class[name]['bicubic']:.2f}, network "
          f"{by_class[name]['network']:.2f} dB ({by_class[name]['network'] - by_class[name]['bicubic']:+.2f})")
contrast = {name: float(np.abs(np.diff(images.astype(np.int64), axis=3)).mean())
            for name, images in {**results, "truth": truth}.items()}
print("contrast of neighbors (of 255): " + ", ".join(f"{name} {value:.2f}" for name, value in contrast.items()))

# %% [markdown]
# The gain is largest on the border, 1.67 dB, then on the pet, 1.31 dB, and smallest on the background, 1.08 dB. That
# fits what the figure shows: outlines gain most. The truth has a contrast of 9.84, bicubic of 4.78, the network of
# 5.98. So about a quarter of the missing contrast is back. The rest, mostly texture, is missing, though the network was
# trained on images that are full of it.
#
# ## 9. Why is it smooth? The aim asks for it
# Suppose that for one small pixel, nine large images are possible, and a hidden pixel has a different value in each.
#
# **Predict:** which single guess has the smallest mean |error|? Which the smallest mean squared error?

# %%
possible = np.array([0.1, 0.2, 0.2, 0.3, 0.4, 0.4, 0.5, 0.8, 0.9])     # nine values, equally likely
guesses = np.linspace(0, 1, 1001)
errors = guesses[:, None] - possible                                   # (1001, 9)
best_l1, best_squared = guesses[np.abs(errors).mean(axis=1).argmin()], guesses[(errors**2).mean(axis=1).argmin()]
print(f"smallest mean |error| at {best_l1:.3f}, smallest mean squared error at {best_squared:.3f}")
assert np.isclose(best_l1, np.median(possible)) and np.isclose(best_squared, possible.mean(), atol=1e-3)

# %% [markdown]
# The median, and the mean. Neither needs to look like any of the possible images. Now take a whole texture, such as
# grass: gray with random deviations of standard deviation 0.1. The small image tells the gray, not the deviations.
# Compare two guesses: plain gray, and another random texture of the same kind, which looks just like grass.
#
# **Predict:** by how many dB does the PSNR prefer the plain gray?

# %%
grass, other_grass = 0.5 + 0.1 * rng.normal(size=(2, 100_000))
plain = np.full_like(grass, 0.5)
for name, guess in (("plain gray", plain), ("another texture", other_grass)):
    print(f"{name:<15} PSNR {psnr_by_hand(guess, grass):.2f} dB, mean |error| {np.abs(guess - grass).mean():.4f}")
assert abs(psnr_by_hand(plain, grass) - psnr_by_hand(other_grass, grass) - 3.01) < 0.1

# %% [markdown]
# By 3 dB: two independent textures differ by twice the variance of one. In mean |error| the factor is √2. So a network
# that is trained on pixels and does not know the texture does best to draw none. This is no failure of the training. It
# is what was asked for. Lesson 20 asks for something else.
#
# ## Recap
# - Enlarging is ill-posed: many large images have the same small one. A network chooses by what it has learned of
#   images.
# - PSNR is the MSE in decibels: 20 dB for errors of 0.1, 3 dB more for half the squared error. It and SSIM compare
#   pixels at the same position, so an image moved by one pixel scores badly.
# - A network of 55,235 parameters, trained on L1, gets 24.8 dB where bicubic gets 23.4, and a quarter of the missing
#   contrast. A texture that the small image does not determine is best left out, as long as pixels are compared.
#
# **Write it yourself:** `psnr`. `python -m lessons.exercises 19` puts a stub into `my/19_super_resolution.py` and
# checks what you write.

# %%
lesson.finish(scores=scores, gain_over_bicubic=float(gain.mean()), psnr_by_class=by_class, contrast=contrast,
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(task.train), test_images=len(task.test), parameters=parameters,
              training_seconds=sum(row["seconds"] for row in history))
if lesson.as_intended:
    assert gain.mean() > 1, "the network must beat bicubic by 1 dB"
    assert contrast["network"] < contrast["truth"]

# %% [markdown]
# **Try:**
# 1. ★ Values from 0 to 255 are rounded to integers. What is the best PSNR that any rounded image can have? Round
#    `rng.random((1, 3, 64, 64)) * 255` and compare. `psnr` needs `peak=255` here. You should see 58.9 or 59.0 dB.
#    Derive it: the rounding error is uniform between −1/2 and 1/2, so its mean square is 1/12.
# 2. ★ `depth=60` in `stack`. Calculate first, from the numbers of 30 pairs, what to expect. You should see × 1.6e-63
#    forward for the chain of small weights, and × 6.3e+10 for residuals of scale 1 with He's weights.
# 3. ★★ `--epochs 1`: 125 steps. The PSNR should lie between 24.1 and 24.4 dB. Then put `model =
#    task.generator(rng=lesson.seed, base=None)` before `task.fit`. Now the network has to learn the whole image, as in
#    the paper. It should reach 20.8 to 21.3 dB, less than bilinear. What does it spend its first epoch on?
# 4. ★★ `SCALE = 2`, with `--epochs 2`. The gain over bicubic (29.60 dB) should be 2.3 to 2.7 dB, more than for 4 times,
#    after a third of the epochs. Why is that easier? (It takes longer: nearly all layers now work at 32 × 32.)
# 5. ★★★ Replace `L1Loss` in `SuperResolution.fit` by `MSELoss`. Which aim gives the better PSNR, which the better mean
#    |error|? Is the difference larger than that between two seeds?
