"""Patterns and blocks in a configuration: what gives the sparsity, what counts, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from trainables.config.catalog import METHODS
from trainables.config.chain import cumulative_sparsity, fingerprint
from trainables.config.trial import TrialConfig
from trainables.formulas.structures import KINDS

BASE: dict[str, Any] = {
    "task": {"dataset": "digits", "model": "cnn"},
    "dense": {"epochs": 4},
    "retrain": {"schedule": "allr", "epochs": 2},
}
TWO_OF_FOUR = {"n": 2, "m": 4}
BLOCK = {"rows": 2, "columns": 4}


def config(**prune: Any) -> TrialConfig:
    return TrialConfig.of({**BASE, "prune": prune})


@pytest.mark.parametrize(
    "prune",
    [
        {"pattern": TWO_OF_FOUR, "sparsity": 0.5},
        {"pattern": TWO_OF_FOUR, "sparsity": "0.5"},
        {"pattern": TWO_OF_FOUR, "structure": "weights"},
        {"pattern": TWO_OF_FOUR, "filter_norm": "l1"},  # of no account, as are all below
        {"pattern": TWO_OF_FOUR, "scope": "layer"},
        {"pattern": TWO_OF_FOUR, "keep_layer_min": 3},
        {"pattern": TWO_OF_FOUR, "block": BLOCK},
    ],
)
def test_a_pattern_said_otherwise_is_the_same_trial(prune: dict[str, Any]) -> None:
    plain = config(pattern=TWO_OF_FOUR)
    assert plain.prune.sparsity == 0.5
    assert fingerprint(config(**prune), 0) == fingerprint(plain, 0)


def test_what_differs_is_another_trial() -> None:
    configs = [
        config(sparsity=0.5),
        config(pattern=TWO_OF_FOUR),
        config(pattern={"n": 4, "m": 8}),
        config(pattern=TWO_OF_FOUR, criterion="random"),
        config(sparsity=0.5, structure="filters"),
        config(sparsity=0.5, structure="rows"),
        config(sparsity=0.5, structure="columns"),
        config(sparsity=0.5, structure="blocks", block=BLOCK),
        config(sparsity=0.5, structure="blocks", block={"rows": 4, "columns": 2}),
        config(sparsity=0.5, structure="blocks", block=BLOCK, filter_norm="l1"),
    ]
    assert len({fingerprint(one, 0) for one in configs}) == len(configs)


def test_a_pattern_and_a_block_of_no_account_leave_fingerprints_alone() -> None:
    plain = fingerprint(config(sparsity=0.5), 0)
    assert fingerprint(config(sparsity=0.5, pattern=None), 0) == plain
    assert fingerprint(config(sparsity=0.5, block=BLOCK), 0) == plain


@pytest.mark.parametrize(
    ("prune", "name"),
    [
        ({"sparsity": 0.5}, "weights"),
        ({"sparsity": 0.5, "structure": "filters"}, "filters"),
        ({"pattern": TWO_OF_FOUR}, "2:4"),
        ({"sparsity": 0.5, "structure": "blocks", "block": BLOCK}, "blocks 2x4"),
        ({"sparsity": 0.5, "structure": "rows"}, "rows"),
    ],
)
def test_records_hold_one_name_for_the_structure(prune: dict[str, Any], name: str) -> None:
    chosen = config(**prune)
    record = chosen.resolved()["prune"]
    assert (record["structure"], record["sparsity"]) == (name, 0.5)
    assert {"pattern", "block"}.isdisjoint(record)
    assert TrialConfig.of(chosen.model_dump(mode="json")).prune == chosen.prune


def test_after_a_cycle_the_sparsity_asked_is_one_of_whole_zeros() -> None:
    chosen = config(pattern=TWO_OF_FOUR, cycles=3)
    assert [cumulative_sparsity(chosen, cycle) for cycle in (1, 2, 3)] == [0.25, 0.25, 0.5]


def test_methods_that_rank_by_pruning_know_every_kind() -> None:
    knowing = [name for name, method in METHODS.items() if set(method.structures) == set(KINDS)]
    assert knowing == ["imp", "bimp", "gmp", "dpf"]


@pytest.mark.parametrize(
    ("prune", "sentence"),
    [
        ({"pattern": TWO_OF_FOUR, "sparsity": 0.51},
         "prune.sparsity must be absent beside prune.pattern, or 1 - n/m = 0.5, got 0.51"),
        ({"pattern": TWO_OF_FOUR, "sparsity": "0.6"},
         "prune.sparsity must be absent beside prune.pattern, or 1 - n/m = 0.5, got 0.6"),
        ({"pattern": TWO_OF_FOUR, "sparsity": True}, "prune.sparsity must be a number, got True"),
        ({"pattern": {"n": 4, "m": 4}},
         "prune.pattern.n must be below prune.pattern.m (4), got 4"),
        ({"pattern": {"n": 5, "m": 4}},
         "prune.pattern.n must be below prune.pattern.m (4), got 5"),
        ({"pattern": {"n": 0, "m": 4}}, "prune.pattern.n must be >= 1, got 0"),
        ({"pattern": {"n": 1, "m": 0}}, "prune.pattern.m must be >= 1, got 0"),
        ({"pattern": {"n": True, "m": 4}}, "prune.pattern.n must be a number, got True"),
        ({"pattern": {"n": 1.5, "m": 4}}, "prune.pattern.n must be a whole number, got 1.5"),
        ({"pattern": {"n": 2, "m": 10**6}}, "prune.pattern.m must be <= 1024, got 1000000"),
        ({"pattern": {"n": 2}}, "prune.pattern.m must be given, got nothing"),
        ({"pattern": {**TWO_OF_FOUR, "k": 1}},
         "prune.pattern.k must be a known key, got 1; known are n, m"),
        ({"pattern": "2:4"}, "prune.pattern must be a mapping, got '2:4'"),
        ({"pattern": TWO_OF_FOUR, "structure": "filters"},
         "prune.pattern must be absent under prune.structure filters, as it is one of single"
         " weights, got {n: 2, m: 4}"),
        ({"sparsity": 0.5, "structure": "2:4"}, "prune.structure must be 'weights', 'filters',"
         " 'blocks', 'rows', 'columns', 'heads' or 'hidden', got '2:4'"),
        ({"sparsity": 0.5, "structure": "blocks"},
         "prune.block must be given under prune.structure blocks, got nothing"),
        ({"sparsity": 0.5, "structure": "blocks", "block": {"rows": 4}},
         "prune.block.columns must be given, got nothing"),
        ({"sparsity": 0.5, "structure": "blocks", "block": {"rows": 4, "columns": 0}},
         "prune.block.columns must be >= 1, got 0"),
        ({"sparsity": 0.5, "structure": "blocks", "block": {"rows": 4, "columns": 4096}},
         "prune.block.columns must be <= 1024, got 4096"),
        ({"sparsity": 0.5, "structure": "blocks", "block": 4},
         "prune.block must be a mapping, got 4"),
    ],
)  # fmt: skip
def test_refusals(prune: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        config(**prune)
    assert str(refused.value) == sentence
