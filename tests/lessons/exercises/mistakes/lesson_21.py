"""Planted mistakes in the answers of lesson 21."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("joint_moments", "(m1 * mean1 + m2 * mean2) / m", "(mean1 + mean2) / 2", "the mean of the two means"),
    Planted("joint_moments", "    q = q + m1 * (mean1 - mean) ** 2 + m2 * (mean2 - mean) ** 2\n", "",
            "q₁ + q₂ is not enough"),
    Planted("joint_moments", "m1 * (mean1 - mean) ** 2 + m2 * (mean2 - mean) ** 2",
            "(mean1 - mean) ** 2 + (mean2 - mean) ** 2", "m₁ and m₂ are missing"),
    Planted("joint_moments", "q / m", "q", "divide by m₁ + m₂"),
    Planted("joint_moments", "q / m", "q / max(m - 1, 1)", "divided by m − 1"),
    Planted("joint_moments", "q / m", "(q1 / m1 + q2 / m2) / 2", "the mean of the two variances"),
    Planted("joint_moments", "return mean, q / m",
            "return mean, ((x1 ** 2).sum(axis=axes) + (x2 ** 2).sum(axis=axes)) / m - mean ** 2", "loses its digits"),
    Planted("joint_moments", "return mean, q / m", "return mean, (q / m) ** 0.5", "the standard deviation"),
    Planted("joint_moments", "return mean, q / m", "return q / m, mean", "are exchanged"),
    Planted("joint_moments", "    m1, m2 =", "    x1 -= x1.min()\n    m1, m2 =", "changed its argument x1"),
]
