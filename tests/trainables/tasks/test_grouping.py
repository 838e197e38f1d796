"""Batches that a task forms: what they must be, and what that means for a trial."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainables.tasks.conftest import Ask
from tests.trainables.tasks.test_checks import SOUND
from trainables.config.chain import fingerprint, stage_chain
from trainables.config.trial import TrialConfig
from trainables.vocabulary.refusal import Refusal

PLACE = "    def model(self):\n        return Net(self.width)\n"


def grouped(groups: str) -> str:
    """The sound task of six items with batches of its own."""
    return SOUND.replace(PLACE, f"{PLACE}\n    def groups(self):\n        return {groups}\n")


def test_their_number_is_told(ask: Ask) -> None:
    told = ask(grouped("[[5, 0], [1], [2, 3, 4]]"))["looked_at"][0]["task"]
    assert told["findings"]["n_batches"] == 3
    assert ask(SOUND)["looked_at"][0]["task"]["findings"]["n_batches"] is None


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("[]", "give batches of one training item or more, got none"),
        ("[[0, 1, 2, 3, 4, 5], []]", "one training item or more, got batch 1 without any"),
        ("[[0, 1, 2], [2, 3, 4, 5]]", "have each of the 6 training items in one batch, got item 2"),
        ("[[0, 1, 2], [3, 4]]", "training items in one batch, got no item 5"),
        ("[[0, 1, 2], [3, 4, 5, 6]]", "training items in one batch, got item 6"),
        ("1 / 0", "must form batches, got ZeroDivisionError"),
    ],
)
def test_what_is_no_division_of_the_items_is_refused(ask: Ask, groups: str, message: str) -> None:
    refusal = ask(grouped(groups))["refusal"]
    assert message in refusal and "my_task.py" in refusal


def config(n_batches: int | None, **dense: Any) -> TrialConfig:
    return TrialConfig.of(
        {
            "task": {"use": "my_task:Mine"},
            "dense": {"epochs": 2, "lr": 0.1, **dense},
            "prune": {"sparsity": 0.5},
            "retrain": {"schedule": "llr", "epochs": 1},
            "compute": {"micro_batch": 64},
            "facts": {"n_train": 100, "n_val": 5, "n_batches": n_batches, "codes": {}},
        }
    )


def test_an_epoch_has_as_many_steps_as_batches() -> None:
    mine = config(7)
    assert (mine.steps_per_epoch, mine.dense_steps, mine.cycle_steps) == (7, 14, (7,))
    assert "batch_size" not in mine.resolved()["dense"]
    assert config(None, batch_size=65).steps_per_epoch == 2
    assert config(None, batch_size=65).resolved()["dense"]["batch_size"] == 65


def test_a_batch_size_beside_them_is_refused() -> None:
    with pytest.raises(Refusal, match=r"^dense\.batch_size must be absent for a task that forms"):
        config(7, batch_size=65)


def test_graphs_of_so_many_shapes_are_refused() -> None:
    with pytest.raises(Refusal, match=r"^compute\.compile must be false for a task that forms"):
        TrialConfig.of({**config(7).model_dump(mode="json"), "compute": {"compile": True}})


def test_lengths_are_hashed_in_steps() -> None:
    """As for any task: what the batches are hangs on the keywords and the files."""
    assert fingerprint(config(7), 0) != fingerprint(config(8), 0)
    assert stage_chain(config(7), 0)[0].steps == 14
