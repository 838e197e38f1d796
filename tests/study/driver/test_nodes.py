"""What becomes of what failed by a fault of its node or of the store."""

from __future__ import annotations

from collections.abc import Set

import pytest

from study.driver.nodes import Nodes
from trainables.jobs.job_report import Fault, NodeFault
from trainables.waiting.patience import Patience

IMPORT = Fault("ImportError", "no module named x", kind="node")
FOLDER = Fault.of(NodeFault("not shared"), "node")
STORE = Fault("StoreOutage", "read-only", kind="store")


class Lab:
    """Nodes by name, a store that answers the driver or not, and a clock."""

    def __init__(self, *nodes: str, left_out: dict[str, str] | None = None) -> None:
        self.there, self.answers, self.now = set(nodes), True, 0.0
        self.nodes = Nodes(
            self.offers,
            lambda: self.answers,
            Patience(10, first_s=1, spread=0),
            lambda: self.now,
            left_out,
        )

    def offers(self, avoided: Set[str]) -> bool:
        return bool(self.there - avoided)


def test_a_fault_of_the_trial_or_on_an_unknown_node_is_final() -> None:
    lab = Lab("a", "b")
    assert lab.nodes.verdict("t", Fault("ValueError", "no"), "a") == "final"
    assert lab.nodes.verdict("t", IMPORT, "") == "final"
    assert lab.nodes.avoided("t") == frozenset()


def test_a_node_s_fault_is_tried_elsewhere_and_is_the_trial_s_own_when_it_comes_again() -> None:
    lab = Lab("a", "b", "c")
    assert lab.nodes.verdict("t", IMPORT, "a") == "elsewhere"
    assert lab.nodes.avoided("t") == {"a"}
    assert lab.nodes.avoided("u") == frozenset()
    assert lab.nodes.verdict("t", IMPORT, "b") == "final"
    for key in ("u", "v"):  # the first node's strike by t is undone
        lab.nodes.verdict(key, IMPORT, "a")
    assert lab.nodes.left_out == {}


def test_other_faults_on_other_nodes_are_tried_until_none_is_left() -> None:
    lab = Lab("a", "b")
    assert lab.nodes.verdict("t", IMPORT, "a") == "elsewhere"
    other = Fault("FileNotFoundError", "no data", kind="node")
    assert lab.nodes.verdict("t", other, "b") == "final"


def test_a_node_is_left_out_after_three_in_a_row_while_there_is_another() -> None:
    lab = Lab("a", "b")
    for key in ("t", "u"):
        lab.nodes.verdict(key, IMPORT, "a")
    lab.nodes.did_well("w", "a")
    for key in ("v", "x"):
        lab.nodes.verdict(key, IMPORT, "a")
    assert lab.nodes.left_out == {}
    lab.nodes.verdict("y", IMPORT, "a")
    assert lab.nodes.left_out == {"a": "ImportError: no module named x"}
    assert lab.nodes.avoided("z") == {"a"}
    for key in ("k", "l", "m"):
        assert lab.nodes.verdict(key, STORE, "b") == "later"
    assert set(lab.nodes.left_out) == {"a"}, "the last node stays"


def test_what_all_trials_need_is_no_node_s_fault_while_the_driver_misses_it_too() -> None:
    lab = Lab("a")
    gone = Fault("NodeFault", "the folder is not shared", kind="node")
    lab.answers = False
    assert lab.nodes.verdict("t", gone, "a") == "later"
    assert (lab.nodes.left_out, lab.nodes.avoided("t")) == ({}, frozenset())
    lab.answers = True
    assert lab.nodes.verdict("t", gone, "a") == "over"


def test_on_one_node_its_fault_is_final() -> None:
    assert Lab("a").nodes.verdict("t", IMPORT, "a") == "final"


def test_a_node_without_what_all_trials_need_is_left_out_at_once_and_the_last_ends_the_run() -> (
    None
):
    lab = Lab("a", "b")
    assert lab.nodes.verdict("t", FOLDER, "a") == "elsewhere"
    assert set(lab.nodes.left_out) == {"a"}
    assert lab.nodes.verdict("t", FOLDER, "b") == "over"
    assert Lab("a").nodes.verdict("t", FOLDER, "a") == "over"


def test_a_store_that_the_driver_cannot_use_either_is_nobody_s_fault() -> None:
    lab = Lab("a", "b")
    lab.answers = False
    for key in "tuvw":
        assert lab.nodes.verdict(key, STORE, "a") == "later"
    assert (lab.nodes.left_out, lab.nodes.avoided("t")) == ({}, frozenset())


def test_a_store_that_one_node_alone_cannot_use_is_that_node_s_fault() -> None:
    lab = Lab("a", "b")
    assert [lab.nodes.verdict(key, STORE, "a") for key in "tuv"] == ["elsewhere"] * 3
    assert set(lab.nodes.left_out) == {"a"}


def test_a_store_that_no_node_can_use_is_waited_for_and_then_ends_the_run() -> None:
    lab = Lab("a")
    assert lab.nodes.verdict("t", STORE, "a") == "later"
    assert (lab.nodes.pause_s, lab.nodes.avoided("t")) == (1.0, frozenset())
    lab.now = 9.9
    assert lab.nodes.verdict("t", STORE, "a") == "later"
    lab.now = 10.0
    assert lab.nodes.verdict("u", STORE, "a") == "over"


@pytest.mark.parametrize("at", [5.0, 15.0])
def test_one_success_begins_a_new_wait(at: float) -> None:
    lab = Lab("a")
    lab.nodes.verdict("t", STORE, "a")
    lab.nodes.did_well("u", "a")
    lab.now = at
    assert lab.nodes.pause_s == 0
    assert lab.nodes.verdict("t", STORE, "a") == "later"


def test_a_node_known_to_be_unable_gets_no_trial_from_the_start() -> None:
    lab = Lab("a", "b", left_out={"a": "not shared"})
    assert lab.nodes.avoided("t") == {"a"}
    assert lab.nodes.verdict("t", IMPORT, "b") == "final", "there is no other node"
    assert lab.nodes.left_out == {"a": "not shared"}
