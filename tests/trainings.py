"""Small trainings, for the tests of what interrupts, resumes, watches and runs them, some in processes of their own."""
import time

import numpy as np

from minidl import Adam, BatchNorm2d, Conv2d, CosineSchedule, CrossEntropyLoss, Dropout, ReLU, Sequential
from minidl.training import fit

EPOCHS = 6


class Squares:
    """32 images of noise; a pixel's class is whether its first channel is bright."""

    def __init__(self):
        self.rng = np.random.default_rng(5)
        self.x = np.random.default_rng(1).random((32, 3, 8, 8), dtype=np.float32)
        self.labels = (self.x[:, 0] > 0.5).astype(int)

    def __len__(self):
        return 8

    def __iter__(self):
        order = self.rng.permutation(32)
        for i in range(0, 32, 4):
            yield self.x[order[i:i + 4]], self.labels[order[i:i + 4]]


class Slow(Squares):
    """A quarter of a second per epoch, so that a process can be killed in the middle of one."""

    def __iter__(self):
        for batch in super().__iter__():
            time.sleep(0.03)
            yield batch


def new_training(batches=None, width=8):
    """Return model, batches, loss, optimizer: with batch norm, dropout and a schedule, so that all has a state."""
    model = Sequential(Conv2d(3, width, 3, padding="same", rng=0), BatchNorm2d(width), ReLU(), Dropout(0.2, rng=3),
                       Conv2d(width, 2, 1, rng=1))
    batches = batches or Squares()
    return model, batches, CrossEntropyLoss(), Adam(model.parameters(), 5e-2)


def run(batches=None, epochs=EPOCHS, width=8, loss=None, **options):
    model, batches, usual, optimizer = new_training(batches, width)
    schedule = CosineSchedule(optimizer, epochs * len(batches))
    history = fit(model, batches, loss or usual, optimizer, epochs, schedule=schedule, progress=False, **options)
    return model, history


def step(seed=0):
    """Return all that comes out of one forward and backward pass in float64, but for rounding."""
    model = Sequential(Conv2d(3, 16, 3, padding=1, rng=seed), BatchNorm2d(16), ReLU(),
                       Conv2d(16, 4, 3, padding=1, rng=seed)).astype(np.float64)
    x = np.random.default_rng(seed).random((4, 3, 32, 32))
    y = model.forward(x)
    return [y, model.backward(y), *(p.grad for p in model.parameters())]
