"""Hypothesis: the same examples in every run of the gate, new ones in every other."""
import os

from hypothesis import settings

settings.register_profile("gate", derandomize=True)
settings.load_profile("gate" if os.environ.get("CI") else "default")
