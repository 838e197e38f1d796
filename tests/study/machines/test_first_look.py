"""What whoever submits a job hears of its look at the nodes, from a job server played by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from study.machines import first_look as module
from study.machines.first_look import first_look
from trainables.vocabulary.refusal import Refusal

UP = "Ray is up: 2 nodes, 2 CPUs, 0 GPUs; 2 trials at once\n"


class Job:
    """A job whose log and status are another at each look."""

    def __init__(self, *looks: tuple[str, str], exit_status: int | None = None, message: str = ""):
        self._looks, self._exit_status, self._message = list(looks), exit_status, message
        self.n_looks = 0

    def get_job_info(self, job_id: str, /) -> Any:
        status, _ = self._looks[min(self.n_looks, len(self._looks) - 1)]
        ended = status in ("SUCCEEDED", "FAILED")
        return SimpleNamespace(
            status=status, message=self._message,
            driver_exit_code=self._exit_status if ended else None,
        )  # fmt: skip

    def get_job_logs(self, job_id: str, /) -> str:
        _, log = self._looks[min(self.n_looks, len(self._looks) - 1)]
        self.n_looks += 1
        return log


def heard(job: Job) -> tuple[str, list[str]]:
    """How a look ends, and the lines that were passed on."""
    lines: list[str] = []
    now = iter(range(10_000))
    outcome = first_look(job, "job-1", lines.append, lambda: float(next(now)), lambda _: None)
    return outcome, lines


def test_lines_are_passed_on_once_until_trials_run() -> None:
    job = Job(
        ("PENDING", ""),
        ("RUNNING", "note: w1: /dev/shm must"),
        ("RUNNING", "note: w1: /dev/shm must have 0.5 GiB\n"),
        ("RUNNING", f"note: w1: /dev/shm must have 0.5 GiB\n{UP}0/4 trials\n"),
        ("FAILED", "never asked for"),
    )
    assert heard(job) == ("at work", ["note: w1: /dev/shm must have 0.5 GiB", UP.strip()])
    assert job.n_looks == 4


def test_a_study_without_anything_left_to_do_is_over() -> None:
    outcome, lines = heard(Job(("SUCCEEDED", "all 4 trials are settled"), exit_status=0))
    assert (outcome, lines) == ("over", ["all 4 trials are settled"])


def test_a_run_that_was_quicker_than_the_look_at_it_is_over() -> None:
    outcome, lines = heard(Job(("SUCCEEDED", f"{UP}4/4 trials\n"), exit_status=0))
    assert (outcome, lines) == ("over", [UP.strip(), "4/4 trials"])


def test_a_refusal_is_the_submission_s_own() -> None:
    log = "missing: w0: no CUDA\nbimp: resources.gpus must be 0 where torch sees no CUDA\n"
    lines: list[str] = []
    with pytest.raises(Refusal, match=r"^resources\.gpus must be 0 where torch sees no CUDA$"):
        first_look(Job(("FAILED", log), exit_status=2), "job-1", lines.append)
    assert lines == ["missing: w0: no CUDA"], "the refusal itself is said once, by the command"


@pytest.mark.parametrize("status", [1, 3])
def test_a_run_that_ended_before_its_look_hands_on_its_status(status: int) -> None:
    lines: list[str] = []
    with pytest.raises(SystemExit) as ended:
        first_look(Job(("FAILED", "the store is out"), exit_status=status), "job-1", lines.append)
    assert (ended.value.code, lines) == (status, ["the store is out"])


def test_a_head_without_bimp_is_told_with_what_ray_says() -> None:
    message = "Job entrypoint command failed with exit code 127,\n sh: 1: bimp: not found"
    job = Job(("FAILED", ""), exit_status=127, message=message)
    with pytest.raises(Refusal, match=r"must be able to start `bimp run`, got Job .* 1: bimp: not"):
        heard(job)


def test_a_job_that_somebody_stops_is_no_success() -> None:
    with pytest.raises(Refusal, match="got stopped by somebody"):
        heard(Job(("STOPPED", "")))


def test_ray_s_own_lines_are_left_out() -> None:
    log = f"2026-11-26 05:50:00,123\tINFO job_manager.py:568 -- Runtime env is setting up.\n{UP}"
    assert heard(Job(("RUNNING", log))) == ("at work", [UP.strip()])


def test_a_look_is_waited_for_no_longer_than_its_patience() -> None:
    job = Job(("PENDING", ""))
    assert heard(job) == ("unknown", [])
    assert job.n_looks == module.PATIENCE_S, "one look per second of this clock"


def test_a_server_that_goes_away_is_told() -> None:
    class Gone(Job):
        def get_job_logs(self, job_id: str, /) -> str:
            raise RuntimeError("Request failed with status code 500:\n gone")

    with pytest.raises(Refusal, match=r"must answer while job-1 looks .*500: gone; the job may go"):
        heard(Gone(("RUNNING", "")))
