"""From a study file to points: its spaces, their blocks, and what a trial is.

A point is a configuration and a seed. Pure; knows neither torch nor Ray nor Optuna.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from study.definition.domains import Domain, is_domain, parse, refuse_near_domain
from study.definition.replicates import Replicate, Replicates
from study.definition.studyfile import StudyFile, merged
from trainables.code.reference import is_reference
from trainables.config.catalog import METHODS
from trainables.config.chain import Hashes, StageSpec, digest
from trainables.config.revisions import named_revisions
from trainables.config.trial import TrialConfig
from trainables.formulas.levels import levelled
from trainables.vocabulary.refusal import Refusal


@dataclass(frozen=True)
class Trial:
    """A point: one configuration with one seed, and where a search took it from."""

    config: TrialConfig
    seed: int
    fingerprint: str
    origin: Mapping[str, Any] = field(default_factory=dict)
    hashes: Hashes | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        config: TrialConfig,
        seed: int,
        origin: Mapping[str, Any] | None = None,
        hashes: Hashes | None = None,
    ) -> Trial:
        """Return the trial with its fingerprint; `hashes` are those of the configuration."""
        hashes = hashes or Hashes(config)
        return cls(config, seed, hashes.fingerprint(seed), origin or {}, hashes)

    @property
    def chain(self) -> tuple[StageSpec, ...]:
        """The stages that the trial is made of; worked out at each call, for they take room."""
        return (self.hashes or Hashes(self.config)).chain(self.seed)

    @property
    def replicate(self) -> Replicate:
        """The seed and the retraining seed, 0 where the method retrains nothing."""
        return self.seed, self.config.retrain.seed if self.config.retrains else 0


def trials_of(
    config: TrialConfig,
    replicates: Replicates,
    origin: Mapping[str, Any] | None = None,
    hashes: Hashes | None = None,
) -> list[Trial]:
    """Return the trials of a configuration, one for each replicate, in order.

    `hashes` are those of the configuration, where they are known.
    """
    every = replicates.of(config.retrains)
    known = {} if hashes is None else {config.retrain.seed: hashes}
    of = {again: known.get(again) or Hashes(config.retrained(again)) for _, again in every}
    return [Trial.of(of[again].config, seed, origin, of[again]) for seed, again in every]


def _as_it_is(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    return raw


@contextmanager
def _naming(overlay: str) -> Iterator[None]:
    """Within this context a refusal says in which overlay it arose."""
    try:
        yield
    except Refusal as refusal:
        if not overlay:
            raise
        raise Refusal(f"{refusal} (in {overlay})") from None


@dataclass(frozen=True)
class Space:
    """One space of a study: the fixed part, nested, and the domains by dotted key.

    `overlay` is the path of the overlay that makes it, where the study has any. `fill` puts into a
    raw configuration what is known of the user's code in it.
    """

    fixed: Mapping[str, Any]
    domains: Mapping[str, Domain]
    overlay: str = ""
    fill: Callable[[Mapping[str, Any]], Mapping[str, Any]] = field(default=_as_it_is, repr=False)

    def raw(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fixed part with values for some domains laid over, as nested plain data."""
        raw: dict[str, Any] = dict(self.fixed)
        for key, value in values.items():
            raw = merged(raw, _nested(key, value))
        return raw

    def config(self, values: Mapping[str, Any]) -> TrialConfig:
        """Return the configuration with a value for each domain; Refusal when it breaks a rule."""
        with _naming(self.overlay):
            return TrialConfig.of(self.fill(self.raw(values)))

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield each combination of the grids' values, the last key varying fastest."""
        grids = {key: d.values for key, d in self.domains.items() if not d.sampled}
        for combination in itertools.product(*grids.values()):
            yield dict(zip(grids, combination, strict=True))

    @cached_property
    def sampled(self) -> dict[str, Domain]:
        """The domains that a search draws from."""
        return {key: d for key, d in self.domains.items() if d.sampled}


@dataclass(frozen=True)
class Block:
    """A cell of the grids of one space, inside which a search samples the other domains."""

    space: Space
    cell: Mapping[str, Any]
    number: int

    @cached_property
    def key(self) -> str:
        """A hash of all that shapes the search inside the block."""
        sampled = {k: [d.kind, list(d.values)] for k, d in self.space.sampled.items()}
        content = [_plain(self.space.fixed), _plain(self.cell), sampled]
        return digest([*content, self._revised] if self._revised else content)

    @cached_property
    def _revised(self) -> list[list[Any]]:
        """What the block may name of a revision above 1: an older one was searched before."""
        raw = self.space.raw(self.cell)
        task, prune = raw.get("task", {}).get("use"), raw.get("prune", {})
        structures = self._values("prune.structure", prune.get("structure", "weights"))
        found = {
            (section, {"method": name, "prune": kind}.get(section, task), revision)
            for name in map(_name, self._values("method", raw.get("method", "imp")))
            for kind in structures
            for section, revision in named_revisions(
                task, name, kind, retrains=_retrains(name)
            ).items()
        }
        return [list(one) for one in sorted(found)]

    def _values(self, key: str, fixed: Any) -> Sequence[Any]:
        """What a key may be in the block."""
        sampled = self.space.sampled.get(key)
        return [fixed] if sampled is None else sampled.values

    @cached_property
    def kinds(self) -> frozenset[bool]:
        """Whether the methods of the block retrain: both where the search draws among such."""
        fixed = self.space.raw(self.cell).get("method", "imp")
        return frozenset(_retrains(_name(m)) for m in self._values("method", fixed))

    def takes(self, point: Mapping[str, Any]) -> bool:
        """Whether all keys of a point that the study names are sampled here."""
        return point.keys() <= self.space.sampled.keys()


def _name(method: Any) -> str:
    return str(method.get("name") if isinstance(method, Mapping) else method)


def _retrains(name: str) -> bool:
    known = None if is_reference(name) else METHODS.get(name)
    return known is not None and known.kind == "retraining"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _nested(key: str, value: Any) -> dict[str, Any]:
    """`task.model.hidden` as nested mappings; a parameter joins the named choice it belongs to."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def _walk(raw: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for each leaf; a domain is a leaf."""
    for key, value in raw.items():
        path = f"{at}.{key}" if at else str(key)
        if isinstance(value, Mapping) and not is_domain(value):
            refuse_near_domain(path, value)
            yield from _walk(value, path)
        else:
            yield path, value


def _without_domains(raw: Mapping[str, Any]) -> dict[str, Any]:
    without: dict[str, Any] = {}
    for key, value in raw.items():
        if is_domain(value):
            continue
        nested = isinstance(value, Mapping)
        without[key] = _without_domains(value) if nested else levelled(value)
    return without


def spaces(study: StudyFile) -> list[Space]:
    """Return the study's spaces: one for each overlay, or the top level alone."""
    if not study.spaces:
        return [_space(study.space, "")]
    overlays = enumerate(study.spaces)
    return [_space(merged(study.space, overlay), f"spaces.{at}") for at, overlay in overlays]


def _space(raw: Mapping[str, Any], overlay: str) -> Space:
    with _naming(overlay):
        values = leaves(raw)
        domains = {key: parse(key, value) for key, value in values.items() if is_domain(value)}
    return Space(_without_domains(raw), domains, overlay)


def cells(spaces: Sequence[Space]) -> Iterator[tuple[Space, dict[str, Any]]]:
    """Yield every cell of every space's grids, in order."""
    return ((space, cell) for space in spaces for cell in space.cells())


def blocks(spaces: Sequence[Space]) -> list[Block]:
    """Return every cell as the block that a search samples in."""
    return [Block(space, cell, number) for number, (space, cell) in enumerate(cells(spaces))]


def leaves(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a space's sections by dotted key; a domain is a value."""
    return dict(_walk(raw))
