"""Noise, colors and flat textured surfaces: grass, planks, fabric, fur and the like.

Images are float32 arrays of shape (3, H, W) with values in [0, 1].
"""
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

from minidl.types import Array

Rng = np.random.Generator

# Coats of cats and dogs. Rooms and gardens borrow from the same list, so a color proves nothing.
FURS = np.array([
    (38, 36, 38), (72, 68, 68), (108, 112, 122), (156, 152, 148), (236, 230, 220), (224, 200, 166),
    (200, 156, 104), (190, 114, 56), (142, 94, 60), (96, 64, 44), (172, 142, 112), (212, 178, 138)]) / 255


def rgb(*color: float) -> Array:
    """Return a color, shape (3,)."""
    return np.array(color, np.float32)


def fur_color(rng: Rng) -> Array:
    """Return one random coat color, shape (3,)."""
    color = FURS[rng.integers(len(FURS))] * rng.uniform(0.85, 1.12) + rng.normal(0, 0.02, 3)
    return np.clip(color, 0.05, 0.97).astype(np.float32)


def any_color(rng: Rng) -> Array:
    """Return a color of the surroundings, shape (3,): every other one is a coat color."""
    if rng.random() < 0.5:
        return fur_color(rng)
    gray = rng.uniform(0.15, 0.85)
    vivid = rng.normal(0, rng.choice((0.04, 0.08, 0.2)), 3)
    return np.clip(gray + vivid - vivid.mean(), 0.03, 0.97).astype(np.float32)


def enlarge(x: Array, shape: tuple[int, int], smooth: bool = True) -> Array:
    """Resize a float array (h, w) to `shape`, bicubic when smooth, else in hard steps."""
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    image = Image.fromarray(np.ascontiguousarray(x, np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), method))


def reduce(x: Array, factor: int) -> Array:
    """Return the means over factor x factor blocks of x, shape (..., H, W)."""
    rows = sum((x[..., k::factor, :] for k in range(1, factor)), x[..., ::factor, :])
    return sum((rows[..., k::factor] for k in range(1, factor)), rows[..., ::factor]) * np.float32(1 / factor**2)


def blur(x: Array, radius: float) -> Array:
    """Blur a mask or map (H, W) with values in [0, 1]; 8 bits are enough for shadows and soft edges."""
    image = Image.fromarray((np.clip(x, 0, 1) * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def noise(rng: Rng, shape: tuple[int, int], cells: tuple[float, float], octaves: int = 1) -> Array:
    """Return smooth noise around 0 with a standard deviation near 1.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the result.
    cells : (float, float)
        How many bumps fit down and across; unequal numbers make streaks.
    octaves : int
        Each further octave has bumps half as large and half as high.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        h, w = (max(2, min(int(c * 2**octave), n)) for c, n in zip(cells, shape))
        total += enlarge(rng.standard_normal((h, w), np.float32), shape) * 0.5**octave
    return total * np.float32(1.2)


def ramp(x: Array, low: float, high: float) -> Array:
    """Map x to 0 below `low`, 1 above `high`, smoothly in between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: Array, b: Array, weight: Array) -> Array:
    """Blend two colors (3,) or images (3, H, W): a where weight (H, W) is 0, b where it is 1."""
    a, b = (x.reshape(3, *(1,) * weight.ndim) if x.ndim == 1 else x for x in (a, b))
    return a + (b - a) * weight.astype(np.float32, copy=False)


def tint(color: Array, brightness: Array) -> Array:
    """Return the image (3, H, W) of a color (3,) times a brightness (H, W)."""
    return np.multiply.outer(np.asarray(color, np.float32), brightness.astype(np.float32, copy=False))


def _grass(rng: Rng, n: int) -> Array:
    blades = noise(rng, (n, n), (n / 5, n / 1.3)) + 0.6 * noise(rng, (n, n), (n / 12, n / 3))
    green = np.array([0.32, 0.42, 0.16]) * rng.uniform(0.6, 1.4) if rng.random() < 0.6 else any_color(rng)
    return tint(green, 1 + 0.17 * blades + 0.1 * noise(rng, (n, n), (4, 4)))


def _planks(rng: Rng, n: int) -> Array:
    count = int(rng.integers(4, 12))
    y = np.arange(n) * count / n
    tone = rng.normal(0, 0.12, count + 1)[y.astype(int)][:, None]
    grain = 0.12 * noise(rng, (n, n), (n / 2, 5), 2) + tone
    seam = (y % 1 < count / n * 1.5)[:, None] * 0.5
    wood = tint(any_color(rng), 1 + grain - seam)
    return wood.transpose(0, 2, 1) if rng.random() < 0.4 else wood


def _fabric(rng: Rng, n: int) -> Array:
    y, x = np.mgrid[:n, :n].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), n / rng.uniform(4, 16)
    u = (x * np.cos(angle) + y * np.sin(angle)) / period + 0.15 * noise(rng, (n, n), (3, 3))
    v = (y * np.cos(angle) - x * np.sin(angle)) / period + 0.15 * noise(rng, (n, n), (3, 3))
    kind = rng.integers(4)
    if kind == 0:                                   # stripes
        weight = ramp(np.sin(2 * np.pi * u), -0.3, 0.3)
    elif kind == 1:                                 # checks
        weight = 0.5 * (np.sin(2 * np.pi * u) > 0) + 0.5 * (np.sin(2 * np.pi * v) > 0)
    elif kind == 2:                                 # dots
        weight = ramp(np.hypot(u % 1 - 0.5, v % 1 - 0.5), 0.2, 0.35)
    else:                                           # a woven ornament
        weight = ramp(np.sin(2 * np.pi * u) * np.sin(2 * np.pi * v), -0.2, 0.2)
    weave = 0.08 * noise(rng, (n, n), (n, n)) + 0.05 * noise(rng, (n, n), (5, 5))
    return mix(any_color(rng), any_color(rng), weight) * (1 + weave)


def _fur(rng: Rng, n: int) -> Array:
    """A rug or blanket that looks like a coat: streaks in a coat's colors, some with a coat's markings."""
    streaks = 0.15 * noise(rng, (n, n), (n / 4, n / 1.5)) + 0.08 * noise(rng, (n, n), (6, 6))
    color = fur_color(rng)[:, None, None]
    if rng.random() < 0.6:
        cells = ((4, 4), (3, 14), (9, 9))[rng.integers(3)]
        spots = noise(rng, (n, n), cells) + 2 * streaks
        color = mix(color, 0.5 * color + 0.5 * fur_color(rng)[:, None, None], ramp(spots, 0.2, 0.7))
    return color * (1 + streaks)


def _plaster(rng: Rng, n: int) -> Array:
    rough = rng.uniform(0.01, 0.08) * noise(rng, (n, n), (rng.uniform(2, 30),) * 2, 3)
    return tint(any_color(rng), 1 + rough)


def _leaves(rng: Rng, n: int) -> Array:
    big, small = noise(rng, (n, n), (9, 9), 2), noise(rng, (n, n), (24, 24), 2)
    color = any_color(rng)
    foliage = mix(color * 0.6, color, ramp(big, -0.9, 0.9))
    return foliage * (1 + 0.16 * small)


def _bokeh(rng: Rng, n: int) -> Array:
    """Lights far out of focus."""
    y, x = np.mgrid[:n, :n].astype(np.float32) / n
    image = mix(any_color(rng), any_color(rng), ramp(noise(rng, (n, n), (3, 3)), -1, 1))
    for cx, cy, radius in rng.uniform((0, 0, 0.03), (1, 1, 0.12), (6, 3)):
        disc = ramp(np.hypot(x - cx, y - cy), radius * 1.2, radius * 0.9)
        image = mix(image, any_color(rng), 0.6 * disc)
    return image


def _tiles(rng: Rng, n: int) -> Array:
    across, down = rng.integers(3, 9, 2)
    y, x = np.mgrid[:n, :n] / n
    row = np.floor(y * down).astype(int)
    shifted = x * across + 0.5 * (row % 2) * (rng.random() < 0.5)
    tone = rng.normal(0, 0.1, (down, across + 2))[row, shifted.astype(int)]
    joint = (shifted % 1 < 0.07) | (y * down % 1 < 0.09)
    tile = tint(any_color(rng), 1 + tone + 0.06 * noise(rng, (n, n), (30, 30), 2))
    return mix(tile, any_color(rng), 0.8 * joint)


SURFACES = (_grass, _planks, _fabric, _fur, _plaster, _leaves, _bokeh, _tiles)


def surface(rng: Rng, n: int, kinds: Sequence[int] = (0, 1, 2, 3, 4, 4, 5, 7)) -> Array:
    """Return a random textured square (3, n, n); `kinds` indexes SURFACES, repeated ones are likelier."""
    return np.asarray(SURFACES[int(rng.choice(kinds))](rng, n), np.float32)
