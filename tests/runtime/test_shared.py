"""Memory that processes share, and how they meet in it."""
import errno
import io
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minidl.runtime.shared import SLOTS, Meeting, SharedMemory, size_of


def test_arrays_arrive_as_the_shared_ones_and_others_as_copies(left_over):
    shapes = [((2, 3), "f4"), ((), "i8"), ((5,), "f8")]
    memory = SharedMemory(sum(size_of(*shape) for shape in shapes))
    a, b, c = (memory.array(*shape) for shape in shapes)
    own = np.arange(3.0)
    pipe = io.BytesIO()
    memory.dump({"a": a, "row": a[1], "b": b, "c": c, "own": own}, pipe)
    pipe.seek(0)
    other = SharedMemory(path=memory.path)
    memory.unlink()
    found = other.load(pipe)
    a[1, 2], b[...], c[4], own[0] = 1.5, 7, -2.5, 9
    assert found["a"][1, 2] == found["row"][2] == 1.5 and found["b"] == 7 and found["c"][4] == -2.5
    assert found["own"][0] == 0 and found["a"].dtype == np.float32 and found["b"].shape == ()
    assert not left_over()


def test_a_full_disk_is_named_and_nothing_is_left(monkeypatch, left_over):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_full(handle, mode):
        os.close(handle)
        return Full()

    monkeypatch.setattr(os, "fdopen", open_full)
    with pytest.raises(OSError, match="No space left on device: expected room in .* for 1,000 bytes .* one thread"):
        SharedMemory(1000)
    assert not left_over()


def test_all_gather_the_same_in_the_order_of_their_ranks():
    n, rounds = 3, 50
    counters, slots = np.zeros((n, 8), np.int64), np.zeros((SLOTS, n, 2))

    def work(rank):
        meeting, found = Meeting(counters, slots, rank, lambda: None), []
        for i in range(rounds):
            meeting.active = range(n - i % 2)                    # now and then the last one is not needed
            if rank in meeting.active:
                found.append(meeting.gather(np.array([rank, i])).tolist())
            meeting.barrier()
        return found

    with ThreadPoolExecutor(n) as pool:
        found = list(pool.map(work, range(n)))
    expected = [[[rank, i] for rank in range(n - i % 2)] for i in range(rounds)]
    assert found == [expected, expected, expected[::2]]


def test_waiting_for_one_that_is_gone_ends():
    def check():
        raise RuntimeError("it is gone")

    meeting = Meeting(np.zeros((2, 8), np.int64), np.zeros((SLOTS, 2, 1)), 0, check)
    with pytest.raises(RuntimeError, match="it is gone"):
        meeting.barrier()
