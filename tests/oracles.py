"""What a model of nested layers makes of an input, computed by others: by plain loops, and by PyTorch.

Both walk through a model of minidl only to know its layers, their arguments and parameters.
"""
import copy
import importlib
import importlib.util
from typing import Any

import numpy as np

from minidl import (
    AvgPool2d, BatchNorm2d, Conv2d, ConvTranspose2d, Dropout, Flatten, Identity, Layer, LeakyReLU, Linear, MaxPool2d,
    PixelShuffle, ReLU, Reshape, Residual, Sequential, Sigmoid, Skip, Softmax, Sum, Tanh, Upsample,
)
from tests import reference

HAS_TORCH = importlib.util.find_spec("torch") is not None


class Plain:
    """Forward by the loops of `tests.reference`."""

    def __init__(self) -> None:
        self.buffers: dict[str, Any] = {}       # running statistics afterwards

    def forward(self, layer: Layer, x: Any, name: str = "") -> Any:
        children = [(f"{name}.{key}" if name else key, child) for key, child in layer.children()]
        if isinstance(layer, Sequential):
            for key, child in children:
                x = self.forward(child, x, key)
            return x
        inside = [self.forward(child, x, key) for key, child in children]
        if isinstance(layer, Skip):
            return self.concatenated(inside[0], x)
        if isinstance(layer, Residual):
            return x + layer.scale * inside[0]
        if isinstance(layer, Sum):
            return sum(inside[1:], inside[0])
        if isinstance(layer, Identity):
            return x
        if isinstance(layer, Dropout):
            return x * self.mask(layer, x.shape) if layer.training else x
        return self.leaf(layer, x, name)

    def mask(self, layer: Dropout, shape: Any) -> Any:
        """Return 0 or 1 / (1 - p) for each value, as the layer will draw them."""
        drawn = copy.deepcopy(layer.rng).random(shape)
        return np.where(drawn < layer.p, 0, 1 / (1 - layer.p))

    def concatenated(self, a: Any, b: Any) -> Any:
        return np.concatenate([a, b], axis=1)

    def leaf(self, layer: Any, x: Any, name: str) -> Any:
        p = {key: value.data for key, value in layer._own_parameters().items()}
        match layer:
            case Linear():
                return reference.linear(x, p["weight"], p.get("bias"))
            case Conv2d():
                (top, bottom), (left, right) = padding_of(layer)
                x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
                return reference.conv2d(x, p["weight"], p.get("bias"), layer.stride, (0, 0), layer.dilation)
            case ConvTranspose2d():
                return reference.conv_transpose2d(x, p["weight"], p.get("bias"), layer.stride, layer.padding,
                                                  layer.output_padding, layer.dilation)
            case BatchNorm2d() if layer.training:
                y, mean, _, var = reference.batch_norm(x, p["weight"], p["bias"], layer.eps)
                for key, batch in (("running_mean", mean), ("running_var", var)):
                    self.buffers[f"{name}.{key}" if name else key] = (
                        (1 - layer.momentum) * getattr(layer, key) + layer.momentum * batch)
                return y
            case BatchNorm2d():
                mean, var = layer.running_mean[:, None, None], layer.running_var[:, None, None]
                return ((x - mean) / np.sqrt(var + layer.eps) * p["weight"][:, None, None] + p["bias"][:, None, None])
            case MaxPool2d():
                return reference.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding)[0]
            case AvgPool2d():
                return reference.avg_pool2d(x, layer.kernel_size, layer.stride, layer.padding)
            case Upsample(mode="nearest"):
                return reference.upsample_nearest(x, layer.scale_factor)
            case Upsample():
                return reference.upsample_bilinear(x, layer.scale_factor, layer.align_corners)
            case PixelShuffle():
                return reference.pixel_shuffle(x, layer.upscale_factor)
            case ReLU():
                return np.where(x > 0, x, 0)
            case LeakyReLU():
                return np.where(x > 0, x, layer.negative_slope * x)
            case Sigmoid():
                return reference.sigmoid(x)
            case Tanh():
                return np.tanh(x)
            case Softmax():
                return reference.softmax(x)
            case Flatten():
                return x.reshape(len(x), -1)
            case Reshape():
                return x.reshape(len(x), *layer.shape)
        raise NotImplementedError(f"no oracle for {layer!r}")


class Torch(Plain):
    """Forward by PyTorch; its tensors then know the gradients."""

    def __init__(self, model: Layer) -> None:
        super().__init__()
        self.torch: Any = importlib.import_module("torch")
        self.p = {name: self.torch.tensor(np.ascontiguousarray(p.data), requires_grad=True)
                  for name, p in model.named_parameters()}

    def mask(self, layer: Dropout, shape: Any) -> Any:
        return self.torch.tensor(super().mask(layer, tuple(shape)))

    def concatenated(self, a: Any, b: Any) -> Any:
        return self.torch.cat([a, b], 1)

    def leaf(self, layer: Any, x: Any, name: str) -> Any:
        F = self.torch.nn.functional
        p = {key: self.p[f"{name}.{key}" if name else key] for key in layer._own_parameters()}
        match layer:
            case Linear():
                return F.linear(x, p["weight"], p.get("bias"))
            case Conv2d():
                (top, bottom), (left, right) = padding_of(layer)
                x = F.pad(x, (left, right, top, bottom))
                return F.conv2d(x, p["weight"], p.get("bias"), layer.stride, 0, layer.dilation)
            case ConvTranspose2d():
                return F.conv_transpose2d(x, p["weight"], p.get("bias"), layer.stride, layer.padding,
                                          layer.output_padding, 1, layer.dilation)
            case BatchNorm2d():
                running = [self.torch.tensor(getattr(layer, key)) for key in ("running_mean", "running_var")]
                y = F.batch_norm(x, *running, p["weight"], p["bias"], layer.training, layer.momentum, layer.eps)
                for key, value in zip(("running_mean", "running_var"), running):
                    self.buffers[f"{name}.{key}" if name else key] = value.numpy()
                return y
            case MaxPool2d():
                return F.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding)
            case AvgPool2d():
                return F.avg_pool2d(x, layer.kernel_size, layer.stride, layer.padding)
            case Upsample(mode="nearest"):
                return F.interpolate(x, scale_factor=tuple(map(float, layer.scale_factor)))
            case Upsample():
                return F.interpolate(x, scale_factor=tuple(map(float, layer.scale_factor)), mode="bilinear",
                                     align_corners=layer.align_corners)
            case PixelShuffle():
                return F.pixel_shuffle(x, layer.upscale_factor)
            case ReLU():
                return F.relu(x)
            case LeakyReLU():
                return F.leaky_relu(x, layer.negative_slope)
            case Sigmoid():
                return self.torch.sigmoid(x)
            case Tanh():
                return self.torch.tanh(x)
            case Softmax():
                return self.torch.softmax(x, 1)
            case Flatten():
                return x.flatten(1)
            case Reshape():
                return x.reshape(len(x), *layer.shape)
        raise NotImplementedError(f"no oracle for {layer!r}")


def padding_of(layer: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return a convolution's padding (top, bottom), (left, right); "same" puts an odd rest at the bottom and right."""
    if layer.padding != "same":
        return tuple((p, p) for p in layer.padding)                                            # type: ignore
    whole = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size)]
    return tuple((total // 2, total - total // 2) for total in whole)                          # type: ignore
