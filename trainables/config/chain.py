"""A trial's fingerprint and the chain of stages that it is made of, as content hashes.

Pure: the driver plans with it and the worker runs by it. A stage's hash covers everything that can
change its bits and nothing else, so that trials which share work share the stage.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from trainables.config.revisions import revisions
from trainables.config.tasks import BuiltInTask, built_in
from trainables.config.trial import TrialConfig
from trainables.formulas.schedules import schedule_of
from trainables.formulas.sparsity import zeros_after
from trainables.vocabulary.schema import SCHEMA_VERSION, StageKind

_DIGITS = 16

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class StageSpec:
    """One stage of a trial: `steps` optimiser steps after the stage named by `parent`.

    `cycle` is 0 for the dense run and for a whole run, else counts from 1; weights in fewer bits
    have that of the stage before them. `content` is what the hash was taken of; `likeness` is equal
    for stages whose epochs cost about the same.
    """

    hash: str
    kind: StageKind
    cycle: int
    steps: int
    steps_per_epoch: int
    parent: str | None
    likeness: str
    content: dict[str, Any] = field(repr=False)

    @property
    def epochs(self) -> float:
        """Length in epochs."""
        return self.steps / self.steps_per_epoch


def digest(content: Any) -> str:
    """Return the hash of plain data: 16 hexadecimal digits, equal for equal canonical JSON."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()[:_DIGITS]


def _section(config: TrialConfig, name: str) -> dict[str, Any]:
    """The active keys of a section that differ from their default, in the fields' own types."""
    section = getattr(config, name)
    dumped: dict[str, Any] = section.model_dump(mode="json", exclude_defaults=True)
    inactive = config.inactive
    return {key: value for key, value in dumped.items() if f"{name}.{key}" not in inactive}


def _named(choice: Any, code: str | None = None, listing: str | None = None) -> dict[str, Any]:
    """A catalog entry with only those parameters that differ from their default.

    The user's own with all of its parameters, and with the identity of its code. Where files lie is
    left out; a digest of their listing stands for them.
    """
    if choice.is_own:
        return {"name": choice.name, **choice.parameters, "code": code}
    parameters = choice.catalog[choice.name].parameters
    same = {*parameters.UNHASHED, *choice.at_default()}
    changed = {k: v for k, v in choice.parameters.items() if k not in same}
    return {"name": choice.name, **changed, **({} if listing is None else {"files": listing})}


def _task(config: TrialConfig) -> dict[str, Any]:
    """What is learnt: a data set and a model, a whole task, or the user's with its code."""
    task = config.task
    if (record := built_in(task.use)) is not None:
        return {"task": _built_in(config, record)}
    if task.use is not None:
        code = _code(config, "task.use")
        files = _files(config, "task.use")
        return {"task": {"use": task.use, "keywords": task.keywords, "code": code, **files}}
    return {
        "dataset": _named(
            task.dataset, _code(config, "task.dataset"), _listing(config, "task.dataset")
        ),
        "model": _named(task.model, _code(config, "task.model")),
    }


def _built_in(config: TrialConfig, record: BuiltInTask) -> dict[str, Any]:
    """A task of the catalog with only those keywords that differ from their default."""
    defaults = config.facts.defaults if config.facts is not None else {}
    changed = {
        key: value
        for key, value in config.task.keywords.items()
        if key not in defaults or value != defaults[key]
    }
    return {
        "use": record.name,
        **({"keywords": changed} if changed else {}),
        **_files(config, "task.use"),
        **_revision(config, "task"),
    }


def _revision(config: TrialConfig, section: str) -> dict[str, int]:
    """The revision of what a section names, nothing where it is the first."""
    found = revisions(config).get(section)
    return {} if found is None else {"revision": found}


def _method(config: TrialConfig) -> dict[str, Any]:
    return {**_named(config.method, _code(config, "method")), **_revision(config, "method")}


def _prune(config: TrialConfig) -> dict[str, Any]:
    return {**_section(config, "prune"), **_revision(config, "prune")}


def _retrain(config: TrialConfig) -> dict[str, Any]:
    """The keys of `retrain` but its length; the norm under one name, where it is not the usual."""
    retrain = _section(config, "retrain")
    for key in ("epochs", "budget", "norm"):
        retrain.pop(key, None)
    usual = not config.retrains or config.norm == config.usual_norm
    return retrain if usual else {**retrain, "norm": config.norm}


def _code(config: TrialConfig, key: str) -> str | None:
    """The identity of the user's code behind a key; None where there is none."""
    return config.facts.codes.get(key) if config.facts is not None else None


def _listing(config: TrialConfig, key: str) -> str | None:
    """The digest of the files behind a key, where only they know the numbers of the data set."""
    return config.facts.listings.get(key) if config.facts is not None else None


def _files(config: TrialConfig, key: str) -> dict[str, str]:
    """The same as an entry, nothing where there is none."""
    listing = _listing(config, key)
    return {} if listing is None else {"files": listing}


def _own(config: TrialConfig, *keys: str) -> dict[str, Any]:
    """The identities of the code behind some keys, nothing where no code stands there."""
    codes = {key: _code(config, key) for key in keys if key in config.own_code}
    return {"code": codes} if codes else {}


def _training(config: TrialConfig) -> dict[str, Any]:
    """What every optimiser step of the trial depends on."""
    return {
        "schema": SCHEMA_VERSION,
        **_task(config),
        "dense": {**_recipe(config), **_length(config)},
        "compute": _section(config, "compute"),
    }


def _recipe(config: TrialConfig) -> dict[str, Any]:
    """The keys of `dense` but its length, with the identity of an optimiser of the user's."""
    dense = _section(config, "dense")
    for key in ("epochs", "weights"):
        dense.pop(key, None)
    if "start" in dense:
        dense["start"] = config.checkpoint(dense["start"]).digest
    if "dense.nesterov" not in config.inactive:
        dense["nesterov"] = config.dense.uses_nesterov
    return {**dense, **_own(config, "dense.optimiser")}


def _length(config: TrialConfig) -> dict[str, int]:
    """The steps of the dense run; nothing where no one knows how long a network was trained."""
    return {"steps": config.dense_steps} if config.knows_dense_length else {}


def _weights(config: TrialConfig, seed: int) -> dict[str, str]:
    """The digest of the trained network that a seed starts from, if it comes from a file."""
    if not config.loads_dense:
        return {}
    return {"weights": config.checkpoint(config.weights_name(seed)).digest}


def _quantisation(config: TrialConfig) -> dict[str, Any]:
    """In what the weights are written at the end; nothing where they stay as they are."""
    section = _section(config, "quantise")
    return {"quantise": section} if section else {}


class Hashes:
    """The fingerprints and chains of one configuration, by seed.

    What all its seeds have in common is worked out once, and is one object in all their stages.
    """

    def __init__(self, config: TrialConfig) -> None:
        self.config = config

    @cached_property
    def _training(self) -> dict[str, Any]:
        return _training(self.config)

    @cached_property
    def _common(self) -> dict[str, Any]:
        """What a fingerprint covers beside the seed and weights from a file."""
        config = self.config
        return {
            **self._training,
            "method": _method(config),
            "prune": _prune(config),
            "retrain": _retrain(config),
            **_own(config, "prune.criterion", "retrain.schedule"),
            "cycle_steps": config.cycle_steps,
            **_quantisation(config),
        }

    def fingerprint(self, seed: int) -> str:
        """Return the content hash of a trial: equal for trials that ask for the same, said alike.

        Lengths count in optimiser steps; name, search and resources of the study are not part of
        it.
        """
        return digest({**self._common, **_weights(self.config, seed), "seed": seed})

    def chain(self, seed: int) -> tuple[StageSpec, ...]:
        """Return the stages of a trial in order: the dense run and each cycle, or the one whole
        run.

        The last one may hold the weights in fewer bits.
        """
        first = self._first(seed)
        chain = [first]
        for cycle, common in enumerate(self._cycles, start=1):
            steps = self.config.cycle_steps[cycle - 1]
            content = {"parent": chain[-1].hash, "steps": steps, **common}
            if self.config.loads_dense and cycle == 1:  # else the dense run's hash holds all of it
                content |= {"seed": seed, "training": self._training}
            chain.append(
                StageSpec(
                    digest(content),
                    "cycle",
                    cycle,
                    steps,
                    first.steps_per_epoch,
                    chain[-1].hash,
                    first.likeness,
                    content,
                )
            )
        if self._quantisation:
            last = chain[-1]
            content = {"kind": "quantised", "parent": last.hash, **self._quantisation}
            chain.append(
                replace(
                    last,
                    hash=digest(content),
                    kind="quantised",
                    steps=0,
                    parent=last.hash,
                    content=content,
                )
            )
        return tuple(chain)

    @cached_property
    def _quantisation(self) -> dict[str, Any]:
        return _quantisation(self.config)

    @cached_property
    def _cycles(self) -> list[dict[str, Any]]:
        """What the hash of each cycle covers beside its parent and its steps."""
        cycles = range(1, len(self.config.cycle_steps) + 1)
        return [_cycle_content(self.config, cycle) for cycle in cycles]

    def _first(self, seed: int) -> StageSpec:
        config = self.config
        kind: StageKind = "dense" if config.retrains else "whole"
        steps = 0 if config.loads_dense else config.dense_steps
        content = {"kind": kind, "seed": seed, **self._training}
        if config.loads_dense:
            content = _loaded_content(config, seed)
        content |= self._whole
        return StageSpec(
            digest(content), kind, 0, steps, config.steps_per_epoch, None, self._likeness, content
        )

    @cached_property
    def _whole(self) -> dict[str, Any]:
        """What shapes the first stage where that is no dense run."""
        config = self.config
        return {} if config.retrains else {"method": _method(config), "prune": _prune(config)}

    @cached_property
    def _likeness(self) -> str:
        task = {k: v for k, v in self._training.items() if k in ("dataset", "model", "task")}
        return digest(
            {
                **task,
                "compute": _section(self.config, "compute"),
                "batch_size": self.config.dense.batch_size,
                "method": self._whole.get("method", {}).get("name"),
            }
        )


def fingerprint(config: TrialConfig, seed: int) -> str:
    """Return the content hash of one trial, see `Hashes.fingerprint`."""
    return Hashes(config).fingerprint(seed)


def stage_chain(config: TrialConfig, seed: int) -> tuple[StageSpec, ...]:
    """Return the stages of one trial, see `Hashes.chain`."""
    return Hashes(config).chain(seed)


def _loaded_content(config: TrialConfig, seed: int) -> dict[str, Any]:
    """A dense stage that is loaded and evaluated: no seed and no recipe, which it does not use."""
    compute = _section(config, "compute")
    for key in ("micro_batch", "processes", "batch_norm"):
        compute.pop(key, None)
    return {
        "kind": "dense",
        "schema": SCHEMA_VERSION,
        **_task(config),
        **_weights(config, seed),
        "compute": compute,
    }


def _cycle_content(config: TrialConfig, cycle: int) -> dict[str, Any]:
    prune = _prune(config)
    prune.pop("cycles", None)
    retrain = _retrain(config)
    uses = schedule_of(config.retrain.schedule).uses
    kept = {key: value for key, value in retrain.items() if key in {*uses, "norm", "seed"}}
    return {
        "kind": "cycle",
        "cycle": cycle,
        "prune": {**prune, "sparsity": cumulative_sparsity(config, cycle)},
        "retrain": {**kept, "schedule": config.retrain.schedule},
        **_own(config, "prune.criterion", "retrain.schedule"),
    }


def cumulative_sparsity(config: TrialConfig, cycle: int) -> float:
    """Sparsity asked after a cycle: 1 - (1 - S)^(cycle/k), and S itself after the last.

    Under a pattern, the share of the zeros that every group then has.
    """
    goal, cycles = config.prune.sparsity, config.prune.cycles
    if cycle == cycles:
        return goal
    if group := config.prune.form.group:
        return zeros_after(group, goal, cycles, cycle) / group
    return float(round(1 - (1 - goal) ** (cycle / cycles), 12))
