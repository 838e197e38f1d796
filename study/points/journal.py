"""Optuna's journal of a study: a view for optuna-dashboard, written only with finished trials.

Rebuilt from scratch whenever it cannot be read or does not hold what the records say.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial

from study.points.block_search import OPTUNA_DIRECTIONS, BlockSearch, quietly

_KEY = "block_key"


class Journal:
    """One journal file with one Optuna study per block."""

    def __init__(self, path: Path, study: str, objectives: Mapping[str, str]) -> None:
        self._path = path.absolute()
        self._study, self._objectives = study, objectives
        self._studies: dict[str, optuna.Study] = {}
        self._numbers: dict[str, set[Any]] = {}
        self._storage: JournalStorage | None = None

    @property
    def opened(self) -> bool:
        """Whether `start` has been called."""
        return self._storage is not None

    def _open(self) -> JournalStorage:
        lock = JournalFileOpenLock(str(self._path))
        with contextlib.suppress(FileNotFoundError):  # left by a driver that was killed
            Path(f"{self._path}.lock").unlink()
        return JournalStorage(JournalFileBackend(str(self._path), lock_obj=lock))

    def add(self, ended: list[tuple[BlockSearch, FrozenTrial]]) -> None:
        """Add finished trials, the first ones after making sure that the journal is sound."""
        if self.opened:
            self.write(ended)
        else:
            self.start(ended)

    def write(self, ended: Iterable[tuple[BlockSearch, FrozenTrial]]) -> None:
        """Add finished trials that the journal does not hold yet."""
        for search, frozen in ended:
            study = self._study_of(search)
            numbers, number = self._numbers[search.block.key], frozen.user_attrs["number"]
            if number not in numbers:
                study.add_trial(frozen)
                numbers.add(number)

    def start(self, ended: list[tuple[BlockSearch, FrozenTrial]]) -> None:
        """Open the journal, or make it anew when it is unreadable or tells otherwise."""
        try:
            self._require_whole()
            self._storage = self._open()
            if not self._agrees(ended):
                raise ValueError("the journal holds other trials than the records")
        except Exception:  # whatever is wrong with a view, the records make it again
            self._studies.clear()
            self._path.unlink(missing_ok=True)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._storage = self._open()
        self.write(ended)

    def _require_whole(self) -> None:
        """ValueError unless every line is whole: Optuna overlooks a torn last one, and what it
        appends to it makes the file unreadable."""
        with contextlib.suppress(FileNotFoundError):
            *lines, rest = self._path.read_bytes().split(b"\n")
            if rest:
                raise ValueError("the journal's last line is torn")
            for line in lines:
                json.loads(line)

    def _agrees(self, ended: list[tuple[BlockSearch, FrozenTrial]]) -> bool:
        """Whether every trial in the journal is one that the records tell the same way."""
        by_number = {(s.block.key, t.user_attrs["number"]): _essence(t) for s, t in ended}
        assert self._storage is not None
        for study in optuna.get_all_study_summaries(self._storage):
            whole = optuna.load_study(study_name=study.study_name, storage=self._storage)
            for trial in whole.get_trials(deepcopy=False):
                key = (whole.user_attrs.get(_KEY), trial.user_attrs.get("number"))
                if by_number.get(key) != _essence(trial):  # type: ignore[arg-type]
                    return False
        return True

    def _study_of(self, search: BlockSearch) -> optuna.Study:
        key = search.block.key
        if key not in self._studies:
            cell = ", ".join(f"{k}={v}" for k, v in search.block.cell.items())
            name = f"{self._study} [{cell or 'all'}] {key[:6]}"
            with quietly():
                study = optuna.create_study(
                    study_name=name,
                    storage=self._storage,
                    load_if_exists=True,
                    directions=[OPTUNA_DIRECTIONS[d] for d in self._objectives.values()],
                )
                study.set_metric_names(list(self._objectives))
            study.set_user_attr(_KEY, key)
            self._studies[key] = study
            trials = study.get_trials(deepcopy=False)
            self._numbers[key] = {trial.user_attrs.get("number") for trial in trials}
        return self._studies[key]


def _essence(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.state, trial.values, trial.params
