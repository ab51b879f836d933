"""What to measure, as the command line says it."""
import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from minidl.runtime.options import positive_number, whole

SECTIONS = ("steps", "busy", "layers", "convolutions", "memory", "inference", "growth", "textbook")
MEMORY_OF = ("ours", "plain", "channels_last")


class Config(NamedTuple):
    """A U-Net and a batch for it."""

    width: int
    size: int
    batch: int

    def __str__(self) -> str:
        return f"width {self.width}, {self.size} x {self.size} pixels, batch of {self.batch}"


DEFAULT = (Config(64, 128, 8), Config(16, 128, 8), Config(16, 64, 8), Config(8, 32, 16))
QUICK = (Config(4, 32, 2),)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; exit with a message where it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m minidl.benchmark", allow_abbrev=False, description=(
        "Measure how fast minidl trains the deck's U-Net on this machine, beside PyTorch where that is installed, "
        "and where the time goes."))
    add = parser.add_argument
    add("--configs", nargs="+", type=config, metavar="W,S,B", default=DEFAULT,
        help="width, size of the images and batch size (default: " + " ".join(spelled(c) for c in DEFAULT) + ")")
    add("--only", type=sections, default=SECTIONS, metavar="A,B", help="some of " + ",".join(SECTIONS))
    add("--seconds", type=positive_number, default=15.0, help="for each configuration's training steps; the other "
                                                              "measurements take a share of it (default: %(default)s)")
    add("--threads", type=whole, help="processes of minidl, threads of PyTorch (default: one for each core)")
    add("--no-torch", action="store_true", help="leave PyTorch out")
    add("--json", type=Path, metavar="FILE", help="write the numbers to this file, too")
    add("--quick", action="store_true", help="prove in seconds that everything runs; the numbers mean nothing")
    add("--peak-memory-of", choices=MEMORY_OF, help=argparse.SUPPRESS)    # what memory.py asks a new process for
    options = parser.parse_args(arguments)
    if options.quick:                              # other defaults; what is given counts in a quick run, too
        parser.set_defaults(configs=QUICK, seconds=0.1)
        options = parser.parse_args(arguments)
    options.largest = max(options.configs, key=lambda c: c.width**2 * c.size**2 * c.batch)      # as the work of a step
    return options


def config(text: str) -> Config:
    """Read a configuration such as 16,64,8.

    >>> config("16,64,8")
    Config(width=16, size=64, batch=8)
    """
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"expected WIDTH,SIZE,BATCH, three integers such as 16,64,8, got {text!r}")
    found = Config(*map(int, parts))
    if found.size % 32:
        raise argparse.ArgumentTypeError("expected a SIZE that divides by 32, as the U-Net halves its images five "
                                         f"times, got {text!r}")
    return found


def spelled(config: Config) -> str:
    """Return a configuration as `config` reads it."""
    return ",".join(map(str, config))


def sections(text: str) -> tuple[str, ...]:
    """Read the list of sections."""
    wanted = text.split(",")
    unknown = [name for name in wanted if name not in SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"expected some of {','.join(SECTIONS)}, got {','.join(unknown)!r}")
    return tuple(name for name in SECTIONS if name in wanted)


def say(text: str) -> None:
    """Print what is being measured to the standard error stream: the standard output is for the tables."""
    print(f"... {text}", file=sys.stderr, flush=True)
