"""Heads of cats and dogs, in the head's own frame: x along the gaze, y up, z aside, the skull's radius as unit."""
import math

import numpy as np

from minidl.datasets.rendering.parts import EAR, EAR_INSIDE, GLINT, HEAD, IRIS, MOUTH, MUZZLE, NOSE, PUPIL, RIM, TONGUE
from minidl.datasets.rendering.solids import Solid, Vector
from minidl.datasets.rendering.textures import Rng


def cat_head(solid: Solid, rng: Rng, breed: int) -> None:
    """Add a cat's head; all breeds have the same."""
    wide, slit = rng.uniform(0.95, 1.1), rng.choice((0.2, 0.34, 0.6))
    solid.ball((0, 0, 0), (0.92, 0.84, wide), HEAD)
    for side in (-1, 1):
        solid.ball((0.25, -0.32, 0.42 * side * wide), (0.5, 0.42, 0.48), HEAD)
        solid.ball((0.8, -0.36, 0.17 * side), (0.24, 0.19, 0.22), MUZZLE)
        _eye(solid, (0.75, 0.1, 0.45 * side * wide), 0.19, slit)
        tip = (-0.12, rng.uniform(1.35, 1.6), 0.82 * side * wide)
        middle = (-0.05, 0.92, 0.66 * side * wide)
        solid.chain([(0.05, 0.42, 0.52 * side), middle, tip], [0.46, 0.3, 0.04], EAR, up=(1, 0, 0), flat=0.3,
                    own_frame=False)
        solid.chain([(0.16, 0.58, 0.55 * side), np.add(middle, (0.09, 0, 0)), np.add(tip, (0.0, -0.16, 0))],
                    [0.3, 0.2, 0.02], EAR_INSIDE, up=(1, 0, 0), flat=0.25, own_frame=False)
    solid.chain([(0.7, 0.22, 0), (0.88, -0.1, 0), (0.96, -0.26, 0)], [0.22, 0.15, 0.12], HEAD, own_frame=False)
    solid.ball((0.72, -0.56, 0), (0.2, 0.14, 0.2), MUZZLE)
    solid.ball((1.06, -0.22, 0), (0.06, 0.07, 0.12), NOSE)
    solid.chain([(1.08, -0.28, 0), (1.03, -0.4, 0)], [0.035, 0.035], MOUTH)
    for side in (-1, 1):
        solid.chain([(1.02, -0.42, 0), (0.98, -0.51, 0.13 * side), (0.9, -0.48, 0.3 * side)], [0.04] * 3, MOUTH)


def dog_head(solid: Solid, rng: Rng, breed: int) -> None:
    """Add a dog's head; breeds differ in how the ears hang."""
    long = rng.uniform(0.55, 1.0)
    solid.ball((0, 0.06, 0), (0.92, 0.84, 0.84), HEAD)
    solid.chain([(0.4, -0.2, 0), (0.55 + 0.4 * long, -0.28, 0), (0.62 + long, -0.3, 0)], [0.52, 0.4, 0.33], MUZZLE,
                own_frame=False)
    for side in (-1, 1):
        solid.ball((0.25, -0.25, 0.34 * side), (0.46, 0.46, 0.42), HEAD)
        solid.chain([(0.5, -0.42, 0.22 * side), (0.55 + long, -0.5, 0.17 * side)], [0.28, 0.2], MUZZLE,
                    own_frame=False)
        _eye(solid, (0.7, 0.2, 0.46 * side), 0.16, 0.62)
        solid.ball((0.66, 0.4, 0.36 * side), (0.22, 0.14, 0.2), HEAD)
    solid.chain([(0.45, -0.55, 0), (0.5 + 0.9 * long, -0.62, 0)], [0.26, 0.18], MUZZLE, own_frame=False)
    solid.ball((0.86 + long, -0.14, 0), (0.17, 0.15, 0.22), NOSE)
    solid.chain([(1.0 + long, -0.3, 0), (0.94 + long, -0.5, 0)], [0.045, 0.045], MOUTH)
    for side in (-1, 1):
        solid.chain([(0.92 + long, -0.52, 0.05 * side), (0.72 + long, -0.58, 0.28 * side), (0.55, -0.55, 0.48 * side)],
                    [0.05] * 3, MOUTH)
    if rng.random() < 0.3:
        solid.chain([(0.6 + long, -0.66, 0), (0.75 + long, -0.85, 0), (0.72 + long, -1.1, 0)], [0.18, 0.19, 0.15],
                    TONGUE, up=(1, 0, 0), flat=0.4)
    kind = ("hang", "fold", "hang", "long", "hang", "fold")[breed - 1]
    drop = rng.uniform(0.9, 1.15)
    for side in (-1, 1):
        if kind == "fold":
            points = [(-0.05, 0.62, 0.45 * side), (0.0, 0.86, 0.7 * side), (0.2, 0.66, 0.97 * side),
                      (0.34, 0.3, 1.0 * side)]
            radii, flat = [0.32, 0.36, 0.34, 0.14], 0.35
        else:
            length = drop * (1.0 if kind == "hang" else 1.45)
            points = [(-0.1, 0.62, 0.55 * side), (-0.06, 0.5, 0.86 * side), (0.02, 0.5 - 0.6 * length, 1.02 * side),
                      (0.1, 0.5 - 1.1 * length, 0.98 * side)]
            radii, flat = [0.24, 0.3, 0.4, 0.26], 0.32
        solid.chain(points, radii, EAR, up=(0.15, 0.3, side), flat=flat, own_frame=False)


def _eye(solid: Solid, center: Vector, size: float, slit: float) -> None:
    """Add one eye: dark lids, iris, pupil and the lamp's reflection, each a little further out."""
    a = 0.75 * math.atan2(center[2], center[0])
    c, s = math.cos(a), math.sin(a)
    turn = np.array(((c, 0, -s), (0, 1, 0), (s, 0, c)))            # columns: outwards, up, along the face
    out = size * turn[:, 0]
    solid.ball(center, np.array((0.62, 0.95, 1.2)) * size, RIM, turn)
    solid.ball(center + 0.16 * out, np.array((0.62, 0.78, 0.98)) * size, IRIS, turn)
    solid.ball(center + 0.34 * out, np.array((0.55, 0.7, slit)) * size, PUPIL, turn)
    solid.ball(center + 0.75 * out + (0, 0.32 * size, 0.12 * size), 0.22 * size, GLINT)
