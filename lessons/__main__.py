"""Run lessons: `python -m lessons 17`, several: `python -m lessons 17 18`, all: `python -m lessons`; see --help."""
import argparse
import os
import re
import sys
from pathlib import Path

from minidl.processes import run_python

HERE = Path(__file__).resolve().parent


def lessons() -> dict[int, Path]:
    """Return the lesson scripts by their number."""
    return {int(path.name[:2]): path for path in sorted(HERE.glob("[0-9][0-9]_*.py"))}


def heading(path: Path) -> tuple[str, str]:
    """Return a lesson's title and the line below it (slide and question), from its first cell."""
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("# # "))
    return lines[first][4:], re.sub(r"^#\s*|\*", "", lines[first + 1])


def main(arguments: list[str]) -> int:
    # Numbers stand in front, so that numbers behind an option (--size 32) are the option's.
    count = next((i for i, text in enumerate(arguments) if not text.isdigit()), len(arguments))
    numbers = [int(text) for text in arguments[:count]]
    parser = argparse.ArgumentParser(
        prog="python -m lessons", usage="python -m lessons [NUMBER ...] [--list] [OPTION ...]", allow_abbrev=False,
        description="Run the lessons with these numbers, one after the other; without a number, all.",
        epilog="All other options go to the lessons: --data --size --width --epochs --batch-size --lr --seed --threads "
               "--out --show --quick --resume. `python lessons/17_unet.py --help` explains them.")
    parser.add_argument("--list", action="store_true", help="say which lessons there are")
    known, options = parser.parse_known_args(arguments[count:])
    found = lessons()
    if known.list:
        for path in found.values():
            print("\n    ".join(heading(path)))
        return 0
    missing = [str(number) for number in numbers if number not in found]
    if missing:
        parser.error(f"no lesson {', '.join(missing)}; there are: {', '.join(map(str, found))}")
    # The lessons find minidl beside them even where it is not installed.
    search = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    failed = []
    for number in numbers or found:
        status, interrupted = run_python([str(found[number]), *options], os.environ | {"PYTHONPATH": search})
        if status:
            failed.append(str(number))
        if interrupted:
            print(f"stopped at lesson {number}", file=sys.stderr)
            break
    if failed:
        print(f"failed: lesson {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
