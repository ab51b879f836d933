"""The types that all files share: arrays, shapes, and where random numbers come from."""
from typing import Any

import numpy as np
from numpy.typing import NDArray


Array = NDArray[Any]

Shape = tuple[int, ...]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))  # what layers and losses compute in

Rng = np.random.Generator | int | None
