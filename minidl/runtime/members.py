"""What an object holds."""
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Kind = TypeVar("Kind")
COLLECTIONS = (tuple, list, dict, set, frozenset)


def members(kind: type[Kind], things: Iterable[tuple[Any, Any]], prefix: str = "") -> Iterator[tuple[str, Kind]]:
    """Yield what is of this kind among named things, and in lists, tuples and dicts there; with dotted names.

    Not in a `_cache`: what a layer keeps for `backward` is not a part of it.

    >>> list(members(int, {"a": 1, "b": [2, "c"], "d": {"e": 3}}.items()))
    [('a', 1), ('b.0', 2), ('d.e', 3)]
    """
    for name, thing in things:
        if isinstance(thing, kind):
            yield f"{prefix}{name}", thing
        elif isinstance(thing, COLLECTIONS) and name != "_cache":
            if isinstance(thing, (set, frozenset)) and any(isinstance(one, kind) for one in thing):
                raise ValueError(f"{prefix}{name}: expected a list or a dict of {kind.__name__} objects, got a set, "
                                 "which has no order")
            yield from members(kind, thing.items() if isinstance(thing, dict) else enumerate(thing), f"{prefix}{name}.")
