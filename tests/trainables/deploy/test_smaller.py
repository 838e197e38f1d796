"""A network without heads and hidden units, from a trial's record to the lines that load it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from study.definition.locations import existing, readable_store_of
from tests.trainables.deploy.study_folders import own_trial
from trainables.code.copies import copy_name
from trainables.deploy.calls import call_of
from trainables.deploy.graphs import graph_file, program_of
from trainables.deploy.loading import Form, Package, card_name, loading_lines
from trainables.deploy.package import state_file
from trainables.deploy.runtimes import RUNTIMES
from trainables.deploy.smaller import smaller
from trainables.deploy.trained import Trained, trained
from trainables.deploy.weights import MaskedWeights, masked_weights
from trainables.files.trial_record import Record
from trainables.removal.attention import FewerHeads
from trainables.vocabulary.refusal import Refusal

SOURCE = """
import torch
from torch import nn
from trainables.tasks import Classification, InMemory, Splits


class Rows(Classification):
    def splits(self):
        draw = torch.Generator().manual_seed(0)
        parts = [InMemory.of(torch.randn(n, 4, 6, generator=draw), torch.arange(n) % 3)
                 for n in (24, 12, 12)]
        return Splits(*parts)

    def model(self):
        return Net()

    def removable(self, name, module):
        return True


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(6, 3, 8, dropout=0.0, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.block(x).mean(1))
"""
ATTENTION = "block.self_attn"


def without_a_head(weights: MaskedWeights) -> MaskedWeights:
    """The weights with all of the second head masked, and hidden units 0 and 5."""
    tensors, masks = dict(weights.tensors), dict(weights.masks)
    rows = [part * 6 + at for part in range(3) for at in (2, 3)]
    for name, axis, places in (
        (f"{ATTENTION}.in_proj_weight", 0, rows),
        (f"{ATTENTION}.out_proj.weight", 1, [2, 3]),
        ("block.linear1.weight", 0, [0, 5]),
    ):
        index = torch.tensor(places)
        masks[name] = masks[name].index_fill(axis, index, False)
        tensors[name] = tensors[name].index_fill(axis, index, 0.0)
    return MaskedWeights(tensors, masks)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one trial of a fifth of the weights, of no head the whole."""
    path = tmp_path_factory.mktemp("rows") / "study"
    own_trial(path, SOURCE, "my_task:Rows", (24, 12, 12), prune={"sparsity": 0.2})
    return path


def network_in(study: Path, change: Callable[[MaskedWeights], MaskedWeights]) -> Trained:
    """The trial's network with other weights."""
    folder, file = existing(str(study))
    [record] = folder.records().records
    weights = change(masked_weights(record, readable_store_of(file, folder)))
    return trained(record, weights, Path("/nonexistent"), code_of(study, record))


def code_of(study: Path, record: Record) -> Path:
    return study / copy_name(record.provenance["code"]["copy"])


def test_a_transformer_without_a_head_is_exported_and_loaded_by_its_lines(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = network_in(study, without_a_head)
    small = smaller(network)
    plain = small.plain()
    assert plain["heads"] == {ATTENTION: 1} and plain["filters"] == {"block.linear1": 2}
    assert plain["plan"]["heads"] == {ATTENTION: [0, 2]}
    assert plain["shapes"][f"{ATTENTION}.in_proj_weight"] == [12, 6]
    assert small.weights.masks[f"{ATTENTION}.in_proj_weight"].shape == (12, 6)
    assert small.weights.masks[f"{ATTENTION}.out_proj.weight"].shape == (6, 4)
    assert plain["multiply_adds"] < plain["multiply_adds_before"]
    for part in network.parts:
        assert small.network.evaluate(part) == pytest.approx(network.evaluate(part), rel=1e-5)
    card = {"configuration": network.record.config, "seed": 0, "removal": plain}
    (tmp_path / card_name("net.pt")).write_text(json.dumps(card))
    (tmp_path / "net.pt").write_bytes(state_file(small.weights.tensors))
    code = str(code_of(study, network.record))
    package = Package(
        "net.pt", "torch", network.record.config["task"], Form((4, 6), 3), code,
        smaller=True, heads=True,
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec("\n".join(loading_lines(package)), names)
    model = names["model"]
    assert isinstance(model.block.self_attn, FewerHeads)
    rows = torch.randn(5, 4, 6)
    with torch.no_grad():
        assert float((model(rows) - network.model(rows)).abs().max()) <= 1e-5
    call = call_of(small.network)
    graph = graph_file(program_of(small.network.model, call, "export"), "export", call.names)
    [exported] = RUNTIMES["export"](small.network.model, graph)(rows)
    assert float((exported - model(rows)).detach().abs().max()) <= 1e-5


def test_without_what_is_masked_whole_it_is_refused(study: Path) -> None:
    with pytest.raises(Refusal, match="--remove must leave a smaller network that is equal"):
        smaller(network_in(study, lambda weights: weights))


BLOCK = (
    SOURCE.replace(
        """    def removable(self, name, module):
        return True
""",
        """    def feed_forward(self, name, module):
        return ("one", "two") if name == "mlp" else None
""",
    )
    .replace(
        "self.block = nn.TransformerEncoderLayer(6, 3, 8, dropout=0.0, batch_first=True)",
        """self.mlp = nn.Sequential()
        self.mlp.add_module("one", nn.Linear(6, 10))
        self.mlp.add_module("act", nn.GELU())
        self.mlp.add_module("two", nn.Linear(10, 6))""",
    )
    .replace("self.block(x)", "self.mlp(x)")
)
"""The same with a feed-forward block of ten units of the user's own."""


@pytest.mark.parametrize(
    ("source", "structure", "n_prunable", "gone"),
    [
        (SOURCE, "heads", 4 * 6 * 6, {ATTENTION: 1}),
        (SOURCE, "hidden", 2 * 8 * 6, {"block.linear1": 4}),
        (BLOCK, "hidden", 2 * 10 * 6, {"mlp.one": 5}),
    ],
    ids=["heads", "hidden", "the user's own block"],
)
def test_what_a_trial_has_pruned_is_what_goes(
    source: str, structure: str, n_prunable: int, gone: dict[str, int], tmp_path: Path
) -> None:
    """A half of the units, or as many as fit in it: of three heads one."""
    prune = {"sparsity": 0.5, "structure": structure}
    record = own_trial(tmp_path / "study", source, "my_task:Rows", (24, 12, 12), prune=prune)
    assert (record.state, record.metrics["n_prunable"]) == ("done", n_prunable)
    network = network_in(tmp_path / "study", lambda weights: weights)
    small = smaller(network)
    plain = small.plain()
    assert (plain["heads"] or plain["filters"]) == gone and not plain["kept"]
    for part in network.parts:
        assert small.network.evaluate(part)["accuracy"] == record.metrics[f"{part}_accuracy"]
