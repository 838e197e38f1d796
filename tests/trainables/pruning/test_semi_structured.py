"""2:4 in the form of sparse tensor cores: what qualifies, what is refused, and the same outputs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainables.formulas.structures import Structure
from trainables.pruning.masks import apply_, dense_masks
from trainables.pruning.prunable import prunable
from trainables.pruning.ranking import prune
from trainables.pruning.semi_structured import is_two_of_four, semi_structured_


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0, 1, 0, 2], [3, 4, 0, 0]], True),
        ([[0, 0, 0, 0], [0, 1, 0, 0]], True),
        ([[1, 1, 0, 1], [0, 0, 0, 0]], False),
        ([[0, 1, 1, 0, 1, 1]], False),  # four does not divide six
        ([[1, 0, 0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 0, 1, 0, 1]], True),
    ],
)
def test_what_is_two_of_four(rows: list[list[float]], expected: bool) -> None:
    assert is_two_of_four(torch.tensor(rows)) is expected


def test_a_convolution_is_none() -> None:
    assert not is_two_of_four(torch.zeros(2, 4, 1, 1))


def test_a_model_on_the_cpu_is_refused() -> None:
    model = nn.Sequential(nn.Linear(64, 32)).half()
    rule = r"0\.weight must be on a CUDA device in float16 or bfloat16 .*, got torch.float16 on cpu"
    with pytest.raises(ValueError, match=rule):
        semi_structured_(model)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_outputs_are_those_of_the_masked_network() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 64), nn.Linear(64, 10))
    weights = prunable(model).without(["3.weight"])
    masks = prune(
        weights, dense_masks(weights), zeros=(128 * 256 + 256 * 64) // 2,
        structure=Structure("n:m", pattern=(2, 4)), scope="global", criterion="magnitude",
    )  # fmt: skip
    apply_(model, masks)
    model.cuda().half().eval()
    x = torch.randn(64, 128, device="cuda", dtype=torch.float16)
    with torch.inference_mode():
        expected = model(x)
    assert semi_structured_(model) == ("0.weight", "2.weight")
    with torch.inference_mode():
        torch.testing.assert_close(model(x), expected, rtol=1e-2, atol=1e-2)
