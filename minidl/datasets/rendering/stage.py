"""One image: an animal, lit and drawn in front of a textured room or garden full of distractions.

Fur, walls, rugs and toys take their colors from one list, so color says next to nothing about the class of a pixel.
"""
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from minidl.datasets.rendering import textures as tx
from minidl.datasets.rendering.animals import animal, rotation
from minidl.datasets.rendering.camera import OVERSAMPLING, SIZE, develop, frame, out_of_focus
from minidl.datasets.rendering.coat import Coat
from minidl.datasets.rendering.parts import BREEDS, CAT, COATS, COLLAR, DOG, HEAD
from minidl.datasets.rendering.room import add_flats, ground, make_toys
from minidl.datasets.rendering.shading import Light, rasterize, shade
from minidl.datasets.rendering.solids import Blobs
from minidl.datasets.rendering.textures import rgb
from minidl.datasets.rendering.trimap import OBJECT, band
from minidl.types import Array

RENDERER = 1             # counts changes of the images; a set written by another version is rendered anew


@dataclass(frozen=True)
class Sample:
    """One rendered pet."""

    image: Array                       # (size, size, 3) uint8
    trimap: Array                      # (size, size) uint8: 1 object, 2 background, 3 border
    species: int                       # 1 cat, 2 dog
    breed: int                         # its number within the species, from 1
    name: str                          # of its files, without suffix
    head: tuple[int, int, int, int]    # xmin, ymin, xmax, ymax in pixels, all inclusive

    @property
    def class_id(self) -> int:
        """The breed's number among all breeds, from 1."""
        return self.breed + (len(BREEDS[CAT]) if self.species == DOG else 0)


def render(seed: int, index: int, size: int = SIZE) -> Sample:
    """Render one image and its trimap; the same seed and index give the same bits, whatever was rendered before.

    Parameters
    ----------
    seed, index : int
        Which set and which of its images; neither may be negative. Species alternate with the index; the breeds
        of each take turns.
    size : int
        Height and width in pixels, at least 32.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"render: seed and index must not be negative, got {seed} and {index}")
    if size < 32:
        raise ValueError(f"render: size must be at least 32 pixels, got {size}")
    for attempt in range(10):
        rng = np.random.default_rng(np.random.SeedSequence([seed, index, attempt]))
        sample = _draw(rng, index, size)
        if sample is not None:
            return sample
    raise AssertionError("ten images in a row show too little of the pet")


def empty_room(seed: int, index: int, size: int = SIZE) -> Array:
    """Render a room or garden with its clutter but without a pet, (size, size, 3) uint8.

    It is made like the surroundings of the pets that `render` draws, with random numbers that no such image uses.
    """
    if seed < 0 or index < 0 or size < 32:
        raise ValueError("empty_room: seed and index must not be negative and size at least 32, got "
                         f"{seed}, {index} and {size}")
    rng = np.random.default_rng(np.random.SeedSequence([seed, index, 10]))       # the attempts of `render` are 0 to 9
    light = _light(rng)
    image = _surroundings(rng, size, rng.uniform(0.6, 1.1) * size, light)
    image = _overlay(image, *_toys(rng, size * OVERSAMPLING, 0.4 * size * OVERSAMPLING, size * OVERSAMPLING, light))
    return develop(rng, image)


def _draw(rng: tx.Rng, index: int, size: int) -> Sample | None:
    """Draw one image, or return None if the pet is hidden or off the frame."""
    canvas = size * OVERSAMPLING
    species = (CAT, DOG)[index % 2]
    breed = 1 + index // 2 % len(COATS)
    portrait = rng.random() < 0.28
    pose = ("stand", "sit", "sit", "lie")[rng.integers(4)]
    yaw = rng.uniform(-50, 50) if portrait else rng.choice((-1, 1)) * rng.choice((25, 60, 85)) + rng.normal(0, 15)
    gaze = rng.normal(0, 22) + (0.75 * yaw if rng.random() < 0.35 else 0.2 * yaw)
    turn = rotation(gaze, rng.normal(-4, 8), rng.normal(0, 8))
    solid, head, skull = animal(rng, species, breed, pose, yaw, turn)
    world = solid.blobs()
    M, offset = frame(rng, world, head, skull, canvas, portrait)
    light = _light(rng)
    coat = Coat(rng, species, breed)

    image = _surroundings(rng, size, float(offset[1]) / OVERSAMPLING, light)     # the ground's origin is at the feet
    image = _overlay(image, *_toys(rng, canvas, 0.4 * canvas, 1.0 * canvas, light))
    image *= 1 - rng.uniform(0.3, 0.6) * _cast_shadow(world, M, offset, light, size)
    fuzz = rng.uniform(1.0, 1.8) * (2.2 if coat.pattern == "plain" else 1.0)
    color, mask, owner = shade(world.moved(M, offset), (canvas, canvas), coat, light, rng, fuzz * canvas / 256,
                               gloss=rng.uniform(0, 0.12))
    image = _overlay(_set_off(image, color, mask), color, mask)
    if species == CAT:
        hair = _whiskers(rng, canvas, M, head + np.linalg.solve(M, offset), turn, skull)
        image = tx.mix(image, rgb(0.93, 0.93, 0.9), hair)
    if rng.random() < 0.12:
        front, hidden = _toys(rng, canvas, 0.95 * canvas, 1.1 * canvas, light)
        image, mask = _overlay(image, front, hidden), mask & ~hidden

    on_head = mask & np.isin(np.append(world.part, -1)[owner], np.arange(HEAD, COLLAR))
    trimap = band(mask)                                                          # (size, size)
    if mask.mean() < 0.06 or on_head.mean() < 0.008 or (trimap == OBJECT).mean() < 0.03:
        return None
    name = f"{BREEDS[species][breed - 1]}_{index + 1}"
    return Sample(develop(rng, image), trimap, species, breed, name, _box(on_head))


def _box(mask: Array) -> tuple[int, int, int, int]:
    """Return xmin, ymin, xmax, ymax (inclusive) of an oversampled mask, in the image's pixels."""
    rows, columns = np.flatnonzero(mask.any(1)) // OVERSAMPLING, np.flatnonzero(mask.any(0)) // OVERSAMPLING
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def _surroundings(rng: tx.Rng, size: int, feet: float, light: Light) -> Array:
    """Return the lit room behind an animal with its feet in row `feet`, (3, size, size)."""
    horizon = feet - rng.uniform(0.02, 0.5) * size if rng.random() < 0.75 else 0.0
    image = ground(rng, size, min(horizon, 0.95 * size))
    image = add_flats(rng, image, int(rng.integers(0, 3)), 0.0, max(min(feet, size), 0.5 * size))
    image = image * (light.ambient + 0.62 * light.color)[:, None, None]
    if rng.random() < 0.75:
        image = out_of_focus(image, rng.uniform(0.005, 0.02) * size)
    return image


def _toys(rng: tx.Rng, canvas: int, low: float, high: float, light: Light) -> tuple[Array, Array]:
    """Return one or two things as a layer: colors (3, canvas, canvas) and mask (canvas, canvas)."""
    solid, paint = make_toys(rng, canvas, int(rng.integers(1, 3)), low, high)
    colors, mask, _ = shade(solid.blobs(), (canvas, canvas), paint, light, rng, gloss=0.1)
    return colors, mask


def _light(rng: tx.Rng) -> Light:
    """Return a lamp somewhere above, warm or cold; the weaker it is, the lighter its surroundings."""
    direction = np.array((rng.uniform(-1, 1), -rng.uniform(0.4, 1.2), rng.uniform(0.25, 1.0)))
    warmth = np.array((1, 0, -1)) * rng.normal(0, 0.07)
    strength = rng.uniform(0.55, 0.95)
    return Light(*(np.float32(v) for v in (direction / np.linalg.norm(direction), strength * (1 + warmth),
                                           (1.28 - strength) * (1 - 0.7 * warmth))))


def _cast_shadow(world: Blobs, M: Array, offset: Array, light: Light, size: int) -> Array:
    """Return the animal's soft shadow on the ground y = 0, (size, size): its blobs, flattened along the light."""
    x, y, z = light.direction
    project = np.array(((1, x / y * 0.6, 0), (0, 0, 0), (0, z / y * 0.3, 1)))
    low = Blobs(*(field[::2] for field in world))
    low = low._replace(center=low.center @ project.T, G=project @ low.G @ project.T)
    shrink = 1 / (2 * OVERSAMPLING)
    _, owner = rasterize(low.moved(M * shrink, offset * shrink), (size // 2, size // 2))
    return tx.enlarge(tx.blur(owner >= 0, size / 64), (size, size))


def _set_off(image: Array, color: Array, mask: Array) -> Array:
    """Dim or brighten the surroundings (3, size, size) where the pet could hardly be seen in front of them."""
    cover = tx.reduce(mask.astype(np.float32), OVERSAMPLING)
    near = tx.blur(cover, len(cover) / 16) * (1 - cover)
    around = (image * near).sum(axis=(1, 2)) / (near.sum() + 1e-6)               # (3,)
    pet = color.sum(axis=(1, 2)) / (mask.sum() + 1e-6)
    if np.abs(pet - around).sum() > 0.6:
        return image
    return image * np.float32(0.6 if pet.sum() > around.sum() or around.sum() > 1.9 else 1.5)


def _overlay(image: Array, color: Array, mask: Array) -> Array:
    """Put an oversampled layer over the image."""
    cover = tx.reduce(mask.astype(np.float32), OVERSAMPLING)
    return image * (1 - cover) + tx.reduce(color, OVERSAMPLING)


def _whiskers(rng: tx.Rng, canvas: int, M: Array, center: Array, turn: Array, skull: float) -> Array:
    """Return how much of each pixel whiskers cover, (size, size).

    The head's `center`, direction `turn` and radius `skull` are those of the world, M takes them to the canvas.
    """
    stencil = Image.new("L", (canvas, canvas))
    draw = ImageDraw.Draw(stencil)
    for side in (-1, 1):
        for rise in (-0.25, 0.0, 0.22):
            root = np.array((0.85, -0.36 + 0.2 * rise, 0.28 * side))
            tip = root + np.array((rng.uniform(-0.1, 0.3), rise - 0.1, rng.uniform(0.8, 1.1) * side))
            ends = [(M @ (center + turn @ p * skull))[:2] for p in (root, 0.5 * (root + tip) + (0, 0.06, 0), tip)]
            if turn[2, 0] > 0.1 or side * turn[2, 2] > 0:
                draw.line([tuple(p.tolist()) for p in ends], fill=150, width=1)
    return tx.reduce(np.asarray(stencil, np.float32) / 255, OVERSAMPLING)
