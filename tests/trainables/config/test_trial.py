"""The configuration of a trial: lengths, steps of cycles, what is active, what is kept of it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from trainables.config.catalog import METHODS
from trainables.config.rules import CONDITIONS
from trainables.config.trial import TrialConfig
from trainables.vocabulary.refusal import Refusal

RAW: dict[str, Any] = {
    "task": {"dataset": "digits", "model": "cnn"},
    "dense": {"epochs": 20, "batch_size": 64},
    "prune": {"sparsity": 0.9},
    "retrain": {"epochs": 3},
}
"""1293 training images in batches of 64: 21 steps an epoch, 420 of the dense run."""


def config(**sections: Any) -> TrialConfig:
    raw = {**RAW, **{key: value for key, value in sections.items() if value is not None}}
    for key, value in sections.items():
        if value is None:
            del raw[key]
    return TrialConfig.of(raw)


def bimp(epochs: float, **more: Any) -> TrialConfig:
    return config(method="bimp", dense={}, retrain={}, **{"budget": {"epochs": epochs}, **more})


@pytest.mark.parametrize(
    ("n_train", "batch_size", "steps"),
    [(None, 64, 21), (None, 1293, 1), (None, 1292, 2), (None, 2000, 1), (128, 64, 2), (129, 64, 3)],
)
def test_the_last_smaller_batch_counts(n_train: int | None, batch_size: int, steps: int) -> None:
    dataset = {"name": "digits", "n_train": n_train}
    found = config(
        task={"dataset": dataset, "model": "mlp"}, dense={"epochs": 1, "batch_size": batch_size}
    )
    assert found.steps_per_epoch == steps
    assert found.dense_steps == steps


@pytest.mark.parametrize(
    ("dataset", "n_train"),
    [("digits", 1293), ("mnist", 54_000), ("cifar10", 45_000), ("imagenet", 1_153_050)],
)
def test_images_after_the_split(dataset: str, n_train: int) -> None:
    assert config(task={"dataset": dataset, "model": "mlp"}).n_train == n_train


@pytest.mark.parametrize(
    ("retrain", "cycles", "steps"),
    [
        ({"epochs": 3}, 1, (63,)),
        ({"epochs": 3}, 3, (21, 21, 21)),
        ({"epochs": 5}, 2, (42, 63)),
        ({"epochs": 7}, 3, (42, 42, 63)),
        ({"epochs": 1}, 2, (10, 11)),
        ({"epochs": 1}, 21, (1,) * 21),
        ({"epochs": 0.5}, 1, (10,)),
        ({"epochs": 2.5}, 2, (26, 26)),
        ({"budget": 0.15}, 1, (63,)),
        ({"budget": 0.0025}, 1, (1,)),
        ({"budget": 0.29}, 1, (122,)),
    ],
)
def test_steps_of_cycles(retrain: dict[str, Any], cycles: int, steps: tuple[int, ...]) -> None:
    found = config(retrain=retrain, prune={"sparsity": 0.9, "cycles": cycles})
    assert found.cycle_steps == steps
    assert found.total_steps == 420 + sum(steps)


def test_a_cycle_without_a_step_is_refused_and_with_one_it_is_not() -> None:
    with pytest.raises(Refusal, match=r"prune\.cycles must be <= the 21 optimiser steps .*got 22"):
        config(retrain={"epochs": 1}, prune={"sparsity": 0.9, "cycles": 22})


@pytest.mark.parametrize(("epochs", "valid"), [(20, True), (20.1, False)])
def test_lrw_fits_the_dense_run(epochs: float, valid: bool) -> None:
    if valid:
        assert config(retrain={"schedule": "lrw", "epochs": epochs}).cycle_steps == (420,)
    else:
        with pytest.raises(Refusal, match=r"at most its 420 steps, got 422"):
            config(retrain={"schedule": "lrw", "epochs": epochs})


def test_lrw_fits_when_each_cycle_does() -> None:
    prune = {"sparsity": 0.9, "cycles": 2}
    assert config(retrain={"schedule": "lrw", "epochs": 40}, prune=prune).cycle_steps == (420, 420)


def test_bimp_splits_one_budget() -> None:
    found = bimp(20, prune={"sparsity": 0.9, "cycles": 2})
    assert found.dense_steps == 315
    assert found.cycle_steps == (42, 63)
    assert found.total_steps == 420
    assert (found.dense.schedule, found.retrain.schedule) == ("linear", "allr")
    assert found.retrain_epochs == 5


@pytest.mark.parametrize(
    ("epochs", "fraction", "steps"), [(3, 0.1, 4), (3, 0.3, 14), (6, 0.95, 86), (3, 0.2, 9)]
)
def test_a_share_of_a_budget_is_that_of_the_decimals(
    epochs: int, fraction: float, steps: int
) -> None:
    """15 steps an epoch: 3 * .1 epochs are 4.5 steps, and halves go to the even neighbour; in
    floats 3 * .1 is above .3."""
    dataset = {"name": "digits", "n_train": 225}
    found = config(
        task={"dataset": dataset, "model": "mlp"}, dense={"batch_size": 15}, method="bimp",
        retrain={}, budget={"epochs": epochs, "dense_fraction": fraction},
    )  # fmt: skip
    assert found.dense_steps == steps


@given(
    st.integers(2, 60),
    st.fractions(Fraction(1, 20), Fraction(19, 20), max_denominator=100),
    st.integers(1, 5),
)
def test_no_step_of_a_budget_is_lost(epochs: int, fraction: Fraction, cycles: int) -> None:
    budget = {"epochs": epochs, "dense_fraction": float(fraction)}
    try:
        found = bimp(0, budget=budget, prune={"sparsity": 0.9, "cycles": cycles})
    except Refusal:
        return
    assert found.dense_steps + sum(found.cycle_steps) == found.total_steps == epochs * 21
    assert len(found.cycle_steps) == cycles
    assert min(found.cycle_steps) >= 1


@pytest.mark.parametrize(
    ("dense", "expected"),
    [
        ({}, True),
        ({"weight_decay": 0}, False),
        ({"momentum": 0}, False),
        ({"nesterov": False}, False),
        ({"weight_decay": 0, "nesterov": True}, True),
    ],
)
def test_nesterov_is_on_with_weight_decay_unless_set(dense: dict[str, Any], expected: bool) -> None:
    found = config(dense={"epochs": 20, **dense})
    assert found.dense.uses_nesterov is expected
    assert found.resolved()["dense"]["nesterov"] is expected


def test_resolved_fills_in_lengths_and_leaves_out_what_is_inactive() -> None:
    dense = {
        "epochs": 20, "batch_size": 64, "lr": 0.1, "schedule": "multistep",
        "milestones": [10, 18], "gamma": 0.1,
    }  # fmt: skip
    found = config(dense=dense, retrain={"schedule": "allr", "epochs": 3}).resolved()
    assert found == {
        "task": {
            "dataset": {"name": "digits", "n_train": None, "n_val": None, "augment": False},
            "model": {"name": "cnn", "channels": [16, 32, 32], "batch_norm": True},
        },
        "dense": {
            "epochs": 20.0, "batch_size": 64, "lr": 0.1, "schedule": "multistep",
            "milestones": [10.0, 18.0], "gamma": 0.1, "warmup_epochs": 0.0, "momentum": 0.9,
            "weight_decay": 0.0005, "nesterov": True,
        },
        "method": {"name": "imp"},
        "prune": {
            "sparsity": 0.9, "cycles": 1, "structure": "weights", "scope": "global",
            "criterion": "magnitude", "bn_reestimate": True,
        },
        "retrain": {
            "schedule": "allr", "epochs": 3.0, "budget": 0.15, "discount": "adaptive",
            "norm": "all",
        },
        "compute": {"precision": "fp32", "channels_last": False, "compile": False},
    }  # fmt: skip


def test_resolved_says_epochs_and_budget_whichever_was_given() -> None:
    one = config(retrain={"epochs": 3}).resolved()
    other = config(retrain={"budget": 0.15}).resolved()
    assert one == other


def test_resolved_of_bimp_has_what_the_budget_gives() -> None:
    found = bimp(20).resolved()
    assert found["budget"] == {"epochs": 20.0, "dense_fraction": 0.75}
    assert found["dense"]["epochs"] == 15.0
    assert found["retrain"]["epochs"] == 5.0
    assert found["retrain"]["budget"] == pytest.approx(1 / 3)


def inactive(**sections: Any) -> frozenset[str]:
    return config(**sections).inactive


@pytest.mark.parametrize(
    ("sections", "active", "idle"),
    [
        ({}, {"retrain.discount"}, {"retrain.init", "retrain.warmup", "dense.milestones"}),
        ({"retrain": {"schedule": "llr", "epochs": 1}}, set(), {"retrain.discount"}),
        (
            {"retrain": {"schedule": "cosine", "init": 0.1, "epochs": 1}},
            {"retrain.init", "retrain.warmup"},
            {"retrain.discount"},
        ),
        (
            {"dense": {"epochs": 2, "schedule": "step"}},
            {"dense.gamma", "dense.every"},
            {"dense.milestones", "dense.lr_end"},
        ),
        ({"dense": {"epochs": 2}}, {"dense.lr_end"}, {"dense.gamma", "dense.every"}),
        (
            {"prune": {"sparsity": 0.5, "structure": "filters"}},
            {"prune.filter_norm"},
            {"budget.dense_fraction"},
        ),
        (
            {"prune": {"sparsity": 0.5, "structure": "filters", "criterion": "random"}},
            {"prune.cycles"},
            {"prune.filter_norm"},
        ),
    ],
)
def test_what_is_active(sections: dict[str, Any], active: set[str], idle: set[str]) -> None:
    found = inactive(**sections)
    assert not found & active
    assert idle <= found
    assert found <= CONDITIONS.keys()


def test_dense_fraction_is_active_under_bimp() -> None:
    assert "budget.dense_fraction" not in bimp(20).inactive


@pytest.mark.parametrize("key", CONDITIONS)
def test_conditions_name_keys_that_exist(key: str) -> None:
    section, _, leaf = key.partition(".")
    model = TrialConfig.model_fields[section].annotation
    fields = getattr(model, "model_fields", None) or model.__args__[0].model_fields  # type: ignore[union-attr]
    assert leaf in fields
    assert CONDITIONS[key].words


def test_a_configuration_is_frozen_and_reads_back() -> None:
    found = config()
    with pytest.raises(ValidationError, match="frozen"):
        found.prune.sparsity = 0.5  # type: ignore[misc]
    assert TrialConfig.of(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"dense": {"epochs": 20, "warmup_epochs": 20}}, r"dense\.warmup_epochs must be shorter"),
        ({"dense": {"epochs": 0.02}}, r"dense\.epochs must give at least one .*got 0\.02"),
        ({"dense": {"epochs": 20, "lr_end": 0.1}}, r"dense\.lr_end must be below dense\.lr \(0\.1"),
        ({"dense": {"epochs": 9, "nesterov": True, "momentum": 0}}, r"dense\.nesterov must be fal"),
        ({"retrain": {"epochs": 3, "budget": 0.1}}, r"retrain\.epochs must .* got both"),
        ({"retrain": {}}, r"retrain\.epochs must .* got neither"),
        ({"budget": {"epochs": 3}}, r"budget\.epochs must be absent under imp .*got 3\.0"),
        ({"method": "bimp"}, r"budget\.epochs must be given under bimp, got nothing"),
        ({"method": "bimp", "dense": {}, "budget": {"epochs": 3}}, r"retrain\.epochs must be abs"),
        ({"method": "bimp", "dense": {}, "retrain": {"budget": 0.1}, "budget": {"epochs": 3}},
         r"retrain\.budget must be absent under bimp, where budget gives it, got 0\.1"),
        ({"dense": {"epochs": 9, "optimiser": "adamw"}},
         r"dense\.lr must be given under dense\.optimiser adamw, got nothing"),
        ({"dense": {"epochs": 9, "optimiser": "adam"}},
         r"dense\.optimiser must be 'sgd' or 'adamw', got 'adam'; did you mean adamw\?"),
        ({"dense": {"epochs": 9, "optimiser": "adamw", "lr": 0.001, "eps": 0}},
         r"dense\.eps must be > 0, got 0"),
        ({"dense": {"epochs": 9, "groups": [{"match": []}]}},
         r"dense\.groups\.0\.match must hold 1 or more entries"),
        ({"dense": {"epochs": 9, "groups": [{"match": ["a"], "lr": 1}]}},
         r"dense\.groups\.0\.lr must be a known key, got 1"),
        ({"compute": {"micro_batch": 64}},
         r"compute\.micro_batch must be below dense\.batch_size \(64\), got 64"),
        ({"compute": {"processes": 2, "batch_norm": "synchronised", "micro_batch": 4}},
         r"compute\.batch_norm must be local beside compute\.micro_batch.* got synchronised"),
        ({"compute": {"processes": 2, "batch_norm": "synchronised", "compile": True}},
         r"compute\.batch_norm must be local under compute\.compile"),
        ({"task": {"dataset": {"name": "digits", "n_train": 129}, "model": "cnn"},
          "compute": {"processes": 2, "batch_norm": "synchronised"}},
         r"compute\.batch_norm must be local where .* batch, of 1 example, leaves a process none"),
        ({"task": {"use": "my:Task"}, "facts": {"n_train": 100, "n_batches": 7},
          "compute": {"processes": 2, "batch_norm": "synchronised"}},
         r"compute\.batch_norm must be local for a task that forms its batches itself"),
        ({"compute": {"processes": 65}},
         r"compute\.processes must be at most dense\.batch_size \(64\), of which .*, got 65"),
        ({"dense": {"epochs": 9, "clip_norm": 0}}, r"dense\.clip_norm must be > 0, got 0"),
        ({"dense": {"epochs": 9, "label_smoothing": 1}}, r"dense\.label_smoothing must be < 1"),
        ({"task": {"use": "my:Task"}, "facts": {"n_train": 100},
          "dense": {"epochs": 9, "label_smoothing": 0.1}},
         r"dense\.label_smoothing must be absent for a task whose loss has no smoothing, got 0\.1"),
        ({"prune": None}, r"prune must be given, got nothing"),
        ({"compute": {"precision": "fp8"}}, r"compute\.precision must be 'fp32', 'bf16' or 'fp16'"),
    ],
)  # fmt: skip
def test_rules(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        config(**sections)


REFUSES_ADAMW = {
    "gsm": "add weight decay to the gradient under gsm .weights that lose their gradient shrink",
    "lc": "add weight decay to the gradient under lc .it takes the decay of its largest weights",
    "str": "add weight decay to the gradient under str .its thresholds stand where decay and",
}


@pytest.mark.parametrize("method", [m.name for m in METHODS.values() if m.kind == "from scratch"])
def test_rivals_that_rest_on_sgds_decay_refuse_adamw(method: str) -> None:
    dense = {"optimiser": "adamw", "lr": 0.001}
    given = {"method": method, "dense": dense, "retrain": {}, "budget": {"epochs": 8}}
    if method in REFUSES_ADAMW:
        with pytest.raises(Refusal, match=f"dense.optimiser must {REFUSES_ADAMW[method]}.*'adamw'"):
            config(**given)
    else:
        assert config(**given).dense.optimiser == "adamw"


def test_keys_of_one_optimiser_are_idle_under_another() -> None:
    adamw = config(dense={"epochs": 2, "optimiser": "adamw", "lr": 0.001})
    assert {"dense.momentum", "dense.nesterov", "dense.options"} <= adamw.inactive
    assert not {"dense.beta1", "dense.beta2", "dense.eps"} & adamw.inactive
    resolved = adamw.resolved()["dense"]
    assert resolved["optimiser"] == "adamw"
    assert "momentum" not in resolved
    assert {"dense.beta1", "dense.beta2", "dense.eps", "dense.options"} <= config().inactive


@pytest.mark.parametrize(("lr_end", "warmup"), [(0.0999, 19.9), (0, 0)])
def test_rules_hold_up_to_their_bounds(lr_end: float, warmup: float) -> None:
    found = config(dense={"epochs": 20, "lr_end": lr_end, "warmup_epochs": warmup})
    assert found.dense.lr_end == lr_end


def test_unused_milestones_need_not_be_in_order() -> None:
    assert config(dense={"epochs": 20, "schedule": "linear", "milestones": []})
    with pytest.raises(Refusal, match=r"strictly increasing, got \[18\.0, 10\.0\]"):
        config(dense={"epochs": 20, "schedule": "multistep", "milestones": [18, 10]})
