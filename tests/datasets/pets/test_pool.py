"""Several threads on one list."""
import threading

import pytest

from minidl.datasets.pets.reader import AHEAD, in_order


def counted(items, taken):
    for item in items:
        taken.append(item)
        yield item


def test_results_keep_the_order_and_do_not_pile_up():
    taken: list[int] = []
    with in_order(lambda i: i * i, counted(range(1000), taken)) as results:
        for i, result in enumerate(results):
            assert result == i * i
            assert len(taken) <= i + AHEAD
    assert len(taken) == 1000


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_nothing_goes_on(error):
    taken: list[int] = []
    threads = threading.active_count()
    with pytest.raises(error), in_order(str, counted(range(1000), taken)) as results:
        next(results)
        raise error
    assert len(taken) <= AHEAD and threading.active_count() == threads


def test_an_error_of_the_function_comes_out():
    with pytest.raises(ZeroDivisionError), in_order(lambda i: 1 // i, [1, 0, 1]) as results:
        list(results)
    with in_order(str, []) as results:
        assert list(results) == []
