"""What was measured on one machine with PyTorch beside minidl: for those who have no PyTorch to compare with.

Another machine has other times, and other ratios.
"""

MACHINE = "AMD EPYC (Zen 3, no AVX-512), two cores, virtual"
DATE = "2026-11-26"
VERSIONS = "Python 3.11, NumPy 2.4 with OpenBLAS 0.3.31, PyTorch 2.13 (CPU)"

# Lesson 21's stages: a 3 x 3 convolution, forward, of 8 images from 32 to 64 channels at 64 x 64. Milliseconds of
# processor time on one core (other programs ran), medians over four runs.
LAYER_MS: dict[str, float] = {
    "seven loops (calculated)": 397_000, "nine products, float64": 118, "one product of rows": 92,
    "one product of columns": 64, "float32": 29.7, "image by image": 24.7, "in a workspace": 20.9,
    "minidl, one core": 21.8, "PyTorch, one core": 14.5,
}

# A training step: U-Net of width 16, 8 images of 64 x 64, cross entropy, Adam. Milliseconds on both cores, medians.
STEP_MS: dict[str, dict[str, float]] = {
    "nothing else runs": {"a process per core": 50, "products on all cores": 63, "PyTorch": 57,
                          "PyTorch channels_last": 46},
}
