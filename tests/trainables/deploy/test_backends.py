"""Backends run the network as torch does, and what is missing is one sentence."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from torch import Tensor, nn

from trainables.deploy import backends
from trainables.deploy.backends import BACKENDS, Backend, prepared, require_backends, versions
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
    [output] = prepared(name, model, (image,), {}, 1)()
    assert torch.allclose(output, model(image), atol=1e-5)
    assert set(versions([name])) == set(BACKENDS[name].packages)


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
