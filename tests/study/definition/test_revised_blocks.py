"""A search over what was mended starts anew; what was asked for before is another block's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from study.definition.space import Block, blocks, spaces
from study.definition.studyfile import StudyFile
from trainables.config.catalog import METHODS
from trainables.config.chain import digest

RAW: dict[str, Any] = {
    "name": "mended",
    "task": {"dataset": "digits", "model": "cnn"},
    "dense": {"lr": {"choice": [0.05, 0.1]}},
    "budget": {"epochs": 8},
    "prune": {"sparsity": 0.9},
    "search": {"strategy": "optuna", "trials": 2, "objectives": {"val_accuracy": "max"}},
}


def block(**sections: Any) -> Block:
    (only,) = blocks(spaces(StudyFile.of({**RAW, **sections})))
    return only


def first(one: Block) -> str:
    """The key as it was when nothing had a revision."""
    sampled = {k: [d.kind, list(d.values)] for k, d in one.space.sampled.items()}
    return digest([one.space.fixed, one.cell, sampled])


FILTERS = {"sparsity": 0.9, "structure": "filters"}


@pytest.mark.parametrize(
    ("sections", "revised"),
    [
        ({"method": "dpf"}, True),
        ({"method": {"name": "dpf", "guard": False}}, True),
        ({"method": {"choice": ["gmp", "dpf"]}}, True),
        ({"method": {"choice": [{"name": "gmp"}, {"name": "dpf", "interval": 1}]}}, True),
        ({"method": "gmp"}, False),
        ({"method": "bimp"}, False),
        ({"method": "gmp", "prune": FILTERS}, False),
        ({"method": "bimp", "prune": FILTERS}, True),
        ({"method": "bimp", "prune": {**FILTERS, "structure": "rows"}}, False),
        (
            {
                "method": "bimp",
                "prune": {"sparsity": 0.9, "structure": {"choice": ["rows", "filters"]}},
            },
            True,
        ),
    ],
)
def test_the_key_of_a_block_holds_revisions(sections: dict[str, Any], revised: bool) -> None:
    one = block(**sections)
    assert (one.key != first(one)) == revised


def test_another_revision_is_another_block(monkeypatch: pytest.MonkeyPatch) -> None:
    key = block(method="dpf").key
    monkeypatch.setitem(METHODS, "dpf", replace(METHODS["dpf"], revision=3))
    assert block(method="dpf").key != key
