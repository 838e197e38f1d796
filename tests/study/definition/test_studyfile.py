"""The study file: reading, merging, settings, and what is kept of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from study.definition.studyfile import MOST_SPACES, StudyFile, load, merged, presets, read_yaml
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.schema import METRICS, TRIAL_METRICS

RAW: dict[str, Any] = {
    "name": "small",
    "task": {"dataset": "digits", "model": {"name": "mlp", "hidden": [8]}},
    "dense": {"epochs": 4},
    "prune": {"sparsity": {"grid": [0.8, 0.9]}},
    "retrain": {"epochs": 1},
}


@pytest.mark.parametrize(
    ("base", "overlay", "expected"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"d": 3}}}, {"a": {"b": {"c": 1, "d": 3}}}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"grid": [1]}}, {"a": {"choice": [2]}}, {"a": {"choice": [2]}}),
        ({"a": {"b": 1}}, {"a": {"grid": [2]}}, {"a": {"grid": [2]}}),
        ({"a": {"grid": [2]}}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"model": {"name": "mlp", "hidden": [8]}}, {"model": {"name": "cnn"}},
         {"model": {"name": "cnn"}}),
        ({"model": {"name": "mlp", "hidden": [8]}}, {"model": {"dropout": 0.5}},
         {"model": {"name": "mlp", "hidden": [8], "dropout": 0.5}}),
        ({"model": "mlp"}, {"model": {"hidden": [4]}}, {"model": {"name": "mlp", "hidden": [4]}}),
        ({"model": {"name": "mlp"}}, {"model": "cnn"}, {"model": "cnn"}),
    ],
)  # fmt: skip
def test_merging(base: dict[str, Any], overlay: dict[str, Any], expected: dict[str, Any]) -> None:
    kept = repr(base)
    assert merged(base, overlay) == expected
    assert repr(base) == kept


def test_settings_are_laid_over_in_order(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        "name: small\ntask: {dataset: digits, model: mlp}\nprune: {sparsity: 0.5, cycles: 2}\n"
    )
    study = load(
        str(file),
        ["prune.sparsity=0.8", "seeds=[3, 4]", "prune.sparsity={grid: [0.7, 0.9]}",
         "task.model.hidden=[16]", "resources.cpus=2", "name=other"],
    )  # fmt: skip
    assert study.space["prune"] == {"sparsity": {"grid": [0.7, 0.9]}, "cycles": 2}
    assert study.space["task"]["model"] == {"name": "mlp", "hidden": [16]}
    assert (study.seeds, study.resources.cpus, study.name) == ((3, 4), 2, "other")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("0.10", 0.1),
        ("null", None),
        ("010", 10),
        ("[a, 1]", ["a", 1]),
    ],
)
def test_yaml_is_of_version_1_2(text: str, value: object) -> None:
    read = read_yaml(text, "test")
    assert read == value
    assert type(read) is type(value)


def test_overlays_are_at_most_a_thousand() -> None:
    overlays = [{"dense": {"epochs": number}} for number in range(1, MOST_SPACES + 1)]
    assert len(StudyFile.of({**RAW, "spaces": overlays}).spaces) == MOST_SPACES == 1000
    with pytest.raises(Refusal, match=r"^spaces must hold at most 1000 overlays, got 3000$"):
        StudyFile.of({**RAW, "spaces": overlays * 3})


def test_defaults() -> None:
    study = StudyFile.of(RAW)
    assert study.seeds == (0,)
    assert (study.search.strategy, study.search.trials) == ("grid", None)
    assert (study.resources.cpus, study.resources.gpus, study.resources.retries) == (1, 0, 3)
    assert study.stage_store is None


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"seeds": [2, 1], "stage_store": "/shared", "resources": {"gpus": 0.25, "cpus": 2}},
        {"spaces": [{"prune": {"cycles": 2}}, {}], "data": {"root": "/data", "download": True}},
        {
            "retrain": {"epochs": 1, "discount": {"uniform": [0.1, 1]}},
            "search": {
                "strategy": "optuna",
                "trials": 3,
                "objectives": {"val_accuracy": "max", "sparsity": "max"},
                "enqueue": [{"retrain.discount": "adaptive"}],
            },
        },
    ],
)
def test_what_a_folder_keeps_reads_back_equal(more: dict[str, Any]) -> None:
    study = StudyFile.of({**RAW, **more})
    assert StudyFile.of(study.raw()) == study


def test_a_study_folder_is_no_study_file(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"must be a YAML file or a preset, got .* \(a folder\)$"):
        load(str(tmp_path))
    (tmp_path / "study.yaml").write_text("name: small")
    with pytest.raises(Refusal, match=r"\(a folder\); did you mean .*/study\.yaml\?$"):
        load(str(tmp_path))


def test_presets_are_found_by_name_and_a_file_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "digits" in presets()
    assert load("digits").name == "digits"
    Path("digits").write_text("name: mine\ntask: {dataset: digits, model: mlp}\n")
    assert load("digits").name == "mine"


@pytest.mark.parametrize(
    ("gpus", "valid"),
    [
        (0, True), (1, True), (0.5, True), (1 / 3, True), (0.25, True), (0.3, False),
        (0.75, False), (2, True), (8, True), (2.5, False),
    ],
)  # fmt: skip
def test_gpus_are_whole_or_a_share(gpus: float, valid: bool) -> None:
    raw = {**RAW, "resources": {"gpus": gpus}}
    if valid:
        assert StudyFile.of(raw).resources.gpus == gpus
    else:
        rule = r"resources\.gpus must be 0, a share 1/n, or a whole number, got [02]\."
        with pytest.raises(Refusal, match=rule):
            StudyFile.of(raw)


@pytest.mark.parametrize("name", TRIAL_METRICS)
def test_objectives_go_the_better_way_and_are_never_on_test(name: str) -> None:
    metric = METRICS[name]
    for direction in ("max", "min"):
        raw = {
            **RAW,
            "quantise": {"weights": "int8"},  # else nothing in int8 is an objective
            "search": {"strategy": "optuna", "trials": 1, "objectives": {name: direction}},
        }
        if metric.on_test or metric.direction not in (None, direction):
            with pytest.raises(Refusal, match=rf"search\.objectives\.{name} must .*, got"):
                StudyFile.of(raw)
        else:
            assert StudyFile.of(raw).search.objectives == {name: direction}


def test_names_become_folders() -> None:
    for name in ("a", "A-1_b.c", "0", "x" * 80):
        assert StudyFile.of({**RAW, "name": name}).name == name
    for name in ("", "-a", ".a", "a/b", "a b", "ä", "x" * 81, "a\n"):
        with pytest.raises(Refusal, match="name must be at most 80 letters"):
            StudyFile.of({**RAW, "name": name})


def test_a_study_may_come_through_a_pipe_a_link_or_a_uri(tmp_path: Path) -> None:
    """As the shell's `<(...)` gives it."""
    file = tmp_path / "study.yaml"
    file.write_text("name: small\ntask: {dataset: digits, model: mlp}\n")
    (tmp_path / "link").symlink_to(file)
    reading, writing = os.pipe()
    os.write(writing, file.read_bytes())
    os.close(writing)
    try:
        piped = load(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
    for other in (str(file), str(tmp_path / "link"), f"file://{file}"):
        assert load(other).raw() == piped.raw()
    assert load(str(file)).origin == load(f"file://{file}").origin == tmp_path


def test_a_home_folder_is_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("name: small\ntask: {dataset: digits, model: mlp}\n")
    assert load("~/mine.yaml").name == "small" and load("~/mine.yaml").origin == tmp_path


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ("", r"STUDY must be a YAML file or a preset \(.*\), got ''$"),
        ("DIGITS", r", got 'DIGITS'; did you mean digits\?$"),
        ("digits ", r", got 'digits '; did you mean digits\?$"),
        ("none/x", r"must be a file that is there, got none/x \(no such file\)$"),
        ("digits.yml", r"must be a file that is there, got digits.yml \(no such file\)$"),
        ("s3://bucket/study.yaml", r"must be a file that is there, got s3://bucket/study.yaml"),
        ("~nobody-of-this-name/x.yaml", r"must be a file that is there, got ~nobody-of-this-name"),
        ("n" * 300, r"must be a file to read, got 'n{50,}\.\.\. \(File name too long\)$"),
        ("loop.yaml", r"must be a file to read, got 'loop.yaml' \(Too many levels of symbolic"),
        ("dangling.yaml", r"must be a file to read, got 'dangling.yaml' \(No such file"),
        ("pipe.yaml", r"pipe.yaml must hold a mapping of sections, got None$"),
        ("/dev/null", r"/dev/null must hold a mapping of sections, got None$"),
        ("/dev/zero", r"/dev/zero must have at most 200,000 characters"),
    ],
)  # fmt: skip
def test_what_is_no_study_is_said_at_once(
    study: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.yaml")
    Path("loop.yaml").symlink_to("loop.yaml")
    Path("dangling.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(Refusal, match=message):
        load(study)


def test_a_file_stands_before_a_preset_and_a_folder_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits").mkdir()
    assert load("digits").name == "digits"
    Path("digits").rmdir()
    Path("digits").write_text("name: mine\ntask: {dataset: digits, model: mlp}\n")
    assert load("digits").name == "mine"
