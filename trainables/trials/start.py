"""The weights that a trial's first stage begins with: initialised, or from files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from torch import Tensor

from trainables.checkpoints.files import content_digest
from trainables.checkpoints.fitting import Fitted, fitted
from trainables.config.trial import TrialConfig
from trainables.training.loaded import LoadedTask
from trainables.trials.task_cache import initial_weights


@dataclass(frozen=True)
class Start:
    """Weights by name; `facts` say of which file they are, `notes` are sentences for people."""

    tensors: dict[str, Tensor] = field(repr=False)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def weights_at_start(config: TrialConfig, seed: int, loaded: LoadedTask) -> Start:
    """Return the weights of a trained network, or those that training starts from.

    Refusal where a file has changed since the study started, or does not fit the network.
    """
    initial = initial_weights(loaded, seed)
    if config.loads_dense:
        name = config.weights_name(seed)
        found = _from_file(config, "dense.weights", name, loaded)
        overlap = (
            f"whether {name} was trained on examples that are held out for validation here is"
            " not known: choices on validation may then favour it"
        )
        notes = (*found.notes, overlap)
    elif config.dense.start is not None:
        name = config.dense.start
        found = _from_file(config, "dense.start", name, loaded)
        notes = found.notes
    else:
        return Start(initial)
    facts = {"name": name, "digest": config.checkpoint(name).digest, "notes": list(notes)}
    return Start({**initial, **found.tensors}, {"weights": facts}, notes)


def _from_file(config: TrialConfig, key: str, name: str, loaded: LoadedTask) -> Fitted:
    file = config.checkpoint(name)
    with loaded.weights_file(file.digest, file.path) as path:
        if content_digest(path, key) != file.digest:
            raise ValueError(
                f"{key} must be as it was when the study started, got another content in {path}"
            )
        called = PurePath(file.path).name
        return fitted(path, loaded.model, key, config.dense.leave_out, called)
