"""Bodies made of overlapping ellipsoids: balls, and limbs along smooth curves.

Space has x to the right and z towards the viewer. In the world y points up; on the canvas, where lengths are
measured in pixels, y points down.
"""
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minidl.types import Array

Vector = Sequence[float] | Array


class Blobs(NamedTuple):
    """n ellipsoids. Their points p satisfy (p - center) G^-1 (p - center) <= 1."""

    center: Array    # (n, 3)
    G: Array         # (n, 3, 3); for a ball of radius r: r^2 times the identity
    origin: Array    # (n, 3) zero point and (n, 3, 3) rows along, up, aside of the pattern's coordinates
    frame: Array
    unit: Array      # (n,) length of one pattern unit
    start: Array     # (n,) pattern coordinate `along` at the origin
    part: Array      # (n,) what it is a piece of
    end: Array       # (n,) 0 at the beginning of a limb, 1 at its end

    def moved(self, M: Array, offset: Array) -> "Blobs":
        """Return the blobs under p -> M p + offset, M a similarity (3, 3) (or a projection, for shadows)."""
        scale = np.sqrt((M ** 2).sum() / 3)
        return self._replace(center=self.center @ M.T + offset, origin=self.origin @ M.T + offset,
                             G=M @ self.G @ M.T, frame=self.frame @ M.T / scale, unit=self.unit * scale)


class Solid:
    """Collects ellipsoids; positions are given in the current frame, set with :meth:`place`.

    >>> solid = Solid()
    >>> solid.ball((0, 0, 0), 1.0, part=0)
    >>> solid.chain([(0, 0, 0), (4, 0, 0)], [1.0, 0.5], part=1)
    >>> solid.blobs().center.shape
    (14, 3)
    """

    def __init__(self) -> None:
        self._balls: list[tuple[Any, ...]] = []
        self._chains: list[tuple[Any, ...]] = []
        self.place(np.zeros(3), np.eye(3))

    def place(self, origin: Array, basis: Array, unit: float = 1.0) -> None:
        """Set the frame: its origin (3,), its axes as the columns of `basis` (3, 3), its unit of length."""
        self.origin, self.basis, self.unit = origin, basis, unit

    def point(self, p: Vector) -> Array:
        """Return where a point (3,) of the current frame lies in the world."""
        return self.origin + self.basis @ (np.asarray(p) * self.unit)

    def ball(self, center: Vector, radii: float | Vector, part: int,
             turn: Array | None = None) -> None:
        """Add an ellipsoid with `radii` along the frame's axes (turned by `turn` first).

        Its pattern coordinates are those of the frame.
        """
        axes = self.basis if turn is None else self.basis @ turn
        G = (axes * (np.ones(3) * radii * self.unit) ** 2) @ axes.T
        self._balls.append((self.point(center), G, self.origin, self.basis.T, self.unit, 0.0, part, 0.0))

    def chain(self, points: Sequence[Vector] | Array, radii: Vector, part: int,
              up: Vector = (0, 1, 0), flat: float = 1.0, own_frame: bool = True) -> None:
        """Add a limb along a smooth curve through `points`, with a radius at each.

        With flat < 1 the limb is that much thinner in the direction `up`. Its pattern coordinate `along` is
        the arc length, unless own_frame is False: then the coordinates are those of the current frame.
        """
        p = self.origin + np.asarray(points) @ self.basis.T * self.unit
        knots = np.column_stack((p, np.asarray(radii) * self.unit))              # (k, 4): position and radius
        knots = np.concatenate((2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]))
        self._chains.append((knots, self.basis @ up, flat, own_frame, self.origin, self.basis.T, self.unit, part))

    def blobs(self) -> Blobs:
        """Return all ellipsoids added so far."""
        groups = []
        if self._balls:
            groups.append(Blobs(*map(np.array, zip(*self._balls))))
        if self._chains:
            groups.append(self._links())
        return Blobs(*map(np.concatenate, zip(*groups)))

    def _links(self) -> Blobs:
        """Return the ellipsoids of all chains, computed at once: there are many short ones."""
        knots, up, flat, own, origin, frame, unit, part = zip(*self._chains)
        p, r, chain = _smooth_curves(knots)                                      # (n, 3), (n,), (n,)
        n = len(p)
        first = np.searchsorted(chain, np.arange(len(knots)))
        last = np.append(first[1:], n) - 1
        before = np.arange(n)
        before[last] -= 1
        step = (p[1:] - p[:-1])[before]
        length = np.sqrt((step * step).sum(1)) + 1e-12                           # (n,)
        forward = step / length[:, None]
        normal = np.array(up)[chain]
        normal -= (forward * normal).sum(1, keepdims=True) * forward
        normal /= np.sqrt((normal * normal).sum(1, keepdims=True)) + 1e-12
        end = (np.arange(n) - first[chain]) / (last - first)[chain]
        # Links are stretched along the limb, except at its ends: a row of balls would look like a caterpillar.
        stretch = ((1 + 0.9 * np.sin(np.pi * end)) ** 2 - 1)[:, None, None] * forward[:, :, None] * forward[:, None, :]
        thin = (1 - np.array(flat)[chain, None, None] ** 2) * normal[:, :, None] * normal[:, None, :]
        G = (r * r)[:, None, None] * (np.eye(3) + stretch - thin)
        aside = forward[:, [1, 2, 0]] * normal[:, [2, 0, 1]] - forward[:, [2, 0, 1]] * normal[:, [1, 2, 0]]
        along = np.cumsum(length) - length
        along -= along[first][chain]
        own_frame = np.array(own)[chain]
        return Blobs(p, G, np.where(own_frame[:, None], p, np.array(origin)[chain]),
                     np.where(own_frame[:, None, None], np.stack((forward, normal, aside), 1), np.array(frame)[chain]),
                     np.where(own_frame, 1.0, np.array(unit)[chain]), along * own_frame, np.array(part)[chain], end)


def _smooth_curves(chains: Sequence[Array]) -> tuple[Array, Array, Array]:
    """Sample Catmull-Rom curves about half a radius apart.

    Each of `chains` holds knots (k + 2, 4), place and radius, of which the outermost only give the directions of
    the ends. Returns places (n, 3), radii (n,), and which chain each belongs to (n,).
    """
    knots = np.concatenate(chains)
    sizes = np.array([len(chain) - 2 for chain in chains])
    which = np.repeat(np.arange(len(chains)), sizes)                             # (s,) curve of each segment
    left = np.arange(len(which)) + 2 * which                                     # segment: left+1 to left+2
    length = np.sqrt(((knots[left + 2] - knots[left + 1])[:, :3] ** 2).sum(1))
    radius = np.minimum(knots[left + 2, 3], knots[left + 1, 3])
    count = (length / (0.42 * radius + 1e-9)).clip(2, 12).astype(int)
    count[np.cumsum(sizes) - 1] = 1                                              # the last knot itself
    segment = np.repeat(np.arange(len(which)), count)                            # (n,)
    t = ((np.arange(len(segment)) - (np.cumsum(count) - count)[segment]) / count[segment])[:, None]
    a, b, c, d = (knots[np.minimum(left[segment] + k, len(knots) - 1)] for k in range(4))
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return curve[:, :3], np.maximum(curve[:, 3], 1e-3), which[segment]
