"""K-means: k centers for n points, so that each point is near its center.

It minimizes the *inertia*, the sum over all points of the squared distance to the point's center:

    J(centers, labels) = sum_i |x_i - c_label(i)|^2

Lloyd's algorithm alternates two steps: with the centers fixed, the nearest center is the best label of a point; with
the labels fixed, the mean of a cluster is its best center. Neither step can raise J, so it ends; but in a *local*
minimum, which depends on the first centers.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982.
D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
Slide 5.
"""
from dataclasses import dataclass

import numpy as np

from minidl.layers.layout import COLUMNS_BYTES, image_chunks
from minidl.types import Array


LARGEST, SMALLEST = 1e145, 1e-145      # squares of such differences, and sums of millions of them, fit float64


@dataclass(frozen=True, eq=False)
class Clustering:
    """The result of K-means. The search is in float64; the centers are rounded to the points' dtype at the end."""

    centers: Array            # (k, d)
    labels: Array             # (n,) int64, for each point the index of its center
    inertia: float            # sum of the squared distances to the points' centers, in the points' unit squared
    iterations: int           # how often the centers were moved
    history: list[float]      # the inertia at the start and after each iteration


def kmeans(points: Array, k: int, rng: np.random.Generator | int | None = None, iterations: int = 100,
           tolerance: float = 0.0) -> Clustering:
    """Find k clusters: a k-means++ start, then Lloyd's iterations.

    Parameters
    ----------
    points : (n, d) array of floats
    k : int
        Number of clusters; at most the number of different points.
    rng : Generator or seed, optional
        Chooses the first centers. The same seed gives the same result, bit for bit.
    iterations : int
        Move the centers at most this many times.
    tolerance : float
        End when an iteration lowers the inertia by no more than this share of it. With 0, end when no label changes,
        or the inertia no longer falls.

    Notes
    -----
    A cluster that loses all its points is given a new center: the point farthest from its own center. That lowers the
    inertia, so such clusters do not stay empty, unless `iterations` or `tolerance` ends the search just then.

    The result is a local minimum. Call it with several seeds and keep the one with the smallest inertia.

    Examples
    --------
    >>> found = kmeans(np.array([[1.0], [2.0], [9.0], [10.0]]), k=2, rng=0)
    >>> sorted(found.centers.ravel().tolist()), found.inertia
    ([1.5, 9.5], 1.0)
    """
    check_points(points, "kmeans")
    if k < 1:
        raise ValueError(f"kmeans: expected k of at least 1, got {k}")
    if iterations < 0 or not tolerance >= 0:
        raise ValueError("kmeans: expected iterations and tolerance of at least 0, "
                         f"got iterations {iterations}, tolerance {tolerance}")
    start = first_centers(points, k, np.random.default_rng(rng))
    return improve(points, start, iterations, tolerance)


def assign(points: Array, centers: Array) -> Array:
    """Return for each point (n, d) the index (n,), int64, of the nearest of the centers (k, d); of ties, the first.

    |x - c|^2 = |x|^2 - 2 x·c + |c|^2. Here |x|^2 is the same for all centers and can be left out, and all the x·c
    together are one matrix product, made for a few MiB of points at a time.

    Far from the origin this form would lose digits: a small difference of large numbers. So the origin is moved to the
    centers' mean, and all is done in float64: the error is about 1e-16 of (distance from there)^2, and only centers
    whose squared distances differ by less than that can be mistaken for each other.
    """
    check_points(points, "assign")
    check_points(centers, "assign", "centers (k, d)")
    k, d = centers.shape
    if points.shape[1] != d:
        raise ValueError(f"assign: expected centers of the points' d = {points.shape[1]}, got {centers.shape}")
    origin = centers.mean(axis=0, dtype=np.float64)                            # (d,)
    c = centers - origin                                                       # (k, d) float64
    half = 0.5 * (c * c).sum(axis=1)                                           # (k,)
    labels = np.empty(len(points), np.int64)
    for part in image_chunks(len(points), 8 * (k + d), COLUMNS_BYTES):
        x = points[part] - origin                                              # (m, d) float64
        labels[part] = (half - x @ c.T).argmin(axis=1)                         # half the distances, less |x|^2 / 2
    return labels


def first_centers(points: Array, k: int, rng: np.random.Generator) -> Array:
    """Choose k of the points (n, d) as centers, (k, d) float64, far from each other: k-means++.

    The first is any point. Each further one is drawn with a probability in proportion to D(x)^2, the squared distance
    to the nearest center so far: new centers fall where none is near, yet single outliers are rarely chosen. Before
    Lloyd's first iteration, the expected inertia is at most 8 (ln k + 2) times the smallest possible one (Arthur and
    Vassilvitskii, theorem 1.1).
    """
    centers = np.empty((k, points.shape[1]))
    centers[0] = points[rng.integers(len(points))]
    nearest = distances(points, centers[:1])          # (n,), D^2
    for j in range(1, k):
        total = nearest.sum()
        if total == 0:                                                         # every point is a center
            different = len(np.unique(points, axis=0))
            raise ValueError(f"kmeans: expected k of at most the number of different points, {different}, got {k}"
                             if k > different else f"kmeans: expected {k} points that are not so near each other that "
                             f"the squares of their distances are 0, got {j} of {different}")
        centers[j] = points[rng.choice(len(points), p=nearest / total)]
        nearest = np.minimum(nearest, distances(points, centers[j:j + 1]))
    return centers


def improve(points: Array, centers: Array, iterations: int = 100, tolerance: float = 0.0) -> Clustering:
    """Run Lloyd's iterations from given centers (k, d): label each point, move each center to its points' mean, repeat.

    Parameters, result and the conditions for the end are those of :func:`kmeans`.
    """
    centers = centers.astype(np.float64)
    labels = assign(points, centers)
    history = [float(distances(points, centers, labels).sum())]
    while len(history) <= iterations:
        centers = means(points, labels, centers)
        before, labels = labels, assign(points, centers)
        history.append(float(distances(points, centers, labels).sum()))
        # The second condition also ends a cycle between ties, which rounding might cause.
        if np.array_equal(before, labels) or history[-2] - history[-1] <= tolerance * history[-2]:
            break
    return Clustering(centers.astype(points.dtype), labels, history[-1], len(history) - 1, history)


def means(points: Array, labels: Array, centers: Array) -> Array:
    """Return the mean (k, d) float64 of each cluster, and for an empty one the point farthest from its center."""
    k, d = centers.shape
    counts = np.bincount(labels, minlength=k)                                  # (k,)
    sums = np.stack([np.bincount(labels, points[:, j], minlength=k) for j in range(d)], axis=1)  # (k, d)
    centers = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centers)
    if counts.all():
        return centers
    apart = distances(points, centers, labels)                                 # (n,), from the new centers
    for empty in np.flatnonzero(counts == 0):
        centers[empty] = points[apart.argmax()]
        # Points that are nearer to the new center do not count as far away when the next one is placed.
        apart = np.minimum(apart, distances(points, centers[empty:empty + 1]))
    return centers


def distances(points: Array, centers: Array, labels: Array | None = None) -> Array:
    """Return |x_i - c_label(i)|^2, (n,) float64; without labels, the squared distances to the first center.

    Taken from the differences themselves, they lose no digits, and are 0 for equal points.
    """
    squared = np.empty(len(points))
    for part in image_chunks(len(points), 16 * points.shape[1], COLUMNS_BYTES):
        own = centers[0] if labels is None else centers[labels[part]]          # (d,) or (m, d)
        difference = points[part] - own                                        # (m, d) float64
        squared[part] = np.einsum("md,md->m", difference, difference)
    return squared


def check_points(points: Array, caller: str, what: str = "points (n, d)") -> None:
    """Raise a ValueError unless the points are a non-empty (n, d) array of floats whose distances can be squared."""
    if not isinstance(points, np.ndarray) or points.ndim != 2 or points.size == 0 or points.dtype.kind != "f":
        got = f"{points.dtype} of shape {points.shape}" if isinstance(points, np.ndarray) else type(points).__name__
        raise ValueError(f"{caller}: expected {what}, a non-empty array of floats, got {got}. An image (3, H, W) of "
                         "floats becomes points by .reshape(3, -1).T")
    least, most = (extreme(points, axis=0).astype(np.float64) for extreme in (np.min, np.max))    # (d,), or NaN
    if not (np.isfinite(least).all() and np.isfinite(most).all()):
        raise ValueError(f"{caller}: expected finite {what}, got NaN or infinity")
    size, spread = float(np.abs([least, most]).max()), float((most / 2 - least / 2).max())
    if size > LARGEST or 0 < spread < SMALLEST:
        raise ValueError(f"{caller}: expected {what} of at most {LARGEST:g} that lie at least {SMALLEST:g} apart, so "
                         f"that squared distances fit float64; got numbers up to {size:g}, {2 * spread:g} apart. Scale "
                         "them")
