"""Statistics for few seeds: intervals, paired comparisons, ranks; scipy loads only when used."""

from analysis.stats.anova import anova, complete
from analysis.stats.best_of import best_of_table, in_hand_table
from analysis.stats.candidates import candidates, fresh, regret_of
from analysis.stats.closeness import close, side, snapped
from analysis.stats.components import Components, components
from analysis.stats.crossfit import (
    FEWEST_SEEDS,
    SEARCHED,
    Candidates,
    CrossFit,
    advantage,
    gap,
    nested_optimum,
    optimum,
    picks,
    pooled,
    regret,
    stand_ins,
    too_few,
)
from analysis.stats.entrants import Entrants, entrants
from analysis.stats.equivalence import Equivalence, default_margin, equivalence
from analysis.stats.exact import (
    caution,
    holm,
    sign_flip_p,
    smallest_p,
    wilcoxon_p,
)
from analysis.stats.fronts import non_dominated
from analysis.stats.intervals import CONFIDENCE, Interval, interval, intervals, wilson
from analysis.stats.matched import Matched, matched
from analysis.stats.pairs import (
    Comparison,
    Pairs,
    gains,
    improvement,
    paired,
    pairing_keys,
    pairs,
)
from analysis.stats.power import power, seeds_needed, smallest_difference, spread_range
from analysis.stats.ranks import (
    Blocks,
    CriticalDifferences,
    blocks,
    choose,
    critical_differences,
    friedman_p,
    nemenyi_difference,
    ranks,
)
from analysis.stats.spread import (
    Summary,
    TestSelectionError,
    losses,
    require_choosable,
    summaries,
    summary,
)
from analysis.stats.verdicts import Outcome, Verdict, against, gains_by_seed, verdicts

__all__ = [
    "CONFIDENCE",
    "FEWEST_SEEDS",
    "SEARCHED",
    "Blocks",
    "Candidates",
    "Comparison",
    "Components",
    "CriticalDifferences",
    "CrossFit",
    "Entrants",
    "Equivalence",
    "Interval",
    "Matched",
    "Outcome",
    "Pairs",
    "Summary",
    "TestSelectionError",
    "Verdict",
    "advantage",
    "against",
    "anova",
    "best_of_table",
    "blocks",
    "candidates",
    "caution",
    "choose",
    "close",
    "complete",
    "components",
    "critical_differences",
    "default_margin",
    "entrants",
    "equivalence",
    "fresh",
    "friedman_p",
    "gains",
    "gains_by_seed",
    "gap",
    "holm",
    "improvement",
    "in_hand_table",
    "interval",
    "intervals",
    "losses",
    "matched",
    "nemenyi_difference",
    "nested_optimum",
    "non_dominated",
    "optimum",
    "paired",
    "pairing_keys",
    "pairs",
    "picks",
    "pooled",
    "power",
    "ranks",
    "regret",
    "regret_of",
    "require_choosable",
    "seeds_needed",
    "side",
    "sign_flip_p",
    "smallest_difference",
    "smallest_p",
    "snapped",
    "spread_range",
    "stand_ins",
    "summaries",
    "summary",
    "too_few",
    "verdicts",
    "wilcoxon_p",
    "wilson",
]
