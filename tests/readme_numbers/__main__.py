"""Measure the README's numbers again, as the command line says, and print which differ."""
import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from minidl.runtime.console import prepare
from minidl.runtime.files import make_folder, replacing
from tests.readme_numbers import ladder, lessons, measure, speed, weights
from tests.readme_numbers.check import WRONG, Check, report
from tests.readme_numbers.counts import corrected, count_checks, line_checks
from tests.readme_numbers.markdown import Page, rest
from tests.readme_numbers.measure import ROOT, SECTIONS

CHECKS: dict[str, Callable[[Page, Path], list[Check]]] = {
    "lines": lambda page, folder: line_checks(page, ROOT) + count_checks(page, ROOT),
    "lessons": lessons.lesson_checks, "ladder": ladder.ladder_checks, "speed": speed.speed_checks,
    "weights": weights.weights_checks}
TIMES = f"""seconds by {lessons.SECONDS:.0%}, those of lesson 21 by {lessons.MILLISECONDS:.0%}, the benchmark's times by
{speed.TIMES:.0%}, its ratios by {speed.RATIOS:.0%}, memory by {speed.MEMORY:.0%}"""
DESCRIPTION = f"""Measure the numbers in README.md again, and say which differ.

  lines    lines of the library's files and folders; how many lessons, exercises and images    a second
  lessons  results and seconds of each lesson: python -m lessons                               15 minutes on two cores
  ladder   its table, and on photographs the second one                                        an hour
  speed    beside PyTorch, where that is installed: python -m minidl.benchmark                 5 minutes
  weights  scores of the weights that ship, on photographs, here and in their model card       minutes

Results and counts must be what was measured, at the precision with which they are written. Times may differ:
{TIMES}. The exit status is 1 if a number differs (of times, it is only
said) or is missing from the results, if a command failed, or if nothing was found to compare.
"""

EPILOG = f"""A folder of results has NN_name/metrics.json of the lessons, {ladder.FILE.as_posix()}, the same below
{ladder.PHOTOGRAPHS}/ for the second ladder, {speed.FILE}, and {weights.FILE.as_posix()} with what the command
for the weights printed.
"""


def options_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.readme_numbers", description=DESCRIPTION, epilog=EPILOG,
                                     allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--only", nargs="+", choices=SECTIONS, metavar="PART", help="some of " + ", ".join(SECTIONS))
    add("--out", type=Path, default=ROOT / "out" / "readme_numbers", metavar="FOLDER", help="for the results; what is "
        "there from an earlier run is not measured again (default: out/readme_numbers in the project)")
    add("--measured", type=Path, metavar="FOLDER", help="run nothing: compare with the results that are there")
    add("--photographs", type=Path, metavar="FOLDER", help="photographs in the layout of Oxford-IIIT Pet, for the "
        "weights and the second ladder")
    add("--readme", type=Path, default=ROOT / "README.md", metavar="FILE", help="another page to compare")
    add("--differing", action="store_true", help="print only what differs")
    add("--rest", action="store_true", help="list the page's numbers that are not looked after here, too")
    add("--write", action="store_true", help="write the lines and counts as they are into the page")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and compare; return the exit status."""
    prepare()
    parser = options_parser()
    options = parser.parse_args(arguments)
    wanted = [section for section in SECTIONS if section in (options.only or SECTIONS)]
    out = (options.measured or options.out).absolute()
    if options.measured and not out.is_dir():
        parser.error(f"--measured: no such folder: {out}")
    if options.photographs and not options.photographs.is_dir():
        parser.error(f"--photographs: no such folder: {options.photographs}")
    if not options.readme.is_file():
        parser.error(f"--readme: no such file: {options.readme}")
    photographs = options.photographs and options.photographs.absolute()
    if "weights" in wanted and not photographs and not (options.measured and (out / weights.FILE).is_file()):
        if options.only:
            parser.error("weights: --photographs FOLDER says on which photographs")
        print("weights: left out; --photographs FOLDER says on which photographs to score them")
        wanted.remove("weights")
    failed = []
    if not options.measured and wanted != ["lines"]:
        try:
            make_folder(out)
            failed = measure.run([stage for section in wanted for stage in measure.jobs(section, out, photographs)])
        except OSError as error:
            parser.error(f"--out: {error}")
        except KeyboardInterrupt:
            print("\nstopped; the same command goes on from here", file=sys.stderr)
            return 130
        print()
    for job in failed:
        print(f"failed: {job}", file=sys.stderr)
    return max(compare(options, wanted, out), int(bool(failed)))


def compare(options: argparse.Namespace, wanted: list[str], out: Path) -> int:
    """Print what differs between the pages and the results in a folder; return the exit status."""
    page = Page.read(options.readme)
    if options.write and (text := corrected(page, CHECKS["lines"](page, out))) != page.text:
        with replacing(options.readme) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"lines and counts written to {options.readme}\n")
        page = Page.read(options.readme)
    found = {section: CHECKS[section](page, out) for section in wanted}
    checks = [check for section in wanted for check in found[section]]
    print(report(page, checks, options.differing))
    card = options.readme.parent / weights.CARD
    if "weights" in wanted and card.is_file() and (on_card := weights.weights_checks(Page.read(card), out)):
        print(f"\n{weights.CARD.as_posix()}:\n{report(Page.read(card), on_card, options.differing)}")
        found["weights"] += on_card
    status = any(check.verdict in WRONG for section in wanted for check in found[section])
    for section in wanted:
        if not found[section]:
            print(f"{section}: nothing to compare was found in {page.path.name}", file=sys.stderr)
            status = True
    if set(wanted) - {"lines"} and (old := measure.older_than_code(out)):
        print(f"made before the code was last changed: {', '.join(sorted(str(path.relative_to(out)) for path in old))}")
    if options.rest:
        others = rest(page, [(check.at, check.said) for check in checks])
        print("not looked after here:")
        for line, numbers in others.items():
            print(f"  line {line}: {', '.join(numbers)}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
