"""What the driver notes of workers: what is safe when one is lost, and which is late."""

from __future__ import annotations

from typing import Any

from study.driver.step_clock import StepClock
from study.driver.workers import Workers
from trainables.jobs.job_report import Fault, JobReport


class Lab:
    """Workers of a cluster that only notes what it is asked, on a clock set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[Any] = []
        self.store_answers = True
        self.workers = Workers(
            self,  # type: ignore[arg-type]
            on_report=lambda _: None,
            on_loss=lambda *what: self.calls.append(what),
            on_step=lambda: None,
            say=self.calls.append,
            store_answers=lambda: self.store_answers,
            clock=StepClock(lambda: self.now),
        )

    def node_of(self, actor: str) -> str:
        return f"node of {actor}"

    def send_away(self, worker: Any) -> None:
        self.calls.append(("sent away", worker))

    def end(self, worker: Any) -> None:
        self.calls.append(("ended", worker))

    def report(self, stages: int, steps: int, **more: Any) -> bool:
        return self.workers.on_report("t", JobReport("running", saved=(stages, steps), **more))


def test_losses_begin_to_count_anew_once_more_is_saved_than_at_the_last() -> None:
    lab = Lab()
    lab.workers.on_start("t", "w")
    assert not lab.report(0, 0)
    assert not lab.report(0, 500), "nothing was lost yet"
    lab.workers.on_recovery("t")
    assert not lab.report(0, 500), "taken up where it was"
    lab.workers.on_recovery("t")
    assert not lab.report(0, 500)
    assert lab.report(0, 501)
    assert not lab.report(0, 900)
    lab.workers.on_recovery("t")
    assert lab.report(1, 0), "a finished stage is more than any step of the one before"


def test_what_was_saved_in_a_step_that_was_never_reported_counts() -> None:
    lab = Lab()
    lab.workers.on_start("t", "w")
    lab.workers.on_recovery("t")
    assert lab.report(0, 1896)


def test_waiting_is_no_progress() -> None:
    lab = Lab()
    lab.workers.on_start("t", "w")
    lab.workers.on_recovery("t")
    assert not lab.report(0, 0, waits="the store is out")


def test_a_late_worker_is_ended_once_and_said() -> None:
    lab = Lab()
    lab.workers.on_start("t", "worker of t")
    lab.report(0, 1)
    for _ in range(90):
        lab.now += 10
        lab.workers.on_step()
    assert lab.calls == []
    lab.now += 1
    lab.workers.on_step()
    lab.workers.on_step()
    said, ended = lab.calls
    assert "no sign for 15 min 1 s" in said
    assert ended == ("ended", "worker of t")


def test_a_loss_is_told_with_its_node() -> None:
    lab = Lab()
    fault = Fault("ProcessLost", "gone")
    lab.workers.on_loss("t", fault, "0a")
    assert lab.calls == [("t", fault, "node of 0a")]


def test_a_worker_that_alone_cannot_write_gives_up_its_trial_at_its_second_word() -> None:
    lab = Lab()
    lab.workers.on_start("t", "worker of t")
    lab.report(0, 0, waits="read-only", shut=True)
    assert lab.calls == []
    lab.report(0, 0, waits="read-only", shut=True)
    lab.report(0, 0, waits="read-only", shut=True)
    said, sent = lab.calls
    assert "cannot write where the driver can" in said and "read-only" in said
    assert sent == ("sent away", "worker of t")


def test_a_worker_stays_while_the_driver_cannot_write_either_or_small_files_can() -> None:
    lab = Lab()
    lab.workers.on_start("t", "worker of t")
    lab.report(0, 0, waits="read-only", shut=True)
    lab.report(0, 0, waits="disk full", shut=False)
    lab.report(0, 0, waits="read-only", shut=True)
    lab.store_answers = False
    for _ in range(3):
        lab.report(0, 0, waits="read-only", shut=True)
    lab.store_answers = True
    lab.report(0, 0, waits="read-only", shut=True)
    lab.report(0, 5)
    lab.report(0, 5, waits="read-only", shut=True)
    assert lab.calls == []
