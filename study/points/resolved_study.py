"""A study resolved once: its spaces, its blocks, its trials as far as they are known beforehand.

Made once per command and handed on, so that nothing is expanded or validated twice; everything is
worked out when it is first asked for. A grid and a search are the two kinds of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from study.definition.own_code import NO_CODE, StudyCode
from study.definition.replicates import SEEDS
from study.definition.search import require_metrics
from study.definition.space import Block, Space, Trial, blocks, spaces
from study.definition.studyfile import StudyFile
from study.points.agenda import TrialSource
from study.points.standing import Standing
from study.points.suggestions import Point
from trainables.config.exclusions import excluded, left_trained
from trainables.config.rules import CONDITIONS
from trainables.config.trial import TrialConfig
from trainables.files.storage import Folder
from trainables.vocabulary.declarations import Declarations
from trainables.vocabulary.refusal import Refusal, shown
from trainables.vocabulary.schema import declare, measures_of

if TYPE_CHECKING:
    from trainables.files.trial_record import Record


@dataclass(frozen=True)
class Earlier:
    """What earlier runs left: records, and points asked for of which not every seed has one.

    A record stands once under each origin that asked for its trial. `warnings` say in sentences
    which points could not be read.
    """

    records: Sequence[Record]
    points: Sequence[Point] = ()
    warnings: Sequence[str] = ()


class ResolvedStudy(ABC):
    """A study and what follows from it."""

    def __init__(self, study: StudyFile, code: StudyCode = NO_CODE) -> None:
        self.study, self.code = study, code
        for declared in code.declared:
            declare(declared)

    @cached_property
    def spaces(self) -> list[Space]:
        """The spaces: one for each overlay, or the top level alone."""
        return [replace(space, fill=self.code.applied) for space in spaces(self.study)]

    @property
    def deciding(self) -> str:
        """The number by which the best is told unless the study says otherwise, on validation."""
        objectives = self.study.search.objectives
        declared = next(iter(self.code.declared), {})
        return next(iter(objectives), f"val_{Declarations.of(declared).deciding}")

    def refuse_wrong_exclusions(self) -> None:
        """Refuse a pattern of `prune.exclude` that fits no weight of a network of the user's."""
        for config in self.representatives:
            look = self.code.look_of(config.model_dump(mode="json"))
            if look is None or not look.findings or not config.prune.exclude:
                continue
            found = look.findings
            kinds, order = left_trained(found["kinds"], found["order"], config.dense.freeze)
            try:
                excluded(kinds, config.prune.exclude, order)
            except ValueError as error:
                raise Refusal(f"prune.exclude {error}") from None

    def refuse_unknown_metrics(self) -> None:
        """Refuse an objective or constraint that some task of the study does not measure."""
        for declared in self.code.declared or [{}]:
            require_metrics(self.study.search, measures_of(declared))

    @cached_property
    def blocks(self) -> list[Block]:
        """Every cell of the grids as the block that a search samples in, in order."""
        return blocks(self.spaces)

    @abstractmethod
    def check(self) -> None:
        """Refuse what can be refused without torch, data or a cluster."""

    @property
    @abstractmethod
    def representatives(self) -> Sequence[TrialConfig]:
        """Configurations that between them name every data set and model."""

    @property
    @abstractmethod
    def trials(self) -> Sequence[Trial] | None:
        """All trials; None where a search decides as it goes."""

    @property
    @abstractmethod
    def n_configurations(self) -> int:
        """Configurations that are tried at all of `seeds`."""

    @property
    @abstractmethod
    def n_confirmations(self) -> int:
        """Trials of the best configurations at seeds beyond `seeds`."""

    @property
    @abstractmethod
    def seeds(self) -> tuple[int, ...]:
        """The seeds at which every configuration is tried."""

    @property
    @abstractmethod
    def n_trials(self) -> int:
        """Trials that the study wants in all."""

    @abstractmethod
    def earlier(self, folder: Folder, records: Sequence[Record]) -> Earlier:
        """Return what earlier runs left in a folder whose records are given."""

    @abstractmethod
    def members(self, records: Iterable[Record]) -> list[Record]:
        """Return the records of trials that the study wants."""

    def standing(self, records: Sequence[Record]) -> Standing:
        """Return how a folder with these records stands."""
        return Standing.of(self.n_trials, self.members(records), records)

    @abstractmethod
    def source(
        self,
        folder: Folder,
        earlier: Earlier,
        slots: Callable[[], int],
        remember: Callable[[Point], None],
    ) -> TrialSource:
        """Return where a run's trials come from.

        A search keeps at most `slots()` trials out that it has learnt nothing of, and calls
        `remember` with each point before it hands out the first trial of it.
        """

    @abstractmethod
    def draws_blindly(self, slots: int) -> bool:
        """Whether more than half of the points would be drawn before the first result."""

    @abstractmethod
    def findings(self, records: Sequence[Record]) -> str | None:
        """Return what a search has come to as a table; None where trials are only compared."""

    def refuse_idle_retrainings(self, configs: Sequence[TrialConfig]) -> None:
        """Refuse `retrain.seeds` where nothing is retrained, or where `seeds` are such already."""
        again = self.study.retrain_seeds
        if again == (0,):
            return
        if not any(config.retrains for config in configs):
            rule = "must be absent where no trial retrains"
            raise Refusal(f"{SEEDS} {rule}, got {list(again)}")
        if any(isinstance(config.dense.weights, str) for config in configs):
            rule = "must be absent beside one file of dense.weights, whose retrainings are seeds"
            raise Refusal(f"{SEEDS} {rule}, got {list(again)}")

    def refuse_idle_keys(self, configs: Iterable[TrialConfig]) -> None:
        """Refuse a key that the study sets and none of all its configurations uses."""
        sections = (self.study.space, *self.study.spaces)
        given = {
            f"{section}.{leaf}": value
            for raw in sections
            for section, held in raw.items()
            if isinstance(held, Mapping)
            for leaf, value in held.items()
        }
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
