"""Files of graphs as forwards: what runs them takes the network's place in a task's `score`."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from trainables.deploy.calls import positional, tensors_in
from trainables.vocabulary.refusal import Refusal

Runtime = Callable[..., list[Tensor]]
"""Called as the network is; returns the tensors of its output in order."""


def onnx_session(data: bytes, threads: int | None = None) -> Any:
    """Return a session of an ONNX file on the CPU; `threads` where they are fixed."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def onnx_runtime(model: nn.Module, data: bytes) -> Runtime:
    """Return a runtime of an ONNX file, on the CPU."""
    session = onnx_session(data)
    names = [node.name for node in session.get_inputs()]

    def run(*args: Any, **kwargs: Any) -> list[Tensor]:
        tensors = tensors_in(*positional(model, args, kwargs))
        if len(tensors) != len(names):
            raise Refusal(
                f"--format onnx must keep the network's {len(tensors)} inputs, got {len(names)}"
            )
        feed = {n: t.detach().contiguous().numpy() for n, t in zip(names, tensors, strict=True)}
        return [torch.from_numpy(output) for output in session.run(None, feed)]

    return run


def program_runtime(model: nn.Module, data: bytes) -> Runtime:
    """Return a runtime of a file of torch.export, in plain PyTorch."""
    with warnings.catch_warnings():
        # torch 2.11 copies what it reads, and warns of itself before it does.
        warnings.filterwarnings("ignore", "The given buffer is not writable", UserWarning)
        module = torch.export.load(io.BytesIO(data)).module()

    def run(*args: Any, **kwargs: Any) -> list[Tensor]:
        ordered, named = positional(model, args, kwargs)
        leaves, _ = tree_flatten(module(*ordered, **named))
        return [leaf for leaf in leaves if isinstance(leaf, Tensor)]

    return run


def executorch_runtime(model: nn.Module, data: bytes) -> Runtime:
    """Return a runtime of an ExecuTorch file, on the CPU.

    ExecuTorch plans memory for so many examples as the file says: a larger batch goes in slices.
    """
    from executorch.runtime import Runtime as Machine

    method = Machine.get().load_program(data).load_method("forward")

    planned = method.metadata.input_tensor_meta(0).sizes()[0]

    def run(*args: Any, **kwargs: Any) -> list[Tensor]:
        inputs = tensors_in(*positional(model, args, kwargs))
        slices = [
            [tensor[start : start + planned] for tensor in inputs]
            for start in range(0, len(inputs[0]), planned)
        ]
        outputs = [[t.clone() for t in method.execute(part)] for part in slices]
        return [torch.cat(parts) for parts in zip(*outputs, strict=True)]

    return run


RUNTIMES: Final[Mapping[str, Callable[[nn.Module, bytes], Runtime]]] = {
    "onnx": onnx_runtime,
    "export": program_runtime,
    "executorch": executorch_runtime,
}
