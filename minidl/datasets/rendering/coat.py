"""The coat of an animal: base color, markings, and the colors of eyes and nose."""
import numpy as np

from minidl.datasets.rendering import textures as tx
from minidl.datasets.rendering.parts import (
    CAT, COATS, COLLAR, EAR, EAR_INSIDE, GLINT, HEAD, IRIS, LEG, MOUTH, MUZZLE, NOSE, PUPIL, RIM, TAIL, TONGUE, TORSO,
)
from minidl.datasets.rendering.shading import Pixels
from minidl.datasets.rendering.textures import rgb
from minidl.types import Array

FIXED_COLORS = {RIM: (0.08, 0.06, 0.05), PUPIL: (0.02, 0.02, 0.02), GLINT: (1.6, 1.6, 1.6),
                MOUTH: (0.14, 0.08, 0.07), TONGUE: (0.85, 0.45, 0.45)}


class Coat:
    """Colors of one animal: call it with the visible pixels of its solid."""

    def __init__(self, rng: tx.Rng, species: int, breed: int) -> None:
        self.pattern = COATS[breed - 1]
        self.base, self.mark = tx.fur_color(rng), tx.fur_color(rng)
        while np.abs(self.base - self.mark).sum() < 0.5:
            self.mark = tx.fur_color(rng)
        if self.pattern == "stripes" and self.mark.sum() > self.base.sum():
            self.base, self.mark = self.mark, self.base
        self.white = rgb(0.92, 0.9, 0.86) * rng.uniform(0.85, 1.05)
        self.pale = rng.uniform(0, 0.5)                            # how light the belly is
        self.rough = rng.uniform(0.1, 0.2) * (1.4 if self.pattern == "plain" else 1)
        self.stripe, self.coverage = rng.uniform(9, 15), rng.uniform(-0.2, 0.5)
        self.map = tx.noise(rng, (256, 256), (18, 18))             # where spots and patches are
        iris = ((0.75, 0.65, 0.2), (0.45, 0.65, 0.3), (0.45, 0.65, 0.85), (0.8, 0.5, 0.15))
        self.iris = rgb(*(iris[rng.integers(4)] if species == CAT else (0.28, 0.15, 0.06)))
        nose = ((0.75, 0.45, 0.42), (0.12, 0.1, 0.1)) if species == CAT else ((0.08, 0.07, 0.07),) * 2
        self.nose = np.array(nose[rng.integers(2)])
        self.collar = np.clip(rng.normal(0.45, 0.3, 3), 0.05, 0.95)

    def _noise(self, px: Pixels, scale: float) -> Array:
        """Look up self.map in the animal's own coordinates."""
        row = (px.along * scale * 12 + px.part * 37).astype(np.int32)
        column = ((px.up * 0.8 + px.aside * 0.6) * scale * 12 + px.part * 59).astype(np.int32)
        return self.map[row & 255, column & 255]

    def __call__(self, px: Pixels) -> Array:
        """Return the colors of the visible pixels, (3, P)."""
        part, fur = px.part, np.clip(px.fur, -2.5, 2.5)
        below = (np.where(part == TORSO, tx.ramp(-px.up, 0.02, 0.2), 0)
                 + np.where(part == LEG, 0.4 * tx.ramp(px.end, 0.5, 1), 0))
        mark, white = self._markings(px, fur, below)
        color = tx.mix(self.base, self.white, self.pale * np.clip(below + 0.8 * (part == MUZZLE), 0, 1))
        color = tx.mix(color, self.mark, np.clip(mark, 0, 1) * 0.92)
        color = tx.mix(color, self.white, np.clip(white, 0, 1))
        color = color * (1 + self.rough * fur) + 0.02 * fur
        for material, fixed in (*FIXED_COLORS.items(), (IRIS, self.iris), (NOSE, self.nose),
                                (COLLAR, self.collar), (EAR_INSIDE, 0.5 * self.base + rgb(0.28, 0.17, 0.16))):
            color[:, part == material] = np.asarray(fixed, np.float32)[:, None]
        return np.clip(color, 0.012, 1.7).astype(np.float32)

    def _markings(self, px: Pixels, fur: Array, below: Array) -> tuple[Array, Array]:
        """Return how much of the second color and how much white there is at each pixel, (P,) each."""
        part, along, up, aside = px.part, px.along, px.up, px.aside
        on_head = (part >= HEAD) & (part <= EAR)
        torso, leg, tail, face = part == TORSO, part == LEG, part == TAIL, part == MUZZLE
        mark, white = np.zeros(len(part), np.float32), np.zeros(len(part), np.float32)
        wobble = self._noise(px, 1.0) * 0.5 + 0.15 * fur
        if self.pattern == "stripes":
            rings = np.sin(along * self.stripe * 2.2 + wobble * 1.6)
            brow = np.where(up > 0.25, np.sin(aside * 16 + wobble), np.sin(up * 12 + wobble) * (abs(aside) > 0.5))
            mark = tx.ramp(np.where(on_head, brow, rings), 0.0, 0.7) * (1 - 0.7 * below) * ~face
        elif self.pattern == "points":
            mask = tx.ramp(np.hypot(up + 0.2, aside) + 0.15 * fur * 0.3, 0.95, 0.45)
            mark = np.where(on_head, np.where(part == EAR, 0.9, mask), 0)
            mark = mark + np.where(leg, tx.ramp(px.end, 0.45, 0.85), 0) + 0.95 * tail
        elif self.pattern == "patches":
            field = self._noise(px, 0.5) + 0.12 * fur
            mark = tx.ramp(field, self.coverage - 0.1, self.coverage + 0.15)
            white = tx.ramp(-self._noise(px, 0.43), 0.15, 0.4) * (1 - mark) + 0.8 * face
            white = white + np.where(leg, tx.ramp(px.end, 0.5, 0.7), 0)
        elif self.pattern == "spots":
            field = self._noise(px, 1.5) + 0.15 * fur
            mark = tx.ramp(field, 0.5, 0.8) * (1 - 0.5 * below) * ~face
        elif self.pattern == "bicolor":
            blaze = tx.ramp(np.abs(aside) + 0.04 * fur, 0.3, 0.16) * (along > 0.2)
            white = np.where(on_head, np.where(part == EAR, 0, blaze + face), 0)
            white = white + np.where(leg, tx.ramp(px.end + 0.03 * fur, 0.45, 0.6), 0)
            white = white + np.where(torso, tx.ramp(-up + 0.02 * fur, 0.1, 0.16), 0)
            white = white + np.where(tail, tx.ramp(px.end, 0.75, 0.85), 0)
        return mark, white
