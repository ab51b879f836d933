"""The layers, in the order in which they are best read."""
from minidl.layers.activation import Dropout, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from minidl.layers.base import Layer, Parameter, no_backward
from minidl.layers.containers import Identity, Residual, Sequential, Skip, Sum
from minidl.layers.conv import Conv2d, ConvTranspose2d
from minidl.layers.im2col import col2im, im2col
from minidl.layers.linear import Linear
from minidl.layers.normalization import BatchNorm2d
from minidl.layers.pooling import AvgPool2d, MaxPool2d
from minidl.layers.shape import Flatten, PixelShuffle, Reshape
from minidl.layers.upsampling import Upsample
from minidl.layers.window import Window

__all__ = [
    "Layer", "Parameter", "no_backward", "Sequential", "Skip", "Residual", "Sum", "Identity", "Linear",
    "ReLU", "LeakyReLU", "Sigmoid", "Tanh", "Softmax", "Dropout",
    "Window", "im2col", "col2im", "Conv2d", "ConvTranspose2d", "BatchNorm2d", "MaxPool2d", "AvgPool2d",
    "Upsample", "Flatten", "Reshape", "PixelShuffle",
]
