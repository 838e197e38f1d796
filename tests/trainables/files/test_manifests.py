"""Manifests: one that is there says that its stage is finished; a faulty one is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.storage import LocalFolder
from trainables.files.trial_record import RecordError

MANIFEST = Manifest(
    "a1", "cycle", "done", steps=42, epochs=2.0, parent="d0", likeness="l0",
    label={"kind": "cycle", "cycle": 1}, metrics={"train_s": 3.5}, layers={"conv.weight": 0.5},
    facts={"lr": [0.1, 0.2]}, provenance={"device": "cpu"},
    files={"weights-w.safetensors": "00", "curve-w.parquet": "11"},
    weights="weights-w.safetensors", curve="curve-w.parquet",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> LocalFolder:
    """A store with one finished stage and one that is not."""
    store = LocalFolder(tmp_path)
    manifests.write(store, MANIFEST)
    store.write("b2/partial-w.safetensors", b"")
    return store


def test_what_is_written_is_read(store: LocalFolder) -> None:
    assert manifests.read(store, "a1") == MANIFEST
    assert "optimiser" not in json.loads(store.read("a1/stage.json"))


def test_only_a_manifest_makes_a_stage_finished(store: LocalFolder) -> None:
    assert manifests.exists(store, "a1") and not manifests.exists(store, "b2")
    assert manifests.finished(store) == {"a1"}
    with pytest.raises(FileNotFoundError):
        manifests.read(store, "b2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a whole JSON manifest"),
        ("[]", "not a stage of this project"),
        ('{"schema": 1, "hash": "a1", "kind": "dense"}', "not a stage of this project"),
        (json.dumps({**vars(MANIFEST), "schema": 9}), "schema version must be 1, got 9"),
        (json.dumps({**vars(MANIFEST), "kind": "late"}), "kind must be one of dense, cycle, whole"),
        (json.dumps({**vars(MANIFEST), "state": "failed"}), "state must be one of done, diverged"),
        (json.dumps({**vars(MANIFEST), "metrics": [1]}), "metrics must be a mapping, got .1."),
    ],
)
def test_a_manifest_that_cannot_be_used_is_named(store: LocalFolder, text: str, words: str) -> None:
    store.write("c3/stage.json", text.encode())
    with pytest.raises(RecordError, match=f"c3/stage.json: {words}"):
        manifests.read(store, "c3")
    first, second = manifests.every(store)
    assert first == MANIFEST and isinstance(second, RecordError)


def test_a_faulty_stage_is_unfinished_once_set_aside(store: LocalFolder) -> None:
    before = store.read("a1/stage.json")
    manifests.set_aside(store, "a1", "w")
    assert manifests.finished(store) == set()
    assert store.read("a1/stage-faulty-w.json") == before
    manifests.set_aside(store, "a1", "w")
    assert store.names("a1") == ["stage-faulty-w.json"]


def test_an_edited_manifest_is_named_and_an_older_one_is_read(store: LocalFolder) -> None:
    manifest = Manifest("h1", "dense", "done", metrics={"val_accuracy": 0.25})
    manifests.write(store, manifest)
    data = store.read("h1/stage.json")
    store.write("h1/stage.json", data.replace(b"0.25", b"0.75"))
    with pytest.raises(RecordError, match=r"h1/stage.json: .* it was edited or damaged"):
        manifests.read(store, "h1")
    older = json.loads(data)
    del older["checksum"]
    store.write("h1/stage.json", json.dumps(older, indent=1).encode())
    assert manifests.read(store, "h1") == manifest
