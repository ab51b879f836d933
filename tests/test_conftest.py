"""What surrounds each test."""
import pytest

from minidl import get_num_threads, set_num_threads
from minidl.runtime.threads import available_cores, get_blas_threads

BEFORE = get_blas_threads()                # while tests are collected


@pytest.mark.parametrize("n", [2, 3])
def test_the_number_of_threads_ends_with_the_test(n):
    assert get_num_threads() == available_cores() and get_blas_threads() == BEFORE
    set_num_threads(n)
