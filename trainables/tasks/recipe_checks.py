"""What a dense recipe says of a network's own tensors, held against the network before anything
starts: patterns of parameters, and files of weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath

from trainables.checkpoints.fitting import fitted
from trainables.config.dense import Dense
from trainables.networks.models import seeded
from trainables.networks.parameters import freeze_, matches
from trainables.tasks.task import Task
from trainables.vocabulary.refusal import Refusal


def check_recipe(task: Task, dense: Dense, files: Mapping[str, Path]) -> None:
    """Refuse a pattern that fits no parameter, and weights that do not fit the task's network.

    `files` are the paths behind the names of `dense.weights` and `dense.start`.
    """
    model = seeded(task.model, 0)
    for key, names in dense.checkpoints.items():
        for name in names:
            fitted(files[name], model, key, dense.leave_out, PurePath(name).name)
    try:
        freeze_(model, dense.freeze)
        trained = [name for name, p in model.named_parameters() if p.requires_grad]
        for at, group in enumerate(dense.groups):
            matches(model, trained, group.match, f"dense.groups.{at}.match")
    except ValueError as error:
        raise Refusal(str(error)) from error
