"""Optuna behind the agenda: a search in every block of a study, asked in turn. All state is rebuilt
at the start, from records and from what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optuna.trial import FrozenTrial

from study.definition.space import Block, Trial
from study.definition.studyfile import StudyFile
from study.points.agenda import Ending
from study.points.block_search import BlockSearch
from study.points.journal import Journal
from study.points.suggestions import Point
from trainables.files.trial_record import Record


class OptunaSource:
    """All blocks of a study's search; most trials out at once are as many as `slots()`.

    `points` are configurations of earlier runs that may have no record yet; each new one is given
    to `remember` before its trials are handed out. The journal shows what has ended to people.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        study: StudyFile,
        records: Sequence[Record],
        slots: Callable[[], int],
        points: Sequence[Point] = (),
        remember: Callable[[Point], None] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._slots, self._remember = slots, remember or (lambda _: None)
        self._journal = journal
        self.searches = {block.key: BlockSearch(block, study) for block in blocks}
        self.planned = sum(study.trials_per_block(True in block.kinds) for block in blocks)
        self.ended: list[tuple[BlockSearch, FrozenTrial]] = []
        for key, search in self.searches.items():
            of_block = [r for r in records if r.origin.get("block_key") == key]
            search.restore(of_block, [p for p in points if p.block_key == key])
        self._again = [
            trial
            for search in self.searches.values()
            for candidate in search.candidates.values()
            for trial in search.trials(candidate)
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
        if outstanding >= max(1, self._slots()):
            return None
        while waiting := [s for s in self.searches.values() if s.wanted]:
            search = min(waiting, key=lambda s: len(s.candidates))
            candidate = search.ask()
            if candidate is not None:
                self._remember(Point(search.block.key, candidate.number, candidate.values))
                return search.trials(candidate)
        return self._confirmations()

    def _confirmations(self) -> list[Trial] | None:
        for search in self.searches.values():
            if search.may_confirm and (trials := search.confirm()):
                return trials
        return None if any(s.must_confirm for s in self.searches.values()) else []

    def tell(self, trial: Trial, ending: Ending) -> None:
        """Learn how a trial ended."""
        search = self.searches[trial.origin["block_key"]]
        finished = search.tell(int(trial.origin["number"]), trial.replicate, ending)
        if finished is not None:
            self.ended.append((search, finished))

    def write_journal(self) -> None:
        """Add to the journal what has ended since the last time."""
        ended, self.ended = self.ended, []
        if ended and self._journal is not None:
            self._journal.add(ended)
