"""`bimp export` in every form: the file, its cards, the lines that load it, and what is refused."""

from __future__ import annotations

import builtins
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from analysis.frames import read
from study.exports import export as exports
from study.exports.front import front_choices
from study.exports.order import Order
from tests.study.conftest import Command
from tests.study.exports.conftest import card_of
from tests.trainables.deploy.study_folders import DIGITS, own_trial, trained_trial
from tests.trainables.deploy.test_package import SOURCE, own_dataset_trial
from trainables.deploy.encodings import decoded
from trainables.deploy.loading import read_weights
from trainables.files.deployments import read_deployment
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.files.trial_record import Record
from trainables.trials.stage_store import StageStore
from trainables.vocabulary.refusal import Refusal

CNN = {"dataset": DIGITS, "model": {"name": "cnn", "channels": [4, 6]}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sparsities .5 and .8 of a small network, at seeds 0 and 1."""
    path = tmp_path_factory.mktemp("short")
    for sparsity in (0.5, 0.8):
        for seed in (0, 1):
            trained_trial(path, CNN, seed, prune={"sparsity": sparsity})
    return path


def records(folder: Path) -> list[Record]:
    return StudyFolder(str(folder)).records().records


def run_lines(lines: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    assert len(lines) <= 10
    monkeypatch.chdir(home)
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    return names


# the file and its lines


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--format", "torch"),
        ("--encoding", "csr-zstd"),
        ("--encoding", "bitmask", "--precision", "fp16"),
        ("--precision", "int8"),
    ],
    ids=" ".join,
)
def test_the_printed_lines_load_the_weights(
    options: tuple[str, ...],
    folder: Path,
    tmp_path: Path,
    bimp: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "net"
    ended = bimp("export", folder, "--best", "val_loss", *options, "-o", file)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith("\n".join(card_of(file)["loading"]) + "\n")
    assert card_of(file)["bytes"] == file.stat().st_size
    names = run_lines(card_of(file)["loading"], tmp_path, monkeypatch)
    assert names["outputs"].shape == (1, 10)
    weights = names["model"].state_dict()["conv2.weight"]
    assert weights.count_nonzero() < weights.numel()


@pytest.mark.parametrize("form", ["onnx", "export"])
def test_the_printed_lines_run_the_graph(
    form: str, folder: Path, tmp_path: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "net"
    ended = bimp("export", folder, "--best", "val_loss", "--format", form, "-o", file)
    assert (ended.status, ended.err) == (0, "")
    names = run_lines(card_of(file)["loading"], tmp_path, monkeypatch)
    outputs = names["outputs"]
    assert card_of(file)["bytes"] == file.stat().st_size
    assert tuple(outputs[0].shape if form == "onnx" else outputs.shape) == (2, 10)
    agreements = card_of(file)["agreements"]
    assert [(a["part"], a["examples"]) for a in agreements] == [("val", 144), ("test", 360)]


def test_the_user_s_own_network_by_its_card(
    tmp_path: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = own_trial(tmp_path / "study")
    file = tmp_path / "net.pt"
    sys.modules.pop("my_task")  # that training has imported
    bimp(
        "export", tmp_path / "study", "--trial", record.fingerprint, "--format", "torch", "-o", file
    )
    assert "my_task" not in sys.modules  # reading weights runs nobody's code
    names = run_lines(card_of(file)["loading"], tmp_path, monkeypatch)
    assert type(names["model"]).__name__ == "Separable"
    assert card_of(file)["code"]["copy"] == record.provenance["code"]["copy"]


def without_us(name: str, *rest: Any) -> Any:
    """Import what is not this project's."""
    assert name.partition(".")[0] not in ("trainables", "study", "analysis"), name
    return builtins.__import__(name, *rest)


@pytest.mark.slow
def test_plain_torch_loads_a_network_of_torchvision(
    tmp_path: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = own_dataset_trial(tmp_path / "study", "torchvision/mobilenet_v3_small")
    file = tmp_path / "net.pt"
    arguments = ("--trial", record.fingerprint, "--format", "torch", "-o", file)
    ended = bimp("export", tmp_path / "study", *arguments)
    assert ended.status == 0, ended.err
    data: dict[str, Any] = {}
    exec((tmp_path / "study-home" / "my_task.py").read_text(), data)
    test = data["pictures"]().test
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": without_us}}
    exec("\n".join(card_of(file)["loading"]), names)
    assert names["outputs"].shape == (1, 4)
    with torch.no_grad():
        right = (names["model"](test.images).argmax(1) == test.labels).sum()
    assert int(right) == round(30 * record.metrics["test_accuracy"])
    text = file.with_name(f"{file.name}.card.md").read_text()
    head = YAML(typ="safe", pure=True).load(text.split("---\n")[1])
    assert "datasets" not in head  # my_task:pictures is no data set of the hub's


# cards


def test_the_card_says_what_it_is_and_what_was_measured(folder: Path, tmp_path: Path) -> None:
    record = next(r for r in records(folder) if r.config["prune"]["sparsity"] == 0.8)
    one = exports.export(str(folder), trial=record.fingerprint, name="net")
    card = one.card
    assert card["sha256"] == hashlib.sha256(one.data).hexdigest()
    assert (card["bytes"], card["fingerprint"]) == (len(one.data), record.fingerprint)
    assert card["configuration"] == record.config
    assert card["pruned"]["zeros"] == one.zeros
    both = {
        str(r.seed): r.metrics["test_accuracy"]
        for r in records(folder)
        if r.config["prune"]["sparsity"] == 0.8
    }
    (metric,) = [m for m in card["results"]["metrics"] if m["name"] == "test_accuracy"]
    assert metric["by_seed"] == both
    assert metric["value"] == record.metrics["test_accuracy"]
    half = 12.706204736432095 * abs(both["0"] - both["1"]) / 2
    assert metric["mean"] == pytest.approx(sum(both.values()) / 2)
    assert metric["hi"] == pytest.approx(min(metric["mean"] + half, 1))
    assert metric["interval"] == "95 %, Student's t, n = 2"
    assert any("make no dense kernel faster" in note for note in card["notes"])
    assert "agreements" not in card and "code" not in card  # what is not known is absent


def test_the_markdown_is_a_model_card_of_the_hub(folder: Path, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    one = exports.export(str(folder), metric="val_loss", name="net")
    text = one.files(str(tmp_path / "net"))[str(tmp_path / "net.card.md")].decode()
    head = YAML(typ="safe", pure=True).load(text.split("---\n")[1])
    assert head["datasets"] == ["digits"]
    data = ModelCard(text).data
    assert (data.library_name, data.pipeline_tag) == ("pytorch", "image-classification")
    found = {(r.dataset_split, r.metric_type): r.metric_value for r in data.eval_results}
    metrics = one.record.metrics
    assert found["test", "accuracy"] == metrics["test_accuracy"]
    assert found["val", "loss"] == metrics["val_loss"]
    for section in ("How to load it", "Results", "Configuration", "Data", "Provenance"):
        assert f"\n## {section}\n" in text


def test_sizes_are_measured_and_kept_in_the_study_folder(
    folder: Path, tmp_path: Path, bimp: Command
) -> None:
    record = records(folder)[0]
    arguments = ("--trial", record.fingerprint, "--sizes")
    file = tmp_path / "net"
    assert bimp("export", folder, *arguments, "-o", file).status == 0
    card = card_of(file)
    whole = {
        (s["precision"], s["encoding"]): s["bytes"] for s in card["sizes"] if s["layer"] == "(file)"
    }
    assert len(whole) == 18
    for (precision, encoding), size in whole.items():
        form = ("--precision", precision, "--encoding", encoding)
        assert bimp("export", folder, *arguments[:2], *form, "-o", tmp_path / "w").status == 0
        assert (tmp_path / "w").stat().st_size == size
    assert card["deployed"].keys() == {"fp32", "fp16", "int8"}
    kept = read_deployment(LocalFolder(folder), record.fingerprint)
    assert kept is not None and kept.metrics["int8"] == card["deployed"]["int8"]
    assert kept.metrics["fp32"]["test_accuracy"] == record.metrics["test_accuracy"]


def test_files_read_back_to_the_bit(folder: Path) -> None:
    fingerprint = records(folder)[0].fingerprint
    plain = decoded(exports.export(str(folder), trial=fingerprint).data)
    for encoding in ("bitmask", "csr", "dense-zstd"):
        order = Order(encoding=encoding)
        again = decoded(exports.export(str(folder), trial=fingerprint, order=order).data)
        assert again.keys() == plain.keys()
        assert all(torch.equal(again[name], plain[name]) for name in plain)


def test_a_trial_that_was_rounded_has_both_on_its_card(tmp_path: Path, bimp: Command) -> None:
    """Its file holds the network as it was trained; in int8 the levels of its last stage."""
    study = tmp_path / "study"
    record = trained_trial(study, CNN, quantise={"weights": "int8"})
    one = exports.export(str(study), trial=record.fingerprint, name="net")
    metrics = {m["name"]: m["value"] for m in one.card["results"]["metrics"]}
    for name in ("test_accuracy", "int8_test_accuracy", "int8_val_loss"):
        assert metrics[name] == record.metrics[name]
    assert decoded(one.data)["conv2.weight"].dtype == torch.float32
    order = Order(precision="int8")
    levels = decoded(exports.export(str(study), trial=record.fingerprint, order=order).data)
    stage = StageStore(LocalFolder(study / "stages"), "test").load(record.stages[-1])
    assert stage is not None and stage.kind == "quantised"
    assert all(torch.equal(levels[name], tensor) for name, tensor in stage.weights.items())
    listed = bimp("stages", study)
    assert "quantised" in listed.out and "weights in int8" in listed.out
    trials = read(str(study)).trials
    assert trials["int8_test_accuracy"].tolist() == [record.metrics["int8_test_accuracy"]]
    assert trials["quantise.weights"].tolist() == ["int8"]


# the front


def test_the_front_is_one_file_for_each_configuration_on_it(
    folder: Path, tmp_path: Path, bimp: Command
) -> None:
    from huggingface_hub import ModelCard

    ended = bimp("export", folder, "--front", "-o", tmp_path / "front")
    assert ended.status == 0, ended.err
    files = sorted(p for p in (tmp_path / "front").iterdir() if "card" not in p.name)
    by_sparsity = {0.5: [], 0.8: []}
    for record in records(folder):
        by_sparsity[record.config["prune"]["sparsity"]].append(record)
    means = {
        sparsity: sum(r.metrics["val_accuracy"] for r in group) / 2
        for sparsity, group in by_sparsity.items()
    }
    expected = [0.8] if means[0.8] >= means[0.5] else [0.5, 0.8]
    assert [card_of(f)["configuration"]["prune"]["sparsity"] for f in files] == expected
    for file in files:
        group = by_sparsity[card_of(file)["configuration"]["prune"]["sparsity"]]
        top = max(r.metrics["val_accuracy"] for r in group)
        best = min(r.fingerprint for r in group if r.metrics["val_accuracy"] == top)
        assert card_of(file)["fingerprint"] == best
        assert best[:8] in file.name
        assert card_of(file)["bytes"] == file.stat().st_size
        data = ModelCard(file.with_name(f"{file.name}.card.md").read_text()).data
        found = {(r.dataset_split, r.metric_type): r.metric_value for r in data.eval_results}
        assert found["val", "accuracy"] == top
        assert "on the front of val_accuracy against sparsity" in card_of(file)["chosen"]


def test_a_front_of_nothing(folder: Path) -> None:
    trials = read(str(folder)).trials
    failed = trials.assign(state="failed")
    with pytest.raises(
        Refusal, match="--front must find a configuration whose trials are all done"
    ):
        front_choices(failed, records(folder))


# what is refused, with nothing written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--format", "onnx", "--precision", "int8"),
            "--precision must be fp32 unless --format is safetensors, got int8 with onnx",
        ),
        (
            ("--format", "torch", "--encoding", "csr"),
            "--encoding must be dense unless --format is safetensors, got csr with torch",
        ),
        (("--trial", "zz"), "--trial must be the fingerprint of a trial"),
    ],
)
def test_what_does_not_go_together(
    options: tuple[str, ...], message: str, folder: Path, tmp_path: Path, bimp: Command
) -> None:
    chosen = () if "--trial" in options else ("--best", "val_loss")
    ended = bimp("export", folder, *chosen, *options, "-o", tmp_path / "net")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"bimp: {message}")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_exported_writes_nothing(tmp_path: Path, bimp: Command) -> None:
    body = "return self.linear(x) + torch.special.bessel_j0(x[:, :3])"
    study = tmp_path / "study"
    record = own_trial(study, SOURCE.replace("BODY", body), "my_task:Mine", (12, 6, 6))
    before = sorted(p for p in study.rglob("*"))
    out = tmp_path / "out"
    out.mkdir()
    arguments = ("--trial", record.fingerprint, "--format", "onnx", "-o", out / "net.onnx")
    ended = bimp("export", study, *arguments)
    assert ended.status == 2
    assert "cannot express operator prims.bessel_j0" in ended.err
    assert list(out.iterdir()) == []
    assert sorted(p for p in study.rglob("*")) == before


def test_a_link_is_written_through(folder: Path, tmp_path: Path, bimp: Command) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    ended = bimp("export", folder, "--best", "val_loss", "-o", tmp_path / "link")
    assert ended.status == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").stat().st_size > 0


def test_a_card_needs_a_place_beside_the_file(
    folder: Path, tmp_path: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for output in ("-", "pipe"):
        ended = bimp("export", folder, "--best", "val_loss", "-o", output)
        assert (ended.status, ended.out) == (2, "")
        assert f"its card can stand beside it, got {output}" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_reader_gives_floats_whatever_the_encoding(folder: Path, tmp_path: Path) -> None:
    fingerprint = records(folder)[0].fingerprint
    plain = decoded(exports.export(str(folder), trial=fingerprint).data)
    order = Order(precision="int8", encoding="bitmask-zstd")
    file = tmp_path / "w"
    file.write_bytes(exports.export(str(folder), trial=fingerprint, order=order).data)
    state = read_weights(file)
    assert state.keys() == plain.keys()
    for name, value in plain.items():
        if value.is_floating_point() and value.ndim >= 2:
            largest = value.abs().flatten(1).amax(1)
            bound = (largest / 127 * 0.51).reshape(-1, *(1 for _ in value.shape[1:]))
            assert bool(((state[name] - value).abs() <= bound).all())
        else:
            assert torch.equal(state[name], value)
