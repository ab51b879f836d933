"""A function held against what is right: what the message says."""
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from minidl.course.exercises.check import Check, differences, fault
from minidl.course.exercises.compare import difference, show
from minidl.course.exercises.mistakes import recognize

DOCSTRING = """Double a number.

>>> double(np.array([1.0, 2.0]))
array([2.0, 4.0])
"""


def cases(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for shape in ((1,), (3,), (2, 3)):
        yield {"x": rng.normal(size=shape)}


CHECK = Check(lambda x: 2 * x, cases, {"tripled: 2 is enough": lambda x: 3 * x}, "", None, ("", ""), returns=("y",))


def fault_of(double: Any, docstring: str = DOCSTRING, check: Check = CHECK) -> str | None:
    double.__name__ = "double"
    return fault(double, check, docstring)


def test_right_answer_has_no_fault() -> None:
    assert fault_of(lambda x: x + x) is None


def test_example_comes_first_and_the_mistake_is_named() -> None:
    text = fault_of(lambda x: x * 3)
    assert text is not None
    assert text.startswith("The example of the docstring:\n\n>>> double(np.array([1.0, 2.0]))\n"
                           "expected shape (2,):\n[2. 4.]\ngot shape (2,):\n[3. 6.]\n")
    assert text.endswith("This looks like a usual mistake: tripled: 2 is enough.")


def test_first_case_that_fails_is_shown() -> None:
    text = fault_of(lambda x: 2 * x if x.size < 6 else 0 * x)
    assert text is not None and text.startswith("double(x)\nx: shape (2, 3):")
    assert "First difference at [0, 0]: expected" in text and "(6 of 6 numbers differ)" in text


@pytest.mark.parametrize("answer, said", [
    (lambda x: -2 * x, "the sign is wrong"), (lambda x: 4 * x, "twice the expected"),
    (lambda x: x, "half the expected"), (lambda x: 0 * x, "all numbers are 0"),
    (lambda x: (2 * x).astype(int), "an array of integers"),
    (lambda x: None, "returned None"), (lambda x: "2", "Expected numbers"), (lambda x: (2 * x)[None], "Expected shape"),
    (lambda x: (2 * x).T, "the axes are swapped"),
])
def test_general_mistakes_are_named(answer: Any, said: str) -> None:
    text = fault_of(answer)
    assert text is not None and said in text


def test_changed_argument_is_named() -> None:
    def answer(x: Any) -> Any:
        x *= 2
        return x
    text = fault_of(answer)
    assert text is not None and "changed its argument x" in text


def test_memory_order_is_tried() -> None:
    def answer(x: Any) -> Any:
        return 2 * x.ravel("K").reshape(x.shape)
    text = fault_of(answer)
    assert text is not None and "lie in memory column by column" in text


def test_exception_of_the_answer_goes_through_unless_a_mistake_is_known() -> None:
    def only_small(x: Any) -> Any:
        if x.size > 1:
            raise KeyError("larger")
        return 2 * x
    with pytest.raises(KeyError, match="larger"):
        fault_of(only_small)

    def wrong_and_raises(x: Any) -> Any:
        return 3 * only_small(x) / 2
    text = fault_of(wrong_and_raises)
    assert text is not None and "tripled" in text


def test_number_of_results_is_checked() -> None:
    check = Check(lambda x: (x, x), cases, {}, "", None, ("", ""), returns=("a", "b"))
    with pytest.raises(Exception, match=r"Expected 2 results \(a, b\), got 3 of them"):
        fault_of(lambda x: (x, x, x), "", check)


def test_differences_are_the_derivative() -> None:
    x, dy = np.array([[1.0, -2.0]]), np.array([[3.0, 5.0]])
    before = x.copy()
    dx, dc = differences(lambda x, c: c * x**2, "x", "c")(x=x, c=np.array(4.0), dy=dy)
    assert np.allclose(dx, 2 * 4 * x * dy) and np.isclose(dc, np.sum(dy * x**2)) and np.array_equal(x, before)
    assert np.allclose(differences(lambda x: float(np.sum(x**3)), "x")(x=x), 3 * x**2)


@pytest.mark.parametrize("expected, got, said", [
    (np.zeros((2, 2)), [[0, 0], [0]], "shape (2, 2)"),
    (1.0, 1.5, "First difference: expected 1, got 1.5."), ([1], [1, 2], "Expected 1 of them, got 2."),
    (np.array([1.0, np.nan]), np.array([1.0, 0.0]), "at [1]: expected nan, got 0"), ([1, 2], [1, 3], "at [1]"),
    ("a", "b", "Expected 'a'"),
])
def test_differences_in_words(expected: Any, got: Any, said: str) -> None:
    assert said in str(difference(expected, got))


@pytest.mark.parametrize("expected, got", [
    (np.array([np.nan, np.inf]), np.array([np.nan, np.inf])), (1.0, np.float32(1.0)), ([], np.zeros(0)),
    (np.array([1e6, 1.0]), np.array([1e6, 1.0 + 1e-3])), ([True], [True]),
])
def test_same_up_to_rounding(expected: Any, got: Any) -> None:
    assert difference(expected, got) is None


def test_mistake_must_fit_all_cases() -> None:
    pairs = [(1.0, 2.0), (3.0, 3.0)]
    assert recognize(pairs, {"doubled": [2.0, 6.0]}) is None
    assert recognize(pairs, {"at least 2": [2.0, 3.0]}) == "at least 2"


def test_large_values_are_not_printed_whole() -> None:
    assert show(np.zeros((20, 20))) == "an array of shape (20, 20)"
    assert len(show("x" * 1000)) < 500
