"""How the time of a training step grows with the batch, the images and the network, and falls with more processes."""
import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from minidl.benchmark import steps
from minidl.benchmark.options import Config, say
from minidl.benchmark.steps import Result
from minidl.benchmark.timing import interleave
from minidl.models import unet
from minidl.runtime.format import table
from minidl.runtime.threads import available_cores, blas_threads

Candidates = dict[int, tuple[Config, Callable[[], float]]]    # by the value that changes
Values = dict[str, tuple[int, ...]]
BASE = Config(16, 64, 8)
SERIES: Values = {"batch": (1, 2, 4, 8, 16, 32), "size": (32, 64, 128), "width": (4, 8, 16, 32)}
QUICK: Values = {"batch": (1, 2), "size": (32, 64), "width": (4, 8)}


def worker_counts(most: int) -> list[int]:
    """Return 1, 2, 4, ... and the number of cores.

    >>> worker_counts(6)
    [1, 2, 4, 6]
    """
    return [*(n for n in (2**k for k in range(most.bit_length())) if n < most), most]


def trainer(config: Config, workers: int, teams: ExitStack) -> Callable[[], float]:
    """Return a function that does one training step, with so many processes or one for each image."""
    team = teams.enter_context(steps.team_of(unet(config.width, rng=0), min(workers, config.batch)))
    return functools.partial(team.step, *steps.images(config))


def series_of(base: Config, workers: int, values: Values) -> Iterator[tuple[str, Candidates]]:
    """Yield, for each thing that changes, the training steps to compare."""
    for name, numbers in values.items():
        configs = {n: base._replace(**{name: n}) for n in numbers}
        with ExitStack() as teams:
            yield name, {n: (config, trainer(config, workers, teams)) for n, config in configs.items()}
    with ExitStack() as teams, blas_threads(1):
        yield "processes", {n: (base, trainer(base, n, teams)) for n in worker_counts(min(workers, base.batch))}


def measure(base: Config, seconds: float, threads: int | None, values: Values) -> Result:
    """Return, for each thing that changes, a row of numbers for each of its values; all else is as in `base`."""
    found: dict[str, list[Result]] = {}
    for name, candidates in series_of(base, threads or available_cores(), values):
        say(f"growth with {name}")
        times = interleave({str(n): step for n, (_, step) in candidates.items()}, seconds)
        found[name] = [{name: n, "ms": 1000 * times[str(n)].median,
                        "ms_per_image": 1000 * times[str(n)].median / config.batch}
                       for n, (config, _) in candidates.items()]
    return {**base._asdict(), "series": found}


def show(result: Result) -> str:
    """Return the section as text."""
    base = Config(result["width"], result["size"], result["batch"])
    texts = [f"## How the time grows\n\nA training step of minidl, medians. One thing changes, the rest is {base}."]
    for name, rows in result["series"].items():
        texts.append(table([name, "ms", "ms per image"], [list(row.values()) for row in rows]))
    return "\n\n".join(texts)
