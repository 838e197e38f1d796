"""Weights in halves and in eight bits: by hand, the ends of the range, and what cannot be held."""

from __future__ import annotations

import pytest
import torch

from trainables.trials import precision
from trainables.trials.precision import PRECISIONS, as_trained, dequantised, in_precision, quantised
from trainables.vocabulary.refusal import Refusal


def test_eight_bits_by_hand() -> None:
    weight = torch.tensor([[1.275, -0.01, 0.0], [-25.5, 12.75, 0.3]])
    levels, scale = quantised("w", weight)
    assert levels.dtype == torch.int8
    assert levels.tolist() == [[127, -1, 0], [-128, 64, 2]]
    assert scale.tolist() == pytest.approx([0.01, 0.2])
    assert dequantised(levels, scale)[1].tolist() == pytest.approx([-25.6, 12.8, 0.4])


def test_eight_bits_are_those_of_torchao_s_linear_layers() -> None:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    linear = torch.nn.Linear(30, 7, bias=False)
    levels, scale = quantised("w", linear.weight.detach().clone())
    quantize_(model := torch.nn.Sequential(linear), Int8WeightOnlyConfig())
    theirs = model[0].weight
    assert torch.equal(levels, theirs.qdata)
    assert torch.equal(scale, theirs.scale.reshape(-1))
    assert torch.equal(dequantised(levels, scale), theirs.dequantize())


def test_a_convolution_has_one_scale_for_each_output() -> None:
    weight = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    levels, scale = quantised("w", weight)
    assert scale.shape == (4,) and levels.shape == weight.shape
    assert scale.tolist() == pytest.approx((weight.abs().amax((1, 2, 3)) / 127.5).tolist())
    rest = (dequantised(levels, scale) - weight).abs().amax((1, 2, 3))
    assert bool((rest <= scale * 0.5001).all())


def test_what_is_masked_stays_zero_in_every_precision() -> None:
    weight = torch.randn(5, 20, generator=torch.Generator().manual_seed(1))
    weight[:, ::3] = 0
    for name in PRECISIONS:
        state = as_trained(in_precision({"w": weight}, name))
        assert state["w"].dtype == torch.float32
        assert bool((state["w"][:, ::3] == 0).all())


def test_int8_leaves_vectors_and_counts_as_they_are() -> None:
    tensors = {"w": torch.eye(3), "b": torch.tensor([0.1, 1.0]), "n": torch.tensor(4)}
    stored = in_precision(tensors, "int8")
    assert stored.keys() == {"w", "w:scale", "b", "n"}
    assert stored["b"] is tensors["b"] and stored["n"] is tensors["n"]
    assert as_trained(stored).keys() == tensors.keys()
    halves = in_precision(tensors, "fp16")
    assert [halves[k].dtype for k in "wbn"] == [torch.float16, torch.float16, torch.int64]


def test_outputs_of_zeros_and_tensors_of_nothing() -> None:
    levels, scale = quantised("w", torch.tensor([[0.0, 0.0], [1e-45, 0.0]]))
    assert bool(scale.isfinite().all())
    assert dequantised(levels, scale).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    levels, scale = quantised("w", torch.zeros(3, 0))
    assert (levels.shape, scale.tolist()) == ((3, 0), [1.0, 1.0, 1.0])


def test_without_torchao_int8_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "find_spec", lambda _: None)
    assert precision.available() == ("fp32", "fp16")
    precision.require_precision("fp16")
    with pytest.raises(Refusal, match=r"--precision int8 needs torchao, which is not installed"):
        precision.require_precision("int8")


def test_what_a_precision_cannot_hold() -> None:
    fits, larger = torch.tensor([65504.0]), torch.tensor([1e5, 1.0])
    assert in_precision({"w": fits}, "fp16")["w"].item() == 65504
    with pytest.raises(
        Refusal, match="--precision must hold every weight, got fp16 for w up to 100000"
    ):
        in_precision({"w": larger}, "fp16")
    with pytest.raises(Refusal, match="got int8 for w with infinities"):
        in_precision({"w": torch.tensor([[torch.inf]])}, "int8")
