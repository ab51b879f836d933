"""Numbers and arrays that change from step to step, by name: checked, saved and restored."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.types import Array

STEPS_MOST = 2**62   # what fits into a file


class Stateful:
    """What optimizers and schedules share: numbers and arrays by name, checked, saved and restored."""

    count_name = ""                     # of the number of steps done
    setting_names: tuple[str, ...] = ()  # of the numbers that say how steps are made
    state_names: tuple[str, ...] = ()    # of the arrays that change with each step

    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.setting_names}

    def check_settings(self) -> None:
        """Raise a ValueError if a number is impossible."""
        count = getattr(self, self.count_name)
        if not 0 <= count < STEPS_MOST:
            raise ValueError(f"{type(self).__name__}: expected {self.count_name} >= 0, got {count}")

    def state_dict(self) -> dict[str, Array]:
        """Return {name: array} of all that a later `load_state_dict` needs to go on as if nothing had happened."""
        return {name: np.array(getattr(self, name))
                for name in (*self.state_names, self.count_name, *self.setting_names)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Restore what `state_dict` returned.

        ValueError if names or shapes differ, an array is not of numbers, or a number is impossible.
        """
        for name, value in state.items():
            if np.asarray(value).dtype.kind not in "fiu":
                raise ValueError(f"{name}: expected numbers, got dtype {np.asarray(value).dtype}")
        expected = {name: value.shape for name, value in self.state_dict().items()}
        got = {name: np.shape(value) for name, value in state.items()}
        if got != expected:
            raise ValueError(f"{type(self).__name__}.load_state_dict: expected the arrays {expected}, got {got}")
        before = {name: getattr(self, name) for name in (self.count_name, *self.setting_names)}
        try:
            for name, value in before.items():
                setattr(self, name, type(value)(np.asarray(state[name]).tolist()))     # int, float, or tuple of two
            self.check_settings()
        except ValueError:
            vars(self).update(before)
            raise
        for name in self.state_names:
            getattr(self, name)[...] = state[name]
