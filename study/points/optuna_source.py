"""Optuna behind the agenda: one Optuna study a block, asked one configuration at a time and told
the mean over its seeds, then the best of each block at further seeds where the study wants that.
All state is rebuilt at the start, from records and from what was asked for.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from study.definition.space import Block, Trial
from study.definition.studyfile import StudyFile
from study.points.agenda import Ending
from study.points.sampling import active_sample, distribution, encode
from study.points.suggestions import Point, origin_of
from study.points.winners import winners, worst_excesses
from trainables.config.trial import TrialConfig
from trainables.files.records import Record
from trainables.vocabulary.refusal import Refusal

OPTUNA_DIRECTIONS = {"max": StudyDirection.MAXIMIZE, "min": StudyDirection.MINIMIZE}
MOST_REPEATS = 50
"""Ending or invalid points in a row after which the search of a block ends."""


@contextmanager
def quietly() -> Iterator[None]:
    """Within this context Optuna prints no notice of a new study or of an experimental call."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


@dataclass
class Asked:
    """One configuration of a block: its number, the values sampled, and what its seeds gave."""

    number: int
    values: dict[str, Any]
    config: TrialConfig
    pending: optuna.Trial | None = None
    told: dict[int, Ending] = field(default_factory=dict)

    def complete(self, seeds: Sequence[int]) -> bool:
        """Whether every seed has ended."""
        return all(seed in self.told for seed in seeds)


class BlockSearch:
    """The search inside one block."""

    def __init__(self, block: Block, study: StudyFile) -> None:
        self.block = block
        self._seeds, self._search = study.search_seeds, study.search
        self._further = study.seeds[len(self._seeds) :]
        self._confirming = False
        self.asked: dict[int, Asked] = {}
        self._by_config: dict[str, int] = {}
        self.ended_early = False
        self._own_points = [p for p in study.search.enqueue if block.takes(p)]
        directions = [OPTUNA_DIRECTIONS[d] for d in self._objectives.values()]
        with quietly():
            self.optuna = optuna.create_study(directions=directions)
        self._distributions = {k: distribution(d) for k, d in block.space.sampled.items()}

    @property
    def _objectives(self) -> Mapping[str, str]:
        return self._search.objectives

    @property
    def wanted(self) -> int:
        """Configurations still to ask for."""
        return 0 if self.ended_early else max(0, (self._search.trials or 0) - len(self.asked))

    @property
    def may_confirm(self) -> bool:
        """Whether every configuration has ended, and the best ones have still to be confirmed."""
        open_ = not self._confirming and self._search.confirm is not None
        return open_ and not self.wanted and all(map(self._complete, self.asked.values()))

    @property
    def must_confirm(self) -> bool:
        """Whether confirmations are still to come."""
        return not self._confirming and self._search.confirm is not None

    def confirm(self) -> list[Trial]:
        """Return the trials of the best configurations at the seeds that were not searched."""
        self._confirming = True
        ended = {n: (a.config.resolved(), self._ends(a)) for n, a in self.asked.items()}
        best = [self.asked[number] for number in winners(self._search, ended)]
        return [trial for asked in best for trial in self.trials(asked, self._further)]

    def trials(self, asked: Asked, seeds: Sequence[int] | None = None) -> list[Trial]:
        """Return the trials of a configuration, one a seed: those of the search unless given."""
        origin = origin_of(self.block, asked.number, asked.values, asked.config, self._search)
        seeds = self._seeds if seeds is None else seeds
        return [Trial.of(asked.config, seed, origin) for seed in seeds]

    def _ends(self, asked: Asked) -> list[Ending]:
        return [asked.told[seed] for seed in self._seeds]

    def _complete(self, asked: Asked) -> bool:
        return asked.complete(self._seeds)

    def restore(self, records: Sequence[Record], points: Sequence[Point] = ()) -> None:
        """Take up the configurations of earlier runs, in the order of their numbers: those that
        have records, and those asked for that have none yet."""
        known = {int(r.origin["number"]): r.origin["params"] for r in records}
        for number, values in sorted(({p.number: p.params for p in points} | known).items()):
            config = self.block.space.config({**self.block.cell, **values})
            self._remember(Asked(number, dict(values), config))

    def _remember(self, asked: Asked) -> None:
        self.asked[asked.number] = asked
        self._by_config[Trial.of(asked.config, 0).fingerprint] = asked.number

    def ask(self) -> Asked | None:
        """Return a new configuration: the study's own points first, then sampled ones.

        None when points have only repeated or broken rules.
        """
        while self._own_points:
            point = self._own_points.pop(0)
            tried = any(point.items() <= asked.values.items() for asked in self.asked.values())
            if not tried and (asked := self._ask(point)) is not None:
                return asked
        asked = self._ask({})
        self.ended_early = asked is None
        return asked

    def _ask(self, point: Mapping[str, Any]) -> Asked | None:
        """Return a new configuration with the values of `point`, the others sampled."""
        number = max(self.asked, default=-1) + 1
        outside = {k: v for k, v in point.items() if not self.block.space.sampled[k].holds(v)}
        inside = {k: encode(v) for k, v in point.items() if k not in outside}
        for repeat in range(1 if len(point) == len(self._distributions) else MOST_REPEATS):
            if inside:
                self.optuna.enqueue_trial(inside)
            trial = self._ask_optuna(number, repeat)
            try:
                values, config = active_sample(self.block, trial, self._distributions, outside)
            except Refusal:
                self.optuna.tell(trial, state=TrialState.FAIL)
                continue
            twin = self._by_config.get(Trial.of(config, 0).fingerprint)
            if twin is None:
                asked = Asked(number, values, config, trial)
                self._remember(asked)
                return asked
            self._tell_again(trial, self.asked[twin])
        return None

    def _ask_optuna(self, number: int, repeat: int) -> optuna.Trial:
        """Ask with a sampler seeded by (search seed, block, number), so a restart goes on."""
        text = f"{self._search.seed}/{self.block.key}/{number}/{repeat}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        if self._search.sampler == "random":
            self.optuna.sampler = optuna.samplers.RandomSampler(seed=seed)
        else:
            self.optuna.sampler = optuna.samplers.TPESampler(seed=seed)
        return self.optuna.ask()

    def _tell_again(self, trial: optuna.Trial, twin: Asked) -> None:
        """A point already known is told at once; one still running teaches nothing yet."""
        state, values = self._verdict(twin) if self._complete(twin) else (None, None)
        self._tell(trial, twin, state or TrialState.FAIL, values)

    def _tell(
        self, trial: optuna.Trial, asked: Asked, state: TrialState, values: list[float] | None
    ) -> None:
        if values:
            for name, excess in self._excesses(asked).items():
                trial.set_constraint(name, excess)
        self.optuna.tell(trial, values, state=None if values else state)

    def tell(self, number: int, seed: int, ending: Ending) -> FrozenTrial | None:
        """Learn how one seed ended; returns the finished Optuna trial once all seeds have."""
        asked = self.asked[number]
        asked.told[seed] = ending
        if seed not in self._seeds or not self._complete(asked):
            return None
        frozen = self._frozen(asked)
        if asked.pending is None:
            self.optuna.add_trial(frozen)
        else:
            self._tell(asked.pending, asked, frozen.state, frozen.values)
        return frozen

    def _excesses(self, asked: Asked) -> dict[str, float]:
        return worst_excesses(self._search, asked.config.resolved(), self._ends(asked))

    def _verdict(self, asked: Asked) -> tuple[TrialState, list[float] | None]:
        """FAIL if a seed failed for good, PRUNED if one diverged or was stopped, else the means."""
        ends = self._ends(asked)
        if any(end.state == "failed" for end in ends):
            return TrialState.FAIL, None
        if any(end.state != "done" for end in ends):
            return TrialState.PRUNED, None
        values = [fmean(e.metrics.get(name, math.nan) for e in ends) for name in self._objectives]
        if any(math.isnan(value) for value in values):
            return TrialState.FAIL, None
        return TrialState.COMPLETE, values

    def _frozen(self, asked: Asked) -> FrozenTrial:
        state, values = self._verdict(asked)
        sampled = self.block.space.sampled
        params = {k: encode(v) for k, v in asked.values.items() if sampled[k].holds(v)}
        return create_trial(
            state=state,
            values=values,
            params=params,
            distributions={k: self._distributions[k] for k in params},
            user_attrs=self._attributes(asked),
            constraints=self._excesses(asked) if values else {},
        )

    def _attributes(self, asked: Asked) -> dict[str, Any]:
        ends = self._ends(asked)
        attributes: dict[str, Any] = {
            "number": asked.number,
            "seeds": list(self._seeds),
            "states": [end.state for end in ends],
            "fingerprints": [t.fingerprint for t in self.trials(asked)],
        }
        for name in self._objectives:
            seen = [end.metrics[name] for end in ends if name in end.metrics]
            if len(seen) > 1:
                attributes[f"std of {name}"] = stdev(seen)
        return attributes


class OptunaSource:
    """All blocks of a study's search; most configurations at once are as many as `slots`.

    `points` are configurations of earlier runs that may have no record yet; each new one is given
    to `remember` before its trials are handed out.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        study: StudyFile,
        records: Sequence[Record],
        slots: int,
        points: Sequence[Point] = (),
        remember: Callable[[Point], None] | None = None,
    ) -> None:
        self._slots, self._remember = max(1, slots), remember or (lambda _: None)
        self.searches = {block.key: BlockSearch(block, study) for block in blocks}
        self.planned = len(self.searches) * study.trials_a_block
        self.ended: list[tuple[BlockSearch, FrozenTrial]] = []
        for key, search in self.searches.items():
            own = [r for r in records if r.origin.get("block_key") == key]
            search.restore(own, [p for p in points if p.block_key == key])
        self._again = [
            trial
            for search in self.searches.values()
            for asked in search.asked.values()
            for trial in search.trials(asked)
        ]

    @property
    def ended_early(self) -> list[str]:
        """Blocks whose points only repeated, in words."""
        return [
            ", ".join(f"{k}={v}" for k, v in s.block.cell.items()) or "the whole space"
            for s in self.searches.values()
            if s.ended_early
        ]

    def more(self, outstanding: int) -> list[Trial] | None:
        """Return the configurations of earlier runs first, then new ones while slots are free,
        then the best of each block at further seeds."""
        if self._again:
            trials, self._again = self._again, []
            return trials
        if outstanding >= self._slots:
            return None
        while waiting := [s for s in self.searches.values() if s.wanted]:
            search = min(waiting, key=lambda s: len(s.asked))
            asked = search.ask()
            if asked is not None:
                self._remember(Point(search.block.key, asked.number, asked.values))
                return search.trials(asked)
        return self._confirmations()

    def _confirmations(self) -> list[Trial] | None:
        for search in self.searches.values():
            if search.may_confirm and (trials := search.confirm()):
                return trials
        return None if any(s.must_confirm for s in self.searches.values()) else []

    def tell(self, trial: Trial, ending: Ending) -> None:
        """Learn how a trial ended."""
        search = self.searches[trial.origin["block_key"]]
        finished = search.tell(int(trial.origin["number"]), trial.seed, ending)
        if finished is not None:
            self.ended.append((search, finished))
