# %% [markdown]
# # 15 · Upsampling: how do maps get larger again?
# Slides 25–30. *Pooling made the maps small. What do we write into the pixels that are missing?*
#
# **New here:** interpolation, nearest and bilinear, first by hand and then as two matrix products; its backward, the
# same matrices transposed; and why a decoder upsamples *and* convolves.
#
# **Needs:** gradient checks (lesson 0), convolution and pooling (lesson 4), segmentation (lesson 10), transposed
# convolution (lesson 14).

# %%
import numpy as np

from minidl import Adam, Conv2d, ConvTranspose2d, CosineSchedule, Sequential, Upsample, check_layer, plotting
from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.layers.upsampling import interpolation_matrix
from minidl.models import conv_block
from minidl.plotting import canvas
from minidl.step import predict
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation, segmentation_scores
from minidl.training import fit

lesson = Lesson("15_upsampling", budget=3_000)
rng = np.random.default_rng(lesson.seed)
if lesson.size % 8:
    raise ValueError(f"--size: expected a size that divides by 8, for maps 8 times smaller, got {lesson.size}")

# %% [markdown]
# ## 1. A row of pixels
# A pixel is a square with a color; think of its value as standing at its center. Enlarged twice, two pixels of width 1
# become four of width 1/2, whose centers lie at −1/4, 1/4, 3/4 and 5/4 if the old ones lie at 0 and 1. *Nearest*: take
# the value of the closest old center. *Bilinear*: follow the straight line between the two old centers around you;
# outside the first and the last there is no line, only that one value.
#
# **Predict:** the row 1, 5 becomes four values. Which, by each of the two?


# %%
def row(values, scale, mode):
    """Enlarge a list of numbers, through the layer that enlarges images."""
    x = np.array(values, float).reshape(1, 1, 1, -1)                         # (N, C, H, W) = (1, 1, 1, W)
    return Upsample((1, scale), mode).forward(x).ravel()


print("nearest ", row([1, 5], 2, "nearest"), "\nbilinear", row([1, 5], 2, "bilinear"))
assert row([1, 5], 2, "nearest").tolist() == [1, 1, 5, 5]
assert row([1, 5], 2, "bilinear").tolist() == [1, 2, 4, 5]


# %%
def draw_row(figure, left, width, values, scale):
    """Draw a row's pixels as bars, and the enlarged row's as points, at their centers."""
    axes = canvas.place(figure, left, 60, width, 230)
    canvas.quiet(axes)
    axes.bar(range(len(values)), values, 1, color="#EEF1F3", edgecolor="white", linewidth=2)
    at = (np.arange(len(values) * scale) + 0.5) / scale - 0.5                # centers, in old pixels
    old = np.arange(-1, len(values) + 1)
    outward = [values[0], *values, values[-1]]                               # the outermost values go on outside
    for mode, line, color in (("nearest", "steps-mid", canvas.LINE_COLORS[1]),
                              ("bilinear", "default", canvas.LINE_COLORS[0])):
        axes.plot(old, outward, drawstyle=line, color=color, linewidth=1.2)
        axes.plot(at, row(values, scale, mode), "o", color=color, markersize=4.5)
    axes.plot(values, "o", color=canvas.INK, markersize=10, fillstyle="none", markeredgewidth=1.5)
    axes.set(xticks=range(len(values)), xlim=(-0.5, len(values) - 0.5), ylim=(0, 9))
    canvas.write(figure, left, 46, f"{', '.join(map(str, values))}, enlarged {scale} times", canvas.TEXT, width)


figure = canvas.blank(700, 350)
canvas.write(figure, 12, 20, "Nearest makes steps, bilinear follows straight lines", canvas.TITLE, 640, weight="bold")
draw_row(figure, 40, 220, [1, 5], 2)
draw_row(figure, 300, 380, [1, 5, 4, 8], 8)
canvas.legend(figure, 40, 318, ["old pixel, its center ringed", "nearest", "bilinear"],
              ["#EEF1F3", canvas.LINE_COLORS[1], canvas.LINE_COLORS[0]])
lesson.figure(figure, "one_dimension")

# %% [markdown]
# Where two rings are far apart in height, nearest makes one large step, bilinear as many small ones as there are new
# pixels between.
#
# ## 2. An image: the same along both sides
# Slide 27: four pixels, 1 and 5 above, 4 and 8 below. What lies at a quarter of the way to the right and three quarters
# down? First along the two sides, down; then between what was found there, across.
#
# **Predict:** the three values, and whether it matters to go across first.

# %%
corners = np.array([[1.0, 5.0], [4.0, 8.0]])
left_side = 1 / 4 * corners[0, 0] + 3 / 4 * corners[1, 0]
right_side = 1 / 4 * corners[0, 1] + 3 / 4 * corners[1, 1]
inside = 3 / 4 * left_side + 1 / 4 * right_side
assert (left_side, right_side, inside) == (3.25, 7.25, 4.25)
top, bottom = 3 / 4 * corners[:, 0] + 1 / 4 * corners[:, 1]                  # across first
assert 1 / 4 * top + 3 / 4 * bottom == inside, "each corner gets the same share either way"

nearest = Upsample(2, "nearest").forward(corners[None, None])[0, 0]          # (4, 4)
bilinear = Upsample(2, "bilinear").forward(corners[None, None])[0, 0]
print(bilinear)
slide_28 = np.array([[1, 1, 5, 5], [1, 1, 5, 5], [4, 4, 8, 8], [4, 4, 8, 8]])
slide_29 = np.array([[1.0, 2.0, 4.0, 5.0], [1.75, 2.75, 4.75, 5.75],         # the slide cuts to one decimal
                     [3.25, 4.25, 6.25, 7.25], [4.0, 5.0, 7.0, 8.0]])
assert np.array_equal(nearest, slide_28) and np.array_equal(bilinear, slide_29)
assert bilinear[2, 1] == inside, "its center lies a quarter to the right and three quarters down"


# %%
def draw_by_hand(figure, left, top, side):
    """Draw slide 27: the square between the four centers, the two points on its sides, and the one inside."""
    axes = canvas.place(figure, left, top, side, side)
    t = np.linspace(0, 1, 129)
    down = (1 - t)[:, None] * corners[0] + t[:, None] * corners[1]           # (129, 2): the two sides
    axes.imshow(down[:, :1] * (1 - t) + down[:, 1:] * t, vmin=1, vmax=8, extent=(0, 1, 1, 0))
    axes.plot([0, 1], [0.75, 0.75], "--", color="white", linewidth=1)
    points = {(0, 0): 1, (1, 0): 5, (0, 1): 4, (1, 1): 8, (0, 0.75): left_side, (1, 0.75): right_side,
              (0.25, 0.75): inside}
    for (x, y), value in points.items():
        axes.plot(x, y, "o", color="white", markeredgecolor=canvas.INK, markersize=8, clip_on=False)
        beside = (10, 8) if 0 < x < 1 else (-8 if x == 0 else 8, 0)
        axes.annotate(f"{value:g}", (x, y), beside, textcoords="offset points", va="center", fontsize=11,
                      ha="left" if x else "right", color=canvas.INK if x in (0, 1) else "white", clip_on=False)
    axes.set_axis_off()
    canvas.write(figure, left, top - 22, "by hand: down the sides, then across", canvas.TEXT, side + 50)


figure = canvas.blank(1000, 310)
canvas.write(figure, 12, 20, "Bilinear mixes the four centers around a point, nearest copies one of them",
             canvas.TITLE, 980, weight="bold")
draw_by_hand(figure, 58, 92, 180)
canvas.draw_grid(figure, 336, 128, corners, 54, "input", "viridis", (1, 8), "g")
canvas.draw_grid(figure, 496, 74, nearest, 54, "nearest (slide 28)", "viridis", (1, 8), "g")
canvas.draw_grid(figure, 758, 74, bilinear, 54, "bilinear (slide 29)", "viridis", (1, 8), "g")
lesson.figure(figure, "two_dimensions")

# %% [markdown]
# ## 3. As matrices
# Each new value is a mix of old ones with fixed shares. So a row enlarges by a matrix A, one row of shares for each new
# pixel, and an image x by two: **y = A x Bᵀ**, A for its columns, B for its rows.
#
# **Predict:** the sum of each row of A; and which of the two A have a row with more than one number in it.

# %%
A = interpolation_matrix(2, 2)
print(A)
assert np.array_equal(A @ corners @ A.T, bilinear)
assert np.allclose(interpolation_matrix(7, 3).sum(axis=1), 1)

# %%
task = Segmentation(lesson)
gray = as_input(task.held.images[:1]).mean(axis=1)[0].astype(float)                           # (H, W)
middle = lesson.size // 2
x = gray[middle - 12:middle + 12:3, middle - 12:middle + 12:3]                                # (8, 8)
low_high = (x.min(), x.max())
figure = canvas.blank(800, 520)
canvas.write(figure, 12, 20, "Enlarging is a matrix product on each side: shares (violet 0, yellow 1) on a diagonal",
             canvas.TITLE, 770, weight="bold")
for mode, top in (("nearest", 70), ("bilinear", 306)):
    shares_of_old = interpolation_matrix(8, 4, mode)                                          # (32, 8)
    y = shares_of_old @ x @ shares_of_old.T                                                   # (32, 32)
    assert np.allclose(Upsample(4, mode).forward(x[None, None])[0, 0], y)
    for left, text in ((120, "·"), (232, "·"), (486, "=")):
        canvas.write(figure, left, top + 96, text, 16, 20)
    canvas.draw_grid(figure, 40, top, shares_of_old, 6, f"A, {mode} (32 × 8)", "viridis", (0, 1))
    canvas.draw_grid(figure, 156, top + 72, x, 6, "x (8 × 8)", limits=low_high)
    canvas.draw_grid(figure, 268, top + 72, shares_of_old.T, 6, "Aᵀ (8 × 32)", "viridis", (0, 1))
    canvas.draw_grid(figure, 530, top, y, 6, "y (32 × 32)", limits=low_high)
lesson.figure(figure, "matrices")

# %% [markdown]
# **Backward.** A linear map's derivative is the map itself, so dx is dy sent back through the same shares:
# **dx = Aᵀ dy B**. What was copied forward is summed backward; what was mixed is handed back in the same parts. Nothing
# is learned here: there are no parameters.
#
# **Predict:** nearest, scale 2, and dy all ones: what is dx? And bilinear?

# %%
for mode in ("nearest", "bilinear"):
    layer = Upsample(2, mode)
    x = rng.normal(size=(2, 3, 3, 4))
    y = layer.forward(x)
    dx = layer.backward(np.ones_like(y))
    assert np.allclose(dx, 4), "each old pixel has a share of 4 new ones, all told"
    v = rng.normal(size=y.shape)                                   # any array of y's shape
    there, back = np.sum(y * v), np.sum(x * layer.backward(v))
    print(f"{mode:<8}  <A x, v> = {there:.12f}   <x, Aᵀ v> = {back:.12f}")
    assert np.isclose(there, back, rtol=1e-12), "backward must be the transposed map"
    print(check_layer(layer, x))

# %% [markdown]
# ## 4. A photo
# A photo, made 4 times smaller by averaging, is enlarged again. Averaging needs no new code: the transposed matrix of
# "nearest" sums the copies of each pixel, and a sum of 4 divided by 4 is a mean.
#
# **Predict:** which of the two comes closer to the original? Does either bring the whiskers back?


# %%
def shrink(x, factor):
    """Return images (N, C, H, W) made smaller by averaging over squares of factor x factor pixels."""
    A, B = (interpolation_matrix(size // factor, factor, "nearest") / factor for size in x.shape[2:])
    return (A.T @ x @ B).astype(np.float32)                        # (N, C, H / factor, W / factor)


photo = as_input(task.held.images[:1])                             # (1, 3, H, W)
small = shrink(photo, 4)
again = {mode: Upsample(4, mode).forward(small) for mode in ("nearest", "bilinear")}
off = {mode: float(np.abs(picture - photo).mean()) for mode, picture in again.items()}
print("mean distance from the original: " + ", ".join(f"{mode} {value:.4f}" for mode, value in off.items()))
strip = plotting.image_strip(np.concatenate([photo, *again.values()]), columns=3, cell=256, titles=[
    f"original, {lesson.size} × {lesson.size}", f"{small.shape[2]} × {small.shape[3]}, nearest",
    f"{small.shape[2]} × {small.shape[3]}, bilinear"], title="Enlarged 4 times: blocks or blur, and no detail back")
lesson.figure(strip, "photo")

# %% [markdown]
# Bilinear comes a little closer. The whiskers are gone for good: averages do not remember them.
#
# ## 5. Upsampling alone, or upsampling + conv?
# Slide 30: upsampling alone gives maps without detail; a convolution after each upsampling overcomes it. Measured, on a
# task that has nothing else in it: a trimap is made 8 times smaller, so that each number is the *share* of a class in a
# square of 8 × 8 pixels. From these shares, restore the trimap. Four ways:
#
# - nearest, bilinear: 8 times larger at once, each pixel gets the class with the largest share. Nothing to train.
# - (upsample 2, 3 × 3 conv) three times, as in the decoder of the next lesson.
# - the same with 1 × 1 convolutions. They learn too, but a pixel does not see its neighbors.
#
# **Predict:** the order of the four. And what does a nearest-upsampled map look like after 1 × 1 convolutions?


# %%
def decoder(kernel_size):
    """Return (upsample, conv block) three times, the last block a plain convolution to the classes."""
    layers, channels = [], 3
    weights = np.random.default_rng(lesson.seed)
    for _ in range(2):
        layers += [Upsample(2), *conv_block(channels, lesson.width, kernel_size, rng=weights)]
        channels = lesson.width
    return Sequential(*layers, Upsample(2), Conv2d(channels, 3, kernel_size, padding="same", rng=weights))


class Shares:
    """Batches of (shares of the classes in squares of 8 x 8 pixels, trimap)."""

    def __init__(self, batches):
        self.batches, self.rng = batches, batches.rng

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        for _, labels in self.batches:
            yield shares(labels), labels


def shares(labels):
    """Return (n, 3, H / 8, W / 8): how much of each square belongs to each class."""
    return shrink(np.eye(3)[labels].transpose(0, 3, 1, 2), 8)


decoder(3).summary((1, 3, lesson.size // 8, lesson.size // 8))

# %% [markdown]
# The loss is that of all segmentation, cross entropy at each pixel. A model that knows nothing is near ln 3 = 1.0986.


# %%
def train(name, model):
    """Train a decoder on the shares, print its progress, and return its history."""
    print(name)
    batches = Shares(task.new_batches(lesson.seed))
    optimizer = Adam(model.parameters(), lesson.lr)
    return fit(model, batches, task.loss, optimizer, task.epochs,
               schedule=CosineSchedule(optimizer, task.epochs * len(batches)),
               checkpoint=lesson.out / "checkpoints" / name, resume=lesson.resume)


models = {"nearest": Upsample(8, "nearest"), "bilinear": Upsample(8, "bilinear"),
          "+ 1 × 1 conv": decoder(1), "+ 3 × 3 conv": decoder(3)}
x, labels = next(iter(Shares(task.new_batches(lesson.seed))))      # (n, 3, H / 8, W / 8), (n, H, W)
first_loss = task.loss.forward(models["+ 3 × 3 conv"].forward(x), labels)
print(f"loss before training: {first_loss:.3f}")
pointwise_history = train("1x1", models["+ 1 × 1 conv"])
history = train("3x3", models["+ 3 × 3 conv"])

# %%
coarse = shares(task.held.trimaps)
scores = {name: segmentation_scores(model, coarse, task.held.trimaps, CLASSES) for name, model in models.items()}
restored = {name: predict(model, coarse[:SHOWN]).argmax(axis=1) for name, model in models.items()}
for name, values in scores.items():
    print(f"{name:<14} mean IoU {values['mean_iou']:.3f}, border {values.get('iou_border', 0):.3f}")
blocks = restored["+ 1 × 1 conv"].reshape(-1, lesson.size // 8, 8, lesson.size // 8, 8)
assert (blocks == blocks[:, :, :1, :, :1]).all(), "copies of one pixel, each treated alike, stay copies"

# %% [markdown]
# What a square lost, its neighbors still hint at: if the pet fills the square on the left and half of this one, its
# outline runs here from top to bottom, and borders are so many pixels wide. A 3 × 3 convolution sees the neighbors and
# learns such rules. The 1 × 1 convolution learns as well, but 8 × 8 pixels that begin as copies remain copies.

# %%
shown = slice(0, 4)
notes = {name: [f"{(labels == guess).mean():.0%} right" for labels, guess in zip(task.held.trimaps, maps[shown])]
         for name, maps in restored.items()}
grid = plotting.prediction_grid(task.held.images[shown], task.held.trimaps[shown],
                                {name: maps[shown] for name, maps in restored.items()}, notes=notes,
                                title=f"From {lesson.size // 8} × {lesson.size // 8} shares back to the trimap"
                                + lesson.headline(": only neighbors bring the outline back", ""))
lesson.figure(grid, "restored")
lesson.figure(plotting.class_bars(scores, title=lesson.headline(
    "Upsampling + 3 × 3 conv restores the border", "IoU of each class")), "classes")

# %% [markdown]
# ## 6. Why not a transposed convolution?
# Lesson 14 enlarged with it: each input pixel paints its kernel onto the output, at steps of the stride. Where painted
# kernels overlap they add up. Fed with ones, a kernel of ones counts how often each output pixel is painted.
#
# **Predict:** stride 2, kernel 3: which counts occur inside? With kernel 4? Then with *random* weights, still fed with
# ones: how many different values can occur inside, for each of the two, and for upsampling + conv?


# %%
def enlargers(weight):
    """Return three ways to double a map, with kernels of weight((kh, kw))."""
    ways = {"transposed, kernel 3": ConvTranspose2d(1, 1, 3, stride=2, bias=False),
            "transposed, kernel 4": ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False),
            "upsample + conv 3": Sequential(Upsample(2), Conv2d(1, 1, 3, padding="same", bias=False))}
    for layer in ways.values():
        kernel = layer.astype(np.float64).parameters()[0].data
        kernel[0, 0] = weight(kernel.shape[2:])
    return ways


ones = np.ones((1, 1, 5, 5))
counts = {name: layer.forward(ones)[0, 0] for name, layer in enlargers(np.ones).items()}
random = enlargers(lambda shape: rng.normal(size=shape))
patterns = {name: layer.forward(ones)[0, 0] for name, layer in random.items()}
distinct = {name: np.unique(pattern[2:-2, 2:-2].round(4)).size for name, pattern in patterns.items()}
print("counts inside:", {name: np.unique(count[2:-2, 2:-2]).tolist() for name, count in counts.items()})
print("different values inside, random weights:", distinct)
assert [np.unique(count[2:-2, 2:-2]).tolist() for count in counts.values()] == [[1, 2, 4], [4], [9]]
assert list(distinct.values()) == [4, 4, 1]

# %%
figure = canvas.blank(720, 580)
canvas.write(figure, 12, 20, "Fed with ones, a transposed convolution paints a checkerboard", canvas.TITLE, 690,
             weight="bold")
for k, name in enumerate(counts):
    left, cell = 20 + 235 * k, 200 // len(counts[name])
    canvas.draw_grid(figure, left, 72, counts[name], cell, f"{name}: ones", "viridis", (0, 9 if k == 2 else 4), "g")
    within = patterns[name][2:-2, 2:-2]
    limits = (within.min(), within.max()) if distinct[name] > 1 else None    # the rim need not set the colors
    canvas.draw_grid(figure, left, 334, patterns[name], cell, f"{name}: random", "viridis", limits)
    inside = "inside: " + ", ".join(f"{value:g}" for value in np.unique(counts[name][2:-2, 2:-2]))
    canvas.write(figure, left, 284, inside, canvas.TEXT, 200, color=canvas.QUIET)
    canvas.write(figure, left, 546, f"different values inside: {distinct[name]}", canvas.TEXT, 200,
                 color=canvas.QUIET)
lesson.figure(figure, "checkerboard")

# %% [markdown]
# Kernel 3 at stride 2 paints unevenly, whatever it learns on top. Kernel 4 paints evenly *if* its weights let it; each
# of the four places in a 2 × 2 square still has weights of its own, and they must be learned to agree. After nearest
# upsampling, one kernel serves all places: in an even region the result is even, for any weights. (The rim differs in
# all three: beyond it are zeros.)
#
# Odena, Dumoulin, Olah, "Deconvolution and Checkerboard Artifacts", Distill, 2016,
# https://distill.pub/2016/deconv-checkerboard

# %%
test = scores["+ 3 × 3 conv"]
lesson.finish(test=test, nearest=scores["nearest"], bilinear=scores["bilinear"], pointwise=scores["+ 1 × 1 conv"],
              photo_off_nearest=off["nearest"], photo_off_bilinear=off["bilinear"],
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(task.train), test_images=len(task.held),
              parameters=sum(parameter.data.size for parameter in models["+ 3 × 3 conv"].parameters()),
              training_seconds=sum(row["seconds"] for row in history + pointwise_history))
if lesson.as_intended and not history.stopped:
    assert test["mean_iou"] > 0.75 and test["mean_iou"] > scores["bilinear"]["mean_iou"] + 0.1

# %% [markdown]
# **Try:**
# 1. Twice `Upsample(2)` instead of once `Upsample(4)`: the same for nearest? For bilinear? Compare with `np.allclose`,
#    or the matrices: `interpolation_matrix(6, 2) @ interpolation_matrix(3, 2)`, `interpolation_matrix(3, 4)`.
# 2. `align_corners=True` keeps the outermost *centers* in place, not the edges. What becomes of 1, 5? And print
#    `interpolation_matrix(4, 2, align_corners=True).sum(axis=0)`: which pixels now count more than others?
# 3. Give the decoder of 1 × 1 convolutions `Upsample(2, "bilinear")`. Where does it suddenly get its neighbors from,
#    and how much of the gap does it close?
