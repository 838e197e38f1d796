"""What a translation is measured by: chrF and BLEU, as sacrebleu computes them over a whole part.

Both are points from 0 to 100, no per cent. sacrebleu is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def points(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Return chrF and BLEU of translations, each against the one reference at its place.

    Raises:
        ValueError: no translation, or another number of references.
    """
    if not hypotheses or len(hypotheses) != len(references):
        rule = "must be one or more, each with a reference"
        raise ValueError(f"translations {rule}, got {len(hypotheses)} and {len(references)}")
    return {
        name: float(scorer.corpus_score(list(hypotheses), [list(references)]).score)
        for name, scorer in _scorers().items()
    }


def signatures() -> dict[str, str]:
    """Return what sacrebleu calls the signature of each measure: its settings and version."""
    scorers = _scorers()
    for scorer in scorers.values():
        scorer.corpus_score([""], [[""]])  # which tells it the number of references
    return {name: str(scorer.get_signature()) for name, scorer in scorers.items()}


def _scorers() -> dict[str, Any]:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return {"chrf": CHRF(), "bleu": BLEU()}
