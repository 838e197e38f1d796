"""Images per second of every method from scratch against the barest possible dense loop.

Each method trains in the project's loop at its defaults with a goal of .9, GMP and DPF behind their
last prune, where they have most to do; "dense" is that loop without a method. Batch 128, the same
tensors and optimiser for all. In every round each method is timed next to the bare loop, before it
or after it in turns, and the two make one ratio. Prints the medians of images per second, and of
the ratios with the order-statistic interval of the median. DPF chooses its masks anew in every 16th
step: the median of sides of one step, as on resnet56, leaves that out.

    python benchmarks/methods.py [--models cnn resnet56] [--methods gmp dst] [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics

import torch
from throughput import (
    BATCH,
    OPTIMISER,
    SHAPES,
    interval,
    task_of,
    time_bare,
    time_trainer,
)

from trainables.config.catalog import METHODS, resolve
from trainables.methods.hard_mask import HardMask
from trainables.methods.interface import Hooks, Setting
from trainables.networks import models
from trainables.pruning.masks import dense_masks
from trainables.training.loaded import LoadedTask
from trainables.training.trainer import Trainer

FROM_SCRATCH = [name for name, record in METHODS.items() if record.kind == "from scratch"]
STEPS = {"mlp": 16, "cnn": 16, "resnet56": 1}
"""Steps of one side of a pair on the CPU; 16 times as many on a GPU."""
EPOCHS = 4
"""Epochs that a method is told its run has: enough for one prune of GMP and DPF."""

Pairs = list[tuple[float, float]]
"""Seconds of the method's side and of the bare side."""


def hooks_of(name: str, loaded: LoadedTask, steps: int) -> Hooks:
    """Return a method at its defaults, past its last prune; one that does nothing for "dense"."""
    if name == "dense":
        return Hooks()
    record = METHODS[name]
    assert record.function is not None
    own, decay = record.parameters().model_dump(), OPTIMISER.weight_decay
    setting = Setting(loaded.model, own, 0.9, EPOCHS * steps, steps, decay)
    hooks: Hooks = resolve(record.function)(setting)
    for epoch in range(1, EPOCHS + 1):
        hooks.at_epoch_end(epoch)
    return hooks


def trainer_of(name: str, model: str, device: torch.device, steps: int, rounds: int) -> Trainer:
    """Return the project's trainer of a method, on a model and images of its own."""
    loaded = task_of(model, device, steps)
    hooks = hooks_of(name, loaded, steps)
    rates = [1e-3] * (steps * (rounds + 1))
    return Trainer(loaded, hooks, OPTIMISER.build(loaded.model, hooks), rates, BATCH, 0, "bench")


def pairs_of(
    names: list[str], model: str, device: torch.device, steps: int, rounds: int
) -> dict[str, Pairs]:
    """Return the seconds of every pair by method; a round that warms up is left out."""
    trainers = {name: trainer_of(name, model, device, steps, rounds) for name in names}
    loaded = task_of(model, device, steps)
    twin = models.seeded(lambda: models.build(model, SHAPES[model], 10, {}), 0).to(device)
    bare = OPTIMISER.build(twin, HardMask(twin, dense_masks(twin)))
    bare.param_groups[0]["lr"] = 1e-3
    pairs: dict[str, Pairs] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name, trainer in trainers.items():
            if number % 2:
                ours, dense = time_trainer(trainer), time_bare(loaded, twin, bare)
            else:
                dense, ours = time_bare(loaded, twin, bare), time_trainer(trainer)
            pairs[name].append((ours, dense))
    return {name: found[1:] for name, found in pairs.items()}


def row(name: str, images: int, pairs: Pairs) -> str:
    """Return one line of the table."""
    ours = images / statistics.median(a for a, _ in pairs)
    dense = images / statistics.median(b for _, b in pairs)
    ratios = [b / a for a, b in pairs]
    low, high = interval(ratios)
    middle = statistics.median(ratios)
    return f"{name:<7} {ours:9.1f} {dense:9.1f}  {middle:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Print one table a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["cnn", "resnet56"], choices=STEPS)
    known = ["dense", *FROM_SCRATCH]
    parser.add_argument("--methods", nargs="+", default=known, choices=known)
    parser.add_argument("--rounds", type=int, default=7, help="pairs a method")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    for model in arguments.models:
        steps = STEPS[model] * (1 if device.type == "cpu" else 16)
        pairs = pairs_of(arguments.methods, model, device, steps, arguments.rounds)
        print(f"{model}: images/s of the method and bare, and the ratio: median [interval]")
        for name, found in pairs.items():
            print(row(name, steps * BATCH, found), flush=True)


if __name__ == "__main__":
    main()
