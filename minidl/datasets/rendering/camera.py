"""A camera: it frames the animal, blurs what is far away, and turns light into pixels."""
import math

import numpy as np
from PIL import Image, ImageFilter

from minidl.datasets.rendering.solids import Blobs
from minidl.datasets.rendering.textures import Rng, rgb
from minidl.types import Array

SIZE = 128               # height and width of the images of a set, in pixels
OVERSAMPLING = 2         # solids are drawn this much larger, then averaged, for smooth edges


def frame(rng: Rng, blobs: Blobs, head: Array, skull: float, canvas: int, portrait: bool) -> tuple[Array, Array]:
    """Choose the similarity world -> canvas, p -> M p + offset, that frames the animal: all of it, or its head."""
    tilt, roll = np.radians(rng.uniform(0, 22)), np.radians(rng.normal(0, 4))
    c, s = np.cos(tilt), np.sin(tilt)
    M = np.array(((1, 0, 0), (0, -c, s), (0, s, c)))               # y down, nearer things lower
    M = np.array(((np.cos(roll), -np.sin(roll), 0), (np.sin(roll), np.cos(roll), 0), (0, 0, 1))) @ M
    if portrait:
        M = M * (rng.uniform(0.14, 0.21) * canvas / skull)
        target = canvas * np.array((rng.uniform(0.35, 0.65), rng.uniform(0.36, 0.52), 0))
        return M, target - M @ head
    seen = blobs.moved(M, np.zeros(3))
    reach = np.sqrt(np.stack((seen.G[:, 0, 0], seen.G[:, 1, 1]), 1))
    low, high = (seen.center[:, :2] - reach).min(0), (seen.center[:, :2] + reach).max(0)
    width, height = high - low
    scale = canvas * min(math.sqrt(rng.uniform(0.26, 0.62) / (0.6 * width * height)), 1.15 / max(width, height))
    room = canvas - scale * (high - low)
    corner = room / 2 + rng.normal(0, 0.35, 2) * np.abs(room) / 2 + rng.normal(0, 0.03 * canvas, 2)
    return M * scale, np.append(corner - scale * low, 0.0)


def out_of_focus(image: Array, radius: float) -> Array:
    """Blur an image (3, H, W); `radius` is in pixels."""
    pixels = (np.clip(image.transpose(1, 2, 0), 0, 1) * 255).astype(np.uint8)
    soft = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(soft, np.float32).transpose(2, 0, 1) / 255


def develop(rng: Rng, image: Array) -> Array:
    """Turn light (3, n, n) into an image (n, n, 3) of bytes.

    Like a camera it adds uneven light, a vignette, wrong exposure, grain, and now and then leaves out the color.
    """
    n = image.shape[1]
    y, x = np.mgrid[:n, :n].astype(np.float32) / n - 0.5
    a = rng.uniform(0, 2 * np.pi)
    image = image * (1 + rng.uniform(0, 0.4) * (x * np.cos(a) + y * np.sin(a))
                     - rng.uniform(0, 0.7) * (x * x + y * y))
    image = np.clip(image * rng.uniform(0.8, 1.25), 0, None) ** rng.uniform(0.85, 1.2)
    if rng.random() < 0.05:
        image = np.repeat(np.tensordot(rgb(0.3, 0.59, 0.11), image, 1)[None], 3, axis=0)
    image = image + rng.uniform(0.003, 0.015) * rng.standard_normal(image.shape, np.float32)
    return np.ascontiguousarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))
