"""Trained weights that a task gives itself, under names such as `task:NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.trainables.tasks.conftest import Ask
from tests.trainables.tasks.test_checks import SOUND
from trainables.checkpoints.files import content_digest

GIVES = (
    SOUND
    + """
    def trained(self, name):
        torch.manual_seed(int(name))
        return Net(self.width).state_dict()
"""
)


def asked(ask: Ask, source: str, weights: Any, **more: Any) -> dict[str, Any]:
    return ask(source, **{"dense.recipe": {"weights": weights, **more}, "checkpoints": {}})


def test_what_a_task_gives_is_kept_in_files_by_its_content(ask: Ask, tmp_path: Path) -> None:
    kept = asked(ask, GIVES, ["task:3", "task:4", "task:3"])["looked_at"][0]["weights"]
    assert kept.keys() == {"task:3", "task:4"}
    path = Path(kept["task:3"]["file"])
    assert path.parent == tmp_path / "weights"
    assert kept["task:3"]["digest"] == content_digest(path, "dense.weights")
    torch.manual_seed(3)
    first = torch.nn.Linear(4, 8)
    assert torch.equal(load_file(path)["first.weight"], first.weight)
    again = asked(ask, GIVES, "task:3")["looked_at"][0]["weights"]
    assert again["task:3"]["digest"] == kept["task:3"]["digest"]
    assert kept["task:4"]["digest"] != kept["task:3"]["digest"]


@pytest.mark.parametrize(
    ("source", "weights", "sentence"),
    [
        (SOUND, "task:3", "dense.weights must name weights that the task gives in `trained`, got"
         " task:3, and no such method"),
        (GIVES, "task:x", "task.use: task:x must give its weights, got ValueError: inval"),
        (GIVES.replace("Net(self.width).state_dict()", "Net(self.width)"), "task:3",
         "task.use: trained must return tensors by name, got Net"),
        (GIVES.replace("Net(self.width).state_dict()", "{'a': 1}"), "task:3",
         "task.use: trained must return tensors by name, got int as 'a'"),
        (GIVES.replace("Net(self.width).state_dict()", "Net(self.width + 1).state_dict()"),
         "task:3", "dense.weights must fit the network: first.weight has the shape [8, 4], got"
         " [9, 4] in task:3"),
    ],
)  # fmt: skip
def test_weights_that_cannot_be_are_refused(
    ask: Ask, source: str, weights: str, sentence: str
) -> None:
    refusal = asked(ask, source, weights)["refusal"]
    assert refusal.startswith(sentence)
    assert "must fit" in sentence or "my_task.py" in refusal


def test_they_may_be_the_start_of_a_dense_run(ask: Ask) -> None:
    start = {"start": "task:3", "leave_out": ["head.*"]}
    answer = ask(GIVES, **{"dense.recipe": start, "checkpoints": {}})
    assert answer["looked_at"][0]["weights"].keys() == {"task:3"}
