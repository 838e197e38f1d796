"""The catalog: every reference resolves, every default is valid, every domain is one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from study.definition.domains import KINDS, parse
from trainables.config.catalog import (
    METHODS,
    MODELS,
    TORCHVISION_PREFIX,
    Method,
    Model,
    resolve,
    unknown,
)
from trainables.config.datasets import DATASETS, Dataset, KnownDataset, known
from trainables.config.trial import TrialConfig
from trainables.formulas import structures

OWN_MODELS = [m for m in MODELS.values() if not m.name.startswith(TORCHVISION_PREFIX)]


@pytest.mark.parametrize("model", OWN_MODELS, ids=lambda m: m.name)
def test_models_resolve_and_take_their_parameters(model: Model) -> None:
    builder = resolve(model.builder)
    taken = inspect.signature(builder).parameters
    assert list(taken)[:2] == ["in_shape", "n_classes"]
    assert set(list(taken)[2:]) == set(model.parameters.model_fields)
    defaults = model.parameters().model_dump()
    for name, parameter in list(taken.items())[2:]:
        assert parameter.default == defaults[name], f"{model.name}.{name}"


def test_torchvision_models_share_one_builder() -> None:
    references = {m.builder for m in MODELS.values() if m.name.startswith(TORCHVISION_PREFIX)}
    assert len(references) == 1
    assert callable(resolve(references.pop()))


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda d: d.name)
def test_data_sets_resolve_and_add_up(dataset: Dataset) -> None:
    assert callable(resolve(dataset.loader).splits)
    if not isinstance(dataset, KnownDataset):
        return
    assert dataset.n_val == round(dataset.n_full / 10)
    assert dataset.n_train({}) == dataset.n_full - dataset.n_val
    assert dataset.n_train({"n_train": 50}) == 50
    assert len(dataset.in_shape) == 3


@pytest.mark.parametrize(
    ("name", "train", "val", "test"),
    [
        ("digits", 1293, 144, 360),
        ("mnist", 54_000, 6000, 10_000),
        ("fashion-mnist", 54_000, 6000, 10_000),
        ("cifar10", 45_000, 5000, 10_000),
        ("cifar100", 45_000, 5000, 10_000),
    ],
)
def test_split_sizes(name: str, train: int, val: int, test: int) -> None:
    dataset = known(name)
    assert dataset is not None
    assert (dataset.n_train({}), dataset.n_val, dataset.n_test) == (train, val, test)


@pytest.mark.parametrize("name", ["digits", "mnist", "cifar10"])
def test_the_subset_ends_where_the_images_do(name: str) -> None:
    dataset = known(name)
    assert dataset is not None
    most = dataset.n_train({})
    assert dataset.n_train({"n_train": most}) == most
    with pytest.raises(ValueError, match=rf"must be <= {most} for {name}, got {most + 1}"):
        dataset.n_train({"n_train": most + 1})


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda m: m.name)
def test_methods_resolve(method: Method) -> None:
    assert method.kind in ("retraining", "from scratch")
    if method.kind == "from scratch":
        assert method.function is not None
        assert callable(resolve(method.function))
    assert method.source
    assert set(method.structures) <= set(structures.KINDS)
    assert "weights" in method.structures


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda m: m.name)
def test_defaults_make_a_valid_trial(method: Method) -> None:
    assert config_of(method, {}).method.name == method.name


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda m: m.name)
def test_domains_to_search_are_valid_at_both_ends(method: Method) -> None:
    assert method.domains
    for key, raw in method.domains.items():
        assert next(iter(raw)) in KINDS
        for value in parse(key, raw).values:
            assert config_of(method, {key: value})


def config_of(method: Method, values: Mapping[str, Any]) -> TrialConfig:
    """A trial of the method with its defaults, 20 epochs long, and values at dotted keys."""
    raw: dict[str, Any] = {
        "task": {"dataset": "digits", "model": "cnn"},
        "method": {"name": method.name},
        "dense": {},
        "prune": {"sparsity": 0.9},
        "retrain": {},
        "budget": {"epochs": 20},
    }
    if method.name == "imp":
        raw |= {"dense": {"epochs": 15}, "retrain": {"epochs": 5}, "budget": None}
    for key, value in values.items():
        section, _, leaf = key.partition(".")
        raw[section][leaf] = value
    return TrialConfig.of(raw)


@pytest.mark.parametrize("entries", [DATASETS, MODELS, METHODS])
def test_entries_stand_under_their_names(entries: Mapping[str, Any]) -> None:
    assert all(entry.name == name for name, entry in entries.items())


@pytest.mark.parametrize(
    ("given", "known", "hint"),
    [
        ("cn", MODELS, "did you mean cnn?"),
        ("densenet121", MODELS, "did you mean torchvision/densenet121"),
        ("zzz", METHODS, "known are imp, bimp"),
        (3, DATASETS, "known are digits, mnist"),
    ],
)
def test_unknown_names_are_answered_with_known_ones(
    given: object, known: Mapping[str, Any], hint: str
) -> None:
    sentence = unknown("task.model", given, known)
    assert sentence.startswith(f"task.model must be a known name, got {given!r}; ")
    assert hint in sentence


def test_all_of_torchvision_is_not_listed_for_an_unknown_model() -> None:
    assert TORCHVISION_PREFIX not in unknown("task.model", "zzz", MODELS)
