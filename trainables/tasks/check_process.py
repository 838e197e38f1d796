"""The process that looks at the user's code: imports it from its copy, tries it, tells the facts.

    python -m trainables.tasks.check_process REQUEST ANSWER

Both are JSON files. A process of its own, so that whatever the user's code does to the interpreter
ends with it. The answer is `{"refusal": sentence}` or `{"looked_at": [...]}`, one for each look.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trainables.code.import_path import ImportPath
from trainables.code.importing import importing_from, strays
from trainables.code.loading import fault, load
from trainables.code.reference import Reference, parse
from trainables.vocabulary.refusal import Refusal

_NAMED = ("name", "parameters")
"""Keys of a section that names an entry of the catalog, or the user's own."""


def main(request: Path, answer: Path) -> None:
    """Answer a request."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
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
    user = _User(copy, asked["origins"], [Path(folder) for folder in asked["folders"]])
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

    def __init__(self, copy: Path, origins: Mapping[str, str], folders: list[Path]) -> None:
        self._copy, self._origins, self.folders = copy, origins, folders
        self._path = ImportPath([copy])

    def origin(self, path: Path) -> Path:
        """The user's own file behind one in the copy."""
        if path.is_relative_to(self._copy):
            return Path(self._origins.get(path.relative_to(self._copy).as_posix(), path))
        return path

    def words(self, error: BaseException) -> str:
        return fault(error, self._path, self.origin)

    def load(self, key: str, reference: str) -> Any:
        return load(parse(reference, key), self._path, self.origin)

    def look(self, look: Mapping[str, Any], root: Path) -> dict[str, Any]:
        """The facts of one task section and of the code beside it."""
        told: dict[str, Any] = {
            "task": self._task(task, root) if (task := look.get("task")) else None
        }
        for key in ("prune.criterion", "retrain.schedule"):
            if reference := look.get(key):
                _require_callable(parse(reference, key), self.load(key, reference))
        if optimiser := look.get("dense.optimiser"):
            told["optimiser"] = self._optimiser(optimiser, look["dense.options"])
        if method := look.get("method"):
            told["method"] = self._method(method)
        return told

    def _optimiser(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        from trainables.tasks.optimiser_checks import KEY, OptimiserChecks

        checks = OptimiserChecks(name, self.load(KEY, name), options, self.words)
        return {"options": checks.run(), "takes_decay": checks.takes_decay}

    def _method(self, given: Mapping[str, Any]) -> dict[str, Any]:
        from trainables.methods.interface import Hooks
        from trainables.tasks.keywords import resolved

        target = self.load("method", given["name"])
        if not (isinstance(target, type) and issubclass(target, Hooks)):
            raise Refusal(f"method must be a subclass of Hooks, got {given['name']}")
        parameters = {key: value for key, value in given.items() if key != "name"}
        keywords = resolved(target.Parameters, parameters, "method", taken=_NAMED)
        return {
            "given": {"name": given["name"], **keywords},
            "controls_sparsity": bool(target.controls_sparsity),
            "structures": list(target.structures),
            "needs": self._needs(target),
        }

    def _needs(self, target: Any) -> list[str]:
        from trainables.config.optimisers import NEEDS

        for need in target.needs:
            if need not in NEEDS:
                allowed = ", ".join(NEEDS)
                raise Refusal(f"method: needs must be some of {allowed}, got {need!r}")
        return list(target.needs)

    def _task(self, given: Mapping[str, Any], root: Path) -> dict[str, Any]:
        from trainables.config.sections import TaskChoice
        from trainables.tasks.checks import Checks
        from trainables.tasks.making import make_task
        from trainables.tasks.task import Task
        from trainables.vocabulary.declarations import CLASSIFICATION

        section = self._resolved(given)
        choice = TaskChoice.model_validate(section)
        key = next(k for k in ("use", "dataset", "model") if k in section and _is_own(section[k]))

        def make() -> Task:
            return make_task(choice, root, self.load)

        findings = Checks(make, f"task.{key}", self.words).run()
        task = make()
        declared = task.declarations()
        told: dict[str, Any] = {
            "given": section,
            "declared": {} if declared == CLASSIFICATION else declared.plain(),
            "findings": asdict(findings),
        }
        if shape := getattr(task, "shape", None):
            told |= {"in_shape": list(shape[0]), "n_classes": shape[1]}
        return told

    def _resolved(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The section with every keyword of the user's code filled in."""
        from trainables.tasks.keywords import resolved
        from trainables.tasks.task import Task

        beside: dict[str, Any] = {key: given[key] for key in ("files", "version") if key in given}
        if "use" in given:
            target = self.load("task.use", given["use"])
            if not (isinstance(target, type) and issubclass(target, Task)):
                raise Refusal(
                    "task.use must be a subclass of trainables.tasks.Task, got"
                    f" {given['use']}, a {type(target).__name__}"
                )
            if missing := sorted(getattr(target, "__abstractmethods__", ())):
                raise Refusal(
                    f"task.use must define {', '.join(missing)}, got {given['use']} without"
                )
            named = ("use", "files", "version")
            keywords = {key: value for key, value in given.items() if key not in named}
            taken = (*named, "dataset", "model")
            return {"use": given["use"], **resolved(target, keywords, "task", taken), **beside}
        for key in ("dataset", "model"):
            beside[key] = self._named(f"task.{key}", given[key])
        return beside

    def _named(self, key: str, given: Any) -> Any:
        from trainables.tasks.keywords import resolved

        if not _is_own(given):
            return given
        choice = {"name": given} if isinstance(given, str) else dict(given)
        name = choice.pop("name")
        return {"name": name, **resolved(self.load(key, name), choice, key, taken=_NAMED)}


def _is_own(given: Any) -> bool:
    name = given.get("name") if isinstance(given, Mapping) else given
    return isinstance(name, str) and ":" in name


def _require_callable(reference: Reference, target: Any) -> None:
    if not callable(target):
        kind = type(target).__name__
        raise Refusal(f"{reference.key} must be a function, got {reference}, a {kind}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
