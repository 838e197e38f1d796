"""What a study answers, as typed statements: numbers in the metric's own unit, no words yet.

A place is a sparsity, a budget and a task: columns with their values. Every number knows from how
many seeds it is; what cannot be known is missing (nan) or None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Place = Mapping[str, Any]

Sureness = Literal["settled", "likely", "open"]
"""How sure it is that one is behind: settled or likely for the whole family of pairs, or open: by
the means alone, where few more seeds would settle it if it is as far behind as it looks."""


@dataclass(frozen=True)
class Reach:
    """What one schedule, method or setting reaches: the mean over `n` seeds, its 95 % interval.

    `n_tried` settings were tried of it at most; where they are several the mean is that of the one
    which the other seeds choose, and where `fair` is False, for want of seeds, of the one that the
    same seeds chose. `n_lost` counts trials that failed, diverged or were stopped, `n_collapsed`
    those in the mean with a layer that has no weight left.
    """

    name: Any
    mean: float
    lo: float = math.nan
    hi: float = math.nan
    n: int = 0
    n_tried: int = 1
    n_lost: int = 0
    n_collapsed: int = 0
    fair: bool = True


@dataclass(frozen=True)
class Laggard:
    """One that is behind `ahead` by `gap` (above zero), and with how many seeds that is settled.

    `seeds` is None where it is settled, or where it takes very many.
    """

    reach: Reach
    ahead: Any
    gap: float
    sureness: Sureness
    seeds: int | None = None


@dataclass(frozen=True)
class Advice:
    """What to use and to avoid in one place.

    `first` are those first on validation, several where they tie. Between no two of `group` is
    there a clear difference; `tied` says that they are equal at every seed. `behind` are the
    others, the surest first, and `lost` those of which no trial is done. `n_seeds` is the most that
    a pair shares; with fewer than three there is no verdict.
    """

    at: Place
    by: str
    metric: str
    first: tuple[Any, ...]
    group: tuple[Reach, ...]
    behind: tuple[Laggard, ...]
    lost: tuple[Any, ...]
    n_seeds: int
    tied: bool = False


@dataclass(frozen=True)
class Rival:
    """How the leader stands to one rival over all places: `gain` above zero where it is better.

    `sureness` is None where there is no clear difference, or no verdict. `most_at` is the sparsity
    that more than half of the gain comes from.
    """

    name: Any
    gain: float
    lo: float
    hi: float
    n_seeds: int
    sureness: Literal["settled", "likely"] | None
    seeds: int | None
    most_at: float | None = None


@dataclass(frozen=True)
class Lead:
    """Those first by mean rank on validation, and how the first of them stands to every rival.

    Over all `n_places` places of one task; several in `first` tie.
    """

    task: Place
    by: str
    metric: str
    first: tuple[Any, ...]
    n_places: int
    rivals: tuple[Rival, ...]


@dataclass(frozen=True)
class Step:
    """What one step of sparsity costs, up to `end`, in the metric's unit; below zero it gains.

    `mean` is what is reached at its end.
    """

    end: float
    mean: float
    cost: float
    lo: float
    hi: float
    n: int


@dataclass(frozen=True)
class SparsityCost:
    """What is reached at each sparsity with one schedule or method, at one budget.

    `start` is what is reached before the first step: by the dense model, or at the sparsity
    `start_at` where there is no one dense model. `n` is the most seeds that a number is from.
    `tuned` says that it has several settings, and at each seed the one that the others choose.
    """

    at: Place
    by: str
    name: Any
    metric: str
    start_at: float | None
    start: float
    n: int
    steps: tuple[Step, ...]
    tuned: bool = False


@dataclass(frozen=True)
class Regret:
    """What the adaptive discount loses to the tuned one, each tuned on the other seeds.

    The mean over `n_places` places with its interval, over `n_seeds`; above zero the tuned one is
    better. `worst` is the largest regret of one place, at `worst_at`. `why` says why it is unknown.
    """

    task: Place
    metric: str
    mean: float
    lo: float
    hi: float
    n_seeds: int
    n_places: int
    n_tried: int
    worst: float
    worst_at: Place
    tuned: float
    adaptive: float
    why: str | None = None


@dataclass(frozen=True)
class Best:
    """Which setting is best in one place, of the one schedule or method that a study tunes.

    `settings` are those of the best on validation, of `reach.n_tried`; `n_tied` settings share that
    place, the others of which are `ties`. `lead` is its advantage over the second, each placed by
    the other seeds, unknown with two seeds or fewer. What is reached is that of the setting that
    the other seeds choose.
    """

    at: Place
    metric: str
    reach: Reach
    settings: Mapping[str, Any]
    n_tied: int
    second: Mapping[str, Any]
    lead: float
    lo: float
    hi: float
    ties: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class FrontPoint:
    """One configuration on the front: its objectives, settings, n, and what is reported of it.

    Of its n trials `n_collapsed` have a layer that no weight is left in.
    """

    objectives: Mapping[str, float]
    settings: Mapping[str, Any]
    n: int
    reported: float
    n_collapsed: int = 0


@dataclass(frozen=True)
class Front:
    """The configurations that no other beats in every objective of the search.

    `ends` are the best in each objective; `knee` is nearest to the best of all objectives at once,
    each scaled to the front's range.
    """

    directions: Mapping[str, str]
    metric: str
    n_configurations: int
    n_front: int
    ends: Mapping[str, FrontPoint]
    knee: FrontPoint | None


@dataclass(frozen=True)
class Counts:
    """How far the study is: trials by state, seeds, and what is still wanted.

    `wanted` is what the run at work, or the last one, was to settle; None where nobody says.
    """

    trials: int
    states: Mapping[str, int]
    configurations: int
    seeds: tuple[int, ...]
    collapsed: int = 0
    wanted: int | None = None
    running: bool = False

    @property
    def settled(self) -> int:
        """Trials that are not to be tried again."""
        return self.trials - self.states.get("failed", 0)

    @property
    def unfinished(self) -> bool:
        """Whether trials are known to be missing."""
        return self.running or (self.wanted is not None and self.settled < self.wanted)


@dataclass(frozen=True)
class Card:
    """What was studied: a sentence, facts as (label, text), and full names of abbreviations."""

    summary: str
    facts: tuple[tuple[str, str], ...]
    glossary: tuple[tuple[str, str], ...]
    dense: Reach | None
    metric: str


@dataclass(frozen=True)
class Answer:
    """All that a study answers; parts that its trials do not speak of are empty.

    `seeds_note` says what seeds stand for where they are no dense networks of one retraining each.
    `margin` is the difference that does not matter, in the unit shown, None where nobody said one;
    `likeness` says who is shown to differ by less, `resolution` how many seeds such a difference
    takes.
    """

    card: Card
    counts: Counts
    advice: tuple[Advice, ...] = ()
    leads: tuple[Lead, ...] = ()
    costs: tuple[SparsityCost, ...] = ()
    regrets: tuple[Regret, ...] = ()
    bests: tuple[Best, ...] = ()
    front: Front | None = None
    seeds_note: str = ""
    margin: float | None = None
    likeness: str = ""
    resolution: str = ""


def most_seeds(given: Sequence[Advice]) -> int | None:
    """Return the most seeds that judge in one place; None where nothing is compared."""
    return max((one.n_seeds for one in given), default=None)
