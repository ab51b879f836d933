"""The networks of slide 2: where the one object of an image is, and where several are."""
import numpy as np

from minidl.layers import Conv2d, Flatten, Linear, ReLU
from minidl.layers.arguments import positive
from minidl.models import Pyramid, conv_block, encoder
from minidl.runtime.built_by import builder
from minidl.types import Rng


@builder
def localizer(width: int = 64, size: int = 128, *, in_channels: int = 3, rng: Rng = None) -> Pyramid:
    """Build the network that predicts where the object is: four numbers per image.

    Four times conv block and 2x2 max pooling, then a dense layer over all positions of the maps (their average would
    show that there is a pet, but not where) and a dense layer with four outputs. Its weights are initialized to 0, so
    an untrained network returns (0, 0, 0, 0): if the numbers are relative to a good guess, it starts at that guess.

    Parameters
    ----------
    size : int
        Height and width of the images, a multiple of 16; the model takes no other.
    width, in_channels, rng
        As for `encoder_decoder`.

    Returns
    -------
    Pyramid
        Takes (N, in_channels, size, size), returns (N, 4).
    """
    positive("localizer: width", width)
    if positive("localizer: size", size) % 16:
        raise ValueError(f"localizer: expected a size that divides by 16, got {size}")
    rng = np.random.default_rng(rng)
    layers, channels = encoder(4, width, in_channels, rng)
    last = Linear(8 * width, 4, rng=rng)
    last.weight.data[...] = 0
    return Pyramid(*layers, Flatten(), Linear(channels * (size // 16)**2, 8 * width, rng=rng), ReLU(), last, size=size)


@builder
def detector(width: int = 64, classes: int = 2, *, in_channels: int = 3, rng: Rng = None) -> Pyramid:
    """Build the network that finds several objects: 5 + classes numbers for each cell of 8 x 8 pixels.

    Three times conv block and 2x2 max pooling, three more conv blocks, so that a cell's receptive field covers a pet,
    and a 1x1 convolution that makes objectness, box and classes of a cell's features (see
    `minidl.tasks.detection.single_shot`). Its biases begin so that each cell holds an object with probability 0.02:
    most do not, and that need not be learned.

    Returns
    -------
    Pyramid
        Takes (N, in_channels, H, W) with H and W that divide by 8, returns (N, 5 + classes, H / 8, W / 8).

    References
    ----------
    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, section 4.1: the first bias.
    """
    positive("detector: width", width)
    rng = np.random.default_rng(rng)
    layers, channels = encoder(3, width, in_channels, rng)
    for in_channels in (channels, 8 * width, 8 * width):
        layers += conv_block(in_channels, 8 * width, rng=rng)
    last = Conv2d(8 * width, 5 + classes, 1, rng=rng)
    weight, bias = last.parameters()
    weight.data *= 0.1
    bias.data[0] = np.log(0.02 / 0.98)
    return Pyramid(*layers, last, multiple=8)
