"""Hidden units and heads of the Transformer that are masked are taken out, and nothing changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.trainables.translation.texts import parallel, texts
from trainables.pruning.prunable import prunable
from trainables.pruning.work import work_of
from trainables.removal.proved import without_zero_filters


@pytest.mark.slow
def test_masked_heads_and_hidden_units_go(tmp_path: Path) -> None:
    task = parallel(texts(tmp_path), beam=1)
    torch.manual_seed(0)
    network = task.model().eval()
    layer = network.decoder.layers[0]  # type: ignore[index, union-attr]
    attention, width, dim = layer.multihead_attn, 8, 4
    assert isinstance(attention, nn.MultiheadAttention)
    with torch.no_grad():
        for part in range(3):  # of two heads the second
            attention.in_proj_weight[part * width + dim : (part + 1) * width] = 0
        layer.linear1.weight[3:5] = 0
        layer.linear1.bias[3:5] = 0
    val = task.splits().val
    batches = [task.collate([val[0], val[1]])]
    removal = without_zero_filters(task, network, task.example(), batches)
    smaller = removal.model
    assert removal.plan.removed_heads == {"decoder.layers.0.multihead_attn": 1}
    assert smaller.decoder.layers[0].linear1.weight.shape == (6, 8)  # type: ignore[index, union-attr]
    before, after = (
        work_of(prunable(model, task.prunable), task.example()).total
        for model in (network, smaller)
    )
    # 16 tokens each way: two hidden units in and out, a head's queries and outputs, keys and values
    assert before - after == 16 * (2 * 2 * width + 2 * dim * width + 2 * dim * width)
