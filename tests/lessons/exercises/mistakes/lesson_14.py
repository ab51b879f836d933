"""Planted mistakes in the answers of lesson 14."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("transposed_convolution", "+=", "=", "also by the next channel"),
    Planted("transposed_convolution", "    for n, c, i, j in np.ndindex(N, C, H, W):",
            "    painting = np.einsum('ncij,cokl->nijokl', x, weight)\n"
            "    for n, i, j in np.ndindex(N, H, W):\n"
            "        y[n, :, i * stride:i * stride + k, j * stride:j * stride + k] = painting[n, i, j]\n"
            "    for n, c, i, j in ():", "overwritten where kernels overlap"),
    Planted("transposed_convolution", "* weight[c]", "* weight[c, :, ::-1, ::-1]", "the kernel is flipped"),
    Planted("transposed_convolution", "* weight[c]", "* weight[c].transpose(0, 2, 1)",
            "rows and columns of the kernel are exchanged"),
    Planted("transposed_convolution", "x[n, c, i, j] * weight[c]", "weight[c]", "multiply the kernel"),
    Planted("transposed_convolution", "_, O, k, _ = weight.shape", "_, O, k, _ = weight.shape\n    stride = 1",
            "the stride is ignored"),
    Planted("transposed_convolution", "return y", "return y[:, :, :H * stride, :W * stride]", "the result is cut"),
    Planted("transposed_convolution", "return y", "return y / C", "divided by the number of channels"),
    Planted("transposed_convolution", "+= x", "-= x", "the sign is wrong"),
    Planted("tent", "(scale - 0.5)", "scale", "the middle is at scale:"),
    Planted("tent", "(scale - 0.5)", "(scale - 1)", "the middle is at scale − 1"),
    Planted("tent", "np.abs(i - (scale - 0.5))", "(i - (scale - 0.5))", "needs its absolute value"),
    Planted("tent", "return 1 - np.abs(i - (scale - 0.5)) / scale",
            "shape = 1 - np.abs(i - (scale - 0.5)) / scale\n    return shape / shape.sum()", "divided by its sum"),
    Planted("tent", "np.abs(i - (scale - 0.5)) / scale", "np.abs(i - (scale - 0.5)) // scale", "this is a box"),
    Planted("tent", "return 1 - np.abs(i - (scale - 0.5)) / scale",
            "return np.concatenate([np.linspace(0, 1, scale), np.linspace(1, 0, scale)])", "begins and ends with 0"),
    Planted("tent", "2 * scale", "2 * scale + 1", "Expected shape"),
]
