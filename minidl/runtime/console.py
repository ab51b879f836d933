"""The standard streams of a program: letters that a console lacks, readers that leave, streams that are not there."""
import errno
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

READER_LEFT = 141        # the exit status of a program that ends because of that, as a shell has it


def prepare(errors: str = "replace", stop: bool = False) -> None:
    """Let nothing about the standard streams disturb the work; for the beginning of a program.

    Letters that a console cannot show are written as `errors` says (see `open`). Where the output goes to a program
    that ends early (``| head``), the rest of it is dropped and the work goes on; if `stop`, the program ends quietly.
    A stream that was closed before the program began is replaced by an empty one, so that no file gets its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
        elif mode == "w" and hasattr(stream, "reconfigure"):                # a notebook's streams lack it
            stream.reconfigure(errors=errors)
            if "write" in vars(stream):                                     # prepared before
                continue
            stream.write = _until_reader_leaves(stream, stream.write, stop)
            stream.flush = _until_reader_leaves(stream, stream.flush, stop)


def _until_reader_leaves(stream: TextIO, method: Callable[..., Any], stop: bool) -> Callable[..., Any]:
    def write(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):              # Windows says EINVAL
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())                               # takes what is still in the buffer, too
            os.close(nowhere)
            if stop:
                raise SystemExit(READER_LEFT) from None
    return write
