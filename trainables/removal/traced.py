"""The operations of one forward, as torch's export writes them down: no memory is changed in it."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from trainables.pruning.work import Inputs


class NotTraced(ValueError):
    """A network whose forward cannot be written down; the message says what torch said."""


@dataclass(frozen=True)
class Trace:
    """The nodes of a forward in order, and by placeholder the parameter or buffer it stands for."""

    nodes: tuple[Node, ...]
    names: dict[str, str]


def traced(model: nn.Module, inputs: Inputs) -> Trace:
    """Return the operations of a model's forward in evaluation mode; NotTraced where torch cannot.

    The model and the random generators stay as they are.
    """
    args, kwargs = as_arguments(inputs)
    try:
        with quiet(), _evaluation(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
            program = torch.export.export(model, args, kwargs).run_decompositions({})
    except Exception as error:  # whatever a user's forward or the tracer raises
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        raise NotTraced(f"torch.export cannot write its forward down: {reason}") from error
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    return Trace(tuple(program.graph.nodes), {str(k): str(v) for k, v in names.items()})


def as_arguments(inputs: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and named arguments that a forward gets."""
    if isinstance(inputs, Tensor):
        return (inputs,), {}
    if isinstance(inputs, tuple | list):
        return tuple(inputs), {}
    return (), dict(inputs)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to itself what torch's exporter logs and prints, such as half a graph, where it fails.

    What matters of it is in the error that it raises. That of torch 2.11 calls what torch 2.11
    deprecates.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            yield
    finally:
        logging.disable(before)


@contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while, without attention's fast path, which hides what is inside."""
    modes = [(module, module.training) for module in model.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        model.eval()
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, training in modes:
            module.training = training
