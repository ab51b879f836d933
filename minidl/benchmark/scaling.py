"""How the time of a training step grows with the batch, the images, the network and the threads."""
from collections.abc import Callable, Iterator

from minidl.benchmark import steps
from minidl.benchmark.machine import set_threads
from minidl.benchmark.options import Config, say
from minidl.benchmark.steps import Result
from minidl.benchmark.timing import interleave
from minidl.models import unet
from minidl.runtime.format import table
from minidl.runtime.threads import available_cores, get_blas_threads

Candidates = dict[int, tuple[Config, Callable[[], float]]]    # by the value that changes
Values = dict[str, tuple[int, ...]]
BASE = Config(16, 64, 8)
SERIES: Values = {"batch": (1, 2, 4, 8, 16, 32), "size": (32, 64, 128), "width": (4, 8, 16, 32)}
QUICK: Values = {"batch": (1, 2), "size": (32, 64), "width": (4, 8)}


def thread_counts(most: int) -> list[int]:
    """Return 1, 2, 4, ... and the number of cores.

    >>> thread_counts(6)
    [1, 2, 4, 6]
    """
    return [*(n for n in (2**k for k in range(most.bit_length())) if n < most), most]


def trainer(config: Config) -> Callable[[], float]:
    """Return a function that does one training step."""
    return steps.trainer(unet(config.width, rng=0), *steps.images(config))


def with_threads(threads: int, step: Callable[[], float]) -> Callable[[], float]:
    """Return a function that does the step with so many threads."""
    def run() -> float:
        set_threads(threads, None)
        return step()
    return run


def series_of(base: Config, values: Values) -> Iterator[tuple[str, Candidates]]:
    """Yield, for each thing that changes, the training steps to compare."""
    for name, numbers in values.items():
        configs = {n: base._replace(**{name: n}) for n in numbers}
        yield name, {n: (config, trainer(config)) for n, config in configs.items()}
    if get_blas_threads() is None:
        return                                              # the BLAS library cannot be told
    step = trainer(base)
    yield "threads", {n: (base, with_threads(n, step)) for n in thread_counts(available_cores())}


def measure(base: Config, seconds: float, threads: int | None, values: Values) -> Result:
    """Return, for each thing that changes, a row of numbers for each of its values; all else is as in `base`."""
    found: dict[str, list[Result]] = {}
    try:
        for name, candidates in series_of(base, values):
            say(f"growth with {name}")
            times = interleave({str(n): step for n, (_, step) in candidates.items()}, seconds)
            found[name] = [{name: n, "ms": 1000 * times[str(n)].median,
                            "ms_per_image": 1000 * times[str(n)].median / config.batch}
                           for n, (config, _) in candidates.items()]
    finally:
        set_threads(threads, None)
    return {**base._asdict(), "series": found}


def show(result: Result) -> str:
    """Return the section as text."""
    base = Config(result["width"], result["size"], result["batch"])
    texts = [f"## How the time grows\n\nA training step of minidl, medians. One thing changes, the rest is {base}."]
    for name, rows in result["series"].items():
        texts.append(table([name, "ms", "ms per image"], [list(row.values()) for row in rows]))
    return "\n\n".join(texts)
