"""The checks of lesson 8's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check
from minidl.tasks.segmentation.kmeans import assign, means
from minidl.types import Array


def differences_to(points: Array, centers: Array) -> Array:
    """Return each point minus each center, (N, k, D)."""
    return points[:, None] - centers


def nearest(points: Array, centers: Array) -> Array:
    return (differences_to(points, centers) ** 2).sum(axis=2).argmin(axis=1)


def point_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield {"points": np.array([[4.0]]), "centers": np.array([[1.0], [5.0]])}
    yield {"points": np.array([[2.0], [-3.0]]), "centers": np.array([[1.0], [3.0], [-1.0]])}             # a tie
    yield {"points": np.array([[0.0, 0.0], [1.0, 1.0]]), "centers": np.array([[3.0, 0.0], [2.0, -2.0]])}
    for N, k, D in ((3, 1, 2), (5, 3, 3), (20, 4, 5), (12, 4, 2)):
        yield {"points": rng.normal(size=(N, D)), "centers": rng.normal(size=(k, D))}


def moved(points: Array, labels: Array, k: int) -> Array:
    return means(points, labels, np.zeros((k, points.shape[1])))


def label_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield {"points": np.array([[1.0], [3.0]]), "labels": np.array([0, 0]), "k": 1}
    yield {"points": np.array([[1.0], [2.0], [6.0]]), "labels": np.array([1, 0, 1]), "k": 2}
    yield {"points": np.array([[0.0, 1.0], [2.0, 5.0], [4.0, 6.0]]), "labels": np.array([0, 0, 1]), "k": 2}
    yield {"points": np.array([[1.0], [2.0], [9.0]]), "labels": np.array([0, 0, 0]), "k": 2}
    for N, k, D, empty in ((9, 2, 3, None), (12, 4, 2, 1), (10, 3, 3, 2), (20, 5, 3, None)):
        used = [j for j in range(k) if j != empty]
        # Each of the others has three points or more: of two, neither is farther from their mean.
        labels = rng.permutation(np.concatenate([np.repeat(used, 3), rng.choice(used, N - 3 * len(used))]))
        yield {"points": rng.normal(size=(N, D)).round(2), "labels": labels, "k": k}


def empty_center(place: Any) -> Any:
    """Return a mistake that puts a center without points elsewhere: at place(points, centers, labels)."""
    def mistake(points: Array, labels: Array, k: int) -> Array:
        centers = moved(points, labels, k)
        empty = np.bincount(labels, minlength=k) == 0
        centers[empty] = place(points, centers, labels)
        return centers
    return mistake


def of_clusters(statistic: Any) -> Any:
    """Return a mistake that takes something else than the mean of each cluster."""
    def mistake(points: Array, labels: Array, k: int) -> Array:
        centers = moved(points, labels, k)
        for j in set(labels.tolist()):
            centers[j] = statistic(points[labels == j], points)
        apart = ((points - centers[labels]) ** 2).sum(axis=1)
        for j in set(range(k)) - set(labels.tolist()):
            centers[j] = points[apart.argmax()]
        return centers
    return mistake


def nearest_to_its_center(points: Array, centers: Array, labels: Array) -> Array:
    return points[((points - centers[labels]) ** 2).sum(axis=1).argmin()]


def sums(own: Array, points: Array) -> Array:
    return own.sum(axis=0)


STEPS = "Two alternating steps"

CHECKS = {
    "nearest_center": Check(nearest, point_cases, {
        "this is the farthest center: argmin, not argmax":
            lambda points, centers: (differences_to(points, centers) ** 2).sum(axis=2).argmax(axis=1),
        "this is for each center its nearest point: argmin over the centers (axis=1), not over the points":
            lambda points, centers: (differences_to(points, centers) ** 2).sum(axis=2).argmin(axis=0),
        "the differences are added as they are, so that positive and negative ones cancel: square them first":
            lambda points, centers: differences_to(points, centers).sum(axis=2).argmin(axis=1),
        "the absolute value of the sum of the differences is not a distance: square each difference, then add":
            lambda points, centers: np.abs(differences_to(points, centers).sum(axis=2)).argmin(axis=1),
        "the absolute differences are added: the nearest center has the smallest sum of squares":
            lambda points, centers: np.abs(differences_to(points, centers)).sum(axis=2).argmin(axis=1),
        "of equally near centers, the last is taken: take the first (< instead of <=)":
            lambda points, centers: len(centers) - 1 - nearest(points, centers[::-1]),
        "the largest product with a center is not the smallest distance": lambda points, centers:
            (points @ centers.T).argmax(axis=1),
        "only the first coordinate is compared": lambda points, centers: nearest(points[:, :1], centers[:, :1]),
        "these are the squared distances: their places are asked for (argmin, not min)":
            lambda points, centers: (differences_to(points, centers) ** 2).sum(axis=2).min(axis=1),
        "the centers are counted from 1: the first is number 0": lambda points, centers: nearest(points, centers) + 1,
    }, STEPS, assign, (
        "One point and all centers: ((point - centers) ** 2).sum(axis=1) is (k,). Loop over the points.",
        "All at once: points[:, None] - centers is (N, k, D). Square it, sum over the last axis, argmin over the "
        "centers. argmin returns the first of equal ones."), returns=("the labels",)),
    "move_centers": Check(moved, label_cases, {
        "the mean of no points is not a number: a center without points goes to the point that is farthest from its "
        "own center": empty_center(lambda points, centers, labels: np.nan),
        "a center without points stays 0: it goes to the point that is farthest from its own center":
            empty_center(lambda points, centers, labels: 0.0),
        "a center without points goes to the mean of all: it should go to the point that is farthest from its own "
        "center": empty_center(lambda points, centers, labels: points.mean(axis=0)),
        "a center without points goes to the point nearest to its center: take the farthest one":
            empty_center(nearest_to_its_center),
        "these are sums: divide each by the number of its cluster's points": of_clusters(sums),
        "these are sums: divide each by the number of its cluster's points. (And a center without points goes to the "
        "farthest point)": lambda points, labels, k: (labels == np.arange(k)[:, None]) @ points,
        "divided by the number of all points: divide by that of the cluster's own":
            of_clusters(lambda own, points: own.sum(axis=0) / len(points)),
        "this is the median: K-means takes the mean": of_clusters(lambda own, points: np.median(own, axis=0)),
        "the mean goes over the coordinates as well: each coordinate has its own (axis=0)":
            of_clusters(lambda own, points: own.mean()),
    }, STEPS, means, (
        "points[labels == j] are the points of cluster j, (how many, D). Their mean over axis 0 is the center j.",
        "Fill np.zeros((k, D)) in a loop, and skip clusters without points (`(labels == j).any()`). Then the squared "
        "distances of the points to centers[labels], (N,), say which point is the farthest: argmax."),
        returns=("the centers",)),
}
