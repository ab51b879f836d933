"""The speed beside PyTorch's, and the memory, beside what `python -m minidl.benchmark --json` wrote."""
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.readme_numbers.check import Check, NUMBER
from tests.readme_numbers.markdown import Page

TIMES, RATIOS, MEMORY = 0.4, 0.3, 0.1      # tolerances
FILE = "benchmark.json"
SECTIONS = "steps,busy,memory"             # those that the README speaks of
CONFIG = re.compile(r"(\d+)\D+(\d+) × \d+\D+(\d+)")                    # 64, 128 × 128, 8
PEAKS = re.compile(r"minidl[^.;|]{0,60}?([\d,]+) MiB[^.;|]{0,20}?PyTorch[^.;|]{0,20}?([\d,]+)")


def speed_checks(page: Page, folder: Path) -> list[Check]:
    """Return the checks of a table with minidl's and PyTorch's times, and of the sentence on memory."""
    path = folder / FILE
    measured = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return [*_times(page, measured), *_memory(page, measured)]


def _times(page: Page, measured: dict[str, Any]) -> Iterator[Check]:
    for table in page.tables:
        if table.column("minidl") is None or table.column("PyTorch") is None:
            continue
        for row in table.rows:
            config = CONFIG.search(row[0].text)
            for head, cell in zip(table.heads[1:], row[1:]):
                section, key = meant(head)
                if config is None or not NUMBER.fullmatch(cell.text):
                    continue
                found = _of(measured.get(section, []), tuple(map(int, config.groups())), key)
                yield Check(f"speed: {config[0]}, {head}", cell.text, found, cell.at,
                            RATIOS if key == "ratio" else TIMES, f"not in {FILE}")


def meant(head: str) -> tuple[str, str]:
    """Return the section of the benchmark and the key there, by a column's head.

    >>> meant("minidl"), meant("minidl ÷ better PyTorch"), meant("beside"), meant("channels_last")
    (('steps', 'ours'), ('steps', 'ratio'), ('busy', 'ratio'), ('steps', 'channels_last'))
    """
    if "beside" in head or "busy" in head:
        return "busy", "ratio"
    if "÷" in head or "ratio" in head:
        return "steps", "ratio"
    keys = {"one process": "one", "channels_last": "channels_last", "PyTorch": "plain", "minidl": "ours"}
    return "steps", next((key for words, key in keys.items() if words in head), head)


def _of(rows: list[dict[str, Any]], config: tuple[int, ...], key: str) -> float | None:
    """Return a time, or the ratio, of a configuration (width, size, batch)."""
    for row in rows:
        if (row["width"], row["size"], row["batch"]) == config:
            found = row["ratio"] if key == "ratio" else row["ms"].get(key)
            return None if found is None else float(found)
    return None


def _memory(page: Page, measured: dict[str, Any]) -> Iterator[Check]:
    peaks = {who: found["peak"] for who, found in measured.get("memory", {}).get("bytes", {}).items()}
    rivals = [peak for who, peak in peaks.items() if who != "ours" and peak]
    for match in PEAKS.finditer(page.text):
        for k, (who, peak) in enumerate({"minidl": peaks.get("ours"), "PyTorch": min(rivals, default=None)}.items(), 1):
            yield Check(f"peak memory of {who}, MiB", match[k], None if peak is None else peak / 2**20, match.start(k),
                        MEMORY, f"not in {FILE}")
