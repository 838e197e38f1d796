"""What a run shows while it goes on: counts, pace, best so far, time left."""

from __future__ import annotations

import math
import os
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from study.points.agenda import Assignment, Ending
from trainables.files.progress import RunProgress
from trainables.vocabulary import standard
from trainables.vocabulary.schema import METRICS, State, spelled
from trainables.vocabulary.wording import counted, duration


@dataclass
class Tally:
    """Counts of one run by how trials ended, its pace, and the best result at each sparsity."""

    wanted: int
    settled_before: int
    states: Counter[State] = field(default_factory=Counter)
    dense_runs: int = 0
    epochs: float = 0.0
    bests: dict[float, float] = field(default_factory=dict)
    best_metric: str = "val_accuracy"
    started: float = field(default_factory=time.monotonic)
    first_result: float | None = None
    recent: deque[tuple[float, float]] = field(default_factory=deque)
    ends: deque[float] = field(default_factory=deque)

    @property
    def ended(self) -> int:
        """Trials that ended in this run."""
        return self.states.total()

    @property
    def failed(self) -> int:
        """Trials that failed in this run."""
        return self.states["failed"]

    @property
    def settled(self) -> int:
        """Trials that have ended, those of earlier runs included."""
        return self.settled_before + self.ended

    def trained(self, epochs: float, now: float | None = None) -> None:
        """Note epochs just trained."""
        now = time.monotonic() if now is None else now
        self.first_result = self.first_result or now
        self.epochs += epochs
        self.recent.append((now, epochs))
        while self.recent and now - self.recent[0][0] > 60:
            self.recent.popleft()

    def epochs_per_s(self, now: float | None = None) -> float:
        """Epochs per second over the last minute, by all workers together."""
        now = time.monotonic() if now is None else now
        if not self.recent:
            return 0.0
        since = min(self.recent[0][0], now - 1.0)
        return sum(e for _, e in self.recent) / (now - since)

    def over(self, assignment: Assignment, ending: Ending, now: float | None = None) -> None:
        """Note how an assignment ended."""
        if assignment.goal == "dense":
            self.dense_runs += 1
            return
        self.states[ending.state] += 1
        self.ends.append(time.monotonic() if now is None else now)
        value = ending.metrics.get(self.best_metric)
        if ending.state == "done" and value is not None:
            self._note(assignment.trial.config.prune.sparsity, value)

    def _note(self, sparsity: float, value: float) -> None:
        """Keep a result where it is the best at its sparsity."""
        better = max if METRICS[self.best_metric].direction == "max" else min
        self.bests[sparsity] = better(value, self.bests.get(sparsity, value))

    def seconds_left(self, now: float | None = None) -> float | None:
        """Time left at the pace of this run's trials so far; None before the second has ended."""
        now = time.monotonic() if now is None else now
        if self.first_result is None or len(self.ends) < 2:
            return None
        per_trial = (now - self.first_result) / len(self.ends)
        return per_trial * max(0, self.wanted - self.settled)


@dataclass(frozen=True)
class Queue:
    """What is out and what is still to come: trials at work and waiting, shared dense runs left,
    those of them at work."""

    running: int
    waiting: int
    dense_left: int = 0
    dense_running: int = 0

    @property
    def at_work(self) -> str:
        """What workers are at, in words."""
        dense = counted(self.dense_running, "dense run") if self.dense_running else ""
        return f"{self.running} running" + (f" and {dense}" if dense else "")


def as_file(tally: Tally, queue: Queue, at: str) -> RunProgress:
    """Return where a run stands at a time (ISO 8601 with its zone), for other processes to read."""
    return RunProgress(
        at=at,
        pid=os.getpid(),
        wanted=tally.wanted,
        settled=tally.settled,
        failed=tally.failed,
        running=queue.running,
        waiting=queue.waiting,
        dense_running=queue.dense_running,
        epochs_per_s=round(tally.epochs_per_s(), 3),
        seconds_left=tally.seconds_left(),
    )


MANY_SPARSITIES = 6
"""With more sparsities than this they were sampled, and each has hardly more than one result."""


def line(tally: Tally, queue: Queue, width: int | None = None) -> str:
    """Return the state of a run as one line of text, of at most `width` characters.

    The count comes first, then what the first minute does, then the time left: what does not fit is
    dropped from the end.
    """
    text, *rest = [part for part in _parts(tally, queue) if part]
    for part in rest:
        longer = f"{text}, {part}"
        if width is not None and len(longer) > width:
            break
        text = longer
    return text


def _parts(tally: Tally, queue: Queue) -> list[str]:
    """What there is to say, the most important first."""
    left = tally.seconds_left()
    troubled: tuple[State, ...] = ("failed", "diverged")
    return [
        f"{tally.settled}/{tally.wanted} trials",
        _phase(tally, queue),
        "" if left is None else f"{duration(left)} left",
        *(f"{tally.states[s]} {s}" if tally.states[s] else "" for s in troubled),
        queue.at_work,
        f"{queue.waiting} waiting",
        f"{tally.epochs_per_s():.1f} epochs/s" if tally.recent else "",
        _bests(tally),
    ]


def _phase(tally: Tally, queue: Queue) -> str:
    """What a run does before trials end: its workers load, then shared dense runs are trained."""
    if tally.first_result is None:
        return "loading workers" if queue.running + queue.dense_running else ""
    if not queue.dense_left:
        return ""
    return f"dense runs {tally.dense_runs}/{tally.dense_runs + queue.dense_left}"


def _bests(tally: Tally) -> str:
    """The best result so far at each sparsity: sparsities are no rivals of each other."""
    if not 0 < len(tally.bests) <= MANY_SPARSITIES:
        return ""
    metric = METRICS[tally.best_metric]
    words = tally.best_metric.replace("val_", "validation ").replace("_", " ")
    name = spelled(tally.best_metric, words)
    values = [
        f"{100 * value:.1f} %" if metric.percent else f"{value:.4g}"
        for _, value in sorted(tally.bests.items())
    ]
    at = [
        f"{value} at {100 * sparsity:.4g} %"
        for sparsity, value in zip(sorted(tally.bests), values, strict=True)
    ]
    return f"best {name} {', '.join(at)}"


class Display(Protocol):
    """Shows a run; `say` prints a sentence that stays."""

    def say(self, text: str) -> None:
        """Print a sentence."""
        ...

    def show(self, tally: Tally, queue: Queue) -> None:
        """Show where the run stands."""
        ...

    def close(self) -> None:
        """Take the live part away."""
        ...


def _print(text: str) -> None:
    """Print a line; where nobody can take it any more the run goes on without a word."""
    try:
        print(text, flush=True)
    except OSError:
        standard.silence()


class PlainDisplay:
    """A line of text now and then, when it says something new: for logs and pipes.

    New is another phase, a failure, the end of the last trial, or a hundredth of the trials more;
    one trial more is, after ten minutes. Between two lines are ten seconds at least.
    """

    def __init__(self, every_s: float = 10.0, patience_s: float = 600.0) -> None:
        self._every_s, self._patience_s = every_s, patience_s
        self._at = -math.inf
        self._before: tuple[str, int, int] | None = None

    def say(self, text: str) -> None:
        _print(text)

    def show(self, tally: Tally, queue: Queue) -> None:
        now = time.monotonic()
        state = (_phase(tally, queue), tally.ended - tally.states["done"], tally.settled)
        if now - self._at >= self._every_s and self._is_new(state, tally.wanted, now):
            self._at, self._before = now, state
            _print(line(tally, queue))

    def _is_new(self, state: tuple[str, int, int], wanted: int, now: float) -> bool:
        if self._before is None or state[:2] != self._before[:2]:
            return True
        more = state[2] - self._before[2]
        waited = now - self._at >= self._patience_s
        return more > 0 and (100 * more >= wanted or state[2] >= wanted or waited)

    def close(self) -> None:
        return


BAR = 20
"""Columns of the bar: with them count and time left fit a terminal of 80."""


class LiveDisplay:
    """A bar and a line that stay at the bottom of a terminal, never wider than it."""

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        text = TextColumn(
            "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="crop")
        )
        self._progress = Progress(BarColumn(bar_width=BAR), text, console=console)
        self._bar = self._progress.add_task("starting", total=None)
        self._progress.start()

    def say(self, text: str) -> None:
        from rich.markup import escape

        self._progress.console.print(escape(text), highlight=False)

    def show(self, tally: Tally, queue: Queue) -> None:
        self._progress.update(
            self._bar,
            description=line(tally, queue, self._progress.console.width - BAR - 2),
            total=tally.wanted,
            completed=tally.settled,
        )

    def close(self) -> None:
        self._progress.stop()


def display() -> Display:
    """Return a live display on a terminal, else a plain one."""
    from rich.console import Console

    console = Console()
    return LiveDisplay(console) if console.is_terminal else PlainDisplay()
