"""The types that all files share: arrays, shapes, and where random numbers come from."""
from typing import Any

import numpy as np
from numpy.typing import NDArray


Array = NDArray[Any]

Shape = tuple[int, ...]

Rng = np.random.Generator | int | None
