"""Backends run the network as torch does, and what is missing is one sentence."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from torch import Tensor, nn

from trainables.deploy import backends
from trainables.deploy.backends import BACKENDS, Backend, prepared, require_backends, versions
from trainables.deploy.int8 import int8_bytes, int8_weights
from trainables.trials.precision import as_trained, in_precision
from trainables.vocabulary.refusal import Refusal


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)).eval()


@pytest.mark.parametrize(
    "name",
    [
        "torch",
        pytest.param("onnxruntime", marks=pytest.mark.slow),
        pytest.param("openvino", marks=pytest.mark.slow),
    ],
)
def test_a_backend_gives_the_networks_outputs(name: str) -> None:
    if missing := [p for p in BACKENDS[name].packages if find_spec(p) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    model, image = small(), torch.randn(2, 1, 4, 4)
    [output] = prepared(name, model, (image,), {}, 1).run()
    assert torch.allclose(output, model(image), atol=1e-5)
    assert set(versions([name])) == set(BACKENDS[name].packages)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("torch", 0.02),
        pytest.param("compile", 0.02, marks=pytest.mark.lab),  # compiles C++
        pytest.param("onnxruntime", 0.1, marks=pytest.mark.slow),
    ],
)
def test_a_backend_runs_with_weights_in_int8(name: str, most: float) -> None:
    """Near to what single precision gives and not equal to it; rounded inputs add to that."""
    model, image = small(), torch.randn(2, 1, 4, 4)
    ready = prepared(name, model, (image,), {}, 1, int8=True)
    with torch.no_grad():
        expected = model(image)
        [output] = ready.run()
    apart = float((output - expected).abs().max() / expected.abs().max())
    assert ready.difference == pytest.approx(apart, rel=1e-3)
    assert 1e-5 < apart < most
    assert prepared("torch", model, (image,), {}, 1).difference == 0
    assert "torchao" not in versions([name]) and ("torchao" in versions([name], True)) == (
        name != "onnxruntime"
    )


def test_torch_computes_with_the_levels_that_an_export_holds() -> None:
    """Its linear layer keeps them; of its convolution the weights are what they stand for."""
    model = small()
    rounded = int8_weights(model)
    stored = in_precision(dict(model.state_dict()), "int8")
    assert torch.equal(rounded[3].weight.qdata, stored["3.weight"])  # type: ignore[index]
    assert torch.equal(rounded[0].weight, as_trained(stored)["0.weight"])  # type: ignore[index]
    # 4 x 9 and 3 x 16 levels, 4 + 3 scales, 4 + 3 biases
    assert int8_bytes(model) == 36 + 48 + 4 * (7 + 7)


def test_a_backend_without_int8_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = "--form quantised must run in torch or compile or onnxruntime, got --backend openvino"
    with pytest.raises(Refusal, match=rule):
        require_backends(["torch", "openvino"], "cpu", int8=True)
    there = backends.find_spec
    monkeypatch.setattr(backends, "find_spec", lambda n: None if n == "torchao" else there(n))
    require_backends(["torch", "onnxruntime"], "cpu")
    require_backends(["onnxruntime"], "cpu", int8=True)
    rule = r"--form quantised in torch needs torchao, which is not installed: .*study\[int8\]"
    with pytest.raises(Refusal, match=rule):
        require_backends(["torch"], "cpu", int8=True)


def test_a_missing_package_and_a_device_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"swift": Backend(backends._torch, ("no_such_package",), "swift")}
    monkeypatch.setattr(backends, "BACKENDS", {**BACKENDS, **broken})
    rule = r"--backend swift needs no_such_package, .* pip install 'bimp-study\[swift\]'"
    with pytest.raises(Refusal, match=rule):
        require_backends(["torch", "swift"], "cpu")
    local = {"local": Backend(backends._torch)}
    monkeypatch.setattr(backends, "BACKENDS", {**BACKENDS, **local})
    with pytest.raises(
        Refusal, match="--backend local must run on the CPU here, got --device cuda"
    ):
        require_backends(["local"], "cuda")


def test_a_backend_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(model: nn.Module, args: tuple[Tensor], kwargs: object, threads: int) -> backends.Run:
        return lambda: [model(*args) + 0.1]

    def failing(model: nn.Module, args: object, kwargs: object, threads: int) -> backends.Run:
        raise RuntimeError("no kernel for this\nand a trace")

    wrong_ones = {"wrong": Backend(wrong), "failing": Backend(failing)}  # type: ignore[arg-type]
    monkeypatch.setattr(backends, "BACKENDS", wrong_ones)
    image = torch.randn(2, 1, 4, 4)
    with pytest.raises(Refusal, match="--backend wrong must give the network's outputs"):
        prepared("wrong", small(), (image,), {}, 1)
    with pytest.raises(Refusal, match=r"failing cannot run the network: no kernel for this$"):
        prepared("failing", small(), (image,), {}, 1)
