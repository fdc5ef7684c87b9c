"""Budgets of long work: time, and the user's Ctrl-C, both checked between rounds."""

from __future__ import annotations

import signal
import threading
import time
from types import TracebackType
from typing import Any


class Budget:
    """Says when to stop; use as a context manager around the work.

    Ctrl-C sets a flag in place of raising, so that what is found is kept; a second
    Ctrl-C raises as usual. Only the main thread can catch it; elsewhere it raises.

    Parameters
    ----------
    seconds : float or None
        Wall-clock time from the start on.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.start = time.monotonic()
        self.why = ""
        self._since = 0.0
        self._whole: Budget | None = None
        self._before: Any = None

    def __enter__(self) -> Budget:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            if self._before is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._interrupt)
            else:  # somebody else handles it
                self._before = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, *_: object) -> None:
        if self.why == "interrupted":
            raise KeyboardInterrupt
        self.why, self._since = "interrupted", self.elapsed()

    @property
    def complete(self) -> bool:
        """Whether nothing has been cut short."""
        return not self.why

    def stopped(self, grace: float = 0.0) -> bool:
        """Whether to stop now.

        Parameters
        ----------
        grace : float
            Seconds that work may go on for after the stop, to finish what is begun.
        """
        if not self.why and self._whole is not None and self._whole.stopped():
            self.why, self._since = self._whole.why, self._whole._since
        if not self.why and self.seconds is not None and self.elapsed() > self.seconds:
            whole = self if self._whole is None else self._whole
            self.why = f"time_budget of {whole.seconds:g} s is spent"
            self._since = self.seconds
        return bool(self.why) and self.elapsed() >= self._since + grace

    def stop(self, why: str) -> None:
        """Ask for a stop at the next check."""
        if not self.why:
            self.why, self._since = why, self.elapsed()

    def part(self, share: float) -> Budget:
        """A budget of that share of the time left; it stops with this one, too."""
        out = Budget()
        out.start, out._whole = self.start, self
        if self.seconds is not None:
            elapsed = self.elapsed()
            out.seconds = elapsed + share * max(0.0, self.seconds - elapsed)
        return out

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start
