"""Segment images from the command line: `python -m minidl.predict --help`."""
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from minidl.layers.base import Layer
from minidl.predict.jobs import TABLE, find_jobs
from minidl.predict.model import BUILDERS, PETS, open_model
from minidl.predict.results import Row, segment_jobs, write_table
from minidl.predict.score import SCORES, groups, names_seen, score_images, score_rows, score_table
from minidl.runtime.console import prepare
from minidl.runtime.files import make_folder, shorten
from minidl.runtime.options import whole
from minidl.runtime.threads import set_num_threads

SIZE_MOST = 2048         # larger ones would need more memory than most machines have

DESCRIPTION = """\
Find the class of every pixel of an image: with the weights that come with minidl, object (a cat or a dog), background
or the border between them. Writes for each cat.jpg

  cat.jpg.mask.png      the classes: a palette image with the values 1 object, 2 background, 3 border, as in trimaps
  cat.jpg.overlay.png   the image under the classes' colors: object orange, background blue-gray, border yellow

of the image's own size, and table.csv with each class's share of the pixels. A folder stands for the images in it and
in the folders below (links to folders are not followed). JPEG, PNG, GIF, BMP, TIFF and WEBP are read, upright as a
viewer shows them; of an animation or of several pages the first, transparent parts on white. Of a folder's other files
is said how many were not read."""
EPILOG = """\
exit status: 0 all went well; 1 some images could not be segmented, or the table not be written (they are named, and the
others done); 2 nothing was done, because of an option, the weights, or the folder for the results.

The weights that come with minidl were trained on 1,000 rendered cats and dogs and then on 511 photographs, most of
three breeds. On other photographs of these breeds 90 % of the pixels are right, on those of other breeds 84 %, where
"background" everywhere would be right for 58 % and 50 %."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    prepare(errors="backslashreplace")                         # names of files that a console cannot show
    parser = options_parser()
    options = parser.parse_args(arguments)
    given = {name: getattr(options, name) for name in ("width", "classes") if getattr(options, name) is not None}
    if given and options.model is None:
        parser.error("--width and --classes need --model")
    if bool(options.images) == (options.score is not None):
        parser.error("expected images, or --score FOLDER, and not both")
    if options.threads is not None:
        set_num_threads(options.threads)
    try:
        model, size = open_model(options.weights, options.model, **given)
        size = options.size or size
        if size > SIZE_MOST:
            raise ValueError(f"expected a size in the network of at most {SIZE_MOST} pixels, got a size of {size}")
        jobs, others = find_jobs(options.images, options.out)
        make_folder(options.out)
        if options.score is not None:
            return score(options, model, size)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    about = " (trained on photographs of cats and dogs, see --help)" if options.weights == PETS else ""
    print(f"weights {options.weights.name}{about}: {sum(p.data.size for p in model.parameters()):,} parameters; "
          f"made for images of {size} x {size} pixels in the network", flush=True)
    rows: list[Row] = []
    interrupted = False
    try:
        for row in segment_jobs(jobs, model, size, not options.once, options.probabilities):
            rows.append(row)
    except KeyboardInterrupt:
        interrupted = True
    failed = sum(bool(row["problem"]) for row in rows)
    listed = f", {TABLE} lists them"
    try:
        write_table(options.out / TABLE, rows)
    except OSError as error:                                   # on Windows, for one, while a spreadsheet shows it
        print(f"error: the table was not written: {error}", file=sys.stderr)
        listed = ""
    print(f"{len(rows) - failed} of {len(jobs)} segmented; results in {shorten(options.out)}{listed}"
          + (f"; {failed} failed" if failed else "") + ("; interrupted" if interrupted else "")
          + (f"; {others.total()} not read ({', '.join(sorted(+others))})" if others.total() else ""))
    return 130 if interrupted else 1 if failed or not listed else 0


def score(options: argparse.Namespace, model: Layer, size: int) -> int:
    """Print how good the model is on a folder's test images, and write each image's scores; return the exit status."""
    seen = names_seen(options.weights)
    results = list(score_images(options.score, model, size, not options.once, seen))
    problems = [f"{one.name}: {one.problem}" for one in results if one.problem]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if len(problems) == len(results):
        return 1
    print(score_table(groups(results, seen)))
    write_table(options.out / SCORES, score_rows(results))
    print(f"{len(results) - len(problems)} images scored; {shorten(options.out / SCORES)} lists them, the worst first"
          + (f"; {len(problems)} failed" if problems else ""))
    return 1 if problems else 0


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m minidl.predict", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="file or folder")
    parser.add_argument("--score", type=Path, metavar="FOLDER", help="in place of images: say how good the weights are "
                        "on the test images of this folder, which has trimaps as Oxford-IIIT Pet has them. Images "
                        "listed in FILE.txt beside the weights FILE.npz, as their training images, are left out")
    parser.add_argument("--weights", type=Path, default=PETS, metavar="FILE", help="weights of a model of the lessons, "
                        "weights.npz or last.npz in a folder of checkpoints (default: the ones that come with minidl)")
    parser.add_argument("--model", choices=BUILDERS, help="which model the weights belong to, if the file does not say "
                        "it (a PyTorch state_dict), with its --width and --classes")
    parser.add_argument("--width", type=whole, help="channels of the model's first block (default: 64)")
    parser.add_argument("--classes", type=whole, help="classes of the model (default: 3)")
    parser.add_argument("--size", type=whole, metavar="PIXELS", help="side of the images the model was trained on "
                        "(default: as the file of the weights says, or 64)")
    parser.add_argument("--probabilities", action="store_true", help="also write cat.jpg.prob1.png and so on, the "
                        "probability of each class as a gray image: black is 0, white is 1")
    parser.add_argument("--once", action="store_true", help="ask the network once, not four times (the image and its "
                        "mirror image, each in two sizes): a fifth of the time in the network, a little less accurate")
    parser.add_argument("--out", type=Path, default=Path("out") / "predict", metavar="FOLDER",
                        help="folder for the results (default: %(default)s)")
    parser.add_argument("--threads", type=whole, help="cores to use (default: all)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
