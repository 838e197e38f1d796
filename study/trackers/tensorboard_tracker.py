"""TensorBoard: a folder of event files per trial, `DIR/<study>/<trial>`.

A trial is written under another name and renamed, so that it is there whole or not at all. Beside
the events of one that failed stands a file that says which attempt it was.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from study.trackers.tracker import CURVE, SETTLED, Entry, Outcome
from trainables.vocabulary.homes import expanded

_TEMPORARY: Final = ".tmp-"
_FAILED: Final = "failed.txt"
MESSAGE: Final = "message"
"""The tag of the text that says why a trial did not end well."""


class TensorboardTracker:
    """Writes trials as TensorBoard's event files, numbers as 32-bit floats."""

    def __init__(self, folder: str) -> None:
        self._folder = expanded(folder)

    def written(self, study: str) -> dict[str, str]:
        """Return the trials that have a folder of their own."""
        try:
            folders = [path for path in (self._folder / study).iterdir() if path.is_dir()]
        except FileNotFoundError:
            return {}
        return {f.name: _version(f) for f in folders if not f.name.startswith(_TEMPORARY)}

    def write(self, entry: Entry) -> None:
        """Write a trial's settings for the page of hyperparameters, its numbers and its epochs."""
        target = self._folder / entry.study / entry.fingerprint
        beside = target.parent / f"{_TEMPORARY}{entry.fingerprint}"
        shutil.rmtree(beside, ignore_errors=True)
        _write_events(beside, entry)
        if entry.version != SETTLED:
            (beside / _FAILED).write_text(entry.version)
        if target.exists():  # of an attempt that failed
            shutil.rmtree(target)
        beside.rename(target)


def _version(folder: Path) -> str:
    try:
        return (folder / _FAILED).read_text()
    except FileNotFoundError:
        return SETTLED


def _write_events(folder: Path, entry: Entry) -> None:
    from tensorboardX import SummaryWriter
    from tensorboardX.summary import hparams

    at = None if entry.finished is None else entry.finished.timestamp()
    with SummaryWriter(str(folder)) as writer:
        for summary in hparams(dict(entry.settings), dict(entry.numbers)):
            writer.file_writer.add_summary(_with_end(summary, entry.outcome))
        if entry.message:  # as code, since TensorBoard reads texts as Markdown
            lines = (f"    {line}" for line in entry.message.splitlines())
            writer.add_text(MESSAGE, "\n".join(lines), walltime=at)
        for name, value in entry.numbers.items():
            writer.add_scalar(name, value, 0, walltime=at)
        for epoch, numbers in entry.curve:
            for name, value in numbers.items():
                writer.add_scalar(f"{CURVE}{name}", value, epoch, walltime=at)


def _with_end(summary: Any, outcome: Outcome) -> Any:
    """A summary of hyperparameters, with how the trial ended: the package knows success alone."""
    from tensorboardX.proto.api_pb2 import Status
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    known = {"success": "SUCCESS", "failure": "FAILURE", "broken off": "UNKNOWN"}
    for value in summary.value:
        data = HParamsPluginData.FromString(value.metadata.plugin_data.content)
        if data.HasField("session_end_info"):
            data.session_end_info.status = Status.Value(f"STATUS_{known[outcome]}")
            value.metadata.plugin_data.content = data.SerializeToString()
    return summary
