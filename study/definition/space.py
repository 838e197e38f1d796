"""From a study file to points: spaces, their blocks, and the trials of a grid.

A point is a configuration and a seed. Pure; knows neither torch nor Ray nor Optuna.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from study.definition.constraints import bounds_of
from study.definition.domains import Domain, is_domain, parse, refuse_near_domain
from study.definition.studyfile import StudyFile, merged
from trainables.config.chain import digest, fingerprint
from trainables.config.rules import CONDITIONS
from trainables.config.trial import TrialConfig
from trainables.vocabulary.refusal import Refusal, shown

MOST_CELLS = 1_000_000
PROBES = 200


@dataclass(frozen=True)
class Trial:
    """A point: one configuration with one seed, and where a search took it from."""

    config: TrialConfig
    seed: int
    fingerprint: str
    origin: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: TrialConfig, seed: int, origin: Mapping[str, Any] | None = None) -> Trial:
        """Return the trial with its fingerprint."""
        return cls(config, seed, fingerprint(config, seed), origin or {})


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

    `overlay` is the path of the overlay that makes it, where the study has any.
    """

    fixed: Mapping[str, Any]
    domains: Mapping[str, Domain]
    overlay: str = ""

    def config(self, values: Mapping[str, Any]) -> TrialConfig:
        """Return the configuration with a value for each domain; Refusal when it breaks a rule."""
        raw: dict[str, Any] = dict(self.fixed)
        for key, value in values.items():
            raw = merged(raw, _nested(key, value))
        with _naming(self.overlay):
            return TrialConfig.of(raw)

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield each combination of the grids' values, the last key varying fastest."""
        grids = {key: d.values for key, d in self.domains.items() if not d.sampled}
        for combination in itertools.product(*grids.values()):
            yield dict(zip(grids, combination, strict=True))

    @property
    def sampled(self) -> dict[str, Domain]:
        """The domains that a search draws from."""
        return {key: d for key, d in self.domains.items() if d.sampled}


@dataclass(frozen=True)
class Block:
    """A cell of the grids of one space, inside which a search samples the other domains."""

    space: Space
    cell: Mapping[str, Any]
    number: int

    @property
    def key(self) -> str:
        """A hash of all that shapes the search inside the block."""
        sampled = {k: [d.kind, list(d.values)] for k, d in self.space.sampled.items()}
        return digest([_plain(self.space.fixed), _plain(self.cell), sampled])

    def takes(self, point: Mapping[str, Any]) -> bool:
        """Whether all keys of a point that the study names are sampled here."""
        return point.keys() <= self.space.sampled.keys()


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
    kept: dict[str, Any] = {}
    for key, value in raw.items():
        if is_domain(value):
            continue
        kept[key] = _without_domains(value) if isinstance(value, Mapping) else value
    return kept


def spaces(study: StudyFile) -> list[Space]:
    """Return the study's spaces: one for each overlay, or the top level alone."""
    if not study.spaces:
        return [_space(study.space, "")]
    overlays = enumerate(study.spaces)
    return [_space(merged(study.space, overlay), f"spaces.{at}") for at, overlay in overlays]


def _space(raw: Mapping[str, Any], overlay: str) -> Space:
    with _naming(overlay):
        leaves = dict(_walk(raw))
        domains = {key: parse(key, value) for key, value in leaves.items() if is_domain(value)}
    return Space(_without_domains(raw), domains, overlay)


def blocks(study: StudyFile) -> list[Block]:
    """Return every cell of every space, in order."""
    cells = ((space, cell) for space in spaces(study) for cell in space.cells())
    return [Block(space, cell, number) for number, (space, cell) in enumerate(cells)]


def grid_configs(study: StudyFile) -> list[TrialConfig]:
    """Return the distinct configurations of a grid study, in order.

    Cells that differ only in keys that change nothing are one configuration. Refusal names the
    first cell that breaks a rule.
    """
    _refuse_sampled(study)
    _refuse_too_many(study)
    found: dict[str, TrialConfig] = {}
    for block in blocks(study):
        config = _valid(block.space, block.cell)
        found.setdefault(fingerprint(config, 0), config)
    configs = list(found.values())
    _refuse_idle_keys(study, configs)
    return configs


def _refuse_sampled(study: StudyFile) -> None:
    for space in spaces(study):
        for key, domain in space.sampled.items():
            raise Refusal(
                f"{key} must be a value or {{grid: [...]}} under search.strategy grid,"
                f" got {{{domain.kind}: {shown(list(domain.values))}}};"
                " search.strategy optuna samples it"
            )


def _refuse_too_many(study: StudyFile) -> None:
    counts = (
        math.prod(len(d.values) for d in s.domains.values() if not d.sampled) for s in spaces(study)
    )
    cells = sum(counts) * len(study.seeds)
    if cells > MOST_CELLS:
        raise Refusal(f"the grids must make at most {MOST_CELLS} trials, got {cells}")


def _valid(space: Space, values: Mapping[str, Any]) -> TrialConfig:
    try:
        return space.config(values)
    except Refusal as refusal:
        if not values:
            raise
        cell = ", ".join(f"{key}={shown(value)}" for key, value in values.items())
        raise Refusal(f"{refusal} (first in the cell {cell})") from None


def _refuse_idle_keys(study: StudyFile, configs: Iterable[TrialConfig]) -> None:
    """Refuse a key that the study sets and no trial of it uses."""
    given = {key: value for raw in (study.space, *study.spaces) for key, value in _walk(raw)}
    idle = {key for key in given if key in CONDITIONS}
    for config in configs:
        idle &= config.inactive
        if not idle:
            return
    for key in sorted(idle):
        raise Refusal(
            f"{key} must be absent where no trial uses it (it matters when"
            f" {CONDITIONS[key].words}), got {shown(given[key])}"
        )


def grid_trials(study: StudyFile) -> list[Trial]:
    """Return the trials of a grid study: all seeds of a configuration, then the next one."""
    return [Trial.of(c, seed) for c in grid_configs(study) for seed in study.seeds]


def check_search_space(study: StudyFile) -> None:
    """Refuse an Optuna study with nothing to sample, or with a block that has no valid point."""
    cells = blocks(study)
    for block in cells:
        if not block.space.sampled:
            raise Refusal(
                "search.strategy optuna must have a sampled domain (choice, uniform, loguniform or"
                f" int) in every space, got only {', '.join(block.space.domains) or 'values'}"
            )
    draw = random.Random(0)
    first = [_probe(block, draw, {}) for block in cells]
    for config in first:
        bounds_of(study.search.constraints, config.resolved())
    _refuse_own_points(study, cells, draw)
    _refuse_idle_keys(study, itertools.chain(first, _probes(cells, draw)))


def _refuse_own_points(study: StudyFile, cells: list[Block], draw: random.Random) -> None:
    """Refuse a point of the study that no block can take, or that breaks a rule in one."""
    sampled = sorted({key for block in cells for key in block.space.sampled})
    for at, point in enumerate(study.search.enqueue):
        takers = [block for block in cells if block.takes(point)]
        if not takers:
            rule = f"must give values to sampled keys ({', '.join(sampled)})"
            raise Refusal(f"search.enqueue.{at} {rule}, got {shown(point)}")
        for block in takers:
            _probe(block, draw, point)


def representatives(study: StudyFile) -> list[TrialConfig]:
    """Return configurations that between them name every data set and model of the study."""
    if study.search.strategy == "grid":
        return grid_configs(study)
    draw = random.Random(0)
    return [_probe(b, draw, tasks) for b in blocks(study) for tasks in _tasks(b)]


def _tasks(block: Block) -> Iterator[dict[str, Any]]:
    """Yield each combination of the data sets and models that a search may choose."""
    sampled = block.space.sampled
    choices = {k: sampled[k].values for k in ("task.dataset", "task.model") if k in sampled}
    for combination in itertools.product(*choices.values()):
        yield dict(zip(choices, combination, strict=True))


def _probe(block: Block, draw: random.Random, fixed: Mapping[str, Any]) -> TrialConfig:
    """Return a valid random point with some values fixed; Refusal with a fault if there is none."""
    fault: Refusal | None = None
    for _ in range(PROBES):
        try:
            return block.space.config({**block.cell, **_draw(block, draw), **fixed})
        except Refusal as refusal:
            fault = refusal
    raise Refusal(f"{fault} (no valid point in {PROBES} random ones of a block)")


def _probes(cells: Iterable[Block], draw: random.Random) -> Iterator[TrialConfig]:
    """Yield the valid ones of many random points of each block."""
    for block in cells:
        for _ in range(PROBES):
            with suppress(Refusal):
                yield block.space.config({**block.cell, **_draw(block, draw)})


def _draw(block: Block, draw: random.Random) -> dict[str, Any]:
    return {key: _random(domain, draw) for key, domain in block.space.sampled.items()}


def _random(domain: Domain, draw: random.Random) -> Any:
    if domain.kind in ("grid", "choice"):
        return draw.choice(domain.values)
    low, high = domain.values
    if domain.kind == "int":
        return draw.randint(low, high)
    if domain.kind == "uniform":
        return draw.uniform(low, high)
    return math.exp(draw.uniform(math.log(low), math.log(high)))


def check(study: StudyFile) -> None:
    """Refuse what can be refused without torch, data or a cluster."""
    if study.search.strategy == "grid":
        grid_configs(study)
    else:
        check_search_space(study)
