"""What follows from a look at the nodes of a cluster."""

from __future__ import annotations

import pytest

from study.machines.cluster_check import left_out, require_a_node
from study.machines.node_rows import NodeRow
from trainables.vocabulary.refusal import Refusal
from trainables.workers.inspection import Observation

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
