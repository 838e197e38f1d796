"""A run with nothing to do looks at nothing that imports torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from study.checks import readiness
from study.definition.studyfile import StudyFile
from study.driver.launch import run
from study.points.resolve import resolve
from tests.trainables.trials.plain import TINY, cache, job_for, run_job, tiny
from trainables.vocabulary.refusal import Refusal


def test_weights_are_counted_where_something_is_left_to_train_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for(tiny(), tmp_path)
    assert run_job(replace(job, context=replace(job.context, study="small")), cache()).final
    monkeypatch.setattr(readiness, "local_memory", lambda: 1.0)
    study = {"name": "small", **TINY}
    assert run(resolve(StudyFile.of(study)), str(tmp_path)).complete
    with pytest.raises(Refusal, match=r"must fit in the 0\.0 GiB of this machine"):
        run(resolve(StudyFile.of({**study, "seeds": [0, 1]})), str(tmp_path))
    assert not list((tmp_path / "run").iterdir()), "no lease is left"
