"""The models of the deck, each a short function that builds it.

At ``width=64`` (and images of 128 x 128) the shapes are the slides', to the number; a smaller width gives the
downsized twin that the lessons train. Those that answer with classes return logits: the softmax of the slides is part
of `CrossEntropyLoss`. Those of detection are in `minidl.tasks.detection.models`.
"""
from collections.abc import Sequence

import numpy as np

from minidl.layers import (
    BatchNorm2d, Conv2d, ConvTranspose2d, Flatten, Layer, Linear, MaxPool2d, ReLU, Reshape, Sequential, Skip, Sum,
    Upsample,
)
from minidl.layers.arguments import positive
from minidl.runtime.built_by import builder
from minidl.types import Rng, Shape


class Pyramid(Sequential):
    """A Sequential for images of certain sizes: others are refused, not padded.

    Parameters
    ----------
    multiple : int
        What height and width must divide by: a model that halves its input k times takes multiples of 2^k.
    size : int, optional
        The only height and width it takes, if it has a dense layer.
    """

    def __init__(self, *layers: Layer, multiple: int = 1, size: int | None = None) -> None:
        super().__init__(*layers)
        self.multiple, self.size = multiple, size

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) == 4:                                     # else the first layer says what it expects
            if self.size is not None and tuple(input_shape[2:]) != (self.size, self.size):
                raise ValueError(f"This model was built for images of {self.size} x {self.size} pixels, "
                                 f"got shape {tuple(input_shape)}")
            if input_shape[2] % self.multiple or input_shape[3] % self.multiple:
                raise ValueError(f"This model halves its input {self.multiple.bit_length() - 1} times: expected height "
                                 f"and width that divide by {self.multiple}, got shape {tuple(input_shape)}")
        return super().output_shape(input_shape)


def conv_block(in_channels: int, out_channels: int, kernel_size: int = 3, rng: Rng = None) -> list[Layer]:
    """Return the block of all the deck's models: convolution ("same"), batch norm, ReLU."""
    return [Conv2d(in_channels, out_channels, kernel_size, padding="same", rng=rng), BatchNorm2d(out_channels), ReLU()]


def encoder(levels: int, width: int, in_channels: int = 3, rng: Rng = None) -> tuple[list[Layer], int]:
    """Return `levels` times conv block and 2x2 max pooling, the deck's encoder, and its number of output channels.

    The blocks have width, 2 width, 4 width, and from then on 8 width channels.
    """
    channels = [in_channels, *(width * min(2**level, 8) for level in range(levels))]
    layers = [layer for a, b in zip(channels, channels[1:]) for layer in (*conv_block(a, b, rng=rng), MaxPool2d(2))]
    return layers, channels[-1]


@builder
def mlp(inputs: int, hidden: Sequence[int], outputs: int, *, rng: Rng = None) -> Sequential:
    """Build the multi-layer perceptron of slides 10-11: dense layers with a ReLU after each but the last.

    On slide 11: 64 days -> 64 units -> 64 units -> the next 3 days, ``mlp(64, (64, 64), 3)``.

    Returns
    -------
    Sequential
        Takes (N, ...) with `inputs` numbers per sample, returns (N, outputs).
    """
    rng = np.random.default_rng(rng)
    sizes = [inputs, *hidden]
    layers = [layer for a, b in zip(sizes, hidden) for layer in (Linear(a, b, rng=rng), ReLU())]
    return Sequential(Flatten(), *layers, Linear(sizes[-1], outputs, rng=rng))


@builder
def classifier(width: int = 64, classes: int = 2, size: int = 128, *, blocks: int = 5, in_channels: int = 3,
               rng: Rng = None) -> Pyramid:
    """Build the classifier of slides 1 and 8: image -> CNN -> flatten -> classification.

    The CNN is the encoder of `encoder_decoder`: conv block and 2x2 max pooling, `blocks` times. Then a dense layer
    scores the classes from all that is left. For width 64 and 128 x 128 pixels:

        (3,128,128) -> (64,64,64) -> (128,32,32) -> (256,16,16) -> (512,8,8) -> (512,4,4) -> (512*4*4,) -> (classes,)

    Flattened, every position of the last maps keeps weights of its own: the dense layer can use where something is.

    Parameters
    ----------
    size : int
        Height and width of the images; must divide by 2^blocks. The model takes no other.
    width, classes, in_channels, rng
        As for `encoder_decoder`.

    Returns
    -------
    Pyramid
        Takes (N, in_channels, size, size), returns logits (N, classes). Block k (from 0) is layers 4k to 4k + 3:
        convolution, batch norm, ReLU, pooling; its features before the activation are the output of layer 4k + 1.
    """
    positive("classifier: width", width)
    positive("classifier: classes", classes)
    positive("classifier: blocks", blocks)
    if positive("classifier: size", size) % 2**blocks:
        raise ValueError(f"classifier: expected a size that divides by {2**blocks} ({blocks} halvings), got {size}")
    rng = np.random.default_rng(rng)
    layers, channels = encoder(blocks, width, in_channels, rng)
    return Pyramid(*layers, Flatten(), Linear(channels * (size // 2**blocks) ** 2, classes, rng=rng), size=size)


@builder
def pixelwise(kernel_sizes: Sequence[int] = (1,), width: int = 64, classes: int = 3, *, in_channels: int = 3,
              rng: Rng = None) -> Sequential:
    """Build a segmenter that keeps the resolution throughout: a conv block for each kernel size, then a class a pixel.

    ``(1,)`` is slides 15-16, ``(5,)`` slides 17-18, ``(9, 5)`` slides 19-20. The last layer, a 1x1 convolution, only
    turns a pixel's features into its classes; the receptive field comes from the blocks: a square of
    1 + sum of (k - 1) pixels on a side.

    Returns
    -------
    Sequential
        Takes (N, in_channels, H, W) of any size, returns logits (N, classes, H, W).
    """
    if not kernel_sizes:
        raise ValueError("pixelwise: expected at least one kernel size, got none")
    positive("pixelwise: width", width)
    rng = np.random.default_rng(rng)
    channels = [in_channels] + [width] * len(kernel_sizes)
    layers = [layer for c, k in zip(channels, kernel_sizes) for layer in conv_block(c, width, k, rng=rng)]
    return Sequential(*layers, Conv2d(width, classes, 1, rng=rng))


@builder
def reshape_segmenter(width: int = 64, size: int = 128, classes: int = 3, *, in_channels: int = 3,
                      rng: Rng = None) -> Pyramid:
    """Build the segmenter of slides 21-23: encode down to 2 x 2 pixels, then a dense layer, reshaped to the image.

    For width 64 and 128 x 128 pixels:

        (3,128,128) -> (64,64,64) -> (128,32,32) -> (256,16,16) -> (512,8,8) -> (512,4,4) -> (512,2,2)
                    -> (3*128*128,) -> (3,128,128)

    Parameters
    ----------
    size : int
        Height and width of the images, a power of 2 from 4 on; the model takes no other. It decides the number of
        blocks and the size of the dense layer: at 128, 8 width * 2 * 2 features by classes * size^2 outputs.
    width, classes, in_channels, rng
        As for `encoder_decoder`.

    Returns
    -------
    Pyramid
        Takes (N, in_channels, size, size), returns logits (N, classes, size, size).
    """
    positive("reshape_segmenter: width", width)
    if positive("reshape_segmenter: size", size) < 4 or size & (size - 1):
        raise ValueError(f"reshape_segmenter: expected a size that is a power of 2 from 4 on, got {size}")
    rng = np.random.default_rng(rng)
    layers, channels = encoder(size.bit_length() - 2, width, in_channels, rng)        # until 2 x 2 pixels are left
    dense = Linear(channels * 2 * 2, classes * size * size, rng=rng)
    return Pyramid(*layers, Flatten(), dense, Reshape((classes, size, size)), size=size)


@builder
def fcn(stride: int = 8, width: int = 64, classes: int = 3, *, in_channels: int = 3, rng: Rng = None) -> Pyramid:
    """Build the fully convolutional network of slide 24: FCN-32s, FCN-16s or FCN-8s, with our encoder.

    The encoder is that of `encoder_decoder`. A 1x1 convolution scores the classes on its coarsest map, and a transposed
    convolution enlarges the scores 32 times (stride 32). For 16 and 8, the scores are enlarged twice, *added* to those
    of the next finer map, and so on, so that less is left to enlarge at the end. The transposed convolutions begin as
    bilinear interpolation, and are learned.

    Parameters
    ----------
    stride : {32, 16, 8}
        How many times the last layer enlarges.
    width, classes, in_channels, rng
        As for `encoder_decoder`.

    Returns
    -------
    Pyramid
        Takes (N, in_channels, H, W) with H and W that divide by 32, returns logits (N, classes, H, W).

    References
    ----------
    Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, section 4, figure 3.
    Theirs has VGG-16 as its encoder, with two more layers of 4096 channels before the scores.
    """
    if stride not in (32, 16, 8):
        raise ValueError(f"fcn: expected a stride of 32, 16 or 8, got {stride}")
    positive("fcn: width", width)
    rng = np.random.default_rng(rng)
    channels = [in_channels, width, 2 * width, 4 * width, 8 * width, 8 * width]

    def encode(level: int) -> list[Layer]:
        return [*conv_block(channels[level - 1], channels[level], rng=rng), MaxPool2d(2)]

    def scores_at(level: int) -> Layer:
        """Return the layers from the map after `level` poolings to the classes' scores at its resolution."""
        score = Conv2d(channels[level], classes, 1, rng=rng)
        if level == 5:
            return score
        from_below = Sequential(*encode(level + 1), scores_at(level + 1), enlarge(classes, 2))
        return Sum(from_below, score)

    finest = {32: 5, 16: 4, 8: 3}[stride]
    encoder = [layer for level in range(1, finest + 1) for layer in encode(level)]
    return Pyramid(*encoder, scores_at(finest), enlarge(classes, stride), multiple=32)


def enlarge(channels: int, scale: int) -> ConvTranspose2d:
    """Return a transposed convolution that begins as bilinear enlargement, each channel by itself, by an even factor.

    Its kernel of 2 scale x 2 scale pixels is a tent: a pixel's weight falls in a straight line, from the place it is
    painted at, to 0 at its neighbors' places.
    """
    layer = ConvTranspose2d(channels, channels, 2 * scale, stride=scale, padding=scale // 2, bias=False)
    tent = 1 - np.abs(np.arange(2 * scale) - (scale - 0.5)) / scale                # (2 scale,)
    layer.weight.data[...] = np.eye(channels)[:, :, None, None] * np.outer(tent, tent)
    return layer


@builder
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
    skip : bool
        Concatenate to each upsampled map the encoder's map of the same resolution, taken before its pooling.
    classes, in_channels : int
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
        below = [*encode, *way_down_and_up, *conv_block(from_below, after[level], rng=rng)]
    return Pyramid(*below[:-2], multiple=32)                          # logits: no batch norm and ReLU at the end


@builder
def unet(width: int = 64, classes: int = 3, *, in_channels: int = 3, rng: Rng = None) -> Pyramid:
    """Build the U-Net of slides 34-36: `encoder_decoder` with skip connections."""
    return encoder_decoder(width, classes, skip=True, in_channels=in_channels, rng=rng)
