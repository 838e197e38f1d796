"""The network of a record, built again: what it measures, its masks, and what is refused."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from study.definition.locations import existing
from study.definition.studyfile import StudyFile
from study.views.network import folder_paths, network_of
from tests.trainables.deploy.study_folders import DIGITS, EXAMPLE, own_trial, trained_trial
from trainables.deploy.trained import trained
from trainables.deploy.weights import masked_weights
from trainables.files.trial_record import Record
from trainables.pruning.work import call
from trainables.vocabulary.refusal import Refusal

MLP = {"dataset": DIGITS, "model": {"name": "mlp", "hidden": [8]}}
CNN = {"dataset": DIGITS, "model": {"name": "cnn", "channels": [4, 6]}}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    """A folder with a trial of the example's task, whose class wants an absolute root."""
    folder = tmp_path_factory.mktemp("own") / "study"
    start = "        self.width, self.n = width, n\n"
    guard = "        if not root.is_absolute():\n            raise RuntimeError('no such root')\n"
    source = (EXAMPLE / "my_task.py").read_text().replace("n: int = 600", "n: int = 120")
    return folder, own_trial(folder, source.replace(start, guard + start))


def measured(record: Record, part: str) -> dict[str, float]:
    return {name: record.metrics[f"{part}_{name}"] for name in ("accuracy", "loss")}


@pytest.mark.parametrize("task", [MLP, CNN], ids=["mlp", "cnn"])
def test_a_built_in_network_measures_what_its_trial_measured(
    task: dict[str, Any], tmp_path: Path
) -> None:
    record = trained_trial(tmp_path, task)
    network = network_of(*existing(str(tmp_path)), record)
    assert network.parts == ("val", "test")
    assert not network.model.training
    for part in network.parts:
        again = network.evaluate(part)
        assert again["accuracy"] == measured(record, part)["accuracy"]
        assert again["loss"] == pytest.approx(measured(record, part)["loss"], rel=1e-6)
    assert call(network.model, network.example).shape == (1, 10)


def test_the_user_s_own_network_comes_from_the_copy(own: tuple[Path, Record]) -> None:
    folder, record = own
    edited = folder.parent / "study-home" / "my_task.py"
    edited.write_text("raise RuntimeError('edited since')\n")
    sys.modules.pop("my_task", None)
    network = network_of(*existing(str(folder)), record)
    assert network.evaluate("test")["accuracy"] == record.metrics["test_accuracy"]
    assert type(network.model).__name__ == "Separable"
    source = Path(str(sys.modules["my_task"].__file__))
    assert source.parent.name == record.provenance["code"]["copy"]
    assert sum(len(batch[1]) for batch in network.batches("test")) == 200


def test_masked_weights_are_plus_zero_and_named_as_they_were_pruned(tmp_path: Path) -> None:
    record = trained_trial(tmp_path, MLP, prune={"sparsity": 0.5, "exclude": ["last"]})
    weights = masked_weights(record, str(tmp_path / "stages"))
    assert list(weights.masks) == ["linear1.weight"]
    zeros = weights.tensors["linear1.weight"][~weights.masks["linear1.weight"]]
    assert len(zeros) == weights.masked == weights.zeros == 256 == weights.prunable // 2
    assert not torch.signbit(zeros).any()
    network = network_of(*existing(str(tmp_path)), record, weights)
    assert list(network.loaded.weights) == ["linear1.weight"]
    assert network.loaded.weights.excluded == ("classifier.weight",)


def test_another_network_in_the_place_of_the_given_one(tmp_path: Path) -> None:
    record = trained_trial(tmp_path, MLP)
    network = network_of(*existing(str(tmp_path)), record)
    always = torch.eye(10)[3]
    share = float((network.loaded.splits.val.labels == 3).float().mean())  # type: ignore[attr-defined]
    given = network.evaluate("val", lambda images: always.expand(len(images), 10))
    assert given["accuracy"] == pytest.approx(share)


def test_code_whose_copy_is_not_named_or_gone(own: tuple[Path, Record]) -> None:
    folder, record = own
    opened = existing(str(folder))
    nameless = replace(record, provenance={})
    with pytest.raises(Refusal, match="must name the copy of my_task:Shapes that it ran, got none"):
        network_of(*opened, nameless)
    other = json.loads(json.dumps(record.provenance))
    other["code"]["copy"] = "0" * 12
    with pytest.raises(Refusal, match=r"code/000000000000/code.json must be in the study folder"):
        network_of(*opened, replace(record, provenance=other))


def test_a_fault_of_the_user_s_code_is_one_sentence_with_their_line(
    own: tuple[Path, Record],
) -> None:
    folder, record = own
    weights = masked_weights(record, str(folder / "stages"))
    copy = folder / "code" / record.provenance["code"]["copy"]
    with pytest.raises(
        Refusal, match=r"as in the trial, got RuntimeError: no such root \(.*line 19\)"
    ):
        trained(record, weights, Path("data"), copy)


def test_weights_of_another_network(tmp_path: Path) -> None:
    record = trained_trial(tmp_path, MLP)
    wider = {**record.config["task"], "model": {"name": "mlp", "hidden": [9]}}
    other = replace(record, config={**record.config, "task": wider})
    with pytest.raises(Refusal, match=r"must take the weights of its trial, got .*size"):
        network_of(*existing(str(tmp_path)), other)


def test_folders_of_images_are_known_by_the_names_that_records_keep() -> None:
    folder = {"name": "image-folder", "path": {"grid": ["/data/one", "/data/two/"]}}
    task = {"dataset": folder, "model": "mlp"}
    short = {"dense": {"epochs": 1}, "prune": {"sparsity": 0.5}, "retrain": {"epochs": 1}}
    study = StudyFile.of({"name": "n", "task": task, **short})
    assert folder_paths(study) == {"one": "/data/one", "two": "/data/two/"}
    fixed = {"dataset": {**folder, "path": "birds"}, "model": "mlp"}
    assert folder_paths(StudyFile.of({"name": "n", "task": fixed, **short})) == {"birds": "birds"}
