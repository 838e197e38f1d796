"""A job on a worker: the procedure run to its end, and the record it leaves; needs no Ray."""

from __future__ import annotations

import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainables.config.trial import TrialConfig
from trainables.files.leases import Leases, owner
from trainables.files.records import Record, StudyFolder
from trainables.files.storage import open_folder
from trainables.jobs.job import Job, Outcome
from trainables.jobs.job_record import failed_record, identity
from trainables.jobs.provenance import machine, now
from trainables.trials.procedure import Pace, Procedure, Progress
from trainables.trials.stage_store import StageStore
from trainables.trials.workbench import Workbench


def workbench_for(job: Job) -> Workbench:
    """Return a fresh workbench for the resources of a job."""
    context = job.context
    device = "cuda" if context.gpus else "cpu"
    return Workbench(Path(context.data_root).expanduser(), device, context.cpus)


class JobRun:
    """One job under way. `advance` never raises for a fault of the trial: it records it."""

    def __init__(self, job: Job, workbench: Workbench) -> None:
        self.job = job
        self._workbench = workbench
        self._folder = StudyFolder(job.context.folder)
        self._config = TrialConfig.of(job.config)
        self._started_at = now()
        self._procedure = self._make_procedure()

    def _make_procedure(self) -> Procedure:
        context = self.job.context
        stages = open_folder(context.store)
        return Procedure(
            self._config,
            self.job.seed,
            self._workbench,
            StageStore(stages, owner()),
            Leases(stages),
            goal=self.job.goal,
            pace=Pace(unit_s=context.unit_s, partial_s=context.checkpoint_s),
            expired=frozenset(self.job.expired),
        )

    def advance(self) -> dict[str, Any]:
        """Do one unit of work; returns plain data with `outcome`, written to the record first."""
        try:
            progress = self._procedure.advance()
        except BaseException:
            with suppress(OSError):
                self._procedure.give_up()
            raise
        result = _told(progress)
        if progress.state in ("running", "leased"):
            return result
        metrics = self._procedure.metrics()
        if self.job.goal == "trial":
            self._write(progress.state, metrics)
        return {**result, "metrics": metrics, "stages": [s.hash for s in self._procedure.stages]}

    def _write(self, state: str, metrics: dict[str, float]) -> None:
        """Write curve and record, the record last: it says that the trial is settled."""
        stages = self._procedure.stages
        own = stages[1:] if self._config.retrains else stages
        self._folder.write_curve(self.job.fingerprint, [row for s in own for row in s.curve])
        cycles = [
            {"cycle": number, "train_s": s.metrics.get("train_s"), **s.metrics}
            for number, s in enumerate(own, start=1)
        ]
        record = Record(
            **identity(self.job, self._config),
            state=state,
            metrics=metrics,
            cycles=cycles,
            layers=own[-1].layers if own else {},
            stages=[s.hash for s in stages],
            message=stages[-1].message,
            provenance=self._provenance(),
        )
        self._folder.write_record(record)

    def _provenance(self) -> dict[str, Any]:
        return {
            **machine(self._workbench.device),
            "git_commit": self.job.context.git_commit,
            "started_at": self._started_at,
            "finished_at": now(),
            "stages_trained": sorted(self._procedure.trained),
        }


def _told(progress: Progress) -> dict[str, Any]:
    return {
        "outcome": progress.state,
        "stage": progress.stage,
        "epochs": progress.epochs,
        "notes": list(progress.notes),
    }


def told_failure(job: Job, error: Exception) -> dict[str, Any]:
    """Write the failed record of a trial and return what the worker tells of it.

    Where even the record cannot be written (a full disk), the driver is still told, and says so.
    """
    fault = {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
    notes = []
    if job.goal == "trial":
        record = failed_record(job, fault, {"finished_at": now()})
        try:
            StudyFolder(job.context.folder).write_record(record)
        except OSError as second:
            notes.append(f"the failed record could not be written: {second}")
    outcome: Outcome = "failed"
    return {"outcome": outcome, "error": fault, "notes": notes, "epochs": 0.0}
