"""What ran where and when, by hand: lanes, shared stages, records that do not say."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.frames.work_frame import WORK_COLUMNS, work_frame
from tests.analysis.small import record
from trainables.files.trial_record import Record


def ran(name: str, start: int, end: int, host: str = "a", **provenance: Any) -> Record:
    """A trial at work from one minute past ten to another."""
    moments = {"started_at": f"2026-01-05T10:{start:02}:00+00:00",
               "finished_at": f"2026-01-05T10:{end:02}:00.5+00:00"}  # fmt: skip
    return record(name, provenance={"host": host, "device": "cpu", **moments, **provenance})


def frame_of(*records: Record) -> Any:
    return work_frame([("s", one) for one in records])


def test_a_trial_takes_the_first_lane_that_is_free() -> None:
    """b starts while a is at work; c when a has ended; d on another host."""
    frame = frame_of(
        ran("c", 6, 9), ran("a", 0, 5), ran("b", 4, 20), ran("d", 4, 5, "other"), ran("e", 7, 8)
    )
    rows = dict(zip(frame["fingerprint"], frame["lane"], strict=True))
    assert rows == {"a": 1, "b": 2, "c": 1, "d": 1, "e": 3}
    assert list(frame["fingerprint"]) == ["a", "d", "b", "c", "e"]
    assert tuple(frame.columns) == WORK_COLUMNS


def test_a_trial_that_starts_as_another_ends_takes_its_lane() -> None:
    one = ran("a", 0, 5, finished_at="2026-01-05T10:05:00+00:00")
    assert list(frame_of(one, ran("b", 5, 6))["lane"]) == [1, 1]


def test_trials_of_one_worker_share_a_lane() -> None:
    """b starts between two trials of x, whose lane it would have had; d when x is gone."""
    frame = frame_of(
        ran("a", 0, 2, worker="x", node="n"),
        ran("b", 3, 4, worker="y"),
        ran("c", 5, 6, worker="x"),
        ran("d", 7, 8, worker="z"),
        ran("e", 1, 9, worker="x", host="other"),
        ran("f", 4, 7),
    )
    rows = dict(zip(frame["fingerprint"], frame["lane"], strict=True))
    assert rows == {"a": 1, "c": 1, "b": 2, "d": 1, "e": 1, "f": 3}
    known = frame.set_index("fingerprint")
    assert known.loc["a", ["node", "worker"]].tolist() == ["n", "x"]
    assert known.loc["f", ["node", "worker"]].isna().all()


def test_stages_are_trained_or_shared() -> None:
    """A record of the small study has three stages, the dense run first."""
    own = ran("a", 0, 1, stages_trained=["dense0", "a-1", "a-2", "of-another-try"])
    later = ran("b", 2, 3, stages_trained=["b-1", "b-2"])
    frame = frame_of(own, later, ran("c", 4, 5))
    assert frame["trained"].tolist()[:2] == [3, 2]
    assert frame["shared"].tolist()[:2] == [0, 1]
    assert frame["trained"].isna().tolist() == [False, False, True]


def test_records_that_do_not_say_when_are_left_out() -> None:
    backwards = ran("back", 9, 3)
    frame = frame_of(record("old"), backwards, ran("bad", 1, 2, started_at="yesterday"))
    assert frame.empty and tuple(frame.columns) == WORK_COLUMNS


@pytest.mark.parametrize("zone", ["+02:00"])
def test_moments_are_compared_across_zones(zone: str) -> None:
    west = ran("a", 0, 1)
    east = ran("b", 0, 1, "a", started_at=f"2026-01-05T12:00:30{zone}",
               finished_at=f"2026-01-05T12:02:00{zone}")  # fmt: skip
    frame = frame_of(east, west)
    assert list(frame["fingerprint"]) == ["a", "b"] and list(frame["lane"]) == [1, 2]
