"""Planted mistakes in the answers of lesson 11."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("receptive_field", " * jump", "", "the jump is missing"),
    Planted("receptive_field", "r += (kernel - 1) * jump\n        jump *= stride",
            "jump *= stride\n        r += (kernel - 1) * jump", "multiplied too early"),
    Planted("receptive_field", "(kernel - 1)", "kernel", "k − 1 steps, not k"),
    Planted("receptive_field", "r, jump = 1, 1", "r, jump = 0, 1", "r begins with 0"),
    Planted("receptive_field", "jump *= stride", "jump += stride", "the strides are added"),
    Planted("receptive_field", "jump *= stride", "jump = stride", "only the last stride"),
    Planted("receptive_field", "in chain:", "in reversed(chain):", "from its end"),
    Planted("receptive_field", "return r", "return jump", "return r"),
    Planted("receptive_field", "    return r", "        return r", "expected 8\ngot 3"),
]
