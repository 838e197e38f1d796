"""Multiply-adds by weight: by hand for every way to use a weight, and against torch's counter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from trainables.pruning.prunable import prunable, trained_weights
from trainables.pruning.work import Work, call, moved, work_of


def work(model: nn.Module, *inputs: Any) -> Work:
    return work_of(prunable(model, trained_weights), inputs)


class Model(nn.Module):
    """Layers, and a function for the forward."""

    def __init__(self, forward: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._run = [forward]

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._run[0](self, *inputs)


L34 = {"a": nn.Linear(3, 4)}

USES: dict[str, tuple[Model, tuple[Tensor, ...], dict[str, int]]] = {
    "F.linear": (Model(lambda m, x: functional.linear(x, m.a.weight), **L34),
                 (torch.zeros(1, 5, 3),), {"a.weight": 60}),
    "a vector": (Model(lambda m, x: functional.linear(x, m.a.weight), **L34),
                 (torch.zeros(3),), {"a.weight": 12}),
    "matmul": (Model(lambda m, x: x @ m.a.weight.t(), **L34), (torch.zeros(2, 3),),
               {"a.weight": 24}),
    "einsum": (Model(lambda m, x: torch.einsum("bti,oi->bto", x, m.a.weight), **L34),
               (torch.zeros(1, 5, 3),), {"a.weight": 60}),
    "einsum by heads": (
        Model(lambda m, x: torch.einsum("bti,hdi->bhtd", x, m.a.weight.view(2, 2, 3)), **L34),
        (torch.zeros(1, 5, 3),), {"a.weight": 60}),
    "a copy": (Model(lambda m, x: x @ m.a.weight.t().contiguous(), **L34), (torch.zeros(2, 3),),
               {"a.weight": 24}),
    "double precision": (Model(lambda m, x: x.double() @ m.a.weight.double().t(), **L34),
                         (torch.zeros(2, 3),), {"a.weight": 24}),
    "scaled": (Model(lambda m, x: x @ (2 * m.a.weight / m.a.weight.norm()).t(), **L34),
               (torch.zeros(2, 3),), {"a.weight": 24}),
    "masked": (
        Model(lambda m, x: x @ torch.where(m.a.weight.abs() > 0.1, m.a.weight, 0.0).t(), **L34),
        (torch.zeros(2, 3),), {"a.weight": 24}),
    "masked by a buffer": (Model(lambda m, x: x @ (m.a.weight * m.mask.weight).t(), **L34,
                                 mask=nn.Embedding(4, 3)), (torch.zeros(2, 3),), {"a.weight": 24}),
    "rows in another order": (
        Model(lambda m, x: x @ m.a.weight[torch.arange(3, -1, -1)].t(), **L34),
        (torch.zeros(2, 3),), {"a.weight": 24}),
    "added to as large an activation": (
        Model(lambda m, x: m.b(x + m.a.weight), **L34, b=nn.Linear(3, 2)),
        (torch.zeros(4, 3),), {"a.weight": 0, "b.weight": 24}),
    "half of it": (Model(lambda m, x: x @ m.a.weight[:2].t(), **L34), (torch.zeros(1, 3),),
                   {"a.weight": 6}),
    "standardised": (
        Model(lambda m, x: functional.conv2d(x, m.a.weight - m.a.weight.mean((1, 2, 3), True)),
              a=nn.Conv2d(2, 3, 3)),
        (torch.zeros(1, 2, 5, 5),), {"a.weight": 54 * 9}),
    "a bias alone": (Model(lambda m, x: x + m.a.bias, **L34), (torch.zeros(1, 4),),
                     {"a.weight": 0}),
    "depthwise": (Model(lambda m, x: m.a(x), a=nn.Conv2d(4, 8, 3, groups=4, padding=1)),
                  (torch.zeros(1, 4, 5, 6),), {"a.weight": 72 * 30}),
    "transposed in groups": (
        Model(lambda m, x: m.a(x), a=nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2)),
        (torch.zeros(1, 4, 5, 3),), {"a.weight": 108 * 15}),
    "two inputs": (Model(lambda m, x, y: m.a(x) + m.b(y), a=nn.Linear(3, 4), b=nn.Linear(2, 4)),
                   (torch.zeros(2, 3), torch.zeros(2, 2)), {"a.weight": 24, "b.weight": 16}),
    "tied in a function": (
        Model(lambda m, x: functional.linear(m.a(x), m.a.weight.t()), **L34),
        (torch.zeros(1, 3),), {"a.weight": 24}),
    "indices made inside": (
        Model(lambda m, x: m.a(x[:, torch.arange(x.shape[1] - 1, -1, -1)]), **L34),
        (torch.zeros(1, 3),), {"a.weight": 12}),
    "a branch on a value": (Model(lambda m, x: m.a(x) if x.sum() < 1 else x, **L34),
                            (torch.zeros(1, 3),), {"a.weight": 12}),
    "NumPy in between": (
        Model(lambda m, x: m.a(torch.from_numpy(np.asarray(x.numpy() + 1))), **L34),
        (torch.zeros(1, 3),), {"a.weight": 12}),
}  # fmt: skip


@pytest.mark.parametrize("use", USES)
def test_every_use_of_a_weight_by_hand(use: str) -> None:
    model, inputs, expected = USES[use]
    assert work(model, *inputs).counts == expected


def test_a_forward_for_numbers_leaves_the_model_as_it_was() -> None:
    model = Model(lambda m, x: m.a(m.drop(x)) if x.sum() < 1 else x, **L34, drop=nn.Dropout())
    model.train()
    model.a.eval()
    state = torch.get_rng_state()
    assert work(model, torch.zeros(1, 3)).counts == {"a.weight": 12}
    assert [m.training for m in (model, model.a, model.drop)] == [True, False, True]
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_a_fault_of_the_network_is_its_own() -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        work(Model(lambda m, x: m.a(x), **L34), torch.zeros(1, 4))


# --- attention ---


@pytest.mark.parametrize("train", [True, False])
def test_attention_counts_its_projections_and_no_products_of_activations(train: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).train(train)
    n, found = 5, work(layer, torch.zeros(1, 5, 8))
    assert found.counts == {
        "self_attn.in_proj_weight": n * 3 * 64,
        "self_attn.out_proj.weight": n * 64,
        "linear1.weight": n * 128,
        "linear2.weight": n * 128,
    }
    assert found.order == tuple(found.counts)


def test_chunks_of_packed_projections_count_where_they_are_used() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    queries, memory = torch.zeros(1, 3, 8), torch.zeros(1, 7, 8)
    assert work(attention, queries, memory, memory).counts == {
        "in_proj_weight": 3 * 64 + 2 * 7 * 64,
        "out_proj.weight": 3 * 64,
    }


def test_projections_of_other_widths() -> None:
    attention = nn.MultiheadAttention(8, 2, kdim=4, vdim=6, batch_first=True)
    inputs = torch.zeros(1, 3, 8), torch.zeros(1, 5, 4), torch.zeros(1, 5, 6)
    assert work(attention, *inputs).counts == {
        "q_proj_weight": 3 * 64,
        "k_proj_weight": 5 * 32,
        "v_proj_weight": 5 * 48,
        "out_proj.weight": 3 * 64,
    }


# --- forms of inputs ---


@dataclasses.dataclass
class Batch:
    words: Tensor
    name: str = "x"


INPUTS = {"x": torch.zeros(1, 3), "more": [torch.ones(1, 3), 2]}


def test_inputs_by_name() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 4)

        def forward(self, *, x: Tensor, more: Any) -> Tensor:
            result: Tensor = self.a(x + more[0] * more[1])
            return result

    model = Named()
    assert work_of(prunable(model, trained_weights), INPUTS).counts == {"a.weight": 12}
    assert torch.equal(call(model, INPUTS), model.a(torch.full((1, 3), 2.0)))


def test_every_tensor_of_a_batch_is_moved_and_its_form_kept() -> None:
    batch = {"a": (torch.zeros(2), [Batch(torch.ones(1)), 3]), "b": None}
    result = moved(batch, lambda tensor: tensor + 1)
    assert torch.equal(result["a"][0], torch.ones(2))
    assert result["a"][1] == [Batch(torch.tensor([2.0])), 3]
    assert result["b"] is None
    assert isinstance(result["a"], tuple)


# --- against torch's own counter ---


def of_weights(model: nn.Module, *inputs: Tensor) -> int:
    """Half of what torch's counter finds in products with weights, on the meta device."""
    counter = FlopCounterMode(display=False)
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), counter:
            model.eval()(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
    aten = torch.ops.aten
    flops = counter.get_flop_counts()["Global"]
    return sum(flops.get(op, 0) for op in (aten.convolution, aten.mm, aten.addmm)) // 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("vit_b_32", 224),
        ("swin_t", 224),
        ("swin_v2_t", 256),
        ("maxvit_t", 224),
        ("mobilenet_v3_small", 224),
        ("shufflenet_v2_x0_5", 64),
        ("googlenet", 96),
        ("segmentation.deeplabv3_mobilenet_v3_large", 64),
        ("segmentation.deeplabv3_resnet50", 64),
        ("video.r3d_18", 32),
    ],
)
def test_torchvisions_networks_agree_with_torchs_counter(name: str, size: int) -> None:
    from torchvision import models

    build: Any = models
    for part in name.split("."):
        build = getattr(build, part)
    more = {} if "video" in name else {"weights": None}
    more |= {"weights_backbone": None} if "segmentation" in name else {}
    more |= {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        model = build(**more)
    shape = (1, 3, 4, size, size) if "video" in name else (1, 3, size, size)
    image = torch.empty(shape, device="meta")
    counted = work_of(prunable(model, trained_weights), image)
    unmet = {n for n, count in counted.counts.items() if not count}
    assert counted.total == of_weights(model, image)
    assert unmet == {n for n in counted.counts if n.startswith(("aux1", "aux2", "aux_classifier"))}


@pytest.mark.slow
def test_the_same_network_counted_with_and_without_numbers() -> None:
    from torchvision import models

    model = models.mobilenet_v3_small(weights=None, num_classes=7)
    weights = prunable(model, trained_weights)
    without = work_of(weights, torch.zeros(1, 3, 32, 32))

    def fails(_module: nn.Module, inputs: Any) -> None:
        inputs[0].max().item()

    model.register_forward_pre_hook(fails)
    assert work_of(weights, torch.zeros(1, 3, 32, 32)) == without
