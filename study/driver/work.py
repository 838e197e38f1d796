"""The Tune run of a launch: agenda, Searcher, and the records of what no worker could write."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from study.driver.assignments import job_of
from study.driver.deployment import Deployments
from study.driver.interruption import interruptible
from study.driver.nodes import Nodes, Verdict
from study.driver.outbox import Outbox
from study.driver.progress import Display, Queue, Tally, as_file
from study.driver.run_end import RunEnd, store_is_out, store_was_out
from study.driver.run_lease import Holding
from study.machines.slots import Slots
from study.points.agenda import Agenda, Assignment, Ending
from study.points.resolved_study import Earlier, ResolvedStudy
from study.points.suggestions import Point, remember
from trainables.files import manifests, progress, token
from trainables.files.leases import Leases
from trainables.files.outages import PatientFolder
from trainables.files.progress import RUN_LEASE
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder, is_remote
from trainables.files.trial_record import Record
from trainables.jobs.job import Context
from trainables.jobs.job_record import failed_record
from trainables.jobs.job_report import Fault, JobReport
from trainables.jobs.provenance import NOWHERE, Place, now
from trainables.vocabulary.schema import State
from trainables.vocabulary.wording import duration
from trainables.waiting.patience import Patience

COMPACT_EVERY_S = 60.0
STATUS_EVERY_S = 2.0
REMOTE_STATUS_EVERY_S = 20.0
"""On an object store, which bills every request and is looked at by fewer."""


@dataclass(frozen=True)
class Ground:
    """What a run stands on: the study, its folder and store, and what all its jobs share.

    `measuring_node` is the node that the study names to measure networks, if it names one;
    `left_out` are nodes that can run no trial of it, with the reason.
    """

    resolved: ResolvedStudy
    folder: StudyFolder
    store: Folder
    context: Context
    lease: Leases
    measuring_node: str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def patience(self) -> Patience:
        """How long a store that is out is waited for."""
        return Patience(self.context.store_patience)


class Work:
    """The Tune run itself: agenda, Searcher, records of what the workers could not write.

    `end` says why the run ended early, None where it did not. `track` is called now and then with
    how many trials are settled.
    """

    def __init__(
        self,
        ground: Ground,
        earlier: Earlier,
        slots: Slots,
        screen: Display,
        track: Callable[[int], None] = lambda _: None,
    ) -> None:
        from study.driver.cluster import Cluster

        self._ground, self._screen, self.slots = ground, screen, slots
        self._track = track
        remote = is_remote(ground.folder.location)
        self._status_every_s = REMOTE_STATUS_EVERY_S if remote else STATUS_EVERY_S
        self.end: RunEnd | None = None
        self.settled: set[str] = set()
        self._dense_faults: dict[str, Fault] = {}
        self._unwritten: set[str] = set()
        self._notes: set[str] = set()
        self._holding = Holding(ground.lease)
        self._context, self._outbox = ground.context, Outbox(ground.patience, self._store_is_out)
        cpus = ground.context.cpus * ground.resolved.study.processes
        self.cluster = Cluster(cpus, ground.context.gpus)
        self.nodes = Nodes(
            self.cluster.offers, self._store_answers, ground.patience, left_out=ground.left_out
        )
        self._deployments = Deployments(
            ground.folder,
            ground.resolved.study.search,
            self._beat_if_possible,
            screen.say,
            ground.measuring_node,
        )
        earlier = replace(earlier, records=self._deployments.complete(earlier.records))
        resolved, folder = ground.resolved, ground.folder.folder
        self.source = resolved.source(folder, earlier, slots, self._remember)
        records = earlier.records
        endings = {r.fingerprint: Ending(r.state, r.metrics) for r in records if r.settled}
        attempts = {r.fingerprint: r.attempt for r in records if not r.settled}
        standing = resolved.standing(records)
        stages = manifests.finished(PatientFolder(ground.store, ground.patience))
        self.agenda = Agenda(self.source, endings, stages, attempts)
        self.tally = Tally(standing.wanted, standing.settled, best_metric=resolved.deciding)
        self._compacted = self._shown_at = time.monotonic()

    def _remember(self, point: Point) -> None:
        """Write what a search asks for; while that cannot be done nothing of it is handed out."""
        name = f"{point.block_key}-{point.number}"
        self._outbox.put(name, lambda: remember(self._ground.folder.folder, point))

    def _store_is_out(self, fault: OSError) -> None:
        self._screen.say(store_is_out(self._ground.folder.location, self._ground.patience, fault))

    def _store_answers(self) -> bool:
        """Whether the driver can write to the folder and the store now."""

        def probe() -> None:
            token.probe(self._ground.folder.folder)
            token.probe(self._ground.store)

        self._outbox.put("probe", probe)
        return not self._outbox.out

    @property
    def open(self) -> bool:
        """Whether an assignment may be handed out now (`searcher.Desk`)."""
        return self.end is None and not self._outbox.out and self.nodes.pause_s <= 0

    @property
    def closed(self) -> bool:
        """Whether none will be handed out any more."""
        return self.end is not None

    def avoided(self, assignment: Assignment) -> Set[str]:
        """Return the nodes on which an assignment shall not run."""
        return self.nodes.avoided(assignment.key)

    def fit(self) -> None:
        """Run to the end, then compact the tables."""
        try:
            with _tune_folder() as storage, interruptible(self._screen.say):
                self._tuner(storage).fit()
        except Exception:
            if self.end is None:  # of a cluster that was lost Ray may raise anything
                raise
        self._take_failures()
        if self.end is not None:
            self._outbox.flush()  # once more, and no longer waited for
        elif not self._outbox.drain():
            self._give_up_on_the_store()
        self._compact()

    def _tuner(self, storage: str) -> Any:
        from ray import tune

        from study.driver.callback import EarlyEnd, RunCallback
        from study.driver.searcher import POLL_S, REMOTE_POLL_S, ForeignStages, StudySearcher
        from study.driver.workers import Workers
        from trainables.workers.tune_trainable import StudyTrainable

        resources, store = self._ground.resolved.study.resources, self._ground.store
        foreign = ForeignStages(
            Leases(store),
            lambda stage: manifests.exists(store, stage),
            self.cluster.is_gone,
            poll_s=REMOTE_POLL_S if is_remote(store.location) else POLL_S,
        )
        searcher = StudySearcher(
            self.agenda, self._context, foreign, self._on_end, self._after, self
        )
        hears = self._on_report, searcher.lost, self._on_step
        self.workers = Workers(self.cluster, *hears, self._screen.say, self._store_answers)
        return tune.Tuner(
            StudyTrainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=self._suggestions(),
                max_concurrent_trials=self.slots.most,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="run",
                storage_path=storage,
                verbose=0,
                stop=EarlyEnd(lambda: self.closed),
                failure_config=tune.FailureConfig(max_failures=resources.retries),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[RunCallback(self.workers)],
            ),
        )

    def _suggestions(self) -> int:
        """An upper bound of Tune trials: dense runs, turns given up, what is tried elsewhere."""
        return 1000 + 20 * self.source.planned

    def _on_report(self, report: JobReport) -> None:
        """Note the pace and pass on what a worker came upon."""
        self.tally.trained(report.epochs)
        waits = [f"a worker waits: {report.waits}"] if report.waits else []
        for note in (*report.notes, *waits):
            if note not in self._notes:
                self._notes.add(note)
                self._screen.say(f"note: {note}")
        self._after()

    def _on_step(self) -> None:
        """Look around; while the store is out, what waits for it is not late."""
        if self._outbox.out:
            self.workers.clock.pardon()
        self._after()

    def _on_end(self, assignment: Assignment, report: JobReport) -> Ending | None:
        """Return how an assignment ended, None where it is to be tried again; see to it that a
        trial that failed has its record."""
        if report.fault is not None:
            verdict = self.nodes.verdict(assignment.key, report.fault, report.node)
            if verdict != "final":
                self._try_again(assignment, report.fault, verdict)
                return None
            ending = Ending("failed")
            self._take_fault(assignment, report.fault, Place(report.node))
        else:
            self.nodes.did_well(assignment.key, report.node)
            ending = Ending(_state(report), report.metrics)
            if assignment.goal == "trial" and ending.state == "done":
                with self._unless_full("what networks take where they run"):
                    measured = self._deployments.of(assignment.trial.fingerprint)
                    ending = Ending(ending.state, {**ending.metrics, **measured})
            if assignment.goal == "trial":
                self.settled.add(assignment.trial.fingerprint)
        self.tally.over(assignment, ending)
        return ending

    def _try_again(self, assignment: Assignment, fault: Fault, verdict: Verdict) -> None:
        name = f"{assignment.goal} {assignment.trial.fingerprint}"
        if verdict == "over":
            cause = "store" if fault.kind == "store" else "nodes"
            self.end = self.end or RunEnd(cause, fault.message)  # type: ignore[arg-type]
        elif verdict == "elsewhere":
            self._screen.say(f"note: {name} is tried on another node: {fault}")
        else:
            self._screen.say(f"note: {name} is tried again later: {fault}")

    def _take_fault(self, assignment: Assignment, fault: Fault, place: Place = NOWHERE) -> None:
        self._screen.say(f"failed: {assignment.goal} {assignment.trial.fingerprint}: {fault}")
        if assignment.goal == "dense":
            self._dense_faults[assignment.stages[0]] = fault
            return
        origin = {**place.known(), "finished_at": now()}
        record = failed_record(job_of(assignment, self._context), fault, origin)
        self._outbox.put(record.fingerprint, lambda: self._write_failed(record))

    def _write_failed(self, record: Record) -> None:
        """Write a failed record, unless the worker has written one of this attempt or a better."""
        try:
            there = self._ground.folder.read_record(record.fingerprint)
        except ValueError:  # what cannot be read is replaced
            there = None
        if there is None or not (there.settled or there.attempt >= record.attempt):
            self._ground.folder.write_record(record)

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
        self._screen.show(self.tally, self._queue())
        with self._unless_full("the journal"):
            self.source.write_journal()
        clock = time.monotonic()
        if clock - self._shown_at >= self._status_every_s:
            self._shown_at = clock
            self._outbox.put("state", self._write_state)
        self._outbox.flush()
        if self._outbox.spent and self.end is None:
            self._give_up_on_the_store()
        if clock - self._compacted >= COMPACT_EVERY_S:
            self._compact()
        self._track(self.tally.settled)

    def _queue(self) -> Queue:
        agenda = self.agenda
        dense = agenda.dense_running
        return Queue(agenda.running - dense, agenda.waiting, agenda.dense_left, dense)

    def _beat(self) -> None:
        """Say that this run is at work; it is over where another one has its folder."""
        if self._holding.lost():
            self.end = self.end or RunEnd(
                "run",
                f"{self._ground.folder.location} is another run's by now: this one gave no sign for"
                " longer than its lease, or began at the same time",
            )
        else:
            self._ground.lease.beat(RUN_LEASE)

    def _beat_if_possible(self) -> None:
        with self._unless_full("the run's lease"):
            self._beat()

    def _give_up_on_the_store(self) -> None:
        self.end = store_was_out(
            self._ground.folder.location, self._ground.patience, self._outbox.fault
        )

    def lose_cluster(self, end: RunEnd) -> None:
        """End the run: its Ray does not answer any more. May be called from another thread."""
        self.end = self.end or end

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

    def _write_state(self) -> None:
        """A small file that says what is under way, for `bimp status` and the dashboard; and the
        heartbeat of the run's lease."""
        self._beat()
        if not self.closed:
            current = as_file(self.tally, self._queue(), now())
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
        left_out = [
            f"left out: node {node[:12]}, after {reason}"
            for node, reason in self.nodes.left_out.items()
        ]
        return [start, *early, *left_out, *self._ground.resolved.code.left_out]


def _state(report: JobReport) -> State:
    """The state of a trial that ended well, as its worker wrote it into the record."""
    assert report.outcome in ("done", "diverged")
    return report.outcome


@contextmanager
def _tune_folder() -> Iterator[str]:
    """A folder for Tune's own files, on this machine: nothing ever reads them again, and a store
    that is out shall not disturb Tune."""
    folder = tempfile.mkdtemp(prefix="bimp-tune-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
