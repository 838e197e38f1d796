"""Networks trained, pruned by filters and taken away, against what their trials recorded.

Each network is trained for a few epochs, its filters are pruned and what is left is retrained. Then
all of validation and test goes through it beside what was taken away: a state dict that plain
PyTorch reads, ONNX Runtime, the network without its zero filters, and that one in ONNX Runtime.

    python -m tests.trainables.deploy.round_trips [NAMES]
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from study.definition.locations import existing
from study.views.network import network_of
from tests.trainables.deploy.study_folders import own_trial, trained_trial
from trainables.deploy.agreement import TOLERANCE, Agreement, agreement_on
from trainables.deploy.calls import call_of
from trainables.deploy.graphs import graph_file, program_of
from trainables.deploy.package import state_file
from trainables.deploy.runtimes import RUNTIMES
from trainables.deploy.smaller import smaller
from trainables.deploy.trained import Trained
from trainables.removal import proved

LARGE_DIGITS: Final = """
from pathlib import Path

import torch
from trainables.datasets.digits import read
from trainables.tasks import InMemory, Splits

def large_digits() -> Splits:
    parts = []
    train, test = read("digits", Path())
    for images, places in ((train, slice(0, 600)), (train, slice(600, 800)), (test, slice(None))):
        pixels = torch.from_numpy(images.images[places]).float() / 16
        pixels = torch.nn.functional.interpolate(pixels, size=(32, 32)).repeat(1, 3, 1, 1)
        parts.append(InMemory.of(pixels, torch.from_numpy(images.labels[places])))
    return Splits(*parts)
"""
"""The digits with three channels of 32 x 32 pixels, as networks of torchvision want them."""

OWN_TASK: Final = "own task"
NETWORKS: Final[dict[str, dict[str, Any]]] = {
    "mlp": {"hidden": [32, 16]},
    "cnn": {"channels": [8, 16, 16]},
    "resnet20": {},
    "resnet56": {},
    "vgg16-bn": {},
    "torchvision/mobilenet_v3_small": {},
    OWN_TASK: {},
}
"""The networks by name, with parameters; the user's own has a depthwise convolution."""

SETTINGS: Final[dict[str, Any]] = {
    "dense": {"epochs": 3, "batch_size": 32, "lr": 0.05},
    "prune": {"sparsity": 0.5, "structure": "filters", "scope": "layer"},
    "retrain": {"schedule": "llr", "epochs": 1},
}
DEEP: Final[dict[str, Any]] = {
    "dense": {"epochs": 4, "batch_size": 32, "lr": 0.02},
    "retrain": {"schedule": "llr", "epochs": 3},
}
"""For networks that are at chance after fewer steps."""

SLOW_STATISTICS: Final[dict[str, Any]] = {
    "dense": {"epochs": 12, "batch_size": 16, "lr": 0.02},
    "retrain": {"schedule": "llr", "epochs": 8},
}
"""For networks whose BatchNorm goes by hundreds of steps, a hundredth of each."""

SMALL: Final[dict[str, Any]] = {
    "dense": {"epochs": 20, "batch_size": 16, "lr": 0.1},
    "retrain": {"schedule": "llr", "epochs": 5},
}
"""For 96 pictures."""


LONGER: Final = {
    "resnet56": DEEP,
    "vgg16-bn": DEEP,
    "torchvision/mobilenet_v3_small": SLOW_STATISTICS,
    OWN_TASK: SMALL,
}
"""Settings of networks that need more than `SETTINGS`."""


@dataclass(frozen=True)
class Row:
    """How one form of a network does on one part of the data.

    `recorded` and `right` of the `examples` are classified rightly, in the record and by this form.
    `ties` are examples whose two top logits lie within 1e-4, `otherwise` those among the others
    that are classified otherwise. `difference` is the largest one of an output, `share` the same of
    the largest output, or of 1 where that is less.
    """

    network: str
    form: str
    part: str
    examples: int
    recorded: int
    right: int
    ties: int
    otherwise: int
    difference: float
    share: float
    filters: int

    @property
    def equal(self) -> bool:
        """Whether the record is met to the image, and the outputs within their tolerance."""
        most = TOLERANCE if "ONNX" in self.form else proved.TOLERANCE
        met = abs(self.right - self.recorded) <= self.ties and not self.otherwise
        return met and self.share <= most


def trained_network(name: str, folder: Path, **settings: Any) -> Trained:
    """Train a network by name in a folder, and return it from its record."""
    settings = {**SETTINGS, **LONGER.get(name, {}), **settings}
    if name == OWN_TASK:
        record = own_trial(folder, **settings)
    elif name.startswith("torchvision/"):
        task = {"dataset": "my_task:large_digits", "model": {"name": name}}
        record = own_trial(
            folder, LARGE_DIGITS, "my_task:large_digits", (600, 200, 360), task=task,
            n_classes=10, **settings,
        )  # fmt: skip
    else:
        task = {"dataset": {"name": "digits", "n_train": 600},
                "model": {"name": name, **NETWORKS[name]}}  # fmt: skip
        record = trained_trial(folder, task, **settings)
    assert record.state == "done", record.message
    return network_of(*existing(str(folder)), record)


def round_trips(name: str, network: Trained) -> Iterator[Row]:
    """Return rows for every form and part of a network."""
    small = smaller(network)
    filters = sum(small.removal.plan.removed.values())
    forms: dict[str, Callable[..., list[Tensor]]] = {
        "state dict": _plain(network),
        "ONNX Runtime": _onnx(network),
        "removed": lambda *given: [small.network.model(*given)],
        "removed, ONNX Runtime": _onnx(small.network),
    }
    for form, run in forms.items():
        for part in network.parts:
            yield _row(name, form, agreement_on(network, part, run), filters)


def _plain(network: Trained) -> Callable[..., list[Tensor]]:
    state = torch.load(io.BytesIO(state_file(network.model.state_dict())), weights_only=True)
    model = network.task.model()
    model.load_state_dict(state)
    model.eval()
    return lambda *given: [model(*given)]


def _onnx(network: Trained) -> Callable[..., list[Tensor]]:
    call = call_of(network)
    data = graph_file(program_of(network.model, call, "onnx"), "onnx", call.names)
    return RUNTIMES["onnx"](network.model, data)


def _row(name: str, form: str, result: Agreement, filters: int) -> Row:
    recorded, right = (
        round(result.examples * each["accuracy"]) for each in (result.recorded, result.other)
    )
    ties = {tie.index for tie in result.ties}
    return Row(
        name, form, result.part, result.examples, recorded, right, len(ties),
        len(set(result.changed) - ties), result.largest, result.largest / max(1, result.scale),
        filters,
    )  # fmt: skip


def main() -> None:
    """Print a row for each network, form and part of the data."""
    print("| network | filters gone | form | part | right | recorded | of | near ties"
          " | otherwise | largest difference | of the largest output |")  # fmt: skip
    print(f"|{'---|' * 11}")
    for name in sys.argv[1:] or NETWORKS:
        with tempfile.TemporaryDirectory() as home:
            network = trained_network(name, Path(home) / "study")
            for row in round_trips(name, network):
                cells = (
                    row.network, row.filters, row.form, row.part, row.right, row.recorded,
                    row.examples, row.ties, row.otherwise, f"{row.difference:.1e}",
                    f"{row.share:.1e}",
                )  # fmt: skip
                print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
