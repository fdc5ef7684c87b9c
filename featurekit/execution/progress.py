"""Progress of long work: scikit-learn's callbacks, a bar, and the log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from featurekit.execution.budget import Budget
from featurekit.kernels.notice import watching

logger = logging.getLogger("featurekit")


class Step:
    """Counts the steps of one phase; call it after each, from any thread."""

    def __init__(self, progress: Progress, context: Any, task: Any) -> None:
        self._progress = progress
        self._context = context
        self._task = task
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """One more step is done."""
        progress = self._progress
        with self._lock:
            if progress.bar is not None:
                progress.bar.advance(self._task)
            if self._context is not None:
                leaf = self._context.subcontext(task_name="step")
                leaf.call_on_fit_task_begin(estimator=progress.estimator)
                if leaf.call_on_fit_task_end(estimator=progress.estimator):
                    progress.budget.stop("stopped by a callback")


class Progress:
    """Reports phases with known numbers of steps.

    Parameters
    ----------
    estimator : object
        Whose fit this is; its scikit-learn callbacks are served.
    n_phases : int
    budget : Budget
        Stopped when a callback asks for it.
    verbose : int
        1 shows a bar, and kernels that are compiled on the way, and logs each phase.
    """

    def __init__(
        self, estimator: Any, n_phases: int, budget: Budget, verbose: int = 0
    ) -> None:
        self.estimator = estimator
        self.budget = budget
        self.bar: Any = None
        self._context: Any = None
        if hasattr(estimator, "_init_callback_context"):
            self._context = estimator._init_callback_context(max_subtasks=n_phases)
        if verbose:
            self.bar = _bar()
        self._verbose = verbose
        self._compiling: Any = None
        self._watching = ExitStack()

    def __enter__(self) -> Progress:
        if self._context is not None:
            self._context.call_on_fit_task_begin(estimator=self.estimator)
        if self.bar is not None:
            self.bar.start()
            self._watching.enter_context(watching(self._compiled))
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self._watching.close()
            self.bar.stop()
        if self._context is not None and error[0] is None:
            self._context.call_on_fit_task_end(estimator=self.estimator)

    def _compiled(self) -> None:
        if self._compiling is None:
            self._compiling = self.bar.add_task("compiling, first use", total=None)
        self.bar.advance(self._compiling)

    @contextmanager
    def phase(self, name: str, n_steps: int | None) -> Iterator[Step]:
        """A phase of ``n_steps`` steps, or of some; yields what counts them."""
        before = self.budget.elapsed()
        context = task = None
        if self.bar is not None:
            task = self.bar.add_task(name, total=n_steps)
        if self._context is not None:
            context = self._context.subcontext(task_name=name, max_subtasks=n_steps)
            context.call_on_fit_task_begin(estimator=self.estimator)
        yield Step(self, context, task)
        if context is not None:
            context.call_on_fit_task_end(estimator=self.estimator)
        if self.bar is not None and n_steps is not None:
            self.bar.update(task, completed=n_steps)
        level = logging.INFO if self._verbose else logging.DEBUG
        logger.log(level, "%s: %.2f s", name, self.budget.elapsed() - before)


def _bar() -> Any:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
