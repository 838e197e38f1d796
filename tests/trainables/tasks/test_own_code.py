"""Code of the user's in whole trials: metrics of their own, and schedule, criterion and method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.tasks.own_tasks import HERE
from tests.trainables.tasks.own_trials import (
    REGRESSION,
    SHAPES,
    coded,
    configured,
    fresh,
)
from tests.trainables.tasks.test_exactness import RIVAL
from tests.trainables.trials.plain import TINY, last_stage, run_trial, timeless, tiny
from tests.trainables.trials.test_procedure import interrupted, same
from trainables.config.chain import fingerprint, stage_chain
from trainables.config.trial import TrialConfig
from trainables.files.storage import LocalFolder
from trainables.trials.stage_store import StageStore

SMALL: dict[str, Any] = {"prune": {"cycles": 1}, "retrain": {"epochs": 1}}


def shapes(codes: dict[str, str], **sections: Any) -> TrialConfig:
    merged = {key: {**value} for key, value in SMALL.items()}
    for key, value in sections.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return configured(SHAPES, facts=coded(codes), **merged)


# --- metrics of their own ---


def test_a_metric_that_is_better_when_less_without_a_test_part(tmp_path: Path) -> None:
    record = run_trial(configured(REGRESSION), tmp_path, tasks=fresh())
    assert record.state == "done"
    assert record.declared == REGRESSION["facts"]["declared"]
    measured = {name for name in record.metrics if "rmse" in name or "loss" in name}
    assert measured == {
        f"{stage}val_{name}" for stage in ("", "dense_", "pruned_") for name in ("rmse", "loss")
    }
    assert not any("test" in name for name in record.metrics)
    assert record.metrics["val_rmse"] == record.metrics["val_loss"] ** 0.5
    stage = last_stage(tmp_path, record)
    assert not any("test" in name for row in stage.curve for name in row)
    assert "train_patients_per_s" in record.metrics
    task = fresh().loaded(configured(REGRESSION))
    task.model.load_state_dict(stage.weights)
    val: Any = task.splits.val
    with torch.no_grad():
        errors = (task.model.eval()(val.tensors[0]) - val.tensors[1]).double()
    assert record.metrics["val_loss"] == pytest.approx(float(errors.square().mean()), rel=1e-6)


# --- a schedule ---

HALVING = {"schedule": f"{HERE}:halving"}
SCHEDULED = shapes({"retrain.schedule": "s1"}, retrain=HALVING)


def test_a_users_schedule_is_followed_step_by_step(tmp_path: Path) -> None:
    record = run_trial(SCHEDULED, tmp_path, tasks=fresh())
    rates = last_stage(tmp_path, record).state["rates"].tolist()
    peak = record.metrics["d"] * 0.1  # of the dense run's rate, by the adaptive discount
    assert rates == [peak] * 4 + [peak / 2] * 3


# --- a criterion ---

LARGEST = {"criterion": f"{HERE}:largest_first"}
TAYLOR = {"criterion": f"{HERE}:taylor"}
JUDGED = shapes({"prune.criterion": "c1"}, prune=LARGEST)


def test_a_users_criterion_decides_what_goes(tmp_path: Path) -> None:
    record = run_trial(JUDGED, tmp_path, tasks=fresh())
    dense = stage_chain(JUDGED, 0)[0].hash
    before = StageStore(LocalFolder(tmp_path / "stages"), "test").load(dense)
    assert before is not None
    stage = last_stage(tmp_path, record)
    names = list(fresh().loaded(JUDGED).weights)
    magnitudes = torch.cat([before.weights[name].abs().flatten() for name in names])
    kept = torch.cat([stage.state[f"mask.{name}"].flatten() for name in names])
    assert int((~kept).sum()) == round(0.6 * len(kept))
    assert magnitudes[kept].max() < magnitudes[~kept].min()


@pytest.mark.parametrize("after", [14, 15, 20])
def test_a_criterion_that_draws_and_trains_repeats_to_the_bit(tmp_path: Path, after: int) -> None:
    config = shapes({"prune.criterion": "c1"}, prune=TAYLOR)
    calm = run_trial(config, tmp_path / "calm", tasks=fresh())
    assert calm.state == "done", calm.message
    interrupted(config, tmp_path / "broken", fresh(), after)
    again = run_trial(config, tmp_path / "broken", tasks=fresh(processes=1))
    assert timeless(again) == timeless(calm)
    assert same(last_stage(tmp_path / "broken", again), last_stage(tmp_path / "calm", calm))


def test_what_a_criterion_does_to_the_network_is_undone(tmp_path: Path) -> None:
    """Scores that rise with magnitude choose as magnitudes do, whatever else was done."""
    meddling = shapes({"prune.criterion": "c1"}, prune={"criterion": f"{HERE}:meddling"})
    judged = run_trial(meddling, tmp_path / "own", tasks=fresh())
    assert judged.state == "done", judged.message
    plain = run_trial(shapes({}), tmp_path / "plain", tasks=fresh())
    assert same(last_stage(tmp_path / "own", judged), last_stage(tmp_path / "plain", plain))


@pytest.mark.parametrize(
    ("criterion", "sentence"),
    [
        ("no_scores", "must return scores by the weights' names, got NoneType"),
        ("some_scores", "must give depthwise.weight scores of shape [6, 1, 3, 3], got NoneType"),
        ("endless_scores", "must give stem.weight finite scores, got NaN or infinity"),
    ],
)
def test_scores_that_cannot_be_used_fail_the_trial_in_a_sentence(
    tmp_path: Path, criterion: str, sentence: str
) -> None:
    config = shapes({"prune.criterion": "c1"}, prune={"criterion": f"{HERE}:{criterion}"})
    record = run_trial(config, tmp_path, tasks=fresh())
    assert record.state == "failed"
    assert f"prune.criterion {HERE}:{criterion} {sentence}" in str(record.message)


# --- a method ---


def with_method(codes: dict[str, str], **parameters: Any) -> TrialConfig:
    method = {"name": f"{HERE}:Once", "after": 0, "noise": 0.0, **parameters}
    facts = {**coded({"method": "m1", **codes}), "controls_sparsity": True}
    return configured(SHAPES, **RIVAL, method=method, facts=facts)


@pytest.mark.parametrize("after", [0, 2])
def test_a_users_method_runs_and_repeats_to_the_bit(tmp_path: Path, after: int) -> None:
    config = with_method({}, after=after)
    calm = run_trial(config, tmp_path / "calm", tasks=fresh())
    assert calm.state == "done", calm.message
    n = calm.metrics["n_prunable"]
    assert calm.metrics["sparsity"] == round(0.6 * n) / n
    for stop in (3, 17, 23):
        interrupted(config, tmp_path / str(stop), fresh(), stop)
        again = run_trial(config, tmp_path / str(stop), tasks=fresh())
        assert timeless(again) == timeless(calm)
        assert same(last_stage(tmp_path / str(stop), again), last_stage(tmp_path / "calm", calm))


def test_what_a_method_draws_repeats_on_a_network_of_the_catalog_too(tmp_path: Path) -> None:
    """The worker has had the same network before, in a trial without code of the user's."""
    config = configured(
        TINY, dense={"epochs": None}, retrain=None, budget={"epochs": 3},
        method={"name": f"{HERE}:Once", "after": 1, "noise": 0.1},
        facts={"codes": {"method": "m1"}, "controls_sparsity": True},
    )  # fmt: skip
    used = fresh()
    run_trial(tiny(), tmp_path / "other", tasks=used)
    calm = run_trial(config, tmp_path / "calm", tasks=used)
    assert calm.state == "done", calm.message
    interrupted(config, tmp_path / "broken", fresh(), 10)
    again = run_trial(config, tmp_path / "broken", tasks=fresh())
    assert same(last_stage(tmp_path / "broken", again), last_stage(tmp_path / "calm", calm))


# --- identities ---


def hashes(config: TrialConfig) -> list[str]:
    return [fingerprint(config, 0), *(stage.hash for stage in stage_chain(config, 0))]


@pytest.mark.parametrize(
    ("one", "other", "stays"),
    [
        (shapes({"prune.criterion": "c1"}, prune=LARGEST),
         shapes({"prune.criterion": "c2"}, prune=LARGEST), [False, True, False]),
        (shapes({"prune.criterion": "c1"}, prune=LARGEST),
         shapes({"prune.criterion": "c1"}, prune=TAYLOR), [False, True, False]),
        (SCHEDULED, shapes({"retrain.schedule": "s2"}, retrain=HALVING), [False, True, False]),
        (SCHEDULED, shapes({"retrain.schedule": "s1"}, retrain={**HALVING, "discount": "d1"}),
         [False, True, False]),
        (with_method({}), with_method({"method": "m2"}), [False, False]),
        (with_method({}), with_method({}, noise=0.5), [False, False]),
        (shapes({}), shapes({"task.use": "a2"}), [False, False, False]),
        (shapes({}), shapes({}, task={"width": 7}), [False, False, False]),
    ],
    ids=["criterion's code", "criterion", "schedule's code", "discount", "method's code",
         "method's keyword", "task's code", "task's keyword"],
)  # fmt: skip
def test_a_hash_changes_with_the_code_that_it_hangs_on(
    one: TrialConfig, other: TrialConfig, stays: list[bool]
) -> None:
    pairs = zip(hashes(one), hashes(other), strict=True)
    assert [a == b for a, b in pairs] == stays
