"""What a run says it will do, in words."""

from __future__ import annotations

from typing import Any

from study.definition.own_code import NO_CODE, Look, StudyCode
from study.definition.studyfile import StudyFile
from study.points.standing import Standing
from study.views.intentions import older_code, older_revisions, other_files, sentences
from trainables.config.sections import Facts
from trainables.files.trial_record import Record

RAW: dict[str, Any] = {
    "name": "small",
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 2},
    "prune": {"sparsity": {"grid": [0.8, 0.9]}},
    "retrain": {"epochs": 1},
    "seeds": [0, 1],
}
SEARCH: dict[str, Any] = {
    **RAW,
    "retrain": {"epochs": 1, "discount": {"uniform": [0.1, 1]}},
    "search": {"strategy": "optuna", "trials": 3, "objectives": {"val_accuracy": "max"}},
}


def words(before: dict[str, Any] | None, now: dict[str, Any], *counts: int) -> list[str]:
    earlier = None if before is None else StudyFile.of(before)
    return sentences(earlier, StudyFile.of(now), Standing(*counts))


def test_what_a_run_says_it_will_do() -> None:
    assert words(None, RAW, 4, 0, 0, 0) == ["starting: 4 trials"]
    assert words(RAW, RAW, 4, 4, 0, 0) == ["complete: all 4 trials are settled, nothing to run"]
    assert words(RAW, RAW, 4, 3, 0, 0) == ["resuming: 3 of 4 trials are settled"]
    assert words(RAW, RAW, 4, 3, 1, 0) == [
        "resuming: 3 of 4 trials are settled",
        "retrying: 1 failed trial",
    ]


def test_what_is_new_is_words() -> None:
    seeds = words(RAW, {**RAW, "seeds": [0, 1, 5, 3]}, 8, 4, 0, 0)
    assert seeds[1:] == ["extending: seeds 3, 5 are new"]
    space = words(RAW, {**RAW, "prune": {"sparsity": {"grid": [0.7, 0.8]}}}, 4, 2, 0, 2)
    assert space[1:] == [
        "extending: the space has changed",
        "keeping: 2 trials outside the study as it is now",
    ]
    more = {**SEARCH, "search": {**SEARCH["search"], "trials": 5}}
    assert words(SEARCH, more, 20, 12, 0, 0)[1:] == [
        "extending: 2 more configurations in each search"
    ]
    assert words(more, SEARCH, 12, 12, 0, 0)[1:] == []


def record(number: int, state: str, listing: str | None) -> Record:
    provenance = {} if listing is None else {"listings": {"task.dataset": listing}}
    return Record(str(number), "small", {}, number, state, provenance=provenance)  # type: ignore[arg-type]


def test_trials_of_other_files_are_named() -> None:
    code = StudyCode({"one": Look(Facts(listings={"task.dataset": "new"}))})
    records = [record(0, "done", "old"), record(1, "done", "new"), record(2, "failed", "old")]
    assert other_files(code, records) == [
        "keeping: 1 settled trial of a folder that held other files; what it holds now is new"
    ]
    assert other_files(code, records[1:]) == []
    assert other_files(NO_CODE, records) == []
    assert older_code(code, records) == []


def of_method(number: int, state: str, **method: Any) -> Record:
    config = {"method": method, "prune": {"structure": "weights"}}
    return Record(f"{number:016x}", "small", config, 0, state)  # type: ignore[arg-type]


def test_settled_trials_of_an_older_revision_are_kept_in_words() -> None:
    records = [
        of_method(0, "done", name="dpf"),
        of_method(1, "diverged", name="dpf"),
        of_method(2, "failed", name="dpf"),
        of_method(3, "done", name="dpf", revision=2),
        of_method(4, "done", name="gmp"),
    ]
    assert older_revisions(records[2:]) == []
    assert older_revisions(records) == [
        "keeping: 2 settled trials of an older revision (dpf), which stand in no mean with newer"
        " ones"
    ]
