"""Small real study folders for the tests of frames, tables and results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.small import write_small
from trainables.files.records import StudyFolder


@pytest.fixture
def small(tmp_path: Path) -> StudyFolder:
    """The small study, in loose files."""
    return write_small(str(tmp_path / "small"))


@pytest.fixture(params=["loose", "compacted"])
def small_either_way(request: pytest.FixtureRequest, small: StudyFolder) -> StudyFolder:
    """The small study, in loose files and in tables."""
    if request.param == "compacted":
        small.compact()
    return small
