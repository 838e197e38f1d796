"""The Ray Trainable: a few short methods over `worker`. Everything a trial needs beyond its job is
made and imported in the first `step`, inside the boundary that records faults; so `setup` and
`reset_config` cannot fail, and the driver, which imports this module, needs no torch.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import ray
from ray.tune import PlacementGroupFactory, Trainable

from trainables.jobs.job import Job
from trainables.jobs.job_report import KEY, JobReport
from trainables.jobs.provenance import Place, now
from trainables.networks.deferred_compiler import defer_compiler
from trainables.workers.failures import failure

if TYPE_CHECKING:
    from trainables.parallel.ranks import Ranks
    from trainables.trials.task_cache import TaskCache
    from trainables.workers.crew import Crew
    from trainables.workers.takeover import Takeover
    from trainables.workers.worker import JobRun

DEVICE_FAULTS = ("CUDA error", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS")
_TORCH_FAULTS = ("OutOfMemoryError", "AcceleratorError")

NODE_LABEL = "ray.io/node-id"


@cache
def place() -> Place:
    """Return where this process is, as Ray calls it."""
    if not ray.is_initialized():
        return Place()
    context = ray.get_runtime_context()
    return Place(context.get_node_id(), context.get_actor_id() or "")


class StudyTrainable(Trainable):
    """Runs jobs one after another in a reused actor; the cache of tasks outlives the job."""

    _tasks: TaskCache | None = None
    _run: JobRun | None = None
    _crew: Crew | None = None
    _takeover: Takeover | None = None
    _started_at: str | None = None

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> PlacementGroupFactory:
        """Return what a trial gets, on any node but those that it avoids.

        `resources` are those of each process; where there are several, they are on one node.
        """
        n = config.get("processes", 1)
        more: dict[str, Any] = {}
        if config["avoid"]:
            elsewhere = {NODE_LABEL: f"!in({','.join(config['avoid'])})"}
            more = {"bundle_label_selector": [dict(elsewhere) for _ in range(n)]}
        if n > 1:
            more["strategy"] = "STRICT_PACK"
        return PlacementGroupFactory([dict(config["resources"]) for _ in range(n)], **more)

    def setup(self, config: dict[str, Any]) -> None:
        """Store the job."""
        self._raw = config["job"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Store the next job; the actor is always reusable."""
        self._raw = new_config["job"]
        self._run = self._started_at = None
        return True

    def step(self) -> dict[str, Any]:
        """Do one unit of work; the report is JSON text, which Tune passes on as it is.

        A fault of the trial, an import that fails included, ends it as failed. A process that ran
        out of memory, or whose device reported an error, is not trusted with another trial: it
        ends, and Ray starts a new one; so does one that has lost a process which trained with it.
        """
        job = Job.of(json.loads(self._raw))
        self._started_at = self._started_at or now()
        if self._takeover is not None:
            self._takeover.busy()
        try:
            report = self._advance(job)
        except Exception as raised:  # the trial boundary: recorded with type, text and traceback
            error = raised if self._crew is None else self._crew.explained(raised)
            self._tasks = self._run = None  # whatever the fault left behind goes with them
            self.cleanup()
            if _spoils_the_process(error):
                raise error from raised.__cause__
            report = failure(job, error, place(), self._started_at)
        report = replace(report, node=place().node)
        self._takeover = self._takeover or _takeover_of(job)
        if self._takeover is not None:
            self._takeover.idle()
        return {KEY: report.to_json(), "done": report.final}

    def leave(self) -> None:
        """Give up the job where it waits for a store: it is to be done on another node."""
        if self._run is not None:
            self._run.leave()

    def _advance(self, job: Job) -> JobReport:
        defer_compiler()
        from trainables.workers.entry import require_all
        from trainables.workers.worker import JobRun, tasks_for

        fresh = self._tasks is None
        notes: tuple[str, ...] = ()
        if self._tasks is None:
            notes = require_all(job.context)
            self._tasks = tasks_for(job, self._ranks(job))
        if self._run is None:
            self._run = JobRun(job, self._tasks, at_once=fresh, place=place())
        report = self._run.advance()
        return replace(report, notes=(*notes, *report.notes))

    def _ranks(self, job: Job) -> Ranks | None:
        """The processes that train this worker's trials with it; None where it trains alone."""
        if job.processes == 1:
            return None
        from trainables.workers.crew import Crew
        from trainables.workers.ray_crew import RayOthers

        self._crew = Crew(job, RayOthers(job))
        return self._crew.ranks

    def cleanup(self) -> None:
        """End the processes that trained with this one."""
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the stage store holds what a restart needs."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to load."""


def _takeover_of(job: Job) -> Takeover | None:
    """What ends this process once its run is another driver's; None outside of a run."""
    if not job.context.token:
        return None
    from trainables.files.storage import open_folder
    from trainables.workers.takeover import Takeover

    return Takeover(open_folder(job.context.folder), job.context.token, _give_room)


def _give_room() -> None:
    """End this process, and give back what its frozen driver has reserved for others of its own."""
    from ray._raylet import PlacementGroupID
    from ray.util.placement_group import (
        PlacementGroup,
        placement_group_table,
        remove_placement_group,
    )

    own = ray.get_runtime_context().get_job_id()  # the last bytes of the names of its groups
    try:
        for name, group in placement_group_table().items():
            if name.endswith(own) and group["state"] != "REMOVED":
                remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(name))))
    finally:  # what Ray does not give back now, it does when the driver has ended
        os._exit(1)


def _spoils_the_process(error: Exception) -> bool:
    """Whether memory ran out or a GPU's library failed: every later call may then fail too."""
    torch = sys.modules.get("torch")  # where it was not imported, it raised nothing
    kinds = tuple(getattr(torch, name) for name in _TORCH_FAULTS if hasattr(torch, name))
    ranks = sys.modules.get("trainables.parallel.ranks")
    if isinstance(error, (MemoryError, *kinds, getattr(ranks, "RankLost", MemoryError))):
        return True
    told: tuple[str, ...] = DEVICE_FAULTS
    if type(error).__name__ == "RankFault":  # of another process, known by what it said
        told = (*DEVICE_FAULTS, *_TORCH_FAULTS, MemoryError.__name__)
    return isinstance(error, RuntimeError) and any(s in str(error) for s in told)
