"""The models of super-resolution (slide 33's further reading): ESRGAN's generator and discriminator.

At the functions' default arguments the sizes are the paper's; the lesson trains downsized twins.

References
----------
Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCV workshops 2018, section 3.
"""
import numpy as np

from minidl.layers import Conv2d, Flatten, Layer, LeakyReLU, Linear, Residual, Sequential, Skip, Sum, Upsample
from minidl.layers.base import Shape
from minidl.layers.initialization import Rng, positive

SLOPE = 0.2            # of all LeakyReLUs
RESIDUAL_SCALE = 0.2   # how much of a block's result is added to its input
SMALL = 0.1            # factor on the first weights of dense blocks


def conv3(in_channels: int, out_channels: int, rng: Rng, scale: float = 1.0) -> Conv2d:
    """Return a 3x3 convolution that keeps the size, its Kaiming weights times `scale`."""
    layer = Conv2d(in_channels, out_channels, 3, padding="same", rng=rng)
    layer.weight.data *= np.float32(scale)
    return layer


def dense_block(width: int, growth: int, rng: Rng = None) -> Residual:
    """Build a residual dense block: each convolution sees the block's input and all that came before it.

    Four times convolution to `growth` channels and LeakyReLU, each inside a `Skip`, which lays the new maps before all
    older ones; then a convolution back to `width` channels. The result, times 0.2, is added to the input.

        x -> [c1, x] -> [c2, c1, x] -> [c3, c2, c1, x] -> [c4, c3, c2, c1, x] -> conv -> x + 0.2 * that

    Notes
    -----
    ESRGAN's own code concatenates the other way round, [x, c1, c2, c3, c4]. The function is the same, but its weights
    fit here only with their input channels in this order (`tests/test_models_sr.py` does it).
    """
    rng = np.random.default_rng(rng)
    layers: list[Layer] = [Skip(Sequential(conv3(width + k * growth, growth, rng, SMALL), LeakyReLU(SLOPE)))
                           for k in range(4)]
    return Residual(Sequential(*layers, conv3(width + 4 * growth, width, rng, SMALL)), RESIDUAL_SCALE)


def rrdb(width: int, growth: int, rng: Rng = None) -> Residual:
    """Build a residual-in-residual dense block: three dense blocks, and around them another residual, times 0.2."""
    rng = np.random.default_rng(rng)
    return Residual(Sequential(*(dense_block(width, growth, rng) for _ in range(3))), RESIDUAL_SCALE)


def rrdb_net(scale: int = 4, width: int = 64, growth: int = 32, blocks: int = 23, *, in_channels: int = 3,
             base: str | None = None, rng: Rng = None) -> Layer:
    """Build ESRGAN's generator: pictures in, pictures `scale` times larger out.

    All its depth works at the small size: a convolution, `blocks` residual-in-residual dense blocks and a convolution,
    with a residual around them. Then, for each doubling, nearest upsampling + convolution (slide 30), and two last
    convolutions. No batch norm anywhere: its statistics, different for each batch, would show as artifacts.

    Parameters
    ----------
    scale : int
        A power of 2 from 2 on.
    width : int
        Channels of all maps between blocks.
    growth : int
        Channels that each convolution of a dense block adds.
    blocks : int
    in_channels : int
        3 for red, green and blue; what is to be known besides lies behind them.
    base : {None, "nearest", "bilinear"}
        Not None: what the network computes is *added* to its input enlarged in this way (`Upsample`), so that it begins
        as a plain enlargement and learns what that lacks. None, as in the paper: it learns all of the picture. With
        other than 3 input channels, a 1x1 convolution that begins as "the first three" picks what is enlarged.
    rng : numpy.random.Generator, seed or None

    Returns
    -------
    Layer
        Takes (N, in_channels, H, W) of any size, in [0, 1]; returns (N, 3, scale * H, scale * W), near [0, 1].

    Notes
    -----
    The dense blocks' weights begin 10 times smaller than Kaiming's: so many blocks that each add a little would
    otherwise add up to too much.

    References
    ----------
    Wang et al., "ESRGAN", 2018, section 3.1, figures 3 and 4.
    """
    for name, value in (("width", width), ("growth", growth), ("blocks", blocks), ("in_channels", in_channels)):
        positive(f"rrdb_net: {name}", value)
    if positive("rrdb_net: scale", scale) < 2 or scale & (scale - 1):
        raise ValueError(f"rrdb_net: expected a scale that is a power of 2 from 2 on, got {scale}")
    rng = np.random.default_rng(rng)
    trunk = [rrdb(width, growth, rng) for _ in range(blocks)]
    layers: list[Layer] = [conv3(in_channels, width, rng), Residual(Sequential(*trunk, conv3(width, width, rng)))]
    for _ in range(scale.bit_length() - 1):
        layers += [Upsample(2), conv3(width, width, rng), LeakyReLU(SLOPE)]
    last = conv3(width, 3, rng, SMALL if base else 1.0)
    network = Sequential(*layers, conv3(width, width, rng), LeakyReLU(SLOPE), last)
    if base is None:
        return network
    enlarged: Layer = Upsample(scale, base)
    if in_channels != 3:
        first_three = Conv2d(in_channels, 3, 1, bias=False)
        first_three.weight.data[...] = np.eye(3, in_channels)[:, :, None, None]
        enlarged = Sequential(first_three, enlarged)
    return Sum(network, enlarged)


class Discriminator(Sequential):
    """A Sequential for pictures of one size."""

    def __init__(self, *layers: Layer, size: int) -> None:
        super().__init__(*layers)
        self.size = size

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) == 4 and tuple(input_shape[2:]) != (self.size, self.size):
            raise ValueError(f"This discriminator was built for pictures of {self.size} x {self.size} pixels, "
                             f"got shape {tuple(input_shape)}")
        return super().output_shape(input_shape)


def discriminator(width: int = 64, size: int = 128, *, in_channels: int = 3, rng: Rng = None) -> Discriminator:
    """Build ESRGAN's discriminator, without batch norm: one logit for each picture.

    At each resolution a 3x3 convolution and a 4x4 one with stride 2, which halves it, down to 4 x 4; then two dense
    layers. All but the last are followed by LeakyReLU.

    Parameters
    ----------
    width : int
        Channels at the full resolution; doubled at each halving, up to 8 width.
    size : int
        Height and width of the pictures, a power of 2 from 8 on.
    in_channels, rng
        As for `rrdb_net`.

    Returns
    -------
    Discriminator
        Takes (N, in_channels, size, size), returns logits (N, 1).

    Notes
    -----
    In the paper's code there is batch norm behind all convolutions but the first, and the real pictures of a step form a
    batch of their own. Without it, real and fake ones can pass in one batch, and a picture's logit is its own.
    """
    positive("discriminator: width", width)
    if positive("discriminator: size", size) < 8 or size & (size - 1):
        raise ValueError(f"discriminator: expected a size that is a power of 2 from 8 on, got {size}")
    rng = np.random.default_rng(rng)
    layers: list[Layer] = []
    channels = in_channels
    for level in range(size.bit_length() - 3):                       # halve until 4 pixels are left on each side
        wider = width * min(2**level, 8)
        layers += [conv3(channels, wider, rng), LeakyReLU(SLOPE),
                   Conv2d(wider, wider, 4, stride=2, padding=1, rng=rng), LeakyReLU(SLOPE)]
        channels = wider
    dense = [Linear(channels * 4 * 4, 100, rng=rng), LeakyReLU(SLOPE), Linear(100, 1, rng=rng)]
    return Discriminator(*layers, Flatten(), *dense, size=size)
