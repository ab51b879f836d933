# %% [markdown]
# # 08 · K-means: sort the pixels by color
# Slides 4–5. *How far does an image fall into its parts if all we do is to put similar colors together?*
#
# **New here:** segmentation, the task of all lessons up to 18; clustering with K-means; and how a segmentation is
# scored: confusion matrix, pixel accuracy, IoU of each class, mean IoU.
#
# **Needs:** NumPy; the pets and their trimaps (lesson 5), the IoU of two boxes (lesson 6). There is no network here,
# and nothing is trained by gradients.
#
# **Time:** about 50 minutes to read, 12 seconds to run on two cores.

# %%
import time

import numpy as np

from minidl import metrics, plotting
from minidl.course.figures.kmeans import walks_figure
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.runtime.progress import Progress
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation
from minidl.tasks.segmentation.kmeans import assign, first_centers, improve, kmeans

lesson = Lesson("08_kmeans_segmentation", takes=["image"])            # --image my_photo.jpg: for sections 3 to 6
task = Segmentation(lesson)                                            # reads the pets
train, test, held = task.train, task.test, task.held                   # held: up to 200 of the test images

# %% [markdown]
# ## 1. Three tasks called segmentation
# - *Semantic segmentation* gives each pixel a class: two dogs side by side are one region of dog pixels.
# - *Instance segmentation* finds each single object and its pixels: two dogs are two masks, and walls are left out.
# - *Panoptic segmentation* does both for the whole image: each pixel gets a class, and in addition the number of its
#   object if the class is one of things that can be counted.
#
# Lessons 8 to 18 do semantic segmentation, with three classes: object (the pet), background, and the border
# between them. The truth is the trimap of each image. The pets are rendered (lesson 5).
#
# **Predict:** which share of the pixels does each class have?

# %%
shares = np.bincount(held.trimaps.ravel(), minlength=3) / held.trimaps.size
print(", ".join(f"{name} {share:.1%}" for name, share in zip(CLASSES, shares)))
assert np.isclose(shares.sum(), 1)

# %% [markdown]
# The background has more pixels than the other two together, and the border has few. Remember that for section 7.
#
# ## 2. Two alternating steps
# K-means gets points and a number k, and finds k groups, called *clusters*. Each has a *center*. Start with any centers
# and alternate two steps:
#
# - **label:** each point joins its nearest center;
# - **move:** each center goes to the mean of its points.
#
# Stop when no label changes. This is *Lloyd's algorithm*. What it lowers is the *inertia*, the sum of squared distances
# from each point to its center. The first step cannot raise it, because a point changes its label only for a nearer
# center. The second cannot either, because no position has a smaller sum of squared distances to some points than
# their mean.
#
# **Predict:** the points are 1, 2, 9, 10, and the centers start at 1 and 2. Do both steps by hand until nothing
# changes. Where do the centers end, and what is the inertia after each labeling?


# %%
def lloyd(points, centers):
    """points (n, d), first centers (k, d) -> centers, labels (n,), and the inertia after each labeling."""
    labels, inertia = np.full(len(points), -1), []                     # no labels yet
    while True:
        squared = ((points[:, None] - centers) ** 2).sum(axis=2)       # (n, k): from each point to each center
        nearest = squared.argmin(axis=1)                               # step 1, label: (n,)
        inertia.append(float(squared.min(axis=1).sum()))
        if np.array_equal(nearest, labels):
            return centers, labels, inertia
        labels = nearest
        centers = np.stack([points[labels == j].mean(axis=0) for j in range(len(centers))])    # step 2, move


line = np.array([[1.0], [2.0], [9.0], [10.0]])
centers, labels, inertia = lloyd(line, line[:2])
print(f"centers {centers.ravel()}, labels {labels}, inertia {inertia}")
# 1 | 2, 9, 10: 0 + 0 + 49 + 64. Centers 1 and 7, so 1, 2 | 9, 10: 0 + 1 + 4 + 9. Centers 1.5 and 9.5: 4 times 0.25.
assert centers.ravel().tolist() == [1.5, 9.5] and inertia == [113, 14, 1]

# %% [markdown]
# The library's `improve` does the same, with less memory, and it gives a cluster that lost all its points a new center.
# Compare the two on 300 random colors:

# %%
colors = np.random.default_rng(lesson.seed).random((300, 3))
centers, labels, inertia = lloyd(colors, colors[:5])
found = improve(colors, colors[:5])
assert np.allclose(found.centers, centers) and np.array_equal(found.labels, labels)
assert np.allclose(found.history, inertia) and np.all(np.diff(inertia) <= 1e-9)        # no step raises the inertia
print(f"inertia {inertia[0]:.1f} at first, {inertia[-1]:.1f} after {len(inertia) - 1} moves, in both")

# %% [markdown]
# ## 3. An image is a cloud of points
# Each pixel becomes a point (red, green, blue). Where it was in the image is forgotten.


# %%
def as_points(image):
    """(3, H, W) -> (H*W, 3): one row per pixel."""
    return image.reshape(3, -1).T


def as_image(points, H, W):
    """(H*W, 3) -> (3, H, W): the way back."""
    return points.T.reshape(3, H, W)


name, photo = lesson.photo(2 * lesson.size, number=18)                 # (3, H, W)
_, H, W = photo.shape
points = as_points(photo)                                              # (H*W, 3)
different = len(np.unique(points, axis=0))
print(f"{name}: {W} x {H}, {len(points):,} points, {different:,} different colors")
assert np.array_equal(as_image(points, H, W), photo)

# %% [markdown]
# Four centers start at four pixels of the image and move twelve times.
#
# **Predict:** the mean color of a cluster need not be the color of any pixel. Do you expect bright, pure colors among
# the four, or dull ones?


# %%
def walk(points, centers, steps):
    """Return where the centers (k, d) are at first and after each step: (steps + 1, k, d)."""
    positions = [centers]
    for _ in range(steps):
        positions.append(improve(points, positions[-1], iterations=1).centers)
    return np.stack(positions)


four = points[np.random.default_rng(lesson.seed).choice(len(points), 4, replace=False)]
trail = walk(points, four, 12)                                         # (13, 4, 3)
own = trail[-1][assign(points, trail[-1])]                             # (H*W, 3): for each pixel its center's color
few = points[::7, [0, 2]]                                              # red and blue of every seventh pixel
lesson.figure(walks_figure({"Pixels in their own colors": (few, points[::7], None),
                            "In their center's color, with the centers' ways": (few, own[::7], trail[..., [0, 2]])},
                           "Twelve steps of K-means, k = 4", "red", "blue"), "steps")

# %% [markdown]
# Each line on the right leads from a white dot, where a center started, to a dark dot, where it is after twelve steps.
# (The figure shows red and blue; green is the third axis, which is not drawn.) A center is a mean, so it lies inside
# its cloud, and its color is duller than the cloud's most colorful pixels: the violet ones at the upper left of the
# cloud fall into a cluster of gray.
#
# ## 4. The image in k colors
# Replace each pixel by its center. **Predict:** from which k on do you recognize what the image shows?


# %%
def cluster(points, k, rng=lesson.seed, **ends):
    """K-means; fewer clusters if there are fewer than k different points, as in a drawing or a black frame."""
    return kmeans(points, min(k, len(np.unique(points, axis=0))), rng=rng, **ends)


ks = (2, 3, 4, 8, 16)
by_color = {k: cluster(points, k) for k in ks}
repainted = [as_image(found.centers[found.labels], H, W) for found in by_color.values()]
for k, found in by_color.items():
    error = np.sqrt(found.inertia / points.size)
    print(f"k = {k}: {found.iterations} iterations, colors are off by {255 * error:.1f} of 255 (root mean square)")
titles = ["the image", *(f"k = {k}" for k in ks)]
lesson.figure(plotting.image_strip(np.stack([photo, *repainted]), titles, columns=3, title="An image in k colors",
                                   cell=256), "colors")

# %% [markdown]
# Two colors show the outline of the head, but cat and floor are one cluster. What is small and has a color of its own
# gets it later: the green disc at k = 8, the violet box at k = 16. The error falls from 42.1 to 11.5 of 255.
#
# How many clusters should there be? The inertia cannot say: with one center more it can always be made smaller, until
# each color has a center of its own. What one looks for is an *elbow*, the k from which on it falls slowly. The next
# section shows a cloud that has one. A photo seldom does.
#
# ## 5. Where the first centers stand
# Lloyd's steps only go down. Where they end depends on the first centers, and that can be a *local minimum*: no step
# improves it, and yet there is a better solution. Take four blobs of 100 points, far apart, and k = 4. The best
# solution has one center in each blob. Now draw the four first centers from all points, each point as likely as the
# others.
#
# **Predict:** how likely is it that they fall into four different blobs? (About 4/4 · 3/4 · 2/4 · 1/4.)
#
# The remedy is *k-means++*: draw the first centers one after the other, each with a probability in proportion to its
# squared distance from the nearest center so far. Points in a blob without a center are far from all centers, so one of
# them is very likely next.


# %%
def spread_out(points, k, rng):
    """k-means++: k of the points as first centers, (k, d)."""
    centers = points[[rng.integers(len(points))]]                      # the first one: any point
    while len(centers) < k:
        squared = ((points[:, None] - centers) ** 2).sum(axis=2).min(axis=1)           # (n,) to the nearest center
        centers = np.vstack([centers, points[rng.choice(len(points), p=squared / squared.sum())]])
    return centers


def finds_all(found):
    """Whether the four blobs have four different labels. (Each is 100 rows of the array, and stays together.)"""
    return len(set(found.labels[::100])) == 4


rng = np.random.default_rng(lesson.seed)
corners = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0], [20.0, 20.0]])
blobs = corners.repeat(100, axis=0) + rng.normal(size=(400, 2))
starts = {"any points": [blobs[rng.choice(400, 4, replace=False)] for _ in range(50)],
          "k-means++": [spread_out(blobs, 4, rng) for _ in range(50)]}
missed = {}
for name, firsts in starts.items():
    ends = [improve(blobs, first) for first in firsts]
    missed[name] = [first for first, found in zip(firsts, ends) if not finds_all(found)]
    spread = sum(len(set(assign(first, corners))) == 4 for first in firsts)           # one first center in each blob
    print(f"{name:<10}: {spread} of 50 starts have a center in each blob; {len(missed[name])} end with a blob missed; "
          f"inertia from {min(found.inertia for found in ends):,.0f} to {max(found.inertia for found in ends):,.0f}")
assert np.allclose(spread_out(blobs, 4, np.random.default_rng(1)), first_centers(blobs, 4, np.random.default_rng(1)))
panels = {"A start at any points": (blobs, "#9DB4C8", walk(blobs, missed["any points"][0], 10)),
          "A start from k-means++": (blobs, "#9DB4C8", walk(blobs, starts["k-means++"][0], 10))}
lesson.figure(walks_figure(panels, "Two starts for four blobs"), "starts")

# %% [markdown]
# 5 of the 50 random starts have a center in each blob, where 4/4 · 3/4 · 2/4 · 1/4 = 9 % make us expect 4.7. Of the 45
# others, Lloyd's steps mend 26, and 19 end with a blob missed. The figure shows one of them on the left: two centers
# share the lower left blob, and one stands between the two blobs on the right. That is a local minimum. The worst start
# ends with 26 times the inertia of the best (20,787 against 797). All 50 starts from k-means++ find the four blobs.
# With the seeds 1 to 5 there are 17 to 22 misses from any points and 0 to 2 from k-means++. So no start is safe: run
# K-means several times, and keep the result with the smallest inertia.
#
# The blobs also show an elbow. **Predict:** with k = 1 the only center is the mean of all points. What is the inertia
# per point then?

# %%
some = np.random.default_rng(lesson.seed).permutation(points)[:5_000]                    # enough of the photo's pixels
for name, cloud in (("blobs", blobs), ("photo", some)):
    least = [min(cluster(cloud, k, seed).inertia for seed in range(3)) for k in range(1, 9)]    # the best of 3 starts
    assert np.isclose(least[0] / len(cloud), cloud.var(axis=0, dtype=np.float64).sum(), rtol=1e-4)
    print(f"{name}: inertia for k = 1, 2, ..., 8 in shares of the first: "
          + ", ".join(f"{value / least[0]:.3f}" for value in least))

# %% [markdown]
# The mean squared distance from the mean is the variance, summed over the axes. The blobs' inertia falls to 0.010 of
# that at k = 4 and hardly falls after it: an elbow. The photo's falls on and on, with no such break.
#
# ## 6. Color and place
# A patch of fur and a stone of the same color fall into one cluster, however far apart they are. Give each point two
# more coordinates: its column and its row, as shares of the image's longer side, times a weight w. The squared distance
# is then |color difference|² + w² |place difference|². From one end of the image to the other, the place difference
# counts as much as a color difference of w, and 1 is the difference between no red and full red.
#
# **Predict:** what do the clusters look like for w = 10?


# %%
def with_place(points, H, W, weight):
    """(H*W, 3) -> (H*W, 5): color, and weighted column and row."""
    rows, columns = np.mgrid[:H, :W] / max(H, W)
    return np.column_stack([points, weight * columns.ravel(), weight * rows.ravel()]).astype(np.float32)


weights, tiled, alike = (0, 0.3, 1, 3, 10), [], []
for weight in weights:
    found = cluster(with_place(points, H, W, weight), 8)
    tiled.append(as_image(found.centers[found.labels, :3], H, W))
    labels = found.labels.reshape(H, W)
    alike.append(float(np.mean(labels[:, 1:] == labels[:, :-1])))      # each pixel and its right neighbor
    print(f"w = {weight}: {alike[-1]:.0%} of neighboring pixels are in the same cluster")
titles = ["the image", *(f"w = {weight}" for weight in weights)]
lesson.figure(plotting.image_strip(np.stack([photo, *tiled]), titles, columns=3,
                                   title="k = 8 clusters of color and place", cell=256), "places")

# %% [markdown]
# With w = 0.3, hardly anything changes. With w = 1, the green disc has no cluster of its own any more, and pieces of
# the background become clusters because they are near each other. With w = 10, color no longer matters: the image is
# cut into eight tiles of similar size. (*Superpixels* are made this way, with a small w and hundreds of clusters.)
#
# ## 7. How good is a segmentation?
# Before K-means is scored, we need scores. Ten pixels are enough to see how they work. The truth has 6 background
# pixels (class 1), 3 object pixels (0) and 1 border pixel (2), roughly the shares of section 1. Two answers:
#
#     truth    1 1 1 1 1 1 0 0 0 2
#     A        1 1 1 1 1 1 1 1 1 1     everything is background
#     B        1 0 0 0 2 2 0 0 2 2     tries all classes
#
# All scores come from one table, the *confusion matrix*: entry (k, m) counts the pixels of true class k that were
# called m.
#
# - *Pixel accuracy*: the share of pixels that are right, which is the diagonal's sum over the sum of all entries.
# - *IoU of a class* (lesson 6, now with pixels): of the pixels that are the class or are called so, the share that is
#   both. In the matrix: the diagonal entry over (its row's sum + its column's sum − the diagonal entry).
# - *Mean IoU*: the mean of the classes' IoUs. Each class counts the same, however few pixels it has.
#
# **Predict:** work out all three for A and B. Which answer has the better pixel accuracy, and which the better mean
# IoU?


# %%
def count_pairs(truth, guess, classes=3):
    """Label arrays of one shape -> (classes, classes): rows are true classes, columns those of the answer."""
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (truth, guess), 1)                               # one more for each pair
    return matrix


def iou(matrix):
    """(classes, classes) -> (classes,): the intersection over the union of each class."""
    both = np.diag(matrix)
    return both / (matrix.sum(axis=1) + matrix.sum(axis=0) - both)


truth = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 2])
for name, answer in (("A", np.ones(10, int)), ("B", np.array([1, 0, 0, 0, 2, 2, 0, 0, 2, 2]))):
    matrix = count_pairs(truth, answer)
    accuracy = np.trace(matrix) / matrix.sum()
    print(f"{name}: matrix {matrix.tolist()}, {accuracy:.0%} right, IoU {iou(matrix).round(3)}, "
          f"mean {iou(matrix).mean():.3f}")
    assert np.array_equal(matrix, metrics.confusion_matrix(truth, answer, 3))
    assert np.allclose(iou(matrix), metrics.iou(matrix)) and accuracy == metrics.pixel_accuracy(matrix)
    assert np.isclose(iou(matrix).mean(), metrics.mean_iou(matrix))
# A: object 0 of 3, background 6 of 10, border 0 of 1. B: object 2 of 6, background 1 of 6, border 1 of 4.
assert np.allclose(iou(matrix), [2 / 6, 1 / 6, 1 / 4]) and accuracy == 0.4

# %% [markdown]
# A has more pixels right, 60 % against 40 %, and the lower mean IoU, 0.200 against 0.250. Pixel accuracy rewards the
# common class. Mean IoU does not forgive that A never calls anything object or border: two of its three IoUs are 0. But
# B is no good either: its best IoU is 1/3. Look at the IoU of each class before you trust either number.
#
# (A class that neither occurs nor is called has 0/0. The library leaves it out of the mean.)
#
# ## 8. Clusters have no names
# Which pixels are the pet? K-means says only "cluster 2". First let an *oracle* name the clusters of each held-out
# image: it looks at the true trimap, and gives each cluster the class that most of its pixels have. No other names for
# these clusters get more pixels right. So its pixel accuracy is a bound and not a result: with this clustering, nobody
# can do better.
#
# It is no bound for the border's IoU. The border has one pixel in eight, and so it is hardly ever the majority of a
# cluster. A second oracle names clusters for the border's sake: in each image, it takes the clusters in the order of
# their share of border pixels, and calls them border up to the point where the image's border IoU is largest. It names
# the rest by majority.
#
# **Predict:** calling *everything* border has an IoU of about 0.13 for the border. How much better can the second
# oracle do?


# %%
def count(labels, truth, k):
    """Return how many pixels of each of k clusters have each class: (k, 3)."""
    return np.stack([np.bincount(labels[truth == c], minlength=k) for c in range(len(CLASSES))], axis=1)


def by_majority(counts):
    """(k, 3) -> (k,): for each cluster the class of most of its pixels."""
    return counts.argmax(axis=1)


def for_the_border(counts):
    """(k, 3) -> (k,): border where that makes the border's IoU largest, elsewhere the majority of the other two."""
    size, border = counts.sum(axis=1), counts[:, 2]
    order = np.argsort(-border / np.maximum(size, 1))                  # the largest share of border pixels first
    both, called = border[order].cumsum(), size[order].cumsum()        # if the first 1, 2, 3, ... are called border
    best = np.argmax(both / (border.sum() + called - both + 1e-9)) + 1
    names = counts[:, :2].argmax(axis=1)
    names[order[:best]] = 2
    return names


# %%
oracle_ks = (3, 8, 16)
guesses = {f"oracle, k = {k}": np.empty_like(held.trimaps) for k in oracle_ks}         # (n, H, W) each
for_border = f"k = {oracle_ks[-1]}, for the border"
guesses[for_border] = np.empty_like(held.trimaps)
line = Progress(len(held), "clustering each image", patience=2)
for n, (image, truth) in enumerate(zip(held.images, held.trimaps)):
    pixels = as_points(image.astype(np.float32) / 255)
    for k in oracle_ks:
        labels = cluster(pixels, k, iterations=30, tolerance=1e-3).labels                  # (H*W,)
        counts = count(labels, truth.ravel(), k)
        guesses[f"oracle, k = {k}"][n] = by_majority(counts)[labels].reshape(truth.shape)
    guesses[for_border][n] = for_the_border(counts)[labels].reshape(truth.shape)
    line.update(n + 1)
line.line(len(held), "")
guesses["all background"] = np.full_like(held.trimaps, CLASSES.index("background"))
guesses["all border"] = np.full_like(held.trimaps, CLASSES.index("border"))


def scored(names):
    """Print and return the scores on the held-out images."""
    rows = {name: metrics.scores(metrics.confusion_matrix(held.trimaps, guesses[name], 3), CLASSES) for name in names}
    print(f"{'':23} right  mean IoU  " + "  ".join(f"{name:>10}" for name in CLASSES))
    for name, row in rows.items():
        print(f"{name:23} {row['pixel_accuracy']:5.1%}  {row['mean_iou']:8.3f}  "
              + "  ".join(f"{row.get(f'iou_{key}', np.nan):10.3f}" for key in CLASSES))
    return rows


oracles = scored(guesses)

# %% [markdown]
# With 16 clusters the bound is 80.8 % of the pixels, against 60.0 % for calling everything background. So the clusters
# of a *single* image follow the pet, more or less. By majority, the border's IoU is at most 0.046. Named for the
# border's sake it is 0.197, at 67.9 % of the pixels right, and everything border has 0.132. What makes a pixel border
# is its position between pet and background, and a color does not say where a pixel is.
#
# ## 9. Without looking at the answer
# Now without the truth. A rule must be fixed before it meets a new image: cluster the colors of *all* training images
# together into 64, name each cluster by what most of its *training* pixels are, and give each pixel of a held-out image
# the name of its nearest center. This is the first rung of the ladder, which lessons 10 to 18 climb.
#
# **Predict:** the background has the most pixels. What becomes of a color that pets and walls share?

# %%
rng = np.random.default_rng(lesson.seed)
started = time.perf_counter()
pixels = train.images[:1000].transpose(0, 2, 3, 1).reshape(-1, 3)      # (n*H*W, 3) uint8
most = min(5_000 if lesson.quick else 50_000, len(pixels))
some = pixels[rng.choice(len(pixels), most, replace=False)].astype(np.float32) / 255
palette = cluster(some, 64, iterations=50, tolerance=1e-4).centers     # (64, 3)


def nearest_color(image):
    """(3, H, W) uint8 -> (H*W,): the index of each pixel's nearest color in the palette."""
    return assign(as_points(image.astype(np.float32) / 255), palette)


counts = np.zeros((len(palette), len(CLASSES)), np.int64)              # (64, 3)
for image, truth in zip(train.images, train.trimaps):
    counts += count(nearest_color(image), truth.ravel(), len(palette))
classes = by_majority(counts).astype(np.uint8)                         # (64,): the rule
nearest = np.stack([nearest_color(image) for image in held.images]).reshape(held.trimaps.shape)
guesses["K-means"] = classes[nearest]
matrix = sum(metrics.confusion_matrix(truth, classes[nearest_color(image)].reshape(truth.shape), len(CLASSES))
             for image, truth in zip(test.images, test.trimaps))       # of all held-out images
seconds = time.perf_counter() - started
print(f"of {len(palette)} colors: " + ", ".join(f"{np.sum(classes == k)} {key}" for k, key in enumerate(CLASSES)))

# %% [markdown]
# Of the 64 colors, 62 are named background, 2 object and none border: most pixels are background, and most pixels of
# nearly every color are, too. Another way to name the clusters counts *shares*: of all pet pixels, how many have this
# color, and of all background pixels, and of all border pixels? A cluster gets the name of the class with the largest
# share. So each class has an equal say, however many pixels it has. And for comparison, a *die* names each pixel at
# random.
#
# **Predict:** will pixel accuracy rise or fall? And mean IoU?

# %%
per_class = counts / np.maximum(counts.sum(axis=0), 1)                 # (64, 3): shares of each class's pixels
guesses["K-means, equal say"] = per_class.argmax(axis=1).astype(np.uint8)[nearest]
guesses["a die"] = rng.integers(0, 3, size=held.trimaps.shape)
results = scored(("K-means", "K-means, equal say", "all background", "all border", "a die"))
for name in ("K-means", "K-means, equal say"):
    percent = 100 * metrics.confusion_matrix(held.trimaps, guesses[name], 3) / held.trimaps.size
    print(f"\n{name}: percent of all pixels; rows: true class, columns: called " + ", ".join(CLASSES))
    print("\n".join(f"{key:>11} " + " ".join(f"{value:6.1f}" for value in row) for key, row in zip(CLASSES, percent)))

# %%
drawn = {name: guesses[name][:SHOWN] for name in ("oracle, k = 8", "K-means", "K-means, equal say")}
notes = {name: [f"{np.mean(truth == guess):.0%} right" for truth, guess in zip(held.trimaps, maps)]
         for name, maps in drawn.items()}
lesson.figure(plotting.prediction_grid(held.images[:SHOWN], held.trimaps[:SHOWN], drawn, notes=notes, columns=2,
                                       title="Clusters named by the truth, and named beforehand"), "predictions")
three = {name: results[name] for name in ("all background", "K-means", "K-means, equal say")}
lesson.figure(plotting.class_bars(three, title="IoU of each class: two ways to name 64 colors"), "classes")

# %% [markdown]
# ## 10. What the numbers say
# In the figure of predictions, the rule by majority calls nearly everything background. Equal say spreads objects and
# borders over walls and floors. The oracle's clusters follow the pet where its color differs from what is around it.
#
# Now the numbers. First, one IoU from the second matrix. Of all pixels, 6.0 % are border and called so; 4.9 + 2.3 + 6.0
# = 13.2 % are border, and 9.8 + 22.1 + 6.0 = 37.9 % are called border. So the border's IoU is 6.0 / (13.2 + 37.9 − 6.0)
# = 0.133.
#
# Compare the two namings of the same clusters:
#
#                     by majority   equal say   change
#     pixels right          0.602       0.380   −0.222
#     IoU object            0.043       0.263   +0.220
#     IoU background        0.598       0.282   −0.316
#     IoU border            0.000       0.133   +0.133
#     mean IoU              0.214       0.226   +0.012
#
# Equal say has far fewer pixels right, and the better mean IoU. Pixel accuracy counts pixels: 40.3 of 100 that were
# rightly background no longer are, and 12.3 of the object and 6.0 of the border are gained. Mean IoU counts classes:
# the background is one of three, and its loss of 0.316 is less than the gain of the other two, 0.353. A third of the
# difference is the 0.012.
#
# Has equal say found pets and borders? Compare it with answers that do not look at the image. Calling *everything*
# object has an object IoU of 0.268, the object's share of the pixels; equal say has 0.263. Calling everything border
# has 0.132; equal say has 0.133. So for each of the two classes, naming everything so does as well. Equal say has the
# higher mean IoU because it names three classes, and a class that is named often enough gets some IoU for that alone: a
# die has a mean IoU of 0.184. And the rule by majority has 60.2 % of the pixels right, where everything background has
# 60.0 %. So neither score tells us by itself that a segmentation is good. Read both beside the IoU of each class, and
# beside what trivial answers get. The border's 13 % of the pixels will need that most.
#
# What is missing? The oracle shows that the clusters of one image follow the pet to some degree. Which of them it is
# differs from image to image, and a color alone does not show it. Lesson 10 still looks at one pixel's color, with a
# network. From lesson 11 on, a pixel's surroundings count.
#
# ## Recap
# - K-means alternates two steps, label and move. Both can only lower the inertia, and the first centers decide which
#   local minimum is reached.
# - Pixel accuracy rewards the most frequent class, mean IoU counts each class the same. Look at the IoU of each class,
#   and at what trivial answers get.
# - Pets have no color of their own: 64 named colors reach a mean IoU of 0.214, everything background 0.200.
#
# **Write it yourself:** `nearest_center` and `move_centers`. `python -m lessons.exercises 08` puts stubs into
# `my/08_kmeans_segmentation.py` and checks what you write.

# %%
result = task.save_result("K-means", metrics.scores(matrix, CLASSES), guesses["K-means"][:SHOWN],
                          parameters=palette.size + classes.size, receptive_field=1, seconds=seconds)
lesson.finish(test=result.scores, equal_say=results["K-means, equal say"],
              oracle_mean_iou={f"k = {k}": oracles[f"oracle, k = {k}"]["mean_iou"] for k in oracle_ks},
              oracle_border_iou=oracles[for_border]["iou_border"],
              pixel_accuracy_all_background=oracles["all background"]["pixel_accuracy"],
              starts_that_miss_a_blob={name: len(firsts) for name, firsts in missed.items()},
              parameters=result.parameters, training_images=len(train), test_images=len(test))
for k in oracle_ks:       # no other names get more pixels right, not even "background" for all
    assert oracles[f"oracle, k = {k}"]["pixel_accuracy"] >= oracles["all background"]["pixel_accuracy"]
assert len(missed["any points"]) > len(missed["k-means++"])
if lesson.as_intended:
    usual, fair, bound = results["K-means"], results["K-means, equal say"], oracles[f"oracle, k = {oracle_ks[-1]}"]
    assert 0.2 < usual["mean_iou"] < oracles["oracle, k = 3"]["mean_iou"] < bound["mean_iou"]
    assert fair["mean_iou"] > usual["mean_iou"] and fair["pixel_accuracy"] < usual["pixel_accuracy"] - 0.1
    assert bound["iou_border"] < 0.1 < oracles[for_border]["iou_border"] and alike[-1] > alike[0]

# %% [markdown]
# **Try:**
# 1. ★ Run `lloyd` on the corners of a flat rectangle, `np.array([[0.0, 0], [0, 1], [4, 0], [4, 1]])`, from the centers
#    `np.array([[2.0, 0], [2, 1]])`. You should see the inertia [16.0, 16.0]: nothing moves. Find a start that reaches
#    1.
# 2. ★ In section 7, score the answer "everything is border". You should see 10% right and a mean IoU of 0.033.
# 3. ★ After section 9, name the palette for the border's sake, `guesses["mine"] = for_the_border(counts)[nearest]`, and
#    call `scored(["mine"])`. You should see 36.1% right and a border IoU of 0.147. What did it cost?
# 4. ★★ Give the oracle more clusters, `oracle_ks = (3, 8, 64)`. Its pixel accuracy should lie between 84 % and 85 %.
#    What would it be with a cluster for each pixel, and why is that no success of K-means?
# 5. ★★ Let the rule of section 9 cluster color *and* place: give `with_place(..., 1)` of the training images to
#    `cluster`, and of each image to `assign`. Its mean IoU should lie between 0.31 and 0.36. What has it learned about
#    images of pets?
# 6. ★★★ `--image` with photos of your own. Find one in which k = 3 cuts out the subject, and one in which no k does.
#    Why?
