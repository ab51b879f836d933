"""Tables of colors: what a function of a pixel's color says about each."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.plotting import image_rows
from minidl.plotting.canvas import describe

from matplotlib.figure import Figure


def color_tables(tables: Mapping[str, Any], title: str | None = None, limits: tuple[float, float] = (0.0, 1.0),
                 slices: int = 5, cell: int = 112) -> Figure:
    """Draw tables of one number per color as squares of red (to the right) and green (upward), each for one blue.

    The first row shows the colors themselves. NaN, of a color that a table does not know, stays white.

    Parameters
    ----------
    tables : {name: (steps^3,) floats}
        The value of the color (r, g, b), each in 0 .. steps - 1, is number (b * steps + g) * steps + r.
    title : str, optional
        Headline.
    limits : (low, high)
        Values of the first and the last color.
    slices : int
        How many values of blue are drawn.
    cell : int
        Wanted width of a square, as in `minidl.plotting.pictures.ImageGrid`.
    """
    arrays = {name: np.asarray(values, np.float64) for name, values in tables.items()}
    lengths = {values.size for values in arrays.values()}
    steps = round(max(lengths, default=0) ** (1 / 3))
    if lengths != {steps**3}:
        raise ValueError("color_tables: expected tables of steps^3 values, all of the same length, got "
                         + (", ".join(f"{name!r} {values.shape}" for name, values in arrays.items()) or "none"))
    middles = (np.arange(steps) + 0.5) / steps
    blues = np.unique(np.linspace(0, steps - 1, slices + 2).round().astype(int)[1:-1])     # none of the two ends
    green, red = np.meshgrid(middles, middles, indexing="ij")
    colors = np.stack([np.stack([red, green, np.full_like(red, middles[k])]) for k in blues])   # (slices, 3, H, W)
    planes = {name: values.reshape(steps, steps, steps)[blues, ::-1] for name, values in arrays.items()}
    figure = image_rows({"color": colors[:, :, ::-1], **planes}, [f"blue {middles[k]:.2f}" for k in blues], title, cell,
                        colors=dict.fromkeys(planes, "viridis"), limits=dict.fromkeys(planes, limits))
    means = (f"{name}: mean {np.nanmean(values):.3f}" for name, values in arrays.items() if np.isfinite(values).any())
    describe(figure, title, "For values of blue, squares in which red grows to the right and green upward", *means)
    return figure
