"""What runs next: a passive object that hands out jobs and is told how they ended.

Knows neither Ray nor Optuna nor files. Dense runs that several trials wait for come first, those
that most wait for before the others; a trial is handed out once no stage of its chain is being made
by another job.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from study.definition.space import Trial
from trainables.vocabulary.schema import State


@dataclass(frozen=True)
class Ending:
    """How a trial ended, as far as a search must know."""

    state: State
    metrics: Mapping[str, float] = field(default_factory=dict)


class TrialSource(Protocol):
    """Where trials come from: the cells of a grid, or a search that is told results."""

    @property
    def planned(self) -> int:
        """How many trials the source makes in all."""
        ...

    def more(self, outstanding: int) -> list[Trial] | None:
        """Return the next trials: [] when there will be none, None when there are none yet.

        `outstanding` counts the trials handed out by the source that have not ended.
        """
        ...

    def tell(self, trial: Trial, ending: Ending) -> None:
        """Learn how a trial ended."""
        ...

    @property
    def ended_early(self) -> Sequence[str]:
        """Parts of the space, in words, in which no new point was found any more."""
        ...

    def write_journal(self) -> None:
        """Add what has been learnt to a file that people look at, if there is one."""
        ...


@dataclass(frozen=True)
class Assignment:
    """What the agenda hands out: a trial, or the dense run that trials wait for."""

    goal: Literal["dense", "trial"]
    trial: Trial
    stages: tuple[str, ...]
    attempt: int = 1

    @property
    def key(self) -> str:
        """A name for it among all that the agenda hands out."""
        name = self.stages[0] if self.goal == "dense" else self.trial.fingerprint
        return f"{self.goal}/{name}"


@dataclass(frozen=True)
class Failure:
    """A trial that failed without running: the dense run it needs did."""

    assignment: Assignment
    dense: str


class Agenda:
    """Hands out assignments (`next`) and is told of their end (`ended`).

    `endings` are those of trials already settled; `attempts` earlier failed attempts by
    fingerprint; `stages` the finished ones. An assignment that gave up its turn comes back once
    `unblock` names its stage. A trial that the source asks for twice (in two blocks of a search)
    runs once and is told twice.
    """

    def __init__(
        self,
        source: TrialSource,
        endings: Mapping[str, Ending],
        stages: Iterable[str] = (),
        attempts: Mapping[str, int] | None = None,
    ) -> None:
        self._source = source
        self._endings = dict(endings)
        self._done_stages = set(stages)
        self._attempts = dict(attempts or {})
        self._waiting: OrderedDict[str, Assignment] = OrderedDict()
        self._twins: dict[str, list[Trial]] = {}
        self._wanted: Counter[str] = Counter()
        self._changed = True
        self._running: dict[str, Assignment] = {}
        self._blocked: set[str] = set()
        self._exhausted = False
        self.failures: list[Failure] = []
        self.reused = 0

    @property
    def waiting(self) -> int:
        """Trials known and not yet handed out."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Assignments handed out."""
        return len(self._running)

    @property
    def dense_running(self) -> int:
        """Dense runs among the assignments handed out."""
        return sum(assignment.goal == "dense" for assignment in self._running.values())

    @property
    def dense_left(self) -> int:
        """Dense runs that several trials wait for, those at work included."""
        return sum(n > 1 and stage not in self._done_stages for stage, n in self._wanted.items())

    @property
    def blocked(self) -> set[str]:
        """Stages that another process is making, which somebody here waits for."""
        return set(self._blocked)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to hand out or to wait for."""
        return self._exhausted and not self._waiting and not self._running

    def next(self) -> Assignment | None:
        """Return an assignment to run now, None when there is none at present (or `finished`)."""
        if not self._changed:  # Tune polls often, and nothing has happened since the last poll
            return None
        assignment = self._pick()
        while assignment is None and self._fetch():
            assignment = self._pick()
        if assignment is None:
            self._changed = False
            return None
        if assignment.goal == "trial":
            self._take(assignment)
        self._running[assignment.key] = assignment
        return assignment

    def _put(self, assignment: Assignment, *, first: bool = False) -> None:
        """Let a trial wait; `_wanted` counts the waiting trials of each dense run."""
        self._waiting[assignment.trial.fingerprint] = assignment
        if first:
            self._waiting.move_to_end(assignment.trial.fingerprint, last=False)
        if assignment.trial.config.retrains:
            self._wanted[assignment.stages[0]] += 1

    def _take(self, assignment: Assignment) -> None:
        del self._waiting[assignment.trial.fingerprint]
        if assignment.trial.config.retrains:
            self._wanted[assignment.stages[0]] -= 1

    def _fetch(self) -> bool:
        """Take more trials from the source; whether there may be something new to pick."""
        if self._exhausted:
            return False
        trials = self._source.more(self._outstanding())
        if trials is None:
            return False
        if not trials:
            self._exhausted = True
            return False
        for trial in trials:
            self._add(trial)
        return True

    def _outstanding(self) -> int:
        twins = sum(map(len, self._twins.values()))
        return len(self._waiting) + twins + sum(t.goal == "trial" for t in self._running.values())

    def _add(self, trial: Trial) -> None:
        ending = self._endings.get(trial.fingerprint)
        if ending is not None:
            self.reused += 1
            self._source.tell(trial, ending)
            return
        if trial.fingerprint in self._waiting or f"trial/{trial.fingerprint}" in self._running:
            self._twins.setdefault(trial.fingerprint, []).append(trial)
            return
        stages = tuple(spec.hash for spec in trial.chain)
        attempt = self._attempts.get(trial.fingerprint, 0) + 1
        self._put(Assignment("trial", trial, stages, attempt))

    def _pick(self) -> Assignment | None:
        busy = {stage for assignment in self._running.values() for stage in self._due(assignment)}
        busy |= self._blocked
        return self._dense_run(busy) or self._trial(busy)

    def _due(self, assignment: Assignment) -> list[str]:
        return [stage for stage in assignment.stages if stage not in self._done_stages]

    def _dense_run(self, busy: set[str]) -> Assignment | None:
        """The missing dense run that most trials wait for, if at least two do."""
        missing = self._wanted.keys() - self._done_stages - busy
        stage = max(missing, key=lambda s: (self._wanted[s], s), default=None)
        if stage is None or self._wanted[stage] < 2:
            return None
        first = next(t for t in self._waiting.values() if t.stages[0] == stage)
        return Assignment("dense", first.trial, (stage,))

    def _trial(self, busy: set[str]) -> Assignment | None:
        for assignment in self._waiting.values():
            if not busy.intersection(self._due(assignment)):
                return assignment
        return None

    def ended(self, assignment: Assignment, ending: Ending) -> None:
        """Learn that an assignment ended for good; with a dense run fail all that wait for it."""
        self._running.pop(assignment.key, None)
        self._changed = True
        if ending.state in ("done", "diverged"):
            self._done_stages.update(assignment.stages)
        if assignment.goal == "trial":
            self._settle(assignment, ending)
        elif ending.state == "failed":
            self._fail_dependents(assignment.stages[0])

    def _settle(self, assignment: Assignment, ending: Ending) -> None:
        self._endings[assignment.trial.fingerprint] = ending
        self._source.tell(assignment.trial, ending)
        for twin in self._twins.pop(assignment.trial.fingerprint, ()):
            self.reused += 1
            self._source.tell(twin, ending)

    def _fail_dependents(self, stage: str) -> None:
        for assignment in [t for t in self._waiting.values() if t.stages[0] == stage]:
            self._take(assignment)
            self.failures.append(Failure(assignment, stage))
            self._settle(assignment, Ending("failed"))

    def gave_up(self, assignment: Assignment, stage: str) -> None:
        """Learn that another process holds `stage`: the assignment waits until `unblock(stage)`."""
        self._running.pop(assignment.key, None)
        self._changed = True
        self._blocked.add(stage)
        if assignment.goal == "trial":
            self._put(assignment, first=True)

    def returned(self, assignment: Assignment) -> None:
        """Learn that an assignment came to nothing and is to be handed out again."""
        self._running.pop(assignment.key, None)
        self._changed = True
        if assignment.goal == "trial":
            self._put(assignment, first=True)

    def unblock(self, stage: str, *, done: bool) -> None:
        """Learn that a blocked stage is finished, or that its lease has expired."""
        self._blocked.discard(stage)
        self._changed = True
        if done:
            self._done_stages.add(stage)
