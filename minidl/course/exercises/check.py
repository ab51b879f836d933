"""What a right answer is, and a function held against it."""
import copy
import doctest
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.course.exercises.compare import difference, show
from minidl.course.exercises.mistakes import recognize

CALLED = "called"      # attribute of an exception of the answer: the call that raised it, as a text
Arguments = dict[str, Any]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Check:
    """What belongs to an exercise beside its stub.

    Attributes
    ----------
    expected : function
        Takes the arguments of the answer, returns what it should. For a derivative use `differences`.
    cases : function
        Takes a generator of random numbers, yields arguments by name: the smallest case first, because the first that
        fails is shown.
    mistakes : dict of functions
        The usual mistakes: {what is wrong, in words: a function that makes the mistake}.
    section : str
        The heading in the lesson, without its number, where this is explained.
    solution : object
        The library's function or class that does it.
    hints : two texts
        The second says more than the first.
    returns : tuple of str
        The names of the results, for messages.
    changes : tuple of str
        The arguments that the answer changes in place; all others must stay as they are.
    """

    expected: Function
    cases: Callable[[np.random.Generator], Iterable[Arguments]]
    mistakes: Mapping[str, Any]
    section: str
    solution: Any
    hints: tuple[str, str]
    returns: tuple[str, ...] = ("result",)
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """One call of the answer: its arguments, and by name the results expected and got."""

    arguments: Arguments
    expected: dict[str, Any]
    got: dict[str, Any]

    def wrong(self) -> str | None:
        """Return the name of the first result that differs, None if all are right."""
        return next((name for name, right in self.expected.items() if difference(right, self.got[name])), None)


def fault(answer: Function, check: Check, docstring: str) -> str | None:
    """Return what is wrong with an answer, as a text to print; None if nothing was found.

    First comes the example of the docstring; then all cases, of which the first that fails is shown; then the last
    case once more with its arrays in other memory orders. An exception of the answer goes through, unless another case
    shows a usual mistake. Warnings (overflow, 0 / 0) are not shown: what they warn of is seen in the results.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _fault(answer, check, docstring)


def _fault(answer: Function, check: Check, docstring: str) -> str | None:
    raised: list[Exception] = []
    example = None
    try:
        example = example_fault(answer, docstring)
    except NotImplementedError:
        raise
    except Exception as error:
        raised.append(error)
    trials, blame = _try_all(answer, check, raised)
    failed = next((trial for trial in trials if trial.wrong()), None)
    if failed is not None:
        mistake = blame or _mistake(check, failed.wrong() or "", trials)
        if raised and mistake is None:
            raise raised[0]
        return "\n\n".join(filter(None, [example or _explain(answer, failed), mistake]))
    if raised:
        raise raised[0]
    return example or blame or _order_fault(answer, check, trials[-1])


def _try_all(answer: Function, check: Check, raised: list[Exception]) -> tuple[list[Trial], str | None]:
    """Return the trials of all cases that ran, and what the answer did that no right answer does; add to `raised`."""
    trials, blame = [], None
    for arguments in check.cases(np.random.default_rng(0)):
        before = copy.deepcopy(arguments)
        expected = outcome(check.expected, arguments, check)
        try:
            got = outcome(answer, arguments, check)
        except Exception as error:
            setattr(error, CALLED, call(answer, before))
            raised.append(error)
            continue
        for name, value in before.items():
            if blame is None and name not in check.changes and not _same(value, arguments[name]):
                blame = (f"The function changed its argument {name}. {name} belongs to the caller, who may need it: "
                         "work on a copy.")
        trials.append(Trial(before, expected, got))
    return trials, blame


class WrongResult(Exception):
    """The answer returned something that cannot be compared."""


def outcome(function: Function, arguments: Arguments, check: Check) -> dict[str, Any]:
    """Call a function with copies of what it may change; return its results, and what it changed, by name."""
    given = arguments | {name: arguments[name].copy() for name in check.changes}
    result = function(**given)
    names = check.returns
    if len(names) == 1:
        results = {names[0]: result}
    elif isinstance(result, (tuple, list)) and len(result) == len(names):
        results = dict(zip(names, result))
    elif not names:
        results = {}
    else:
        got = f"{len(result)} of them" if isinstance(result, (tuple, list)) else show(result)
        raise WrongResult(f"Expected {len(names)} results ({', '.join(names)}), got {got}.")
    return results | {f"{name} afterwards": given[name] for name in check.changes}


def call(answer: Function, arguments: Arguments) -> str:
    """Return a call as text, with its arguments below if they are arrays."""
    arrays = {name: value for name, value in arguments.items() if isinstance(value, np.ndarray) and value.ndim}
    listed = ", ".join(name if name in arrays else f"{name}={show(value)}" for name, value in arguments.items())
    called = f"{getattr(answer, '__name__', 'answer')}({listed})"
    return "\n".join([called, *(f"{name}: {show(array)}" for name, array in arrays.items())])


def _explain(answer: Function, failed: Trial) -> str:
    """Return the text about a case that failed: the call, what was expected, what came, and where they differ."""
    name = failed.wrong() or ""
    return "\n\n".join([call(answer, failed.arguments),
                        _side_by_side(f"{name}, ", failed.expected[name], failed.got[name])])


def _side_by_side(name: str, expected: Any, got: Any) -> str:
    """Return what was expected and what came; of two single numbers, that is all, else also where they differ."""
    lines = [f"expected {name}{show(expected)}", f"got {name}{show(got)}"]
    if np.ndim(expected) or not isinstance(got, (int, float, np.number)):
        lines.append(str(difference(expected, got)))
    return "\n".join(lines)


def _mistake(check: Check, name: str, trials: list[Trial]) -> str | None:
    """Return which usual mistake makes the result `name` of all cases what it was."""
    made = {}
    for what, function in check.mistakes.items():
        try:
            made[what] = [outcome(function, trial.arguments, check)[name] for trial in trials]
        except Exception:                     # a mistake that some input does not allow cannot be the reader's
            continue
    mistake = recognize([(trial.expected[name], trial.got[name]) for trial in trials], made)
    return mistake and f"This looks like a usual mistake: {mistake}."


def _order_fault(answer: Function, check: Check, trial: Trial) -> str | None:
    """Return what is wrong if the arrays lie in memory in another order, in which slices and transposes lie."""
    orders: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "column by column (x.T.copy().T)": np.asfortranarray, "with gaps and backward (wide[..., ::-2])": _spread}
    for how, put in orders.items():
        arguments = {name: put(value) if isinstance(value, np.ndarray) and value.ndim else value
                     for name, value in trial.arguments.items()}
        again = Trial(arguments, trial.expected, outcome(answer, arguments, check))
        name = again.wrong()
        if name is not None:
            return (f"{call(answer, trial.arguments)}\n\nis right, but not if its arrays lie in memory {how}: "
                    f"{difference(again.expected[name], again.got[name])}\nIndex with the axes' numbers, and let "
                    "reshape and ravel have their usual order.")
    return None


def _spread(array: np.ndarray) -> np.ndarray:
    """Return the same numbers as every second of an array that is read backward."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    view = wide[..., ::-2]
    view[...] = array
    return view


def _same(before: Any, after: Any) -> bool:
    return np.array_equal(before, after, equal_nan=True) if isinstance(before, np.ndarray) else True


def example_fault(answer: Function, docstring: str) -> str | None:
    """Return what is wrong with the examples of a docstring: lines `>>> expression`, below each the value expected."""
    names: dict[str, Any] = {"np": np, "array": np.array, answer.__name__: answer}
    for example in doctest.DocTestParser().get_examples(docstring):
        if not example.want:
            exec(example.source, names)
            continue
        got, expected = eval(example.source, names), eval(example.want, names)
        if isinstance(expected, tuple) and isinstance(got, list):
            got = tuple(got)                                  # as in `outcome`, several results may be a list
        expected, got = (values if isinstance(values, tuple) else (values,) for values in (expected, got))
        text = (f"Expected {len(expected)} results, got {len(got)}." if len(expected) != len(got) else
                next((_side_by_side("", *pair) for pair in zip(expected, got) if difference(*pair)), None))
        if text is not None:
            return f"The example of the docstring:\n\n>>> {example.source.strip()}\n{text}"
    return None


def differences(forward: Function, *wanted: str) -> Function:
    """Return a function that finds derivatives by central differences: the right answers of a backward pass.

    Its arguments are those of `forward` and, if forward returns an array, `dy`. It returns the derivative of
    sum(dy * forward(...)) with respect to each wanted argument.
    """
    def derivatives(**arguments: Any) -> Any:
        dy = arguments.pop("dy", 1.0)

        def loss() -> float:
            return float(np.sum(dy * forward(**arguments)))
        found = []
        for name in wanted:
            # The probe is moved in place: a copy, so that the caller's array stays as it is.
            x = arguments[name] = np.array(arguments[name], float)
            dx = np.zeros_like(x)
            for place in np.ndindex(x.shape):
                value = x[place]
                x[place] = value + 1e-5
                above = loss()
                x[place] = value - 1e-5
                dx[place] = (above - loss()) / 2e-5
                x[place] = value
            found.append(dx)
        return tuple(found) if len(found) > 1 else found[0]
    return derivatives
