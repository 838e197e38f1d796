"""The Ray Trainable: a few short methods over `worker`. Everything a trial needs beyond its job is
made in the first `step`, so that `setup` and `reset_config` cannot fail; torch, too, is imported
there, since the driver imports this module and needs none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ray.tune import Trainable

from trainables.jobs.job import Job

if TYPE_CHECKING:
    from trainables.trials.workbench import Workbench
    from trainables.workers.worker import JobRun

DEVICE_FAULTS = ("CUDA error", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS")


def _of_the_device(error: Exception) -> bool:
    """Whether a GPU's library failed: every later call on the device may then fail too."""
    return isinstance(error, RuntimeError) and any(s in str(error) for s in DEVICE_FAULTS)


class StudyTrainable(Trainable):
    """Runs jobs one after another in a reused actor; the workbench outlives the job."""

    _workbench: Workbench | None = None
    _run: JobRun | None = None

    def setup(self, config: dict[str, Any]) -> None:
        """Store the job."""
        self._raw = config["job"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Store the next job; the actor is always reusable."""
        self._raw = new_config["job"]
        self._run = None
        return True

    def step(self) -> dict[str, Any]:
        """Do one unit of work; `told` is JSON text, which Tune passes on as it is.

        A fault of the trial ends it as failed. A process that ran out of memory, or whose device
        reported an error, is not trusted with another trial: it ends, and Ray starts a new one.
        """

        import torch

        from trainables.workers.worker import told_failure

        job = Job.of(json.loads(self._raw))
        try:
            told = self._advance(job)
        except (MemoryError, torch.OutOfMemoryError, torch.AcceleratorError):
            raise
        except Exception as error:  # the trial boundary: recorded with type, text and traceback
            if _of_the_device(error):
                raise
            self._workbench = self._run = None  # whatever the fault left behind goes with them
            told = told_failure(job, error)
        return {"told": json.dumps(told), "done": told["outcome"] != "running"}

    def _advance(self, job: Job) -> dict[str, Any]:
        from trainables.workers.worker import JobRun, workbench_for

        if self._workbench is None:
            self._workbench = workbench_for(job)
        if self._run is None:
            self._run = JobRun(job, self._workbench)
        return self._run.advance()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the stage store holds what a restart needs."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to load."""
