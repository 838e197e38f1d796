"""Small models, settings and stages under way, which the tests of methods share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config.catalog import METHODS, resolve
from trainables.config.chain import stage_chain
from trainables.config.trial import TrialConfig
from trainables.files.storage import LocalFolder
from trainables.formulas.structures import structure_of
from trainables.methods.interface import Hooks, Setting
from trainables.pruning.prunable import prunable
from trainables.training.loaded import LoadedTask
from trainables.trials.stage_run import StageRun, begin, resume
from trainables.trials.stage_store import Partial, StageStore
from trainables.trials.task_cache import TaskCache

FROM_SCRATCH = [name for name, record in METHODS.items() if record.kind == "from scratch"]
CONTROLLING = [name for name in FROM_SCRATCH if METHODS[name].controls_sparsity]


def linear(weights: list[float], bias: float = 0.0) -> nn.Linear:
    """One neuron with the given weights."""
    layer = nn.Linear(len(weights), 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([weights]))
        layer.bias.fill_(bias)
    return layer


def network(seed: int = 0) -> Any:
    """Convolution with bias, BatchNorm, strided convolution in two groups, linear classifier."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 2, stride=2, groups=2, bias=False),
        nn.Flatten(),
        nn.Linear(24, 3),
    )


def batch() -> tuple[Tensor, Tensor]:
    """Inputs [5, 2, 6, 6] and labels [5] for `network`."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(5, 2, 6, 6, generator=generator), torch.tensor([0, 1, 2, 1, 0])


def method(name: str, model: nn.Module, sparsity: float = 0.5, **over: Any) -> Any:
    """A method on a model: 8 epochs of 4 steps; its own parameters are given by name."""
    record = METHODS[name]
    own = {key: over.pop(key) for key in list(over) if key in record.parameters.model_fields}
    parameters = record.parameters(**own).model_dump()
    over["structure"] = structure_of(over.get("structure", "weights"))
    told = {"steps": 32, "steps_per_epoch": 4, "weight_decay": 0.1, **over}
    assert record.function is not None
    return resolve(record.function)(Setting(model, parameters, sparsity, **told))


def optimiser(model: nn.Module, hooks: Hooks, lr: float = 1.0, **over: Any) -> torch.optim.SGD:
    """SGD over the model's parameters and the method's, with weight decay .1 on the former."""
    groups: list[dict[str, Any]] = [{"params": list(model.parameters()), "weight_decay": 0.1}]
    if (extra := hooks.extra_parameters()) is not None:
        groups.append({"params": list(extra.named.values()), "weight_decay": extra.weight_decay})
    return torch.optim.SGD(groups, lr=lr, **over)


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the prunable weights."""
    return {name: w.detach().clone() for name, w in prunable(model).items()}


def backward(loss: Tensor) -> None:
    """`loss.backward()`, which torch leaves untyped."""
    loss.backward()  # type: ignore[no-untyped-call]


def step(hooks: Hooks, model: nn.Module, number: int = 0, x: Any = None, y: Any = None) -> Tensor:
    """Forward, backward and the method's part in them; returns the loss. Nothing is updated."""
    model.zero_grad(set_to_none=True)
    hooks.before_forward(number)
    inputs, labels = (x, y) if x is not None else batch()
    loss = nn.functional.cross_entropy(model(inputs), labels)
    backward(loss)
    hooks.on_gradients(number)
    return loss.detach()


# --- whole trials ---


def config(name: str, **sections: Mapping[str, Any]) -> TrialConfig:
    """Six epochs of seven steps on 100 digits with a small convolutional network."""
    chosen: dict[str, Any] = {
        "task": {
            "dataset": {"name": "digits", "n_train": 100, "augment": True},
            "model": {"name": "cnn", "channels": [4, 6]},
        },
        "dense": {"lr": 0.1, "batch_size": 16},
        "method": {"name": name, **({"interval": 1} if name in ("gmp", "dpf") else {})},
        "prune": {"sparsity": 0.8},
        "budget": {"epochs": 6},
    }
    for section, values in sections.items():
        chosen[section] = {**chosen.get(section, {}), **values}
    return TrialConfig.of(chosen)


def loaded_for(chosen: TrialConfig) -> LoadedTask:
    """A fresh model and its data, on one CPU thread."""
    return TaskCache(Path("/nonexistent"), "cpu", 1).loaded(chosen)


def started(chosen: TrialConfig, place: LoadedTask, seed: int = 3) -> StageRun:
    """The one stage of a method from scratch, at its first step."""
    (spec,) = stage_chain(chosen, seed)
    return begin(chosen, seed, spec, place, None)


def advance(run: StageRun, steps: int) -> None:
    """Train so many steps, closing epochs as they end; one step a call, as a deadline cuts it."""
    for _ in range(steps):
        if run.trainer.run(deadline=0.0):
            run.close_epoch()


def taken_up(run: StageRun, chosen: TrialConfig, folder: Path) -> StageRun:
    """The stage on another model, from the partial state that this one left in a store."""
    tensors, facts = run.snapshot()
    facts["schema"] = 1
    store = StageStore(LocalFolder(folder), "test")
    store.save_partial(run.spec.hash, Partial(tensors, facts))
    partial = store.load_partial(run.spec.hash)
    assert partial is not None
    place = loaded_for(chosen)
    with torch.no_grad():
        for parameter in place.model.parameters():
            parameter.fill_(0.25)
    return resume(chosen, run.trainer.seed, run.spec, place, partial)
