"""Gradients of models that are too large for `check_layer`: along random directions."""
import numpy as np


def directional_errors(layer, x, rng, h=1e-6):
    """Compare backward with central differences along one random direction in x and in each parameter.

    For models with too many numbers to move each: <gradient, v> against (L(. + hv) - L(. - hv)) / 2h, relative to
    the length that the gradient typically has along a random direction. A convolution's bias before a batch norm has
    no effect: the floor keeps its gradients, which are 0, from being compared by their rounding errors.
    """
    layer.astype(np.float64).train()
    y = layer.forward(x)
    dy = rng.normal(size=y.shape)
    floor = 1e-3 * np.abs(dy).max() * np.abs(y).max()
    layer.zero_grad()
    gradients = {"x": layer.backward(dy)} | {name: p.grad for name, p in layer.named_parameters()}
    arrays = {"x": x} | {name: p.data for name, p in layer.named_parameters()}
    errors = {}
    for name, array in arrays.items():
        v = rng.normal(size=array.shape)
        v /= np.linalg.norm(v)
        before = array.copy()
        array[...] = before + h * v
        above = layer.forward(x)
        array[...] = before - h * v
        below = layer.forward(x)
        array[...] = before
        numeric = np.sum((above - below) * dy) / (2 * h)
        analytic = np.vdot(gradients[name], v)
        size = np.linalg.norm(gradients[name]) / np.sqrt(v.size)
        errors[name] = abs(numeric - analytic) / max(abs(numeric), size, floor)
    return errors
