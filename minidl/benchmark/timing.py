"""Compare functions by running them alternately."""
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

TURN = 0.3    # seconds a candidate runs on, once it is its turn
PAUSE = 0.05  # seconds of silence before a turn


@dataclass(frozen=True)
class Timing:
    """Seconds of many calls: their median, their quartiles, and how many calls were counted."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, seconds: list[float]) -> "Timing":
        low, median, high = (float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
        return cls(median, low, high, len(seconds))


def interleave(candidates: Mapping[str, Callable[[], object]], seconds: float, rounds: int = 3,
               clock: Callable[[], float] = time.perf_counter,
               sleep: Callable[[float], None] = time.sleep) -> dict[str, Timing]:
    """Run the candidates alternately, round after round, and return how long their calls took.

    A machine's speed changes while it works (its heat, its other programs). So every candidate meets the same ups and
    downs, and their ratio is worth more than any of the times.

    Parameters
    ----------
    candidates : {name: function without arguments}
    seconds : float
        Time for all rounds together. A round that has begun is finished.
    rounds : int
        The least number of rounds, whatever time they take. One more comes before them: the warm-up, not counted.
    clock, sleep : function
        Time and its passing, in seconds.

    Returns
    -------
    {name: Timing}
    """
    if rounds < 1 or not candidates:
        raise ValueError(f"interleave: expected at least one round and candidate, got rounds={rounds}, "
                         f"{len(candidates)} candidates")
    turn = min(TURN, seconds / 20)
    times: dict[str, list[float]] = {name: [] for name in candidates}
    started, done = clock(), 0
    while done <= rounds or clock() - started < seconds:
        for name, candidate in candidates.items():
            # A library's threads wait for more work in a busy loop for a while, and would take the next one's cores.
            sleep(turn * PAUSE / TURN)
            found = _take_turn(candidate, turn, clock)
            times[name] += found if done else []
        done += 1
    return {name: Timing.of(found) for name, found in times.items()}


def refuse_differences(what: str, found: Mapping[str, Any], tolerance: float) -> None:
    """Raise RuntimeError unless all candidates found the same: the times of different computations cannot be compared.

    `found` has the number or array of each, "ours" among them; the tolerance of the difference from ours is a share of
    our largest number.
    """
    largest = float(np.abs(found["ours"]).max())
    for name, numbers in found.items():
        error = float(np.abs(numbers - found["ours"]).max())
        if not error <= tolerance * largest:
            raise RuntimeError(f"{what}: expected the same from all, but that of {name} differs by {error:.2g}, where "
                               f"the largest number is {largest:.2g}")


def _take_turn(candidate: Callable[[], object], turn: float, clock: Callable[[], float]) -> list[float]:
    """Call the candidate until its turn is over; return the seconds of each call.

    The first call finds the caches full of another's numbers: it counts only where it is the only one.
    """
    seconds: list[float] = []
    started = clock()
    while not seconds or clock() - started < turn:
        before = clock()
        candidate()
        seconds.append(clock() - before)
    return seconds[1:] or seconds
