"""The pets on one sheet: each image with its species, its boxes and its trimap."""
from collections.abc import Sequence

import numpy as np

from minidl.datasets.pets import CLASSES, Pets
from minidl.plotting.canvas import INK, describe
from minidl.plotting.pictures import CLASS_COLORS, GAP, ImageGrid
from minidl.types import Array

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

PET_BOX, HEAD_BOX = "#FFFFFF", "#5CE1FF"


def pets_sheet(pets: Pets, species_names: Sequence[str], title: str | None = None, cell: int = 128) -> Figure:
    """Show pets side by side, each under its species: the image with the boxes of the pet and its head, the trimap.

    Parameters
    ----------
    pets : Pets
        Few enough for one row. A box that is not known is not drawn, and neither is a species.
    species_names : strings
        By the numbers in `pets.species`.
    title : str, optional
        Headline.
    cell : int
        Wanted width of an image, as in `ImageGrid`.
    """
    n, size = len(pets), pets.images.shape[-1]
    heads = [species_names[kind] if kind >= 0 else "species unknown" for kind in pets.species]
    entries = {"box of the pet": PET_BOX, "box of its head": HEAD_BOX, **dict(zip(CLASSES, CLASS_COLORS))}
    grid = ImageGrid(2 * n, [GAP] * n, (size, size), cell, title, heads, entries=entries, names=("image", "trimap"))
    for k in range(n):
        axes = grid.show(k, pets.images[k], extent=(0, size, size, 0))
        for box, color in ((pets.boxes[k], PET_BOX), (pets.head_boxes[k], HEAD_BOX)):
            outline(axes, box, color)
        axes.set(xlim=(0, size), ylim=(size, 0))
        grid.show(n + k, pets.trimaps[k])
    describe(grid.figure, title, f"{n} images with the boxes of the pet and of its head: {', '.join(heads)}",
             "Below each its trimap: " + ", ".join(CLASSES))
    return grid.figure


def outline(axes: Axes, box: Array, color: str) -> None:
    """Draw a box x0, y0, x1, y1 with a dark halo; one of NaNs is not drawn."""
    if np.isfinite(box).all():
        x0, y0, x1, y1 = (float(edge) for edge in box)
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=color, linewidth=1.4,
                                 path_effects=[withStroke(linewidth=2.8, foreground=INK)]))
