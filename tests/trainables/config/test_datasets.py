"""Options of data sets in records and hashes: later ones at their default leave no trace."""

from __future__ import annotations

from typing import Any

import pytest

from trainables.config.chain import fingerprint
from trainables.config.trial import TrialConfig
from trainables.vocabulary.refusal import Refusal


def config(dataset: Any) -> TrialConfig:
    return TrialConfig.of(
        {
            "task": {"dataset": dataset, "model": "cnn"},
            "dense": {"epochs": 2},
            "prune": {"sparsity": 0.9},
            "retrain": {"epochs": 1},
        }
    )


DEFAULTS = {"normalise": "standard", "split": {"kind": "stratified", "seed": 0}}


@pytest.mark.parametrize(
    ("name", "defaults"),
    [("digits", DEFAULTS), ("cifar10", {**DEFAULTS, "transforms": "standard", "augment": True})],
)
def test_a_default_that_is_written_out_changes_nothing(name: str, defaults: Any) -> None:
    plain, written = config(name), config({"name": name, **defaults})
    assert fingerprint(plain, 0) == fingerprint(written, 0)
    assert plain.resolved() == written.resolved()


def test_records_read_as_before_the_options_came() -> None:
    assert config("digits").resolved()["task"]["dataset"] == {
        "name": "digits", "n_train": None, "n_val": None, "augment": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("digits", {"normalise": "unit"}),
        ("digits", {"normalise": "none"}),
        ("digits", {"split": {"kind": "random"}}),
        ("digits", {"split": {"seed": 1}}),
        ("cifar100", {"transforms": "release"}),
    ],
)
def test_options_are_hashed_kept_and_read_back(name: str, option: dict[str, Any]) -> None:
    other = config({"name": name, **option})
    assert fingerprint(other, 0) != fingerprint(config(name), 0)
    resolved = other.resolved()
    assert resolved["task"]["dataset"].keys() >= option.keys()
    assert fingerprint(TrialConfig.of(other.model_dump(mode="json")), 0) == fingerprint(other, 0)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"name": "digits", "normalise": "units"}, "normalise must be 'standard', 'unit' or"),
        ({"name": "digits", "split": {"seed": -1}}, r"split\.seed must be >= 0, got -1"),
        ({"name": "digits", "split": {"sed": 1}}, r"split\.sed must be a known key.* seed"),
        ({"name": "digits", "transforms": "release"}, "transforms must be a known key"),
        ({"name": "digits", "split": "random"}, "split must be"),
    ],
)
def test_wrong_options_are_refused(dataset: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=rf"^task\.dataset\.{message}"):
        config(dataset)
