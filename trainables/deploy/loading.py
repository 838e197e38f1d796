"""The lines of Python that load what was exported, and what they call of this project."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from trainables.code.import_path import ImportPath
from trainables.code.importing import importing_from
from trainables.code.loading import load
from trainables.code.reference import parse
from trainables.config.catalog import TORCHVISION_PREFIX
from trainables.config.sections import TaskChoice
from trainables.deploy.encodings import decoded
from trainables.deploy.trained import Trained
from trainables.networks.models import seeded, torchvision_arguments
from trainables.tasks.built_in import CatalogTask
from trainables.tasks.making import make_task
from trainables.trials.precision import as_trained

Shape = tuple[int, ...]

WEIGHT_FORMATS: Final = ("safetensors", "torch")
"""Formats that hold weights alone, so that the network must be built first."""


@dataclass(frozen=True)
class Form:
    """The shape of one input without the batch and the number of classes, where they are known."""

    in_shape: Shape | None = None
    n_classes: int | None = None


@dataclass(frozen=True)
class GraphInput:
    """One input of a graph: its name, its shape for two examples, its type as NumPy names it."""

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True)
class Package:
    """An exported file as its reader finds it: its name, format, and what its network is.

    `task` is the section of the record, `code` the folder with the copy of the user's code if it is
    theirs. `plain` says whether the file holds the tensors as the network loads them; `inputs` are
    those of a graph, in order; `smaller` says whether zero filters were taken out of the network,
    `heads` whether heads were.
    """

    file: str
    format: str
    task: Mapping[str, Any]
    form: Form
    code: str | None = None
    plain: bool = True
    inputs: Sequence[GraphInput] = ()
    smaller: bool = False
    heads: bool = False


def form_of(network: Trained) -> Form:
    """Return the form of a network: its example's where that is one tensor, its task's classes."""
    example = network.example
    task = network.task
    shape = tuple(example.shape[1:]) if isinstance(example, Tensor) else None
    return Form(shape, task.shape[1] if isinstance(task, CatalogTask) and shape else None)


def card_name(file: str) -> str:
    """Return the name of the JSON card beside an exported file."""
    return f"{file}.card.json"


def loading_lines(package: Package) -> list[str]:
    """Return lines of Python that load an exported file and run it once: ten at most.

    Of a network without its zero filters there are more: its layers are made smaller first.
    """
    return _LINES.get(package.format, _of_weights)(package)


def build_network(
    card: str | Path, code: str | Path | None = None, data_root: str | Path = "."
) -> nn.Module:
    """Return the network that a card describes, untrained, for `load_state_dict`.

    `code` is the folder of the study's copy of the user's code, where the network is theirs; it is
    imported. `data_root` is what a task's `root` is.
    """
    content = json.loads(Path(card).read_text(encoding="utf-8"))
    search = ImportPath([])
    if code is not None:
        importing_from(Path(code).absolute())
        search = ImportPath([Path(code).absolute()])
    task = make_task(
        TaskChoice.model_validate(content["configuration"]["task"]),
        Path(data_root),
        lambda key, name: load(parse(name, key), search),
        content.get("n_classes"),
    )
    return seeded(task.model, int(content["seed"]))


def read_weights(file: str | Path) -> dict[str, Tensor]:
    """Return the state that a network loads from a file of weights in any encoding and precision.

    Raises `encodings.EncodingError` where it is no such file.
    """
    return as_trained(decoded(Path(file).read_bytes()))


def _of_weights(package: Package) -> list[str]:
    name = repr(package.file)
    imports, read = {
        "torch": ("", f"torch.load({name}, weights_only=True)"),
        "safetensors": ("from safetensors.torch import load_file", f"load_file({name})"),
    }[package.format]
    if not package.plain:
        imports, read = (
            "from trainables.deploy.loading import read_weights",
            f"read_weights({name})",
        )
    own_import, build = _building(package)
    fitting = _resized(package, read) if package.smaller else [f"model.load_state_dict({read})"]
    return [
        *(["import json"] if package.smaller else []),
        "import torch",
        *filter(None, [imports]),
        own_import,
        *(["from trainables.removal.attention import with_heads"] if package.heads else []),
        "",
        f"model = {build}",
        *fitting,
        "model.eval()",
        *_once(package),
    ]


def _resized(package: Package, read: str) -> list[str]:
    """Lines that make a network as small as the weights in a file, and give it these."""
    return [
        f"with open({card_name(package.file)!r}) as card:",
        "    removal = json.load(card)['removal']",
        *(["with_heads(model, removal['plan']['heads'])"] if package.heads else []),
        "for name, sizes in removal['sizes'].items():",
        "    vars(model.get_submodule(name)).update(sizes)",
        f"for name, value in {read}.items():",
        "    owner, leaf = model.get_submodule(name.rpartition('.')[0]), name.rpartition('.')[2]",
        "    given = torch.nn.Parameter(value) if leaf in owner._parameters else value",
        "    setattr(owner, leaf, given)",
    ]


def _building(package: Package) -> tuple[str, str]:
    """An import, and the expression that builds the network."""
    task, form = package.task, package.form
    model = task.get("model", {})
    known = "use" not in task and ":" not in model["name"]
    if known and form.in_shape is not None and form.n_classes is not None:
        name = model["name"]
        parameters = {key: value for key, value in model.items() if key != "name"}
        if name.startswith(TORCHVISION_PREFIX):
            plain = name.removeprefix(TORCHVISION_PREFIX)
            given = {"num_classes": form.n_classes}
            given |= torchvision_arguments(plain, _image(form.in_shape))
            keywords = ", ".join(f"{key}={value!r}" for key, value in given.items())
            return "from torchvision import models", f"models.get_model({plain!r}, {keywords})"
        arguments = f"{name!r}, {tuple(form.in_shape)}, {form.n_classes}, {parameters!r}"
        return "from trainables.networks.models import build", f"build({arguments})"
    code = f", code={package.code!r}" if package.code else ""
    return (
        "from trainables.deploy.loading import build_network",
        f"build_network({card_name(package.file)!r}{code})",
    )


def _image(shape: Shape) -> tuple[int, int, int]:
    channels, height, width = shape
    return channels, height, width


def _once(package: Package) -> list[str]:
    """Lines that run the network on one input of zeros, where its shape is known."""
    if package.form.in_shape is None:
        return []
    shape = ", ".join(map(str, (1, *package.form.in_shape)))
    return [
        "with torch.no_grad():",
        f"    outputs = model(torch.zeros({shape}))",
        "print(outputs.shape)",
    ]


def _of_onnx(package: Package) -> list[str]:
    feed = ", ".join(f"{i.name!r}: numpy.zeros({i.shape}, {i.dtype!r})" for i in package.inputs)
    return [
        "import numpy",
        "import onnxruntime",
        "",
        f"session = onnxruntime.InferenceSession({package.file!r})",
        f"outputs = session.run(None, {{{feed}}})",
        "print([output.shape for output in outputs])",
    ]


def _of_program(package: Package) -> list[str]:
    return [
        "import torch",
        "",
        f"model = torch.export.load({package.file!r}).module()",
        "with torch.no_grad():",
        f"    outputs = model({_zeros(package)})",
        "print(outputs)",
    ]


def _of_executorch(package: Package) -> list[str]:
    return [
        "import torch",
        "from executorch.runtime import Runtime",
        "",
        f"method = Runtime.get().load_program({package.file!r}).load_method('forward')",
        f"outputs = method.execute([{_zeros(package)}])",
        "print([output.shape for output in outputs])",
    ]


def _zeros(package: Package) -> str:
    return ", ".join(f"torch.zeros({i.shape}, dtype=torch.{i.dtype})" for i in package.inputs)


_LINES: Final = {"onnx": _of_onnx, "export": _of_program, "executorch": _of_executorch}
