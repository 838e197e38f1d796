"""Networks that compute with weights in int8: torch's through torchao, ONNX Runtime's own.

torchao keeps int8 in linear layers, whose products take it; torch has no such convolution, so that
of these the weights are what their levels stand for, in single precision. ONNX Runtime computes
with int8 throughout: inputs of layers are rounded too, in ranges read off the inputs given.
"""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables.trials.precision import as_trained, in_precision, weight_only_
from trainables.trials.task_cache import load_weights_


@torch.inference_mode(False)
def int8_weights(model: nn.Module) -> nn.Module:
    """Return a copy of a network with its weights in int8, those of linear layers kept as such."""
    rounded, kept = copy.deepcopy(model), copy.deepcopy(model)
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    load_weights_(rounded, as_trained(in_precision(state, "int8", "--form quantised")))
    weight_only_(kept)
    for name, module in kept.named_modules():
        if isinstance(module, nn.Linear):
            rounded.get_submodule(name).weight = module.weight
    return rounded.eval()


def int8_bytes(model: nn.Module) -> int:
    """Return the bytes of a network's tensors in int8, with their scales."""
    tensors = {t.data_ptr(): (name, t.detach().cpu()) for name, t in model.state_dict().items()}
    return sum(t.nbytes for t in in_precision(dict(tensors.values()), "int8").values())


def int8_graph(data: bytes, inputs: Sequence[Tensor]) -> bytes:
    """Return an ONNX file with int8 weights, one scale for each output, and uint8 activations."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    graph = onnx.load_from_string(data)
    feed = {entry.name: t.numpy() for entry, t in zip(graph.graph.input, inputs, strict=True)}

    class Once(CalibrationDataReader):  # type: ignore[misc]
        """The inputs, one time."""

        def __init__(self) -> None:
            self._left: Iterator[Mapping[str, Any]] = iter([feed])

        def get_next(self) -> Mapping[str, Any] | None:
            return next(self._left, None)

    with tempfile.TemporaryDirectory(prefix="bimp-int8-") as folder, _quiet():
        target = Path(folder) / "int8.onnx"
        quantize_static(
            graph, str(target), Once(), per_channel=True,
            weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
        )  # fmt: skip
        return target.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """It advises a step that the exporter has done already."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
