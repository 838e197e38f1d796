"""The digits grid as a plain Ray Tune script: every trial has a dense run of its own.

What one would write without this project, to compare whole commands with `bimp run digits`: a
function on fresh actors, or with `--reuse` a class on actors that go on to the next trial.

    python benchmarks/plain_tune.py [--reuse] [--small] [--out DIR]
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("RAY_AUTH_MODE", "disabled")

from ray import tune

SPACE: dict[str, list[Any]] = {
    "schedule": ["ft", "lrw", "slr", "clr", "llr", "allr"],
    "sparsity": [0.8, 0.9, 0.95],
    "epochs": [1, 3],
    "seed": [0, 1, 2],
}
SMALL: dict[str, list[Any]] = {
    "schedule": ["ft", "allr"], "sparsity": [0.9], "epochs": [1], "seed": [0],
}  # fmt: skip


@dataclass(frozen=True)
class Digits:
    """Images [N, 1, 8, 8] and labels [N] as tensors, and the indices of three parts."""

    images: Any
    labels: Any
    train: list[int]
    val: list[int]
    test: list[int]


def load() -> Digits:
    """Read the digits and split them."""
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    rest, test = train_test_split(range(1797), test_size=360, stratify=labels, random_state=0)
    train, val = train_test_split(rest, test_size=144, stratify=labels[rest], random_state=0)
    images = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    return Digits(images, torch.tensor(labels), train, val, test)


class PruningTrial(tune.Trainable):
    """A whole trial as one step; a reused actor keeps the data and what it has imported."""

    def setup(self, config: dict[str, Any]) -> None:
        self.data, self.trial = load(), config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.trial = new_config
        return True

    def step(self) -> dict[str, Any]:
        return {**train_and_prune(self.trial, self.data), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        return

    def load_checkpoint(self, checkpoint: Any) -> None:
        return


def fresh_trial(config: dict[str, Any]) -> dict[str, float]:
    """A whole trial on an actor of its own."""
    return train_and_prune(config, load())


def train_and_prune(config: dict[str, Any], data: Digits) -> dict[str, float]:
    """Train a dense model, prune it by magnitude, retrain it, return its accuracy."""
    import torch
    from torch import nn
    from torch.nn.utils import prune

    torch.set_num_threads(1)
    torch.manual_seed(config["seed"])
    images, labels, train, val = data.images, data.labels, data.train, data.val
    layers: list[nn.Module] = []
    for n_in, n_out, pool in ((1, 16, True), (16, 32, False), (32, 32, False)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out)]
        layers += [nn.ReLU(), *([nn.MaxPool2d(2)] if pool else [])]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    optimiser = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    per_epoch = math.ceil(len(train) / 64)
    dense = [0.1 * 0.1 ** sum(j // per_epoch >= m for m in (10, 18)) for j in range(20 * per_epoch)]

    def accuracy(part: list[int]) -> float:
        model.eval()
        with torch.no_grad():
            return float((model(images[part]).argmax(1) == labels[part]).float().mean())

    def fit(rates: list[float]) -> None:
        for step, rate in enumerate(rates):
            if step % per_epoch == 0:
                model.train()
                order = torch.tensor(train)[torch.randperm(len(train))]
            for group in optimiser.param_groups:
                group["lr"] = rate
            start = step % per_epoch * 64
            index = order[start : start + 64]
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[index]), labels[index]).backward()
            optimiser.step()
            if (step + 1) % per_epoch == 0:
                accuracy(val)

    fit(dense)
    targets = [(m, "weight") for m in model if isinstance(m, nn.Conv2d | nn.Linear)]
    prune.global_unstructured(targets, prune.L1Unstructured, amount=config["sparsity"])
    optimiser = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    n = config["epochs"] * per_epoch
    fit(retraining(config["schedule"], n, dense))
    return {"val_accuracy": accuracy(val), "test_accuracy": accuracy(data.test)}


def retraining(name: str, n: int, dense: list[float]) -> list[float]:
    """Learning rates of a schedule (allr's discount is left at the budget's share)."""
    high, low = max(dense), min(dense)
    if name == "ft":
        return [low] * n
    if name == "lrw":
        return dense[-n:]
    warm, rest = int(0.1 * n), n - int(0.1 * n)
    main = {
        "slr": [dense[t * len(dense) // rest] for t in range(rest)],
        "clr": [low + (high - low) * (1 + math.cos(math.pi * t / rest)) / 2 for t in range(rest)],
    }.get(name, [high * (1 - t / rest) for t in range(rest)])
    scale = n / len(dense) if name == "allr" else 1.0
    start = [high * (1 - math.cos(math.pi * i / warm)) / 2 for i in range(warm)]
    return [scale * rate for rate in start + main]


def main() -> None:
    """Run the grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=None)
    parser.add_argument("--reuse", action="store_true", help="let actors go on to the next trial")
    parser.add_argument("--small", action="store_true", help="two trials: does it run to its end?")
    given = parser.parse_args()
    out = given.out or tempfile.mkdtemp()
    tuner = tune.Tuner(
        tune.with_resources(PruningTrial if given.reuse else fresh_trial, {"cpu": 1}),
        param_space={k: tune.grid_search(v) for k, v in (SMALL if given.small else SPACE).items()},
        tune_config=tune.TuneConfig(reuse_actors=given.reuse),
        run_config=tune.RunConfig(storage_path=os.path.abspath(out), verbose=0),
    )
    results = tuner.fit()
    frame = results.get_dataframe()
    print(frame.groupby("config/schedule")["test_accuracy"].mean())
    print(f"{len(frame)} trials, {results.num_errors} errors")


if __name__ == "__main__":
    main()
