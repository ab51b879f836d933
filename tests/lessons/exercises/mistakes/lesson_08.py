"""Planted mistakes in the answers of lesson 8."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("nearest_center", "argmin(axis=1)", "argmin(axis=0)", "for each center its nearest point"),
    Planted("nearest_center", "argmin", "argmax", "the farthest center"),
    Planted("nearest_center", "argmin", "min", "their places are asked for"),
    Planted("nearest_center", "((points[:, None] - centers) ** 2)", "np.abs(points[:, None] - centers)",
            "absolute differences are added"),
    Planted("nearest_center", "((points[:, None] - centers) ** 2).sum(axis=2)",
            "np.abs((points[:, None] - centers).sum(axis=2))", "is not a distance"),
    Planted("nearest_center", "squared.argmin(axis=1)", "squared.shape[1] - 1 - squared[:, ::-1].argmin(axis=1)",
            "the last is taken"),
    Planted("nearest_center", "    squared =", "    points -= points[0]\n    squared =", "changed its argument points"),
    Planted("move_centers", "    centers = np.zeros((k, points.shape[1]))",
            "    return np.stack([points[labels == j].mean(axis=0) for j in range(k)])", "not a number"),
    Planted("move_centers", "            centers[j] = points[apart.argmax()]", "            pass", "stays 0"),
    Planted("move_centers", "argmax", "argmin", "take the farthest one"),
    Planted("move_centers", "points[own].mean(axis=0)", "points[own].sum(axis=0)", "these are sums"),
    Planted("move_centers", "points[own].mean(axis=0)", "points[own].sum(axis=0) / len(points)",
            "divided by the number of all points"),
    Planted("move_centers", "points[own].mean(axis=0)", "points[own].mean()", "over the coordinates as well"),
    Planted("move_centers", "np.zeros((k, points.shape[1]))", "np.zeros((k, points.shape[1]), int)",
            "drops what comes after the decimal point"),
    Planted("move_centers", "return centers", "return centers.T", "the axes are swapped"),
]
