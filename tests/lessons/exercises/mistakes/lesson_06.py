"""Planted mistakes in the answer of lesson 6."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("box_iou", "a[2] - a[0]) * (a[3] - a[1]", "a[2] - a[0] + 1) * (a[3] - a[1] + 1", "got 0.285714"),
    Planted("box_iou", "    width = max", "    a, b = a + [0, 0, 1, 1], b + [0, 0, 1, 1]\n    width = max",
            "one pixel too long"),
    Planted("box_iou", "    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))\n"
            "    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))",
            "    width = min(a[2], b[2]) - max(a[0], b[0])\n    height = min(a[3], b[3]) - max(a[1], b[1])",
            "at least 0 for each side"),
    Planted("box_iou", "    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))\n"
            "    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))\n    both = width * height",
            "    width = min(a[2], b[2]) - max(a[0], b[0])\n    height = min(a[3], b[3]) - max(a[1], b[1])\n"
            "    both = max(0, width * height)", "not for their product"),
    Planted("box_iou", "area_a + area_b - both", "area_a + area_b", "subtract it once"),
    Planted("box_iou", "area_a + area_b - both", "min(area_a, area_b)", "divided by the smaller box"),
    Planted("box_iou", "area_a + area_b - both", "(max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - "
            "min(a[1], b[1]))", "the rectangle around both"),
    Planted("box_iou", "both / (area_a + area_b - both)", "2 * both / (area_a + area_b)", "Dice"),
    Planted("box_iou", "both / (", "both // (", "divide by /"),
    Planted("box_iou", "    width = max", "    a, b = ([x, y, x + w, y + h] for x, y, w, h in (a, b))\n    width = max",
            "the last two numbers are the edges"),
    Planted("box_iou", "    width = max", "    a[2:] -= a[:2]\n    a[2:] += a[:2] + 0.25\n    width = max",
            "changed its argument a"),
    Planted("box_iou", "    return both", "    both", "returned None"),
]
