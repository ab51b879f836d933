"""Images with a bright corner, and the command line that segments them."""
import csv

import numpy as np
from PIL import Image

from minidl.predict.__main__ import main


class Run:
    """The command line with these weights: its exit status, what it printed, and the table that it wrote."""

    def __init__(self, weights, out, capsys, *arguments):
        self.status = main(["--weights", str(weights), "--out", str(out), *map(str, arguments)])
        self.out, self.err = capsys.readouterr()
        self.rows = []
        if (out / "table.csv").is_file():
            with (out / "table.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
                self.rows = list(csv.DictReader(file))


def corner(width=60, height=40):
    """Return a dark image whose top left quarter is bright."""
    pixels = np.full((height, width), 20, np.uint8)
    pixels[:height // 2, :width // 2] = 235
    return Image.fromarray(pixels)


def write_corners(folder, *names):
    """Write `corner` under each name, and return the paths."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        corner().save(folder / name)
    return [folder / name for name in names]
