"""What runs a network: torch itself, its compiler, ONNX Runtime, OpenVINO."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from trainables.vocabulary.refusal import Refusal

Args = tuple[Any, ...]
Run = Callable[[], Sequence[Tensor]]
"""One call on the inputs that it was prepared with; returns the tensors of the output in order."""


@dataclass(frozen=True)
class Backend:
    """How a network is made ready: `prepare(model, args, kwargs, threads)`.

    `packages` are what it needs, which the project's extra `extra` brings; `gpu` whether it runs
    where torch's CUDA does.
    """

    prepare: Callable[[nn.Module, Args, dict[str, Any], int], Run]
    packages: tuple[str, ...] = ("torch",)
    extra: str = ""
    gpu: bool = False


def require_backends(names: Sequence[str], device: str) -> None:
    """Refuse a backend whose packages are not installed, or that does not run on the device."""
    for name in names:
        backend = BACKENDS[name]
        missing = [package for package in backend.packages if find_spec(package) is None]
        if missing:
            install = f"pip install 'bimp-study[{backend.extra}]'"
            rule = f"--backend {name} needs {', '.join(missing)}, which is not installed"
            raise Refusal(f"{rule}: {install}")
        if device != "cpu" and not backend.gpu:
            raise Refusal(f"--backend {name} must run on the CPU here, got --device {device}")


def prepared(name: str, model: nn.Module, args: Args, kwargs: dict[str, Any], threads: int) -> Run:
    """Return a network ready to run in a backend, its outputs those of torch.

    Refusal where the backend cannot take it, or gives something else.
    """
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # exporters and compilers warn of their own parts
        expected = _torch(model, args, kwargs, threads)()
        try:
            run = BACKENDS[name].prepare(model, args, kwargs, threads)
            outputs = run()
        except Exception as error:  # whatever an exporter, a compiler or a runtime raises
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = lines[0] if lines else type(error).__name__
            raise Refusal(f"--backend {name} cannot run the network: {reason}") from error
    if not _alike(expected, outputs):
        raise Refusal(f"--backend {name} must give the network's outputs, got others")
    return run


def _alike(expected: Sequence[Tensor], outputs: Sequence[Tensor]) -> bool:
    if [t.shape for t in expected] != [t.shape for t in outputs]:
        return False
    return all(
        torch.allclose(a.double().cpu(), b.double().cpu(), rtol=1e-3, atol=1e-3 * _scale(a))
        for a, b in zip(expected, outputs, strict=True)
    )


def _scale(tensor: Tensor) -> float:
    return float(tensor.double().abs().max()) if tensor.numel() else 0.0


def versions(names: Sequence[str]) -> dict[str, str]:
    """Return the versions of what some backends need."""
    packages = dict.fromkeys(p for name in names for p in BACKENDS[name].packages)
    return {package: version(package) for package in packages}


def _tensors(output: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]


def _torch(model: Callable[..., Any], args: Args, kwargs: dict[str, Any], _threads: int) -> Run:
    return lambda: _tensors(model(*args, **kwargs))


def _compiled(model: nn.Module, args: Args, kwargs: dict[str, Any], threads: int) -> Run:
    return _torch(torch.compile(model, dynamic=False), args, kwargs, threads)


def _onnx(model: nn.Module, args: Args, kwargs: dict[str, Any]) -> bytes:
    with torch.no_grad():
        program = torch.export.export(model, args, kwargs)
        exported = torch.onnx.export(program, dynamo=True, verbose=False)
    assert exported is not None
    return bytes(exported.model_proto.SerializeToString())


def _onnxruntime(model: nn.Module, args: Args, kwargs: dict[str, Any], threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        _onnx(model, args, kwargs), options, providers=["CPUExecutionProvider"]
    )
    names = [entry.name for entry in session.get_inputs()]
    arrays = [tensor.numpy() for tensor in _tensors((args, kwargs))]
    feed = dict(zip(names, arrays, strict=True))
    return lambda: [torch.from_numpy(output) for output in session.run(None, feed)]


def _openvino(model: nn.Module, args: Args, kwargs: dict[str, Any], threads: int) -> Run:
    import openvino

    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # not bfloat16 where the processor has it
        "PERFORMANCE_HINT": "LATENCY",
    }
    graph = core.read_model(_onnx(model, args, kwargs), b"")
    request = core.compile_model(graph, "CPU", options).create_infer_request()
    arrays = [tensor.numpy() for tensor in _tensors((args, kwargs))]

    def run() -> list[Tensor]:
        results = request.infer(arrays, share_inputs=True, share_outputs=True)
        return [torch.from_numpy(results[at]) for at in range(len(results))]

    return run


BACKENDS: Final[dict[str, Backend]] = {
    "torch": Backend(_torch, gpu=True),
    "compile": Backend(_compiled, gpu=True),
    "onnxruntime": Backend(_onnxruntime, ("onnx", "onnxscript", "onnxruntime"), "onnx"),
    "openvino": Backend(_openvino, ("onnx", "onnxscript", "openvino"), "openvino"),
}
