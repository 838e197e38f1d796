"""Trained weights that a task of the user's gives by itself, put into a file like any other."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from trainables.checkpoints.files import OWN, content_digest
from trainables.checkpoints.reading import write
from trainables.tasks.sentences import Sentences
from trainables.tasks.task import Task
from trainables.vocabulary.refusal import Refusal


def kept_weights(task: Task, name: str, key: str, say: Sentences, folder: Path) -> dict[str, str]:
    """Write the weights that a name such as `task:NAME` asks for; return where, and their digest.

    `key` is that of the study file. Refusal for a task that has none, and for what are no tensors
    by name.
    """
    if type(task).trained is Task.trained:
        rule = "must name weights that the task gives in `trained`"
        raise Refusal(f"{key} {rule}, got {name}, and no such method{say.at('trained')}")
    with say.naming("trained", "give its weights", name):
        state = task.trained(name.removeprefix(OWN))
    tensors = _tensors(state, say)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.safetensors"
    write(tensors, path)
    return {"file": str(path), "digest": content_digest(path, key)}


def _tensors(state: Any, say: Sentences) -> dict[str, Tensor]:
    if not isinstance(state, Mapping) or not state:
        raise say.refusal("trained", "return tensors by name", type(state).__name__)
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            got = f"{type(value).__name__} as {name!r}"
            raise say.refusal("trained", "return tensors by name", got)
    return dict(state)
