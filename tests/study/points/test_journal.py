"""Optuna's journal: a view made from the records, and made again when it says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.definition.space import Trial
from study.definition.studyfile import StudyFile
from study.points.agenda import Ending
from study.points.journal import Journal
from study.points.optuna_source import OptunaSource
from study.points.resolve import resolve

Ended = list[Any]


def study_of(trials: int = 3) -> StudyFile:
    return StudyFile.of(
        {
            "name": "view",
            "task": {"dataset": "digits", "model": "mlp"},
            "dense": {"epochs": 4},
            "prune": {"sparsity": {"grid": [0.8, 0.9]}},
            "retrain": {"epochs": 1, "discount": {"uniform": [0.05, 1]}},
            "search": {
                "strategy": "optuna", "trials": trials, "objectives": {"val_accuracy": "max"},
            },
        }
    )  # fmt: skip


def ended(shift: float = 0.0, trials: int = 3) -> Ended:
    """Two blocks of trials, told an accuracy that depends on their discount."""
    study = study_of(trials)
    source = OptunaSource(resolve(study).blocks, study, [], slots=lambda: 1)
    while more := source.more(0):
        for trial in more:
            source.tell(trial, _known(trial, shift))
    return source.ended


def _known(trial: Trial, shift: float) -> Ending:
    discount = trial.config.retrain.discount
    assert isinstance(discount, float)
    if trial.origin["number"] == 1:
        return Ending("diverged")
    return Ending("done", {"val_accuracy": discount / 2 + shift})


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield tmp_path / "deep" / "optuna.journal"
    optuna.logging.set_verbosity(verbosity)


def journal(path: Path) -> Journal:
    return Journal(path, "view", {"val_accuracy": "max"})


def held(path: Path) -> dict[str, list[tuple[str, list[float] | None, int]]]:
    """What anyone else reads in the journal: state, values and number of each trial by study."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    found = {}
    for name in optuna.get_all_study_names(storage):
        trials = optuna.load_study(study_name=name, storage=storage).trials
        found[name] = [(t.state.name, t.values, t.user_attrs["number"]) for t in trials]
    return found


def expected(trials: Ended) -> list[list[tuple[str, list[float] | None, int]]]:
    by_block: dict[str, list[tuple[str, list[float] | None, int]]] = {}
    for search, frozen in trials:
        row = (frozen.state.name, frozen.values, frozen.user_attrs["number"])
        by_block.setdefault(search.block.key, []).append(row)
    return list(by_block.values())


def test_a_study_a_block_with_all_that_has_ended(path: Path) -> None:
    trials = ended()
    journal(path).start(trials)
    found = held(path)
    assert [name.partition("]")[0] for name in found] == [
        "view [prune.sparsity=0.8", "view [prune.sparsity=0.9",
    ]  # fmt: skip
    assert list(found.values()) == expected(trials)
    assert [state for state, _, _ in next(iter(found.values()))] == [
        "COMPLETE",
        "PRUNED",
        "COMPLETE",
    ]


def test_trials_are_added_as_they_end(path: Path) -> None:
    trials = ended()
    view = journal(path)
    assert not view.opened
    view.start(trials[:1])
    assert view.opened
    for one in trials[1:]:
        view.write([one])
    assert list(held(path).values()) == expected(trials)


def test_what_is_held_already_is_not_added_again(path: Path) -> None:
    trials = ended()
    journal(path).start(trials[:4])
    size = path.stat().st_size
    again = journal(path)
    again.start(trials[:4])
    assert path.stat().st_size - size < size / 2, "kept, not rebuilt"
    again.write(trials)
    assert list(held(path).values()) == expected(trials)


def test_a_torn_journal_is_made_again(path: Path) -> None:
    trials = ended()
    journal(path).start(trials)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 20])
    journal(path).start(trials)
    assert list(held(path).values()) == expected(trials)


@pytest.mark.parametrize("content", [b"no journal\n", b"\x00\xff" * 100, b'{"op_code": 99}\n'])
def test_a_foreign_file_is_made_again(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    trials = ended()
    journal(path).start(trials)
    assert list(held(path).values()) == expected(trials)


def test_a_journal_that_tells_otherwise_is_made_again(path: Path) -> None:
    journal(path).start(ended(shift=0.1))
    trials = ended()
    journal(path).start(trials)
    assert list(held(path).values()) == expected(trials)


def test_a_journal_that_holds_more_than_the_records_is_made_again(path: Path) -> None:
    journal(path).start(ended(trials=4))
    trials = ended(trials=3)
    journal(path).start(trials)
    assert list(held(path).values()) == expected(trials)


def test_the_lock_of_a_killed_driver_does_not_hold_it_up(path: Path) -> None:
    trials = ended()
    path.parent.mkdir(parents=True)
    Path(f"{path}.lock").write_text("")
    journal(path).start(trials)
    assert list(held(path).values()) == expected(trials)
    assert not Path(f"{path}.lock").exists()


def test_the_place_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    view = journal(Path("optuna.journal"))
    monkeypatch.chdir("/")
    view.start(ended())
    assert (tmp_path / "optuna.journal").is_file()
