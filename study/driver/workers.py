"""The workers at a run's trials: which is late, and what of a trial is safe when one is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from study.driver.cluster import Cluster
from study.driver.step_clock import StepClock
from trainables.jobs.job_report import Fault, JobReport
from trainables.vocabulary.wording import duration

SHUT_OUT: Final = 2
"""So many times in a row a worker may say that it alone cannot write."""


class Workers:
    """Listens to Tune (`callback.Listener`), ends workers that give no sign, and has those give up
    their trial that wait for a store which is out on their node alone.

    `on_report`, `on_loss` and `on_step` are called with what is not its own affair; `on_loss` with
    the node that the process was on, "" where it is not known. `store_answers` says whether the
    driver itself can write now.
    """

    def __init__(
        self,
        cluster: Cluster,
        on_report: Callable[[JobReport], None],
        on_loss: Callable[[str, Fault, str], None],
        on_step: Callable[[], None],
        say: Callable[[str], None],
        store_answers: Callable[[], bool],
        clock: StepClock | None = None,
    ) -> None:
        self._cluster, self._say, self._store_answers = cluster, say, store_answers
        self._on_report, self._on_loss, self._on_step = on_report, on_loss, on_step
        self.clock = clock or StepClock()
        self._at: dict[str, Any] = {}
        self._shut_out: Counter[str] = Counter()
        self._saved: dict[str, tuple[int, int]] = {}
        self._saved_at_loss: dict[str, tuple[int, int]] = {}

    def on_start(self, trial: str, worker: Any) -> None:
        self._at[trial] = worker
        self.clock.started(trial)

    def on_report(self, trial: str, report: JobReport) -> bool:
        self.clock.reported(trial, counts=not report.waits)
        self._on_report(report)
        if report.waits:
            self._wait(trial, report)
            return False
        self._shut_out.pop(trial, None)
        self._saved[trial] = report.saved
        before = self._saved_at_loss.get(trial)
        if before is None or report.saved <= before:
            return False
        del self._saved_at_loss[trial]
        return True

    def _wait(self, trial: str, report: JobReport) -> None:
        """Note that a worker waits, and for what: after some looks it shall do so no more."""
        if not (report.shut and self._store_answers()):
            self._shut_out.pop(trial, None)
            return
        self._shut_out[trial] += 1
        worker = self._at.get(trial)
        if self._shut_out[trial] == SHUT_OUT and worker is not None:
            self._say(
                "note: a worker cannot write where the driver can; it gives up its trial"
                f" ({report.waits})"
            )
            self._cluster.send_away(worker)

    def on_recovery(self, trial: str) -> None:
        self._saved_at_loss.setdefault(trial, self._saved.get(trial, (0, 0)))
        self._forget(trial)

    def on_stop(self, trial: str) -> None:
        for known in (self._saved, self._saved_at_loss):
            known.pop(trial, None)
        self._forget(trial)

    def _forget(self, trial: str) -> None:
        self._at.pop(trial, None)
        self._shut_out.pop(trial, None)
        self.clock.ended(trial)

    def on_loss(self, trial: str, fault: Fault, actor: str) -> None:
        self._on_loss(trial, fault, self._cluster.node_of(actor))

    def on_step(self) -> None:
        for trial, seconds in self.clock.overdue().items():
            worker = self._at.pop(str(trial), None)
            if worker is not None:
                self._say(
                    f"note: a worker gave no sign for {duration(seconds)}, far longer than its"
                    " steps have taken; it is ended, and its trial taken up by another"
                )
                self._cluster.end(worker)
        self._on_step()
