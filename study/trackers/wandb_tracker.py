"""Weights & Biases: a run per trial, in a project; the trial's name is the run's id.

W&B keeps a copy of every run in a folder `wandb`, here beside the study's files, or in the working
folder where the study lies in an object store. A mark beside these runs says that a trial is
written whole, and holds the version of one that failed. A run of the same id that was broken off,
or is of a failed attempt, is replaced.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from study.trackers.tracker import CURVE, Entry

_MARKS: Final = "written-by-bimp"
_PATIENCE_S: Final = 30.0


class WandbTracker:
    """Writes trials through W&B's client, online or, with WANDB_MODE=offline, to be synced."""

    def __init__(self, project: str, folder: Path) -> None:
        self._project, self._folder = project, folder

    @property
    def _marks(self) -> Path:
        return self._folder / "wandb" / _MARKS / self._project

    def written(self, study: str) -> dict[str, str]:
        """Return the trials that have a mark."""
        try:
            return {path.name: path.read_text() for path in self._marks.iterdir()}
        except FileNotFoundError:
            return {}

    def write(self, entry: Entry) -> None:
        """Write a trial as a run of its own, then its mark."""
        import wandb

        for torn in (self._folder / "wandb").glob(f"*run-*-{entry.fingerprint}"):
            shutil.rmtree(torn, ignore_errors=True)
        run = wandb.init(
            project=self._project,
            id=entry.fingerprint,
            name=entry.name,
            group=entry.study,
            config=dict(entry.settings),
            notes=entry.message or None,
            tags=[entry.state],
            dir=str(self._folder),
            settings=wandb.Settings(
                silent=True, console="off", init_timeout=_PATIENCE_S, x_disable_stats=True,
                x_disable_meta=True, disable_git=True, disable_code=True,
            ),
        )  # fmt: skip
        for epoch, numbers in entry.curve:
            run.log({f"{CURVE}{name}": value for name, value in numbers.items()}, step=epoch)
        run.summary.update(dict(entry.numbers))
        run.finish(exit_code=int(entry.outcome == "failure"))
        self._marks.mkdir(parents=True, exist_ok=True)
        (self._marks / entry.fingerprint).write_text(entry.version)
