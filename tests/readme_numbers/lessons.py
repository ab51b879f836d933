"""The table of lessons: their results on held-out data, and their seconds, beside each lesson's metrics.json."""
import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from minidl.course.gallery.results import Results, decisive, read_results
from tests.readme_numbers.check import Check, NUMBER, agrees, value
from tests.readme_numbers.markdown import Cell, Page

SECONDS = 0.5        # tolerance: another machine, or other programs beside
MILLISECONDS = 1.0   # of lesson 21, which measures single layers

# The numbers that may stand in a lesson's row, in the order in which they stand there; a row may leave some out. Each
# is a path in metrics.json; of a list, the mean is taken.
MAPS = ("test/mean_iou", "test/iou_border")
QUANTITIES: dict[str, tuple[str, ...]] = {
    "01": ("test/accuracy", "test_accuracy_of_best_thresholds"),
    "02": ("test/accuracy", "accuracy_moved"),
    "03": ("test/model", "test/persistence", "test/no_hidden_layer"),
    "04": ("accuracy/moved/CNN", "accuracy/moved/MLP", "accuracy/as they are/CNN", "accuracy/as they are/MLP"),
    "05": ("test/pets_accuracy",),
    "06": ("test/mean_iou", "mean_iou_of_mean_box"),
    "07": ("test/map", "test/ap_pet"),
    "08": ("test/mean_iou", "mean_iou_of_background"),
    "10": ("test/mean_iou", "mean_iou_of_tables/counted"),
    "11": MAPS,
    "12": (*MAPS, "test_six/mean_iou", "test_six/iou_border"),
    "13": MAPS,
    "14": MAPS,
    "15": ("mean_iou/3 × 3 after each", "mean_iou/bilinear"),
    "16": MAPS,
    "17": (*MAPS, "border_f1/tolerance 1"),
    "18": ("border/without skips", "border/wider, without", "border/with skips"),
    "19": ("scores/network/psnr", "scores/bicubic/psnr"),
    "20": ("scores/L1/psnr", "scores/GAN/psnr", "scores/L1/feature_distance", "scores/GAN/feature_distance"),
    "21": ("layer_ms/seven loops (calculated)", "layer_ms/in a workspace"),
}
# A result is a decimal fraction, or an integer with a unit: not the sides of a kernel, nor a number of seeds.
RESULT = re.compile(r"(?<![\w.,])[−-]?\d[\d,]*(?:\.\d+|(?= ?(?:%|(?:ms|s|min|dB)\b)))(?: ?(%|(?:ms|min)\b))?")
NOT_KNOWN = "one number more than QUANTITIES has"
SCALES = {"%": 100.0, "min": 1 / 60_000}       # of what is measured in shares, and in milliseconds
# Sentences about a lesson's results: a group for each quantity.
SENTENCES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"border's IoU is ([\d.]+) with them,\s+([\d.]+) without,\s+and\s+([\d.]+)\s+without but", "18",
     ("border/with skips", "border/without skips", "border/wider, without")),
)


def lesson_checks(page: Page, folder: Path) -> list[Check]:
    """Return the checks of each row that links to a lesson, and of the sentences about lessons."""
    return [*_rows(page, folder), *_sentences(page, folder)]


def _rows(page: Page, folder: Path) -> Iterator[Check]:
    for table in page.tables:
        found = [(re.search(r"\]\(lessons/((\d\d)_\w+)\.py\)", " ".join(cell.text for cell in row)), row)
                 for row in table.rows]
        results = table.column("held-out", "result")
        seconds = next((k for k, head in enumerate(table.heads) if head in ("s", "sec", "seconds", "time (s)")), None)
        for link, row in found:
            if link:
                run = read_results(folder / link[1])
                if results is not None:
                    yield from row_checks(link[2], row[results], run)
                if seconds is not None and NUMBER.fullmatch(row[seconds].text):
                    yield Check(f"lesson {link[2]}: seconds", row[seconds].text, None if why_not(run) else run.seconds,
                                row[seconds].at, SECONDS, why_not(run))


def row_checks(number: str, cell: Cell, run: Results) -> list[Check]:
    """Return a check for each result in a lesson's cell."""
    numbers = [(found[0].removesuffix(found[1] or "").rstrip(), found[1] or "", cell.at + found.start())
               for found in RESULT.finditer(cell.text)]
    note = why_not(run)
    known = {path: None if note else quantity(run.numbers, path) for path in QUANTITIES.get(number, ())}
    paths = matched([(said, unit) for said, unit, _ in numbers], known)
    return [Check(f"lesson {number}: {path or NOT_KNOWN}", said, scaled(known.get(path), unit), at,
                  MILLISECONDS if number == "21" else None, note if path else "")
            for (said, unit, at), path in zip(numbers, paths)]


def matched(numbers: Sequence[tuple[str, str]], known: dict[str, float | None]) -> list[str]:
    """Return for each (number, unit) the path of the quantity that it is, "" for those that are too many.

    Numbers are in the quantities' order, and some quantities may be missing: of all choices, the one with the fewest
    numbers that disagree, and of these the nearest.
    """
    count = min(len(numbers), len(known))

    def distance(paths: tuple[str, ...]) -> tuple[int, float]:
        pairs = [(said, scaled(known[path], unit)) for (said, unit), path in zip(numbers, paths)]
        return (sum(one is None or not agrees(said, one) for said, one in pairs),
                sum(abs(value(said) - one) / (abs(one) + 1e-12) for said, one in pairs if one is not None))
    best = min(combinations(known, count), key=distance)
    return [*best, *[""] * (len(numbers) - count)]


def _sentences(page: Page, folder: Path) -> Iterator[Check]:
    for pattern, number, paths in SENTENCES:
        for match in re.finditer(pattern, page.text):
            run = next((read_results(one) for one in folder.glob(f"{number}_*")), read_results(folder / number))
            for k, path in enumerate(paths, 1):
                measured = None if why_not(run) else quantity(run.numbers, path)
                yield Check(f"lesson {number}: {path}", match[k], measured, match.start(k), None, why_not(run))


def why_not(run: Results) -> str:
    """Return why a run's numbers are not those of the README's command; "" if they are."""
    if not run.ran or run.arguments is None:
        return "no results"
    if run.failed:
        return f"failed: {run.failed}"
    options = decisive(run.arguments)
    return f"run with {' '.join(options)}" if options else ""


def quantity(numbers: dict[str, Any], path: str) -> float | None:
    """Return a number of metrics.json by its path, of a list the mean; None if there is none.

    >>> quantity({"border": {"with skips": [0.25, 0.75]}}, "border/with skips"), quantity({}, "seconds")
    (0.5, None)
    """
    if path == "mean_iou_of_background":         # IoU is 0 of the two others, and of this one its share of the pixels
        share = numbers.get("pixel_accuracy_all_background")
        return None if share is None else share / 3
    found: Any = numbers
    for key in path.split("/"):
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, list) and found:
        found = sum(found) / len(found)
    return float(found) if isinstance(found, (int, float)) else None


def scaled(number: float | None, unit: str) -> float | None:
    return None if number is None else number * SCALES.get(unit, 1.0)
