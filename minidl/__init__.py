"""minidl: deep learning for images, from scratch in NumPy.

The names below are in the order in which the files behind them are best read.
"""
from minidl.gradcheck import check_layer, check_loss
from minidl.layers import (
    AvgPool2d, BatchNorm2d, Conv2d, ConvTranspose2d, Dropout, Flatten, Identity, Layer, LeakyReLU, Linear, MaxPool2d,
    Parameter, PixelShuffle, ReLU, Reshape, Residual, Sequential, Sigmoid, Skip, Softmax, Sum, Tanh, Upsample, Window,
    col2im, im2col, no_backward,
)
from minidl.layers.folding import fold_batchnorm
from minidl.loss import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, SmoothL1Loss
from minidl.models import classifier, encoder_decoder, fcn, mlp, pixelwise, reshape_segmenter, unet
from minidl.optim import SGD, Adam, CosineSchedule
from minidl.parallel import DataParallel
from minidl.runtime.threads import get_num_threads, set_num_threads
from minidl.tasks.detection.models import detector, localizer
from minidl.tasks.segmentation.losses import DiceLoss, FocalLoss
from minidl.tasks.super_resolution.losses import FeatureLoss, RelativisticAverageLoss
from minidl.tasks.super_resolution.models import discriminator, patch_discriminator, rrdb_net

__version__ = "0.2.0"

__all__ = [
    "Layer", "Parameter", "no_backward", "Sequential", "Skip", "Residual", "Sum", "Identity", "Linear",
    "ReLU", "LeakyReLU", "Sigmoid", "Tanh", "Softmax", "Dropout",
    "Window", "im2col", "col2im", "Conv2d", "ConvTranspose2d", "BatchNorm2d", "MaxPool2d", "AvgPool2d",
    "Upsample", "Flatten", "Reshape", "PixelShuffle",
    "CrossEntropyLoss", "MSELoss", "L1Loss", "SmoothL1Loss", "BCEWithLogitsLoss",
    "DiceLoss", "FocalLoss", "FeatureLoss", "RelativisticAverageLoss",
    "SGD", "Adam", "CosineSchedule", "DataParallel", "check_layer", "check_loss",
    "mlp", "classifier", "pixelwise", "reshape_segmenter", "fcn", "encoder_decoder", "unet", "fold_batchnorm",
    "localizer", "detector", "rrdb_net", "discriminator", "patch_discriminator",
    "set_num_threads", "get_num_threads",
]
