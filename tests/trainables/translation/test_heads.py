"""Trials that prune the Transformer's heads and hidden units: the same bits, d1, what is left."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.translation.test_trials import configured, tasks
from tests.trainables.translation.texts import texts
from tests.trainables.trials.plain import last_stage, run_trial, timeless
from tests.trainables.trials.test_procedure import interrupted, same
from trainables.config.chain import stage_chain
from trainables.config.trial import TrialConfig
from trainables.deploy.package import record_agreements
from trainables.deploy.smaller import smaller
from trainables.deploy.trained import trained
from trainables.deploy.weights import masked_weights
from trainables.files.trial_record import Record
from trainables.pruning.masks import dense_masks
from trainables.trials.cycle import prune_cycle

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

HEADS: dict[str, Any] = {"structure": "heads", "sparsity": 0.5, "cycles": 2}
"""Of 6 heads of 128 weights each one after the first cycle, three after the second."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return texts(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def calm(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    folder = tmp_path_factory.mktemp("heads")
    return folder, run_trial(configured(root, prune=HEADS), folder, tasks=tasks(root))


def heads_gone(weights: dict[str, Tensor], n_heads: int = 2) -> int:
    """How many heads are zero whole, their biases too; all others must be whole."""
    gone = 0
    for name in [n for n in weights if n.endswith("in_proj_weight")]:
        prefix = name.removesuffix("in_proj_weight")
        rows = torch.unflatten(weights[name], 0, (3, n_heads, -1)).flatten(2)
        biases = torch.unflatten(weights[f"{prefix}in_proj_bias"], 0, (3, n_heads, -1))
        columns = torch.unflatten(weights[f"{prefix}out_proj.weight"], 1, (n_heads, -1))
        for head in range(n_heads):
            parts = [rows[:, head], columns[:, head]]
            if not columns[:, head].any():
                assert not any(bool(part.any()) for part in (*parts, biases[:, head]))
                gone += 1
            else:
                assert all(bool(part.all()) for part in parts)
    return gone


def test_cycles_take_whole_heads(calm: tuple[Path, Record]) -> None:
    folder, record = calm
    assert record.state == "done"
    assert record.metrics["n_prunable"] == 6 * 128
    assert [cycle["sparsity"] for cycle in record.cycles] == [1 / 6, 3 / 6]
    assert [cycle["pruned_fraction"] for cycle in record.cycles] == pytest.approx([1 / 6, 2 / 5])
    assert record.config["prune"]["structure"] == "heads"
    assert heads_gone(dict(last_stage(folder, record).weights)) == 3
    uncut = record.provenance["uncut"]
    assert sorted(uncut) == sorted(
        f"{side}.layers.0.linear{n}.weight" for side in ("encoder", "decoder") for n in (1, 2)
    )
    assert all(record.layers[name] == 0 for name in uncut)


@pytest.mark.slow
@pytest.mark.parametrize("after", [26, 38])  # in either cycle
def test_resumed_it_ends_in_the_same_bits(
    root: Path, tmp_path: Path, calm: tuple[Path, Record], after: int
) -> None:
    config = configured(root, prune=HEADS)
    assert config.dense_steps < 26 < 38 < config.total_steps
    interrupted(config, tmp_path, tasks(root), after)
    again = run_trial(config, tmp_path, tasks=tasks(root))
    assert timeless(again) == timeless(calm[1])
    assert same(last_stage(tmp_path, again), last_stage(*calm))


@pytest.mark.parametrize("norm", [None, "prunable"])
def test_d1_by_hand(root: Path, norm: str | None) -> None:
    """Heads of entries 1 to 6; three of six go, the lesser one of each attention.

    Neither biases nor feed-forward weights are measured.
    """
    more = {} if norm is None else {"norm": norm}
    config = configured(
        root,
        prune={**HEADS, "cycles": 1},
        retrain={"schedule": "allr", "epochs": 2, **more},
    )
    loaded = tasks(root).loaded(config)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter.fill_(7.0)
        layers = [m for m in loaded.model.modules() if isinstance(m, nn.MultiheadAttention)]
        for layer, pair in zip(layers, ((1, 6), (5, 2), (3, 4)), strict=True):
            entries = torch.tensor(pair, dtype=torch.float32).repeat_interleave(4)
            layer.in_proj_weight.copy_(entries.repeat(3)[:, None].expand(24, 8))
            layer.out_proj.weight.copy_(entries.expand(8, 8))
    spec = stage_chain(config, 0)[1]
    pruned = prune_cycle(config, 0, spec, loaded, dense_masks(loaded.weights))
    d1 = math.sqrt((1 + 4 + 9) / (1 + 4 + 9 + 16 + 25 + 36)) / math.sqrt(0.5)
    assert pruned.metrics["d1"] == pytest.approx(d1, rel=1e-6)
    assert pruned.metrics["d1_prunable"] == pruned.metrics["d1"]
    assert pruned.metrics["pruned_fraction"] == 0.5
    biases = [layer.in_proj_bias for layer in layers]
    assert [bias[:8].tolist() for bias in biases] == [
        [0] * 4 + [7] * 4, [7] * 4 + [0] * 4, [0] * 4 + [7] * 4
    ]  # fmt: skip


def hidden(root: Path) -> TrialConfig:
    return configured(root, prune={"structure": "hidden", "sparsity": 0.5})


@pytest.mark.slow
def test_what_is_left_is_smaller_and_measures_the_same(
    root: Path, tmp_path: Path, calm: tuple[Path, Record]
) -> None:
    folder, record = calm
    network = trained(record, masked_weights(record, str(folder / "stages")), root)
    small = smaller(network)
    assert sum(small.removal.plan.removed_heads.values()) == 3
    assert not small.removal.plan.kept
    assert small.network.evaluate("test")["chrf"] == record.metrics["test_chrf"]
    assert small.multiply_adds[1] < small.multiply_adds[0]
    assert [a.largest for a in record_agreements(small.network)] == [0, 0]

    record = run_trial(hidden(root), tmp_path, tasks=tasks(root))
    assert record.metrics["sparsity"] == 0.5  # 8 of 16 units, of 16 weights each
    network = trained(record, masked_weights(record, str(tmp_path / "stages")), root)
    small = smaller(network)
    assert sum(small.removal.plan.removed.values()) == 8
    assert not small.removal.plan.kept
    assert small.network.evaluate("test")["chrf"] == record.metrics["test_chrf"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gmp", "dpf"])
def test_methods_that_prune_while_they_train(root: Path, tmp_path: Path, method: str) -> None:
    config = configured(
        root,
        method={"name": method, "interval": 1},
        prune={"structure": "heads", "sparsity": 0.5},
        dense={"lr": 0.01, "optimiser": "adamw", "weight_decay": 0},
        retrain=None,
        budget={"epochs": 4},
    )
    record = run_trial(config, tmp_path, tasks=tasks(root))
    assert (record.state, record.metrics["sparsity"]) == ("done", 0.5)
    assert heads_gone(dict(last_stage(tmp_path, record).weights)) == 3
