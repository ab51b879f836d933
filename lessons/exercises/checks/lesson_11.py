"""The checks of lesson 11's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check
from minidl.tasks.segmentation import receptive_field as library

Chain = list[tuple[int, int]]


def field(chain: Chain) -> int:
    """Return the side, found on the way back: which pixels does position 0 of the last map depend on?"""
    positions = {0}
    for kernel, stride in reversed(chain):
        positions = {stride * position + i for position in positions for i in (0, kernel - 1)}
    return max(positions) - min(positions) + 1


def cases(rng: np.random.Generator) -> Iterator[Arguments]:
    pooled = [(3, 1), (2, 2)]
    for chain in ([], [(1, 1)], [(3, 1)], [(2, 2)], [(5, 1), (3, 1)], [(2, 2), (3, 1)], [(3, 1), (2, 2), (3, 1)],
                  [(1, 2), (3, 1)], [(7, 2), (3, 2), (1, 1), (3, 1)], 3 * [(3, 1)] + [(9, 1)], 4 * pooled + [(3, 1)]):
        yield {"chain": chain}


def walked(r: int = 1, jump: int = 1, less: int = 1, order: int = 1, before: bool = False, step: Any = None) -> Any:
    """Return a mistake in the walk along the chain: another start, order, or growth of r or of the jump."""
    def mistake(chain: Chain) -> int:
        side, distance = r, jump
        for kernel, stride in chain[::order]:
            after = distance * stride if step is None else step(distance, stride)
            side += (kernel - less) * (after if before else distance)
            distance = after
        return side
    return mistake


CHECKS = {
    "receptive_field": Check(field, cases, {
        "the jump is missing: after a stride, neighboring positions are `jump` pixels apart, so a kernel adds (k − 1) "
        "times the jump": walked(step=lambda jump, stride: jump),
        "the jump is multiplied too early: a layer's own stride spreads only the positions after it":
            walked(before=True),
        "the strides are added: each makes the jump `stride` times as large": walked(
            step=lambda jump, stride: jump + stride),
        "the jump grows by stride − 1: each layer makes it `stride` times as large": walked(
            step=lambda jump, stride: jump + stride - 1),
        "the jump is only the last stride: it is the product of all strides before": walked(
            step=lambda jump, stride: stride),
        "a kernel adds k − 1 steps, not k: its first position is there already": walked(less=0),
        "r begins with 0: one position of the image itself depends on 1 pixel": walked(r=0),
        "the chain is walked from its end: go from the image to the scores": walked(order=-1),
        "this is the jump, the product of the strides: return r": lambda chain: int(np.prod([s for _, s in chain])),
        "the kernels are multiplied: stride-1 convolutions add up, k − 1 each": lambda chain:
            int(np.prod([k for k, _ in chain])),
    }, "The receptive field, calculated", library.receptive_field, (
        "Two numbers go along the chain: r = 1 and jump = 1 at the image. What does a layer with kernel k add to r?",
        "For each (kernel, stride): r += (kernel - 1) * jump, and only then jump *= stride."), returns=("r",)),
}
