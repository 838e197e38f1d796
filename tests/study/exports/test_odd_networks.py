"""Networks of users that exporters may trip over: equal, or refused with nothing written."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.study.conftest import Command
from tests.study.exports.conftest import card_of
from tests.trainables.deploy.study_folders import own_trial

SOURCE = """
import torch
from torch import nn
from trainables.tasks import Classification, InMemory, Splits


class Mine(Classification):
    def splits(self):
        draw = torch.Generator().manual_seed(0)
        parts = [InMemory.of(torch.randn(n, 4, generator=draw), torch.arange(n) % 3)
                 for n in (24, 12, 12)]
        return Splits(*parts)

    def model(self):
        return Net()

SCORES

class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class Net(nn.Module):
    def __init__(self):
        super().__init__()
LAYERS

    def forward(self, x):
BODY
"""

REAL_PARTS = """
    def score(self, model, batch):
        return super().score(lambda x: model(x).real, batch)

    def loss(self, model, batch):
        return super().loss(lambda x: model(x).real, batch)
"""


@dataclass(frozen=True)
class Odd:
    """A network of a user's, and how a form is refused: by its name the beginning of the reason."""

    layers: str
    body: str
    refusals: dict[str, str] = field(default_factory=dict)
    scores: str = ""

    @property
    def source(self) -> str:
        parts = {"LAYERS": self.layers, "BODY": self.body}
        text = SOURCE.replace("SCORES", self.scores)
        for word, lines in parts.items():
            text = text.replace(word, "\n".join(f"        {line}" for line in lines.split("; ")))
        return text


PLAIN = "self.first = nn.Linear(4, 8); self.last = nn.Linear(8, 3)"
NETWORKS = {
    "shared weights": Odd(
        "self.first = nn.Linear(4, 8); self.one = nn.Linear(8, 8); self.two = nn.Linear(8, 8);"
        " self.two.weight = self.one.weight; self.last = nn.Linear(8, 3)",
        "x = self.first(x).relu(); x = self.two(self.one(x).relu()).relu(); return self.last(x)",
    ),
    "control flow": Odd(
        PLAIN,
        "x = self.first(x).relu(); return self.last(x if x.sum() > 0 else -x)",
        {
            "onnx": "--format onnx cannot express the network: GuardOnDataDependentSymNode",
            "export": "--format export cannot express the network: GuardOnDataDependentSymNode",
            "removed": "torch.export cannot write its forward down: Could not guard on data",
        },
    ),
    "grouped and reshaped": Odd(
        "self.first = nn.Linear(4, 8); self.grouped = nn.Conv1d(8, 8, 1, groups=2);"
        " self.last = nn.Linear(8, 3)",
        "x = self.grouped(self.first(x).relu()[:, :, None]);"
        " return self.last(x.reshape(-1, 2, 4).transpose(1, 2).reshape(-1, 8).relu())",
        {"removed": "first keeps 6 zero filters: grouped.weight is a convolution in groups"},
    ),
    "a function of autograd": Odd(PLAIN, "return self.last(Doubled.apply(self.first(x).relu()))"),
    "complex outputs": Odd(
        PLAIN,
        "x = self.last(self.first(x).relu()); return torch.complex(x, 2 * x)",
        {"onnx": "what is exported must give outputs of [(12, 3)], got [(12, 3, 2)]"},
        REAL_PARTS,
    ),
}
FORMS: dict[str, tuple[str, ...]] = {
    "safetensors": (),
    "torch": ("--format", "torch"),
    "onnx": ("--format", "onnx"),
    "export": ("--format", "export"),
    "executorch": ("--format", "executorch"),
    "removed": ("--remove",),
}
FILTERS: dict[str, Any] = {"structure": "filters", "sparsity": 0.5, "scope": "layer"}


LAB = ("shared weights", "grouped and reshaped")
"""What the suite has no time for."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.lab if name in LAB else pytest.mark.slow)
        for name in NETWORKS
    ],
)
def test_it_is_equal_or_refused_with_nothing_written(
    name: str, tmp_path: Path, bimp: Command
) -> None:
    """Graphs and smaller networks are compared as they are written; weights are what is stored."""
    network, study = NETWORKS[name], tmp_path / "study"
    record = own_trial(study, network.source, "my_task:Mine", (24, 12, 12), prune=FILTERS)
    before = sorted(study.rglob("*"))
    for form, options in FORMS.items():
        file = tmp_path / form / "net"
        ended = bimp("export", study, "--trial", record.fingerprint, *options, "-o", file)
        assert sorted(study.rglob("*")) == before
        refusal = network.refusals.get(form)
        if form == "executorch" and find_spec("executorch") is None:
            refusal = "needs executorch, which is not installed"
        if refusal is None:
            assert (ended.status, ended.err) == (0, ""), (form, ended.err)
            card = card_of(file)
            assert card["bytes"] == file.stat().st_size
            assert all(a["largest"] <= a["allowed"] for a in card.get("agreements", ()))
            assert ("agreements" in card) == (form not in ("safetensors", "torch"))
        else:
            assert (ended.status, ended.out) == (2, ""), form
            assert ended.err.startswith("bimp: ") and ended.err.count("\n") == 1
            assert refusal in ended.err
            assert not file.parent.exists()
