"""Random models and random sequences of calls against plain references: `python -m tests.fuzz --minutes 10`."""
import argparse
import sys
import time
import traceback

import numpy as np

from tests.oracles import HAS_TORCH
from tests.random_calls import Case


def failure_of(seed: int, torch: bool = HAS_TORCH) -> str:
    """Return what goes wrong in the case of a seed; "" if nothing does."""
    case = None
    try:
        with np.errstate(all="ignore"):
            case = Case(seed, torch)
            case.run()
    except Exception:
        about = f"{case.text}\n  for samples of shape {case.shape}, after {', '.join(case.calls)}" if case else ""
        return f"--seed {seed}: {about}\n{traceback.format_exc()}"
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Run cases for some time, or one; 1 if one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="only the case of this seed")
    parser.add_argument("--first", type=int, help="seed of the first case (default: drawn)")
    parser.add_argument("--no-torch", action="store_true", help="plain references even where PyTorch is installed")
    options = parser.parse_args(arguments)
    torch = HAS_TORCH and not options.no_torch
    first = options.first if options.first is not None else int(np.random.default_rng().integers(10**9))
    end = time.perf_counter() + 60 * options.minutes
    cases, failed = 0, []
    while cases == 0 or (options.seed is None and time.perf_counter() < end):
        seed = options.seed if options.seed is not None else first + cases
        cases += 1
        if failure := failure_of(seed, torch):
            failed.append(seed)
            print(failure, flush=True)
    print(f"{cases} cases, from seed {first if options.seed is None else options.seed}, "
          f"against {'PyTorch' if torch else 'plain references'}: {len(failed)} failed"
          + (f" (seeds {', '.join(map(str, failed))})" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
