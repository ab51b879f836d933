"""A single-shot detector: the targets of its grid of cells, the loss, and the boxes that its predictions mean.

The image is divided into cells of stride x stride pixels. For each, the network predicts at once

    channel 0        objectness: is the center of a pet's box in this cell? (a logit)
    channels 1 .. 4  the box: tx, ty, tw, th of `boxes.encode`, relative to an anchor, a square around the cell's center
    channels 5 ..    its species (a logit each)

so that one pass over the image finds all pets in it, however many there are.

References
----------
Redmon et al., "You Only Look Once", CVPR 2016; Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.layers.activation import Softmax, sigmoid
from minidl.loss import BCEWithLogitsLoss, CrossEntropyLoss, Loss, SmoothL1Loss
from minidl.tasks.detection.average_precision import PrecisionRecall, precision_recall
from minidl.tasks.detection.boxes import as_boxes, clip, decode, encode, nms
from minidl.types import Array

SCALE = (0.1, 0.1, 0.2, 0.2)  # the usual size of tx, ty, tw, th, by which they are divided


@dataclass(frozen=True)
class Grid:
    """The cells of a square image."""

    size: int         # height and width of the image, a multiple of the stride
    stride: int       # height and width of a cell
    anchor: float     # side of each cell's anchor, in pixels: about that of the pets' boxes

    def __post_init__(self) -> None:
        if self.stride < 1 or self.size < 1 or self.size % self.stride or not 0 < self.anchor < np.inf:
            raise ValueError("Grid: expected a size that is a multiple of the stride, and an anchor above 0, got "
                             f"{self.size}, {self.stride} and {self.anchor}")

    @property
    def cells(self) -> int:
        """Number of cells G along each side."""
        return self.size // self.stride

    def anchors(self, rows: Any, columns: Any) -> Array:
        """Return the anchors (n, 4) of the cells in these rows (n,) and columns (n,)."""
        x, y = ((np.asarray(index) + 0.5) * self.stride for index in (columns, rows))
        return np.stack([x - self.anchor / 2, y - self.anchor / 2, x + self.anchor / 2, y + self.anchor / 2], axis=-1)

    def targets(self, boxes: Any, species: Any) -> Array:
        """Return what the cells should predict, (6, G, G) float32: objectness, tx, ty, tw, th, species.

        Each box is assigned to the cell that its center is in, of two in one cell the later one. Where there is no
        box, all six numbers are 0, of which only the first counts.

        Parameters
        ----------
        boxes : (n, 4)
            All with an area, their centers within the image.
        species : (n,) integers from 0 on
        """
        boxes, species = as_boxes(boxes, "Grid.targets").astype(np.float64), np.asarray(species)
        if species.shape != (len(boxes),) or (species < 0).any() or (species % 1).any():
            raise ValueError(f"Grid.targets: expected {len(boxes)} species, integers from 0 on, got {species.tolist()}")
        target = np.zeros((6, self.cells, self.cells), np.float32)
        columns, rows = np.floor((boxes[:, :2] + boxes[:, 2:]) / 2 / self.stride).astype(int).T     # (n,) each
        if ((columns < 0) | (rows < 0) | (columns >= self.cells) | (rows >= self.cells)).any():
            raise ValueError(f"Grid.targets: expected boxes with their centers in an image of {self.size} x "
                             f"{self.size}, got {boxes.tolist()}")
        offsets = encode(boxes, self.anchors(rows, columns), SCALE)                                 # (n, 4)
        for row, column, offset, kind in zip(rows, columns, offsets, species):
            target[:, row, column] = [1, *offset, kind]
        return target


class DetectionLoss(Loss):
    """The loss of a grid of cells: objectness everywhere, box and species where there is a pet.

    Parameters
    ----------
    box_weight : float
        Weight of the box, where objectness and species have weight 1.

    Raises
    ------
    ValueError
        - If shapes do not match.
        - If objectness in the target is not 0 or 1, or a species is out of range.

    Notes
    -----
    Shapes: prediction (N, 5 + K, G, G) for K species, target (N, 6, G, G) from `Grid.targets`.

    With P the number of cells of the batch that hold a pet (1 if none does), z a cell's objectness and o in {0, 1} its
    target, t the four numbers of its box, s the logits of its species, k the true one:

        L = 1/P [ sum over all cells of BCE(z, o)
                  + sum over cells with a pet of ( box_weight * sum_i SmoothL1(t_i, t*_i) + CE(s, k) ) ]

    It is divided by P and not by the number of cells: an image has many cells and few pets, and the mean over all
    cells would be close to 0 whether a pet is found or not.

    Backward: each part's derivative, known from its own loss, in its own channels, all divided by P:

        dL/dz = (sigmoid(z) - o) / P
        dL/dt = box_weight * clip(t - t*, -1, 1) / P
        dL/ds = (softmax(s) - onehot(k)) / P

    and 0 in the box and species channels of cells without a pet: their predictions there do not matter.

    Attributes
    ----------
    parts : {"objectness", "box", "species": float}
        The three summands of the latest forward; their sum is the loss.
    """

    count = 0.0
    parts: dict[str, float]

    def __init__(self, box_weight: float = 1.0) -> None:
        super().__init__()
        if not 0 <= box_weight < np.inf:
            raise ValueError(f"DetectionLoss: expected a finite box_weight of at least 0, got {box_weight!r}")
        self.box_weight = float(box_weight)
        self.objectness, self.box = BCEWithLogitsLoss("sum"), SmoothL1Loss("sum")
        self.species = CrossEntropyLoss(reduction="sum")

    def forward(self, prediction: Array, target: Array) -> float:
        self._check(prediction, target)
        n, rows, columns = np.nonzero(target[:, 0])                        # (P,) each: the cells with a pet
        P = max(1, len(n))
        self.parts = {"objectness": self.objectness(prediction[:, 0], target[:, 0]) / P, "box": 0.0, "species": 0.0}
        if len(n):
            at, true = prediction[n, :, rows, columns], target[n, :, rows, columns]    # (P, 5 + K), (P, 6)
            self.parts["box"] = self.box_weight * self.box(at[:, 1:5], true[:, 1:5]) / P
            self.parts["species"] = self.species(at[:, 5:], true[:, 5].astype(np.int64)) / P
        self.count = len(n)
        self._cache = (prediction.shape, prediction.dtype, (n, rows, columns))
        return sum(self.parts.values())

    def denominator(self, count: float | None) -> float:
        return max(1.0, count or 0.0)

    def backward(self) -> Array:
        shape, dtype, (n, rows, columns) = self.recall()
        P = max(1, len(n))
        d = np.zeros(shape, dtype)
        d[:, 0] = self.objectness.backward() / P
        if len(n):
            d[n, 1:5, rows, columns] = self.box_weight * self.box.backward() / P       # (P, 4)
            d[n, 5:, rows, columns] = self.species.backward() / P                      # (P, K)
        return d

    def _check(self, prediction: Array, target: Array) -> None:
        self.check_prediction(prediction)
        if (prediction.ndim != 4 or prediction.shape[1] < 6
                or np.shape(target) != (len(prediction), 6, *prediction.shape[2:])):
            raise ValueError("DetectionLoss: expected a prediction (N, 5 + K, G, G) and a target (N, 6, G, G), got "
                             f"{prediction.shape} and {np.shape(target)}")
        if not np.isin(target[:, 0], (0, 1)).all():
            raise ValueError("DetectionLoss: expected targets of 0 or 1 for objectness (channel 0), got "
                             f"{target[:, 0].min():g} to {target[:, 0].max():g}")


@dataclass(frozen=True, eq=False)
class Detections:
    """The pets found in an image, the most certain first."""

    boxes: Array      # (n, 4)
    scores: Array     # (n,) from 0 to 1: the probability of a pet times that of its species
    species: Array    # (n,) int64

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, threshold: float) -> "Detections":
        """Return those with a score of at least the threshold."""
        which = self.scores >= threshold
        return Detections(self.boxes[which], self.scores[which], self.species[which])


def detections(grid: Grid, prediction: Array, threshold: float = 0.05, overlap: float | None = 0.5) -> list[Detections]:
    """Turn the network's predictions into boxes: decode those with a score, drop those found twice.

    Parameters
    ----------
    grid : Grid
    prediction : (N, 5 + K, G, G)
    threshold : float
        Cells with a lower score are left out.
    overlap : float or None
        The IoU above which the box with the lower score is dropped, whatever the species (a pet is not both a cat and
        a dog); None drops nothing.
    """
    G = grid.cells
    if prediction.ndim != 4 or prediction.shape[1] < 6 or prediction.shape[2:] != (G, G):
        raise ValueError(f"detections: expected a prediction (N, 5 + K, {G}, {G}), got {prediction.shape}")
    probabilities = Softmax()(prediction[:, 5:])                           # (N, K, G, G)
    species = probabilities.argmax(axis=1)                                 # (N, G, G)
    scores = sigmoid(prediction[:, 0]) * probabilities.max(axis=1)         # (N, G, G)
    result = []
    for n in range(len(prediction)):
        rows, columns = np.nonzero(scores[n] >= threshold)                 # (m,) each
        offsets = prediction[n][:, rows, columns].T[:, 1:5].astype(np.float64)                      # (m, 4)
        boxes = clip(decode(offsets, grid.anchors(rows, columns), SCALE), grid.size, grid.size)
        score = scores[n, rows, columns]
        kept = np.argsort(-score, kind="stable") if overlap is None else nms(boxes, score, overlap)
        result.append(Detections(boxes[kept], score[kept], species[n, rows, columns][kept]))
    return result


def species_curves(found: Sequence[Detections], boxes: Sequence[Array], species: Sequence[Array],
                   names: Sequence[str], overlap: float = 0.5) -> dict[str, PrecisionRecall]:
    """Return precision and recall for each species, and for "pet", where the species is ignored.

    Parameters
    ----------
    found : for each image, its Detections
    boxes, species : for each image, its true boxes (n, 4) and species (n,)
    names : of the species, such as ("cat", "dog")
    overlap : float
        The least IoU at which a found box counts as right.
    """
    curves = {}
    for k, name in enumerate(names):
        curves[name] = precision_recall(
            [d.boxes[d.species == k] for d in found], [d.scores[d.species == k] for d in found],
            [true[kinds == k] for true, kinds in zip(boxes, species)], overlap)
    return {**curves, "pet": precision_recall([d.boxes for d in found], [d.scores for d in found], boxes, overlap)}


def detection_scores(found: Sequence[Detections], boxes: Sequence[Array], species: Sequence[Array],
                     names: Sequence[str], overlap: float = 0.5) -> dict[str, float]:
    """Return average precision at an IoU: `map` (the mean over the species), and `ap_` of each species and of "pet".

    A species that does not occur has no entry, and does not count in the mean. Parameters as for `species_curves`.
    """
    curves = species_curves(found, boxes, species, names, overlap)
    each = {f"ap_{name}": curves[name].average_precision for name in names if curves[name].truths}
    if not each:
        raise ValueError(f"detection_scores: expected at least one true box of {' or '.join(names)}, got none")
    return {"map": float(np.mean(list(each.values()))), **each, "ap_pet": curves["pet"].average_precision}
