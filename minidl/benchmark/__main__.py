"""Measure and print, section by section; see --help."""
import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from minidl.benchmark import busy, inference, machine, memory, profile, pytorch, scaling, steps, textbook
from minidl.benchmark.options import QUICK, parse
from minidl.runtime.console import prepare
from minidl.runtime.files import replacing

SHOW: dict[str, Callable[[Any], str]] = {
    "machine": machine.show, "steps": steps.show, "busy": busy.show, "layers": profile.show,
    "convolutions": profile.show_convolutions,
    "memory": memory.show, "inference": inference.show, "growth": scaling.show, "textbook": textbook.show}


def measure(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Yield (section, numbers), the machine first, as soon as they are known."""
    torch = None if options.no_torch else pytorch.find_torch()
    seconds, wanted = options.seconds, options.only
    machine.set_threads(options.threads, torch)
    yield "machine", machine.describe(torch)
    if "steps" in wanted:
        yield "steps", steps.measure(options.configs, seconds, torch)
    if "busy" in wanted:
        yield "busy", busy.measure(options.configs, seconds, torch)
    if "layers" in wanted or "convolutions" in wanted:
        measured = profile.measure(options.largest, seconds / 2)
        if "layers" in wanted:
            yield "layers", profile.as_result(measured)
        if "convolutions" in wanted:
            yield "convolutions", profile.measure_convolutions(measured, options.quick)
    if "memory" in wanted:
        yield "memory", memory.measure(options.largest, options.threads, torch)
    if "inference" in wanted:
        yield "inference", inference.measure(options.configs, seconds / 3, torch)
    if "growth" in wanted:
        base, values = (QUICK[0], scaling.QUICK) if options.quick else (scaling.BASE, scaling.SERIES)
        yield "growth", scaling.measure(base, seconds / 3, options.threads, values)
    if "textbook" in wanted:
        yield "textbook", textbook.measure(seconds / 3, torch, textbook.QUICK if options.quick else textbook.CASES)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark as the command line asks."""
    prepare(stop=True)
    options = parse(arguments)
    if options.peak_memory_of is not None:
        print(json.dumps(memory.of_this_process(options.peak_memory_of, options.largest, options.threads)))
        return 0
    results = {}
    for section, numbers in measure(options):
        results[section] = numbers
        print(SHOW[section](numbers), end="\n\n", flush=True)
        if options.json is not None:    # after each section: what is known survives an interruption
            try:
                with replacing(options.json) as temporary:
                    temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            except OSError as error:    # in the first section, the machine, if there is no such folder
                print(f"error: {options.json} cannot be written: {error}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
