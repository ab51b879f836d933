"""The states of random generators as JSON, in which some have arrays that it does not know."""
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Turn what json does not know (the arrays in the state of some generators) into what it does."""
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a checkpoint cannot hold {value!r}")


def as_state(state: Any) -> Any:
    """Undo `plain` in the state of a generator."""
    if isinstance(state, dict):
        if set(state) == {"array", "dtype"}:
            if state["dtype"] not in ("uint32", "uint64"):
                raise ValueError(f"expected a generator's state of uint32 or uint64, got {state['dtype']!r}")
            return np.array(state["array"], dtype=state["dtype"])
        return {key: as_state(value) for key, value in state.items()}
    return state
