"""Statistics for few seeds: intervals, paired comparisons, ranks; scipy loads only when used."""

from analysis.stats.exact import (
    caution,
    holm,
    sign_flip_p,
    smallest_p,
    wilcoxon_p,
)
from analysis.stats.intervals import CONFIDENCE, Interval, interval, intervals, wilson
from analysis.stats.pairs import (
    Comparison,
    Pairs,
    gains,
    improvement,
    paired,
    pairing_keys,
    pairs,
)
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

__all__ = [
    "CONFIDENCE",
    "Blocks",
    "Comparison",
    "CriticalDifferences",
    "Interval",
    "Pairs",
    "Summary",
    "TestSelectionError",
    "blocks",
    "caution",
    "choose",
    "critical_differences",
    "friedman_p",
    "gains",
    "holm",
    "improvement",
    "interval",
    "intervals",
    "losses",
    "nemenyi_difference",
    "paired",
    "pairing_keys",
    "pairs",
    "ranks",
    "require_choosable",
    "sign_flip_p",
    "smallest_p",
    "summaries",
    "summary",
    "wilcoxon_p",
    "wilson",
]
