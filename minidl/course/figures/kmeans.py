"""Clouds of points, and on them the ways that the centers of K-means go."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.plotting.canvas import INK, QUIET, SMALL, TEXT, describe, subplots

from matplotlib.figure import Figure


def walks_figure(panels: Mapping[str, tuple[Any, Any, Any]], title: str | None = None, xlabel: str = "",
                 ylabel: str = "", size: float = 5) -> Figure:
    """Draw clouds of points side by side, each with the ways of its centers.

    Parameters
    ----------
    panels : {name: (points, colors, walks)}
        Points (n, 2); colors (n, 3) in [0, 1], or one for all; walks (steps, k, 2), where each of k centers was after
        each step, or None. A center's first position is a white dot, its last one a large dark dot.
    title : str, optional
        Headline.
    xlabel, ylabel : str
    size : float
        Of a point, as in matplotlib's `scatter`.
    """
    if not panels:
        raise ValueError("walks_figure: expected at least one panel, got none")
    figure, axes = subplots(60 + 360 * len(panels), 420, len(panels), title)
    said = []
    for one, (head, (points, colors, walks)) in zip(axes, panels.items()):
        points = np.asarray(points)
        one.set_title(head, loc="left", fontsize=TEXT, color=INK)
        one.scatter(points[:, 0], points[:, 1], size, colors, linewidths=0)
        for walk in () if walks is None else np.swapaxes(np.asarray(walks), 0, 1):         # (steps, 2), one per center
            one.plot(*walk.T, color=INK, linewidth=1.3)
            one.plot(*walk[0], "o", color="white", markeredgecolor=INK, markersize=5)
            one.plot(*walk[-1], "o", color=INK, markeredgecolor="white", markersize=10)
        one.set_xlabel(xlabel, fontsize=SMALL, color=QUIET)
        one.set_ylabel(ylabel, fontsize=SMALL, color=QUIET)
        one.set_aspect("equal")
        said.append(f"{head}: {len(points)} points" + ("" if walks is None else "; centers end at " + ", ".join(
            f"({x:.2f}, {y:.2f})" for x, y in np.asarray(walks)[-1])))
    describe(figure, title, *said)
    return figure
