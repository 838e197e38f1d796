"""Studies that the tests of the analysis share, each made once per process, and small ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis import synthetic
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


@pytest.fixture(scope="session")
def schedules_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid of six schedules: 108 trials under three seeds, one diverged, one failed."""
    return Path(synthetic.write(tmp_path_factory.mktemp("schedules"), synthetic.schedules()))


@pytest.fixture(scope="session")
def report_file(schedules_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of that study, written to a folder that was not there."""
    from analysis.report.page import write_report

    output = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    write_report([str(schedules_folder)], output)
    return output
