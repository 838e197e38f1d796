"""When a worker is taken for stopped, on a clock set by hand."""

from __future__ import annotations

import pytest

from study.driver.step_clock import StepClock, limit_s


@pytest.mark.parametrize(
    ("longest", "first", "limit"),
    [
        (None, True, 3600),
        (None, False, 900),
        (5.0, True, 900),
        (200.0, True, 2000),
        (2.0, False, 180),
        (18.0, False, 180),
        (18.1, False, 181),
    ],
)
def test_the_time_out_of_a_step(longest: float | None, first: bool, limit: float) -> None:
    assert limit_s(longest, first=first) == pytest.approx(limit)
    assert limit_s(longest, first=first, extensions=2) == pytest.approx(4 * limit)


class Lab:
    """A step clock whose time is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = StepClock(lambda: self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, with a look at the steps now and then, which finds nothing."""
        end = self.now + seconds
        while self.now + 10 < end:
            self.now += 10
            assert self.steps.overdue() == {}
        self.now = end

    def run(self, trial: str, *lengths: float) -> None:
        self.steps.started(trial)
        for seconds in lengths:
            self.wait(seconds)
            self.steps.reported(trial)


def test_a_step_is_overdue_ten_times_the_longest_so_far_and_told_once() -> None:
    lab = Lab()
    lab.run("a", 60, 2, 30)
    lab.run("b", 60, 2)
    lab.wait(238)
    assert lab.steps.overdue() == {}, "the longest step but a first one was of thirty seconds"
    lab.wait(1)
    assert lab.steps.overdue() == {"a": 301.0}
    assert lab.steps.overdue() == {}
    lab.wait(62)
    assert lab.steps.overdue() == {"b": 301.0}


def test_first_steps_have_a_past_of_their_own() -> None:
    lab = Lab()
    lab.run("a", 1, 1)
    lab.steps.ended("a")
    lab.steps.started("b")
    lab.wait(900)
    assert lab.steps.overdue() == {}
    lab.wait(1)
    assert lab.steps.overdue() == {"b": 901.0}
    lab.steps.started("b")
    lab.wait(1800)
    assert lab.steps.overdue() == {}, "twice the time for a trial that was taken for stopped before"
    lab.wait(1)
    assert set(lab.steps.overdue()) == {"b"}


def test_a_worker_that_waits_is_not_late_and_its_waiting_is_no_past() -> None:
    lab = Lab()
    lab.run("a", 1, 1)
    lab.steps.started("b")
    for _ in range(100):
        lab.wait(15)
        lab.steps.reported("a", counts=False)
        lab.steps.reported("b", counts=False)
        assert lab.steps.overdue() == {}
    lab.wait(180.5)
    assert set(lab.steps.overdue()) == {"a"}, "b is at its first step still"


def test_pardon_lets_all_begin_anew() -> None:
    lab = Lab()
    lab.run("a", 1, 1)
    lab.wait(180)
    lab.steps.pardon()
    lab.wait(180)
    assert lab.steps.overdue() == {}
    lab.wait(1)
    assert set(lab.steps.overdue()) == {"a"}


def test_a_trial_that_no_worker_has_is_never_late() -> None:
    lab = Lab()
    lab.run("a", 1, 1)
    lab.steps.ended("a")
    lab.wait(10**6)
    assert lab.steps.overdue() == {}


def test_a_driver_that_was_stopped_blames_no_worker_and_learns_nothing_of_it() -> None:
    """The reports of those minutes are heard one after another, once it goes on."""
    lab = Lab()
    lab.run("a", 1, 1)
    lab.run("b", 1, 1)
    lab.now += 4000
    lab.steps.reported("a")
    assert lab.steps.overdue() == {}
    lab.wait(180)
    assert lab.steps.overdue() == {}
    lab.wait(1)
    assert set(lab.steps.overdue()) == {"a", "b"}, "no step is known to have taken minutes"
