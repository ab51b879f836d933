"""Small arrays of numbers, each number in the color of where it comes from."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.plotting.canvas import INK, TEXT, TITLE, describe, subplots

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

PALE = ("#F5C08E", "#A9CBE6", "#F4E48E", "#B5DCB0")     # of the maps; dark numbers can be read on all of them


def cells_figure(panels: Mapping[str, tuple[Any, Any]], title: str | None = None) -> Figure:
    """Draw arrays side by side as squares with their numbers, colored by a second array.

    Parameters
    ----------
    panels : {name: (numbers (H, W), sources (H, W))}
        A number's source is an integer from 0 to 3; a NaN among the numbers leaves its square empty.
    title : str, optional
        Headline.
    """
    arrays = {name: (np.asarray(numbers, np.float64), np.asarray(sources)) for name, (numbers, sources) in
              panels.items()}
    if not arrays or any(numbers.ndim != 2 or numbers.shape != sources.shape for numbers, sources in arrays.values()):
        raise ValueError("cells_figure: expected panels of two arrays (H, W), got " + (", ".join(
            f"{name!r} {numbers.shape} {sources.shape}" for name, (numbers, sources) in arrays.items()) or "none"))
    figure, axes = subplots(300 * len(arrays), 340, len(arrays), title)
    said = []
    for one, (name, (numbers, sources)) in zip(axes, arrays.items()):
        one.set_title(name, loc="left", fontsize=TEXT, color=INK)
        colors = np.ones((*numbers.shape, 3))
        for (i, j), value in np.ndenumerate(numbers):
            if not np.isnan(value):
                colors[i, j] = to_rgb(PALE[int(sources[i, j])])
                one.text(j, i, f"{value:g}", ha="center", va="center", fontsize=TITLE, color=INK)
        one.imshow(colors, interpolation="nearest")
        H, W = numbers.shape
        one.hlines(np.arange(H + 1) - 0.5, -0.5, W - 0.5, color="white", linewidth=2)
        one.vlines(np.arange(W + 1) - 0.5, -0.5, H - 0.5, color="white", linewidth=2)
        one.set_axis_off()
        said.append(f"{name}: rows " + ", ".join(" ".join("" if np.isnan(value) else f"{value:g}" for value in row)
                                                 for row in numbers))
    describe(figure, title, *said)
    return figure
