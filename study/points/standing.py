"""Where a study folder stands against a study, in counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.files.trial_record import Record


@dataclass(frozen=True)
class Standing:
    """Counts of trials: those that the study wants, of them settled and failed, and others."""

    wanted: int
    settled: int
    failed: int
    others: int

    @property
    def fresh(self) -> int:
        """Trials that have no record yet."""
        return self.wanted - self.settled - self.failed

    @classmethod
    def of(cls, wanted: int, members: Sequence[Record], records: Sequence[Record]) -> Standing:
        """Return the counts of a folder's records, of which `members` are of wanted trials."""
        settled = sum(record.settled for record in members)
        others = {r.fingerprint for r in records} - {r.fingerprint for r in members}
        return cls(wanted, settled, len(members) - settled, len(others))
