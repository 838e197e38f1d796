"""The trained network of a trial in a study folder, for what is more than reading its weights.

Imports the user's code where the trial's task is theirs, from the copy in the study folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.definition.locations import readable_store_of
from study.definition.space import Space, spaces
from study.definition.studyfile import StudyFile
from trainables.code.copies import restore
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record

if TYPE_CHECKING:
    from trainables.deploy.trained import Trained
    from trainables.deploy.weights import MaskedWeights


def network_of(
    folder: StudyFolder, study: StudyFile, record: Record, weights: MaskedWeights | None = None
) -> Trained:
    """Return the network of a finished trial with its task and data, masks applied.

    `weights` are those that it ended with, where they have been read already. Refusal where they,
    the copy of the user's code or the data are not there as they were in the trial.
    """
    from trainables.deploy.trained import needs_code, trained
    from trainables.deploy.weights import masked_weights

    if weights is None:
        weights = masked_weights(record, readable_store_of(study, folder))
    digest = needs_code(record)
    copy = None if digest is None else restore(folder.folder.read, digest)
    return trained(record, weights, study.data.folder, copy, folder_paths(study))


def folder_paths(study: StudyFile) -> dict[str, str]:
    """Return where the study's folders of images lie, by the name that records keep of them."""
    paths = [p for space in spaces(study) for raw in _data_sets(space) if (p := _path(raw))]
    return {Path(path).name or path: path for path in paths}


def _data_sets(space: Space) -> Iterator[Mapping[str, Any]]:
    """The space's fixed part, and one configuration for each value of what is listed of data."""
    yield space.fixed
    for key, domain in space.domains.items():
        if key.startswith("task") and domain.kind in ("grid", "choice"):
            for value in domain.values:
                yield space.raw({key: value})


def _path(raw: Mapping[str, Any]) -> str | None:
    task = raw.get("task")
    dataset = task.get("dataset") if isinstance(task, Mapping) else None
    path = dataset.get("path") if isinstance(dataset, Mapping) else None
    return path if isinstance(path, str) else None
