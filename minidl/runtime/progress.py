"""One line that says how far a long piece of work is and how long it will still take."""
import os
import sys
import time

LIVE = "MINIDL_LIVE"   # set in the environment of a program whose output another one shows on a terminal


def duration(seconds: float) -> str:
    """Return a time as a person would say it.

    >>> duration(7.2), duration(83), duration(4000)
    ('7 s', '1 min 23 s', '1 h 06 min')
    """
    s = int(seconds + 0.5)
    if s < 60:
        return f"{s} s"
    return f"{s // 60} min {s % 60:02d} s" if s < 3600 else f"{s // 3600} h {s % 3600 // 60:02d} min"


def last_written(line: str) -> str:
    """Return what a terminal shows of a line in which a carriage return goes back to the beginning.

    >>> last_written("step 1\\rstep 2 \\r")
    'step 2'
    """
    return line.rstrip("\r").rpartition("\r")[2].rstrip()


class Progress:
    """A progress line: rewritten in place on a terminal, a plain line every few seconds elsewhere (a log file).

    Parameters
    ----------
    total : int
        Units of work.
    what : str
        Heads the line, with "done/total" after it; without it the line is only what `update` is told.
    enabled : bool
        False: print nothing.
    every : float
        Seconds between two plain lines.
    patience : float
        Seconds from the start in which nothing is printed: work that is done by then needs no line.

    Examples
    --------
    >>> for patience in (0, 60):
    ...     Progress(3, "counting", patience=patience).line(3, "sheep")
    counting 3/3, sheep, took 0 s
    """

    def __init__(self, total: int, what: str = "", enabled: bool = True, every: float = 10.0,
                 patience: float = 0.0) -> None:
        self.total, self.what, self.enabled = total, what, enabled
        self.live = enabled and (sys.stdout.isatty() or LIVE in os.environ)
        self.every = 0.1 if self.live else every
        self.started = self.printed = time.perf_counter()
        self.silent_until = self.started + patience
        self.first = 0  # units done before this run (a resumed training)
        self.width = 0  # of the line on the terminal

    def update(self, done: int, text: str = "") -> None:
        """Print that `done` units are done, with `text`, if it is time to."""
        now = time.perf_counter()
        if self.enabled and now - self.printed >= self.every and done < self.total:
            self.printed = now
            self._write(done, text, now, keep=not self.live)

    def line(self, done: int, text: str) -> None:
        """Print a line that stays."""
        if self.enabled:
            self.printed = time.perf_counter()
            self._write(done, text, self.printed, keep=True)

    def say(self, text: str) -> None:
        """Print a line about something else; the progress goes on below it."""
        if self.enabled:
            self._print(text, keep=True)

    def _left(self, done: int, now: float) -> str:
        gone = now - self.started
        if done <= self.first:
            return ""
        if done >= self.total:
            return f"took {duration(gone)}"
        return f"{duration(gone / (done - self.first) * (self.total - done))} left"

    def _write(self, done: int, text: str, now: float, keep: bool) -> None:
        head = f"{self.what} {done:{len(str(self.total))}}/{self.total}" if self.what else ""
        text = ", ".join(part for part in (head, text, self._left(done, now)) if part)
        if now >= self.silent_until:
            self._print(text, keep)

    def _print(self, text: str, keep: bool) -> None:
        start = "\r" if self.live else ""
        print(start + text.ljust(self.width), end="\n" if keep else "", flush=True)
        self.width = 0 if keep else len(text)
