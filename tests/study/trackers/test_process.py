"""Sweeps beside a run: never waited for, one warning per tracker, ended when they hang."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from study.trackers.process import EVERY_S, LAST_S, LONGEST_S, Tracking
from tests.analysis.small import write_small

HANGING = (sys.executable, "-c", "import time; time.sleep(600)")
BROKEN = (sys.executable, "-c", "raise SystemExit(7)")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def tracking(
    tmp_path: Path, clock: Clock, verb: Sequence[str], whole: bool = True
) -> tuple[Tracking, list[str]]:
    sayings: list[str] = []
    targets = {"tensorboard": str(tmp_path / "board")}
    return Tracking(str(tmp_path / "s"), targets, sayings.append, whole, verb, clock), sayings


def ended(one: Tracking, clock: Clock) -> None:
    """Wait until the sweep under way has ended, and let it be taken."""
    assert one._process is not None
    one._process.wait(60)
    one.look(0)
    assert one._process is None


def test_a_study_without_trackers_starts_nothing(tmp_path: Path) -> None:
    clock = Clock()
    none = Tracking(str(tmp_path), {}, print, verb=HANGING, clock=clock)
    clock.now += 1e6
    none.look(5)
    none.finish()
    assert none._process is None


def test_a_process_that_cannot_start_is_one_warning_and_ends_no_run(tmp_path: Path) -> None:
    """As where there are too many processes; it is tried again when the next one is due."""
    clock = Clock()
    one, sayings = tracking(tmp_path, clock, (str(tmp_path / "nowhere"),))
    for _ in range(2):
        clock.now += EVERY_S
        one.look(1)
    one.finish()
    [saying] = sayings
    assert "the process that writes there cannot start (No such file or directory)" in saying


def test_a_sweep_begins_when_it_is_due_and_something_has_settled(tmp_path: Path) -> None:
    clock = Clock()
    one, sayings = tracking(tmp_path, clock, BROKEN)
    one.look(3)
    assert one._process is None
    clock.now += EVERY_S
    one.look(0)
    assert one._process is None
    one.look(3)
    assert one._process is not None
    ended(one, clock)
    assert len(sayings) == 1 and "ended with 7" in sayings[0]
    assert "track.tensorboard" in sayings[0] and "The run goes on" in sayings[0]
    clock.now += EVERY_S
    one.look(3)
    assert one._process is None  # nothing new
    one.look(4)
    ended(one, clock)
    assert len(sayings) == 1  # said once


def test_a_sweep_that_hangs_is_ended_and_costs_the_run_nothing(tmp_path: Path) -> None:
    clock = Clock()
    one, sayings = tracking(tmp_path, clock, HANGING)
    clock.now += EVERY_S
    one.look(1)
    process = one._process
    assert process is not None
    clock.now += LONGEST_S
    start = time.monotonic()
    one.look(2)
    assert process.poll() is None and time.monotonic() - start < 0.1
    clock.now += 1
    one.look(2)
    assert process.poll() is not None and one._process is None
    assert "taken more than 10 min" in sayings[0]


def test_the_end_waits_for_a_limited_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.trackers.process.LAST_S", 0.3)
    one, sayings = tracking(tmp_path, Clock(), HANGING)
    start = time.monotonic()
    one.finish()
    assert time.monotonic() - start < 5 and one._process is None
    assert len(sayings) == 1
    assert LAST_S <= 120


def test_the_last_sweep_writes_everything_once(tmp_path: Path) -> None:
    """The real verb, in a process of its own, over records that are not whole before the end."""
    write_small(str(tmp_path / "s"))
    clock, sayings = Clock(), list[str]()
    targets = {"tensorboard": str(tmp_path / "board")}
    one = Tracking(str(tmp_path / "s"), targets, sayings.append, whole=False, clock=clock)
    clock.now += EVERY_S
    one.look(5)
    assert one._process is None
    one.finish()
    assert (sayings, one._process) == ([], None)
    assert len(list((tmp_path / "board").rglob("events*"))) == 6
