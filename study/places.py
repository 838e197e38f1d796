"""Where a study's folder and its stage store lie."""

from __future__ import annotations

from pathlib import Path

from study.studyfile import StudyFile
from trainables.records import StudyFolder
from trainables.storage import is_remote


def folder_of(study: StudyFile, out: str | None) -> str:
    """Return the study folder: `out`, or results/<name>; absolute when local."""
    return _absolute(out or f"results/{study.name}")


def store_of(study: StudyFile, folder: StudyFolder) -> str:
    """Return the stage store: what the study names, or stages/ in its folder."""
    return _absolute(study.stage_store or folder.folder.child("stages").location)


def _absolute(location: str) -> str:
    if is_remote(location):
        return location
    return str(Path(location.removeprefix("file://")).expanduser().absolute())
