"""Planted mistakes in the answers of lesson 19."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("psnr", "1 / mse", "mse", "the sign is wrong"),
    Planted("psnr", "10 * np", "20 * np", "20 in place of 10"),
    Planted("psnr", "1 / mse", "1 / np.sqrt(mse)", "10 in place of 20"),
    Planted("psnr", "np.log10", "np.log", "natural logarithm"),
    Planted("psnr", "1 / mse", "255 ** 2 / mse", "not 255"),
    Planted("psnr", "np.mean", "np.sum", "take their mean"),
    Planted("psnr", "(image - truth) ** 2", "np.abs(image - truth)", "absolute differences"),
    Planted("psnr", "np.mean((image - truth) ** 2)", "np.mean(image - truth) ** 2", "square each difference first"),
    Planted("psnr", "1 / mse", "1 / (mse + 1e-8)", "theirs is infinite"),
    Planted("psnr", "np.mean((image - truth) ** 2)", "np.mean((image - truth) ** 2, axis=(1, 2))",
            "one PSNR for each channel"),
    Planted("psnr", "    return 10 * np.log10(1 / mse)", "    return mse", "this is the MSE"),
    Planted("psnr", "    mse = np.mean((image - truth) ** 2)", "    image -= truth\n    mse = np.mean(image ** 2)",
            "changed its argument image"),
]
