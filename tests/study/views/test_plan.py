"""Plans: trials, stages and epochs worked out by hand, and time from what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from study.definition.own_code import Look, StudyCode, use_key, uses
from study.definition.space import spaces
from study.definition.studyfile import StudyFile
from study.points.grid_study import GridStudy
from study.points.resolve import resolve
from study.views.plan import Plan, Training, plan, table
from study.views.told_apart import told_apart
from trainables.config.chain import StageSpec, stage_chain
from trainables.config.sections import Facts
from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.files.trial_record import Record
from trainables.networks.models import build
from trainables.pruning.masks import count_zeros, dense_masks
from trainables.pruning.prunable import prunable
from trainables.pruning.ranking import prune
from trainables.vocabulary.refusal import Refusal

RAW: dict[str, Any] = {
    "name": "small",
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 10},
    "prune": {"sparsity": {"grid": [0.8, 0.9]}},
    "retrain": {"schedule": {"grid": ["ft", "llr"]}, "epochs": {"grid": [1, 3]}},
    "seeds": [0, 1],
}
"""16 trials: 2 sparsities, 2 schedules, 2 lengths, 2 seeds; 2 dense runs of 10 epochs."""


def planned(folder: Path, **sections: Any) -> Plan:
    return plan(resolve(StudyFile.of({**RAW, **sections})), str(folder))


def training(folder: Path, **sections: Any) -> Training:
    found = planned(folder, **sections).training
    assert found is not None
    return found


def test_a_plan_says_that_several_processes_train_each_trial(tmp_path: Path) -> None:
    lines = table(planned(tmp_path, compute={"processes": 2})).splitlines()
    assert "each trial            trained by 2 processes together, on one node" in lines
    assert "processes" not in table(planned(tmp_path))


EXAMPLES = [
    "train examples        1,293: 0 128, 1 130, 2 128, 3 131, 4 130, 5 131, 6 131, 7 129, 8 125,"
    " 9 130",
    "val examples          144: 0 14, 1 15, 2 14, 3 15, 4 15, 5 15, 6 14, 7 14, 8 14, 9 14",
    "test examples         360: 0 36, 1 37, 2 35, 3 37, 4 36, 5 36, 6 36, 7 36, 8 35, 9 36",
]


def test_a_grid_by_hand(tmp_path: Path) -> None:
    found = planned(tmp_path / "out")
    assert (found.trials, found.configurations, found.seeds) == (16, 8, 2)
    assert (found.settled, found.failed) == (0, 0)
    shared = 2 * 10 + 8 * 1 + 8 * 3
    assert found.training == Training(2, 18, 16 * 10 + 8 * 1 + 8 * 3, shared, shared, None)
    assert found.training.sharing == pytest.approx(192 / 52)
    assert not (tmp_path / "out").exists(), "planning writes nothing"


def test_methods_from_scratch_share_nothing(tmp_path: Path) -> None:
    found = planned(tmp_path, method="gmp", dense={}, retrain={}, budget={"epochs": 6})
    assert found.trials == 4
    assert found.training == Training(0, 4, 24, 24, 24, None)
    assert found.training.sharing == 1


def record_all(folder: Path, state: str, n: int) -> list[tuple[StageSpec, ...]]:
    """Write records of the first n trials; returns their chains."""
    trials = GridStudy(StudyFile.of(RAW)).trials[:n]
    for trial in trials:
        StudyFolder(str(folder)).write_record(
            Record(trial.fingerprint, "small", trial.config.resolved(), trial.seed, state)
        )
    return [stage_chain(trial.config, trial.seed) for trial in trials]


def store(folder: Path, spec: StageSpec, seconds: float, device: str = "cpu") -> None:
    manifest = Manifest(
        spec.hash, spec.kind, "done", epochs=spec.epochs, likeness=spec.likeness,
        metrics={"train_s": seconds}, provenance={"device": device},
    )  # fmt: skip
    manifests.write(LocalFolder(folder / "stages"), manifest)


def test_what_is_settled_is_not_left_and_what_failed_is(tmp_path: Path) -> None:
    record_all(tmp_path, "done", 1)
    assert planned(tmp_path).settled == 1
    assert training(tmp_path).epochs_left == 52 - 1
    record_all(tmp_path, "failed", 1)
    found = planned(tmp_path)
    assert (found.settled, found.failed) == (0, 1)
    assert training(tmp_path).epochs_left == 52


def test_stages_that_are_there_are_not_left(tmp_path: Path) -> None:
    (chain,) = record_all(tmp_path, "failed", 1)
    store(tmp_path, chain[0], seconds=20)
    assert training(tmp_path).epochs_left == 52 - 10


def test_the_time_comes_from_stages_alike(tmp_path: Path) -> None:
    """20 s for the 10 epochs of one dense run: 2 s an epoch, 42 epochs left."""
    (chain,) = record_all(tmp_path, "failed", 1)
    store(tmp_path, chain[0], seconds=20)
    assert training(tmp_path).seconds_left == pytest.approx(84)
    store(tmp_path, chain[1], seconds=4.2)
    assert training(tmp_path).seconds_left == pytest.approx(41 * 24.2 / 11)


def test_the_time_of_another_device_model_or_batch_is_unknown(tmp_path: Path) -> None:
    (chain,) = record_all(tmp_path, "failed", 1)
    store(tmp_path, chain[0], seconds=20)
    assert training(tmp_path, resources={"gpus": 1}).seconds_left is None
    assert training(tmp_path, task={"dataset": "digits", "model": "cnn"}).seconds_left is None
    assert training(tmp_path, dense={"epochs": 10, "batch_size": 32}).seconds_left is None
    assert training(tmp_path, dense={"epochs": 20, "lr": 0.5}).seconds_left == pytest.approx(144)


def test_a_store_of_its_own_counts(tmp_path: Path) -> None:
    (chain,) = record_all(tmp_path / "one", "failed", 1)
    store(tmp_path, chain[0], seconds=20)
    shared = training(tmp_path / "two", stage_store=str(tmp_path / "stages"))
    assert shared.epochs_left == 52 - 10


def test_unreadable_manifests_are_left_out(tmp_path: Path) -> None:
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"metrics": {}}')):
        (tmp_path / "stages" / name).mkdir(parents=True)
        (tmp_path / "stages" / name / "stage.json").write_text(text)
    assert training(tmp_path).seconds_left is None


def test_nothing_left_takes_no_time(tmp_path: Path) -> None:
    record_all(tmp_path, "done", 16)
    assert planned(tmp_path).settled == 16
    left = training(tmp_path)
    assert (left.epochs_left, left.seconds_left) == (0, 0)


SEARCH: dict[str, Any] = {
    "retrain": {"epochs": 1, "discount": {"uniform": [0.1, 1]}},
    "search": {"strategy": "optuna", "trials": 5, "objectives": {"val_accuracy": "max"}},
}


def test_a_search_is_counted_in_configurations_of_its_blocks(tmp_path: Path) -> None:
    found = planned(tmp_path, **SEARCH)
    assert (found.configurations, found.seeds, found.trials) == (10, 2, 20)
    assert found.training is None


def test_the_table_of_a_grid(tmp_path: Path) -> None:
    record_all(tmp_path, "done", 2)
    record_all(tmp_path, "failed", 1)
    assert table(planned(tmp_path)).splitlines() == [
        "study                 small (grid)",
        "trials                16 = 8 configurations x 2 seeds",
        "settled already       1, 1 failed",
        "stages                18, of them 2 dense runs",
        "epochs asked          192",
        "epochs after sharing  52 (3.7 times fewer)",
        "epochs left to train  51",
        "time left             unknown: nothing like it was measured in this stage store",
        *EXAMPLES,
    ]


def test_the_table_of_a_search_says_what_is_unknown(tmp_path: Path) -> None:
    lines = table(planned(tmp_path, **SEARCH)).splitlines()
    assert lines[1] == "trials           20 = 10 configurations x 2 seeds"
    assert lines[3] == "stages, epochs   unknown: the search decides as it goes"
    assert lines[4] == "time left        unknown: the search decides as it goes"


def test_nothing_is_left_of_a_study_that_is_settled(tmp_path: Path) -> None:
    record_all(tmp_path, "done", 16)
    assert "time left             none" in table(planned(tmp_path)).splitlines()


def test_the_table_says_the_time_in_words(tmp_path: Path) -> None:
    (chain,) = record_all(tmp_path, "failed", 1)
    store(tmp_path, chain[0], seconds=20)
    lines = table(planned(tmp_path)).splitlines()
    assert "time left             1 min 24 s of one worker's training" in lines


LOADED: dict[str, Any] = {"epochs": 10, "lr": 0.1, "schedule": "linear"}


def loaded(folder: Path, weights: Any, **facts: str) -> Plan:
    """The plan of the grid with trained networks in place of its dense runs."""
    raw = {**RAW, "dense": {**LOADED, "weights": weights}}
    looks = {
        use_key(own, frozenset()): Look(
            Facts.model_validate({
                "checkpoints": {n: {"path": n, "digest": d} for n, d in facts.items()},
            })
        )
        for own in uses(spaces(StudyFile.of(raw)), frozenset()).values()
    }  # fmt: skip
    return plan(resolve(StudyFile.of(raw), StudyCode(looks)), str(folder))


def test_a_network_that_is_loaded_is_no_dense_run(tmp_path: Path) -> None:
    one = loaded(tmp_path, "a", a="1")
    assert one.training == Training(0, 17, 32, 32, 32, None, loaded=1)
    lines = table(one).splitlines()
    assert "stages                17, of them 1 trained network loaded" in lines
    assert (
        "seeds                 retrainings of one dense network: intervals over them say nothing of"
        " other dense networks"
    ) in lines
    two = table(loaded(tmp_path, ["a", "b"], a="1", b="2"))
    assert "18, of them 2 trained networks loaded" in two
    assert "retrainings of one dense network" not in two


def test_several_data_sets_are_told_apart(tmp_path: Path) -> None:
    few = {"name": "digits", "n_train": 100}
    task = {"dataset": {"grid": ["digits", few]}, "model": "mlp"}
    found = planned(tmp_path, task=task)
    starts = ["1,293:", "144:", "360:", "100,", "144:", "360:"]
    assert [words.split()[0] for _, words in found.examples] == starts
    ends = [words[words.rindex("(") :] for _, words in found.examples]
    assert ends == ["(digits)"] * 3 + ["(n_train 100)"] * 3


def test_lines_name_the_settings_that_decide_them_and_no_others() -> None:
    def entry(kind: str, n: int, width: int) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
        return {"use": "a:B", "kind": kind, "n": n, "width": width}, (("train examples", f"{n}"),)

    alike = [entry("lstm", 4, 8), entry("gru", 4, 8), entry("gru", 4, 16)]
    assert told_apart(alike) == [("train examples", "4")]
    assert told_apart([*alike, entry("gru", 5, 16)]) == [
        ("train examples", "4 (n 4)"),
        ("train examples", "5 (n 5)"),
    ]
    corners = [entry("a", 1, 1), entry("b", 2, 1), entry("a", 2, 2), entry("b", 1, 2)]
    corners = [({**setting, "n": None}, block) for setting, block in corners]
    assert told_apart(corners) == [  # neither setting alone decides
        ("train examples", "1 (kind a, width 1; kind b, width 2)"),
        ("train examples", "2 (kind b, width 1; kind a, width 2)"),
    ]
    assert told_apart([]) == []


def test_data_that_are_not_there_have_no_lines(tmp_path: Path) -> None:
    task = {"dataset": "fashion-mnist", "model": "mlp"}
    found = planned(tmp_path, task=task, data={"root": str(tmp_path / "nowhere")})
    assert not found.examples


FINDINGS: dict[str, Any] = {
    "lengths": {"train": 80, "val": 20},
    "n_parameters": 170,
    "weights": {"stem.weight": 40, "mid.weight": 60, "head.weight": 50},
    "kinds": {"stem.weight": "Conv2d", "mid.weight": "Linear", "head.weight": "Linear"},
    "dense": {"stem.bias": 20},
    "order": ["stem.weight", "mid.weight", "head.weight"],
    "unmet": [],
    "classes": {"train": [50, 30], "val": [12, 8]},
}


def of_own_task(folder: Path, findings: dict[str, Any], **sections: Any) -> Plan:
    """The plan of a study of a task of the user's, with what was found of it."""
    study = StudyFile.of({**RAW, "task": {"use": "my_task:Mine"}, **sections})
    facts = Facts.model_validate({"n_train": 80, "n_val": 20, "codes": {"task.use": "c"}})
    looks = {
        key: Look(facts, task=own["task"], findings=findings)
        for key, own in uses(spaces(study), frozenset()).items()
    }
    return plan(resolve(study, StudyCode(looks)), str(folder))


def test_the_classes_of_a_task_of_the_users_own(tmp_path: Path) -> None:
    assert of_own_task(tmp_path, FINDINGS).examples == [
        ("train examples", "80: 0 50, 1 30"), ("val examples", "20: 0 12, 1 8"),
    ]  # fmt: skip
    numbers = of_own_task(tmp_path, {**FINDINGS, "classes": {}})
    assert numbers.examples == [("train examples", "80"), ("val examples", "20")]


def test_what_is_frozen_is_not_among_the_pruned_weights(tmp_path: Path) -> None:
    assert dict(of_own_task(tmp_path, FINDINGS).weights) == {
        "pruned weights": "150 of 170 parameters: stem.weight 40, mid.weight 60, head.weight 50",
    }
    frozen = {"epochs": 10, "freeze": ["stem", "*.bias"]}
    first = {"sparsity": {"grid": [0.8, 0.9]}, "exclude": ["first"]}
    found = of_own_task(tmp_path, FINDINGS, dense=frozen, prune=first)
    assert dict(found.weights) == {
        "pruned weights": "50 of 170 parameters: head.weight 50",
        "kept dense": "mid.weight 60",  # the first of those that are trained
        "frozen": "stem.weight 40",
    }
    with pytest.raises(Refusal, match=r"prune\.exclude must fit a prunable weight \(mid"):
        of_own_task(tmp_path, FINDINGS, dense=frozen, prune={**first, "exclude": ["stem*"]})


def test_weights_that_differ_by_a_choice_say_by_which(tmp_path: Path) -> None:
    either = {"sparsity": 0.5, "exclude": {"grid": [["first"], ["last"]]}}
    assert of_own_task(tmp_path, FINDINGS, prune=either).weights == [
        ("pruned weights",
         "110 of 170 parameters: mid.weight 60, head.weight 50 (prune.exclude first)"),
        ("kept dense", "stem.weight 40 (prune.exclude first)"),
        ("pruned weights",
         "100 of 170 parameters: stem.weight 40, mid.weight 60 (prune.exclude last)"),
        ("kept dense", "head.weight 50 (prune.exclude last)"),
    ]  # fmt: skip


def structured(folder: Path, **prune: Any) -> list[str]:
    """The lines of a plan that name layers kept dense."""
    task = {"dataset": "digits", "model": {"name": "cnn", "channels": [4, 8]}}
    lines = planned(folder, task=task, prune=prune).weights
    return [text for name, text in lines if name == "not divided"]


def test_layers_that_a_structure_does_not_divide_are_named(tmp_path: Path) -> None:
    """Weights [4, 9], [8, 36] and [10, 8]."""
    assert structured(tmp_path, pattern={"n": 2, "m": 4}) == [
        "conv1.weight: 4 does not divide 9 inputs (prune.structure 2:4)"
    ]
    blocks = {"structure": "blocks", "sparsity": 0.5}
    assert structured(tmp_path, **blocks, block={"rows": 4, "columns": 3}) == [
        "classifier.weight: 4 does not divide 10 outputs (prune.structure blocks 4x3)"
    ]
    assert structured(tmp_path, **blocks, block={"rows": 2, "columns": 1}) == []
    assert structured(tmp_path, structure={"grid": ["weights", "columns"]}, sparsity=0.5) == []
    assert structured(tmp_path, pattern={"n": 2, "m": 4}, exclude=["first"]) == []


def test_a_structure_that_divides_nothing_that_is_left_is_refused(tmp_path: Path) -> None:
    rule = (
        r"prune\.pattern must divide a weight of the network \(conv1\.weight: 4 does not divide 9"
        r" inputs\), got \{n: 2, m: 4\}"
    )
    with pytest.raises(Refusal, match=rule):
        structured(tmp_path, pattern={"n": 2, "m": 4}, exclude=["conv2", "last"])


def out_of_reach(folder: Path, task: dict[str, Any] | None = None, **prune: Any) -> list[str]:
    task = task or {"dataset": "digits", "model": {"name": "cnn", "channels": [4, 8]}}
    lines = planned(folder, task=task, prune=prune).weights
    return [text for name, text in lines if name == "out of reach"]


def test_goals_that_cannot_be_reached_are_named_beforehand(tmp_path: Path) -> None:
    """Weights [4, 9], [8, 36] and [10, 8]: 404; the classifier and one filter of each stay."""
    most = 404 - 80 - 9 - 36
    goals: dict[str, Any] = {"sparsity": {"grid": [0.5, 0.7, 0.9]}, "structure": "filters"}
    assert out_of_reach(tmp_path, **goals) == [
        "70 and 90 % (prune.sparsity) under prune.structure filters: at most 69.06 % of the weights"
        " can go"
    ]
    assert f"{100 * most / 404:.4g}" == "69.06"
    assert out_of_reach(tmp_path, **{**goals, "sparsity": most / 404}) == []
    # Without the classifier the linear layers are none, and the last convolution is spared.
    assert out_of_reach(tmp_path, **{**goals, "exclude": ["last"], "sparsity": 0.1}) == [
        f"10 % (prune.sparsity) under prune.structure filters: at most {100 * 27 / 324:.4g} % of"
        " the weights can go"
    ]
    # Every layer keeps a column: 4, 8 and 10 weights.
    assert out_of_reach(tmp_path, sparsity={"grid": [0.94, 0.95]}, structure="columns") == [
        f"95 % (prune.sparsity) under prune.structure columns: at most {100 * 382 / 404:.4g} % of"
        " the weights can go"
    ]
    kept: dict[str, Any] = {
        "keep_layer_min": 0.2,
        "sparsity": {"grid": [0.75, 0.8]},
    }  # 8, 58 and 16 stay
    assert out_of_reach(tmp_path, **kept) == [
        f"80 % (prune.sparsity) under prune.structure weights: at most {100 * 322 / 404:.4g} % of"
        " the weights can go"
    ]
    assert out_of_reach(tmp_path, sparsity=0.99) == []


@pytest.mark.parametrize("structure", ["filters", "rows", "columns"])
def test_what_can_go_is_what_a_prune_makes_go(tmp_path: Path, structure: str) -> None:
    torch.manual_seed(0)
    model = build("cnn", (1, 8, 8), 10, {"channels": [4, 8]})
    total = sum(w.numel() for w in prunable(model).values())
    masks = prune(
        model,
        dense_masks(model),
        zeros=int(0.999 * total),
        structure=structure,
        scope="global",
        criterion="magnitude",
    )
    line = out_of_reach(tmp_path, sparsity=0.999, structure=structure)
    assert f"at most {100 * count_zeros(masks) / total:.4g} % of the weights" in line[0]


def test_what_the_records_seeds_find(tmp_path: Path) -> None:
    """llr is ahead of ft by .05, .04 and .03: with a spread of a point half a point takes 34."""
    seeds: dict[str, Any] = {"seeds": [0, 1, 2], "prune": {"sparsity": 0.9}}
    seeds["retrain"] = {"schedule": {"grid": ["ft", "llr"]}, "epochs": 1}
    accuracies = {"ft": [0.90, 0.92, 0.94], "llr": [0.95, 0.96, 0.97]}
    for trial in GridStudy(StudyFile.of({**RAW, **seeds})).trials:
        own = trial.config.resolved()
        value = accuracies[own["retrain"]["schedule"]][trial.seed]
        metrics = {"val_accuracy": value, "test_accuracy": value}
        StudyFolder(str(tmp_path)).write_record(
            Record(trial.fingerprint, "small", own, trial.seed, "done", metrics=metrics)
        )
    assert planned(tmp_path / "empty", **seeds).resolution == ""
    found = planned(tmp_path, **seeds)
    assert found.resolution.startswith(
        "To find a difference of 0.5 points of test accuracy in four of five studies takes 34 seeds"
    )
    assert table(found).endswith(f"what seeds find       {found.resolution}")


def test_what_a_pattern_does_not_divide_is_not_among_the_pruned_weights(tmp_path: Path) -> None:
    shapes = {"stem.weight": [4, 10], "mid.weight": [5, 12], "head.weight": [5, 10]}
    prune = {"pattern": {"n": 2, "m": 4}}
    found = of_own_task(tmp_path, {**FINDINGS, "matrices": shapes}, prune=prune)
    assert dict(found.weights) == {
        "pruned weights": "60 of 170 parameters: mid.weight 60",
        "not divided": "stem.weight: 4 does not divide 10 inputs, head.weight: 4 does not divide 10"
        " inputs (prune.structure 2:4)",
    }
    # A look of an older version knows no shapes: nothing is said, and nothing refused.
    assert "not divided" not in dict(of_own_task(tmp_path, FINDINGS, prune=prune).weights)


ATTENTION: dict[str, Any] = {
    **FINDINGS,
    "weights": {"a.in_proj_weight": 48, "a.out_proj.weight": 16, "head.weight": 20},
    "kinds": {
        "a.in_proj_weight": "MultiheadAttention",
        "a.out_proj.weight": "NonDynamicallyQuantizableLinear",
        "head.weight": "Linear",
    },
    "order": ["a.in_proj_weight", "a.out_proj.weight", "head.weight"],
    "matrices": {
        "a.in_proj_weight": [4, 4], "a.out_proj.weight": [4, 4], "head.weight": [5, 4]
    },
    "bundles": {"heads": [{"weights": ["a.in_proj_weight", "a.out_proj.weight"], "n": 4}]},
}  # fmt: skip
"""Four heads of 16 weights and a layer of twenty."""


def test_heads_are_what_is_pruned_of_a_network_that_has_them(tmp_path: Path) -> None:
    heads = {"structure": "heads", "sparsity": {"grid": [0.75, 0.8]}}
    found = of_own_task(tmp_path, ATTENTION, prune=heads)
    assert dict(found.weights) == {
        "pruned weights": "64 of 170 parameters: a.in_proj_weight 48, a.out_proj.weight 16",
        "not cut": "head.weight: no attention heads lie in it (prune.structure heads)",
        "out of reach": "80 % (prune.sparsity) under prune.structure heads: at most 75 % of the"
        " weights can go",
    }
    refusal = (
        r"prune\.structure must be one whose units the network has \({}, all of their weights"
        r" prunable\), got {}"
    )
    hidden = {"structure": "hidden", "sparsity": 0.5}
    words = "hidden units of feed-forward blocks"
    with pytest.raises(Refusal, match=refusal.format(words, "hidden")):
        of_own_task(tmp_path, ATTENTION, prune=hidden)
    half = {**heads, "exclude": ["a.out_proj"]}  # of no head all may go
    with pytest.raises(Refusal, match=refusal.format("attention heads", "heads")):
        of_own_task(tmp_path, ATTENTION, prune=half)
    with pytest.raises(Refusal, match=refusal.format("attention heads", "heads")):
        planned(tmp_path, prune={"structure": "heads", "sparsity": 0.5})
    older = {name: value for name, value in ATTENTION.items() if name != "bundles"}
    assert "not cut" not in dict(of_own_task(tmp_path, older, prune=heads).weights)
