"""What a run says of itself: news while its lease lives and it has spoken lately, else nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trainables.files import progress
from trainables.files.leases import Leases
from trainables.files.progress import FRESH_S, RUN_LEASE, LiveRun, RunProgress, live_run
from trainables.files.storage import LocalFolder

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
LATEST = RunProgress(
    at=NOW.isoformat(), pid=123, wanted=8, settled=3, failed=0, running=2, waiting=3,
    epochs_per_s=5.094, seconds_left=None,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    """A folder that a run of this process holds and in which it has said where it stands."""
    folder = LocalFolder(tmp_path)
    Leases(folder, "the driver").beat(RUN_LEASE)
    progress.write(folder, LATEST)
    return folder


def test_what_is_written_is_read(folder: LocalFolder) -> None:
    assert progress.read(folder) == LATEST


def test_what_a_live_run_said_is_told(folder: LocalFolder) -> None:
    assert live_run(folder, NOW + timedelta(seconds=7)) == LiveRun(LATEST, 7.0)


@pytest.mark.parametrize(("age_s", "fresh"), [(0, True), (FRESH_S, True), (FRESH_S + 1, False)])
def test_what_it_said_long_ago_is_not(folder: LocalFolder, age_s: float, fresh: bool) -> None:
    run = live_run(folder, NOW + timedelta(seconds=age_s))
    assert run == (LiveRun(LATEST, age_s) if fresh else LiveRun(None))


def test_a_clock_that_is_behind_makes_no_negative_age(folder: LocalFolder) -> None:
    assert live_run(folder, NOW - timedelta(seconds=30)) == LiveRun(LATEST, 0.0)


def test_a_run_that_has_ended_is_not_running(folder: LocalFolder) -> None:
    Leases(folder, "the driver").release(RUN_LEASE)
    assert live_run(folder, NOW) is None


def test_a_run_that_was_killed_on_this_host_is_not_running(folder: LocalFolder) -> None:
    (lease,) = (folder.path / RUN_LEASE).iterdir()
    lease.write_text(json.dumps({**json.loads(lease.read_text()), "pid": 2**22 + 1}))
    assert live_run(folder, NOW) is None


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"at": "2026"}', '{"at": 3}', json.dumps({**vars(LATEST), "at": "2026-05-01"})],
)
def test_a_torn_or_foreign_word_is_nothing_said(folder: LocalFolder, text: str) -> None:
    folder.write(progress.NAME, text.encode())
    assert progress.read(folder) is None
    assert live_run(folder, NOW) == LiveRun(None)
