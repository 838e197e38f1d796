"""`bimp export --remove`: the smaller network in every form, its card, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from study.definition.locations import existing
from study.views.network import network_of
from tests.study.conftest import Command
from tests.study.exports.conftest import card_of
from tests.trainables.deploy.study_folders import DIGITS, own_trial, trained_trial
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record

CNN = {"dataset": DIGITS, "model": {"name": "cnn", "channels": [6, 8]}}
FILTERS = {"sparsity": 0.5, "structure": "filters", "scope": "layer"}
BEST = ("--best", "val_accuracy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filters")
    trained_trial(path, CNN, prune=FILTERS)
    return path


@pytest.fixture(scope="module")
def record(folder: Path) -> Record:
    [one] = StudyFolder(str(folder)).records().records
    return one


def run_lines(lines: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(home)
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    return names


@pytest.mark.parametrize(
    "options", [(), ("--format", "torch"), ("--encoding", "csr-zstd", "--precision", "fp16")],
    ids=" ".join,
)  # fmt: skip
def test_the_lines_build_the_smaller_network(
    options: tuple[str, ...],
    folder: Path,
    record: Record,
    tmp_path: Path,
    bimp: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "small.bin"
    ended = bimp("export", str(folder), *BEST, "--remove", *options, "-o", str(file))
    assert ended.status == 0, ended.err
    card = card_of(file)
    made = run_lines(card["loading"], tmp_path, monkeypatch)
    model = made["model"]
    # 54 + 432 weights, half of each layer's filters as far as they fit
    assert model.conv1.weight.shape == (3, 1, 3, 3)
    assert model.conv2.weight.shape == (4, 3, 3, 3) and model.conv2.out_channels == 4
    assert card["removal"]["filters"] == {"conv1": 3, "conv2": 4}
    assert card["removal"]["shapes"]["bn2.running_mean"] == [4]
    assert made["outputs"].shape == (1, 10)
    network = network_of(*existing(str(folder)), record)
    [images, _] = next(network.batches("val"))
    with torch.no_grad():
        apart = (network.model(images) - model(images)).abs().max()
    assert apart <= (1e-5 if len(options) < 4 else 1e-2)
    for part in network.parts:
        measured = network.evaluate(part, model)["accuracy"]
        assert len(options) == 4 or measured == record.metrics[f"{part}_accuracy"]


def test_the_plan_stands_in_the_file_and_the_reasons_in_the_card(
    folder: Path, tmp_path: Path, bimp: Command
) -> None:
    file = tmp_path / "small.safetensors"
    bimp("export", str(folder), *BEST, "--remove", "-o", str(file))
    card = card_of(file)
    with safe_open(file, "pt") as opened:
        plan = json.loads(opened.metadata()["plan"])
    assert plan == card["removal"]["plan"]
    assert plan["keep"]["conv2.weight"].keys() == {"0", "1"}
    assert {n: list(t.shape) for n, t in load_file(file).items()} == card["removal"]["shapes"]
    assert card["removal"]["multiply_adds"] < 0.5 * card["removal"]["multiply_adds_before"]
    text = file.with_name(f"{file.name}.card.md").read_text()
    assert "7 zero filters of 2 layers" in text and "| conv2.weight | 4, 3, 3, 3 |" in text


def test_a_graph_of_the_smaller_network_gives_the_recorded_accuracy(
    folder: Path, record: Record, tmp_path: Path, bimp: Command
) -> None:
    file = tmp_path / "small.pt2"
    options = ("--remove", "--format", "export")
    ended = bimp("export", str(folder), *BEST, *options, "-o", str(file))
    assert ended.status == 0, ended.err
    program = torch.export.load(file)
    assert program.state_dict["conv1.weight"].shape == (3, 1, 3, 3)
    for agreement in card_of(file)["agreements"]:
        assert agreement["other"]["accuracy"] == record.metrics[f"{agreement['part']}_accuracy"]


@pytest.mark.slow
def test_the_smaller_networks_files_have_the_bytes_that_are_reported(
    folder: Path, tmp_path: Path, bimp: Command
) -> None:
    file = tmp_path / "small"
    assert bimp("export", str(folder), *BEST, "--remove", "--sizes", "-o", str(file)).status == 0
    card = card_of(file)
    whole = {
        (s["precision"], s["encoding"]): s["bytes"] for s in card["sizes"] if s["layer"] == "(file)"
    }
    assert len(whole) == 18
    # 27 + 108 + 40 weights, 10 biases, 4 numbers for each of 7 channels and 2 counts of batches
    tensors = 4 * (3 * 9 + 4 * 3 * 9 + 10 * 4 + 10 + 4 * 7) + 2 * 8
    [header] = [
        s["bytes"]
        for s in card["sizes"]
        if (s["layer"], s["precision"], s["encoding"]) == ("(header)", "fp32", "dense")
    ]
    assert whole["fp32", "dense"] == tensors + header
    for form in (("fp32", "dense"), ("fp16", "bitmask"), ("int8", "csr-zstd"), ("int8", "dense")):
        asked = ("--precision", form[0], "--encoding", form[1])
        assert bimp("export", str(folder), *BEST, "--remove", *asked, "-o", str(file)).status == 0
        assert file.stat().st_size == card_of(file)["bytes"] == whole[form]


def test_single_weights_are_refused_and_nothing_is_written(tmp_path: Path, bimp: Command) -> None:
    trained_trial(tmp_path / "study", CNN)
    home = tmp_path / "out"
    ended = bimp("export", str(tmp_path / "study"), *BEST, "--remove", "-o", str(home / "a"))
    assert ended.status == 2
    rule = "bimp: --remove must leave a smaller network that is equal, got none: no filter can be"
    assert ended.err.startswith(rule)
    assert not home.exists() and not (tmp_path / "study" / "deployed").exists()


def test_a_users_own_network_is_built_by_its_copy(
    tmp_path: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_trial(tmp_path / "study", prune=FILTERS)
    file = tmp_path / "own.safetensors"
    ended = bimp("export", str(tmp_path / "study"), *BEST, "--remove", "-o", str(file))
    assert ended.status == 0, ended.err
    card = card_of(file)
    assert card["removal"]["filters"]
    model = run_lines(card["loading"], tmp_path, monkeypatch)["model"]
    [layer, n] = next(iter(card["removal"]["filters"].items()))
    assert len(model.get_submodule(layer).weight) == len(load_file(file)[f"{layer}.weight"]) and n
