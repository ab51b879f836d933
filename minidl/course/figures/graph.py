"""The drawing of a small calculation: its operations, the values forward and the slopes backward."""
from collections.abc import Mapping, Sequence
from typing import Any

from minidl.plotting.canvas import INK, LINE_COLORS, QUIET, TEXT, describe, subplots

from matplotlib.figure import Figure

SIGNS = {"*": "·", "+": "+"}
SLOPE = LINE_COLORS[1]
BOX = {"boxstyle": "round,pad=0.7", "facecolor": "white", "edgecolor": INK, "linewidth": 0.8}
CENTERED: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": TEXT}
ROW = 0.5                # distance of two results one below the other, in the distance of two inputs


def graph_figure(graph: Sequence[tuple[str, str, str, str]], value: Mapping[str, float], slope: Mapping[str, float],
                 title: str | None = None) -> Figure:
    """Draw a list of operations as boxes and arrows: inputs at the left, each result right of what it is made of.

    Parameters
    ----------
    graph : [(operation, out, a, b), ...]
        "*" or "+" of a and b, in the order of calculation.
    value, slope : {name: number}
        Of all inputs and results: the value, and the derivative of the last result with respect to it. Each arrow
        carries the part of its input's slope that comes back along it.
    title : str, optional
        Headline.

    Raises
    ------
    ValueError
        If an operation is neither "*" nor "+".
    """
    unknown = sorted({operation for operation, *_ in graph} - set(SIGNS))
    if unknown:
        raise ValueError(f"graph_figure: expected the operations {', '.join(SIGNS)}, got {', '.join(unknown)}")
    results = {out: f"{out} = {a} {SIGNS[operation]} {b}" for operation, out, a, b in graph}
    inputs = [name for name in value if name not in results]
    places = {name: (0.0, -float(k)) for k, name in enumerate(inputs)}             # column, height
    for _, out, a, b in graph:
        column = 1 + max(places[a][0], places[b][0])
        places[out] = (column, (places[a][1] + places[b][1]) / 2 - ROW * sum(at == column for at, _ in places.values()))
    columns, rows = max(x for x, _ in places.values()), -min(y for _, y in places.values())
    figure, (axes,) = subplots(180 + 190 * columns, 130 + 110 * rows, title=title)
    axes.set_axis_off()
    axes.set(xlim=(-0.4, columns + 0.4), ylim=(-rows - 0.45, 0.45))
    boxes = {}
    for name, (x, y) in places.items():
        boxes[name] = axes.text(x, y + 0.05, f"{results.get(name, name)} = {value[name]:g}", zorder=3, color=INK,
                                bbox=BOX, **CENTERED)
        axes.text(x, y - 0.26, f"slope {slope[name]:g}", color=SLOPE, **CENTERED)
    for operation, out, a, b in graph:
        for name, other, side in ((a, b, 1), (b, a, -1)):
            bend = 0.15 * side if a == b else 0.0                                  # two arrows beside each other
            (x, y), (x_out, y_out) = boxes[name].get_position(), boxes[out].get_position()
            axes.annotate("", (x_out, y_out), (x, y), zorder=1, arrowprops={
                "arrowstyle": "-|>", "color": QUIET, "shrinkA": 1, "shrinkB": 1, "connectionstyle": f"arc3,rad={-bend}",
                "patchA": boxes[name].get_bbox_patch(), "patchB": boxes[out].get_bbox_patch()})
            at = 0.5 if x_out - x <= 1 else 0.36                                   # before the box that it passes
            part = slope[out] * (value[other] if operation == "*" else 1)
            axes.text(x + at * (x_out - x), y + at * (y_out - y) + bend, f"{part:g}", zorder=2, color=SLOPE,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, **CENTERED)
    describe(figure, title, *(f"{results.get(name, name)}: value {value[name]:g}, slope {slope[name]:g}"
                              for name in places))
    return figure
