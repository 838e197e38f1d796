"""The Tune run of a launch: agenda, Searcher, and the records of what no worker could write."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from study.driver.assignments import job_of
from study.driver.deployment import Deployments
from study.driver.interruption import interruptible
from study.driver.progress import Display, Queue, Tally
from study.points.agenda import Agenda, Assignment, Ending
from study.points.resolved_study import Earlier, ResolvedStudy
from study.points.suggestions import Point, remember
from trainables.files import manifests, progress
from trainables.files.leases import Leases
from trainables.files.progress import RUN_LEASE, RunProgress
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder, is_remote
from trainables.jobs.job import Context
from trainables.jobs.job_record import failed_record
from trainables.jobs.job_report import Fault, JobReport
from trainables.jobs.provenance import now
from trainables.vocabulary.schema import State
from trainables.vocabulary.wording import duration

COMPACT_EVERY_S = 60.0
STATUS_EVERY_S = 2.0


@dataclass(frozen=True)
class Ground:
    """What a run stands on: the study, its folder and store, and what all its jobs share."""

    resolved: ResolvedStudy
    folder: StudyFolder
    store: Folder
    context: Context
    lease: Leases


class Work:
    """The Tune run itself: agenda, Searcher, records of what the workers could not write."""

    def __init__(self, ground: Ground, earlier: Earlier, slots: int, screen: Display) -> None:
        self._ground, self._screen, self._slots = ground, screen, slots
        self.settled: set[str] = set()
        self._dense_faults: dict[str, Fault] = {}
        self._unwritten: set[str] = set()
        self._context = ground.context
        self._deployments = Deployments(
            ground.folder, ground.resolved.study.search, self._beat, screen.say
        )
        earlier = replace(earlier, records=self._deployments.complete(earlier.records))
        resolved, folder = ground.resolved, ground.folder.folder
        self.source = resolved.source(folder, earlier, slots, self._remember)
        records = earlier.records
        endings = {r.fingerprint: Ending(r.state, r.metrics) for r in records if r.settled}
        attempts = {r.fingerprint: r.attempt for r in records if not r.settled}
        standing = resolved.standing(records)
        self.agenda = Agenda(self.source, endings, manifests.finished(ground.store), attempts)
        self.tally = Tally(standing.wanted, standing.settled, best_metric=resolved.deciding)
        self._compacted = self._shown_at = time.monotonic()

    def _remember(self, point: Point) -> None:
        with self._unless_full("what the search asks for"):
            remember(self._ground.folder.folder, point)

    def fit(self) -> None:
        """Run to the end, then compact the tables."""
        from ray import tune

        from study.driver.callback import RunCallback
        from study.driver.searcher import ForeignStages, StudySearcher
        from trainables.workers.tune_trainable import StudyTrainable

        resources, store = self._ground.resolved.study.resources, self._ground.store
        foreign = ForeignStages(Leases(store), lambda stage: manifests.exists(store, stage))
        searcher = StudySearcher(self.agenda, self._context, foreign, self._on_end, self._after)
        per_trial = {"cpu": float(resources.cpus), "gpu": float(resources.gpus)}
        with _tune_folder(self._ground.folder.location) as storage:
            tuner = tune.Tuner(
                tune.with_resources(StudyTrainable, per_trial),
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    num_samples=self._suggestions(),
                    max_concurrent_trials=self._slots,
                    reuse_actors=True,
                    trial_dirname_creator=lambda trial: str(trial.trial_id),
                ),
                run_config=tune.RunConfig(
                    name="run",
                    storage_path=storage,
                    verbose=0,
                    failure_config=tune.FailureConfig(max_failures=resources.retries),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                    callbacks=[RunCallback(self._on_report, searcher.lost, self._after)],
                ),
            )
            with interruptible(self._screen.say):
                tuner.fit()
        self._take_failures()
        self._compact()

    def _suggestions(self) -> int:
        """An upper bound of Tune trials: dense runs, and turns given up, come on top."""
        return 100 + 10 * self.source.planned

    def _on_report(self, report: JobReport) -> None:
        """Note the pace and pass on what a worker came upon."""
        self.tally.trained(report.epochs)
        for note in report.notes:
            self._screen.say(f"note: {note}")
        self._after()

    def _on_end(self, assignment: Assignment, report: JobReport) -> Ending:
        """Return how an assignment ended; see to it that a trial that failed has its record."""
        if report.fault is not None:
            ending = Ending("failed")
            self._take_fault(assignment, report.fault)
        else:
            ending = Ending(_state(report), report.metrics)
            if assignment.goal == "trial" and ending.state == "done":
                measured = self._deployments.of(assignment.trial.fingerprint)
                ending = Ending(ending.state, {**ending.metrics, **measured})
            if assignment.goal == "trial":
                self.settled.add(assignment.trial.fingerprint)
        self.tally.over(assignment, ending)
        return ending

    def _take_fault(self, assignment: Assignment, fault: Fault) -> None:
        self._screen.say(f"failed: {assignment.goal} {assignment.trial.fingerprint}: {fault}")
        if assignment.goal == "dense":
            self._dense_faults[assignment.stages[0]] = fault
        elif not self._has_record(assignment):
            job = job_of(assignment, self._context)
            record = failed_record(job, fault, {"finished_at": now()})
            self._ground.folder.write_record(record)

    def _has_record(self, assignment: Assignment) -> bool:
        """Whether the worker has written the record of this attempt."""
        try:
            record = self._ground.folder.read_record(assignment.trial.fingerprint)
        except (OSError, ValueError):
            return False
        return record is not None and record.attempt >= assignment.attempt

    def _take_failures(self) -> None:
        """Write the records of trials that failed because their dense run did."""
        while self.agenda.failures:
            failure = self.agenda.failures.pop()
            cause = self._dense_faults[failure.dense]
            message = f"its dense run {failure.dense} failed: {cause}"
            self._take_fault(failure.assignment, Fault("DenseRunFailed", message, cause.traceback))
            self.tally.over(failure.assignment, Ending("failed"))

    def _after(self) -> None:
        """What is due from time to time: the view for people, the journal, the tables."""
        self._take_failures()
        agenda = self.agenda
        self._screen.show(self.tally, Queue(agenda.running, agenda.waiting, agenda.dense_left))
        with self._unless_full("the journal"):
            self.source.write_journal()
        clock = time.monotonic()
        if clock - self._shown_at >= STATUS_EVERY_S:
            self._shown_at = clock
            with self._unless_full("the run's state"):
                self._write_status()
                self._beat()
        if clock - self._compacted >= COMPACT_EVERY_S:
            self._compact()

    def _beat(self) -> None:
        self._ground.lease.beat(RUN_LEASE)

    def _compact(self) -> None:
        start = time.monotonic()
        with self._unless_full("tables"):
            self._ground.folder.compact()
        self._compacted = time.monotonic() + 20 * (time.monotonic() - start)

    @contextmanager
    def _unless_full(self, what: str) -> Iterator[None]:
        """Say once that something cannot be written that people only look at, and go on."""
        try:
            yield
        except OSError as error:
            if what not in self._unwritten:
                self._screen.say(f"warning: {what} cannot be written now: {error}")
            self._unwritten.add(what)

    def _write_status(self) -> None:
        """A small file that says what is under way, for `bimp status` and the dashboard."""
        current = RunProgress(
            at=now(),
            pid=os.getpid(),
            wanted=self.tally.wanted,
            settled=self.tally.settled,
            failed=self.tally.failed,
            running=self.agenda.running,
            waiting=self.agenda.waiting,
            epochs_per_s=round(self.tally.epochs_per_s(), 3),
            seconds_left=self.tally.seconds_left(),
        )
        progress.write(self._ground.folder.folder, current)

    @property
    def exhausted(self) -> bool:
        """Whether a search ended for want of new points, with every trial of it settled."""
        return self.agenda.finished and not self.tally.failed and bool(self.source.ended_early)

    def notes(self, since: float) -> list[str]:
        """What the reader of the summary should know of a run that began then."""
        start = "nothing was trained"
        if self.tally.first_result:
            start = f"started in {duration(self.tally.first_result - since)}"
        early = [
            f"the search of {cell} ended early: its points only repeated"
            for cell in self.source.ended_early
        ]
        return [start, *early]


def _state(report: JobReport) -> State:
    """The state of a trial that ended well, as its worker wrote it into the record."""
    assert report.outcome in ("done", "diverged")
    return report.outcome


@contextmanager
def _tune_folder(location: str) -> Iterator[str]:
    """A folder for Tune's own files, removed after the run: nothing ever reads them again."""
    parent = Path(location) / "tune"
    if is_remote(location):
        parent = Path(tempfile.mkdtemp(prefix="bimp-tune-"))
    shutil.rmtree(parent, ignore_errors=True)
    parent.mkdir(parents=True)
    try:
        yield str(parent)
    finally:
        shutil.rmtree(parent, ignore_errors=True)
