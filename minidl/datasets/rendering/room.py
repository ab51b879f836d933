"""What surrounds the animal and distracts from it: wall and floor, boards and windows, toys and shoes."""
import numpy as np
from PIL import Image, ImageDraw

from minidl.datasets.rendering import textures as tx
from minidl.datasets.rendering.animals import rotation
from minidl.datasets.rendering.shading import Paint, Pixels
from minidl.datasets.rendering.solids import Solid
from minidl.types import Array


def ground(rng: tx.Rng, n: int, horizon: float) -> Array:
    """Return wall above and floor below the row `horizon`, (3, n, n); the floor may recede."""
    floor = tx.surface(rng, n)
    if horizon <= 0:
        return floor
    wall = tx.surface(rng, n, (1, 2, 3, 4, 4, 4, 4, 5, 6, 6, 7))
    y, x = np.mgrid[:n, :n].astype(np.float32)
    if rng.random() < 0.6:
        depth = 0.5 * n / np.maximum(y - horizon + 0.25 * n, 1)
        floor = floor[:, (y * depth * 2).astype(int) % n, ((x - n / 2) * depth + n).astype(int) % n]
    edge = tx.ramp(y - horizon, -0.5, 0.5)
    image = tx.mix(wall, floor, edge)
    if rng.random() < 0.4:                                         # a skirting board
        board = (y < horizon) & (y > horizon - rng.uniform(0.02, 0.07) * n)
        image = tx.mix(image, tx.any_color(rng), 0.9 * board)
    return image


def add_flats(rng: tx.Rng, image: Array, count: int, low: float, high: float) -> Array:
    """Add boards, boxes, windows, posts: textured quadrilaterals with their centers between rows low and high."""
    n = image.shape[1]
    for _ in range(count):
        half = rng.uniform(0.05, 0.3, 2) * n if rng.random() < 0.6 else np.array((rng.uniform(0.015, 0.05), 0.8)) * n
        if rng.random() < 0.12:
            half = half[::-1]
        center = np.array((rng.uniform(0, n), rng.uniform(low, high)))
        corners = center + half * np.array(((-1, -1), (1, -1), (1, 1), (-1, 1))) + rng.normal(0, 0.012 * n, (4, 2))
        stencil = Image.new("L", (2 * n, 2 * n))
        ImageDraw.Draw(stencil).polygon([(x, y) for x, y in (2 * corners).tolist()], fill=255)
        weight = tx.reduce(np.asarray(stencil, np.float32) / 255, 2)
        shadow = np.roll(weight, (int(0.02 * n), int(0.02 * n)), (0, 1))
        image = image * (1 - 0.35 * shadow)
        image = tx.mix(image, tx.surface(rng, n) * rng.uniform(0.8, 1.15), weight)
    return image


def _toy(rng: tx.Rng, solid: Solid, part: int) -> None:
    kind = rng.integers(5)
    if kind == 0:
        solid.ball((0, 0, 0), 0.9, part)
    elif kind == 1:                                                # a shoe
        solid.chain([(-0.9, 0, 0), (0, -0.1, 0), (1.0, -0.3, 0)], [0.5, 0.45, 0.35], part)
        solid.chain([(-0.9, 0, 0), (-0.85, 0.7, 0)], [0.45, 0.4], part)
    elif kind == 2:                                                # a cushion or an armrest
        solid.chain([(-1.2, 0, 0), (1.2, 0, 0)], [0.8, 0.8], part, flat=0.7)
    elif kind == 3:                                                # a plush thing with knobs, not unlike a pet
        solid.ball((0, 0, 0), (1.0, 0.7, 0.7), part)
        for _ in range(3):
            a, b = rng.normal(0, 0.6, (2, 3))
            solid.chain([a * 0.5, a + b * 0.5, 1.2 * a + b], [0.4, 0.25, 0.15], part)
    else:                                                          # a branch, a cable, a table leg
        points = np.cumsum(rng.normal(0, 0.5, (4, 3)) + (0, rng.choice((0, 0.8)), 0), axis=0) * 1.3
        solid.chain(points, rng.uniform(0.08, 0.35) * np.array((1, 1, 0.8, 0.6)), part)


def make_toys(rng: tx.Rng, canvas: int, count: int, low: float, high: float) -> tuple[Solid, Paint]:
    """Return balls, shoes, cushions, plush things and branches with their feet between rows low and high.

    The function returned beside the solid paints it, for :func:`minidl.datasets.rendering.shading.shade`.
    """
    solid, palette = Solid(), []
    for part in range(count):
        size = canvas * rng.uniform(0.04, 0.15)
        x, y = canvas * rng.uniform(-0.05, 1.05), rng.uniform(low, high)
        z = y * 0.5 - canvas
        turn = rotation(rng.uniform(-180, 180), rng.uniform(-25, 25)) * np.array(((1,), (-1,), (1,)))
        solid.place(np.array((x, y - 0.7 * size, z)), turn, size)
        _toy(rng, solid, part)
        hairy = rng.random() < 0.3
        palette.append((tx.any_color(rng), tx.any_color(rng), rng.uniform(0.06, 0.25) if hairy else 0.02,
                        rng.uniform(0.5, 8), rng.uniform(-0.6, 1.2)))
    first, second = np.array([p[0] for p in palette]).T, np.array([p[1] for p in palette]).T
    rough, period, cover = (np.array([p[k] for p in palette], np.float32) for k in (2, 3, 4))

    def paint(px: Pixels) -> Array:
        waves = np.sin(px.along * period[px.part]) + 0.5 * np.sin(3 * px.up) + rough[px.part] * px.fur
        weight = tx.ramp(waves - cover[px.part], 0.0, 0.2)
        color = tx.mix(first[:, px.part], second[:, px.part], weight)
        return np.clip(color * (1 + rough[px.part] * px.fur), 0.01, 1)
    return solid, paint
