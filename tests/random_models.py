"""Random nested models, as texts that one can type: all layers and containers, for small inputs."""
import numpy as np

import minidl
from minidl import Layer
from minidl.layers.base import generators

LARGEST = 160        # numbers of a sample, anywhere in a model
TRIES = 30           # to find a layer that fits


def build(text: str) -> Layer:
    """Return the model of a text, in float64."""
    model = eval(text, vars(minidl).copy())
    assert isinstance(model, Layer)
    return model.astype(np.float64)


def randomize(model: Layer, rng: np.random.Generator) -> None:
    """Draw all parameters and running statistics anew."""
    for name, array in model.state_dict().items():
        part = model._state()[name]
        if name.endswith("running_var"):
            part[...] = rng.uniform(0.5, 2, array.shape)
        elif array.dtype.kind == "f":
            part[...] = rng.normal(size=array.shape) / max(1, array[:1].size) ** 0.5
    for generator in generators(model).values():
        generator.bit_generator.state = np.random.default_rng(int(rng.integers(1000))).bit_generator.state


def random_model(rng: np.random.Generator) -> tuple[str, tuple[int, ...]]:
    """Return the text of a model, and the shape of a sample for it."""
    C, H, W = (int(rng.integers(1, most)) for most in (5, 7, 7))
    shape = (int(rng.integers(1, 7)),) if rng.random() < 0.1 else (C, H, W)
    text, _ = chain(rng, shape, depth=3)
    return text, shape


def chain(rng: np.random.Generator, shape: tuple[int, ...], depth: int) -> tuple[str, tuple[int, ...]]:
    """Return a Sequential for a sample of this shape, and the shape that it makes of it."""
    layers = []
    for _ in range(int(rng.integers(0 if depth < 3 else 1, 5))):
        text, shape = fitting(rng, shape, depth)
        layers.append(text)
    return f"Sequential({', '.join(layers)})", shape


def fitting(rng: np.random.Generator, shape: tuple[int, ...], depth: int) -> tuple[str, tuple[int, ...]]:
    """Return a random layer that can work on samples of this shape, and the shape that it makes of them."""
    for _ in range(TRIES):
        nested = depth > 0 and rng.random() < 0.3
        text = container(rng, shape, depth - 1) if nested else layer(rng, shape)
        try:
            made = build(text).output_shape((2, *shape))[1:]
        except ValueError:                              # a window that does not fit, for example
            continue
        if np.prod(made) <= LARGEST:
            return text, made
    return "Identity()", shape


def container(rng: np.random.Generator, shape: tuple[int, ...], depth: int) -> str:
    kind = rng.choice(["Sequential", "Skip", "Residual", "Sum"])
    inner, made = chain(rng, shape, depth)
    if kind == "Sequential":
        return inner
    if kind == "Sum":
        return f"Sum({', '.join([inner] * int(rng.integers(1, 4)))})"
    if len(shape) == 3 and made[1:] != shape[1:]:
        inner, made = f"Conv2d({shape[0]}, 2, 3, padding='same')", (2, *shape[1:])
    if kind == "Residual" and len(shape) == 3 and made != shape:
        inner = f"Sequential({inner}, Conv2d({made[0]}, {shape[0]}, 1))"
    return f"{kind}({inner}" + (f", scale={rng.uniform(0.1, 2):.2f})" if kind == "Residual" else ")")


def layer(rng: np.random.Generator, shape: tuple[int, ...]) -> str:
    def upto(most: int, least: int = 1) -> int:
        return int(rng.integers(least, most + 1))

    def two(most: int, least: int = 1) -> str:
        return f"({upto(most, least)}, {upto(most, least)})"

    bias = f"bias={rng.random() < 0.7}"
    plain = ["ReLU()", f"LeakyReLU({rng.choice([0, 0.01, 0.3, 1])})", "Sigmoid()", "Tanh()", "Softmax()", "Identity()",
             f"Dropout({rng.choice([0, 0.2, 0.7])}, rng={upto(99)})", "Flatten()"]
    if len(shape) == 1:
        flat = [f"Reshape((1, {shape[0]}, 1))", *[f"Linear({shape[0]}, {upto(5)}, {bias})"] * 4]
        return str(rng.choice(flat + plain))
    C, H, W = shape
    stride = f"stride={two(2)}"
    maps = [
        f"Conv2d({C}, {upto(4)}, {two(3)}, {stride}, padding={two(2, 0)}, dilation={two(2)}, {bias})",
        f"Conv2d({C}, {upto(4)}, {two(4)}, padding='same', dilation={two(2)}, {bias})", f"Conv2d({C}, {upto(4)}, 1)",
        f"ConvTranspose2d({C}, {upto(4)}, {two(3)}, {stride}, padding={two(1, 0)}, output_padding={two(1, 0)}, "
        f"dilation={two(2)}, {bias})",
        f"BatchNorm2d({C})", f"BatchNorm2d({C}, eps=1e-3, momentum={rng.choice([0.1, 0.5, 1])})",
        f"MaxPool2d({two(3)}, {stride}, padding={two(1, 0)})", "MaxPool2d(2)",
        f"AvgPool2d({two(3)}, {stride}, padding={two(1, 0)})", f"Upsample({two(3)})",
        f"Upsample({two(3)}, mode='bilinear', align_corners={rng.random() < 0.5})", "PixelShuffle(2)",
        f"Reshape({tuple(int(size) for size in rng.permutation(shape))})"]
    return str(rng.choice(maps + plain))
