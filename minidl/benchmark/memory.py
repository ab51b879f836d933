"""The most memory that three training steps need, each library in a process of its own."""
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from minidl.benchmark import pytorch, steps
from minidl.benchmark.machine import set_threads
from minidl.benchmark.options import MEMORY_OF, Config, say, spelled
from minidl.benchmark.steps import Result
from minidl.models import unet
from minidl.runtime.format import table

STEPS = 3


def peak_bytes() -> int | None:
    """Return the most memory that this process has ever had resident; None where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux. Not getrusage: there, a process begins with the peak of the one that started it.
        lines = status.read_text(encoding="utf-8").splitlines()
        found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(found[0]) * 1024 if found else None
    try:
        import resource
    except ImportError:                                  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if platform.system() == "Darwin" else peak * 1024)    # macOS counts bytes, the others KiB


def of_this_process(who: str, config: Config, threads: int | None) -> Result:
    """Do the training steps and return this process's peak, right after the imports and at the end."""
    torch = None if who == "ours" else pytorch.find_torch()
    if who != "ours" and torch is None:
        raise RuntimeError(f"{pytorch.LABELS[who]}: expected PyTorch to be installed")
    set_threads(threads, torch)
    after_imports = peak_bytes()
    model, (x, labels) = unet(config.width, rng=0), steps.images(config)
    if torch is None:
        step = steps.trainer(model, x, labels)
    else:
        rival = pytorch.twin(torch, model)
        del model                        # its weights are gone before the peak comes
        step = pytorch.trainer(torch, who, rival, x, labels)
    for _ in range(STEPS):
        step()
    return {"after_imports": after_imports, "peak": peak_bytes()}


def measure(config: Config, threads: int | None, torch: Any) -> Result:
    """Return the peaks in bytes of all that can be measured here."""
    found = {}
    for who in MEMORY_OF if torch else MEMORY_OF[:1]:
        say(f"peak memory of {pytorch.LABELS[who]}, {config}")
        command = [sys.executable, "-m", "minidl.benchmark", "--peak-memory-of", who, "--configs", spelled(config)]
        command += ["--threads", str(threads)] if threads else []
        # The other process finds minidl even where it is not installed.
        search = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
        answer = subprocess.run(command, env=os.environ | {"PYTHONPATH": search}, stdout=subprocess.PIPE, check=True)
        found[who] = json.loads(answer.stdout)
    return {**config._asdict(), "bytes": found}


def show(result: Result) -> str:
    """Return the section as text."""
    def mib(count: int | None) -> str | int:
        return "unknown" if count is None else round(count / 2**20)

    def more(found: Result) -> int | None:
        return None if None in found.values() else found["peak"] - found["after_imports"]

    body = [[pytorch.LABELS[who], mib(found["after_imports"]), mib(found["peak"]), mib(more(found))]
            for who, found in result["bytes"].items()]
    config = Config(result["width"], result["size"], result["batch"])
    return (f"## Peak memory\n\nOf a process that does {STEPS} training steps ({config}), and of the same process "
            "right after its imports.\n\n"
            + table(["library", "after the imports MiB", "peak MiB", "difference MiB"], body))
