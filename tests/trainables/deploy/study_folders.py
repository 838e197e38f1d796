"""Study folders with trials that were really trained, without Ray: what tests of exports share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from study.definition.own_code import LOOKS, Look, StudyCode
from study.definition.studyfile import StudyFile
from tests.trainables.trials.plain import run_trial
from trainables.code.copies import keep, restore
from trainables.code.digest import user_code
from trainables.code.import_path import ImportPath
from trainables.code.reference import parse
from trainables.config.sections import Facts
from trainables.config.trial import TrialConfig
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record
from trainables.trials.task_cache import TaskCache

EXAMPLE = Path(__file__).parents[3] / "examples" / "own_task"

SHORT: dict[str, Any] = {
    "dense": {"epochs": 2, "batch_size": 16, "lr": 0.1},
    "prune": {"sparsity": 0.8},
    "retrain": {"schedule": "llr", "epochs": 1},
}
"""A few steps: networks that are far from chance and far from done."""

DIGITS = {"name": "digits", "n_train": 100}


def study_folder(folder: Path, task: Mapping[str, Any], **sections: Any) -> StudyFile:
    """Write the study.yaml of a folder, and return the study."""
    raw = {"name": "short", "task": dict(task), **SHORT, **sections}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "study.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(raw, file)
    return StudyFile.of(raw)


def trained_trial(
    folder: Path, task: Mapping[str, Any], seed: int = 0, facts: Any = None, **sections: Any
) -> Record:
    """Train one trial in a folder, for a study of it alone, and return its record."""
    study = study_folder(folder, task, **sections)
    raw = {**study.space, **({"facts": facts} if facts else {})}
    files = StudyFolder(str(folder)).folder
    tasks = TaskCache(Path("/nonexistent"), "cpu", 1, copy_of=lambda d: restore(files.read, d))
    return run_trial(TrialConfig.of(raw), folder, seed, tasks)


def own_trial(
    folder: Path,
    source: str | None = None,
    reference: str = "my_task:Shapes",
    n: tuple[int, int, int] = (96, 24, 200),
    task: Mapping[str, Any] | None = None,
    n_classes: int = 4,
    **sections: Any,
) -> Record:
    """Train a trial of the user's own task, of the example unless a source is given.

    `n` are the lengths of its parts, `task` the section where it is more than the reference, of
    pictures of `n_classes`. The source is kept as a study keeps it.
    """
    home = folder.parent / f"{folder.name}-home"
    home.mkdir(parents=True)
    text = (EXAMPLE / "my_task.py").read_text() if source is None else source
    (home / "my_task.py").write_text(text)
    key = "task.use" if task is None else "task.dataset"
    code = user_code([parse(reference, key)], ImportPath([home]))
    files = StudyFolder(str(folder)).folder
    keep(code, files.read, files.write)
    lengths = dict(zip(("n_train", "n_val", "n_test"), n, strict=True))
    facts = {**lengths, "codes": {key: code.identity}, "copy_digest": code.digest}
    if task is not None:
        facts |= {"in_shape": (3, 32, 32), "n_classes": n_classes}
    look = Look(Facts.model_validate(facts))
    files.write(LOOKS, StudyCode({reference: look}).encode())
    given = {"width": 8, "n": 120} if source is None else {}
    return trained_trial(folder, task or {"use": reference, **given}, facts=facts, **sections)
