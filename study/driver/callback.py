"""What Tune tells while trials run, passed on to functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, Self

from ray.tune import Callback, Stopper

from trainables.jobs.job_report import KEY, Fault, JobReport, Kind

LOST = "ProcessLost"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_ACTOR = re.compile(r"actor_id[=:]\s*([0-9a-f]{16,})")
_IMPORT = ("ModuleNotFoundError", "ImportError", "failed to import")
"""What Ray says of a process that could not even import what it was to run."""


class Listener(Protocol):
    """What a run does when Tune tells it something; trials go by Tune's ids."""

    def on_start(self, trial: str, worker: Any) -> None:
        """A worker took up a trial; `worker` is Ray's handle of its actor."""
        ...

    def on_report(self, trial: str, report: JobReport) -> bool:
        """A worker reported; whether what is saved of the trial has grown since it was lost."""
        ...

    def on_recovery(self, trial: str) -> None:
        """A trial's process was lost, and Tune starts it again."""
        ...

    def on_stop(self, trial: str) -> None:
        """No worker is at a trial any more."""
        ...

    def on_loss(self, trial: str, fault: Fault, actor: str) -> None:
        """A trial's process was lost for good; `actor` is what Ray called it, "" if not known."""
        ...

    def on_step(self) -> None:
        """Tune has looked around."""
        ...


class RunCallback(Callback):
    """Passes on what Tune tells of its trials."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its inputs for a restore that is never made."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The functions called are of this process alone."""
        return self

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on that a worker has the trial now."""
        self._listener.on_start(trial.trial_id, trial.temporary_state.ray_actor)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Pass on the worker's report; lost processes of a trial that gets on are forgotten.

        Tune counts them over a trial's whole life, so that a long one would fail on a cluster that
        takes its machines back now and then.
        """
        report = JobReport.of_json(result[KEY])
        if self._listener.on_report(trial.trial_id, report):
            trial.run_metadata.num_failures = 0

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on that the process was lost and another one will be started."""
        self._listener.on_recovery(trial.trial_id)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on that the worker is free."""
        self._listener.on_stop(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on why a trial's process was lost, after Tune's last try."""
        self._listener.on_stop(trial.trial_id)
        text = trial.get_error() or ""
        fault = fault_of(text, trial.run_metadata.num_failures)
        self._listener.on_loss(trial.trial_id, fault, actor_in(text))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Let the run say that it is alive, also while all trials wait for a machine."""
        self._listener.on_step()


class EarlyEnd(Stopper):
    """Stops all trials once `over` says so."""

    def __init__(self, over: Callable[[], bool]) -> None:
        self._over = over

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its inputs for a restore that is never made."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The function called is of this process alone."""
        return self

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial is stopped by itself."""
        return False

    def stop_all(self) -> bool:
        """Whether the run is over."""
        return self._over()


def fault_of(text: str, tries: int) -> Fault:
    """Return the fault of a lost process: Tune's text of its failures, the last one told.

    The message ends with what the worker raised, where it raised something, else with the first
    line of what Ray says of the process. Where imports failed it is a fault of the node.
    """
    last = _COLOURS.sub("", text).rpartition("Failure # ")[2]
    lines = [line.strip() for line in last.splitlines()[1:] if line.strip()]
    reason = "" if not lines else lines[-1 if "Traceback" in last else 0]
    times = f"its process was lost {tries} times"
    message = f"{times}: {reason}" if reason else times
    kind: Kind = "node" if any(word in last for word in _IMPORT) else "trial"
    return Fault(LOST, message, "\n".join(lines), kind)


def actor_in(text: str) -> str:
    """Return the last process that Tune's text of failures names, "" where it names none."""
    actors = _ACTOR.findall(_COLOURS.sub("", text))
    return actors[-1] if actors else ""
