"""The Tune Searcher: a thin shell over the agenda.

Tune polls `suggest` whenever it has room; None means not now. The Searcher learns how jobs ended
from Tune's results, never from the file system, save for stages that a foreign process is making.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Set
from contextlib import suppress
from typing import Any, Protocol, Self

from ray.tune.search import Searcher

from study.driver.assignments import job_of
from study.points.agenda import Agenda, Assignment, Ending
from trainables.files.leases import LEASE_TIMEOUT_S, Leases, actor_of
from trainables.jobs.job import Context
from trainables.jobs.job_report import KEY, Fault, JobReport

POLL_S = 2.0
REMOTE_POLL_S = 15.0
"""How often a stage that another process makes is looked for where every look is billed."""


class ForeignStages:
    """Watches stages that another process makes: done, alive, or its lease expired.

    A lease expires when it has not changed for `timeout_s`, or at once when `is_gone` knows that
    the worker that it is of is no more. A store that is out tells nothing, and nothing changes.
    """

    def __init__(
        self,
        leases: Leases,
        exists: Callable[[str], bool],
        is_gone: Callable[[str], bool],
        timeout_s: float = LEASE_TIMEOUT_S,
        poll_s: float = POLL_S,
    ) -> None:
        self._leases, self._exists, self._is_gone = leases, exists, is_gone
        self._timeout_s, self._poll_s = timeout_s, poll_s
        self._seen: dict[tuple[str, str], tuple[str, float]] = {}
        self._polled = 0.0
        self.expired: set[str] = set()

    def poll(self, agenda: Agenda) -> None:
        """Unblock what is free, at most once every few seconds."""
        now = time.monotonic()
        if not agenda.blocked or now - self._polled < self._poll_s:
            return
        self._polled = now
        with suppress(OSError):
            for stage in agenda.blocked:
                if self._exists(stage):
                    agenda.unblock(stage, done=True)
                elif not self._held(stage, now):
                    agenda.unblock(stage, done=False)

    def _held(self, stage: str, now: float) -> bool:
        """Whether some lease on the stage has changed within the timeout."""
        alive = False
        for name, text in self._leases.others(stage).items():
            if self._is_gone(actor_of(text)):
                self.expired.add(text)
                continue
            last, since = self._seen.get((stage, name), ("", now))
            if text != last:
                self._seen[stage, name] = (text, now)
                alive = True
            elif now - since < self._timeout_s:
                alive = True
            else:
                self.expired.add(text)
        return alive


class Desk(Protocol):
    """Where assignments are handed out: open, shut for a while, or closed for good."""

    @property
    def open(self) -> bool:
        """Whether an assignment may be handed out now."""
        ...

    @property
    def closed(self) -> bool:
        """Whether none will be handed out any more."""
        ...

    def slots(self) -> int:
        """Return how many assignments may be out now."""
        ...

    def avoided(self, assignment: Assignment) -> Set[str]:
        """Return the nodes on which an assignment shall not run."""
        ...


class StudySearcher(Searcher):
    """Hands out the agenda's assignments as Tune trials.

    `on_end` is called with each assignment that has ended and its last report; it returns what the
    agenda shall know, None where the assignment shall be tried again. `after` is called whenever
    the agenda was asked or told something, and `desk` asked what may be handed out now.
    """

    def __init__(
        self,
        agenda: Agenda,
        context: Context,
        foreign: ForeignStages,
        on_end: Callable[[Assignment, JobReport], Ending | None],
        after: Callable[[], None],
        desk: Desk,
    ) -> None:
        super().__init__(metric="training_iteration", mode="max")
        self._agenda, self._context = agenda, context
        self._foreign, self._on_end, self._after = foreign, on_end, after
        self._desk = desk
        self._assignments: dict[str, Assignment] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the configuration of a Tune trial, None for not now, FINISHED at the end."""
        self._foreign.poll(self._agenda)
        room = len(self._assignments) < self._desk.slots()
        assignment = self._agenda.next() if room and self._desk.open else None
        self._after()
        if self._desk.closed:
            return Searcher.FINISHED  # type: ignore[return-value]
        if assignment is None:
            return Searcher.FINISHED if self._agenda.finished else None  # type: ignore[return-value]
        if not self._desk.open:  # what had to be written before it is handed out could not be
            self._agenda.returned(assignment)
            return None
        self._assignments[trial_id] = assignment
        job = job_of(assignment, self._context, self._foreign.expired)
        return {
            "job": json.dumps(job.plain()),
            "resources": {"CPU": float(self._context.cpus), "GPU": float(job.gpus_each)},
            "processes": job.processes,
            "avoid": sorted(self._desk.avoided(assignment)),
        }

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the agenda how an assignment ended; of an error `lost` says more in a moment."""
        if not error and result is not None:
            self._end(trial_id, JobReport.of_json(result[KEY]))

    def lost(self, trial_id: str, fault: Fault, node: str = "") -> None:
        """Tell the agenda that the process of an assignment was lost for good, on a node."""
        self._end(trial_id, JobReport("failed", node=node, fault=fault))

    def _end(self, trial_id: str, report: JobReport) -> None:
        assignment = self._assignments.pop(trial_id)
        if report.outcome == "leased":
            self._agenda.gave_up(assignment, report.stage)
            return
        ending = self._on_end(assignment, report)
        if ending is None:
            self._agenda.returned(assignment)
        else:
            self._agenda.ended(assignment, ending)
        self._after()

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: no trial is stopped within a cycle."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its inputs for a restore that is never made."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """There is one Searcher; Tune copies its settings here and there."""
        return self

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the records are the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""
