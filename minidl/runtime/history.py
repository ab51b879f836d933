"""The history of a training: a row of numbers per epoch."""
import math
from typing import Any

Row = dict[str, float]
OWN_NAMES = ("epoch", "loss", "lr", "seconds", "waited")     # in each row


class History(list[Row]):
    """One dict per epoch: epoch, loss, lr, seconds (of them `waited` for batches), and what `evaluate` returned.

    `stopped`: ended by Ctrl-C.
    """

    stopped = False


def describe(row: Row, epochs: int) -> str:
    """Return one line about an epoch."""
    scores = [f"{name.replace('_', ' ')} {value:.3f}" for name, value in row.items() if name not in OWN_NAMES]
    return ", ".join([f"epoch {int(row['epoch'])}/{epochs}", f"loss {row['loss']:.4f}", *scores[:4]])


def is_best(history: History, monitor: str) -> bool:
    """Return whether the latest epoch's score is the highest; NaN never is."""
    score = history[-1].get(monitor, math.nan)
    return not any(row[monitor] > score for row in history if monitor in row) and not math.isnan(score)


def checked_scores(scores: Any, monitor: str | None) -> Row:
    """Return what `evaluate` returned as a part of the history's row."""
    try:
        row = {f"evaluated_{name}" if name in OWN_NAMES else name: float(score) for name, score in scores.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError("fit: expected evaluate to return {name: score} with a number each, "
                         f"got {scores!r:.200}") from error
    if monitor is not None and monitor not in row:
        raise ValueError(f"fit: expected evaluate to return a score {monitor!r} to monitor, got {list(row)}")
    return row


def checked_rows(rows: Any, epochs: int) -> list[Row]:
    """Return the rows that a file has of so many epochs; raise a ValueError if they are not."""
    if len(rows) != epochs or not all(isinstance(value, (int, float)) for row in rows for value in row.values()):
        raise ValueError(f"expected a history of {epochs} rows of numbers")
    return list(rows)
