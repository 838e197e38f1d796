"""The search inside one block: an Optuna study, asked one configuration at a time and told the mean
over its seeds, then the best of them at further seeds where the study wants that.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from study.definition.replicates import Replicate, Replicates
from study.definition.space import Block, Trial, trials_of
from study.definition.studyfile import StudyFile
from study.points.agenda import Ending
from study.points.sampling import active_sample, distribution, encode
from study.points.suggestions import Point, origin_of
from study.points.winners import winners, worst_excesses
from trainables.config.chain import fingerprint
from trainables.config.trial import TrialConfig
from trainables.files.trial_record import Record
from trainables.vocabulary.refusal import Refusal

OPTUNA_DIRECTIONS = {"max": StudyDirection.MAXIMIZE, "min": StudyDirection.MINIMIZE}
MOST_REPEATS = 50
"""Known or invalid points in a row after which the search of a block ends."""


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
class Candidate:
    """One configuration of a block: its number, the values sampled, and how its trials ended."""

    number: int
    values: dict[str, Any]
    config: TrialConfig
    pending: optuna.Trial | None = None
    endings: dict[Replicate, Ending] = field(default_factory=dict)

    def ends(self, replicates: Replicates) -> list[Ending | None]:
        """Return how each of these trials ended; None for one that has not."""
        return [self.endings.get(one) for one in replicates.of(self.config.retrains)]


class BlockSearch:
    """The search inside one block."""

    def __init__(self, block: Block, study: StudyFile) -> None:
        self.block = block
        self._searched, self._further = study.searched, study.confirming
        self._search = study.search
        self._confirming = False
        self.candidates: dict[int, Candidate] = {}
        self._by_config: dict[str, int] = {}
        self.ended_early = False
        self._enqueued = [p for p in study.search.enqueue if block.takes(p)]
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
        return 0 if self.ended_early else max(0, (self._search.trials or 0) - len(self.candidates))

    @property
    def may_confirm(self) -> bool:
        """Whether every configuration has ended, and the best ones have still to be confirmed."""
        open_ = not self._confirming and self._search.confirm is not None
        return open_ and not self.wanted and all(map(self._complete, self.candidates.values()))

    @property
    def must_confirm(self) -> bool:
        """Whether confirmations are still to come."""
        return not self._confirming and self._search.confirm is not None

    def confirm(self) -> list[Trial]:
        """Return the trials of the best configurations at the seeds that were not searched."""
        self._confirming = True
        ended = {n: (c.config.resolved(), self._ends(c)) for n, c in self.candidates.items()}
        best = [self.candidates[number] for number in winners(self._search, ended)]
        return [trial for candidate in best for trial in self.trials(candidate, self._further)]

    def trials(self, candidate: Candidate, replicates: Replicates | None = None) -> list[Trial]:
        """Return the trials of a candidate, those of the search unless told which."""
        origin = origin_of(
            self.block, candidate.number, candidate.values, candidate.config, self._search
        )
        return trials_of(candidate.config, replicates or self._searched, origin)

    def _ends(self, candidate: Candidate) -> list[Ending]:
        """How the trials of the search ended, as far as they have."""
        return [end for end in candidate.ends(self._searched) if end is not None]

    def _complete(self, candidate: Candidate) -> bool:
        return None not in candidate.ends(self._searched)

    def restore(self, records: Sequence[Record], points: Sequence[Point] = ()) -> None:
        """Take up the configurations of earlier runs, in the order of their numbers: those that
        have records, and those asked for that have none yet."""
        known = {int(r.origin["number"]): r.origin["params"] for r in records}
        for number, values in sorted(({p.number: p.params for p in points} | known).items()):
            config = self.block.space.config({**self.block.cell, **values})
            self._remember(Candidate(number, dict(values), config))

    def _remember(self, candidate: Candidate) -> None:
        self.candidates[candidate.number] = candidate
        self._by_config[fingerprint(candidate.config, 0)] = candidate.number

    def ask(self) -> Candidate | None:
        """Return a new configuration: the study's own points first, then sampled ones.

        None when points have only repeated or broken rules.
        """
        while self._enqueued:
            point = self._enqueued.pop(0)
            is_old = any(point.items() <= c.values.items() for c in self.candidates.values())
            if not is_old and (candidate := self._ask(point)) is not None:
                return candidate
        candidate = self._ask({})
        self.ended_early = candidate is None
        return candidate

    def _ask(self, point: Mapping[str, Any]) -> Candidate | None:
        """Return a new configuration with the values of `point`, the others sampled."""
        number = max(self.candidates, default=-1) + 1
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
            twin = self._by_config.get(fingerprint(config, 0))
            if twin is None:
                candidate = Candidate(number, values, config, trial)
                self._remember(candidate)
                return candidate
            self._tell_again(trial, self.candidates[twin])
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

    def _tell_again(self, trial: optuna.Trial, twin: Candidate) -> None:
        """A point already known is told at once; one still running teaches nothing yet."""
        state, values = self._verdict(twin) if self._complete(twin) else (None, None)
        self._tell(trial, twin, state or TrialState.FAIL, values)

    def _tell(
        self,
        trial: optuna.Trial,
        candidate: Candidate,
        state: TrialState,
        values: list[float] | None,
    ) -> None:
        if values:
            for name, excess in self._excesses(candidate).items():
                trial.set_constraint(name, excess)
        self.optuna.tell(trial, values, state=None if values else state)

    def tell(self, number: int, replicate: Replicate, ending: Ending) -> FrozenTrial | None:
        """Learn how one trial ended; returns the finished Optuna trial once all have."""
        candidate = self.candidates[number]
        candidate.endings[replicate] = ending
        searched = self._searched.of(candidate.config.retrains)
        if replicate not in searched or not self._complete(candidate):
            return None
        frozen = self._frozen(candidate)
        if candidate.pending is None:
            self.optuna.add_trial(frozen)
        else:
            self._tell(candidate.pending, candidate, frozen.state, frozen.values)
        return frozen

    def _excesses(self, candidate: Candidate) -> dict[str, float]:
        return worst_excesses(self._search, candidate.config.resolved(), self._ends(candidate))

    def _verdict(self, candidate: Candidate) -> tuple[TrialState, list[float] | None]:
        """FAIL if a seed failed for good, PRUNED if one diverged or was stopped, else the means."""
        ends = self._ends(candidate)
        if any(end.state == "failed" for end in ends):
            return TrialState.FAIL, None
        if any(end.state != "done" for end in ends):
            return TrialState.PRUNED, None
        values = [fmean(e.metrics.get(name, math.nan) for e in ends) for name in self._objectives]
        if any(math.isnan(value) for value in values):
            return TrialState.FAIL, None
        return TrialState.COMPLETE, values

    def _frozen(self, candidate: Candidate) -> FrozenTrial:
        state, values = self._verdict(candidate)
        sampled = self.block.space.sampled
        params = {k: encode(v) for k, v in candidate.values.items() if sampled[k].holds(v)}
        return create_trial(
            state=state,
            values=values,
            params=params,
            distributions={k: self._distributions[k] for k in params},
            user_attrs=self._attributes(candidate),
            constraints=self._excesses(candidate) if values else {},
        )

    def _attributes(self, candidate: Candidate) -> dict[str, Any]:
        ends = self._ends(candidate)
        attributes: dict[str, Any] = {
            "number": candidate.number,
            "seeds": list(self._searched.seeds),
            "states": [end.state for end in ends],
            "fingerprints": [t.fingerprint for t in self.trials(candidate)],
        }
        for name in self._objectives:
            values = self._by_seed(candidate, name)
            if len(values) > 1:
                attributes[f"std of {name}"] = stdev(values)
        return attributes

    def _by_seed(self, candidate: Candidate, metric: str) -> list[float]:
        """The means of each seed's retrainings; of one seed each retraining's own value."""
        values: dict[int, list[float]] = {}
        for (seed, again), end in candidate.endings.items():
            if seed in self._searched.seeds and metric in end.metrics:
                unit = seed if len(self._searched.seeds) > 1 else again
                values.setdefault(unit, []).append(end.metrics[metric])
        return [fmean(group) for group in values.values()]
