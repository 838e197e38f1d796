"""A configuration's task as an object, the user's code behind it loaded by whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainables.config.sections import Named, TaskChoice
from trainables.tasks.built_in import CatalogTask, Choice
from trainables.tasks.keywords import arguments
from trainables.tasks.task import Task

Load = Callable[[str, str], Any]
"""Returns the object that a reference names: (key of the study file, "module:attribute")."""


def make_task(choice: TaskChoice, root: Path, load: Load, n_classes: int | None = None) -> Task:
    """Return the task that a study file's section means, with its data below `root`.

    `n_classes`: of a folder of images, where it is known already.
    """
    if choice.use is not None:
        target = load("task.use", choice.use)
        task = target(**arguments(target, choice.keywords, {"root": root}))
        assert isinstance(task, Task)
        return task
    assert choice.dataset is not None and choice.model is not None
    return CatalogTask(_choice(choice.dataset, load), _choice(choice.model, load), root, n_classes)


def _choice(named: Named, load: Load) -> Choice:
    own = load(named.what, named.name) if named.is_own else None
    return Choice(named.name, named.parameters, own)
