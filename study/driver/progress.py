"""What a run shows while it goes on: counts, pace, best so far, time left."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from study.points.agenda import Assignment, Ending
from trainables.vocabulary.schema import METRICS, State
from trainables.vocabulary.wording import duration


@dataclass
class Tally:
    """Counts of one run by how trials ended, and its pace over the last minute."""

    wanted: int
    settled_before: int
    states: Counter[State] = field(default_factory=Counter)
    dense_runs: int = 0
    epochs: float = 0.0
    best: float | None = None
    best_metric: str = "val_accuracy"
    best_trial: str = ""
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
        if ending.state == "done" and value is not None and self._better(value):
            self.best, self.best_trial = value, assignment.trial.fingerprint

    def _better(self, value: float) -> bool:
        if self.best is None:
            return True
        return (
            value > self.best
            if METRICS[self.best_metric].direction == "max"
            else (value < self.best)
        )

    def seconds_left(self, now: float | None = None) -> float | None:
        """Time left at the pace of this run's trials so far; None before the second has ended."""
        now = time.monotonic() if now is None else now
        if self.first_result is None or len(self.ends) < 2:
            return None
        per_trial = (now - self.first_result) / len(self.ends)
        return per_trial * max(0, self.wanted - self.settled)


def line(tally: Tally, running: int, waiting: int) -> str:
    """Return the state of a run as one line of text."""
    parts = [f"{tally.settled}/{tally.wanted} trials"]
    troubled: tuple[State, ...] = ("failed", "diverged")
    parts += [f"{tally.states[s]} {s}" for s in troubled if tally.states[s]]
    parts += [f"{running} running", f"{waiting} waiting", f"{tally.epochs_per_s():.1f} epochs/s"]
    if tally.best is not None:
        text = f"{tally.best:.2%}" if METRICS[tally.best_metric].percent else f"{tally.best:g}"
        parts.append(f"best {tally.best_metric} {text}")
    parts.append(f"left {duration(tally.seconds_left())}")
    return ", ".join(parts)


class Display(Protocol):
    """Shows a run; `say` prints a sentence that stays."""

    def say(self, text: str) -> None:
        """Print a sentence."""
        ...

    def show(self, tally: Tally, running: int, waiting: int) -> None:
        """Show where the run stands."""
        ...

    def close(self) -> None:
        """Take the live part away."""
        ...


class PlainDisplay:
    """Lines of text, one every ten seconds: for logs and pipes."""

    def __init__(self, every_s: float = 10.0) -> None:
        self._every_s, self._last = every_s, 0.0

    def say(self, text: str) -> None:
        print(text, flush=True)

    def show(self, tally: Tally, running: int, waiting: int) -> None:
        now = time.monotonic()
        if now - self._last >= self._every_s:
            self._last = now
            print(line(tally, running, waiting), flush=True)

    def close(self) -> None:
        return


class LiveDisplay:
    """A bar and a line that stay at the bottom of a terminal."""

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
        )
        self._bar = self._progress.add_task("starting", total=None)
        self._progress.start()

    def say(self, text: str) -> None:
        from rich.markup import escape

        self._progress.console.print(escape(text), highlight=False)

    def show(self, tally: Tally, running: int, waiting: int) -> None:
        self._progress.update(
            self._bar,
            description=line(tally, running, waiting),
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
