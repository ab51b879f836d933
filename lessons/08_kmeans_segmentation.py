# %% [markdown]
# # 07 · K-means: sort the pixels by color
# Slides 4–5. *How far does an image fall into its parts if all we do is to put similar colors together?*
#
# **New here:** clustering. Nobody tells K-means what a pet is, or that there are pets: it gets points and a number k,
# and finds k groups. *Segmentation*, giving every pixel of an image a class, is the task of all lessons from here on.
#
# **Needs:** NumPy; trimaps and IoU (lesson 6). No network: nothing is trained here by gradients. `--image my_photo.jpg`
# takes an image of your own.

# %%
import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from minidl import plotting
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.metrics import confusion_matrix, scores
from minidl.plotting.canvas import (
    INK, LINE_COLORS, MARGIN, QUIET, SMALL, TEXT, TITLE, blank, legend, place, quiet, write,
)
from minidl.runtime.progress import Progress
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation
from minidl.tasks.segmentation.kmeans import assign, first_centers, improve, kmeans

own = argparse.ArgumentParser(add_help=False)         # one option that other lessons do not have
own.add_argument("--image", type=Path)
chosen, others = own.parse_known_args([] if "ipykernel" in sys.modules else None)
lesson = Lesson("08_kmeans_segmentation", argv=others)
task = Segmentation(lesson)
train, test = task.train, task.test

# %% [markdown]
# ## 1. Two steps alternately
# Four numbers, 1, 2, 9, 10, and k = 2 centers that begin at 1 and 2. *Label*: each number joins its nearest center.
# *Move*: each center goes to the mean of its numbers. Repeat until no label changes (Lloyd's algorithm). What falls is
# the *inertia*, the sum of squared distances to the own center: a new label is taken only if it is nearer, and no
# place has a smaller sum of squared distances to some numbers than their mean.
#
# **Predict:** do both steps by hand until nothing changes. Where are the centers, and what is the inertia on the way?

# %%
found = improve(np.array([[1.0], [2.0], [9.0], [10.0]]), centers=np.array([[1.0], [2.0]]))
print(f"centers {found.centers.ravel()}, inertia {found.history}")
# 1 | 2, 9, 10: 0 + 0 + 49 + 64. Centers 1 and 7, so 1, 2 | 9, 10: 0 + 1 + 4 + 9. Centers 1.5 and 9.5: 4 times 0.25.
assert found.centers.ravel().tolist() == [1.5, 9.5] and found.history == [113, 14, 1]

# %% [markdown]
# ## 2. An image is a cloud of points
# Each pixel becomes a point (red, green, blue). Where it was in the image is forgotten.


# %%
def load_photo(path, side=256):
    """Return an image (3, H, W) of floats in [0, 1], made smaller until its longer side is at most `side`."""
    with Image.open(path) as file:
        photo = ImageOps.exif_transpose(file).convert("RGB")        # phones store how the image was held
    photo.thumbnail((side, side))
    return np.asarray(photo, np.float32).transpose(2, 0, 1) / 255


def as_points(image):
    """(3, H, W) -> (H*W, 3): one row a pixel."""
    return image.reshape(3, -1).T


def as_image(points, H, W):
    """(H*W, 3) -> (3, H, W): the way back."""
    return points.T.reshape(3, H, W)


path = chosen.image or lesson.data / "images" / f"{test.names[3 % len(test)]}.jpg"
photo = load_photo(path)
_, H, W = photo.shape
points = as_points(photo)                                           # (H*W, 3)
different = len(np.unique(points, axis=0))
print(f"{path.name}: {W} x {H}, {len(points):,} points, {different:,} different colors")
assert np.array_equal(as_image(points, H, W), photo)

# %% [markdown]
# Four centers, moved step by step. They begin at pixels of the image. *k-means++* draws them one after the other,
# each with a probability in proportion to the squared distance from the nearest one so far: they start far apart.

# %%
paths = [first_centers(points, min(4, different), np.random.default_rng(lesson.seed))]      # (4, 3) after each step
for step in range(12):
    paths.append(improve(points, paths[-1], iterations=1).centers)
labels = assign(points, paths[-1])                                  # (H*W,)
panels = {"pixels in their own colors": points,
          "in their center's color; white: where centers began": paths[-1][labels]}
side = 300
figure = blank(3 * side + 2 * 50 + 2 * MARGIN, side + 90)
write(figure, MARGIN, MARGIN + 8, "Twelve steps: each center walks into the middle of its cloud", TITLE, 3 * side,
      weight="bold")
axes = place(figure, MARGIN, 56, side, round(side * H / W) if H <= W else side)
axes.imshow(photo.transpose(1, 2, 0), aspect="auto" if H <= W else "equal")
axes.set_axis_off()
shown = np.random.default_rng(0).permutation(len(points))[:4000]
for k, (title, colors) in enumerate(panels.items()):
    left = MARGIN + side + 50 + k * (side + 50)
    write(figure, left, 42, title, TEXT, side)
    axes = place(figure, left, 56, side, side)
    axes.scatter(points[shown, 0], points[shown, 2], 4, np.clip(colors[shown], 0, 1), linewidths=0)
    if k == 1:
        for walk in np.stack(paths, axis=1):                        # (steps, 3), one a center
            axes.plot(walk[:, 0], walk[:, 2], color=INK, linewidth=1.2)
            axes.plot(*walk[0, [0, 2]], "o", color="white", markeredgecolor=INK, markersize=5)
            axes.plot(*walk[-1, [0, 2]], "o", color=np.clip(walk[-1], 0, 1), markeredgecolor=INK, markersize=11)
    quiet(axes)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.set_xlabel("red", fontsize=SMALL, color=QUIET, labelpad=2)
    axes.set_ylabel("blue", fontsize=SMALL, color=QUIET, labelpad=2)
lesson.figure(figure, "steps")

# %% [markdown]
# On the right, the lines are the centers' ways from where they began to where they end, in clouds of their own color.
#
# ## 3. The image in k colors
# Put each pixel's center in its place. **Predict:** from which k on can you tell what the image shows?


# %%
def cluster(points, k, seed=lesson.seed, **ends):
    """K-means, with fewer clusters where there are fewer than k different points (a drawing, a black frame)."""
    return kmeans(points, min(k, len(np.unique(points, axis=0))), rng=seed, **ends)


ks = (2, 3, 4, 8, 16)
cell = round(256 * W / max(H, W))                                   # width of one image in the figure
by_color = {k: cluster(points, k) for k in ks}
repainted = [as_image(found.centers[found.labels], H, W) for found in by_color.values()]
lesson.figure(plotting.image_strip(np.stack([photo, *repainted]), ["the image", *(f"k = {k}" for k in ks)], columns=3,
                                   title="A few colors are enough to know the image again", cell=cell), "colors")
for k, found in by_color.items():
    error = np.sqrt(found.inertia / points.size)
    print(f"k = {k}: {found.iterations} iterations, colors are off by {255 * error:.1f} of 255 (root mean square)")

# %% [markdown]
# Three or four colors are usually enough. What is small and has a color of its own gets it later.
#
# ## 4. How many clusters?
# One center more can always be put to use, so the inertia falls until each color has its own: it cannot choose k. What
# one looks for is the *elbow*, where it stops falling fast. Photos seldom have a sharp one.
#
# **Predict:** with k = 1 the only center is the mean color. What is the inertia per pixel then?

# %%
starts = range(1 if lesson.quick else 3)
some = np.random.default_rng(lesson.seed).permutation(points)[:10_000]      # enough of the pixels, and quicker
elbow = {k: min(cluster(some, k, seed).inertia for seed in starts) / len(some) for k in range(1, 13)}
assert np.isclose(elbow[1], some.var(axis=0, dtype=np.float64).sum())       # the variance, summed over the channels
print("inertia per pixel: " + ", ".join(f"{k}: {value:.4f}" for k, value in elbow.items()))

# %% [markdown]
# Lloyd's steps only go down, and where they end, in which *local minimum*, depends on the start. Does it matter that
# k-means++ spreads the first centers? Compare it with centers at pixels drawn at random, each as likely as the others.

# %%
rng = np.random.default_rng(lesson.seed)
runs = 5 if lesson.quick else 20
spread_out = [cluster(some, 8, rng) for _ in range(runs)]
anywhere = [improve(some, some[rng.choice(len(some), 8)]) for _ in range(runs)]
ends = {name: sorted(found.inertia / len(some) for found in results)
        for name, results in (("k-means++", spread_out), ("any pixels", anywhere))}
for found in (*spread_out, *anywhere):
    assert np.all(np.diff(found.history) <= 1e-9 * found.history[0])        # no step raises the inertia

# %%
figure = blank(1000, 322)
texts = {"No k is the right one: the inertia falls on and on": "inertia per pixel, the best of several starts",
         f"k = 8: where {runs} starts each end": "inertia per pixel, from the best start to the worst"}
for k, (heading, text) in enumerate(texts.items()):
    write(figure, MARGIN + 500 * k, MARGIN + 8, heading, TITLE, 440, weight="bold")
    write(figure, MARGIN + 500 * k, 42, text, TEXT, 440, color=QUIET)
best, each_start = place(figure, 50, 58, 400, 214), place(figure, 550, 58, 330, 214)
best.plot(list(elbow), list(elbow.values()), "o-", color=LINE_COLORS[0], linewidth=1.6, markersize=4, clip_on=False)
best.set(xticks=list(elbow), ylim=(0, 1.05 * elbow[1] + 1e-9))
for values, color in zip(ends.values(), LINE_COLORS):
    each_start.plot(range(1, runs + 1), values, "o-", color=color, linewidth=1, markersize=4, clip_on=False)
legend(figure, 892, 58, list(ends), width=1)
each_start.set(xticks=[1, runs], ylim=(0, 1.1 * max(map(max, ends.values())) + 1e-9))
for axes, text in ((best, "number of clusters k"), (each_start, "start")):
    quiet(axes)
    axes.set_xlabel(text, fontsize=TEXT, color=QUIET, labelpad=4)
lesson.figure(figure, "elbow", alt="Inertia per pixel by number of clusters: " + ", ".join(
    f"{k}: {value:.4f}" for k, value in elbow.items()) + f"; of {runs} starts with k = 8, best and worst: " + ", ".join(
    f"{name} {values[0]:.4f} and {values[-1]:.4f}" for name, values in ends.items()))

# %% [markdown]
# The colors of a photo run into each other, and either start does well most of the time. Where clusters lie far apart,
# pixels drawn at random often leave one of them without a center, and no step mends that. No start is safe: run K-means
# several times, and keep the result with the smallest inertia.
#
# ## 5. Color and place
# A patch of fur and a stone of the same color fall into one cluster, however far apart they are. Give each point two
# more coordinates, its column and row as shares of the image's longer side, times a weight w. The squared distance
# is then |color difference|² + w² |place difference|²: the way across the image counts as much as a color difference
# of w, where 1 is from no red to full red.
#
# **Predict:** what do the clusters look like with w = 10?


# %%
def with_place(points, H, W, weight):
    """(H*W, 3) -> (H*W, 5): color, and weighted column and row."""
    rows, columns = np.mgrid[:H, :W] / max(H, W)
    return np.column_stack([points, weight * columns.ravel(), weight * rows.ravel()]).astype(np.float32)


weights, strip, alike = (0, 0.3, 1, 3, 10), [], []
for weight in weights:
    found = cluster(with_place(points, H, W, weight), 8)
    strip.append(as_image(found.centers[found.labels, :3], H, W))
    labels = found.labels.reshape(H, W)
    alike.append(float(np.mean(labels[:, 1:] == labels[:, :-1])))   # of each pixel and its right neighbor
    print(f"w = {weight}: {alike[-1]:.0%} of neighboring pixels are in the same cluster")
lesson.figure(plotting.image_strip(np.stack([photo, *strip]), ["the image", *(f"w = {weight}" for weight in weights)],
                                   columns=3, title="k = 8 clusters of color and place: from patches to tiles",
                                   cell=cell), "places")

# %% [markdown]
# With w = 10 color no longer matters: the image is cut into eight tiles of much the same size. (*Superpixels* are
# made this way, with a small w and hundreds of clusters.)
#
# ## 6. Clusters have no names
# Our question is another one: which pixels are the pet? The truth is the image's trimap: of each pixel, whether it is
# object (the pet), background, or border. K-means says only "cluster 2". First let an *oracle* name the clusters: it
# looks at the true trimap, and gives each cluster the class that most of its pixels have. No way to name these clusters
# gets more pixels right, so this is a bound, not a result.
#
# IoU (lesson 6), now of pixels: of those that are a class or are called so, the share that is both. *Mean IoU* is the
# mean over the classes, which all count alike: it does not forgive forgetting a small one.


# %%
def count(labels, truth, k):
    """Return how many pixels of each of k clusters have each class: (k, 3)."""
    return np.stack([np.bincount(labels[truth == c], minlength=k) for c in range(len(CLASSES))], axis=1)


ways = {"oracle, k = 3": (3, 0), "oracle, k = 8": (8, 0), "oracle, k = 8, place": (8, 0.5), "oracle, k = 16": (16, 0)}
held = task.held                                                               # 200 of them, if there are more
guesses = {name: np.empty_like(held.trimaps) for name in ways}                 # (n, H, W)
line = Progress(len(held), "clustering each image", patience=2)
for n, (image, truth) in enumerate(zip(held.images, held.trimaps)):
    pixels = as_points(image.astype(np.float32) / 255)
    for name, (k, weight) in ways.items():
        features = with_place(pixels, lesson.size, lesson.size, weight) if weight else pixels
        labels = cluster(features, k, iterations=30, tolerance=1e-3).labels
        classes = count(labels, truth.ravel(), k).argmax(axis=1)                # (k,), the class of the most pixels
        guesses[name][n] = classes[labels].reshape(truth.shape)
    line.update(n + 1)
line.line(len(held), "")

# %% [markdown]
# ## 7. Without looking at the answer
# Now honestly. A rule must be fixed before it meets a new image: cluster the colors of *all* training images
# together into 64, name each cluster by what most of its *training* pixels are, and then give each pixel of a held-out
# image the name of its nearest center. This is the first rung of the ladder: lessons 10 to 17 climb from here.
#
# **Predict:** the background has the most pixels. What will become of a color that pets and walls share?

# %%
rng = np.random.default_rng(lesson.seed)
started = time.perf_counter()
pixels = train.images[:1000].transpose(0, 2, 3, 1).reshape(-1, 3)              # (n*H*W, 3) uint8
some = pixels[rng.choice(len(pixels), min(50_000, len(pixels)), replace=False)].astype(np.float32) / 255
palette = cluster(some, 64, iterations=50, tolerance=1e-4).centers             # (64, 3)


def nearest_color(image):
    """(3, H, W) uint8 -> (H*W,): the index of each pixel's nearest color in the palette."""
    return assign(as_points(image.astype(np.float32) / 255), palette)


counts = np.zeros((len(palette), len(CLASSES)), np.int64)                      # (64, 3)
for image, truth in zip(train.images, train.trimaps):
    counts += count(nearest_color(image), truth.ravel(), len(palette))
classes = counts.argmax(axis=1).astype(np.uint8)                               # (64,)
nearest = np.stack([nearest_color(image) for image in held.images]).reshape(held.trimaps.shape)
guesses["K-means"] = classes[nearest]
matrix = sum(confusion_matrix(truth, classes[nearest_color(image)].reshape(truth.shape), len(CLASSES))
             for image, truth in zip(test.images, test.trimaps))               # of all held-out images
seconds = time.perf_counter() - started

# %% [markdown]
# Most pixels are background, and most of nearly every color's, too. Another way to name the clusters counts *shares*:
# of all pet pixels, how many have this color, and of all background pixels? That gives each class the same say, however
# many pixels it has, and a cluster is named after the class under which its color is most likely.

# %%
guesses["K-means, equal say"] = (counts / np.maximum(counts.sum(axis=0), 1)).argmax(axis=1).astype(np.uint8)[nearest]
guesses["all background"] = np.full_like(held.trimaps, CLASSES.index("background"))

# %%
results = {name: scores(confusion_matrix(held.trimaps, guess, len(CLASSES)), CLASSES)
           for name, guess in guesses.items()}
print(f"{'':20}  right  mean IoU  " + "  ".join(f"{name:>10}" for name in CLASSES))
for name, row in results.items():
    print(f"{name:20}  {row['pixel_accuracy']:5.1%}  {row['mean_iou']:8.3f}  "
          + "  ".join(f"{row.get(f'iou_{key}', np.nan):10.3f}" for key in CLASSES))
print(f"of {len(palette)} colors: " + ", ".join(f"{np.sum(classes == k)} {key}" for k, key in enumerate(CLASSES)))
drawn = {name: guesses[name][:SHOWN] for name in ("oracle, k = 8", "K-means", "K-means, equal say")}
notes = {name: [f"{np.mean(truth == guess):.0%} right" for truth, guess in zip(held.trimaps, maps)]
         for name, maps in drawn.items()}
lesson.figure(plotting.prediction_grid(held.images[:SHOWN], held.trimaps[:SHOWN], drawn, notes=notes, columns=2,
                                       title=lesson.headline("Named by the truth, clusters follow the pet; named "
                                                             "beforehand, they do not", "Clusters, named by the truth "
                                                             "and named beforehand")), "predictions")
bars = {name: results[name] for name in ("K-means", "oracle, k = 3", "oracle, k = 16")}
lesson.figure(plotting.class_bars(bars, title=lesson.headline(
    "Even an oracle finds no border in colors", "K-means, and what an oracle makes of clusters")), "classes")

# %% [markdown]
# The rule does hardly better than calling everything background, and with an equal say it finds pets and borders
# everywhere: pets have no color of their own. The oracle shows that the clusters of a *single* image do follow the
# pet, more or less. What is missing is to know which of them it is, and that differs from image to image. Even the
# oracle hardly finds the border: it is a place *between* two things, and one pixel's color does not tell.

# %%
result = task.save_result("K-means", scores(matrix, CLASSES), guesses["K-means"][:SHOWN],
                          parameters=palette.size + classes.size, receptive_field=1, seconds=seconds)
lesson.finish(test=result.scores, oracle_mean_iou={name: results[name]["mean_iou"] for name in ways},
              pixel_accuracy_all_background=results["all background"]["pixel_accuracy"],
              parameters=result.parameters, test_pictures=len(test), training_pictures=len(train), picture=path.name)
for name in ways:       # no other names get more pixels right, not even "background" for all
    assert results[name]["pixel_accuracy"] >= results["all background"]["pixel_accuracy"]
if lesson.as_intended:
    ladder = [0.2, *(results[name]["mean_iou"] for name in ("K-means", "oracle, k = 3", "oracle, k = 16"))]
    assert ladder == sorted(ladder) and weights[-1] == 10 and alike[-1] > alike[0]
    assert results["oracle, k = 16"]["iou_border"] < 0.1

# %% [markdown]
# **Try:**
# 1. `--image` with photos of your own. Find one where k = 3 cuts out the subject, and one where no k does. Why?
# 2. Let the oracle have k = 64, then 256. Where does its pixel accuracy go, and why is that no success of K-means?
# 3. Let the rule cluster and compare `with_place(..., 1)` instead of colors alone. It gets better, about 0.33 in mean
#    IoU instead of 0.21. What has it learned about photos of pets?
