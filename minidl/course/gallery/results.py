"""What a run left in a lesson's folder: its numbers, its figures, and whether it came to its end."""
import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minidl.runtime.files import replacing
from minidl.checkpoint import unfinished

LOG_HEAD = "options: "     # of the first line of log.txt; a list as JSON follows
ABOUT_THE_RUN = ("lesson", "seconds", "figures", "options", "arguments", "failed")    # not results


@dataclass(frozen=True)
class Results:
    """What metrics.json says, and what is missing from it before the first run."""

    numbers: dict[str, Any]         # the lesson's own
    seconds: float | None
    options: dict[str, Any]
    arguments: list[str] | None     # the command line; None before the first run
    figures: dict[str, str]         # {file that is there: text for those who cannot see it}, in the order of the lesson
    failed: str                     # why the latest run by `python -m lessons` failed, empty if it did not
    stopped: bool                   # whether a training was stopped before its end

    @property
    def ran(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.numbers or self.figures)


def read_results(folder: Path) -> Results:
    """Read a lesson's folder; one without a metrics.json has no numbers."""
    metrics = _read_json(folder / "metrics.json")
    return Results(
        numbers={key: value for key, value in metrics.items() if key not in ABOUT_THE_RUN},
        seconds=metrics.get("seconds"), options=metrics.get("options", {}), arguments=metrics.get("arguments"),
        figures={one["file"]: one["alt"] for one in metrics.get("figures", []) if (folder / one["file"]).is_file()},
        failed=metrics.get("failed", ""),
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
    return decisive(json.loads(first.removeprefix(LOG_HEAD))) if first.startswith(LOG_HEAD) else None


def decisive(arguments: list[str], *others: str) -> list[str]:
    """Return a command line without the options on which no result depends, and without `others`.

    >>> decisive(["--quick", "--out", "here", "--seed", "3", "--threads=1", "--resume"])
    ['--quick', '--seed', '3']
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--out", "--threads", *others):
        parser.add_argument(option)
    for option in ("--show", "--resume"):
        parser.add_argument(option, action="store_true")
    return parser.parse_known_args(arguments)[1]


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
