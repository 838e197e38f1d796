"""Records of one folder that say to be one trial twice count once."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.frames.study_frames import read
from tests.analysis.small import config, record
from trainables.files.readable import MOST_NAMED
from trainables.files.records import StudyFolder


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(str(tmp_path))


def test_of_equal_stages_the_first_is_kept(folder: StudyFolder) -> None:
    """Where no fingerprint can be told from the configuration, as with code of the user's own."""
    for name, stages, seed in (("bb", "xy", 0), ("aa", "xy", 0), ("cc", "xy", 1), ("dd", "xz", 0)):
        folder.write_record(record(name, seed, stages=list(stages)))
    study = read(folder.location)
    assert list(study.trials["fingerprint"]) == ["aa", "cc", "dd"], "other stages: other code"
    assert [one.fingerprint for _, one in study.records] == ["aa", "cc", "dd"]
    sentence = "the record of 'bb' is left out: it has the settings and seeds of 'aa'"
    assert study.warnings == [f"{folder.location}: {sentence}"]


def test_many_are_named_in_short(folder: StudyFolder) -> None:
    more = {"spam": list(range(3))}  # no setting, so that the trials are the same
    for number in range(24):
        raw = {**config(), **(more if number % 2 else {})}
        folder.write_record(record(f"{number:02}", config=raw, stages=["x"]))
    study = read(folder.location)
    assert list(study.trials["fingerprint"]) == ["00"]
    assert len(study.warnings) == MOST_NAMED + 1
    assert study.warnings[-1].endswith("3 more records are left out for such a reason")
