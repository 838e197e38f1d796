"""What exports leave in a study folder: read back, added to, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.frames.deployed import deployed, sizes
from trainables.files.deployments import (
    Deployment,
    deployed_fingerprints,
    read_deployment,
    write_deployment,
)
from trainables.files.storage import LocalFolder
from trainables.files.trial_record import RecordError
from trainables.vocabulary.schema import SCHEMA_VERSION


def size(encoding: str, layer: str, n: int, precision: str = "fp32") -> dict[str, object]:
    return {"precision": precision, "encoding": encoding, "layer": layer, "bytes": n}


FIRST = Deployment(
    "aa", {"fp32": {"val_accuracy": 0.9}}, (size("dense", "(file)", 100), size("dense", "w", 80))
)
LATER = Deployment("aa", {"int8": {"val_accuracy": 0.8}}, (size("dense", "w", 81),), {"torch": "2"})


def test_a_later_export_adds_to_an_earlier_one(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    assert read_deployment(folder, "aa") is None
    write_deployment(folder, FIRST)
    assert read_deployment(folder, "aa") == FIRST
    write_deployment(folder, LATER)
    assert read_deployment(folder, "aa") == Deployment(
        "aa",
        {"fp32": {"val_accuracy": 0.9}, "int8": {"val_accuracy": 0.8}},
        (size("dense", "(file)", 100), size("dense", "w", 81)),
        {"torch": "2"},
    )
    assert deployed_fingerprints(folder) == ["aa"]


def test_what_cannot_be_read_is_told_and_replaced(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.write("deployed/aa.json", b"{")
    with pytest.raises(RecordError, match=r"deployed/aa.json: not a whole JSON file"):
        read_deployment(folder, "aa")
    write_deployment(folder, FIRST)
    assert read_deployment(folder, "aa") == FIRST
    raw = json.loads(folder.read("deployed/aa.json"))
    folder.write("deployed/bb.json", json.dumps(raw).encode())
    with pytest.raises(RecordError, match=r"bb.json: is of another trial, 'aa'"):
        read_deployment(folder, "bb")


def test_as_frames(tmp_path: Path) -> None:
    location = str(tmp_path)
    assert sizes(location).empty and deployed(location).empty
    write_deployment(LocalFolder(tmp_path), FIRST.joined(LATER))
    assert sizes(location)["bytes"].tolist() == [100, 81]
    frame = deployed(location).set_index("precision")
    assert frame["val_accuracy"].to_dict() == {"fp32": 0.9, "int8": 0.8}
    assert frame.loc["fp32", "bytes_dense"] == 100
    assert pd.isna(frame.loc["int8", "bytes_dense"])


def test_what_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    write_deployment(folder, FIRST)
    folder.write("deployed/bb.json", b"{")
    wrong = {"schema": SCHEMA_VERSION, "fingerprint": "cc", "metrics": {"fp32": 1}, "sizes": []}
    folder.write("deployed/cc.json", json.dumps(wrong).encode())
    edited = folder.read("deployed/aa.json").replace(b"0.9", b"0.8").replace(b'"aa"', b'"dd"')
    folder.write("deployed/dd.json", edited)
    (tmp_path / "deployed" / "ee.json").mkdir()
    with pytest.warns(UserWarning, match="deployed/") as caught:
        frame = deployed(str(tmp_path))
    assert list(frame["fingerprint"]) == ["aa"]
    sentences = {str(one.message) for one in caught}
    assert any("bb.json: not a whole JSON" in text for text in sentences)
    assert "deployed/cc.json: not a deployment of this project" in sentences
    assert any("dd.json: must have the content that its checksum" in text for text in sentences)
    assert "deployed/ee.json: cannot be read (Is a directory)" in sentences
