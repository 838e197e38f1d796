"""Files of trained weights behind a study: where they lie, and their copies for its workers.

Weights that the user's task gives itself are in files that the check process has written.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from study.definition.own_code import RECIPE, Raw
from trainables.config.dense import Dense
from trainables.files.storage import Folder


@dataclass(frozen=True)
class WeightsFile:
    """A file of trained weights: where it lies now, its digest, and what the study knows it by."""

    file: Path
    digest: str
    path: str

    def facts(self) -> dict[str, str]:
        """Return what trials know of it."""
        return {"path": self.path, "digest": self.digest}


Named = Mapping[str, WeightsFile]
"""Files of weights by the names that a study file gives."""


@cache
def scratch_folder() -> Path:
    """Return a folder for weights that tasks give, gone with this process."""
    path = Path(tempfile.gettempdir()) / f"bimp-weights-{uuid.uuid4().hex}"
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def located_weights(own: Raw, folders: Sequence[Path]) -> dict[str, WeightsFile]:
    """Return the files that a dense recipe names, but for those that the task itself gives."""
    if RECIPE not in own:
        return {}
    from trainables.checkpoints.files import content_digest, is_own, located

    found = {}
    for key, names in Dense.of(own[RECIPE]).checkpoints.items():
        for name in names:
            if not is_own(name):
                path = located(name, folders, key)
                found[name] = WeightsFile(path, content_digest(path, key), str(path))
    return found


def given_weights(answer: Mapping[str, Any]) -> dict[str, WeightsFile]:
    """Return the files of weights that the task gave, as the check process answers."""
    return {
        name: WeightsFile(Path(kept["file"]), kept["digest"], name)
        for name, kept in answer.get("weights", {}).items()
    }


def keep_weights(files: Iterable[WeightsFile], folder: Folder) -> None:
    """Keep copies of the files in a study folder, which workers read; those there stay."""
    every = {one.digest: one for one in files}
    if not every:
        return
    from trainables.checkpoints.copies import keep

    for one in every.values():
        keep(one.file, one.digest, one.path, folder)
