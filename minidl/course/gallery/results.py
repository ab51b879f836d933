"""What a run left in a lesson's folder: its numbers, its figures, and whether it came to its end."""
import argparse
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minidl.runtime.files import replacing
from minidl.runtime.npz import load_arrays
from minidl.training import unfinished

LOG_HEAD = "options: "     # of the first line of log.txt; a list as JSON follows
ABOUT_THE_RUN = ("lesson", "seconds", "figures", "options", "arguments", "failed")    # not results


@dataclass(frozen=True)
class Results:
    """What metrics.json says, with everything that may be missing or ill-shaped put right.

    Attributes
    ----------
    numbers : dict
        The lesson's own.
    seconds : float or None
    options : dict
    arguments : list of str or None
        The command line; None where an older version did not write it.
    figures : dict
        {file name: text for those who cannot see it}, in the order in which they were made; only files that are there.
    failed : str
        Why the latest run by `python -m lessons` failed, empty if it did not.
    stopped : bool
        Whether a training was stopped before its end.
    """

    numbers: dict[str, Any]
    seconds: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    arguments: list[str] | None = None
    figures: dict[str, str] = field(default_factory=dict)
    failed: str = ""
    stopped: bool = False

    @property
    def ran(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.numbers or self.figures)


def read_results(folder: Path) -> Results:
    """Read a lesson's folder; one that is missing, or whose metrics.json is damaged, has no numbers."""
    metrics = _read_json(folder / "metrics.json")
    seconds, arguments, options = metrics.get("seconds"), metrics.get("arguments"), metrics.get("options")
    return Results(
        numbers={key: value for key, value in metrics.items() if key not in ABOUT_THE_RUN},
        seconds=float(seconds) if isinstance(seconds, (int, float)) and math.isfinite(seconds) else None,
        options=options if isinstance(options, dict) else {},
        arguments=[str(one) for one in arguments] if isinstance(arguments, list) else None,
        figures=_figures(folder, metrics.get("figures")), failed=str(metrics.get("failed") or ""),
        stopped=any(unfinished(path) for path in sorted(folder.glob("checkpoints/**/last.npz"))))


def note_failure(folder: Path, arguments: list[str], why: str) -> None:
    """Write into metrics.json that the latest run failed, and why; the results of an earlier one stay there."""
    metrics = _read_json(folder / "metrics.json") | {"arguments": arguments, "failed": why}
    with replacing(folder / "metrics.json") as temporary:
        temporary.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")


def done_with(results: Results, arguments: list[str]) -> bool:
    """Return whether a lesson need not be run again: it came to its end, with the same options."""
    return (results.ran and not results.failed and not results.stopped and results.arguments is not None
            and decisive(results.arguments) == decisive(arguments))


def latest_options(folder: Path) -> list[str] | None:
    """Return the decisive options of the run that began last in a lesson's folder, None if nothing is known of it.

    They are on the first line of log.txt, or in metrics.json, if a lesson that was started by itself wrote that later.
    """
    log, metrics = folder / "log.txt", folder / "metrics.json"
    if not log.is_file() or metrics.is_file() and metrics.stat().st_mtime_ns > log.stat().st_mtime_ns:
        arguments = read_results(folder).arguments
        return None if arguments is None else decisive(arguments)
    with open(log, encoding="utf-8", errors="replace") as file:
        first = file.readline()
    try:
        return decisive([str(one) for one in json.loads(first.removeprefix(LOG_HEAD))])
    except (ValueError, TypeError):
        return None


def decisive(arguments: list[str]) -> list[str]:
    """Return a command line without the options on which no result depends.

    >>> decisive(["--quick", "--out", "here", "--seed", "3", "--threads=1", "--resume"])
    ['--quick', '--seed', '3']
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--out", "--threads"):
        parser.add_argument(option)
    for option in ("--show", "--resume"):
        parser.add_argument(option, action="store_true")
    return parser.parse_known_args(arguments)[1]


def read_comparison(path: Path) -> dict[str, Any] | None:
    """Read a comparison.npz: images (n, 3, H, W) uint8, truth (n, H, W), and two more of truth's shape, by their name.

    Returns None if there is none, or none of this kind.
    """
    try:
        arrays = load_arrays(path)
    except (OSError, ValueError):
        return None
    images, truth = arrays.pop("images", None), arrays.pop("truth", None)
    if images is None or truth is None or len(arrays) != 2 or images.ndim != 4 or images.dtype != "uint8":
        return None
    n, channels, H, W = images.shape
    maps = [truth, *arrays.values()]
    if not n or channels != 3 or any(one.shape != (n, H, W) or one.dtype != "uint8" or one.max() > 2 for one in maps):
        return None
    return {"images": images, "truth": truth, **arrays}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _figures(folder: Path, listed: Any) -> dict[str, str]:
    """Return {file: text} of the figures that metrics.json lists, or else of all that are in the folder."""
    there = {path.name for path in folder.glob("*.png")}
    if not isinstance(listed, list):
        return dict.fromkeys(sorted(there), "")
    found = {str(one.get("file")): str(one.get("alt") or "") for one in listed if isinstance(one, dict)}
    return {file: alt for file, alt in found.items() if file in there}
