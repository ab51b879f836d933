"""The models of super-resolution (slide 33's further reading): ESRGAN's generator and discriminator.

At the functions' default arguments the sizes are the paper's; the lesson trains downsized twins.

References
----------
Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCV workshops 2018, section 3.
"""
import numpy as np

from minidl.layers import Conv2d, Flatten, Layer, LeakyReLU, Linear, Residual, Sequential, Skip, Sum, Upsample
from minidl.layers.arguments import positive
from minidl.models import Pyramid
from minidl.tasks.super_resolution.map_conv import DropMap, MapConv2d, ZeroMap
from minidl.types import Rng

SLOPE = 0.2            # of all LeakyReLUs
RESIDUAL_SCALE = 0.2   # how much of a block's result is added to its input
SMALL = 0.1            # factor on the first weights of dense blocks


def conv3(in_channels: int, out_channels: int, rng: Rng, scale: float = 1.0, after: str | None = None) -> Layer:
    """Return a 3x3 convolution that keeps the size, its Kaiming weights times `scale`; with `after`, a `MapConv2d`."""
    layer = (Conv2d(in_channels, out_channels, 3, padding="same", rng=rng) if after is None
             else MapConv2d(in_channels, out_channels, after, rng=rng))
    for parameter in layer.parameters():
        parameter.data *= np.float32(scale)
    return layer


def dense_block(width: int, growth: int, with_map: bool = False, rng: Rng = None) -> Residual:
    """Build a residual dense block: the input of each convolution is the block's input and all maps made from it.

    Four times convolution to `growth` channels and LeakyReLU, each inside a `Skip`, which puts the new maps before the
    older ones; then a convolution back to `width` channels. The result, times 0.2, is added to the input.

        x -> [c1, x] -> [c2, c1, x] -> [c3, c2, c1, x] -> [c4, c3, c2, c1, x] -> conv -> x + 0.2 * that

    With a map (see `rrdb_net`) x is the features, then the map, which stays the last channel throughout.

    Notes
    -----
    ESRGAN's own code concatenates the other way round, [x, c1, c2, c3, c4]. The function is the same, but its weights
    fit here only with their input channels in this order.
    """
    rng = np.random.default_rng(rng)
    carry, drop = ("carry", "drop") if with_map else (None, None)    # where it is dropped, Skip brings it along
    layers: list[Layer] = [Skip(Sequential(conv3(width + k * growth, growth, rng, SMALL, drop), LeakyReLU(SLOPE)))
                           for k in range(4)]
    layers.append(conv3(width + 4 * growth, width, rng, SMALL, carry))
    return residual(layers, with_map)


def residual(layers: list[Layer], with_map: bool, scale: float = RESIDUAL_SCALE) -> Residual:
    """Return x + scale * layers(x); a map that comes with x must not be added to itself."""
    return Residual(Sequential(*layers, ZeroMap()) if with_map else Sequential(*layers), scale)


def rrdb(width: int, growth: int, with_map: bool = False, rng: Rng = None) -> Residual:
    """Build a residual-in-residual dense block: three dense blocks, and around them another residual, times 0.2."""
    rng = np.random.default_rng(rng)
    return residual([dense_block(width, growth, with_map, rng) for _ in range(3)], with_map)


def rrdb_net(scale: int = 4, width: int = 64, growth: int = 32, blocks: int = 23, *, base: str | None = None,
             with_map: bool = False, rng: Rng = None) -> Layer:
    """Build ESRGAN's generator: images in, images `scale` times larger out.

    Most of it works at the small size: a convolution, `blocks` residual-in-residual dense blocks and a convolution,
    with a residual around them. Then nearest upsampling + convolution (slide 30) for each doubling, and two last
    convolutions. There is no batch norm: its statistics, different for each batch, would show as artifacts.

    Parameters
    ----------
    scale : int
        A power of 2 from 2 on.
    width : int
        Channels of all maps between blocks.
    growth : int
        Channels that each convolution of a dense block adds.
    blocks : int
    base : {None, "nearest", "bilinear"}
        Not None: the network's output is *added* to its input enlarged in this way (`Upsample`). The last convolution
        is initialized to 0: the network starts as a plain enlargement, and learns what that lacks. None, as in the
        paper: it learns the whole image.
    with_map : bool
        True: a fourth input channel chooses the weights at each pixel (`MapConv2d`).
    rng : numpy.random.Generator, seed or None

    Returns
    -------
    Layer
        Takes (N, 3, H, W), with the map (N, 4, H, W), of any size, in [0, 1]; returns (N, 3, scale * H, scale * W),
        near [0, 1].

    Notes
    -----
    The dense blocks' weights are initialized 10 times smaller than Kaiming's: the outputs of so many blocks would
    otherwise add up to too much.
    """
    for name, value in (("width", width), ("growth", growth), ("blocks", blocks)):
        positive(f"rrdb_net: {name}", value)
    if positive("rrdb_net: scale", scale) < 2 or scale & (scale - 1):
        raise ValueError(f"rrdb_net: expected a scale that is a power of 2 from 2 on, got {scale}")
    rng = np.random.default_rng(rng)
    carry, drop = ("carry", "drop") if with_map else (None, None)
    first = conv3(3, width, rng, after=carry)
    trunk: list[Layer] = [rrdb(width, growth, with_map, rng) for _ in range(blocks)]
    trunk += [conv3(width, width, rng, after=carry)]
    layers: list[Layer] = [first, residual(trunk, with_map, scale=1)]
    for _ in range(scale.bit_length() - 1):
        layers += [Upsample(2), conv3(width, width, rng, after=carry), LeakyReLU(SLOPE)]
    layers += [conv3(width, width, rng, after=carry), LeakyReLU(SLOPE)]
    network = Sequential(*layers, conv3(width, 3, rng, 0.0 if base else 1.0, drop))
    if base is None:
        return network
    enlarged: Layer = Upsample(scale, base)
    return Sum(network, Sequential(DropMap(), enlarged) if with_map else enlarged)


def discriminator(width: int = 64, size: int = 128, *, rng: Rng = None) -> Pyramid:
    """Build ESRGAN's discriminator, without batch norm: one logit per image.

    At each resolution a 3x3 convolution and a 4x4 one with stride 2, which halves it, down to 4 x 4; then two dense
    layers. All but the last are followed by LeakyReLU.

    Parameters
    ----------
    width : int
        Channels at the full resolution; doubled at each halving, up to 8 width.
    size : int
        Height and width of the images, a power of 2 from 8 on.
    rng : numpy.random.Generator, seed or None

    Returns
    -------
    Pyramid
        Takes (N, 3, size, size), returns logits (N, 1).

    Notes
    -----
    In the paper's code there is batch norm after all convolutions but the first, and the real images of a step form a
    batch of their own. Without it, real and fake images can share a batch, and do not influence each other's logits.
    """
    positive("discriminator: width", width)
    if positive("discriminator: size", size) < 8 or size & (size - 1):
        raise ValueError(f"discriminator: expected a size that is a power of 2 from 8 on, got {size}")
    rng = np.random.default_rng(rng)
    layers, channels = halving(width, size.bit_length() - 3, rng)     # until 4 pixels are left on each side
    dense = [Linear(channels * 4 * 4, 100, rng=rng), LeakyReLU(SLOPE), Linear(100, 1, rng=rng)]
    return Pyramid(*layers, Flatten(), *dense, size=size)


def patch_discriminator(width: int = 64, levels: int = 2, *, rng: Rng = None) -> Sequential:
    """Build a discriminator of patches: a logit for each square of 2^levels x 2^levels pixels.

    The first `levels` resolutions of `discriminator`, then a 3x3 convolution to one channel instead of dense layers. It
    cannot judge an image as a whole, only its texture. In return, each image is as many examples as it has squares, and
    may have any size that divides by 2^levels.

    Returns
    -------
    Sequential
        Takes (N, 3, H, W), returns logits (N, 1, H / 2^levels, W / 2^levels).

    References
    ----------
    Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017 ("PatchGAN").
    """
    positive("patch_discriminator: width", width)
    positive("patch_discriminator: levels", levels)
    rng = np.random.default_rng(rng)
    layers, channels = halving(width, levels, rng)
    return Sequential(*layers, conv3(channels, 1, rng))


def halving(width: int, levels: int, rng: np.random.Generator) -> tuple[list[Layer], int]:
    """Return the layers of a discriminator's first resolutions, each halved at its end, and their channels."""
    layers: list[Layer] = []
    channels = 3
    for level in range(levels):
        wider = width * min(2**level, 8)
        layers += [conv3(channels, wider, rng), LeakyReLU(SLOPE),
                   Conv2d(wider, wider, 4, stride=2, padding=1, rng=rng), LeakyReLU(SLOPE)]
        channels = wider
    return layers, channels
