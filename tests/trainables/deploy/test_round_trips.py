"""Trained networks without their zero filters, and in other formats, meet their records."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainables.deploy.round_trips import NETWORKS, OWN_TASK, round_trips, trained_network

QUICK = (OWN_TASK,)
"""What the suite has time for; the others with `-m lab`, or `python -m` their module."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in QUICK else pytest.mark.lab)
        for name in NETWORKS
    ],
)
def test_what_is_taken_away_meets_the_record_to_the_image(name: str, tmp_path: Path) -> None:
    """Far from chance, with filters gone; logits within 1e-4 in ONNX Runtime, else 1e-5."""
    rows = list(round_trips(name, trained_network(name, tmp_path / "study")))
    assert len(rows) == 4 * 2
    assert [row for row in rows if not row.equal] == []
    assert all(row.filters > 0 for row in rows)
    assert all(row.recorded > 0.2 * row.examples for row in rows)
