"""Weights in int8 as a stage after the last one of training: what it costs, holds and records."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainables.trials.plain import cache, last_stage, run_trial, tiny, without_times
from trainables.config.chain import fingerprint, stage_chain
from trainables.config.trial import TrialConfig
from trainables.deploy.package import metrics_in
from trainables.deploy.trained import trained
from trainables.deploy.weights import masked_weights
from trainables.files.storage import LocalFolder
from trainables.files.trial_record import Record
from trainables.trials.precision import in_precision, quantised
from trainables.trials.procedure import trained_stages
from trainables.trials.stage_store import Stage, StageStore
from trainables.vocabulary.refusal import Refusal

INT8 = {"quantise": {"weights": "int8"}, "prune": {"cycles": 2}}
PLAIN = {"prune": {"cycles": 2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both trials."""
    return tmp_path_factory.mktemp("quantised")


@pytest.fixture(scope="module")
def records(folder: Path) -> tuple[Record, Record]:
    """A trial, and the one that differs from it in the last stage alone, in one folder."""
    tasks = cache()
    plain, rounded = (run_trial(tiny(**keys), folder, tasks=tasks) for keys in (PLAIN, INT8))
    return plain, rounded


def test_a_trial_without_the_key_is_what_it_was() -> None:
    """Absent, empty and written out are one configuration, and add no stage."""
    plain, empty, given = (
        tiny(**PLAIN, **more) for more in ({}, {"quantise": {}}, {"quantise": {"weights": None}})
    )
    assert fingerprint(plain, 0) == fingerprint(empty, 0) == fingerprint(given, 0)
    assert stage_chain(plain, 0) == stage_chain(given, 0)
    assert plain.resolved() == given.resolved() and "quantise" not in given.resolved()


def test_the_stage_stands_after_the_others_and_costs_no_step() -> None:
    plain, rounded = tiny(**PLAIN), tiny(**INT8)
    *shared, last = stage_chain(rounded, 0)
    assert tuple(shared) == stage_chain(plain, 0)
    assert (last.kind, last.cycle, last.steps, last.parent) == ("quantised", 2, 0, shared[-1].hash)
    assert fingerprint(plain, 0) != fingerprint(rounded, 0)
    assert rounded.resolved()["quantise"] == {"weights": "int8"}


def test_other_values_are_refused() -> None:
    with pytest.raises(Refusal, match=r"quantise\.weights must be 'int8', got 'int4'"):
        TrialConfig.of(tiny().model_dump(mode="json") | {"quantise": {"weights": "int4"}})


def test_only_the_rounding_is_made_and_the_trial_s_own_numbers_stay(
    records: tuple[Record, Record],
) -> None:
    plain, rounded = records
    assert rounded.stages[:-1] == plain.stages
    assert rounded.provenance["stages_trained"] == [rounded.stages[-1]]
    assert "torchao" in rounded.provenance and "torchao" not in plain.provenance
    own = {k: v for k, v in rounded.metrics.items() if not k.startswith("int8_")}
    assert without_times(own) == without_times(plain.metrics)
    assert [without_times(c) for c in rounded.cycles] == [without_times(c) for c in plain.cycles]
    assert rounded.layers == plain.layers
    names = {f"int8_{part}_{name}" for part in ("val", "test") for name in ("loss", "accuracy")}
    assert names == {k for k in rounded.metrics if k.startswith("int8_")}
    assert rounded.metrics["int8_test_loss"] != plain.metrics["test_loss"]


def test_the_stage_holds_the_levels_of_the_weights(
    folder: Path, records: tuple[Record, Record]
) -> None:
    """Of the network before it, so that an export in int8 writes the same ones."""
    plain, rounded = records
    before, stage = last_stage(folder, plain), last_stage(folder, rounded)
    matrices = [name for name, tensor in before.weights.items() if tensor.ndim == 2]
    assert len(matrices) == 2
    for name in matrices:
        levels, scale = quantised(name, before.weights[name])
        assert torch.equal(stage.weights[name], levels)
        assert torch.equal(stage.weights[f"{name}:scale"], scale)
        assert bool((levels[before.weights[name] == 0] == 0).all())
    exported = masked_weights(rounded, str(folder / "stages"))
    assert all(torch.equal(t, before.weights[name]) for name, t in exported.tensors.items())
    stored = in_precision(exported.tensors, "int8")
    assert stored.keys() == stage.weights.keys()
    assert all(torch.equal(tensor, stage.weights[name]) for name, tensor in stored.items())


def test_what_is_recorded_is_what_the_rounded_network_measures(
    folder: Path, records: tuple[Record, Record]
) -> None:
    _, rounded = records
    weights = masked_weights(rounded, str(folder / "stages"))
    network = trained(rounded, weights, Path("/nonexistent"))
    measured = metrics_in(network, weights, ["int8"])["int8"]
    recorded = {name: rounded.metrics[f"int8_{name}"] for name in measured}
    assert measured == pytest.approx(recorded, rel=1e-6)


def test_a_method_from_scratch_ends_in_such_a_stage_too(tmp_path: Path) -> None:
    config = TrialConfig.of(
        {
            **{key: value for key, value in tiny().model_dump(mode="json").items() if value},
            "method": "gmp",
            "dense": {"batch_size": 16, "lr": 0.1},
            "retrain": {},
            "budget": {"epochs": 4},
            "quantise": {"weights": "int8"},
        }
    )
    record = run_trial(config, tmp_path)
    assert record.state == "done", record.message
    store = StageStore(LocalFolder(tmp_path / "stages"), "test")
    stages = [stage for name in record.stages if (stage := store.load(name)) is not None]
    assert [stage.kind for stage in stages] == ["whole", "quantised"]
    assert len(record.cycles) == 1 and "int8_val_accuracy" in record.metrics
    assert trained_stages(config, stages) == stages[:1]


def test_a_trial_that_diverged_is_not_rounded() -> None:
    dense = Stage("a", "dense", "done", {}, {}, [])
    lost = Stage("b", "cycle", "diverged", {}, {}, [])
    assert trained_stages(tiny(**INT8), [dense, lost]) == [lost]
