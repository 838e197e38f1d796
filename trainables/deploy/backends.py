"""What runs a network, as it is or in int8: torch, its compiler, ONNX Runtime, OpenVINO."""

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

from trainables.deploy.agreement import in_doubles
from trainables.deploy.graphs import onnx_file
from trainables.deploy.int8 import int8_graph, int8_weights
from trainables.deploy.runtimes import onnx_session
from trainables.trials.precision import QUANTISERS
from trainables.vocabulary.refusal import Refusal

Args = tuple[Any, ...]
Run = Callable[[], Sequence[Tensor]]
"""One call on the inputs that it was prepared with; returns the tensors of the output in order."""


Prepare = Callable[[nn.Module, Args, dict[str, Any], int], Run]
"""Makes a network ready: `prepare(model, args, kwargs, threads)`."""


@dataclass(frozen=True)
class Backend:
    """How a network is made ready, and with its weights in int8 where the backend can.

    `packages` are what it needs, which the project's extra `extra` brings, `int8_packages` what
    int8 needs besides; `gpu` whether it runs where torch's CUDA does.
    """

    prepare: Prepare
    packages: tuple[str, ...] = ("torch",)
    extra: str = ""
    gpu: bool = False
    int8: Prepare | None = None
    int8_packages: tuple[str, ...] = ()

    def needs(self, int8: bool) -> tuple[str, ...]:
        """Return the packages that it needs."""
        return (*self.packages, *(self.int8_packages if int8 else ()))


@dataclass(frozen=True)
class Ready:
    """A network that is ready to run.

    `difference` is the largest one of an output from torch's in single precision, as a share of
    the largest output.
    """

    run: Run
    difference: float


def require_backends(names: Sequence[str], device: str, int8: bool = False) -> None:
    """Refuse a backend whose packages are not installed, or that does not run on the device.

    Under `int8` also one that has no kernels for it.
    """
    for name in names:
        backend = BACKENDS[name]
        if int8 and backend.int8 is None:
            able = [known for known, record in BACKENDS.items() if record.int8 is not None]
            raise Refusal(f"--form quantised must run in {' or '.join(able)}, got --backend {name}")
        _require_packages(f"--backend {name}", backend.packages, backend.extra)
        if int8:
            _require_packages(f"--form quantised in {name}", backend.int8_packages, "int8")
        if device != "cpu" and not backend.gpu:
            raise Refusal(f"--backend {name} must run on the CPU here, got --device {device}")


def _require_packages(what: str, packages: Sequence[str], extra: str) -> None:
    if missing := [package for package in packages if find_spec(package) is None]:
        install = f"pip install 'bimp-study[{extra}]'"
        rule = f"{what} needs {', '.join(missing)}, which is not installed"
        raise Refusal(f"{rule}: {install}")


def prepared(
    name: str,
    model: nn.Module,
    args: Args,
    kwargs: dict[str, Any],
    threads: int,
    int8: bool = False,
) -> Ready:
    """Return a network ready to run in a backend, its outputs those of torch.

    Under `int8` with its weights in eight bits, and outputs near to torch's. Refusal where the
    backend cannot take it, or gives something else.
    """
    backend = BACKENDS[name]
    prepare = backend.int8 if int8 else backend.prepare
    assert prepare is not None
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # exporters and compilers warn of their own parts
        expected = _torch(model, args, kwargs, threads)()
        try:
            run = prepare(model, args, kwargs, threads)
            outputs = run()
        except Exception as error:  # whatever an exporter, a compiler or a runtime raises
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = lines[0] if lines else type(error).__name__
            raise Refusal(f"--backend {name} cannot run the network: {reason}") from error
    difference = _difference(expected, outputs)
    if not difference <= (_MOST_INT8 if int8 else _MOST):
        raise Refusal(f"--backend {name} must give the network's outputs, got others")
    return Ready(run, difference)


_MOST: Final = 1e-3
"""The largest difference of an output, of the largest, that other kernels may make."""

_MOST_INT8: Final = 1.0
"""The same where weights have eight bits: beyond it nothing of the output is left."""


def _difference(expected: Sequence[Tensor], outputs: Sequence[Tensor]) -> float:
    """The largest difference of an output, of the largest one; infinite for other shapes."""
    if [t.shape for t in expected] != [t.shape for t in outputs]:
        return torch.inf
    pairs = [in_doubles(a.cpu(), b.cpu()) for a, b in zip(expected, outputs, strict=True)]
    worst = 0.0
    for a, b in pairs:
        apart = float((a - b).abs().max()) if a.numel() else 0.0
        scale = float(a.abs().max()) if a.numel() else 0.0
        share = apart / scale if scale else (torch.inf if apart else 0.0)
        worst = max(worst, share) if share == share else torch.inf
    return worst


def versions(names: Sequence[str], int8: bool = False) -> dict[str, str]:
    """Return the versions of what some backends need."""
    packages = dict.fromkeys(p for name in names for p in BACKENDS[name].needs(int8))
    return {package: version(package) for package in packages}


def _tensors(output: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]


def _torch(model: Callable[..., Any], args: Args, kwargs: dict[str, Any], _threads: int) -> Run:
    return lambda: _tensors(model(*args, **kwargs))


def _compiled(model: nn.Module, args: Args, kwargs: dict[str, Any], threads: int) -> Run:
    return _torch(torch.compile(model, dynamic=False), args, kwargs, threads)


def _int8(model: nn.Module, args: Args, kwargs: dict[str, Any], threads: int) -> Run:
    return _torch(int8_weights(model), args, kwargs, threads)


def _int8_compiled(model: nn.Module, args: Args, kwargs: dict[str, Any], threads: int) -> Run:
    return _compiled(int8_weights(model), args, kwargs, threads)


def _onnx(model: nn.Module, args: Args, kwargs: dict[str, Any]) -> bytes:
    with torch.no_grad():
        return onnx_file(torch.export.export(model, args, kwargs))


def _onnxruntime(model: nn.Module, args: Args, kwargs: dict[str, Any], threads: int) -> Run:
    return _session(_onnx(model, args, kwargs), args, kwargs, threads)


def _onnxruntime_int8(model: nn.Module, args: Args, kwargs: dict[str, Any], threads: int) -> Run:
    data = int8_graph(_onnx(model, args, kwargs), _tensors((args, kwargs)))
    return _session(data, args, kwargs, threads)


def _session(data: bytes, args: Args, kwargs: dict[str, Any], threads: int) -> Run:
    session = onnx_session(data, threads)
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
    "torch": Backend(_torch, gpu=True, int8=_int8, int8_packages=QUANTISERS),
    "compile": Backend(_compiled, gpu=True, int8=_int8_compiled, int8_packages=QUANTISERS),
    "onnxruntime": Backend(
        _onnxruntime, ("onnx", "onnxscript", "onnxruntime"), "onnx", int8=_onnxruntime_int8
    ),
    "openvino": Backend(_openvino, ("onnx", "onnxscript", "openvino"), "openvino"),
}
