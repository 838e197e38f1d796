"""Reading a received folder sends nothing to a store that it names."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from analysis.frames.study_frames import read
from study.views.stage_list import stages
from tests.analysis import synthetic
from tests.analysis.small import curve, record, write_stage
from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.records import StudyFolder
from trainables.vocabulary.refusal import Refusal


def test_no_request_leaves_for_a_store_of_the_folders_choice(tmp_path: Path) -> None:
    synthetic.write(tmp_path, synthetic.schedules(seeds=(0,)))
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        theirs.settimeout(0.2)
        place = f"127.0.0.1:{theirs.getsockname()[1]}"
        store = f"s3://theirs/stages?scheme=http&endpoint_override={place}"
        (tmp_path / "study.yaml").write_text(
            "name: received\ntask: {dataset: digits, model: cnn}\ndense: {epochs: 1}\n"
            "prune: {sparsity: 0.5}\nretrain: {schedule: llr, epochs: 1}\n"
            f"seeds: [0]\nstage_store: '{store}'\n"
        )
        study = read(str(tmp_path))
        assert len(study.epochs) > 0, "the trials' own curves are read"
        assert any(
            "curves of dense runs are left out: stage_store must be a local path" in warning
            for warning in study.warnings
        )
        with pytest.raises(Refusal, match="requests to it would be signed with your key"):
            stages(str(tmp_path))
        with pytest.raises(TimeoutError):
            theirs.accept()


def test_names_in_records_and_manifests_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    folder = StudyFolder(str(tmp_path / "received"))
    write_stage(StudyFolder(str(secret)), "theirs", curve("dense", 0, 3))
    outside = "../../secret/stages/theirs"
    folder.write_record(record("aa", stages=[outside]))
    folder.write_record(record("bb", stages=["mine"]))
    store = folder.folder.child("stages")
    manifests.write(
        store, Manifest("mine", "dense", "done", seed=0, curve=f"../{outside}/curve-w1.parquet")
    )
    for name in ("aa", "bb"):
        folder.write_curve(name, curve("retrain", 1, 1))
    study = read(folder.location)
    assert list(study.epochs["phase"]) == ["retrain", "retrain"]
    said = " ".join(study.warnings)
    assert f"stage {outside} is not in {store.location}: no curve of its dense run" in said
    assert "cannot be read (the name leads out of its folder): no curve of its dense run" in said


def test_a_received_folder_with_endless_files_is_read(tmp_path: Path) -> None:
    folder = StudyFolder(str(tmp_path))
    folder.write_record(record("aa", stages=[]))
    for name in ("records/bb.json", "curves/bb.parquet", "tables/records.parquet", "study.yaml",
                 "notes/bb.json", "latency/aa.json"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to("/dev/zero")
    study = read(str(tmp_path))
    assert list(study.trials["fingerprint"]) == ["aa"]
    _ = study.epochs, study.latency, study.settings, study.notes
    assert len([one for one in study.warnings if "no regular file" in one]) == 6
