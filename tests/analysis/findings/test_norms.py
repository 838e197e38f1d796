"""Where d1 hangs on the parameters that its norm drop is measured over."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.findings.norms import norms
from analysis.findings.sentences import findings
from tests.analysis.hand_made import NAN, trials


def row(sparsity: float, all_: float, prunable: float, **more: Any) -> dict[str, Any]:
    return {
        "prune.sparsity": sparsity, "retrain.norm": "all", "d1": all_, "d1_prunable": prunable,
        **more,
    }  # fmt: skip


def test_the_farthest_block_is_named_with_both_values() -> None:
    frame = trials(
        row(0.7, 0.10, 0.15), row(0.8, 0.10, 0.26), row(0.9, 0.10, 0.50, seed=0),
        row(0.9, 0.14, 0.54, seed=1), row(0.9, 0.9, 0.1, state="failed", seed=2),
    )  # fmt: skip
    expected = (
        "d1 over all that is trained and over the prunable weights alone differ by more than 0.1 in"
        " 2 of 3 combinations of task, sparsity and budget, by most at 90 % sparse, 2 epochs of"
        " retraining: 0.12 against 0.52. With the norm taken over the prunable weights alone"
        " ALLR's adaptive discount is another there, unless d2 decides."
    )
    assert norms(frame) == [expected]
    assert expected in findings(frame)


@pytest.mark.parametrize("gap", [0.05, 0.0999])
def test_close_values_are_not_told(gap: float) -> None:
    assert norms(trials(row(0.9, 0.3, 0.3 + gap))) == []
    assert norms(trials(row(0.9, 0.3 + gap, 0.3))) == []


def test_just_beyond_is_told_in_either_direction() -> None:
    assert norms(trials(row(0.9, 0.3, 0.401)))
    assert norms(trials(row(0.9, 0.401, 0.3)))


def test_nothing_is_said_of_what_was_not_recorded_or_asked() -> None:
    assert norms(trials({})) == []
    assert norms(trials(row(0.9, 0.1, NAN))) == []
    assert norms(trials({**row(0.9, 0.1, 0.9), "retrain.norm": "prunable"})) == []
    assert norms(trials(row(0.9, 0.1, 0.9, state="diverged"))) == []
