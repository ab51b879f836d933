"""A model drawn as the deck draws it: boxes as tall as the resolution and as deep as the channels, skips as bridges."""
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from minidl.layers import (
    AvgPool2d, BatchNorm2d, Conv2d, ConvTranspose2d, Flatten, Layer, Linear, MaxPool2d, PixelShuffle, Reshape, Residual,
    Sequential, Skip, Sum, Upsample,
)
from minidl.plotting.canvas import (
    INK, LEGEND_ROW, LINE_COLORS, MARGIN, QUIET, SMALL, TEXT, blank, describe, legend, legend_columns, place,
    text_width,
)
from minidl.types import Shape

TALLEST, DEEPEST, THIN = 130.0, 34.0, 5.0     # figure pixels: the largest resolution, the most channels, the least
SLANT = (0.30, 0.17)                          # of a box's height: how far its back is to the right, and up
GAP = 30.0                                    # between two boxes, for the arrow
MOST_BOXES = 16                               # a residual with more inside is drawn as one box
BOX, COPIED = "#9DB4C8", "#F0C9A0"            # maps; channels that a skip brings
BRIDGE = LINE_COLORS[1]


@dataclass(frozen=True)
class Box:
    """What lies between two blocks of layers: the shape of one sample, and how many of its channels a skip brings."""

    shape: Shape
    label: str = ""                           # of the layers that lead to it
    copied: int = 0

    @property
    def text(self) -> str:
        """The shape in two lines: channels, then height × width."""
        channels, *size = self.shape
        return f"{channels:,}" + ("\n" + " × ".join(map(str, size)) if size else "")


@dataclass
class Graph:
    """A model as boxes in a row, each made of the one before it, and bridges between them."""

    boxes: list[Box]
    bridges: list[tuple[int, int, str]] = field(default_factory=list)      # from, to, what it does

    def walk(self, layer: Layer) -> None:
        """Add what `layer` makes of the last box."""
        start = len(self.boxes) - 1
        if isinstance(layer, Sequential):
            self._chain(layer.layers)
        elif isinstance(layer, Skip):
            self.walk(layer.inner)
            brought = self.boxes[start].shape[0]
            channels, *size = self.boxes[-1].shape
            self.boxes[-1] = replace(self.boxes[-1], shape=(channels + brought, *size), copied=brought)
            self.bridges.append((start, len(self.boxes) - 1, "skip: copied, concatenated"))
        elif isinstance(layer, Residual) and sum(not kind.children() for _, kind in layer.walk()) <= MOST_BOXES:
            self.walk(layer.inner)
            self.bridges.append((start, len(self.boxes) - 1, "residual: added"))
        elif isinstance(layer, Sum):
            longest = max(layer.layers, key=lambda branch: sum(1 for _ in branch.walk()))
            self.walk(longest)
            for branch in layer.layers:
                if branch is not longest:
                    self.bridges.append((start, len(self.boxes) - 1, f"{block_label(leaves(branch))}: added"))
        else:
            self._add([layer])

    def _chain(self, layers: Sequence[Layer]) -> None:
        """Cut a chain into blocks; a block ends where the next layer with weights, or a container, begins."""
        block: list[Layer] = []
        for layer in layers:
            joined = isinstance(layer, (Sequential, Skip, Residual, Sum))
            if block and (joined or begins_block(layer, block)):
                self._add(block)
                block = []
            if joined:
                self.walk(layer)
            else:
                block.append(layer)
        if block:
            self._add(block)

    def _add(self, block: Sequence[Layer]) -> None:
        shape: Shape = (1, *self.boxes[-1].shape)
        for layer in block:
            shape = layer.output_shape(shape)
        self.boxes.append(Box(tuple(shape[1:]), block_label(block)))


def leaves(layer: Layer) -> list[Layer]:
    """Return the layers inside that hold no others, in the order of the forward pass."""
    return [one for _, one in layer.walk() if not one.children()]


def begins_block(layer: Layer, before: Sequence[Layer]) -> bool:
    """Return whether a layer begins a new block: a convolution belongs to the pooling or upsampling before it."""
    if isinstance(layer, (Conv2d, ConvTranspose2d)):
        return not all(isinstance(one, (MaxPool2d, AvgPool2d, Upsample)) for one in before)
    return isinstance(layer, (Linear, Upsample, Flatten, Reshape, PixelShuffle))


def block_label(layers: Sequence[Layer]) -> str:
    """Return what a block does in a few words, such as "conv 3 × 3, batch norm, ReLU"."""
    return ", ".join(layer_label(layer) for layer in layers) or "unchanged"


def layer_label(layer: Layer) -> str:
    """Return a layer's kind and what of its arguments a drawing should say.

    >>> layer_label(Conv2d(3, 8, 5, padding="same")), layer_label(MaxPool2d(2))
    ('conv 5 × 5', 'max pooling 2 × 2')
    """
    def size(pair: tuple[int, int]) -> str:
        return " × ".join(map(str, pair))

    if isinstance(layer, (Conv2d, ConvTranspose2d)):
        name = "conv" if isinstance(layer, Conv2d) else "transposed conv"
        stride = f", stride {layer.stride[0]}" if layer.stride != (1, 1) else ""
        return f"{name} {size(layer.kernel_size)}{stride}"
    if isinstance(layer, (MaxPool2d, AvgPool2d)):
        return f"{'max' if isinstance(layer, MaxPool2d) else 'mean'} pooling {size(layer.kernel_size)}"
    if isinstance(layer, Upsample):
        return f"{layer.mode} upsampling × {layer.scale_factor[0]}"
    if isinstance(layer, (BatchNorm2d, Linear, Flatten)):
        return {BatchNorm2d: "batch norm", Linear: "dense", Flatten: "flatten"}[type(layer)]
    if isinstance(layer, Residual):
        return f"residual of {len(leaves(layer))} layers"
    return type(layer).__name__ if type(layer).__name__ in ("ReLU", "LeakyReLU") else type(layer).__name__.lower()


def diagram(model: Layer, shape: Shape, title: str | None = None) -> Figure:
    """Draw a model as a row of boxes, from its input to its output.

    A box is an array between two blocks of layers: as tall as its resolution, as deep as the root of its number of
    channels. Of the arrows between them the legend says which layers they are; bridges are skips (the copied channels
    are orange), residuals and sums. Only `output_shape` is asked; nothing is computed.

    Parameters
    ----------
    model : Layer
    shape : (N, C, H, W) or (N, features)
        Of the input.
    title : str, optional
        Headline.

    Raises
    ------
    ValueError
        If the model does not take that shape, with the model's own message.
    """
    model.output_shape(shape)                                     # the model's own message, for the whole of it
    graph = Graph([Box(tuple(shape[1:]))])
    graph.walk(model)
    boxes = graph.boxes
    labels = list(dict.fromkeys(box.label for box in boxes[1:]))
    kinds = list(dict.fromkeys(kind for _, _, kind in graph.bridges))
    colors = dict(zip(labels + kinds, [*[color for color in LINE_COLORS if color != BRIDGE] * len(boxes)][:len(labels)]
                      + [BRIDGE, "#B5588F", "#8A6D00"][:len(kinds)]))
    depths, heights = measures(boxes)
    lefts, width = positions(boxes, depths, heights)
    width = max(width, 360, text_width(title or "", TEXT + 1.5, "bold") + 2 * MARGIN,
                *(text_width(name, TEXT) + 34 + 2 * MARGIN for name in colors))
    floors = levels(graph.bridges)
    top = MARGIN + (28 if title else 0) + 16 * (max(floors, default=-1) + 1) + 8
    middle = top + TALLEST * (1 + SLANT[1]) - TALLEST / 2
    bottom = middle + TALLEST / 2 + 40
    rows = -(-len(colors) // legend_columns(list(colors), width - 2 * MARGIN))
    figure = blank(width, bottom + LEGEND_ROW * rows + MARGIN, title)
    legend(figure, MARGIN, bottom, list(colors), list(colors.values()))
    axes = place(figure, 0, 0, width, bottom)
    axes.set(xlim=(0, width), ylim=(bottom, 0))
    axes.set_axis_off()
    for k, (box, left, depth, height) in enumerate(zip(boxes, lefts, depths, heights)):
        cuboid(axes, box, left, middle, depth, height)
        axes.text(left + depth / 2, middle + TALLEST / 2 + 6, box.text, ha="center", va="top", fontsize=SMALL,
                  color=INK, linespacing=1.25)
        if k:
            before = lefts[k - 1] + depths[k - 1] + slanted(heights[k - 1], boxes[k - 1])[0]
            arrow(axes, [(before + 2, middle), (left - 2, middle)], colors[box.label])
    for (start, end, kind), floor in zip(graph.bridges, floors):
        y = top - 8 - 16 * floor
        feet = [(lefts[k] + depths[k] / 2 + slanted(heights[k], boxes[k])[0] / 2,
                 middle - heights[k] / 2 - slanted(heights[k], boxes[k])[1]) for k in (start, end)]
        (a, from_y), (b, to_y) = feet
        arrow(axes, [(a + 4, from_y), (a + 4, y), (b - 4, y), (b - 4, to_y - 1)], colors[kind])
    shapes = " → ".join(str(box.shape).replace(" ", "") for box in boxes)
    describe(figure, title, f"Shapes of one sample: {shapes}", "; ".join(
        f"{kind} from {boxes[start].shape} to {boxes[end].shape}" for start, end, kind in graph.bridges))
    return figure


def measures(boxes: Sequence[Box]) -> tuple[list[float], list[float]]:
    """Return the depths (as the root of the channels) and the heights (as the resolution) in figure pixels."""
    maps = [box.shape for box in boxes if len(box.shape) == 3] or [(1, 1, 1)]
    most, largest = max(shape[0] for shape in maps), max(shape[1] for shape in maps)
    longest = max((box.shape[0] for box in boxes if len(box.shape) == 1), default=1)
    depths = [THIN + DEEPEST * float(np.sqrt(box.shape[0] / most)) if len(box.shape) == 3 else THIN for box in boxes]
    heights = [max(3.0, TALLEST * box.shape[1] / largest) if len(box.shape) == 3
               else max(8.0, TALLEST * float(np.sqrt(box.shape[0] / longest))) for box in boxes]
    return depths, heights


def slanted(height: float, box: Box) -> tuple[float, float]:
    """Return how far the back of a box lies to the right and up; a vector has none."""
    return (height * SLANT[0], height * SLANT[1]) if len(box.shape) == 3 else (0.0, 0.0)


def positions(boxes: Sequence[Box], depths: Sequence[float], heights: Sequence[float]) -> tuple[list[float], float]:
    """Return where the boxes begin, with room for their arrows and texts, and the width of the whole."""
    lefts: list[float] = []
    free, written = float(MARGIN), float(MARGIN)               # where the next box, and the next text, may begin
    for box, depth, height in zip(boxes, depths, heights):
        half = max(text_width(line, SMALL) for line in box.text.split("\n")) / 2
        lefts.append(max(free, written + half - depth / 2))
        free = lefts[-1] + depth + slanted(height, box)[0] + GAP
        written = lefts[-1] + depth / 2 + half + 6
    return lefts, max(free - GAP, written) + MARGIN


def levels(bridges: Sequence[tuple[int, int, str]]) -> list[int]:
    """Return how high each bridge runs: above those that it spans, beside those that it does not meet."""
    found = [0] * len(bridges)
    for k in sorted(range(len(bridges)), key=lambda k: bridges[k][1] - bridges[k][0]):
        start, end, _ = bridges[k]
        below = [found[m] for m, (a, b, _) in enumerate(bridges)
                 if m != k and (b - a, m) < (end - start, k) and a < end and start < b]
        found[k] = max(below, default=-1) + 1
    return found


def cuboid(axes: Axes, box: Box, left: float, middle: float, depth: float, height: float) -> None:
    """Draw one box: its front, its side and its top; the part that a skip brings is orange."""
    back, up = slanted(height, box)
    own = depth * (1 - box.copied / box.shape[0])
    for x, wide, color in ((left, own, BOX), (left + own, depth - own, COPIED)):
        if wide <= 0:
            continue
        front = rectangle(x, middle - height / 2, wide, height)
        above = [(x, middle - height / 2), (x + wide, middle - height / 2), (x + wide + back, middle - height / 2 - up),
                 (x + back, middle - height / 2 - up)]
        for corners, light in ((front, 1.0), (above, 1.15)):
            axes.add_patch(Polygon(corners, facecolor=shaded(color, light), edgecolor=QUIET, linewidth=0.6))
    right, ending = left + depth, COPIED if box.copied else BOX
    side = [(right, middle - height / 2), (right, middle + height / 2), (right + back, middle + height / 2 - up),
            (right + back, middle - height / 2 - up)]
    axes.add_patch(Polygon(side, facecolor=shaded(ending, 0.85), edgecolor=QUIET, linewidth=0.6))


def rectangle(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    """Return the corners of a rectangle, from the upper left one on."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def shaded(color: str, light: float) -> tuple[float, ...]:
    """Return a color made lighter or darker."""
    return tuple(min(1.0, light * part) for part in to_rgb(color))


def arrow(axes: Axes, points: Sequence[tuple[float, float]], color: str) -> None:
    """Draw a line through points, with an arrow's head at its end."""
    x, y = zip(*points[:-1])
    axes.plot(x, y, color=color, linewidth=1.6, solid_capstyle="butt")
    axes.annotate("", points[-1], points[-2], arrowprops={
        "arrowstyle": "-|>,head_length=0.35,head_width=0.18", "color": color, "linewidth": 1.6, "shrinkA": 0,
        "shrinkB": 0})
