"""TensorBoard: a folder of event files per trial, `DIR/<study>/<trial>`.

A trial is written under another name and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from study.trackers.tracker import CURVE, Entry

_TEMPORARY: Final = ".tmp-"


class TensorboardTracker:
    """Writes trials as TensorBoard's event files, numbers as 32-bit floats."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).expanduser()

    def written(self, study: str) -> set[str]:
        """Return the trials that have a folder of their own."""
        try:
            names = [path.name for path in (self._folder / study).iterdir() if path.is_dir()]
        except FileNotFoundError:
            return set()
        return {name for name in names if not name.startswith(_TEMPORARY)}

    def write(self, entry: Entry) -> None:
        """Write a trial's settings for the page of hyperparameters, its numbers and its epochs."""
        target = self._folder / entry.study / entry.fingerprint
        beside = target.parent / f"{_TEMPORARY}{entry.fingerprint}"
        shutil.rmtree(beside, ignore_errors=True)
        _write_events(beside, entry)
        beside.rename(target)


def _write_events(folder: Path, entry: Entry) -> None:
    from tensorboardX import SummaryWriter
    from tensorboardX.summary import hparams

    at = None if entry.finished is None else entry.finished.timestamp()
    with SummaryWriter(str(folder)) as writer:
        for summary in hparams(dict(entry.settings), dict(entry.numbers)):
            writer.file_writer.add_summary(summary)
        for name, value in entry.numbers.items():
            writer.add_scalar(name, value, 0, walltime=at)
        for epoch, numbers in entry.curve:
            for name, value in numbers.items():
                writer.add_scalar(f"{CURVE}{name}", value, epoch, walltime=at)
