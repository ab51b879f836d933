"""Get the Oxford-IIIT Pet set, ready for training.

    python -m minidl.datasets download

downloads, checks and unpacks it, and keeps its images resized for the lessons. It may be interrupted at any time, and
goes on from there when started again.
"""
import argparse
import sys
from pathlib import Path

from minidl.datasets.download.oxford_pets import IMAGES, SOURCES, download
from minidl.datasets.pets import load_pets
from minidl.runtime.console import prepare
from minidl.runtime.files import DATA_HELP, data_folder, shorten
from minidl.runtime.options import whole
from minidl.runtime.threads import set_num_threads

BYTES_PER_PIXEL = 4          # of a resized image: red, green, blue, and the trimap


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m minidl.datasets", description="Get data sets.")
    commands = parser.add_subparsers(dest="command", required=True)
    text = "download the Oxford-IIIT Pet set (811 MB), unpack it and resize its images"
    command = commands.add_parser("download", help=text, description=text + ". Interrupted, it goes on when started "
                                  "again. A proxy is taken from the environment (https_proxy).", epilog=DATA_HELP)
    command.add_argument("--to", type=Path, help="folder (default: data/oxford-iiit-pet in the project)")
    command.add_argument("--mirror", metavar="URL", action="append", default=[],
                         help="folder on the web that has the archives, to be asked first; may be given repeatedly")
    command.add_argument("--size", type=whole, nargs="*", default=[128],
                         help="sides to resize the images to, none for none (default: 128)")
    command.add_argument("--threads", type=whole, help="cores to resize with (default: all)")
    return parser.parse_args(argv)


def run(options: argparse.Namespace) -> None:
    """Download, unpack and resize; print how to go on."""
    to, cache = options.to or data_folder() / "oxford-iiit-pet", data_folder() / "cache"
    if options.threads is not None:
        set_num_threads(options.threads)
    resized = sum(IMAGES * BYTES_PER_PIXEL * size**2 for size in options.size)
    download(to, sources=(*options.mirror, *SOURCES), cache_bytes=resized)
    for size in options.size:
        for split in ("train", "test"):
            pets = load_pets(to, split, size, cache=cache, broken="skip")
            print(f"{split}: {len(pets)} images, {size} x {size}"
                  + (f"; {len(pets.problems)} left out" if pets.problems else ""))
            print("".join(f"  {problem}\n" for problem in pets.problems), end="")
    size = max(options.size, default=128)
    print(f"then: python -m lessons 17 --data {shorten(to)} --size {size} --width 64")


def main(argv: list[str] | None = None) -> int:
    """Do what the command line asks; 1 if it fails, 130 after Ctrl-C."""
    prepare()
    options = parse(argv)
    try:
        run(options)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from here")
        return 130
    except (OSError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
