"""A small training on several processes, for tests of what may happen to them."""
import numpy as np

from minidl import Adam, BatchNorm2d, Conv2d, CrossEntropyLoss, ReLU, Sequential
from minidl.parallel import DataParallel

CLASSES = 3


def training(workers=2, kind=Adam):
    rng = np.random.default_rng(0)
    model = Sequential(Conv2d(3, 4, 3, padding="same", rng=0), BatchNorm2d(4), ReLU(), Conv2d(4, CLASSES, 1, rng=1))
    x, target = rng.random((6, 3, 8, 8), np.float32), rng.integers(0, CLASSES, (6, 8, 8))
    return DataParallel(model, CrossEntropyLoss(), kind(model.parameters(), 1e-2), workers), x, target
