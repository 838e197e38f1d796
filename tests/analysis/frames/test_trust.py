"""Reading a received folder sends nothing to a store that it names."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from analysis.frames.study_frames import read
from study.views.stage_list import stages
from tests.analysis import synthetic
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
