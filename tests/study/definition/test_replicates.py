"""`retrain.seeds` of the study file: read, kept in the study folder, refused in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from study.definition.replicates import Replicates, names_one_file
from study.definition.space import spaces, trials_of
from study.definition.studyfile import StudyFile
from trainables.config.chain import fingerprint
from trainables.vocabulary.refusal import Refusal

RAW: dict[str, Any] = {
    "name": "again",
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 2},
    "prune": {"sparsity": 0.9},
    "retrain": {"epochs": 1, "seeds": [0, 4]},
    "seeds": [1, 2],
}


def test_all_retrainings_of_one_dense_network_come_together() -> None:
    replicates = Replicates((1, 2), (0, 4))
    assert replicates.of(retrains=True) == [(1, 0), (1, 4), (2, 0), (2, 4)]
    assert replicates.of(retrains=False) == [(1, 0), (2, 0)]


def test_the_list_is_no_setting_and_is_kept_in_the_study_folder() -> None:
    study = StudyFile.of(RAW)
    assert study.retrain_seeds == (0, 4)
    assert study.replicates == Replicates((1, 2), (0, 4))
    assert study.space["retrain"] == {"epochs": 1}
    assert study.raw()["retrain"] == {"epochs": 1, "seeds": [0, 4]}
    assert StudyFile.of(study.raw()) == study
    without = StudyFile.of({**RAW, "retrain": {"epochs": 1}})
    assert without.retrain_seeds == (0,)
    assert "seeds" not in without.raw()["retrain"]
    assert spaces(study) == spaces(without)  # so blocks of a search keep their keys


def test_each_trial_has_one_of_them_and_the_first_is_as_it_was() -> None:
    study = StudyFile.of(RAW)
    config = spaces(study)[0].config({})
    trials = trials_of(config, study.replicates)
    assert [trial.replicate for trial in trials] == [(1, 0), (1, 4), (2, 0), (2, 4)]
    assert [trial.config.retrain.seed for trial in trials] == [0, 4, 0, 4]
    assert trials[0].fingerprint == fingerprint(config, 1)
    assert len({trial.fingerprint for trial in trials}) == 4
    assert [trial.chain[0].hash for trial in trials[:2]] == [trials[0].chain[0].hash] * 2


def test_a_method_without_retraining_has_one_trial_per_seed() -> None:
    scratch = {"method": "gmp", "dense": {}, "retrain": {}, "budget": {"epochs": 4}}
    study = StudyFile.of({**RAW, **scratch})
    trials = trials_of(spaces(study)[0].config({}), Replicates((1, 2), (3, 4)))
    assert [trial.replicate for trial in trials] == [(1, 0), (2, 0)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"retrain": {"epochs": 1, "seeds": [3, 3]}}, r"retrain\.seeds must not repeat a seed"),
        ({"retrain": {"epochs": 1, "seeds": []}}, r"retrain\.seeds must hold 1 or more .* got \[]"),
        ({"retrain": {"epochs": 1, "seeds": [-1]}}, r"retrain\.seeds\.0 must be >= 0, got -1"),
        ({"retrain": {"epochs": 1, "seeds": 3}}, r"retrain\.seeds must be a list, got 3"),
        ({"retrain": {"epochs": 1, "seeds": {"grid": [0, 1]}}}, r"retrain\.seeds must be a list"),
        ({"retrain": {"epochs": 1, "seed": 1}},
         r"^retrain\.seed must be given as the list retrain\.seeds, such as \[0, 1, 2\], got 1$"),
        ({"spaces": [{}, {"retrain": {"seeds": [1]}}]},
         r"^spaces\.1\.retrain\.seeds must be absent, for .* one list for all spaces, got \[1\]$"),
        ({"retrain_seeds": [0, 1]}, r"retrain_seeds must be a known key"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        StudyFile.of({**RAW, **changed})


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, False),
        ("a.pth", True),
        (["a.pth", "b.pth"], False),
        ({"grid": ["a.pth", "b.pth"]}, True),
        ({"grid": [["a.pth", "b.pth"], ["c.pth", "d.pth"]]}, False),
    ],
)
def test_seeds_are_retrainings_of_one_network_where_there_is_one_file(
    weights: object, expected: bool
) -> None:
    assert names_one_file({"dense": {"weights": weights}}) is expected
    assert names_one_file({}) is False
