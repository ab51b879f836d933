"""How far does what was learned on one set of images carry to another?

    python -m minidl.tasks.segmentation.transfer FOLDER [FOLDER]

trains two networks, one that sees 5 x 5 pixels and the U-Net, on each of two sets in the layout of Oxford-IIIT Pet, and
scores each of them on the test images of both. The second set is by default the rendered pets. Both sets give as many
training images as the smaller one has, and all trainings are alike.
"""
import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minidl.batches import Batches
from minidl.course.lesson import rendered_pets
from minidl.datasets.augment import Augment
from minidl.datasets.pets import CLASSES, Pets, load_pets
from minidl.layers.base import Layer
from minidl.loss import CrossEntropyLoss
from minidl.optim import Adam, CosineSchedule
from minidl.runtime.console import prepare
from minidl.runtime.files import data_folder
from minidl.runtime.options import positive_number, whole
from minidl.runtime.threads import set_num_threads
from minidl.tasks.segmentation.comparison import RUNGS
from minidl.tasks.segmentation.experiment import segmentation_scores
from minidl.training import fit

MODELS = ("5 × 5", "U-Net")
Sets = dict[str, tuple[Pets, Pets]]              # {name: (training images, test images)}
Found = dict[tuple[str, str, str], list[float]]  # {(model, trained on, tested on): mean IoU for each seed}


def trained(model: Layer, pets: Pets, epochs: int, batch_size: int, lr: float, seed: int) -> Layer:
    """Return the model, trained: Adam along a cosine, images varied as in the lessons' longer trainings."""
    batches = Batches(pets.images, pets.trimaps, batch_size, augment=Augment(), rng=np.random.default_rng(seed))
    optimizer = Adam(model.parameters(), lr)
    fit(model, batches, CrossEntropyLoss(), optimizer, epochs,
        schedule=CosineSchedule(optimizer, epochs * len(batches)))
    return model


def transfer(sets: Sets, width: int, epochs: int, batch_size: int, lr: float, seeds: int) -> Found:
    """Train each model on each set, for each seed, and score it on the test images of all sets."""
    found: Found = {}
    for name, source, seed in itertools.product(MODELS, sets, range(seeds)):
        print(f"\n{name} on {source}, seed {seed}")
        train = sets[source][0]
        model = trained(RUNGS[name](width, train.images.shape[-1], seed), train, epochs, batch_size, lr, seed)
        for target, (_, test) in sets.items():
            scores = segmentation_scores(model, test.images, test.trimaps, CLASSES)
            found.setdefault((name, source, target), []).append(scores["mean_iou"])
    return found


def transfer_table(found: Found) -> str:
    """Return the table: a row for each model and training set, a column for each test set; mean ± half the range."""
    targets = list(dict.fromkeys(target for _, _, target in found))
    lines = ["| model | trained on | " + " | ".join(f"tested on {target}" for target in targets) + " |",
             "|---|---|" + "---:|" * len(targets)]
    for name, source in dict.fromkeys((name, source) for name, source, _ in found):
        cells = [found[name, source, target] for target in targets]
        lines.append(f"| {name} | {source} | " + " | ".join(
            f"{np.mean(cell):.3f} ± {np.ptp(cell) / 2:.3f}" for cell in cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    prepare()
    parser = argparse.ArgumentParser(prog="python -m minidl.tasks.segmentation.transfer",
                                     description="How far does what was learned on one set of images carry to another?")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="one or two sets in the layout of "
                        "Oxford-IIIT Pet (the second is by default the rendered pets)")
    for option, default, text in (("--size", 64, "height and width of the images"),
                                  ("--width", 16, "channels of the first block"), ("--epochs", 30, "per training"),
                                  ("--batch-size", 8, "images per step"), ("--seeds", 3, "trainings of each kind"),
                                  ("--limit", None, "training images of each set, at most"),
                                  ("--threads", None, "cores to use (default: all)")):
        parser.add_argument(option, type=whole, default=default,
                            help=text if default is None else f"{text} (default: %(default)s)")
    parser.add_argument("--lr", type=positive_number, default=4e-3, help="learning rate (default: %(default)s)")
    options = parser.parse_args(arguments)
    if len(options.folders) > 2:
        parser.error(f"expected one or two folders, got {len(options.folders)}")
    if options.threads is not None:
        set_num_threads(options.threads)
    folders = options.folders if len(options.folders) == 2 else [*options.folders, rendered_pets(False)]
    try:
        sets = read(folders, options.size, options.limit)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    for name, parts in sets.items():
        print(f"{name}: {len(parts[0])} images to train on, {len(parts[1])} to test")
    found = transfer(sets, options.width, options.epochs, options.batch_size, options.lr, options.seeds)
    print(f"\nMean IoU, {options.seeds} seeds\n\n{transfer_table(found)}")


def read(folders: Sequence[Path], size: int, limit: int | None) -> Sets:
    """Read both sets, and leave as many training images of each as the smaller one has, or `limit`."""
    if len({folder.name for folder in folders}) < 2:
        raise ValueError(f"expected folders with different names, got {' and '.join(map(str, folders))}")
    cache = data_folder() / "cache"
    sets = {folder.name: [load_pets(folder, split, size, cache, broken="skip") for split in ("train", "test")]
            for folder in folders}
    for pets in itertools.chain(*sets.values()):
        for problem in pets.problems:
            print(f"left out: {problem}")
    count = min(len(train) for train, _ in sets.values())
    count = min(count, limit or count)
    return {name: (train[np.arange(count) * len(train) // count], test) for name, (train, test) in sets.items()}


if __name__ == "__main__":
    main()
