"""A grid: every cell of the spaces is a configuration, and each is tried at every seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from study.definition.space import Space, Trial, cells, trials_of
from study.points.agenda import Ending, TrialSource
from study.points.resolved_study import Earlier, ResolvedStudy
from study.points.suggestions import Point
from trainables.config.chain import Hashes
from trainables.config.trial import TrialConfig
from trainables.files.storage import Folder
from trainables.vocabulary.refusal import Refusal, shown

if TYPE_CHECKING:
    from trainables.files.trial_record import Record

MOST_TRIALS = 100_000
"""All are known, and checked, before anything starts."""


class GridStudy(ResolvedStudy):
    """A study whose trials are all known beforehand."""

    def check(self) -> None:
        """Refuse the first cell that breaks a rule, and what no trial uses."""
        self.refuse_idle_retrainings(self.configs)
        self.refuse_wrong_exclusions()

    @cached_property
    def configs(self) -> list[TrialConfig]:
        """The distinct configurations, in order; Refusal names the first cell that breaks a rule.

        Cells that differ only in keys that change nothing are one configuration.
        """
        return [hashes.config for hashes in self._hashes]

    @cached_property
    def _hashes(self) -> list[Hashes]:
        """Those of each distinct configuration."""
        self._refuse_sampled()
        self._refuse_too_many()
        distinct: dict[str, Hashes] = {}
        for space, cell in cells(self.spaces):
            hashes = Hashes(_valid(space, cell))
            distinct.setdefault(hashes.fingerprint(0), hashes)
        self.refuse_idle_keys(hashes.config for hashes in distinct.values())
        return list(distinct.values())

    def _refuse_sampled(self) -> None:
        for space in self.spaces:
            for key, domain in space.sampled.items():
                raise Refusal(
                    f"{key} must be a value or {{grid: [...]}} under search.strategy grid,"
                    f" got {{{domain.kind}: {shown(list(domain.values))}}};"
                    " search.strategy optuna samples it"
                )

    def _refuse_too_many(self) -> None:
        cells = sum(math.prod(len(d.values) for d in s.domains.values()) for s in self.spaces)
        if (n_trials := cells * len(self.study.replicates.of(True))) > MOST_TRIALS:
            raise Refusal(f"the grids must make at most {MOST_TRIALS} trials, got {n_trials}")

    @property
    def representatives(self) -> Sequence[TrialConfig]:
        """All configurations."""
        return self.configs

    @cached_property
    def trials(self) -> list[Trial]:
        """All seeds of a configuration, then the next one."""
        replicates = self.study.replicates
        return [
            trial
            for hashes in self._hashes
            for trial in trials_of(hashes.config, replicates, hashes=hashes)
        ]

    @property
    def n_trials(self) -> int:
        return len(self.trials)

    @property
    def n_configurations(self) -> int:
        return len(self.configs)

    @property
    def n_confirmations(self) -> int:
        return 0

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.study.seeds

    def earlier(self, folder: Folder, records: Sequence[Record]) -> Earlier:
        """Return the records: a grid asks for nothing but its cells."""
        return Earlier(records)

    def members(self, records: Iterable[Record]) -> list[Record]:
        """Return the records of the grid's trials."""
        wanted = {trial.fingerprint for trial in self.trials}
        return [record for record in records if record.fingerprint in wanted]

    def source(
        self,
        folder: Folder,
        earlier: Earlier,
        slots: Callable[[], int],
        remember: Callable[[Point], None],
    ) -> TrialSource:
        """Return all trials at once."""
        return GridSource(self.trials)

    def draws_blindly(self, slots: int) -> bool:
        """Nothing is drawn."""
        return False

    def findings(self, records: Sequence[Record]) -> str | None:
        """Nothing is searched for."""
        return None


def _valid(space: Space, cell: Mapping[str, Any]) -> TrialConfig:
    try:
        return space.config(cell)
    except Refusal as refusal:
        if not cell:
            raise
        values = ", ".join(f"{key}={shown(value)}" for key, value in cell.items())
        raise Refusal(f"{refusal} (first in the cell {values})") from None


class GridSource:
    """All trials of a grid, at once."""

    ended_early: Sequence[str] = ()

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._trials = list(trials)
        self.planned = len(trials)

    def more(self, outstanding: int) -> list[Trial] | None:
        """Return all trials the first time, none after."""
        trials, self._trials = self._trials, []
        return trials

    def tell(self, trial: Trial, ending: Ending) -> None:
        """A grid learns nothing."""

    def write_journal(self) -> None:
        """A grid has none."""
