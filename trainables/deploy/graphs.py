"""The network as a graph: torch.export's program, and what ONNX and ExecuTorch make of it.

A network that cannot be exported is refused with the operator that stands in the way.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

import torch
from torch import nn

from trainables.deploy.calls import Call
from trainables.removal.traced import quiet
from trainables.vocabulary.refusal import Refusal

Program = torch.export.ExportedProgram


@dataclass(frozen=True)
class GraphFormat:
    """A format that holds the network itself: its file's suffix, its writer, what that needs.

    `extra` is the optional extra of this project that brings `packages`; "" for none.
    """

    suffix: str
    write: Callable[[Program, Sequence[str]], bytes]
    packages: tuple[str, ...] = ()
    extra: str = ""


def require_packages(name: str) -> None:
    """Refuse a format whose packages are not installed."""
    entry = GRAPH_FORMATS[name]
    missing = [package for package in entry.packages if find_spec(package) is None]
    if missing:
        install = f"pip install 'bimp-study[{entry.extra}]'"
        raise Refusal(
            f"--format {name} needs {', '.join(missing)}, which is not installed: {install}"
        )


def program_of(model: nn.Module, call: Call, name: str) -> Program:
    """Return the network as torch.export traces it, every size that varies left open.

    Refusal, naming the operator or the line, where it cannot be traced.
    """
    if name == "executorch":
        require_batch_alone(call)
    with _refusing(name), _quiet(), torch.no_grad():
        shapes = call.dynamic_shapes(model, torch.export.Dim.DYNAMIC)
        return torch.export.export(model, call.args, call.kwargs, dynamic_shapes=shapes)


def require_batch_alone(call: Call) -> None:
    """Refuse inputs of which more than the first size varies."""
    if others := [n for n, dims in zip(call.names, call.dynamic, strict=True) if dims != (0,)]:
        raise Refusal(
            "--format executorch needs inputs of which the batch alone varies, the first size of"
            f" each, got other sizes of {others[0]}"
        )


def graph_file(program: Program, name: str, inputs: Sequence[str]) -> bytes:
    """Return the file of a program in one of `GRAPH_FORMATS`; Refusal as `program_of`.

    `inputs` are names of the input tensors, for formats that keep names.
    """
    with _refusing(name), _quiet():
        return GRAPH_FORMATS[name].write(program, inputs)


def _pt2(program: Program, _inputs: Sequence[str]) -> bytes:
    sink = io.BytesIO()
    torch.export.save(program, sink)
    return sink.getvalue()


def onnx_file(program: Program, inputs: Sequence[str] | None = None) -> bytes:
    """Return a program as an ONNX file; torch's exporter names inputs that are not named."""
    names = None if inputs is None else list(inputs)
    exported = torch.onnx.export(program, dynamo=True, verbose=False, input_names=names)
    assert exported is not None
    return bytes(exported.model_proto.SerializeToString())


def _executorch(program: Program, _inputs: Sequence[str]) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    return bytes(lowered.to_executorch().buffer)


GRAPH_FORMATS: Final[Mapping[str, GraphFormat]] = {
    "onnx": GraphFormat(".onnx", onnx_file, ("onnx", "onnxscript", "onnxruntime"), "onnx"),
    "export": GraphFormat(".pt2", _pt2),
    "executorch": GraphFormat(".pte", _executorch, ("executorch",), "executorch"),
}


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Within this context a fault of an exporter becomes one sentence with the operator."""
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        what = operator_in(error)
        subject = f"operator {what}" if what else "the network"
        reason = first_line(error)
        raise Refusal(f"--format {name} cannot express {subject}: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters warn of their own parts; what matters is checked afterwards."""
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_OPERATORS: Final = (
    re.compile(r"OpOverload\(op='([\w.]+)', overload='(\w+)'\)"),
    re.compile(r"<OpOverload\(op='([\w.]+)'"),
    re.compile(r"\b([a-z_]\w*(?:::|\.)[a-z_]\w*(?:\.\w+)?)\b(?= (?:operator|op)\b)"),
    re.compile(r"\b((?:aten|prims|torchvision|quantized|torchao)(?:::|\.)\w+(?:\.\w+)?)"),
)


def operator_in(error: BaseException) -> str | None:
    """Return the name of the operator that an exporter's error is about; None where it says none.

    The innermost cause that names one counts.
    """
    for cause in reversed(list(_causes(error))):
        for pattern in _OPERATORS:
            if match := pattern.search(str(cause)):
                return ".".join(part for part in match.groups() if part and part != "default")
    return None


def first_line(error: BaseException) -> str:
    """Return type and first line of the innermost cause of an error that says anything."""
    cause = [c for c in _causes(error) if str(c).strip()][-1:] or [error]
    lines = [line.strip() for line in str(cause[0]).splitlines() if line.strip()]
    text = f"{type(cause[0]).__name__}: {lines[0]}" if lines else type(cause[0]).__name__
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


_LONGEST: Final = 300


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from, the outermost first."""
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__
