"""A job on a worker: the procedure run to its end, and the record it leaves; needs no Ray."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from trainables.checkpoints.copies import opened
from trainables.code.copies import restore, shipped_copy
from trainables.config.tasks import built_in
from trainables.config.trial import TrialConfig
from trainables.data.keeping import Keeping
from trainables.files import token
from trainables.files.leases import Leases, beat_every_s, owner
from trainables.files.outages import StoreFolder, StoreOutage
from trainables.files.records import StudyFolder
from trainables.files.storage import open_folder
from trainables.files.trial_record import Record
from trainables.jobs.job import Job
from trainables.jobs.job_record import identity
from trainables.jobs.job_report import JobReport
from trainables.jobs.provenance import NOWHERE, Place, machine, now, versions_of
from trainables.parallel.ranks import Order, Ranks
from trainables.trials.precision import QUANTISERS
from trainables.trials.procedure import Pace, Procedure, Progress, trained_stages
from trainables.trials.stage_run import UNCUT
from trainables.trials.stage_store import StageStore
from trainables.trials.task_cache import TaskCache
from trainables.vocabulary.homes import expanded
from trainables.vocabulary.schema import State
from trainables.waiting.patience import Patience, Trouble

SHUT_S = 30.0
"""How long a job waits for a store before it tells whether its node can write there at all."""


def tasks_for(job: Job, ranks: Ranks | None = None) -> TaskCache:
    """Return a fresh cache of tasks for the resources of a job, and the ranks that share it."""
    context = job.context
    device = "cuda" if context.gpus else "cpu"
    folder = StoreFolder(open_folder(context.folder))
    return TaskCache(
        expanded(context.data_root),
        device,
        context.cpus,
        Keeping(context.memory, context.loader_processes, context.cpus),
        lambda digest: shipped_copy(digest) or restore(folder.read, digest),
        partial(opened, folder),
        ranks,
    )


class JobRun:
    """One job under way.

    `at_once`: its first report comes after one epoch, a sign of life; `place` is what a cluster
    calls this process and its node. A store that is out is waited for between reports, with all
    that is to be written kept in memory, for as long as the job's context says.
    """

    def __init__(
        self, job: Job, tasks: TaskCache, *, at_once: bool = False, place: Place = NOWHERE
    ) -> None:
        self.job = job
        self._pace = Pace(
            unit_s=job.context.unit_s,
            partial_s=job.context.checkpoint_s,
            beat_s=beat_every_s(job.context.store),
        )
        self._tasks, self._place = tasks, place
        self._trouble = Trouble(Patience(job.context.store_patience))
        self._elsewhere = False
        folder, self._stages = token.stores(
            job.context.folder, job.context.store, job.context.token
        )
        self._folder = StudyFolder(folder)
        self._config = TrialConfig.of(job.config)
        self._started_at = now()
        if tasks.ranks is not None:
            tasks.ranks.tell(Order.JOB, job.plain())
        pace = replace(self._pace, unit_s=0.0) if at_once else self._pace
        self._procedure = self._make_procedure(pace)
        self._end: Progress | None = None

    def _make_procedure(self, pace: Pace) -> Procedure:
        stages = self._stages
        return Procedure(
            self._config,
            self.job.seed,
            self._tasks,
            StageStore(stages, owner()),
            Leases(stages, actor=self._place.actor),
            goal=self.job.goal,
            pace=pace,
            expired=frozenset(self.job.expired),
        )

    def advance(self) -> JobReport:
        """Do one unit of work; what has ended is written to the record before it is told.

        Where the store is out, wait a little and say so; StoreOutage once patience is spent, or the
        job is to be done elsewhere.
        """
        try:
            report = self._advance()
        except StoreOutage as outage:
            self._trouble.failed()
            if not (self._trouble.spent or self._elsewhere):
                time.sleep(self._trouble.pause_s)
                return JobReport("running", waits=str(outage), shut=self._is_shut())
            self._give_up()
            raise
        except BaseException:
            self._give_up()
            raise
        self._trouble.over()
        self._elsewhere = False
        return report

    def leave(self) -> None:
        """Wait no more for a store that is out here and nowhere else."""
        self._elsewhere = True

    def _is_shut(self) -> bool:
        """Whether it has waited long for a place where not even a small file can be written."""
        if self._trouble.seconds < SHUT_S:
            return False
        try:
            for folder in (self._folder.folder, self._stages):
                token.probe(folder)
        except OSError:
            return True
        return False

    def _give_up(self) -> None:
        with suppress(OSError):
            self._procedure.give_up()

    def _advance(self) -> JobReport:
        progress = self._end or self._procedure.advance()
        self._procedure.pace = self._pace
        report = _report(progress)
        if progress.state == "running" or progress.state == "leased":
            return report
        self._end = progress  # whose record may have to be written more than once
        metrics = self._procedure.metrics()
        if self.job.goal == "trial":
            self._write(progress.state, metrics)
        stages = tuple(stage.hash for stage in self._procedure.stages)
        return replace(report, metrics=metrics, stages=stages)

    def _write(self, state: State, metrics: dict[str, float]) -> None:
        """Write curve and record, the record last: it says that the trial is settled."""
        stages = self._procedure.stages
        after_dense = trained_stages(self._config, stages)
        rows = [row for stage in after_dense for row in stage.curve]
        self._folder.write_curve(self.job.fingerprint, rows)
        cycles = [
            {"cycle": number, "train_s": s.metrics.get("train_s"), **s.metrics}
            for number, s in enumerate(after_dense, start=1)
        ]
        record = Record(
            **identity(self.job, self._config),
            state=state,
            metrics=metrics,
            cycles=cycles,
            layers=after_dense[-1].layers if after_dense else {},
            stages=[s.hash for s in stages],
            message=stages[-1].message,
            provenance=self._provenance(),
        )
        self._folder.write_record(record)

    def _provenance(self) -> dict[str, Any]:
        return {
            **machine(self._tasks.device),
            **self._place.known(),
            "git_commit": self.job.context.git_commit,
            "started_at": self._started_at,
            "finished_at": now(),
            "stages_trained": sorted(self._procedure.trained),
            **self._uncut(),
            **self._code(),
            **self._packages(),
        }

    def _uncut(self) -> dict[str, Any]:
        """The weights that stay dense because the structure does not divide them, if any."""
        uncut = self._procedure.stages[-1].facts.get(UNCUT)
        return {UNCUT: uncut} if uncut else {}

    def _packages(self) -> dict[str, Any]:
        """The versions of what a task of the catalog rests on, and weights in fewer bits."""
        record = built_in(self._config.task.use)
        rounding = QUANTISERS if self._config.quantise.weights else ()
        return versions_of((*(record.packages if record else ()), *rounding))

    def _code(self) -> dict[str, Any]:
        """The user's code and files, as they were hashed, and the digest of the code's copy."""
        facts = self._config.facts
        if facts is None:
            return {}
        entries: dict[str, Any] = {}
        if facts.codes:
            entries["code"] = {**facts.codes, "copy": facts.copy_digest}
        if facts.listings:
            entries["listings"] = dict(facts.listings)
        if facts.left_out:
            entries["left_out"] = {key: some.model_dump() for key, some in facts.left_out.items()}
        if facts.checkpoints:
            entries["checkpoints"] = {k: file.model_dump() for k, file in facts.checkpoints.items()}
        return entries


def _report(progress: Progress) -> JobReport:
    return JobReport(
        progress.state, progress.stage, progress.epochs, progress.notes, saved=progress.saved
    )
