"""Every layer, in several settings, with the shape of an input: for the tests of what holds for all of them."""
import pytest

from minidl import (
    AvgPool2d, BatchNorm2d, Conv2d, ConvTranspose2d, Dropout, Flatten, Identity, LeakyReLU, Linear, MaxPool2d,
    PixelShuffle, ReLU, Reshape, Residual, Sequential, Sigmoid, Skip, Softmax, Sum, Tanh, Upsample,
)

MAPS = (2, 3, 4, 6)  # (N, C, H, W)

LAYERS = [
    (lambda: Linear(5, 3, init="torch", rng=0), (4, 5)),
    (lambda: Linear(5, 3, bias=False, rng=0), (4, 5)),
    (lambda: ReLU(), (4, 5)),
    (lambda: ReLU(), MAPS),
    (lambda: LeakyReLU(0.2), MAPS),
    (lambda: Sigmoid(), MAPS),
    (lambda: Tanh(), MAPS),
    (lambda: Softmax(), (4, 5)),
    (lambda: Softmax(), MAPS),
    (lambda: Dropout(0.4, rng=0), MAPS),
    (lambda: Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0), init="torch", rng=0), MAPS),
    (lambda: Conv2d(3, 4, 3, padding="same", dilation=2, bias=False, rng=0), MAPS),
    (lambda: Conv2d(3, 2, (2, 3), padding=(1, 0), init="torch", rng=0), MAPS),
    (lambda: Conv2d(3, 2, 4, padding="same", bias=False, rng=0), MAPS),
    (lambda: Conv2d(3, 2, 1, init="torch", rng=0), MAPS),
    (lambda: Conv2d(3, 4, 1, init="torch", rng=0), MAPS),
    (lambda: ConvTranspose2d(3, 2, (3, 4), stride=2, padding=1, output_padding=(1, 0), init="torch", rng=0), MAPS),
    (lambda: ConvTranspose2d(3, 4, 1, bias=False, rng=0), MAPS),
    (lambda: BatchNorm2d(3), MAPS),
    (lambda: MaxPool2d(2), MAPS),
    (lambda: MaxPool2d((3, 2), stride=(1, 2), padding=1), MAPS),
    (lambda: AvgPool2d(2), MAPS),
    (lambda: AvgPool2d((3, 2), stride=1, padding=(1, 0)), MAPS),
    (lambda: Upsample((2, 3)), MAPS),
    (lambda: Upsample((3, 2), mode="bilinear"), MAPS),
    (lambda: Upsample(2, mode="bilinear", align_corners=True), MAPS),
    (lambda: Flatten(), MAPS),
    (lambda: Reshape((9, 2, 4)), MAPS),
    (lambda: PixelShuffle(2), (2, 8, 2, 3)),
    (lambda: Identity(), MAPS),
    (lambda: Sequential(Conv2d(3, 4, 3, padding="same", rng=0), BatchNorm2d(4), ReLU(), Dropout(0.2, rng=1),
                        MaxPool2d(2), Flatten(), Linear(24, 3, rng=2)), MAPS),
    (lambda: Skip(Conv2d(3, 2, 3, padding="same", init="torch", rng=0)), MAPS),
    (lambda: Skip(Sequential(MaxPool2d(2), Conv2d(3, 4, 1, rng=0), Tanh(), Upsample(2))), MAPS),
    (lambda: Sum(Sequential(MaxPool2d(2), Conv2d(3, 4, 1, rng=0), Upsample(2)), Conv2d(3, 4, 1, rng=1)), MAPS),
    (lambda: Residual(Sequential(Conv2d(3, 2, 3, padding="same", rng=0), Tanh(), Conv2d(2, 3, 1, rng=1)), scale=0.2),
     MAPS),
]
each_layer = pytest.mark.parametrize("make, shape", [
    pytest.param(make, shape, id=f"{make()!r} {len(shape)}-D") for make, shape in LAYERS])
