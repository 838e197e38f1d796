"""What Tune tells while trials run, passed on to functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Self

from ray.tune import Callback

from trainables.jobs.job_report import KEY, Fault, JobReport

LOST = "ProcessLost"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class RunCallback(Callback):
    """Calls `on_report` with each report of a worker, `on_lost` with the id of a Tune trial whose
    process was lost for good and why, and `on_step` whenever Tune has looked."""

    def __init__(
        self,
        on_report: Callable[[JobReport], None],
        on_lost: Callable[[str, Fault], None],
        on_step: Callable[[], None],
    ) -> None:
        self._on_report, self._on_lost, self._on_step = on_report, on_lost, on_step

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its inputs for a restore that is never made."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The function called is of this process alone."""
        return self

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Pass on the worker's report."""
        self._on_report(JobReport.of_json(result[KEY]))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on why a trial's process was lost, after Tune's last try."""
        fault = fault_of(trial.get_error() or "", trial.run_metadata.num_failures)
        self._on_lost(trial.trial_id, fault)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Let the run say that it is alive, also while all trials wait for a machine."""
        self._on_step()


def fault_of(text: str, tries: int) -> Fault:
    """Return the fault of a lost process: Tune's text of its failures, the last one told.

    The message ends with what the worker raised, where it raised something, else with the first
    line of what Ray says of the process.
    """
    last = _COLOURS.sub("", text).rpartition("Failure # ")[2]
    lines = [line.strip() for line in last.splitlines()[1:] if line.strip()]
    reason = "" if not lines else lines[-1 if "Traceback" in last else 0]
    times = f"its process was lost {tries} times"
    return Fault(LOST, f"{times}: {reason}" if reason else times, "\n".join(lines))
