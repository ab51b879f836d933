"""The models of the deck, each a short function that builds it.

At ``width=64`` (and pictures of 128 x 128) the shapes are the slides', to the number; a smaller width gives the
downsized twin that the lessons train. All return logits: the softmax of the slides is part of `CrossEntropyLoss`.
"""
import numpy as np

from minidl.layers import BatchNorm2d, Conv2d, Layer, MaxPool2d, ReLU, Sequential, Skip, Upsample
from minidl.layers.base import Shape
from minidl.layers.initialization import Rng, positive


class Pyramid(Sequential):
    """A Sequential that halves pictures several times and doubles them again, so their size must divide.

    Parameters
    ----------
    *layers : Layer
    multiple : int
        What height and width must divide by. Other sizes are refused, not padded.
    """

    def __init__(self, *layers: Layer, multiple: int) -> None:
        super().__init__(*layers)
        self.multiple = multiple

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) == 4 and (input_shape[2] % self.multiple or input_shape[3] % self.multiple):
            raise ValueError(f"This model halves its input {self.multiple.bit_length() - 1} times: expected height and "
                             f"width that divide by {self.multiple}, got shape {tuple(input_shape)}")
        return super().output_shape(input_shape)


def conv_block(in_channels: int, out_channels: int, kernel_size: int = 3, rng: Rng = None) -> list[Layer]:
    """Return the block of all the deck's models: convolution ("same"), batch norm, ReLU."""
    return [Conv2d(in_channels, out_channels, kernel_size, padding="same", rng=rng), BatchNorm2d(out_channels), ReLU()]


def encoder_decoder(width: int = 64, classes: int = 3, skip: bool = False, *, in_channels: int = 3,
                    rng: Rng = None) -> Pyramid:
    """Build the encoder-decoder of slides 31-33, or with `skip` the U-Net of slides 34-36.

    Encoding: five times conv block and 2x2 max pooling; decoding: five times upsampling and conv block, the last
    one a plain convolution. For width 64 and 128 x 128 pixels:

        (3,128,128) -> (64,64,64) -> (128,32,32) -> (256,16,16) -> (512,8,8) -> (512,4,4)
                    -> (512,8,8) -> (256,16,16) -> (128,32,32) -> (64,64,64) -> (3,128,128)

    Parameters
    ----------
    width : int
        Channels of the first block; 64 on the slides.
    classes : int
    skip : bool
        Concatenate to each upsampled map the encoder's map of the same resolution, taken before its pooling.
    in_channels : int
    rng : numpy.random.Generator, seed or None

    Returns
    -------
    Pyramid
        Takes (N, in_channels, H, W) with H and W that divide by 32, returns logits (N, classes, H, W).

    References
    ----------
    Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015.
    """
    positive("encoder_decoder: width", width)
    rng = np.random.default_rng(rng)
    before = [in_channels, width, 2 * width, 4 * width, 8 * width]    # channels that enter each level's encoder block
    inside = [width, 2 * width, 4 * width, 8 * width, 8 * width]      # channels of the level's maps, before the pooling
    after = [classes, width, 2 * width, 4 * width, 8 * width]         # channels that leave its decoder block
    below: list[Layer] = []                                           # all levels of lower resolution
    for level in reversed(range(5)):
        encode = conv_block(before[level], inside[level], rng=rng)
        way_down_and_up = [MaxPool2d(2), *below, Upsample(2)]
        from_below = after[level + 1] if level < 4 else inside[4]
        if skip:
            way_down_and_up = [Skip(Sequential(*way_down_and_up))]
            from_below += inside[level]
        decode = conv_block(from_below, after[level], rng=rng)
        if level == 0:
            decode = decode[:1]                                       # logits: no batch norm, no ReLU
        below = [*encode, *way_down_and_up, *decode]
    return Pyramid(*below, multiple=32)


def unet(width: int = 64, classes: int = 3, *, in_channels: int = 3, rng: Rng = None) -> Pyramid:
    """Build the U-Net of slides 34-36: `encoder_decoder` with skip connections."""
    return encoder_decoder(width, classes, skip=True, in_channels=in_channels, rng=rng)
