"""A search: Optuna samples configurations inside each block; the best may be confirmed after.

Optuna itself is imported when a run needs it.
"""

from __future__ import annotations

import itertools
import math
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.definition.bounds import bounds_of
from study.definition.domains import Domain
from study.definition.replicates import SEEDS
from study.definition.space import Block
from study.points import best
from study.points.agenda import TrialSource
from study.points.best import BestConfiguration
from study.points.resolved_study import Earlier, ResolvedStudy
from study.points.suggestions import Point, open_points, under_every_origin
from study.points.winners import winners
from trainables.config.trial import TrialConfig
from trainables.files.storage import Folder, is_remote
from trainables.vocabulary.refusal import Refusal, shown

if TYPE_CHECKING:
    from trainables.files.trial_record import Record

PROBES = 200
"""Random points of a block that are looked at for one that breaks no rule."""


class SearchStudy(ResolvedStudy):
    """A study whose configurations are found as results come in."""

    def check(self) -> None:
        """Refuse a space with nothing to sample, a block without a valid point, idle keys."""
        self.refuse_unknown_metrics()
        self._refuse_fixed()
        draw = random.Random(0)
        first = [_probe(block, draw, {}) for block in self.blocks]
        for config in first:
            bounds_of(self.study.search.constraints, config.resolved())
        self._refuse_wrong_points(draw)
        self._refuse_mixed_methods()
        self.refuse_idle_retrainings(first)
        self.refuse_wrong_exclusions()
        self.refuse_idle_keys(itertools.chain(first, _probes(self.blocks, draw)))

    def _refuse_fixed(self) -> None:
        for space in self.spaces:
            if not space.sampled:
                raise Refusal(
                    "search.strategy optuna must have a sampled domain (choice, uniform, loguniform"
                    f" or int) in every space, got only {', '.join(space.domains) or 'values'}"
                )

    def _refuse_mixed_methods(self) -> None:
        """Refuse several retrainings where some configurations of a block retrain nothing."""
        again = self.study.retrain_seeds
        if len(again) > 1 and any(len(block.kinds) > 1 for block in self.blocks):
            rule = "must hold one seed where a search draws a method that retrains or another"
            raise Refusal(f"{SEEDS} {rule}, got {list(again)}")

    def _refuse_wrong_points(self, draw: random.Random) -> None:
        """Refuse a point of the study that no block can take, or that breaks a rule in one."""
        sampled = sorted({key for space in self.spaces for key in space.sampled})
        for at, point in enumerate(self.study.search.enqueue):
            takers = [block for block in self.blocks if block.takes(point)]
            if not takers:
                rule = f"must give values to sampled keys ({', '.join(sampled)})"
                raise Refusal(f"search.enqueue.{at} {rule}, got {shown(point)}")
            for block in takers:
                _probe(block, draw, point)

    @cached_property
    def representatives(self) -> list[TrialConfig]:
        """A valid random point for each data set and model that a block may choose."""
        draw = random.Random(0)
        return [_probe(block, draw, task) for block in self.blocks for task in _tasks(block)]

    @property
    def trials(self) -> None:
        """The search decides as it goes."""
        return None

    @property
    def n_configurations(self) -> int:
        return len(self.blocks) * (self.study.search.trials or 0)

    @property
    def n_confirmations(self) -> int:
        further = self.study.confirming
        n = sum(len(further.of(True in block.kinds)) for block in self.blocks)
        return (self.study.search.confirm or 0) * n

    @property
    def n_trials(self) -> int:
        return sum(self.study.trials_per_block(True in block.kinds) for block in self.blocks)

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.study.search_seeds

    @cached_property
    def _by_key(self) -> dict[str, Block]:
        return {block.key: block for block in self.blocks}

    def earlier(self, folder: Folder, records: Sequence[Record]) -> Earlier:
        """Return records and open points; a trial that another block, or another space, has run
        counts in every block that asked for it."""
        points, warnings = open_points(self.study, folder, records, self._by_key)
        every = under_every_origin(self.study, self._by_key, records, points)
        return Earlier(every, points, warnings)

    def members(self, records: Iterable[Record]) -> list[Record]:
        """Return the records of the blocks at the seeds searched, then those that confirm."""
        by_block: dict[str, list[Record]] = {key: [] for key in self._by_key}
        for record in records:
            key = record.origin.get("block_key")
            if key in by_block and record.replicate in self.study.replicates.of(record.retrains):
                by_block[key].append(record)
        if self.study.search.confirm is None:
            return [record for block in by_block.values() for record in block]
        return [record for block in by_block.values() for record in self._confirmed(block)]

    def _confirmed(self, block: Sequence[Record]) -> list[Record]:
        """One block's records at the seeds searched, and its winners' at the others."""
        first = [r for r in block if r.seed in self.seeds]
        ended: dict[int, tuple[Mapping[str, Any], list[Record]]] = {}
        for record in first:
            ended.setdefault(record.origin["number"], (record.config, []))[1].append(record)
        if len(ended) < (self.study.search.trials or 0) and len(first) == len(block):
            return first  # still searching; a search that ended early has confirmed its winners
        chosen = winners(self.study.search, ended)
        further = [r for r in block if r.origin["number"] in chosen and r.seed not in self.seeds]
        return first + further

    def source(
        self,
        folder: Folder,
        earlier: Earlier,
        slots: Callable[[], int],
        remember: Callable[[Point], None],
    ) -> TrialSource:
        """Return Optuna's samplers, one for each block, with the journal of what they learn."""
        from study.points.journal import Journal
        from study.points.optuna_source import OptunaSource

        journal = Journal(
            _journal_path(folder.location, self.study.name),
            self.study.name,
            self.study.search.objectives,
        )
        return OptunaSource(
            self.blocks, self.study, earlier.records, slots, earlier.points, remember, journal
        )

    def draws_blindly(self, slots: int) -> bool:
        """Whether more than half of the points would be drawn before the first result."""
        if self.study.search.sampler == "random":
            return False
        n = sum(len(self.study.searched.of(True in block.kinds)) for block in self.blocks)
        return 2 * slots > (self.study.search.trials or 0) * n

    def unbeaten(self, records: Iterable[Record]) -> list[list[BestConfiguration]]:
        """Return for each block the configurations that no other one beats, the best first."""
        return best.unbeaten(self.study, self._by_key, records)

    def findings(self, records: Sequence[Record]) -> str | None:
        """Return the unbeaten configurations as a table; "" when none is complete."""
        return best.table(self.study, self.unbeaten(records))


def _journal_path(location: str, name: str) -> Path:
    """Optuna's journal lies in the study folder; of one in an object store on this machine."""
    if is_remote(location):
        return Path(tempfile.gettempdir()) / f"{name}.journal"
    return Path(location) / "optuna.journal"


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
    raise Refusal(f"{fault} (no valid point in {PROBES} random ones)")


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
