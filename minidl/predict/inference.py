"""From a picture of any size to a class for each of its pixels.

A network was trained on pictures of one size, say 64 x 64: it knows how large a cat's ear is in pixels there, and that
all of the cat is in sight. So a picture is made as large, in pixels, as those were, with its own ratio of width to
height. Where the network wants sides that divide by 32, the pixels at the edge are repeated outwards. What comes out
for these is cut off again, and the rest is enlarged to the picture's own size, before the classes are decided upon:
scores between two pixels are interpolated, and the line where one class overtakes the other becomes smooth.

In training, pictures were stretched into squares. To stretch this one, too, would be as near to what the network has
seen as one can get, and yet an animal of its own proportions is found a little better. Measured with the weights that
come with minidl on 68 rendered pictures cut to 3:2 and 4:3, and on 26 photographs of about 3:2 (mean IoU):

                                                                rendered  photographs
    stretched into the square                                      0.846        0.516
    stretched to the nearest sides that divide by 32               0.856        0.541
    area of the square, edge pixels repeated (this module)         0.860        0.534
    the same, with gray bars instead of repeated pixels            0.814        0.461
    longer side as long as the square's, edge pixels repeated      0.831        0.521

The network has not seen gray bars, and takes them, and the pet's parts beside them, for something else.
"""
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from minidl.layers import Layer
from minidl.predict.architecture import SIZE
from minidl.training import predict
from minidl.types import Array

LONGEST = 8              # a picture's side in the network, in trained sizes; panoramas longer than that are stretched
TOGETHER = 2**19         # pixels that go through the network at a time: 32 pictures of 128 x 128
STRIP_VALUES = 2**24     # scores that are enlarged at a time


def segment(model: Layer, picture: Image.Image, size: int = SIZE) -> Array:
    """Return the class of every pixel of a picture.

    Parameters
    ----------
    model : Layer
        Takes (N, 3, h, w), returns logits (N, classes, h, w); if it has an attribute `multiple`, h and w must divide
        by it.
    picture : PIL.Image.Image
        RGB, of any size, as `minidl.datasets.pets.decode.open_picture` opens it.
    size : int
        Side of the pictures that the model was trained on, in pixels.

    Returns
    -------
    (H, W) uint8
        Classes, from 0.

    Raises
    ------
    ValueError
        If the picture is not RGB, or the model's output has NaN, infinity or another shape.
    """
    return segment_all(model, [picture], size)[0]


def segment_all(model: Layer, pictures: Sequence[Image.Image], size: int = SIZE) -> list[Array]:
    """Do as `segment` for several pictures; those that are equally large in the network go through it together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    inputs = [model_input(picture, size, getattr(model, "multiple", 1)) for picture in pictures]
    for i, x in enumerate(inputs):
        groups.setdefault(x.shape, []).append(i)
    results: list[Array] = [np.empty(0)] * len(pictures)
    for shape, members in groups.items():
        with np.errstate(over="ignore", invalid="ignore"):       # is looked for below
            x = np.stack([inputs[i] for i in members])                                   # (n, 3, h, w)
            logits = predict(model, x, max(1, TOGETHER // (shape[1] * shape[2])))        # (n, classes, h, w)
        if logits.ndim != 4 or logits.shape[2:] != shape[1:]:
            raise ValueError(f"segment: expected a model that returns (N, classes, {shape[1]}, {shape[2]}) for x "
                             f"of (N, {', '.join(map(str, shape))}), got {logits.shape}")
        if not np.isfinite(logits).all():
            raise ValueError("segment: the model's output has NaN or infinity in it; its weights are not usable")
        for i, scores in zip(members, logits):
            w, h = working_size(*pictures[i].size, size)
            top, left = (shape[1] - h) // 2, (shape[2] - w) // 2
            results[i] = enlarged_classes(scores[:, top:top + h, left:left + w], *pictures[i].size)
    return results


def working_size(width: int, height: int, size: int) -> tuple[int, int]:
    """Return width and height with as many pixels as size x size, in (nearly) the given ratio.

    >>> working_size(128, 128, 64), working_size(600, 400, 64), working_size(1, 500, 64)
    ((64, 64), (78, 52), (3, 512))
    """
    scale = size / math.sqrt(width * height)
    w, h = (min(max(round(side * scale), 1), LONGEST * size) for side in (width, height))
    return w, h


def model_input(picture: Image.Image, size: int, multiple: int = 1) -> Array:
    """Return a picture as the model takes it, (3, h, w) uint8: at its working size, edges repeated to a multiple."""
    if picture.mode != "RGB":
        raise ValueError(f"segment: expected a picture of mode RGB, got {picture.mode}; minidl.datasets.pets.decode."
                         "open_picture opens it so")
    w, h = working_size(*picture.size, size)
    x = np.asarray(picture.resize((w, h), Image.Resampling.BILINEAR)).transpose(2, 0, 1)     # (3, h, w)
    pads = []
    for side in (h, w):
        missing = -side % multiple
        pads.append((missing // 2, missing - missing // 2))
    return np.pad(x, [(0, 0), *pads], mode="edge")


def enlarged_classes(scores: Array, width: int, height: int) -> Array:
    """Return the class with the highest score at each pixel of a picture, (height, width) uint8.

    Parameters
    ----------
    scores : (classes, h, w) float32
        Interpolated bilinearly (or averaged, if the picture is smaller), some rows of the picture at a time: all the
        scores of a large one would not fit into memory.
    width, height : int
    """
    K, h, w = scores.shape
    maps = [Image.fromarray(np.ascontiguousarray(scores[k], np.float32)) for k in range(K)]
    classes = np.empty((height, width), np.uint8)
    rows = max(1, STRIP_VALUES // (K * width))
    for y in range(0, height, rows):
        end = min(y + rows, height)
        box = (0, y * h / height, w, end * h / height)           # these rows' place in the maps
        strip = [np.asarray(one.resize((width, end - y), Image.Resampling.BILINEAR, box)) for one in maps]
        classes[y:end] = np.argmax(strip, axis=0)                # (rows, width)
    return classes
