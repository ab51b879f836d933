"""K-means against plain loops, on known clusters, and with points that coincide."""
import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl.tasks.segmentation import kmeans as module
from minidl.tasks.segmentation.kmeans import assign, first_centers, improve, kmeans
from tests.strategies import FEW, seeds

LINE = np.array([[1.0], [2.0], [9.0], [10.0]])


def lloyd_by_loops(points, centers, iterations):
    """Lloyd's algorithm, one distance at a time; a cluster must not become empty."""
    centers, history = centers.tolist(), []
    for iteration in range(iterations + 1):
        labels, inertia = [], 0.0
        for point in points.tolist():
            apart = [sum((x - c) ** 2 for x, c in zip(point, center)) for center in centers]
            labels.append(apart.index(min(apart)))
            inertia += min(apart)
        history.append(inertia)
        if iteration == iterations:
            break
        for j in range(len(centers)):
            own = [point for point, label in zip(points.tolist(), labels) if label == j]
            centers[j] = [sum(values) / len(own) for values in zip(*own)]
    return centers, labels, history


@FEW
@given(st.integers(1, 3), st.integers(1, 4), st.integers(8, 30), seeds)
def test_iterations_against_loops(d, k, n, seed):
    points = np.random.default_rng(seed).normal(size=(n, d))
    start = points[:k] + 0.01                               # near a point of their own: no cluster is empty at first
    found = improve(points, start)
    centers, labels, history = lloyd_by_loops(points, start, found.iterations)
    np.testing.assert_allclose(found.centers, centers, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.history, history, rtol=1e-9, atol=1e-12)
    assert found.labels.tolist() == labels
    assert found.inertia == found.history[-1] and len(found.history) == found.iterations + 1


@FEW
@given(st.integers(1, 3), st.integers(1, 6), st.integers(6, 40), seeds)
def test_inertia_never_rises_and_the_end_is_a_fixed_point(d, k, n, seed):
    points = np.random.default_rng(seed).normal(size=(n, d))
    found = kmeans(points, k, rng=seed)
    assert np.all(np.diff(found.history) <= 1e-12 * found.history[0])
    assert np.array_equal(assign(points, found.centers), found.labels)
    for j in range(k):                                      # no cluster is empty, each center its points' mean
        np.testing.assert_allclose(points[found.labels == j].mean(axis=0), found.centers[j], rtol=1e-9, atol=1e-12)
    assert found.inertia == pytest.approx(((points - found.centers[found.labels]) ** 2).sum(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clusters_far_apart_are_found(seed, dtype):
    rng = np.random.default_rng(seed)
    which = rng.permutation(np.arange(60) % 3)
    points = np.array([[120, 100], [100, 140], [100, 100]])[which] + rng.uniform(-1, 1, size=(60, 2))
    found = kmeans(points.astype(dtype), 3, rng=seed)
    assert found.centers.dtype == dtype and found.centers.shape == (3, 2) and found.labels.dtype == np.int64
    assert len(set(zip(which.tolist(), found.labels.tolist()))) == 3


def test_four_numbers_by_hand():
    found = improve(LINE, np.array([[1.0], [2.0]]))
    # 1 | 2, 9, 10 -> centers 1, 7 -> 1, 2 | 9, 10 -> centers 1.5, 9.5
    assert found.labels.tolist() == [0, 0, 1, 1] and found.centers.tolist() == [[1.5], [9.5]]
    assert found.history == [0 + 0 + 49 + 64, 0 + 1 + 4 + 9, 1.0] and found.iterations == 2


def test_same_seed_gives_same_bits(monkeypatch):
    points = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    first, again, other = (kmeans(points, 6, rng) for rng in (7, np.random.default_rng(7), 8))
    assert other.history != first.history
    monkeypatch.setattr(module, "COLUMNS_BYTES", 500)       # a few points at a time
    for same in (again, kmeans(points, 6, rng=7)):
        assert np.array_equal(same.labels, first.labels) and np.array_equal(same.centers, first.centers)
        assert same.history == first.history


def test_points_are_only_read_in_any_memory_order():
    points = np.random.default_rng(0).normal(size=(3, 80)).T   # as an image's pixels come: a transposed view
    points.flags.writeable = False
    ordered, viewed = kmeans(np.ascontiguousarray(points), 4, rng=0), kmeans(points, 4, rng=0)
    assert np.array_equal(ordered.labels, viewed.labels)
    np.testing.assert_allclose(viewed.centers, ordered.centers, rtol=1e-12)


def test_centers_far_from_the_origin_are_told_apart():
    # In float32 |x|^2 is 1e10 with a spacing of 1024 here; even in float64 the centers are 1e-6 apart at 1e5.
    points = 1e5 + np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    assert kmeans(points.astype(np.float32), 2, rng=0).inertia == 4.0
    near = 1e5 + 1e-6 * np.array([[0.0], [0.4], [0.6], [1.0]])
    assert assign(near, near[[0, 3]]).tolist() == [0, 0, 1, 1]


# Coinciding points, ties, empty clusters

@FEW
@given(st.integers(1, 5), seeds)
def test_duplicates_share_a_center_and_of_tied_centers_the_first_wins(k, seed):
    assert assign(np.array([[0.0], [1.0], [2.0]]), np.array([[2.0], [0.0], [2.0]])).tolist() == [1, 0, 0]
    which = np.concatenate([np.arange(5), np.random.default_rng(seed).integers(0, 5, size=30)])
    found = kmeans(np.arange(10.0).reshape(5, 2)[which], k, rng=seed)
    assert len(set(found.labels.tolist())) == k
    assert len(set(zip(which.tolist(), found.labels.tolist()))) == 5
    assert k < 5 or found.inertia == 0


def test_first_centers_differ_and_are_drawn_in_proportion_to_the_squared_distance():
    points = np.zeros((1000, 1))
    points[[17, 500]] = [[1e-9], [5.0]]
    for seed in range(20):
        assert sorted(first_centers(points, 3, np.random.default_rng(seed)).ravel().tolist()) == [0, 1e-9, 5]
    points = np.array([[0.0], [1.0], [3.0]])
    pairs = [tuple(first_centers(points, 2, np.random.default_rng(seed)).ravel()) for seed in range(3000)]
    after_zero = [second for first, second in pairs if first == 0]
    assert 900 < len(after_zero) < 1100                     # the first is any of the three; deviation 26
    assert np.mean(np.equal(after_zero, 3)) == pytest.approx(9 / 10, abs=0.04)    # 9 : 1; deviation 0.01


@FEW
@given(st.integers(2, 6), st.integers(6, 30), seeds)
def test_empty_clusters_move_to_the_farthest_points(k, n, seed):
    # All points are nearest to the first center: mean 5.5, and the farthest points are those at both ends.
    start = np.array([[5.0], [1e3], [1e3]])
    moved = module.means(LINE, assign(LINE, start), start)
    assert moved.ravel().tolist() == [5.5, 1.0, 10.0]       # 1 and 10 are equally far: the first one, then the other
    assert improve(LINE, start).inertia == 0.5
    points = np.random.default_rng(seed).normal(size=(n, 2))
    found = improve(points, np.repeat(points[:1], k, axis=0))  # all centers coincide: all but one are empty
    assert np.bincount(found.labels, minlength=k).all()
    assert np.all(np.diff(found.history) <= 1e-12 * found.history[0])


def test_iterations_and_tolerance_end_the_search():
    points = np.random.default_rng(0).normal(size=(500, 2))
    full = kmeans(points, 8, rng=0)
    assert 3 < full.iterations < 100
    for iterations in (0, 1, 3):
        found = kmeans(points, 8, rng=0, iterations=iterations)
        assert found.iterations == iterations and found.history == full.history[:iterations + 1]
    early = kmeans(points, 8, rng=0, tolerance=0.02)
    falls = 1 - np.divide(full.history[1:], full.history[:-1])
    assert early.iterations == 1 + int(np.argmax(falls <= 0.02)) < full.iterations
    assert early.history == full.history[:early.iterations + 1]


# Large and tiny numbers

@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@FEW
@given(st.integers(-460, 460), seeds)
def test_the_unit_of_the_points_does_not_matter(dtype, exponent, seed):
    points = np.random.default_rng(seed).normal(size=(20, 2)).astype(dtype)
    largest = {np.float16: 8, np.float32: 100, np.float64: 460}[dtype]     # squares of 1e138 and 1e-138, and their sums
    exponent = max(-largest, min(largest, exponent))
    a, b = kmeans(points, 3, rng=seed), kmeans(points * dtype(2.0 ** exponent), 3, rng=seed)
    if dtype != np.float16:                                                # whose smallest numbers are rounded
        assert np.array_equal(a.labels, b.labels) and b.inertia == a.inertia * 4.0 ** exponent
    assert b.centers.dtype == dtype and np.isfinite(b.centers).all() and np.isfinite(b.inertia)


@pytest.mark.parametrize("points", [
    [-1e200, 0, 1e200], [1e155, 2e155, 3e155], [0, 0, 1.7e308], [-1.7e308, 0, 1.7e308], [0, 1e-170, 2e-170],
    [0, 5e-324, 1e-300]])
def test_points_whose_distances_cannot_be_squared_are_refused(points):
    points = np.array(points)[:, None]
    for call in (lambda: kmeans(points, 2, rng=0), lambda: assign(points, points[:2]),
                 lambda: kmeans(np.hstack([points, np.full((3, 1), 5.0)]), 2, rng=0)):
        with pytest.raises(ValueError, match=r"at most 1e\+145 that lie at least 1e-145 apart.* Scale them"):
            call()


def test_some_points_too_near_to_be_told_apart():
    points = np.array([[0.0], [1e-170], [1.0]])
    assert kmeans(points, 2, rng=0).labels.tolist() in ([0, 0, 1], [1, 1, 0])
    with pytest.raises(ValueError, match="the squares of their distances are 0, got 2 of 3"):
        kmeans(points, 3, rng=0)


# Errors

@pytest.mark.parametrize("call, message", [
    (lambda: kmeans(LINE, 0), "kmeans: expected k of at least 1, got 0"),
    (lambda: kmeans(LINE, 5), "at most the number of different points, 4, got 5"),
    (lambda: kmeans(np.ones((9, 2)), 2), "at most the number of different points, 1, got 2"),
    (lambda: kmeans(LINE, 2, iterations=-1), "iterations and tolerance of at least 0, got iterations -1"),
    (lambda: kmeans(LINE, 2, tolerance=float("nan")), "tolerance nan"),
    (lambda: kmeans(np.zeros((3, 4, 4)), 2), r"points \(n, d\), .* got float64 of shape \(3, 4, 4\)\. An image"),
    (lambda: kmeans(np.zeros((0, 3)), 2), r"got float64 of shape \(0, 3\)"),
    (lambda: kmeans(np.zeros((4, 3), np.uint8), 2), r"array of floats, got uint8 of shape \(4, 3\)"),
    (lambda: kmeans(LINE.tolist(), 2), "got list"),
    (lambda: kmeans(np.array([[1.0, 2.0], [3.0, np.nan]]), 1), r"expected finite points \(n, d\), got NaN"),
    (lambda: assign(LINE, np.zeros((2, 3))), r"centers of the points' d = 1, got \(2, 3\)"),
    (lambda: assign(LINE, np.zeros(2)), r"assign: expected centers \(k, d\), .* got float64 of shape \(2,\)"),
    (lambda: assign(LINE[0], np.zeros((2, 1))), r"assign: expected points \(n, d\)"),
    (lambda: assign(LINE, np.array([[np.nan]])), r"expected finite centers \(k, d\), got NaN"),
])
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
