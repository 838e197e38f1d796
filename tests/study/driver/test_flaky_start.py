"""What a command does at its start where an object store refuses requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.checks import readiness
from study.checks.user_code import LookedAt
from study.definition.studyfile import StudyFile
from study.driver.launch import Launch
from study.points.resolve import resolve
from tests.ailing_s3 import FlakyGate, s3_server
from tests.study.conftest import Command
from tests.study.driver import fault_lab as lab
from trainables.files.outages import StoreOutage
from trainables.vocabulary.refusal import Refusal


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[str, FlakyGate]]:
    pytest.importorskip("moto.server")
    with s3_server(FlakyGate) as (uri, gate):
        yield uri("one"), gate


def launch(uri: str) -> Launch:
    return Launch(resolve(StudyFile.of({**lab.SMALL, "name": "small"})), uri, LookedAt())


def test_some_refused_requests_are_made_again(bucket: tuple[str, FlakyGate]) -> None:
    uri, gate = bucket
    gate.share = 0.3
    for _ in range(5):
        launch(uri).check_before(None)
    assert gate.refused > 0


@pytest.mark.slow
def test_a_store_that_is_out_is_one_sentence(
    bucket: tuple[str, FlakyGate], tmp_path: Path, bimp: Command
) -> None:
    uri, gate = bucket
    gate.share = 1.0
    with pytest.raises(StoreOutage, match="cannot be read or written"):
        launch(uri)._study_before()
    with pytest.raises(Refusal, match="--out must be a folder that can be written"):
        readiness.check_folder(uri, "--out")
    (tmp_path / "study.yaml").write_text(json.dumps({**lab.SMALL, "name": "small"}))
    ended = bimp("run", tmp_path / "study.yaml", "--out", uri)
    assert ended.status == 2
    [sentence] = ended.err.splitlines()
    assert sentence.startswith("bimp: --out must be a folder that can be written")
