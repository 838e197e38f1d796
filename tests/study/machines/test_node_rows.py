"""Rows of nodes: what they say, which can run trials, and when a clock counts as off."""

from __future__ import annotations

import pytest

from study.machines.cluster_check import require_a_node
from study.machines.node_rows import COLUMNS, NodeRow, fault_lines, skew, table
from trainables.vocabulary.refusal import Refusal
from trainables.workers.inspection import Observation

GOOD = tuple(Observation(what, f"{what} of h0") for what in COLUMNS)


def row(*seen: Observation, node: str = "0123456789abcdef", fits: bool = True) -> NodeRow:
    return NodeRow(node, 4.0, 1.0, fits, seen)


def test_a_row_per_node_with_every_column_and_a_line_per_fault() -> None:
    other = (
        Observation("host", "h1"),
        Observation("folder", "not usable", "the study folder is another one"),
        Observation("clock", "+9.0 s", "its clock is off", needed=False),
    )
    lines = table([row(*GOOD), row(*other)]).splitlines()
    assert lines[0].split() == ["CPUs", "GPUs", *COLUMNS]
    assert len(lines) == 2 + 2 + 2
    assert lines[2].split()[:2] == ["4", "1"]
    assert all(f"{what} of h0" in lines[2] for what in COLUMNS)
    assert lines[3].split().count("-") == len(COLUMNS) - 3, "what was not seen is not guessed"
    assert lines[4:] == [
        "missing: h1: the study folder is another one",
        "note: h1: its clock is off",
    ]


def test_a_node_without_an_answer_goes_by_ray_s_name_and_runs_nothing() -> None:
    silent = row(Observation("answer", "none", "it must answer within 180 s, got nothing"))
    assert (silent.host, silent.usable) == ("0123456789ab", False)
    assert fault_lines([silent]) == [
        "missing: 0123456789ab: it must answer within 180 s, got nothing"
    ]


def test_notes_keep_no_trial_away() -> None:
    assert row(Observation("clock", "+9.0 s", "its clock is off", needed=False)).usable


FAULTY = row(Observation("data", "missing", "data.root must hold mnist, got /data"))


@pytest.mark.parametrize(
    "rows", [[], [row(*GOOD)], [FAULTY, row(*GOOD)], [row(*FAULTY.seen, fits=False)]]
)
def test_a_cluster_with_a_usable_node_or_none_of_a_trial_s_size_is_accepted(
    rows: list[NodeRow],
) -> None:
    require_a_node(rows)


def test_a_cluster_whose_large_nodes_are_all_at_fault_is_refused() -> None:
    small = row(*GOOD, fits=False)
    with pytest.raises(Refusal, match=r"data.root must hold mnist, got /data"):
        require_a_node([small, FAULTY])


@pytest.mark.parametrize(
    ("seconds", "unsure", "value", "off"),
    [
        (0.2, 0.3, "as here", False),
        (0.4, 0.3, "+0.4 s", False),
        (5.2, 0.3, "+5.2 s", False),
        (5.4, 0.3, "+5.4 s", True),
        (-5.4, 0.3, "-5.4 s", True),
    ],
)
def test_a_clock_is_off_by_more_than_five_seconds_beyond_doubt(
    seconds: float, unsure: float, value: str, off: bool
) -> None:
    seen = skew(seconds, unsure)
    assert (seen.value, bool(seen.fault), seen.needed) == (value, off, False)
