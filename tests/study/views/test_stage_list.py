"""What a list of stages says of each in a few words."""

from __future__ import annotations

from typing import Any

import pytest

from study.views.stage_list import COLUMNS, Stages, stage_words, table
from tests.trainables.trials.plain import tiny
from trainables.config.chain import stage_chain


@pytest.mark.parametrize(
    ("prune", "words"),
    [
        ({"sparsity": 0.8}, "llr, sparsity 0.8"),
        ({"sparsity": 0.8, "structure": "rows"}, "llr, sparsity 0.8, structure rows"),
        (
            {"sparsity": 0.5, "pattern": {"n": 2, "m": 4}, "cycles": 2},
            "llr, sparsity 0.25, structure 2:4",
        ),
        (
            {"sparsity": 0.8, "structure": "blocks", "block": {"rows": 2, "columns": 4}},
            "llr, sparsity 0.8, structure blocks 2x4",
        ),
    ],
)
def test_a_cycle_says_what_is_removed_together(prune: dict[str, Any], words: str) -> None:
    chain = stage_chain(tiny(prune=prune, retrain={"epochs": 2}), 0)
    assert stage_words(chain[0].content) == "linear"
    assert stage_words(chain[1].content) == words


def test_a_table_of_stages_is_no_wider_than_its_terminal_and_names_what_it_leaves_out() -> None:
    row = dict.fromkeys(COLUMNS, "1") | {"stage": "0123456789abcdef", "kind": "dense"}
    row |= {"what": "linear, lr 0.1", "val_accuracy": 0.98765, "train_s": 1.5, "parent": None}
    columns = (*COLUMNS, "val_accuracy", "train_s", "parent")
    listing = Stages(columns, [row], "/store", 1, [])
    assert "not shown" not in table(listing)
    head, _, line, *notes = table(listing, 80).splitlines()
    assert head.split() == ["stage", "kind", "seed", "trials", "what", "val_accuracy"]
    assert "linear, lr 0.1" in line and "0.9877" in line
    assert max(map(len, [head, line, *notes])) <= 80
    assert " ".join(notes) == (
        "1 stage (1 dense) in /store 1 further stage in it: of other studies not shown, for want"
        " of room: cycle, state, epochs, dataset, model, train_s, parent; --format csv has them"
    )
