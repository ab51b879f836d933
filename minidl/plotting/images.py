"""Images, classes and both on top of each other as arrays of colors."""
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from minidl.types import Array

# Told apart by lightness as well as by hue: medium orange, dark blue-gray, pale yellow.
CLASS_COLORS = ("#E8862E", "#4A6378", "#FFF3B8")


def colorize(labels: Any, colors: Sequence[str] = CLASS_COLORS) -> Array:
    """Turn a label map (H, W) of integers into an image (H, W, 3) of floats in [0, 1], one color per class."""
    labels = np.asarray(labels)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"colorize: expected integer labels of shape (H, W), got {labels.dtype} {labels.shape}")
    wrong = (labels < 0) | (labels >= len(colors))
    if wrong.any():
        raise ValueError(f"colorize: labels must lie in 0..{len(colors) - 1} (there are {len(colors)} colors), "
                         f"got {labels[wrong][0]}")
    return np.array([to_rgb(color) for color in colors])[labels]  # (H, W, 3)


def overlay(image: Any, labels: Any, alpha: float = 0.5, colors: Sequence[str] = CLASS_COLORS) -> Array:
    """Lay the class colors over an image (3, H, W): alpha 0 is the image, 1 the colors. Returns (H, W, 3)."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"overlay: alpha must lie in [0, 1], got {alpha}")
    below, above = shown(image), colorize(labels, colors)
    if below.shape != above.shape:
        raise ValueError("overlay: expected labels of the image's height and width "
                         f"{below.shape[:2]}, got {above.shape[:2]}")
    return (1 - alpha) * below + alpha * above


def shown(image: Any) -> Array:
    """Turn an image (3, H, W), uint8 or float in [0, 1], into (H, W, 3) float64 in [0, 1]."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"expected an image of shape (3, H, W), got {image.shape}")
    if image.dtype == np.uint8:
        return image.transpose(1, 2, 0) / 255
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"expected an image of uint8, or of floats in [0, 1], got {image.dtype}")
    low, high = float(image.min()), float(image.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # rounding may overshoot a little; nan fails as well
        raise ValueError(f"expected an image of floats in [0, 1], got values from {low:g} to {high:g}. "
                         "If it was normalized, undo that first.")
    return np.clip(image.transpose(1, 2, 0).astype(np.float64), 0, 1)
