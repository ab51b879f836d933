"""From an image of any size to a class for each of its pixels.

A network was trained on images of one size, which were stretched into squares: it knows how large a cat's ear is in
pixels there, and expects to find the whole cat. So an image must be made as large as those had been. For that there are
several ways, and as their errors differ, the mean over two of them is better than each: the image stretched into the
square, as in training, and the image in its own ratio of width to height, with the pixels of a square whose sides are
5/4 as long. Each is looked at together with its mirror image, so the probabilities are the mean of four.

Where the network wants sides that divide by 32, the pixels at the edge are repeated outwards, and what is predicted for
them is cut off again. The probabilities are enlarged to the image's own size before the classes are decided: the line
where one class overtakes the other becomes smooth.

Chosen on 102 photographs of Oxford-IIIT Pet, with a U-Net that was trained on 409 others at 128 x 128 (mean IoU at the
photographs' own sizes, each way with mirror images):

    stretched into the square                                              0.692
    own ratio, area of the square, edge pixels repeated                    0.689
    the same, reflected instead of repeated pixels                         0.686
    the same, gray bars instead of repeated pixels                         0.657
    own ratio, longer side as long as the square's                         0.677
    stretched to the nearest sides that divide by 32                       0.667
    own ratio, sides 5/4 as long                                           0.684
    mean of the square and of own ratio                                    0.698
    mean of the square and of own ratio, sides 5/4 as long (this module)   0.699

Gray bars are unfamiliar to the network: it takes them, and the parts of the pet beside them, for something else. A
third look added at most 0.002. With another network, for 64 x 64 and trained on Dice loss, the mean gained 0.008.
"""
import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

from minidl.layers import Layer
from minidl.layers.activation import softmax
from minidl.predict.model import SIZE
from minidl.step import predict
from minidl.types import Array

LONGEST = 8              # an image's side in the network, in trained sizes; longer panoramas are compressed to it
LARGER = 1.25            # sides of the second look, in trained sizes
MOST_STRETCHED = 2       # longer images than 2:1 are not pressed into a square: there were hardly any in training
STRIP_VALUES = 2**24     # scores that are enlarged at a time


def segment(model: Layer, image: Image.Image, size: int = SIZE, average: bool = True) -> Array:
    """Return the class of every pixel of an image.

    Parameters
    ----------
    model : Layer
        Takes (N, 3, h, w), returns logits (N, classes, h, w); if it has an attribute `multiple`, h and w must divide
        by it.
    image : PIL.Image.Image
        RGB, of any size, as `minidl.datasets.pets.decode.open_image` opens it.
    size : int
        Side of the images that the model was trained on, in pixels.
    average : bool
        Take the mean of four looks, as this module says. False: one look, in the image's own ratio.

    Returns
    -------
    (H, W) uint8
        Classes, from 0.

    Raises
    ------
    ValueError
        If the image is not RGB, or the model's output has NaN, infinity or another shape.
    """
    return enlarged_classes(class_probabilities(model, image, size, average), *image.size)


def class_probabilities(model: Layer, image: Image.Image, size: int = SIZE, average: bool = True) -> Array:
    """Return the probability of each class as the network gives it, (classes, h, w), in its own resolution.

    Parameters and errors are those of `segment`. `enlarged` brings a map to the image's size.
    """
    if not average:
        return look(model, image, working_size(*image.size, size), mirrored=False)
    mean = look(model, image, working_size(*image.size, round(LARGER * size)))             # (classes, h, w)
    if max(image.size) <= MOST_STRETCHED * min(image.size):
        square = look(model, image, (size, size))
        h, w = mean.shape[1:]
        mean = (mean + np.stack([enlarged(one, w, h, 0, h) for one in square])) / 2
    return mean


def look(model: Layer, image: Image.Image, sides: tuple[int, int], mirrored: bool = True) -> Array:
    """Return the probability of each class for an image resized to (width, height), (classes, height, width).

    If `mirrored`, it is the mean over the image and its mirror image.
    """
    w, h = sides
    x = model_input(image, sides, getattr(model, "multiple", 1))               # (3, at least h, at least w)
    images = np.stack([x, x[..., ::-1]]) if mirrored else x[None]
    with np.errstate(over="ignore", invalid="ignore"):                         # checked below
        logits = predict(model, images)                                        # (1 or 2, classes, ...)
    if logits.ndim != 4 or logits.shape[2:] != x.shape[1:]:
        raise ValueError(f"segment: expected a model that returns (N, classes, {x.shape[1]}, {x.shape[2]}) for x "
                         f"of (N, {', '.join(map(str, x.shape))}), got {logits.shape}")
    if not np.isfinite(logits).all():
        raise ValueError("segment: the model's output has NaN or infinity in it; its weights are not usable")
    found = softmax(logits)
    mean = (found[0] + found[1, :, :, ::-1]) / 2 if mirrored else found[0]
    top, left = (x.shape[1] - h) // 2, (x.shape[2] - w) // 2
    return mean[:, top:top + h, left:left + w]


def working_size(width: int, height: int, size: int) -> tuple[int, int]:
    """Return width and height with as many pixels as size x size, in (nearly) the given ratio.

    >>> working_size(128, 128, 64), working_size(600, 400, 64), working_size(1, 500, 64)
    ((64, 64), (78, 52), (3, 512))
    """
    scale = size / math.sqrt(width * height)
    w, h = (min(max(round(side * scale), 1), LONGEST * size) for side in (width, height))
    return w, h


def model_input(image: Image.Image, sides: tuple[int, int], multiple: int = 1) -> Array:
    """Return an image as the model takes it, (3, h, w) uint8: at (width, height), edges repeated to a multiple."""
    if image.mode != "RGB":
        raise ValueError(f"segment: expected an image of mode RGB, got {image.mode}; minidl.datasets.pets.decode."
                         "open_image opens it so")
    w, h = sides
    x = np.asarray(image.resize(sides, Image.Resampling.BILINEAR)).transpose(2, 0, 1)       # (3, h, w)
    missing = [-side % multiple for side in (h, w)]
    return np.pad(x, [(0, 0), *((m // 2, m - m // 2) for m in missing)], mode="edge")


def enlarged_classes(maps: Array, width: int, height: int) -> Array:
    """Return the class with the highest of the maps (classes, h, w) at each pixel of an image, (height, width) uint8.

    The maps are enlarged some rows of the image at a time: all of those of a large one would not fit into memory.
    """
    classes = np.empty((height, width), np.uint8)
    for first, end in strips(height, len(maps) * width):
        classes[first:end] = np.argmax([enlarged(one, width, height, first, end) for one in maps], axis=0)
    return classes


def enlarged_levels(one: Array, width: int, height: int) -> Array:
    """Return a map of probabilities (h, w) as (height, width) uint8, 255 for 1; in strips, as the classes."""
    levels = np.empty((height, width), np.uint8)
    for first, end in strips(height, width):
        levels[first:end] = np.round(255 * np.clip(enlarged(one, width, height, first, end), 0, 1))
    return levels


def strips(height: int, values_per_row: int) -> Iterator[tuple[int, int]]:
    """Yield (first row, end) of strips that hold at most STRIP_VALUES, but at least a row each."""
    rows = max(1, STRIP_VALUES // values_per_row)
    for first in range(0, height, rows):
        yield first, min(first + rows, height)


def enlarged(one: Array, width: int, height: int, first: int, end: int) -> Array:
    """Return rows `first` to `end` of a map (h, w), interpolated to (height, width); float32.

    The interpolation is bilinear; a map that is larger than the image is averaged.
    """
    h, w = one.shape
    box = (0, first * h / height, w, end * h / height)               # these rows' place in the map
    image = Image.fromarray(np.ascontiguousarray(one, np.float32))
    return np.asarray(image.resize((width, end - first), Image.Resampling.BILINEAR, box))
