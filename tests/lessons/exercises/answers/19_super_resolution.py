"""Right answers to the exercises of lesson 19."""
import numpy as np


def psnr(image, truth):
    mse = np.mean((image - truth) ** 2)
    return 10 * np.log10(1 / mse)
