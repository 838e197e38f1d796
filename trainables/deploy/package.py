"""One exported file with the evidence that it holds what was measured."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trainables.deploy.agreement import (
    Agreement,
    agreement_on,
    require_agreement,
    require_record,
)
from trainables.deploy.calls import Call, call_of, tensors_in
from trainables.deploy.graphs import graph_file, program_of
from trainables.deploy.loading import GraphInput
from trainables.deploy.runtimes import RUNTIMES
from trainables.deploy.trained import Trained
from trainables.deploy.weights import MaskedWeights
from trainables.trials.precision import Precision, as_trained, in_precision
from trainables.trials.task_cache import load_weights_


@dataclass(frozen=True)
class GraphPackage:
    """The file of a graph, its inputs, and how it agrees with the network on every part."""

    data: bytes = field(repr=False)
    inputs: tuple[GraphInput, ...]
    agreements: tuple[Agreement, ...]


def graph_package(network: Trained, name: str) -> GraphPackage:
    """Return a network in one of `graphs.GRAPH_FORMATS`, run on all of its val and test data.

    Refusal where it cannot be exported, or does not compute the network's outputs, or the network
    itself not what its record says.
    """
    call = call_of(network)
    data = graph_file(program_of(network.model, call, name), name, call.names)
    runtime = RUNTIMES[name](network.model, data)
    agreements = []
    for part in network.parts:
        agreements.append(agreement_on(network, part, runtime))
        require_record(network, agreements[-1])
        require_agreement(agreements[-1], f"--format {name}")
    return GraphPackage(data, _inputs(call), tuple(agreements))


def _inputs(call: Call) -> tuple[GraphInput, ...]:
    tensors = tensors_in(call.args, call.kwargs)
    return tuple(
        GraphInput(name, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in zip(call.names, tensors, strict=True)
    )


def state_file(weights: Mapping[str, Tensor]) -> bytes:
    """Return a state dict as `torch.save` writes it; `torch.load(weights_only=True)` reads it."""
    sink = io.BytesIO()
    torch.save(dict(weights), sink)
    return sink.getvalue()


def record_agreements(network: Trained) -> tuple[Agreement, ...]:
    """Return how the rebuilt network agrees with its record on every part; Refusal as it says."""
    agreements = tuple(agreement_on(network, part) for part in network.parts)
    for agreement in agreements:
        require_record(network, agreement)
    return agreements


def metrics_in(
    network: Trained, weights: MaskedWeights, precisions: Sequence[Precision]
) -> dict[str, dict[str, float]]:
    """Return by precision what the network measures with its weights rounded to it.

    By full name, on val and test; computed in fp32 from the rounded weights.
    """
    return {p: _measured(network, _rounded(network, weights, p)) for p in precisions}


def _rounded(network: Trained, weights: MaskedWeights, precision: Precision) -> nn.Module:
    """A network of its own with weights rounded to a precision, in evaluation mode."""
    model = copy.deepcopy(network.model)
    load_weights_(model, as_trained(in_precision(weights.tensors, precision)))
    return model.eval()


def _measured(network: Trained, forward: Any) -> dict[str, float]:
    return {
        f"{part}_{name}": value
        for part in network.parts
        for name, value in network.evaluate(part, forward).items()
    }
