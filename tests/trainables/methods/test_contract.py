"""What every method from scratch keeps, whatever it does: one suite over the catalog's records."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from study.definition.domains import parse
from tests.trainables.methods import lab
from tests.trainables.trials.plain import run_trial
from trainables.config.catalog import METHODS, Method, Parameters, Positive
from trainables.config.trial import TrialConfig
from trainables.formulas.sparsity import zeros_at
from trainables.formulas.structures import PATTERN
from trainables.methods.interface import Hooks, Setting
from trainables.pruning.masks import Masks, count_zeros, dense_masks
from trainables.training.evaluation import evaluate
from trainables.trials.stage_run import StageRun

STEPS = 42
LAYOUTS: dict[str, dict[str, Any]] = {
    "fp32": {},
    "bf16-nhwc": {"compute": {"precision": "bf16", "channels_last": True}},
}
TWO_OF_FOUR: dict[str, Any] = {"prune": {"pattern": {"n": 2, "m": 4}, "sparsity": 0.5}}
BLOCKS: dict[str, Any] = {
    "prune": {"structure": "blocks", "block": {"rows": 2, "columns": 3}, "sparsity": 0.5}
}
FORMS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in lab.FROM_SCRATCH),
    ("gmp", {"method": {"recover": True}}),
    ("gmp", {"prune": {"structure": "filters", "sparsity": 0.5}}),
    ("gmp", {"method": {"recover": True}, "prune": {"structure": "filters", "sparsity": 0.5}}),
    ("dpf", {"prune": {"structure": "filters", "sparsity": 0.5, "filter_norm": "l1"}}),
    ("gmp", TWO_OF_FOUR),
    ("gmp", {"method": {"recover": True}, **TWO_OF_FOUR}),
    ("dpf", TWO_OF_FOUR),
    ("gmp", BLOCKS),
    ("dpf", {"prune": {"structure": "columns", "sparsity": 0.5}}),
    ("dnw", {"prune": {"scope": "layer", "sparsity": 0.8}}),
    ("str", {"method": {"top_up": True}}),
]
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("dpf", {"method": {"guard": False}}),
    ("dpf", {"prune": {"structure": "rows", "sparsity": 0.5}}),
    ("str", {"method": {"threshold_decay": 0.2}}),
    ("dst", {"method": {"threshold_decay": 0.2}}),
    ("dnw", {"prune": {"scope": "layer", "exclude": ["first", "last"]}}),
]


def ids(forms: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [
        name
        + "".join(f"-{v if isinstance(v, str) else k}" for s in over.values() for k, v in s.items())
        for name, over in forms
    ]


IDS = ids(FORMS)


def results(run: StageRun) -> dict[str, Any]:
    """All that a finished stage is, without times."""
    stage = run.finish({})
    tensors = {**stage.weights, **{f"state.{k}": v for k, v in stage.state.items()}}
    plain = {k: v for k, v in stage.metrics.items() if not k.endswith(("_s", "per_s"))}
    curve = [
        {k: v for k, v in row.items() if not k.endswith(("_s", "per_s"))} for row in stage.curve
    ]
    return {"bits": {k: v.tolist() for k, v in tensors.items()}, "numbers": plain, "curve": curve}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("name", "over"), FORMS, ids=IDS)
def test_a_stage_taken_up_ends_in_the_same_bits(
    name: str, over: dict[str, Any], layout: str, tmp_path: Path
) -> None:
    assert_resumes(lab.config(name, **over, **LAYOUTS[layout]), tmp_path)


@pytest.mark.parametrize(("name", "over"), OPTIONS, ids=ids(OPTIONS))
def test_so_does_one_with_an_option(name: str, over: dict[str, Any], tmp_path: Path) -> None:
    assert_resumes(lab.config(name, **over), tmp_path)


def assert_resumes(chosen: TrialConfig, tmp_path: Path) -> None:
    undisturbed = lab.started(chosen, lab.loaded_for(chosen))
    lab.advance(undisturbed, STEPS)
    run = lab.started(chosen, lab.loaded_for(chosen))
    done = 0
    for k in (3, 14, 27):  # within the first epoch, at an epoch's end after a prune, within a later
        lab.advance(run, k - done)
        run, done = lab.taken_up(run, chosen, tmp_path / str(k)), k
    lab.advance(run, STEPS - done)
    assert run.trainer.done
    assert not run.diverged
    assert results(run) == results(undisturbed)


@pytest.mark.parametrize(("name", "over"), FORMS, ids=IDS)
def test_the_layout_of_memory_changes_nothing_but_rounding(name: str, over: dict[str, Any]) -> None:
    """Masks, gradients and momentum all meet the weights that they belong to."""
    weights = []
    for nhwc in (False, True):
        chosen = lab.config(name, **over, compute={"channels_last": nhwc})
        place = lab.loaded_for(chosen)
        lab.advance(lab.started(chosen, place), 9)  # past an epoch's end and its prune
        weights.append({k: v.detach().clone() for k, v in place.model.named_parameters()})
    for key, value in weights[0].items():
        torch.testing.assert_close(weights[1][key], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "over"), FORMS, ids=IDS)
def test_the_end_is_a_hard_mask_at_the_sparsity_reported(
    name: str, over: dict[str, Any], tmp_path: Path
) -> None:
    chosen = lab.config(name, **over)
    run = lab.started(chosen, lab.loaded_for(chosen))
    lab.advance(run, STEPS)
    stage = run.finish({})
    masks = {k.removeprefix("mask."): v for k, v in stage.state.items() if k.startswith("mask.")}
    n, goal = sum(m.numel() for m in masks.values()), chosen.prune.sparsity
    for key, mask in masks.items():
        assert not stage.weights[key][~mask].any()
    assert stage.metrics["sparsity"] == count_zeros(masks) / n
    if chosen.prune.form.record.choice == "units":
        assert 0.8 * goal < stage.metrics["sparsity"] <= goal
    elif METHODS[name].controls_sparsity or chosen.method.parameters.get("top_up"):
        assert count_zeros(masks) == zeros_at(n, goal)
    if METHODS[name].controls_sparsity:
        assert stage.metrics["sparsity_by_method"] == stage.metrics["sparsity"]


@pytest.mark.parametrize(("name", "over"), FORMS, ids=IDS)
def test_evaluation_is_at_hard_masked_weights_and_leaves_no_trace(
    name: str, over: dict[str, Any]
) -> None:
    chosen = lab.config(name, **over)
    place = lab.loaded_for(chosen)
    run = lab.started(chosen, place)
    lab.advance(run, 20)
    model, hooks = place.model, run.trainer.hooks
    before = {k: v.clone() for k, v in model.state_dict().items()}
    masks = hooks.final_masks()
    assert masks is not None
    with hooks.evaluation():
        held = lab.weights_of(model)
        by_hand = evaluate(place, "val")
    assert count_zeros(masks) > 0
    for key, mask in masks.items():
        assert not held[key][~mask].any()
        assert bool(held[key][mask].all())
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    lab.advance(run, 1)  # the epoch ends with step 21
    with hooks.evaluation():
        by_hand = evaluate(place, "val")
    row = run.curve[-1]
    assert by_hand == {"loss": row["val_loss"], "accuracy": row["val_accuracy"]}


def test_evaluation_puts_learnt_weights_back_after_an_error() -> None:
    model = lab.network()
    hooks = lab.method("dnw", model)
    before = lab.weights_of(model)
    with pytest.raises(KeyError), hooks.evaluation():
        raise KeyError
    after = lab.weights_of(model)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("name", lab.FROM_SCRATCH)
def test_weight_decay_counts_once(name: str) -> None:
    """Without a gradient of the loss, one step of rate 1 is w (1 - decay) where it decays."""
    model = lab.network()
    penalised = {"penalty": 0.0} if name in ("cs", "dst") else {}
    hooks = lab.method(name, model, **penalised)
    extra = hooks.extra_parameters()
    extras = {k: p.detach().clone() for k, p in extra.named.items()} if extra else {}
    before = lab.weights_of(model)
    optimiser = lab.optimiser(model, hooks)
    hooks.before_forward(0)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    hooks.on_gradients(0)
    optimiser.step()
    kept = hooks.final_masks() if name == "lc" else dense_masks(model)
    for key, weight in lab.weights_of(model).items():
        factor = torch.where(kept[key], 1.0, 0.9) if name == "lc" else 0.9
        torch.testing.assert_close(weight, before[key] * factor)
    for key, value in extras.items():
        decays = 0.9 if name == "str" else 1.0
        assert extra is not None
        torch.testing.assert_close(extra.named[key].detach(), value * decays, rtol=1e-6, atol=0)


def test_a_model_that_diverges_is_told_so_by_every_method() -> None:
    for name in lab.FROM_SCRATCH:
        chosen = lab.config(name)
        place = lab.loaded_for(chosen)
        run = lab.started(chosen, place)
        lab.advance(run, 40)  # past every prune, within the last epoch
        with torch.no_grad():
            next(place.model.parameters()).fill_(float("nan"))
        lab.advance(run, 2)
        assert run.diverged, name
        assert run.finish({}).message


# --- the catalog's records ---


def around(name: str) -> list[tuple[str, Any]]:
    """Every value of a choice and both ends of a range, by the key of the study file."""
    found = []
    for key, raw in METHODS[name].domains.items():
        domain = parse(key, raw)
        assert domain.sampled
        found += [(key, value) for value in domain.values]
    return found


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [(name, key, value) for name in lab.FROM_SCRATCH for key, value in around(name)],
)
def test_a_domain_holds_values_that_are_allowed(name: str, key: str, value: Any) -> None:
    section, leaf = key.split(".")
    chosen = lab.config(name, **{section: {leaf: value}, "budget": {"epochs": 20}})
    assert key not in chosen.inactive
    held = chosen.method.parameters if section == "method" else vars(getattr(chosen, section))
    assert held[leaf] == value


@pytest.mark.parametrize("name", ["gmp", "dpf"])
def test_the_interval_fits_the_budget_twice(name: str) -> None:
    lab.config(name, method={"interval": 10}, budget={"epochs": 20})
    rule = r"method\.interval must be at most half of the 20 epochs of budget\.epochs, got 11"
    with pytest.raises(ValueError, match=rule):
        lab.config(name, method={"interval": 11}, budget={"epochs": 20})
    with pytest.raises(ValueError, match=r"method\.interval must be >= 1, got 0"):
        lab.config(name, method={"interval": 0})


@pytest.mark.parametrize("name", lab.FROM_SCRATCH)
def test_structures_are_pruned_only_where_the_record_says_so(name: str) -> None:
    for kind, over in {
        "filters": {"structure": "filters"},
        "columns": {"structure": "columns"},
        "blocks": BLOCKS["prune"],
    }.items():
        if kind in METHODS[name].structures:
            assert lab.config(name, prune=over).prune.form.kind == kind
        else:
            with pytest.raises(ValueError, match=rf"prune\.structure must be weights under {name}"):
                lab.config(name, prune=over)


@pytest.mark.parametrize("name", lab.FROM_SCRATCH)
def test_patterns_are_pruned_only_where_the_record_says_so(name: str) -> None:
    if PATTERN in METHODS[name].structures:
        assert lab.config(name, **TWO_OF_FOUR).prune.form.name == "2:4"
    else:
        rule = (
            rf"prune\.pattern must be absent under {name}, which prunes weights, got .n: 2, m: 4."
        )
        with pytest.raises(ValueError, match=rule):
            lab.config(name, **TWO_OF_FOUR)


@pytest.mark.parametrize("name", lab.FROM_SCRATCH)
def test_scope_matters_where_weights_are_ranked(name: str) -> None:
    assert ("prune.scope" in lab.config(name).inactive) == (name in ("str", "cs", "dst"))


# --- a ninth method is one file and one record ---


class NinthParameters(Parameters):
    first: Positive = 1


class Ninth(Hooks):
    """Prunes the first weight of every layer."""

    def __init__(self, setting: Setting) -> None:
        self.masks = dense_masks(setting.model)
        for mask in self.masks.values():
            mask.view(-1)[: setting.parameters["first"]] = False

    def evaluation(self) -> AbstractContextManager[None]:
        return nullcontext()

    def final_masks(self) -> Masks:
        return self.masks


def test_a_ninth_method_is_one_class_and_one_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Method(
        "ninth",
        "First weights",
        "from scratch",
        NinthParameters,
        False,
        "this test",
        {"method.first": {"int": [1, 3]}},
        "tests.trainables.methods.test_contract:Ninth",
    )
    monkeypatch.setitem(METHODS, "ninth", record)
    chosen = lab.config("ninth", method={"first": 2}, budget={"epochs": 1})
    assert isinstance(chosen, TrialConfig)
    done = run_trial(chosen, tmp_path)
    assert done.state == "done"
    n = 4 * 9 + 6 * 4 * 9 + 60
    assert done.metrics["sparsity"] == pytest.approx(6 / n)
    assert done.config["method"] == {"name": "ninth", "first": 2}
