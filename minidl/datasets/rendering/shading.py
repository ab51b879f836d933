"""Draw a solid: which ellipsoid is in front at each pixel, and how light, folds and fur make it look.

The canvas is measured in pixels: x to the right, y down, z towards the viewer.
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minidl.datasets.rendering.solids import Blobs
from minidl.datasets.rendering.textures import Rng, blur, enlarge, reduce, tint
from minidl.types import Array


class Pixels(NamedTuple):
    """What a paint function learns about the P visible pixels of a solid; each field has shape (P,)."""

    part: Array
    along: Array     # position in the limb's own frame, so that stripes and patches move with it
    up: Array
    aside: Array
    end: Array
    fur: Array       # fur strokes: noise around 0, smeared along the coat


Paint = Callable[[Pixels], Array]


class Light(NamedTuple):
    """One lamp and the light of the surroundings."""

    direction: Array     # (3,) unit vector towards the lamp
    color: Array         # (3,)
    ambient: Array       # (3,)


def shade(blobs: Blobs, shape: tuple[int, int], paint: Paint, light: Light, rng: Rng, fuzz: float = 0.0,
          gloss: float = 0.0) -> tuple[Array, Array, Array]:
    """Draw a solid.

    Parameters
    ----------
    blobs : Blobs
        In canvas coordinates.
    shape : (int, int)
        Height and width of the canvas, in pixels.
    paint : function from :class:`Pixels` to colors (3, P)
    light : Light
    fuzz : float
        How many pixels the outline is frayed by fur.
    gloss : float
        Strength of highlights.

    Returns
    -------
    color : (3, H, W) array, zero outside the solid
    mask : (H, W) boolean array
    owner : (H, W) array, which blob a pixel shows
    """
    full_height, full_owner = rasterize(blobs, shape)
    color, mask = np.zeros((3, *shape), np.float32), np.zeros(shape, bool)
    rows, columns = np.flatnonzero((full_owner >= 0).any(1)), np.flatnonzero((full_owner >= 0).any(0))
    if not len(rows):
        return color, mask, full_owner
    top, left = max(rows[0] - 4, 0), max(columns[0] - 4, 0)
    box = (slice(top, rows[-1] + 5), slice(left, columns[-1] + 5))
    height, owner = full_height[box], full_owner[box]
    inside = owner >= 0
    height = np.where(inside, height, height[inside].min())                      # (h, w)
    at = np.flatnonzero(inside)                                                  # (P,) positions in the box
    y, x = np.divmod(at.astype(np.int32), np.int32(inside.shape[1]))
    y, x = y.astype(np.float32), x.astype(np.float32)
    who = owner.ravel()[at].astype(np.intp)

    smooth = _soften(height, inside, max(1, shape[0] // 256))
    ny, nx = (-slope.ravel()[at] for slope in np.gradient(smooth))               # (P,) the normal, before
    nz = 1 / np.sqrt(nx * nx + ny * ny + 1)                                      # and after scaling
    nx, ny = nx * nz, ny * nz
    open_sky = _cavity(smooth, inside, shape[0]).ravel()[at]

    frame = blobs.frame.astype(np.float32)
    flow_x, flow_y = frame[:, 0, 0][who] + 0.5 * nx, frame[:, 0, 1][who] + 0.5 * ny
    fur = _strokes(rng, x, y, flow_x, flow_y, shape[0] / 80)
    if fuzz:
        frayed = np.zeros(inside.shape, np.float32)
        frayed.ravel()[at] = fur
        inside = inside & (blur(inside, fuzz) > 0.46 + 0.1 * np.clip(frayed, -1.5, 2))

    origin = (blobs.origin - (left, top, 0)).astype(np.float32)[who]             # (P, 3)
    offset = np.stack((x, y, height.ravel()[at]), 1) - origin
    axes = (frame / blobs.unit.astype(np.float32)[:, None, None])[who]           # (P, 3, 3)
    local = np.einsum("pij,pj->ip", axes, offset)
    colors = paint(Pixels(blobs.part[who], local[0] + blobs.start.astype(np.float32)[who], local[1], local[2],
                          blobs.end.astype(np.float32)[who], fur))               # (3, P)

    drawn = np.zeros((3, inside.size), np.float32)
    drawn[:, at] = _lit(colors, (nx, ny, nz), open_sky, light, gloss)
    color[:, box[0], box[1]] = drawn.reshape(3, *inside.shape) * inside
    mask[box] = inside
    return color, mask, full_owner


def _lit(colors: Array, normal: tuple[Array, Array, Array], open_sky: Array, light: Light, gloss: float) -> Array:
    """Return the colors (3, P) in the light of the lamp and of the surroundings, and the lamp's reflection."""
    nx, ny, nz = normal                                                          # (P,) each
    lx, ly, lz = light.direction.tolist()
    lamp = np.clip(0.25 + 0.75 * (nx * lx + ny * ly + nz * lz), 0, None) * open_sky
    colors = colors * (tint(light.color, lamp) + tint(light.ambient, (0.8 - 0.2 * ny) * open_sky))
    if gloss:
        half = light.direction + np.array((0, 0, 1), np.float32)
        hx, hy, hz = (half / np.sqrt((half * half).sum())).tolist()
        shine = np.clip(nx * hx + ny * hy + nz * hz, 0, 1)
        for _ in range(4):
            shine *= shine                                                       # the 16th power
        colors += tint(light.color, gloss * shine)
    return colors


def _soften(height: Array, inside: Array, radius: int) -> Array:
    """Round off the creases between blobs: a small blur that looks at the inside only."""
    weight = inside.astype(np.float32)
    value = height * weight
    for step in (radius, 2 * radius):
        for axis in (0, 1):
            for x in (value, weight):
                x += 0.6 * (np.roll(x, step, axis) + np.roll(x, -step, axis))
    return np.where(inside, value / np.maximum(weight, 1e-6), height)


def _cavity(height: Array, inside: Array, size: int) -> Array:
    """Return how much of the surroundings' light reaches each pixel: less in folds and under bellies."""
    factor = max(2, size // 32)
    h, w = (-(-n // factor) * factor for n in inside.shape)
    pad = ((0, h - inside.shape[0]), (0, w - inside.shape[1]))
    weight = reduce(np.pad(inside.astype(np.float32), pad), factor)
    value = reduce(np.pad(height * inside, pad), factor)
    for axis in (0, 1):
        for x in (value, weight):
            x += np.roll(x, 1, axis) + np.roll(x, -1, axis)
    around = enlarge(value / np.maximum(weight, 1e-3), (h, w))[:inside.shape[0], :inside.shape[1]]
    return 1 - np.clip((around - height) / (0.14 * size), -0.1, 0.62)


def _strokes(rng: Rng, x: Array, y: Array, flow_x: Array, flow_y: Array, length: float) -> Array:
    """Smear white noise along the flow: the mean of five samples on a line through each pixel, each (P,)."""
    grain = rng.standard_normal(2**16, np.float32)
    step = length / 2 / np.sqrt(flow_x * flow_x + flow_y * flow_y + 1e-6)
    step_x, step_y = flow_x * step, flow_y * step
    total = np.zeros(len(x), np.float32)
    for k in range(-2, 3):
        # Rows are 7919 positions apart in the grain, so that no two within reach are alike.
        place = (y + (k * step_y + 8.5)).astype(np.int32) * 7919 + (x + (k * step_x + 8.5)).astype(np.int32)
        total += grain[place & 0xFFFF]
    return total / np.float32(np.sqrt(5))


def rasterize(blobs: Blobs, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Return the height (H, W) of the front surface and which blob it belongs to (H, W), -1 for none.

    An ellipsoid with inverse matrix A = G^-1 is hit at pixel (dx, dy) off its center where
    A33 z^2 + 2 (A13 dx + A23 dy) z + A11 dx^2 + 2 A12 dx dy + A22 dy^2 = 1; the larger root is in front.
    """
    H, W = shape
    A = np.linalg.inv(blobs.G + 1e-3 * np.eye(3))
    cx, cy, cz = blobs.center.T
    a13, a23, a33 = A[:, 0, 2] / A[:, 2, 2], A[:, 1, 2] / A[:, 2, 2], 1 / A[:, 2, 2]
    qx, qy = A[:, 0, 0] * a33 - a13**2, A[:, 1, 1] * a33 - a23**2
    qxy = (A[:, 0, 1] * a33 - a13 * a23) / qx
    # All rows of pixels that an ellipsoid reaches; each is hit between middle - half and middle + half.
    reach = np.sqrt(blobs.G[:, 1, 1]) + 0.5
    low, high = np.ceil(cy - reach).clip(0, H).astype(int), np.floor(cy + reach + 1).clip(0, H).astype(int)
    count = (high - low).clip(0)
    blob = np.repeat(np.arange(len(count)), count)                               # (R,)
    row = np.arange(len(blob)) - np.repeat(np.cumsum(count) - count - low, count)
    dy = row - cy[blob]
    half2 = (a33 / qx)[blob] - dy * dy * (qy / qx - qxy**2)[blob]
    middle = cx[blob] - qxy[blob] * dy
    half = np.sqrt(half2.clip(0))
    first = np.ceil(middle - half).clip(0, W).astype(int)
    count = (np.floor(middle + half + 1).clip(0, W).astype(int) - first).clip(0) * (half2 > 0)
    # All pixels of these rows, and the height of the front surface there.
    per_row = np.stack((middle, half2, qx[blob], cz[blob] - a23[blob] * dy - a13[blob] * (middle - cx[blob]),
                        a13[blob])).astype(np.float32)
    middle_, half2_, qx_, z_, a13_ = (np.repeat(values, count) for values in per_row)
    x = np.arange(len(z_), dtype=np.int32) - np.repeat((np.cumsum(count) - count - first).astype(np.int32), count)
    dx = x.astype(np.float32) - middle_
    z = z_ - a13_ * dx + np.sqrt(qx_ * (half2_ - dx * dx).clip(0))
    pixel = x + np.repeat((row * W).astype(np.int32), count)
    height, owner = np.full(H * W, -1e6, np.float32), np.full(H * W, -1, np.int16)
    np.maximum.at(height, pixel, z)
    front = np.flatnonzero(z == height[pixel])
    owner[pixel[front]] = np.repeat(blob.astype(np.int16), count)[front]
    return height.reshape(shape), owner.reshape(shape)
