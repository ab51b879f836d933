"""Runs a reader's functions, in a process of its own, which `run` starts.

Whatever the functions do, the process that asked goes on: endless loops end this one after a while, and so does the
attempt to use more memory than there should be. Each result is a line of JSON in a file.
"""
import contextlib
import faulthandler
import importlib
import importlib.util
import io
import json
import os
import sys
import threading
import time
import traceback
import tracemalloc
from pathlib import Path
from types import ModuleType
from typing import Any

from minidl.course.exercises.catalog import Exercise, read_stubs
from minidl.course.exercises.check import CALLED, Check, WrongResult, fault
from minidl.course.exercises.mistakes import hint_for
from minidl.course.exercises.workspace import FAILED, OPEN, PASSED

MEMORY = 1 << 30               # bytes, beside what the process has at its start
MOST_PRINTED = 1500            # letters of what the reader's function prints
TOO_MUCH = 9                   # exit status: memory


def main(checks: str, path: str, stubs: str, results: str, seconds: str, *names: str) -> None:
    """Check the functions with these names in a reader's file, in the order of the stubs, for so long each."""
    module_of_checks = importlib.import_module(checks)
    limit_memory()
    with open(results, "a", encoding="utf-8") as file:
        try:
            module: ModuleType | Exception = load(Path(path))
        except Exception as error:
            module = error
        for exercise in read_stubs(Path(stubs)):
            if exercise.name not in names:
                continue
            print(json.dumps({"begun": exercise.name}), file=file, flush=True)
            faulthandler.dump_traceback_later(float(seconds), exit=True)
            started = time.perf_counter()
            result = examine(module, exercise, module_of_checks.CHECKS[exercise.name], path)
            faulthandler.cancel_dump_traceback_later()
            result["seconds"] = round(time.perf_counter() - started, 3)
            print(json.dumps(result), file=file, flush=True)


def load(path: Path) -> ModuleType:
    """Import a file whose name need not be a module's."""
    spec = importlib.util.spec_from_file_location("my_" + path.stem.replace(".", "_"), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


def examine(module: ModuleType | Exception, exercise: Exercise, check: Check, path: str) -> dict[str, Any]:
    """Return the name, state, message and printed text of one exercise."""
    printed = io.StringIO()
    state, message = FAILED, ""
    with contextlib.redirect_stdout(printed):
        try:
            if isinstance(module, Exception):
                raise module
            answer = getattr(module, exercise.name, None)
            if answer is None:
                message = f"{Path(path).name} has no function {exercise.name}."
            else:
                message = fault(answer, check, exercise.docstring) or ""
                state = FAILED if message else PASSED
        except NotImplementedError as error:
            state, message = OPEN, str(error)
        except (Exception, SystemExit) as error:
            message = explain(error, path)
    return {"name": exercise.name, "state": state, "message": message, "printed": printed.getvalue()[:MOST_PRINTED]}


def explain(error: BaseException, path: str) -> str:
    """Return an exception as text: the reader's own lines that led to it, and what Python says."""
    if isinstance(error, WrongResult):
        return str(error)
    if isinstance(error, SyntaxError) and error.filename == path:
        return "".join(traceback.format_exception_only(error)).replace(path, Path(path).name).rstrip()
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    lines = [f"line {frame.lineno}, in {frame.name}:\n    {frame.line}" for frame in own[-3:]]
    said = "".join(traceback.format_exception_only(error)).rstrip()
    if isinstance(error, MemoryError):
        said = f"More than {MEMORY >> 20:,} MiB of memory were asked for. {said}"
    called = getattr(error, CALLED, "")
    parts = ["\n".join([*lines, said]), hint_for(said), called and f"The call was {called}"]
    return "\n\n".join(filter(None, parts))


def limit_memory() -> None:
    """Keep the process from using all memory of the machine: asking for more than MEMORY is an error or ends it."""
    try:
        import resource                          # not on Windows
        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ImportError, OSError, ValueError):   # no such limit here: look 20 times a second
        tracemalloc.start()
        threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while tracemalloc.get_traced_memory()[0] < MEMORY:
        time.sleep(0.05)
    os._exit(TOO_MUCH)


if __name__ == "__main__":
    main(*sys.argv[1:])
