"""What was mended is another trial, and known as older; whatever was not stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainables.config.test_chain import BASE, config
from tests.trainables.methods import lab
from trainables.config.chain import digest, fingerprint, stage_chain
from trainables.config.revisions import older, revisions
from trainables.config.trial import TrialConfig

FILTERS = {"prune": {"sparsity": 0.9, "structure": "filters"}}
BEFORE = {"imp": "04b42e38b1b15e82", "dpf": "934dd5edb5e43d91"}


def hashes(chosen: TrialConfig) -> list[str]:
    return [spec.hash for spec in stage_chain(chosen, 0)]


def normed(norm: str | None, structure: str = "filters") -> TrialConfig:
    prune = {"sparsity": 0.9, "structure": structure}
    return config(retrain={"epochs": 3, **({"norm": norm} if norm else {})}, prune=prune)


def test_the_revision_of_dpf_is_hashed_and_recorded() -> None:
    chosen = lab.config("dpf")
    assert revisions(chosen) == {"method": 2}
    (whole,) = stage_chain(chosen, 0)
    assert whole.content["method"] == {"name": "dpf", "interval": 1, "revision": 2}
    parameters = {"interval": 1, "guard": True}
    assert chosen.resolved()["method"] == {"name": "dpf", **parameters, "revision": 2}
    before = {**whole.content, "method": {"name": "dpf", "interval": 1}}
    assert digest(before) == BEFORE["dpf"] != whole.hash
    unguarded = lab.config("dpf", method={"guard": False})
    assert unguarded.resolved()["method"]["guard"] is False
    assert len({fingerprint(c, 0) for c in (chosen, unguarded)}) == 2
    assert hashes(unguarded) != hashes(chosen)


@pytest.mark.parametrize("name", [name for name in lab.FROM_SCRATCH if name != "dpf"])
def test_no_other_method_has_one(name: str) -> None:
    chosen = lab.config(name)
    assert revisions(chosen) == {}
    assert "revision" not in chosen.resolved()["method"]
    assert older(chosen.resolved()) == {}


def test_the_revision_of_filters_is_that_of_what_retraining_goes_by() -> None:
    chosen = config(**FILTERS)
    assert revisions(chosen) == {"prune": 2}
    dense, cycle = stage_chain(chosen, 0)
    assert dense.hash == stage_chain(config(), 0)[0].hash
    assert cycle.content["prune"] == {"sparsity": 0.9, "structure": "filters", "revision": 2}
    assert chosen.resolved()["prune"]["revision"] == 2
    before = {**cycle.content, "prune": {"sparsity": 0.9, "structure": "filters"}}
    assert digest(before) == BEFORE["imp"] != cycle.hash
    over = {"structure": "filters", "sparsity": 0.5}
    assert revisions(lab.config("gmp", prune=over)) == {}
    for structure in ("rows", "columns", "weights"):
        assert revisions(normed(None, structure)) == {}
    assert revisions(config(prune={"pattern": {"n": 2, "m": 4}})) == {}


def test_the_usual_norm_is_hashed_under_no_name() -> None:
    assert fingerprint(normed("all", "weights"), 0) == BASE
    for structure in ("weights", "rows", "columns"):
        assert normed(None, structure).resolved()["retrain"]["norm"] == "all"
    assert normed(None).resolved()["retrain"]["norm"] == "ranked"
    assert fingerprint(normed("ranked"), 0) == fingerprint(normed(None), 0)
    assert hashes(normed("ranked")) == hashes(normed(None))
    found = {fingerprint(normed(norm), 0) for norm in ("ranked", "prunable", "all")}
    assert len(found) == 3
    assert len({hashes(normed(norm))[1] for norm in ("ranked", "prunable", "all")}) == 3


def test_where_all_weights_are_ranked_that_is_their_norm_s_name() -> None:
    assert fingerprint(normed("ranked", "columns"), 0) == fingerprint(
        normed("prunable", "columns"), 0
    )
    assert normed("ranked", "columns").resolved()["retrain"]["norm"] == "prunable"
    assert normed("ranked", "rows").resolved()["retrain"]["norm"] == "ranked"


RECORD: dict[str, Any] = {
    "task": {"dataset": {"name": "digits"}, "model": {"name": "cnn"}},
    "method": {"name": "dpf", "interval": 2},
    "prune": {"sparsity": 0.9, "structure": "weights"},
}


def test_records_without_a_revision_are_older_where_there_is_one() -> None:
    assert older(RECORD) == {"method": "dpf"}
    assert older({**RECORD, "method": {"name": "dpf", "revision": 2}}) == {}
    assert older({**RECORD, "method": {"name": "dpf", "revision": 3}}) == {}
    assert older({**RECORD, "method": {"name": "gmp"}}) == {}
    filters = {"structure": "filters"}
    assert older({**RECORD, "method": {"name": "gmp"}, "prune": filters}) == {}
    retrained = {**RECORD, "method": {"name": "bimp"}, "retrain": {"norm": "all"}}
    assert older({**retrained, "prune": filters}) == {"prune": "filters"}
    assert older({**retrained, "prune": {**filters, "revision": 2}}) == {}
    assert older({**retrained, "prune": {"structure": "2:4"}}) == {}
    assert older({**retrained, "task": {"use": "my:Own", "revision": 0}}) == {}
    own = {**RECORD, "method": {"name": "mine:Own"}}
    assert older(own) == {}
