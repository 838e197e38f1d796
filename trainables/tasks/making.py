"""A configuration's task as an object, the user's code behind it loaded by whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from trainables.config.catalog import resolve
from trainables.config.sections import Named, TaskChoice
from trainables.config.tasks import BuiltInTask, built_in
from trainables.tasks.built_in import CatalogTask, Choice
from trainables.tasks.keywords import arguments
from trainables.tasks.task import Task
from trainables.vocabulary.refusal import Refusal

Load = Callable[[str, str], Any]
"""Returns the object that a reference names: (key of the study file, "module:attribute")."""


def make_task(choice: TaskChoice, root: Path, load: Load, n_classes: int | None = None) -> Task:
    """Return the task that a study file's section means, with its data below `root`.

    `n_classes`: of a folder of images, where it is known already.
    """
    if choice.use is not None:
        target = task_class(choice.use, load)
        task = target(**arguments(target, choice.keywords, {"root": root}))
        assert isinstance(task, Task)
        return task
    assert choice.dataset is not None and choice.model is not None
    return CatalogTask(_choice(choice.dataset, load), _choice(choice.model, load), root, n_classes)


def task_class(use: str, load: Load) -> Any:
    """Return the class behind `task.use`: of the catalog by its name, or the user's own.

    Raises:
        Refusal: a task of the catalog whose packages are not all installed.
    """
    record = built_in(use)
    if record is None:
        return load("task.use", use)
    if missing := [name for name in record.packages if not _is_installed(name)]:
        raise Refusal(f"task.use {use} must have its packages installed{_remedy(record)}, got no"
                      f" {' and no '.join(missing)}")  # fmt: skip
    return resolve(record.target)


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _remedy(record: BuiltInTask) -> str:
    return f" (pip install 'bimp-study[{record.extra}]')" if record.extra else ""


def _choice(named: Named, load: Load) -> Choice:
    own = load(named.what, named.name) if named.is_own else None
    return Choice(named.name, named.parameters, own)
