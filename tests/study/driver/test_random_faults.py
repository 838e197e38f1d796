"""Faults drawn at random make no difference to what a study leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.study.driver.random_faults import lab_run

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SEED = 3
SECONDS = float(os.environ.get("FAULT_LAB_SECONDS", "600"))


@pytest.mark.timeout(600)
def test_a_study_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    pytest.importorskip("moto.server")
    report = lab_run(SEED, 0, tmp_path)
    print(report.as_text())
    assert report.differences == []
    assert len(report.faults) >= 6


@pytest.mark.lab
@pytest.mark.timeout(4 * SECONDS)
def test_ten_minutes_of_faults_make_no_difference(tmp_path: Path) -> None:
    """`FAULT_LAB_SECONDS` is for how long, `FAULT_LAB_SEED` what it is drawn from."""
    seed = int(os.environ.get("FAULT_LAB_SEED", "0"))
    report = lab_run(seed, SECONDS, tmp_path)
    print(report.as_text())
    assert report.differences == []
    assert len(report.faults) >= SECONDS / 6
