"""Animals: some two hundred ellipsoids hung on a skeleton in a random pose."""
import numpy as np

from minidl.datasets.rendering.heads import cat_head, dog_head
from minidl.datasets.rendering.parts import CAT, COATS, COLLAR, LEG, TAIL, TORSO
from minidl.datasets.rendering.solids import Solid, Vector
from minidl.datasets.rendering.textures import Rng
from minidl.types import Array


def animal(rng: Rng, species: int, breed: int, pose: str, yaw: float, head_turn: Array
           ) -> tuple[Solid, Array, float]:
    """Build an animal on the ground y = 0, about one unit long from shoulder to hip.

    `pose` is "stand", "sit" or "lie", `yaw` the body's direction (degrees), `head_turn` that of the head, a
    :func:`rotation`. Returns the solid, the center of its head in the world (3,), and the radius of the skull.
    """
    cat = species == CAT
    solid = Solid()
    solid.place(np.zeros(3), rotation(yaw))
    girth = rng.uniform(0.85, 1.15) * (1.12 if COATS[breed - 1] == "plain" else 1.0)
    skull = rng.uniform(0.25, 0.3) * (1.0 if cat else 0.98)
    legs = rng.uniform(0.5, 0.62) if cat else rng.uniform(0.6, 0.82)
    bone = rng.uniform(0.85, 1.1) * (0.95 if cat else 1.05)
    neck = rng.uniform(0.26, 0.34) if cat else rng.uniform(0.34, 0.46)
    base, shoulder = {"stand": _standing, "sit": _sitting, "lie": _lying}[pose](solid, rng, girth, legs, bone)
    lift = np.radians(rng.uniform(35, 70) if pose != "stand" else rng.uniform(15, 60))
    lean = 0.06 * rng.normal()
    head = np.add(shoulder, (neck * np.cos(lift), neck * np.sin(lift) + 0.12, lean))
    middle = 0.5 * np.add(shoulder, head) + (0.03, -0.02, 0)
    solid.chain([shoulder, middle, head], [0.21 * girth, 0.17 * girth, skull * 0.78], TORSO)
    if rng.random() < 0.3:
        axis = (head - shoulder) / np.linalg.norm(head - shoulder)
        across = np.cross(axis, (0, 0, 1))
        r = 0.45 * (0.17 * girth + skull * 0.78) + 0.045
        solid.ball(0.5 * np.asarray(middle) + 0.5 * head - 0.06 * axis, (0.045, r, r), COLLAR,
                   np.column_stack((axis, across, np.cross(axis, across))))
    _tail(solid, rng, base, cat, pose, bushy=COATS[breed - 1] in ("plain", "bicolor"))
    center = solid.point(head)
    solid.place(center, head_turn, skull)
    (cat_head if cat else dog_head)(solid, rng, breed)
    return solid, center, skull


def rotation(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """Return the rotation whose columns are forward, up, aside of a body turned away from the viewer by yaw.

    The world has x to the right, y up, z towards the viewer; angles in degrees, pitch > 0 lifts the nose.
    """
    a, b, c = np.radians((yaw, pitch, roll))
    forward = np.array((np.sin(a) * np.cos(b), np.sin(b), np.cos(a) * np.cos(b)))
    aside = np.array((np.cos(a), 0.0, -np.sin(a)))
    up = np.cross(forward, aside)
    up, aside = np.cos(c) * up + np.sin(c) * aside, np.cos(c) * aside - np.sin(c) * up
    return np.column_stack((forward, up, aside))


def _standing(solid: Solid, rng: Rng, girth: float, legs: float, bone: float) -> tuple[Vector, Vector]:
    """Add torso and legs; return where tail and neck begin. So do the other poses."""
    h = legs + 0.12
    tuck = rng.uniform(0.0, 0.05)
    solid.chain([(0.5, h + 0.03, 0), (0.2, h - 0.03, 0), (-0.2, h + tuck, 0), (-0.5, h + 0.02, 0)],
                np.array((0.24, 0.265, 0.23, 0.22)) * girth, TORSO)
    stride = rng.uniform(-0.2, 0.2)
    for side in (-1, 1):
        x, z = 0.46, 0.13 * girth * side
        foot = x + 0.02 + stride * side
        solid.chain([(x, h - 0.04, z), (x - 0.05 + 0.4 * stride * side, 0.55 * h, z * 1.05),
                     (foot - 0.01, 0.2 * h, z), (foot, 0.06, z)],
                    np.array((0.15, 0.1, 0.068, 0.066)) * bone, LEG)
        solid.ball((foot + 0.05, 0.055, z), np.array((0.1, 0.06, 0.075)) * bone, LEG)
        x, foot = -0.48, -0.5 - stride * side
        solid.chain([(x, h - 0.02, z), (x + 0.1 - 0.3 * stride * side, 0.56 * h, z * 1.15),
                     (foot - 0.1, 0.3 * h, z * 1.1), (foot, 0.06, z * 1.1)],
                    np.array((0.2, 0.13, 0.068, 0.064)) * bone, LEG)
        solid.ball((foot + 0.05, 0.055, z * 1.1), np.array((0.1, 0.06, 0.075)) * bone, LEG)
    return (-0.66, h + 0.08, 0), (0.52, h + 0.04, 0)


def _sitting(solid: Solid, rng: Rng, girth: float, legs: float, bone: float) -> tuple[Vector, Vector]:
    h = legs + rng.uniform(0.02, 0.12)
    solid.chain([(0.2, h, 0), (0.08, 0.72 * h, 0), (-0.12, 0.42 * h + 0.03, 0), (-0.26, 0.25, 0)],
                np.array((0.2, 0.245, 0.27, 0.26)) * girth, TORSO)
    for side in (-1, 1):
        z = 0.115 * girth * side
        spread = rng.uniform(0.9, 1.2)
        solid.chain([(0.22, h - 0.06, z), (0.22, 0.5 * h, z), (0.3, 0.2 * h, z * spread), (0.3, 0.06, z * spread)],
                    np.array((0.14, 0.1, 0.07, 0.068)) * bone, LEG)
        solid.ball((0.36, 0.055, z * spread), np.array((0.1, 0.06, 0.08)) * bone, LEG)
        z = 0.2 * girth * side
        solid.chain([(-0.26, 0.22, z), (-0.1, 0.27, z * 1.1), (0.04, 0.2, z * 1.15)],
                    np.array((0.21, 0.2, 0.12)) * bone, LEG)
        solid.chain([(-0.1, 0.07, z * 1.25), (0.2, 0.06, z * 1.3)], np.array((0.085, 0.075)) * bone, LEG)
    return (-0.46, 0.12, 0), (0.22, h + 0.02, 0)


def _lying(solid: Solid, rng: Rng, girth: float, legs: float, bone: float) -> tuple[Vector, Vector]:
    h = 0.25 * girth
    solid.chain([(0.42, h + 0.08, 0), (0.1, h, 0), (-0.2, h + 0.02, 0), (-0.48, h - 0.02, 0)],
                np.array((0.23, 0.26, 0.27, 0.23)) * girth, TORSO)
    reach = rng.uniform(0.62, 0.95)
    for side in (-1, 1):
        z = 0.16 * girth * side
        solid.chain([(0.42, h, z), (0.36, 0.1, z * 1.25), (0.6, 0.07, z * 1.1), (reach + 0.06 * side, 0.06, z)],
                    np.array((0.15, 0.1, 0.075, 0.07)) * bone, LEG)
        solid.ball((reach + 0.06 + 0.06 * side, 0.055, z), np.array((0.1, 0.06, 0.08)) * bone, LEG)
        z = 0.2 * girth * side
        solid.chain([(-0.46, 0.2, z), (-0.3, 0.25, z * 1.15), (-0.14, 0.14, z * 1.3)],
                    np.array((0.2, 0.2, 0.1)) * bone, LEG)
        solid.chain([(-0.3, 0.07, z * 1.4), (0.0, 0.06, z * 1.5)], np.array((0.085, 0.075)) * bone, LEG)
    return (-0.66, 0.16, 0), (0.46, h + 0.16, 0)


def _tail(solid: Solid, rng: Rng, base: Vector, cat: bool, pose: str, bushy: bool) -> None:
    x, y, z = base
    side = rng.choice((-1, 1))
    if cat and pose == "stand":
        curl = rng.uniform(-0.25, 0.3)
        rise = rng.choice((-0.25, 0.35, 0.75)) * rng.uniform(0.8, 1.1)
        points = [(x + 0.1, y - 0.02, z), (x - 0.18, y + 0.2 * rise, z), (x - 0.34, y + 0.65 * rise, 0.1 * side),
                  (x - 0.36 - curl, y + rise, 0.15 * side)]
    elif cat:
        r = rng.uniform(0.35, 0.5)
        points = [(x + 0.1, y, z), (x - 0.15, 0.08, r * 0.5 * side), (x + 0.05, 0.06, r * side),
                  (x + rng.uniform(0.3, 0.6), 0.06, r * side * 1.05)]
        if rng.random() < 0.4:
            points[2:] = [(x - 0.4, 0.07, 0.25 * side), (x - 0.62, rng.uniform(0.07, 0.3), 0.15 * side)]
    else:
        length = rng.uniform(0.3, 0.6)
        up = rng.uniform(0.3, 1.1) if pose == "stand" else rng.uniform(0.0, 0.9)
        points = [(x + 0.1, y, z), (x - 0.35 * length, y + 0.5 * length * up, 0.05 * side),
                  (x - 0.5 * length, y + length * up, 0.12 * side)]
    thin, thick = (0.04, 0.056) if cat else (0.035, 0.065)
    if bushy:
        thin, thick = 1.5 * thin, 1.9 * thick
    radii = [thick, thick, thick, thin] if bushy or cat else [thick * 1.15, thick, thin]
    solid.chain(points, (radii * 2)[:len(points)] if len(points) == 4 else [radii[0], thick, thin], TAIL)
