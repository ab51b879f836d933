"""The same network in PyTorch, with the same weights, where PyTorch is installed."""
import importlib
from collections.abc import Callable
from typing import Any

from minidl.layers import BatchNorm2d, Conv2d, Layer, MaxPool2d, ReLU, Sequential, Skip, Upsample
from minidl.types import Array

VARIANTS = ("plain", "channels_last")  # memory orders of PyTorch: (N, C, H, W) and (N, H, W, C)
LABELS = {"ours": "minidl", "plain": "PyTorch", "channels_last": "PyTorch channels_last"}


def find_torch() -> Any:
    """Return the module `torch`, or None where it is not installed."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return None


def twin(torch: Any, layer: Layer) -> Any:
    """Build the PyTorch module of the same layers, whose parameters have the same names. It has weights of its own."""
    nn = torch.nn
    if isinstance(layer, Sequential):
        return nn.Sequential(*(twin(torch, inner) for inner in layer))
    if isinstance(layer, Skip):
        return _skip(torch, twin(torch, layer.inner))
    if isinstance(layer, Conv2d):
        return nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding,
                         layer.dilation, bias=layer.bias is not None)
    if isinstance(layer, BatchNorm2d):
        return nn.BatchNorm2d(layer.num_features, layer.eps, layer.momentum)
    if isinstance(layer, ReLU):
        return nn.ReLU()
    if isinstance(layer, MaxPool2d):
        return nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding)
    if isinstance(layer, Upsample):
        corners = None if layer.mode == "nearest" else layer.align_corners
        return nn.Upsample(scale_factor=layer.scale_factor, mode=layer.mode, align_corners=corners)
    raise ValueError(f"twin: expected a layer that the U-Net is made of, got {layer!r}")


def _skip(torch: Any, inner: Any) -> Any:
    class TorchSkip(torch.nn.Module):    # here, because its base exists only where PyTorch does
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner           # the name is part of the parameters' names

        def forward(self, x: Any) -> Any:
            return torch.cat([self.inner(x), x], dim=1)

    return TorchSkip()


def copy_weights(torch: Any, model: Layer, rival: Any) -> None:
    """Give the PyTorch module all parameters and running statistics of our model."""
    rival.load_state_dict({name: torch.from_numpy(array) for name, array in model.state_dict().items()})


def as_variant(torch: Any, variant: str, rival: Any, x: Array) -> tuple[Any, Any]:
    """Return the module and a tensor of x, both in the variant's memory order."""
    order = torch.channels_last if variant == "channels_last" else torch.contiguous_format
    return rival.to(memory_format=order), torch.from_numpy(x).to(memory_format=order)


def trainer(torch: Any, variant: str, rival: Any, x: Array, labels: Array) -> Callable[[], float]:
    """Return a function that does one training step with cross entropy and Adam, and returns the loss before it."""
    rival, inputs = as_variant(torch, variant, rival, x)
    targets, loss = torch.from_numpy(labels), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(rival.parameters(), lr=1e-3)

    def step() -> float:
        optimizer.zero_grad()
        value = loss(rival(inputs), targets)
        value.backward()
        optimizer.step()
        return float(value.item())

    return step


def predictor(torch: Any, variant: str, rival: Any, x: Array) -> Callable[[], Array]:
    """Return a function that computes the module's output in eval mode, as an array."""
    rival, inputs = as_variant(torch, variant, rival.eval(), x)

    def predict() -> Array:
        with torch.inference_mode():
            output: Array = rival(inputs).numpy()
        return output

    return predict
