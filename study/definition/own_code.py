"""The user's code as a study names it, and what is known of it: facts that only running it tells.

A task of the catalog is asked for its facts in the same way, and has no code that is the user's.

Knows where references stand and which configurations use them alike; runs nothing. What finds out
the facts is in `study.checks.user_code`, and a study folder keeps them for readers.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from study.definition.space import Space, spaces
from study.definition.studyfile import StudyFile
from trainables.code.reference import Reference, is_reference, parse
from trainables.config.datasets import folder
from trainables.config.sections import DatasetChoice, Facts, ModelChoice, Named
from trainables.config.tasks import BuiltInTask, built_in

LOOKS: Final = "code/looks.json"
"""Where a study folder keeps what is known of the user's code."""

_BESIDE = {"dense": "optimiser", "prune": "criterion", "retrain": "schedule"}
"""Sections with a key beside task and method that may hold a reference."""

OPTIONS: Final = "dense.options"
"""Where the keywords of a user's optimiser stand."""

RECIPE: Final = "dense.recipe"
"""Where own sections hold what the dense recipe says of the network's own tensors."""

_OF_TENSORS = ("weights", "start", "leave_out", "groups", "freeze")

Raw = Mapping[str, Any]


def references(raw: Raw) -> dict[str, Reference]:
    """Return the references to the user's code in a trial's raw configuration, by key.

    The own sections of one, where those beside task and method stand under their keys, will do.
    """
    task = raw.get("task")
    named: dict[str, Any] = {}
    if isinstance(task, Mapping):
        named["task.use"] = task.get("use")
        if "use" not in task:
            named |= {f"task.{key}": _name(task.get(key)) for key in ("dataset", "model")}
    named["method"] = _name(raw.get("method"))
    for section, leaf in _BESIDE.items():
        held = raw.get(section)
        key = f"{section}.{leaf}"
        named[key] = held.get(leaf) if isinstance(held, Mapping) else raw.get(key)
    return {key: parse(name, key) for key, name in named.items() if is_reference(name)}


def _name(given: Any) -> Any:
    return given.get("name") if isinstance(given, Mapping) else given


def own_folder(raw: Raw) -> dict[str, Any] | None:
    """Return the data set of a raw configuration where only its files know its numbers."""
    task = raw.get("task")
    choice = task.get("dataset") if isinstance(task, Mapping) else None
    name = _name(choice)
    if not isinstance(name, str) or folder(name) is None:
        return None
    return dict(choice) if isinstance(choice, Mapping) else {"name": name}


def own_task(raw: Raw) -> BuiltInTask | None:
    """Return the record of the catalog's task that a raw configuration names."""
    task = raw.get("task")
    return built_in(task.get("use")) if isinstance(task, Mapping) else None


def own_recipe(raw: Raw) -> dict[str, Any]:
    """Return the keys of `dense` that hang on the network: files of weights, patterns."""
    dense = raw.get("dense")
    held = dense if isinstance(dense, Mapping) else {}
    return {key: held[key] for key in _OF_TENSORS if held.get(key)}


def own_sections(raw: Raw) -> dict[str, Any]:
    """Return the part of a raw configuration that the user's code and data are asked about.

    `task` and `method` where they name the user's code, the references beside them, and keywords of
    an optimiser; `task` also where it is a whole one of the catalog, where only its files know the
    numbers of its data set, or where the dense recipe must be held against its network.
    """
    named = references(raw)
    own: dict[str, Any] = {}
    if recipe := own_recipe(raw):
        own[RECIPE] = recipe
    asked_by_name = any(key.startswith("task.") for key in named) or own_task(raw) is not None
    if asked_by_name or recipe or own_folder(raw) is not None:
        own["task"] = _canonical(raw["task"])
    if "method" in named:
        method = raw["method"]
        own["method"] = {"name": method} if isinstance(method, str) else method
    if "dense.optimiser" in named:
        own[OPTIONS] = raw["dense"].get("options", {})
    beside = {key: str(r) for key, r in named.items() if key.partition(".")[0] in _BESIDE}
    return {**own, **beside}


def _canonical(task: Raw) -> dict[str, Any]:
    """A task section with the catalog's data set and network written out in full."""
    choices: dict[str, type[Named]] = {"dataset": DatasetChoice, "model": ModelChoice}
    written = {
        key: choice.of(task[key]).model_dump(mode="json")
        for key, choice in choices.items()
        if key in task and not is_reference(_name(task[key]))
    }
    return {**task, **written}


@dataclass(frozen=True)
class Look:
    """What was learnt of one configuration's code.

    `task`, `method` and `options` (of the optimiser) are filled in with every keyword, where they
    are the user's; `facts` are those of its trials; `findings` what the checks learnt of the task.
    """

    facts: Facts
    task: Mapping[str, Any] | None = None
    method: Mapping[str, Any] | None = None
    options: Mapping[str, Any] | None = None
    findings: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return the look as plain data."""
        return {**vars(self), "facts": self.facts.model_dump(mode="json")}

    @classmethod
    def of(cls, raw: Raw) -> Look:
        """Return the look of plain data."""
        return cls(**{**raw, "facts": Facts.model_validate(raw["facts"])})


@dataclass(frozen=True)
class StudyCode:
    """The user's code of a study: one look for each distinct use of it; none where it uses none.

    `free` are dotted keys that a search draws from a range: no look hangs on their values.
    """

    looks: Mapping[str, Look] = field(default_factory=dict)
    free: frozenset[str] = frozenset()

    def look_of(self, raw: Raw) -> Look | None:
        """Return what is known of the code in a configuration; None where it uses none.

        Raw, as the study file has it, or with every keyword filled in.
        """
        if not self.looks or not (own := own_sections(raw)):
            return None
        key = use_key(own, self.free)
        return self.looks.get(key) or self._by_filled.get(key)

    @cached_property
    def _by_filled(self) -> dict[str, Look]:
        """The looks by what `use_key` gives once every keyword is filled in."""
        filled = {}
        for key, look in self.looks.items():
            sections = {"task": look.task, "method": look.method}
            known = {k: v for k, v in sections.items() if v is not None}
            filled[use_key({**json.loads(key), **known}, self.free)] = look
        return filled

    def applied(self, raw: Raw) -> Raw:
        """Return a raw configuration with what is known of its code filled in.

        As it is where it uses none, or where nothing is known of it.
        """
        look = self.look_of(raw)
        if look is None:
            return raw
        filled = {"task": look.task, "method": look.method}
        known = {k: self._with_free(k, v, raw[k]) for k, v in filled.items() if v is not None}
        if look.options is not None:
            dense = raw["dense"]
            options = self._with_free(OPTIONS, look.options, dense.get("options"))
            known["dense"] = {**dense, "options": options}
        return {**raw, **known, "facts": look.facts.model_dump(mode="json")}

    def _with_free(self, section: str, filled: Raw, raw: Any) -> dict[str, Any]:
        """A section as it was filled in, with this configuration's values of the free keys."""
        values = raw if isinstance(raw, Mapping) else {}
        drawn = {key: v for key, v in values.items() if f"{section}.{key}" in self.free}
        inner = {
            key: self._with_free(f"{section}.{key}", value, values.get(key))
            for key, value in filled.items()
            if isinstance(value, Mapping)
        }
        return {**filled, **inner, **drawn}

    @property
    def declared(self) -> list[dict[str, Any]]:
        """The distinct declarations of the tasks, in order."""
        texts = dict.fromkeys(json.dumps(look.facts.declared) for look in self.looks.values())
        return [json.loads(text) for text in texts]

    @property
    def left_out(self) -> list[str]:
        """Sentences on what stays out of the data, one for each set of files."""
        found = [item for look in self.looks.values() for item in look.facts.left_out.items()]
        return sorted({f"left out of {key}: {some.in_words()}" for key, some in found})

    def encode(self) -> bytes:
        """Return the looks as a study folder keeps them."""
        looks = {key: look.plain() for key, look in self.looks.items()}
        return json.dumps({"looks": looks, "free": sorted(self.free)}, sort_keys=True).encode()


NO_CODE: Final = StudyCode()
"""Of a study that names none of the user's code."""


def kept_code(read: Callable[[str], bytes]) -> StudyCode:
    """Return what a study folder knows of the user's code: nothing where it keeps nothing."""
    try:
        raw = json.loads(read(LOOKS))
        looks = {key: Look.of(look) for key, look in raw["looks"].items()}
        return StudyCode(looks, frozenset(raw["free"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return NO_CODE


def names_code(study: StudyFile) -> bool:
    """Return whether some configuration names what only running code or reading files tells."""
    return bool(uses(every := spaces(study), free_keys(every)))


def use_key(own: Raw, free: frozenset[str]) -> str:
    """Return what is equal for configurations that use the user's code alike."""
    kept = {key: _without(key, value, free) for key, value in own.items()}
    return json.dumps(kept, sort_keys=True, default=str)


def _without(section: str, value: Any, free: frozenset[str]) -> Any:
    """A section without its free keys, however deep they stand."""
    if not isinstance(value, Mapping):
        return value
    kept = {key: v for key, v in value.items() if f"{section}.{key}" not in free}
    return {key: _without(f"{section}.{key}", v, free) for key, v in kept.items()}


def free_keys(spaces: list[Space]) -> frozenset[str]:
    """Return the keywords of the user's code that a search draws from a range."""
    return frozenset(
        key
        for space in spaces
        for key, domain in space.domains.items()
        if domain.kind not in ("grid", "choice") and _is_keyword(key)
    )


def _is_keyword(key: str) -> bool:
    """Whether a key may be a keyword of the user's code."""
    return key.partition(".")[0] in ("task", "method") or key.startswith(f"{OPTIONS}.")


def uses(spaces: list[Space], free: frozenset[str]) -> dict[str, Raw]:
    """Return the distinct uses of the user's code in a study's spaces, by `use_key`.

    Each is the own sections of one raw configuration; a free key stands at the middle of its range.
    """
    distinct: dict[str, Raw] = {}
    for space in spaces:
        for values in _combinations(space):
            if own := own_sections(space.raw(values)):
                distinct.setdefault(use_key(own, free), own)
    return distinct


def _combinations(space: Space) -> Iterator[dict[str, Any]]:
    """Every combination of the values that decide which code is used, and with which keywords."""
    beside = {f"{section}.{leaf}" for section, leaf in _BESIDE.items()}
    beside |= {f"dense.{leaf}" for leaf in _OF_TENSORS}
    deciding = {
        key: domain.values if domain.kind in ("grid", "choice") else (_middle(domain.values),)
        for key, domain in space.domains.items()
        if _is_keyword(key) or key in beside
    }
    for combination in itertools.product(*deciding.values()):
        yield dict(zip(deciding, combination, strict=True))


def _middle(bounds: tuple[Any, ...]) -> Any:
    low, high = bounds
    middle = (low + high) / 2
    return int(middle) if isinstance(low, int) else middle
