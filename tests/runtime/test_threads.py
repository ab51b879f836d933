"""The number of threads: set, asked for, refused; and that results do not suffer."""
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from minidl import get_num_threads, set_num_threads
from minidl.datasets import synthetic_pets
from minidl.datasets.pets import reader
from minidl.runtime import threads
from minidl.runtime.threads import get_blas_threads
from tests.trainings import step

needs_control = pytest.mark.skipif(get_blas_threads() is None, reason="this NumPy's BLAS library cannot be told")


@pytest.fixture(autouse=True)
def same_threads_afterwards(monkeypatch):
    before = get_blas_threads()
    monkeypatch.setattr(threads, "_wanted", None)
    yield
    if before is not None:
        set_num_threads(before)


def test_by_default_there_are_as_many_as_cores():
    assert get_num_threads() == threads.available_cores()


def test_what_is_set_is_what_is_used():
    for n in (1, 2, np.int64(1)):
        set_num_threads(n)
        assert get_num_threads() == n and get_blas_threads() in (n, None)


@needs_control
def test_the_environment_is_where_it_begins():
    for n in ("1", "2"):
        said = subprocess.run([sys.executable, "-c", "from minidl.runtime.threads import *; print(get_blas_threads())"],
                              env=os.environ | {"OPENBLAS_NUM_THREADS": n, "MKL_NUM_THREADS": n},
                              capture_output=True, encoding="utf-8", check=True)
        assert said.stdout.strip() == n


@pytest.mark.parametrize("n", [0, -1, 1.0, "2", True, None])
def test_anything_but_a_whole_number_of_at_least_1_is_refused(n):
    with pytest.raises(ValueError, match="set_num_threads: expected an integer of at least 1, got"):
        set_num_threads(n)


def test_a_library_that_cannot_be_told_keeps_its_own_number(monkeypatch):
    monkeypatch.setattr(threads, "_blas_functions", lambda: None)
    assert get_blas_threads() is None
    set_num_threads(2)
    assert get_num_threads() == 2


def test_libraries_are_searched_under_all_known_names(monkeypatch):
    library = SimpleNamespace(MKL_Set_Num_Threads=SimpleNamespace(), MKL_Get_Max_Threads=SimpleNamespace())
    monkeypatch.setattr(threads, "_libraries", lambda: [SimpleNamespace(), library])
    assert threads._blas_functions.__wrapped__() == (library.MKL_Set_Num_Threads, library.MKL_Get_Max_Threads)


def test_available_cores():
    assert 1 <= threads.available_cores() <= (os.cpu_count() or 1)


def test_what_minidl_splits_gives_the_same_bits_for_any_number_of_threads(tmp_path):
    files, arrays = [], []
    for n in (1, 3):
        set_num_threads(n)
        folder = tmp_path / str(n)
        synthetic_pets.write(folder, seed=1, train=6, test=2, size=64)
        files.append({path.name: path.read_bytes() for path in folder.rglob("*.*g")})
        read = reader.load_pets(folder, "train", 32)
        arrays.append((read.images, read.trimaps))
    assert files[0] == files[1] and len(files[0]) == 16
    assert all(np.array_equal(a, b) for a, b in zip(*arrays, strict=True))


def test_products_by_any_number_of_threads_agree():
    results = []
    for n in (1, 2, 4):
        set_num_threads(n)
        results.append(step())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_models_in_several_threads_at_once_do_not_disturb_each_other():
    alone = [step(seed) for seed in range(4)]
    together = {}
    workers = [threading.Thread(target=lambda seed=seed: together.update({seed: [step(seed) for _ in range(5)]}))
               for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for seed in range(4):
        for again in together[seed]:
            assert all(np.array_equal(a, b) for a, b in zip(alone[seed], again, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_goes_on_computing_and_ends():
    program = ("import os, warnings; from tests.trainings import step; step(); warnings.simplefilter('ignore')\n"
               "child = os.fork()\n"
               "step()\n"
               "if child: assert os.waitpid(child, 0)[1] == 0; print('both done')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", timeout=60,
                          env={name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"})
    assert done.returncode == 0 and done.stdout == "both done\n", done.stderr
