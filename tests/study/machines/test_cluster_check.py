"""What follows from a look at the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from study.machines import cluster_check
from study.machines.cluster_check import left_out, require_a_node, rows_seen_twice
from study.machines.node_rows import NodeRow
from trainables.vocabulary.refusal import Refusal
from trainables.workers.inspection import Inspection, Observation

GOOD = Observation("folder", "shared, writable")
BAD = Observation("folder", "not usable", "the study folder must be the driver's")
SLIGHT = Observation("shm", "0.1 GiB", "/dev/shm must have 0.5 GiB", needed=False)


def row(node: str, *seen: Observation, fits: bool = True) -> NodeRow:
    return NodeRow(node, 1.0, 0.0, fits, seen)


def test_nodes_that_can_run_no_trial_are_left_out_with_the_reason() -> None:
    rows = [row("a", GOOD, SLIGHT), row("b", SLIGHT, BAD), row("head", BAD, fits=False)]
    assert left_out(rows) == {"b": "the study folder must be the driver's"}
    require_a_node(rows)


def test_a_cluster_of_such_nodes_alone_is_refused() -> None:
    with pytest.raises(Refusal, match="the study folder must be the driver's"):
        require_a_node([row("b", SLIGHT, BAD), row("head", GOOD, fits=False)])


def test_a_cluster_without_a_node_of_a_trial_s_size_may_grow() -> None:
    require_a_node([row("head", BAD, fits=False)])


def test_unable_nodes_are_looked_at_again_and_have_no_row_when_they_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """c can run trials by then, d cannot, and e has died between the looks."""
    first = [row("a", GOOD), row("c", BAD), row("d", BAD), row("e", BAD)]
    asked: list[Collection[str] | None] = []

    def look(_q: Inspection, _cpus: float, only: Collection[str] | None = None) -> list[NodeRow]:
        asked.append(only)
        return first if only is None else [row("c", GOOD), row("d", BAD)]

    monkeypatch.setattr(cluster_check, "node_rows", look)
    rows = rows_seen_twice(Inspection({}), 1.0, lambda: asked.append(()))
    assert [(each.node, each.usable) for each in rows] == [("a", True), ("c", True), ("d", False)]
    assert asked == [None, (), {"c", "d", "e"}]
