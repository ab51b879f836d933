"""What every lesson needs around its subject: options, data, a folder for its figures, and its numbers as JSON."""
import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidl import plotting
from minidl.course.printed import listen_to_lesson
from minidl.runtime.console import prepare
from minidl.runtime.files import DATA_HELP, data_folder, make_folder, project_root, replacing, shorten
from minidl.runtime.format import flat
from minidl.runtime.options import positive_number, whole
from minidl.runtime.progress import duration
from minidl.runtime.threads import set_num_threads

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from minidl.datasets.pets.reader import Pets
    from minidl.types import Array

FULL_WIDTH = 16      # of the models that the lessons train

# Options that some lessons take, by the word with which a lesson asks for them: what `add_argument` is told of each.
SPECIAL: dict[str, dict[str, dict[str, Any]]] = {
    "image": {"--image": {"type": Path, "help": "an image of your own (default: one of the held-out images)"}},
    "ladder": {
        "--ladder": {"action": "store_true", "help": "in place of the lesson, compare all models of the ladder under "
                     "equal conditions, at full width; it may take an hour, and goes on where it was stopped"},
        "--seeds": {"type": whole, "default": 3, "help": "trainings per model of --ladder (default: 3)"}},
    "mine": {
        "--mine": {"action": "store_true", "help": "in place of the lesson, train its model on the layers that you "
                   "wrote in the exercises (python -m lessons.exercises)"},
        "--minutes": {"type": positive_number, "default": 5.0, "help": "that the training of --mine may take; image "
                      "size and width are chosen for it (default: 5)"}},
    "names": {"--names": {"type": Path, "metavar": "FILE", "help": "in place of the lesson, train its model for "
                          "photographs, with the images of --data that this file names, one on each line"}},
}


def options_parser(name: str, **defaults: Any) -> argparse.ArgumentParser:
    """Return the parser of the options that all lessons share; `defaults` are the lesson's own."""
    parser = argparse.ArgumentParser(prog=name, epilog=DATA_HELP)

    def add(option: str, kind: Any, text: str, default: Any = None) -> None:
        default = defaults.get(option[2:].replace("-", "_"), default)
        parser.add_argument(option, type=kind, default=default,
                            help=text if default is None else f"{text} (default: %(default)s)")

    add("--data", Path, "folder in the layout of Oxford-IIIT Pet (default: rendered pets, made when first needed)")
    add("--size", whole, "height and width of the images", 64)
    add("--width", whole, "channels of the model's first block", FULL_WIDTH)
    add("--epochs", whole, "passes over the training images (default: as many as fit the lesson's budget)")
    add("--batch-size", whole, "images per step", 8)
    add("--lr", positive_number, "learning rate", 4e-3)
    add("--seed", int, "of all random numbers", 0)
    add("--threads", whole, "cores to use (default: all)")
    add("--out", Path, "folder for figures and numbers (default: out in the project)")
    parser.add_argument("--resume", action="store_true", help="go on with a training that was interrupted")
    parser.add_argument("--show", action="store_true", help="open each figure in a window, too")
    parser.add_argument("--quick", action="store_true", help="prove in seconds that everything runs: little data, and "
                        "a small size, width and number of epochs where they are not given")
    return parser


def rendered_pets(quick: bool) -> Path:
    """Return the folder of the rendered pets (of a few, for a quick run), which are rendered if they are not there.

    The program ends with a message if they cannot be written.
    """
    from minidl.datasets import synthetic_pets
    try:
        if quick:
            return synthetic_pets.ensure(data_folder() / "synthetic-pets-quick", train=48, test=16)
        return synthetic_pets.ensure(data_folder() / "synthetic-pets")
    except OSError as error:
        raise SystemExit(f"error: {error}. {DATA_HELP}") from None


class Lesson:
    """One run of a lesson: its options, and where its results go.

    Parameters
    ----------
    name : str
        Such as "17_unet"; names the folder of the results.
    budget : int
        How many images of 64 x 64 the training may look at when `--epochs` is not given.
    argv : list of str, optional
        The command line; by default the program's, and none in a notebook.
    quick_epochs : int
        Of a `--quick` run, when `--epochs` is not given.
    takes : sequence of str
        Which special options the lesson takes: "image" (see `photo`), "ladder", "mine", "names" (see `comparison`,
        `own` and `photographs` in `minidl.tasks.segmentation`).
    **defaults
        Of the options, where the lesson's differ from the common ones.

    Attributes
    ----------
    size, width, batch_size, lr, seed, quick, resume : the options
    out : Path
    as_intended : bool
        Whether data and training are the lesson's own, with whatever seed: only then is its result held to a standard,
        in assertions about what it learned. What follows from mathematics is asserted always.
    """

    def __init__(self, name: str, budget: int = 6_000, argv: list[str] | None = None, quick_epochs: int = 2,
                 takes: Sequence[str] = (), **defaults: Any) -> None:
        self.in_notebook = "ipykernel" in sys.modules
        prepare()
        parser = options_parser(name, **defaults)
        for option, meaning in (item for word in takes for item in SPECIAL[word].items()):
            parser.add_argument(option, **meaning)
        if argv is None and self.in_notebook:
            argv = []
        options = parser.parse_args(argv)
        if "ladder" in takes and options.ladder:
            parser.set_defaults(width=FULL_WIDTH)
            options = parser.parse_args(argv)
        if options.quick:                                # other defaults; what is given counts in a quick run, too
            parser.set_defaults(size=min(parser.get_default("size"), 32), width=min(parser.get_default("width"), 4),
                                epochs=quick_epochs)
            options = parser.parse_args(argv)
        if options.threads is not None:
            set_num_threads(options.threads)
        self.name, self.budget, self.options = name, budget, options
        self.arguments = [] if self.in_notebook else sys.argv[1:]     # as they were given
        self.size: int = options.size
        self.width: int = options.width
        self.batch_size: int = options.batch_size
        self.lr: float = options.lr
        self.seed: int = options.seed
        self.quick: bool = options.quick
        self.resume: bool = options.resume
        self.root = project_root()
        self.out = (options.out or self.root / "out") / name
        try:
            make_folder(self.out)                        # now, not after an hour of training
        except OSError as error:
            parser.error(f"--out: {error}")
        self.figures: list[dict[str, str]] = []
        self._left_out: set[str] = set()                              # the images named by `pets`, with the reasons
        self.started = time.perf_counter()
        free = ("out", "show", "threads", "seed", "resume")  # these do not make a result better or worse
        self.as_intended = all(vars(options)[key] == value for key, value in vars(parser.parse_args([])).items()
                               if key not in free)
        self._default_seed = options.seed == parser.get_default("seed")
        self._printed = None if self.in_notebook else listen_to_lesson(name)
        print(f"{name}: size {self.size}, width {self.width}, batch size {self.batch_size}, learning rate {self.lr:g}, "
              f"seed {self.seed}" + (", quick" if self.quick else ""), flush=True)

    @property
    def data(self) -> Path:
        """The folder of images: `--data`, or the rendered pets, which are rendered if they are not there yet."""
        return rendered_pets(self.quick) if self.options.data is None else Path(self.options.data)

    @cached_property
    def cache(self) -> Path | None:
        """The folder for resized images; None, after a line about it, if it cannot be made."""
        folder = data_folder() / "cache"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            print(f"resized images are not kept: {error}. {DATA_HELP}", flush=True)
            return None
        return folder

    def pets(self, split: str, size: int | None = None, limit: int | None = None,
             folder: Path | None = None) -> "Pets":
        """Read the images of a split, "train" or "test"; those that cannot be read are left out, and named.

        Each is named once in a run, however often it is met. `size` is the lesson's by default, `folder` its `data`;
        `limit` reads so many images at most, and a quick run never more than 48. The resized images are kept for the
        next run.
        """
        from minidl.datasets.pets.reader import first_problems, load_pets
        if self.quick:
            limit = min(48, limit or 48)
        pets = load_pets(folder or self.data, split, size or self.size, cache=self.cache, broken="skip", limit=limit)
        new = [problem for problem in pets.problems if problem not in self._left_out]
        self._left_out.update(new)
        for line in first_problems(new):
            print(f"left out: {line}", flush=True)
        return pets

    def photo(self, side: int, number: int = 0) -> tuple[str, "Array"]:
        """Return a name and an image (3, H, W), float32 in [0, 1]: `--image`, upright, or else a held-out image.

        One's own keeps its shape, with its longer side at most `side`; a held-out image, the one with this number out
        of 24, is a square of that side.
        """
        import numpy as np
        from minidl.datasets.pets.decode import open_image
        path = self.options.image
        if path is None:
            pets = self.pets("test", size=side, limit=24)
            return pets.names[number % len(pets)], pets.images[number % len(pets)].astype(np.float32) / 255
        try:
            image = open_image(path, upright=True)
        except (OSError, ValueError) as error:
            raise SystemExit(f"error: --image {path}: {error}") from None
        image.thumbnail((side, side))
        return path.name, np.asarray(image, np.float32).transpose(2, 0, 1) / 255

    def table(self, name: str) -> Path:
        """Return the path of one of the small tables that come with the project, such as "iris.csv"."""
        path = self.root / "data" / name
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; the project's folder data/ has it: run the lesson from a "
                                    "clone of the project")
        return path

    def epochs(self, images: int) -> int:
        """Return `--epochs`, or as many as the budget allows for a training split of so many images.

        The budget is in images of 64 x 64; of larger ones it allows fewer, in proportion to their side (their
        pixels would ask for even fewer, but so large a cut would leave the model untrained).
        """
        if self.options.epochs is not None:
            return int(self.options.epochs)
        return max(1, round(self.budget * min(1.0, 64 / self.size) / images))

    def headline(self, finding: str, otherwise: str) -> str:
        """Return the title of a figure: what the default run finds, or for any other run a neutral title.

        The finding is worded by hand, after the run with the default options and seed: other data, another training or
        another seed may find something else. The numbers in a figure are always those of its own run.
        """
        return finding if self.as_intended and self._default_seed else otherwise

    def figure(self, figure: Figure, name: str, alt: str | None = None) -> None:
        """Save a figure as NAME.png in the lesson's folder and say so; in a notebook, also show it below the cell.

        A lesson draws with one call: `lesson.figure(plotting.line_chart({...}, title=...), "losses")`.
        `alt` says in words and numbers what it shows, for those who cannot see it (default: `alternative`).
        """
        path = plotting.save(figure, self.out / f"{name}.png")
        self.figures.append({"file": path.name, "alt": alt or alternative(figure)})
        print(f"figure: {shorten(path)}", flush=True)
        if self.options.show:
            show(path)
        if self.in_notebook:
            from importlib import import_module
            display = import_module("IPython.display")
            display.display(display.Image(filename=str(path)))

    def finish(self, **numbers: Any) -> None:
        """Print the lesson's numbers, and write them, with its options, figures and time, to metrics.json.

        What the cells have printed goes to printed.json, for the page.

        It comes before the assertions about results, so that nothing is lost if one of them fails.
        """
        seconds = time.perf_counter() - self.started
        options = {key: str(value) if isinstance(value, Path) else value for key, value in vars(self.options).items()}
        results = {"lesson": self.name, "seconds": round(seconds, 1), **numbers, "figures": self.figures,
                   "options": options, "arguments": self.arguments}
        with replacing(self.out / "metrics.json") as temporary:
            temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        if self._printed is not None:
            self._printed.save(self.out)
        print("\n".join(["", *(f"{name:<28} {text}" for name, text in flat(numbers)), "",
                         f"{self.name}: done in {duration(seconds)}, results in {shorten(self.out)}"]))


def alternative(figure: Figure, most: int = 7) -> str:
    """Return what a figure says of itself (its label, which minidl's figures have), or the first of its texts."""
    if figure.get_label():
        return str(figure.get_label())
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    said = dict.fromkeys(text.get_text().replace("\n", " ").strip() for text in texts)
    return ". ".join([text for text in said if len(text) > 1][:most])


def show(path: Path) -> None:
    """Open a saved figure in a window, where there is a display, and wait until it is closed."""
    import matplotlib.pyplot as plt
    if plt.get_backend().lower() in ("agg", "pdf", "svg", "ps", "cairo", "template"):
        print(f"no display to open {shorten(path)} on")
        return
    image = plt.imread(path)
    try:
        window = plt.figure(path.name, figsize=(image.shape[1] / 100, image.shape[0] / 100), dpi=100)
    except Exception as error:        # each toolkit has its own kinds for "not installed" and "no display"
        print(f"no window for {shorten(path)}: {error}")
        return
    window.figimage(image)
    plt.show()
