"""The process that looks at the user's code: imports it from its copy, tries it, tells the facts.

    python -m trainables.tasks.check_process REQUEST ANSWER

Both are JSON files. A process of its own, so that whatever the user's code does to the interpreter
ends with it. The answer is `{"refusal": sentence}` or `{"looked_at": [...]}`, one for each look.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.code.import_path import ImportPath
from trainables.code.importing import importing_from, strays
from trainables.code.loading import Line, fault, load, user_line
from trainables.code.reference import parse
from trainables.networks.deferred_compiler import defer_compiler
from trainables.vocabulary.refusal import Refusal

if TYPE_CHECKING:
    from trainables.tasks.task import Task

_NAMED = ("name", "parameters")
"""Keys of a section that names an entry of the catalog, or the user's own."""


def main(request: Path, answer: Path) -> None:
    """Answer a request."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    defer_compiler()
    asked = json.loads(request.read_text(encoding="utf-8"))
    try:
        told: dict[str, Any] = {"looked_at": _looked_at(asked)}
    except Refusal as refusal:
        told = {"refusal": str(refusal)}
    answer.write_text(json.dumps(told), encoding="utf-8")


def _looked_at(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    copy = Path(asked["copy"])
    before = frozenset(sys.modules)
    importing_from(copy)
    folders = [Path(folder) for folder in asked["folders"]]
    user = _User(copy, asked["origins"], folders, Path(asked["weights"]))
    looks = [user.look(look, Path(asked["root"])) for look in asked["looks"]]
    missed = strays(ImportPath(user.folders), copy, before)
    if missed:
        name, file = next(iter(missed.items()))
        raise Refusal(
            f"task.files must name what is imported under a name made at run time, got module"
            f" {name} ({file}), of which the hash would know nothing"
        )
    return looks


class _User:
    """The user's code in its copy, and where it came from, for messages."""

    def __init__(
        self, copy: Path, origins: Mapping[str, str], folders: list[Path], weights: Path
    ) -> None:
        self._copy, self._origins, self.folders = copy, origins, folders
        self._weights = weights
        self._path = ImportPath([copy])

    def origin(self, path: Path) -> Path:
        """The user's own file behind one in the copy."""
        if path.is_relative_to(self._copy):
            return Path(self._origins.get(path.relative_to(self._copy).as_posix(), path))
        return path

    def line(self, place: tuple[Path, int]) -> str | None:
        """A line of a file as messages name it, where the file is the user's."""
        path, number = place
        return str(Line(self.origin(path), number)) if self._path.is_local(path) else None

    def words(self, error: BaseException, otherwise: str | None = None) -> str:
        """A fault with the user's line in it; `otherwise` stands in for a line that is missing."""
        words = fault(error, self._path, self.origin)
        if otherwise is None or user_line(error, self._path, self.origin):
            return words
        return f"{words} ({otherwise})"

    def load(self, key: str, reference: str) -> Any:
        return load(parse(reference, key), self._path, self.origin)

    def look(self, look: Mapping[str, Any], root: Path) -> dict[str, Any]:
        """The facts of one task section and of the code beside it."""
        from trainables.tasks.beside import check_beside

        told: dict[str, Any] = {"task": None}
        task: Task | None = None
        if section := look.get("task"):
            task, told["task"] = self._task_and_facts(section, root)
        if recipe := look.get("dense.recipe"):
            assert task is not None
            told["weights"] = self._recipe(task, recipe, look["checkpoints"])
        for key in ("prune.criterion", "retrain.schedule"):
            if reference := look.get(key):
                check_beside(key, reference, self.load(key, reference), self, task)
        if optimiser := look.get("dense.optimiser"):
            told["optimiser"] = self._optimiser(optimiser, look["dense.options"])
        if method := look.get("method"):
            told["method"] = self._method(method)
        return told

    def keywords(
        self, target: Any, given: Mapping[str, Any], key: str, taken: Collection[str]
    ) -> dict[str, Any]:
        """Every keyword of the user's class or function with its value, as plain data."""
        from trainables.tasks.keywords import resolved

        try:
            return resolved(target, given, key, taken=taken)
        except Refusal as refusal:
            raise Refusal(f"{refusal}{self._at(target)}") from None

    def _at(self, target: Any) -> str:
        """Where a class or function of the user's is defined, as the end of a sentence."""
        from trainables.tasks.sentences import definition

        place = definition(target)
        line = place and self.line(place)
        return f" ({line})" if line else ""

    def _method(self, given: Mapping[str, Any]) -> dict[str, Any]:
        from trainables.tasks.beside import check_beside

        target = self.load("method", given["name"])
        check_beside("method", given["name"], target, self, None)
        parameters = {key: value for key, value in given.items() if key != "name"}
        keywords = self.keywords(target.Parameters, parameters, "method", _NAMED)
        return {
            "given": {"name": given["name"], **keywords},
            "controls_sparsity": bool(target.controls_sparsity),
            "structures": list(target.structures),
            "needs": list(target.needs),
        }

    def _optimiser(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        from trainables.tasks.optimiser_checks import KEY, OptimiserChecks

        checks = OptimiserChecks(name, self.load(KEY, name), options, self.words)
        return {"options": checks.run(), "takes_decay": checks.takes_decay}

    def _recipe(
        self, task: Task, recipe: Mapping[str, Any], files: Mapping[str, Mapping[str, str]]
    ) -> dict[str, dict[str, str]]:
        """Check a dense recipe; return what files hold the weights that the task itself gives."""
        from trainables.checkpoints.files import is_own
        from trainables.config.dense import Dense
        from trainables.tasks.own_weights import kept_weights
        from trainables.tasks.recipe_checks import check_recipe
        from trainables.tasks.sentences import Sentences

        dense, say = Dense.of(recipe), Sentences(self, task)
        own = {
            name: kept_weights(task, name, key, say, self._weights)
            for key, names in dense.checkpoints.items()
            for name in filter(is_own, names)
        }
        paths = {name: Path(file["path"]) for name, file in files.items()}
        check_recipe(task, dense, paths | {name: Path(kept["file"]) for name, kept in own.items()})
        return own

    def _task_and_facts(
        self, given: Mapping[str, Any], root: Path
    ) -> tuple[Task, dict[str, Any] | None]:
        """The task of a section; facts of it where some of its code is the user's."""
        from trainables.config.sections import TaskChoice
        from trainables.tasks.making import make_task

        if "use" in given or any(_is_own(given.get(key)) for key in ("dataset", "model")):
            return self._task(given, root)
        return make_task(TaskChoice.model_validate(given), root, self.load), None

    def _task(self, given: Mapping[str, Any], root: Path) -> tuple[Task, dict[str, Any]]:
        """The task of a section, and the facts that the checks found."""
        from trainables.config.sections import TaskChoice
        from trainables.tasks.built_in import CatalogTask
        from trainables.tasks.checks import check_task
        from trainables.tasks.making import make_task
        from trainables.tasks.smoothing import smooths
        from trainables.vocabulary.declarations import CLASSIFICATION

        section = self._resolved(given)
        choice = TaskChoice.model_validate(section)

        def make() -> Task:
            return make_task(choice, root, self.load)

        findings = check_task(make, self)
        task = make()
        declared = task.declarations()
        told: dict[str, Any] = {
            "given": section,
            "declared": {} if declared == CLASSIFICATION else declared.plain(),
            "findings": asdict(findings),
            "smooths": smooths(task),
            "defaults": self._defaults(choice.use),
        }
        if isinstance(task, CatalogTask) and choice.model and not choice.model.is_own:
            told |= {"in_shape": list(task.shape[0]), "n_classes": task.shape[1]}
        return task, told

    def _defaults(self, use: str | None) -> dict[str, Any]:
        """The keywords of a task of the catalog that have a default."""
        from trainables.config.tasks import built_in
        from trainables.tasks.keywords import defaults
        from trainables.tasks.making import task_class

        if use is None or built_in(use) is None:
            return {}
        return defaults(task_class(use, self.load), "task")

    def _resolved(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The section with every keyword of the user's code filled in."""
        from trainables.tasks.making import task_class
        from trainables.tasks.task import Task

        beside: dict[str, Any] = {key: given[key] for key in ("files", "version") if key in given}
        if "use" in given:
            target = task_class(given["use"], self.load)
            if not (isinstance(target, type) and issubclass(target, Task)):
                raise Refusal(
                    "task.use must be a subclass of trainables.tasks.Task, got"
                    f" {given['use']}, a {type(target).__name__}"
                )
            if missing := sorted(getattr(target, "__abstractmethods__", ())):
                lacking = f"{given['use']} without{self._at(target)}"
                raise Refusal(f"task.use must define {', '.join(missing)}, got {lacking}")
            named = ("use", "files", "version")
            keywords = {key: value for key, value in given.items() if key not in named}
            taken = (*named, "dataset", "model")
            return {"use": given["use"], **self.keywords(target, keywords, "task", taken), **beside}
        for key in ("dataset", "model"):
            beside[key] = self._named(f"task.{key}", given[key])
        return beside

    def _named(self, key: str, given: Any) -> Any:
        if not _is_own(given):
            return given
        choice = {"name": given} if isinstance(given, str) else dict(given)
        name = choice.pop("name")
        return {"name": name, **self.keywords(self.load(key, name), choice, key, _NAMED)}


def _is_own(given: Any) -> bool:
    name = given.get("name") if isinstance(given, Mapping) else given
    return isinstance(name, str) and ":" in name


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
