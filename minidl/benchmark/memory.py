"""The most memory that three training steps need, minidl's processes together, PyTorch in one."""
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
from minidl.runtime.threads import get_num_threads

STEPS = 3


def peak_bytes(process: int | str = "self") -> int | None:
    """Return the most memory that a process has ever had resident; None where the system does not say."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        # Linux. Not getrusage: there, a process begins with the peak of the one that started it.
        lines = status.read_text(encoding="utf-8").splitlines()
        found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(found[0]) * 1024 if found else None
    if process != "self":
        return None
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
        with steps.team_of(model, min(get_num_threads(), config.batch)) as team:
            for _ in range(STEPS):
                team.step(x, labels)
            workers = [] if team.team is None else [peak_bytes(process.pid) for process in team.team.processes]
        peaks = [peak_bytes(), *workers]
        total = None if None in peaks else sum(peak or 0 for peak in peaks)
        return {"after_imports": after_imports, "processes": len(peaks), "peak": total}
    rival = pytorch.twin(torch, model)
    del model                            # its weights are gone before the peak comes
    step = pytorch.trainer(torch, who, rival, x, labels)
    for _ in range(STEPS):
        step()
    return {"after_imports": after_imports, "processes": 1, "peak": peak_bytes()}


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

    body = [[pytorch.LABELS[who], found["processes"], mib(found["after_imports"]), mib(found["peak"])]
            for who, found in result["bytes"].items()]
    config = Config(result["width"], result["size"], result["batch"])
    return (f"## Peak memory\n\nOf {STEPS} training steps ({config}): the sum of all processes' peaks, in which memory "
            "that they share counts once for each; and of one process right after its imports.\n\n"
            + table(["library", "processes", "one after its imports MiB", "all at their peak MiB"], body))
