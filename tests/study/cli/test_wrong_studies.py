"""Wrong studies through the real command: one message, status 2, nothing started or written."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from study.checks import readiness
from study.checks.cores import local_cpus
from tests.study.conftest import Command, Ended
from trainables.files.leases import Leases
from trainables.files.progress import RUN_LEASE
from trainables.files.storage import LocalFolder

GONE = object()
"""Marks a key to take out of the valid study."""

VALID: dict[str, Any] = {
    "name": "valid",
    "task": {"dataset": "digits", "model": "cnn"},
    "dense": {"epochs": 4, "schedule": "linear"},
    "method": "imp",
    "prune": {"sparsity": 0.9, "cycles": 1},
    "retrain": {"schedule": "allr", "epochs": 1},
    "seeds": [0],
}
"""21 steps an epoch: 84 of the dense run, 21 of retraining."""

OPTUNA = {"strategy": "optuna", "trials": 3, "objectives": {"val_accuracy": "max"}}
FROM_SCRATCH = {"dense.epochs": GONE, "retrain.epochs": GONE}
UNDER_BIMP: dict[str, Any] = {**FROM_SCRATCH, "method": "bimp", "budget": {"epochs": 5}}


def edited(edits: Mapping[str, Any]) -> dict[str, Any]:
    """The valid study with values set, or taken out, at dotted keys."""
    study: dict[str, Any] = json.loads(json.dumps(VALID))
    for key, value in edits.items():
        *above, leaf = key.split(".")
        section = study
        for part in above:
            section = section.setdefault(part, {})
        if value is GONE:
            del section[leaf]
        else:
            section[leaf] = value
    return study


@dataclass(frozen=True)
class Wrong:
    """Edits that break the valid study, and what the message must say of it."""

    name: str
    edits: Mapping[str, Any]
    key: str
    rule: str
    value: str
    hint: str = ""
    arguments: tuple[str, ...] = ()


W = Wrong
WRONG = (
    # names and types
    W("unknown section", {"prun": {"sparsity": 0.9}}, "prun", "must be a known key",
      "{'sparsity': 0.9}", "did you mean prune?"),
    W("unknown key", {"prune.sparcity": 0.9}, "prune.sparcity", "must be a known key", "0.9",
      "did you mean sparsity?"),
    W("text for a number", {"prune.sparsity": "high"}, "prune.sparsity", "must be a number",
      "'high'"),
    W("true for a number", {"dense.lr": True}, "dense.lr", "must be a number", "True"),
    W("list for a number", {"prune.sparsity": [0.8, 0.9]}, "prune.sparsity", "must be a number",
      "[0.8, 0.9]"),
    W("fraction for a count", {"dense.batch_size": 6.5}, "dense.batch_size",
      "must be a whole number", "6.5"),
    W("number for a section", {"prune": 3}, "prune", "must be a mapping", "3"),
    W("text for true or false", {"prune.bn_reestimate": "maybe"}, "prune.bn_reestimate",
      "must be true or false", "'maybe'"),
    W("no name", {"name": GONE}, "name", "must be given", "nothing"),
    W("name with a slash", {"name": "a/b"}, "name", "must be at most 80 letters", "'a/b'"),
    W("name of dots", {"name": ".."}, "name", "must be at most 80 letters", "'..'"),
    W("no sparsity", {"prune": {}}, "prune.sparsity", "must be given", "nothing"),
    # ranges
    W("sparsity 1", {"prune.sparsity": 1.0}, "prune.sparsity", "must be < 1", "1.0"),
    W("sparsity below 0", {"prune.sparsity": -0.1}, "prune.sparsity", "must be >= 0", "-0.1"),
    W("no cycles", {"prune.cycles": 0}, "prune.cycles", "must be >= 1", "0"),
    W("more cycles than steps", {"prune.cycles": 22}, "prune.cycles",
      "must be <= the 21 optimiser steps of retraining", "22"),
    W("learning rate 0", {"dense.lr": 0}, "dense.lr", "must be > 0", "0"),
    W("infinite learning rate", {"dense.lr": "inf"}, "dense.lr", "must be a finite number",
      "'inf'"),
    W("momentum 1", {"dense.momentum": 1}, "dense.momentum", "must be < 1", "1"),
    W("warm-up as long as the run", {"dense.warmup_epochs": 4}, "dense.warmup_epochs",
      "must be shorter than the dense run", "4.0"),
    W("warm-up that rounds to all 21 steps of the run", {"dense.epochs": 1,
      "dense.warmup_epochs": 0.98}, "dense.warmup_epochs", "must be shorter than the dense run",
      "0.98"),
    W("gates closed beyond single precision", {"method": {"name": "cs", "s_initial": -90}},
      "method.s_initial", "must be >= -80", "-90"),
    W("end above the peak", {"dense.lr_end": 0.2}, "dense.lr_end", "must be below dense.lr (0.1)",
      "0.2"),
    W("dense run without a step", {"dense.epochs": 0.01}, "dense.epochs",
      "must give at least one optimiser step", "0.01"),
    W("no structure so called", {"prune.structure": "neurons"}, "prune.structure",
      "must be 'weights', 'filters', 'blocks', 'rows', 'columns', 'heads' or 'hidden'",
      "'neurons'"),
    W("a pattern that keeps all", {"prune": {"pattern": {"n": 4, "m": 4}}}, "prune.pattern.n",
      "must be below prune.pattern.m (4)", "4"),
    W("a pattern of groups of none", {"prune": {"pattern": {"n": 1, "m": 0}}}, "prune.pattern.m",
      "must be >= 1", "0"),
    W("true in a pattern", {"prune": {"pattern": {"n": True, "m": 4}}}, "prune.pattern.n",
      "must be a number", "True"),
    W("a huge pattern", {"prune": {"pattern": {"n": 2, "m": 10**9}}}, "prune.pattern.m",
      "must be <= 1024", "1000000000"),
    W("half a pattern", {"prune": {"pattern": {"n": 2}}}, "prune.pattern.m", "must be given",
      "nothing"),
    W("a pattern of another sparsity", {"prune": {"pattern": {"n": 2, "m": 4}, "sparsity": 0.6}},
      "prune.sparsity", "must be absent beside prune.pattern, or 1 - n/m = 0.5", "0.6"),
    W("a pattern of filters", {"prune": {"pattern": {"n": 2, "m": 4}, "structure": "filters"}},
      "prune.pattern", "must be absent under prune.structure filters", "{n: 2, m: 4}"),
    W("a pattern under a method without", {**UNDER_BIMP, "method": "dnw",
      "prune": {"pattern": {"n": 2, "m": 4}}}, "prune.pattern",
      "must be absent under dnw, which prunes weights", "{n: 2, m: 4}"),
    W("a scope of a pattern", {"prune": {"pattern": {"n": 2, "m": 4}, "scope": "layer"}},
      "prune.scope", "must be absent where no trial uses it", "'layer'"),
    W("a pattern that divides no layer", {"prune": {"pattern": {"n": 2, "m": 5}}},
      "prune.pattern", "must divide a weight of the network", "{n: 2, m: 5}"),
    W("blocks without a size", {"prune.structure": "blocks"}, "prune.block",
      "must be given under prune.structure blocks", "nothing"),
    W("blocks of nothing", {"prune.structure": "blocks", "prune.block": {"rows": 0, "columns": 4}},
      "prune.block.rows", "must be >= 1", "0"),
    W("a size of blocks that are none", {"prune.block": {"rows": 2, "columns": 2}}, "prune.block",
      "must be absent where no trial uses it", "{'rows': 2, 'columns': 2}"),
    W("blocks that divide no layer", {"prune.structure": "blocks",
      "prune.block": {"rows": 7, "columns": 1}}, "prune.block",
      "must divide a weight of the network", "{rows: 7, columns: 1}"),
    W("n_train beyond the data", {"task.dataset": {"name": "digits", "n_train": 1294}},
      "task.dataset.n_train", "must be <= 1293 for digits", "1294"),
    W("n_train below the classes", {"task.dataset": {"name": "digits", "n_train": 9}},
      "task.dataset.n_train", "must be >= 10 for digits", "9"),
    # lengths
    W("epochs and budget", {"retrain.budget": 0.1}, "retrain.epochs",
      "must be given, or retrain.budget instead of it", "both"),
    W("neither", {"retrain.epochs": GONE}, "retrain.epochs",
      "must be given, or retrain.budget instead of it", "neither"),
    W("no dense epochs", {"dense.epochs": GONE}, "dense.epochs", "must be given under imp",
      "nothing"),
    W("budget under imp", {"budget": {"epochs": 5}}, "budget.epochs", "must be absent under imp",
      "5.0"),
    W("no budget under bimp", {**FROM_SCRATCH, "method": "bimp"}, "budget.epochs",
      "must be given under bimp", "nothing"),
    W("dense epochs under bimp", {**UNDER_BIMP, "dense.epochs": 4}, "dense.epochs",
      "must be absent under bimp, where budget gives it", "4.0"),
    W("dense fraction 1", {**UNDER_BIMP, "budget": {"epochs": 5, "dense_fraction": 1}},
      "budget.dense_fraction", "must be < 1", "1"),
    # schedules
    W("lrw longer than the dense run", {"retrain": {"schedule": "lrw", "epochs": 5}},
      "retrain.schedule", "a cycle must have at most its 84 steps", "105"),
    W("multistep without milestones", {"dense.schedule": "multistep"}, "dense.milestones",
      "must name at least one epoch under multistep", "none"),
    W("falling milestones", {"dense.schedule": "multistep", "dense.milestones": [3, 2]},
      "dense.milestones", "must be strictly increasing", "[3.0, 2.0]"),
    W("equal milestones", {"dense.schedule": "multistep", "dense.milestones": [2, 2]},
      "dense.milestones", "must be strictly increasing", "[2.0, 2.0]"),
    W("unknown schedule", {"retrain.schedule": "alr"}, "retrain.schedule", "must be 'ft', 'lrw'",
      "'alr'", "did you mean allr?"),
    W("unknown dense schedule", {"dense.schedule": "linaer"}, "dense.schedule",
      "must be 'constant'", "'linaer'", "did you mean linear?"),
    W("tunable schedule without init", {"retrain.schedule": "cosine"}, "retrain.init",
      "must be given under cosine", "nothing"),
    W("discount 0", {"retrain.discount": 0}, "retrain.discount",
      "must be adaptive, d1, d2 or a number in (0, 1]", "0"),
    W("discount above 1", {"retrain.discount": 1.5}, "retrain.discount",
      "must be adaptive, d1, d2 or a number in (0, 1]", "1.5"),
    W("discount misspelt", {"retrain.discount": "adaptve"}, "retrain.discount",
      "must be adaptive, d1, d2 or a number in (0, 1]", "'adaptve'"),
    W("discount without allr", {"retrain.schedule": "llr", "retrain.discount": 0.5},
      "retrain.discount", "must be absent where no trial uses it", "0.5"),
    W("milestones without multistep", {"dense.milestones": [1]}, "dense.milestones",
      "must be absent where no trial uses it", "[1]"),
    # catalog
    W("unknown data set", {"task.dataset": "digit"}, "task.dataset", "must be a known name",
      "'digit'", "did you mean digits?"),
    W("unknown model", {"task.model": "resnet65"}, "task.model", "must be a known name",
      "'resnet65'", "did you mean resnet56"),
    W("torchvision's model without prefix", {"task.model": "densenet121"}, "task.model",
      "must be a known name", "'densenet121'", "did you mean torchvision/densenet121"),
    W("unknown method", {"method": "impp"}, "method", "must be a known name", "'impp'",
      "did you mean imp"),
    W("method's unknown parameter", {"method": {"name": "imp", "interval": 2}}, "method.interval",
      "must be a known key", "2"),
    W("model's unknown parameter", {"task.model": {"name": "cnn", "chanels": [3]}},
      "task.model.chanels", "must be a known key", "[3]", "did you mean channels?"),
    W("model's parameter out of range", {"task.model": {"name": "mlp", "dropout": 1}},
      "task.model.dropout", "must be < 1", "1"),
    W("model without layers", {"task.model": {"name": "cnn", "channels": []}},
      "task.model.channels", "must hold 1 or more entries", "[]"),
    W("model without a name", {"task.model": {"channels": [3]}}, "task.model",
      "must be a name or a mapping with a name", "{'channels': [3]}"),
    # domains
    W("empty grid", {"prune.sparsity": {"grid": []}}, "prune.sparsity.grid",
      "must have at least one value", "[]"),
    W("grid that is no list", {"prune.sparsity": {"grid": 0.9}}, "prune.sparsity.grid",
      "must be a list", "0.9"),
    W("repeated grid value", {"prune.sparsity": {"grid": [0.8, 0.9, 0.8]}}, "prune.sparsity.grid",
      "must not repeat a value", "[0.8, 0.9, 0.8]"),
    W("grid with an invalid cell", {"prune.sparsity": {"grid": [0.8, 1.0]}}, "prune.sparsity",
      "must be < 1", "1.0", "(first in the cell prune.sparsity=1.0)"),
    W("misspelt kind", {"prune.sparsity": {"gird": [0.8]}}, "prune.sparsity",
      "must be a value or a kind of domain", "'gird'", "did you mean grid?"),
    W("two kinds", {"prune.sparsity": {"grid": [0.8], "choice": [0.9]}}, "prune.sparsity",
      "must have only one of grid", "{'grid': [0.8], 'choice': [0.9]}"),
    W("reversed domain", {"search": OPTUNA, "retrain.discount": {"uniform": [1, 0.1]}},
      "retrain.discount.uniform", "must have low < high", "[1, 0.1]"),
    W("loguniform from 0", {"search": OPTUNA, "retrain.discount": {"loguniform": [0, 1]}},
      "retrain.discount.loguniform", "must have low > 0", "[0, 1]"),
    W("int of fractions", {"search": OPTUNA, "prune.cycles": {"int": [1.5, 3]}},
      "prune.cycles.int", "must be two whole numbers", "[1.5, 3]"),
    W("one bound", {"search": OPTUNA, "retrain.discount": {"uniform": [0.5]}},
      "retrain.discount.uniform", "must be two numbers [low, high]", "[0.5]"),
    W("sampled under grid", {"retrain.discount": {"uniform": [0.1, 1]}}, "retrain.discount",
      "must be a value or {grid: [...]} under search.strategy grid", "{uniform: [0.1, 1.0]}"),
    # seeds
    W("no seeds", {"seeds": []}, "seeds", "must hold 1 or more entries", "[]"),
    W("repeated seed", {"seeds": [0, 1, 0]}, "seeds", "must not repeat a seed", "[0, 1, 0]"),
    W("negative seed", {"seeds": [0, -1]}, "seeds.1", "must be >= 0", "-1"),
    W("true as a seed", {"seeds": [True]}, "seeds.0", "must be a number", "True"),
    # search
    W("optuna without trials", {"search": {"strategy": "optuna"}}, "search.trials",
      "must be given under optuna", "nothing"),
    W("optuna without objectives", {"search": {"strategy": "optuna", "trials": 3}},
      "search.objectives", "must name a metric under optuna", "none"),
    W("optuna with nothing to sample", {"search": OPTUNA}, "search.strategy",
      "optuna must have a sampled domain", "only values"),
    W("objective on test", {"search": {**OPTUNA, "objectives": {"test_accuracy": "max"}}},
      "search.objectives.test_accuracy", "must not be measured on test data", "'test_accuracy'"),
    W("objective reversed", {"search": {**OPTUNA, "objectives": {"val_accuracy": "min"}}},
      "search.objectives.val_accuracy", "must be max", "min"),
    W("objective unknown", {"search": {**OPTUNA, "objectives": {"accuracy": "max"}}},
      "search.objectives.accuracy", "must be a metric of a trial", "'accuracy'"),
    W("bound without a side", {"search": {**OPTUNA, "constraints": {"sparsity": {}}}},
      "search.constraints.sparsity", "must give min or max", "neither"),
    W("bound on test", {"search": {**OPTUNA, "constraints": {"test_accuracy": {"min": 0.9}}}},
      "search.constraints.test_accuracy", "must not be measured on test", "'test_accuracy'"),
    W("bound on a typing error", {"search": {**OPTUNA, "constraints": {"sparsty": {"min": 0.9}}}},
      "search.constraints.sparsty", "must be a metric of a trial",
      "'sparsty'; did you mean sparsity?"),
    W("bound by a key that is no number", {"retrain.discount": {"uniform": [0.1, 1]},
      "search": {**OPTUNA, "constraints": {"sparsity": {"min": "prune.scope"}}}},
      "search.constraints.sparsity.min", "must be a number or the key of one", "'prune.scope'"),
    W("bounds under grid", {"search": {"constraints": {"sparsity": {"min": 0.9}}}},
      "search.constraints", "must be absent under grid", "{'sparsity': {'min': 0.9}}"),
    W("confirm under grid", {"search": {"confirm": 1}}, "search.confirm",
      "must be absent under grid", "1"),
    W("confirm more than are tried", {"seeds": [0, 1], "search": {**OPTUNA, "confirm": 99}},
      "search.confirm", "must be at most search.trials", "99"),
    W("confirm at one seed", {"seeds": [4], "search": {**OPTUNA, "confirm": 1}},
      "search.confirm", "must be absent where seeds holds one seed", "1"),
    W("confirm a front", {"seeds": [0, 1], "search": {**OPTUNA, "confirm": 1,
      "objectives": {"val_accuracy": "max", "epochs": "min"}}},
      "search.confirm", "must be absent with several objectives", "1"),
    W("too few images for validation", {"task.dataset": {"name": "digits", "n_val": 9}},
      "task.dataset.n_val", "must be >= 10", "9"),
    W("too many images for validation", {"task.dataset": {"name": "digits", "n_val": 145}},
      "task.dataset.n_val", "must be <= 144", "145"),
    W("trials under grid", {"search": {"trials": 3}}, "search.trials",
      "must be absent under grid, where every cell is tried", "3"),
    W("no valid point", {"search": OPTUNA, "retrain.discount": {"uniform": [2, 3]}},
      "retrain.discount", "must be adaptive, d1, d2 or a number in (0, 1]", "2.",
      "(no valid point in 200 random ones)"),
    # spaces
    W("space with a bad section", {"spaces": [{"prun": {"sparsity": 0.8}}]}, "spaces.0.prun",
      "must be one of task, dense, method", "{'sparsity': 0.8}"),
    W("space with a bad key", {"spaces": [{}, {"prune": {"sparcity": 0.8}}]}, "prune.sparcity",
      "must be a known key", "0.8", "did you mean sparsity? (in spaces.1)"),
    # resources
    W("share of a GPU", {"resources": {"gpus": 0.3}}, "resources.gpus",
      "must be 0, a share 1/n, or a whole number", "0.3"),
    W("a process without a GPU of its own", {"resources": {"gpus": 2}, "compute": {"processes": 3}},
      "compute.processes", "must be 2 with resources.gpus 2, one for each GPU of a trial", "3"),
    W("processes that are sampled", {"compute": {"processes": {"choice": [1, 2]}},
      "search": OPTUNA}, "compute.processes", "must be a whole number or {grid: [...]}",
      "{'choice': [1, 2]}"),
    W("unknown resource", {"resources": {"cups": 2}}, "resources.cups", "must be a known key", "2",
      "did you mean cpus?"),
    # --set
    W("setting without =", {}, "--set", "must be key=value", "'prune.sparsity'", "",
      ("--set", "prune.sparsity")),
    W("setting out of range", {}, "prune.sparsity", "must be < 1", "2", "",
      ("--set", "prune.sparsity=2")),
    W("setting of an unknown key", {}, "prune.sparsty", "must be a known key", "0.5",
      "did you mean sparsity?", ("--set", "prune.sparsty=0.5")),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(ended: Ended) -> str:
    """The one message of a refused command, without its beginning."""
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("bimp: ")
    assert ended.err.endswith("\n")
    assert ended.err.count("\n") == 1
    return ended.err.removeprefix("bimp: ").rstrip("\n")


def assert_says(message: str, key: str, rule: str, value: str) -> None:
    assert message.startswith(f"{key} ")
    assert rule in message
    assert f"got {value}" in message[message.index(rule) :]


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_there_are_many_and_their_names_differ() -> None:
    assert len({wrong.name for wrong in WRONG}) == len(WRONG) >= 60


def test_the_study_that_the_wrong_ones_are_made_of_is_valid(folder: Path, bimp: Command) -> None:
    Path("study.yaml").write_text(json.dumps(VALID))
    ended = bimp("plan", "study.yaml")
    assert (ended.status, ended.err) == (0, "")
    Path("study.yaml").write_text(json.dumps(edited(UNDER_BIMP)))
    assert bimp("plan", "study.yaml").status == 0


@pytest.mark.parametrize("verb", ["plan", "run"])
@pytest.mark.parametrize("wrong", WRONG, ids=[wrong.name for wrong in WRONG])
def test_wrong_study(wrong: Wrong, verb: str, folder: Path, bimp: Command) -> None:
    Path("study.yaml").write_text(json.dumps(edited(wrong.edits)))
    message = refusal(bimp(verb, "study.yaml", *wrong.arguments))
    assert_says(message, wrong.key, wrong.rule, wrong.value)
    assert wrong.hint in message
    assert written(folder) == ["study.yaml"]


@pytest.mark.parametrize(
    ("text", "where", "fault"),
    [
        ("name: x\nprune: {sparsity: 0.9\n", "line 3, column 1", "expected ',' or '}'"),
        ("name: x\n\tseeds: [0]\n", "line 2, column 1", "cannot start any token"),
        ("name: x\nname: y\n", "line 2, column 1", "found duplicate key"),
        ("name: x\nseeds: [0]\n---\nname: y\n", "line 3, column 1", "another document"),
        ("name: !!python/object:os.system x\n", "line 1, column 7", "could not determine"),
    ],
)
def test_bad_yaml_is_named_with_its_line(
    text: str, where: str, fault: str, folder: Path, bimp: Command
) -> None:
    Path("study.yaml").write_text(text)
    message = refusal(bimp("run", "study.yaml"))
    assert message.startswith(f"study.yaml, {where} must be valid YAML, got a fault: ")
    assert fault in message
    assert written(folder) == ["study.yaml"]


@pytest.mark.parametrize(
    ("content", "rule", "value"),
    [
        (b"", "must hold a mapping of sections", "None"),
        (b"- a\n- b\n", "must hold a mapping of sections", "['a', 'b']"),
        (b"name: \xff\xfe\n", "must be readable UTF-8 text", "study.yaml"),
        (b"name: x\ntask: &t {dataset: *t}\n", "must be a finite text", "an alias to its own"),
    ],
)
def test_a_file_that_is_no_study(
    content: bytes, rule: str, value: str, folder: Path, bimp: Command
) -> None:
    Path("study.yaml").write_bytes(content)
    message = refusal(bimp("run", "study.yaml"))
    assert rule in message
    assert f"got {value}" in message


def test_a_study_that_is_not_there(folder: Path, bimp: Command) -> None:
    message = refusal(bimp("run", "digts"))
    assert_says(
        message, "STUDY", "must be a YAML file or a preset (", "'digts'; did you mean digits?"
    )
    assert written(folder) == []


# What only this machine and its folders can tell: checked before Ray starts.


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("study.driver.ray_session.session", started)


MACHINE = (
    W("more cores than there are", {"resources": {"cpus": 9999}}, "resources.cpus",
      f"must be <= {local_cpus()} on this machine", "9999"),
    W("a GPU where there is none", {"resources": {"gpus": 1}}, "resources.gpus",
      "must be <= 0 on this machine", "1"),
    W("half a GPU where there is none", {"resources": {"gpus": 0.5}}, "resources.gpus",
      "must be <= 0 on this machine", "0.5"),
    W("more GPUs for a trial than there are", {"resources": {"gpus": 2}}, "resources.gpus",
      "must be <= 0 on this machine", "2"),
    W("more processes for a trial than cores", {"compute": {"processes": 60}},
      "resources.cpus times compute.processes",
      f"must be <= {local_cpus()} on this machine", "1 x 60"),
    W("missing data", {"task.dataset": "mnist", "data": {"root": "nowhere"}}, "data.root",
      "must hold mnist", "nowhere", "train-images-idx3-ubyte"),
    W("missing data of a search", {"task.dataset": {"choice": ["digits", "cifar10"]},
      "search": OPTUNA, "data": {"root": "nowhere"}}, "data.root", "must hold cifar10",
      "nowhere", "data_batch_1"),
    W("no folder of ImageNet", {"task": {"dataset": "imagenet", "model": "torchvision/resnet50"},
      "data": {"root": "nowhere"}}, "data.root", "must hold imagenet", "nowhere/imagenet"),
    W("a model that cannot take the images", {"task.model": "torchvision/vit_b_16"}, "task.model",
      "must take images of 1x8x8", "torchvision/vit_b_16"),
    W("a store that cannot be written", {"stage_store": "study.yaml/stages"}, "stage_store",
      "must be a folder, got", ""),
    W("a folder that cannot be written", {}, "--out", "must be a folder, got",
      "study.yaml/out", "", ("--out", "study.yaml/out")),
)  # fmt: skip


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize("wrong", MACHINE, ids=[wrong.name for wrong in MACHINE])
def test_wrong_for_this_machine(
    wrong: Wrong, folder: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "local_gpus", lambda: 0)
    Path("study.yaml").write_text(json.dumps(edited(wrong.edits)))
    message = refusal(bimp("run", "study.yaml", *wrong.arguments))
    value = str(folder / wrong.value) if wrong.value.startswith("study.yaml") else wrong.value
    assert_says(message, wrong.key, wrong.rule, value)
    assert wrong.hint in message
    assert written(folder) == ["study.yaml"]


@pytest.mark.usefixtures("no_ray")
def test_the_folder_of_another_study(folder: Path, bimp: Command) -> None:
    Path("study.yaml").write_text(json.dumps(VALID))
    Path("out").mkdir()
    Path("out/study.yaml").write_text(json.dumps({**VALID, "name": "other"}))
    message = refusal(bimp("run", "study.yaml", "--out", "out"))
    assert_says(message, "--out", "must be a folder of the study valid", str(folder / "out"))
    assert "which holds other" in message
    assert written(folder / "out") == ["study.yaml"]


@pytest.mark.usefixtures("no_ray")
def test_a_folder_in_use(folder: Path, bimp: Command) -> None:
    Path("study.yaml").write_text(json.dumps(VALID))
    Leases(LocalFolder(folder / "out"), "another").beat(RUN_LEASE)
    message = refusal(bimp("run", "study.yaml", "--out", "out"))
    assert_says(message, "--out", "must not be in use by another run", str(folder / "out"))


def test_nothing_has_started_ray() -> None:
    ray = sys.modules.get("ray")
    assert ray is None or not ray.is_initialized()
