"""How the command ends when it is told to, from a folder for temporary files as Slurm gives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from study.driver.launch import run
from study.points.resolve import resolve
from tests.study.driver import fault_lab as lab

pytestmark = [pytest.mark.ray, pytest.mark.slow]

BIMP = str(Path(sys.executable).with_name("bimp"))


def test_sigterm_ends_a_run_with_its_summary_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    (tmp_path / "study.yaml").write_text(json.dumps({**lab.SMALL, "name": "small"}))
    out = tmp_path / "out"
    command = [BIMP, "run", str(tmp_path / "study.yaml"), "--out", str(out)]
    driver = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "TMPDIR": str(deep)},
    )  # fmt: skip
    lab.wait_for(lambda: list(out.glob("records/*")))
    driver.send_signal(signal.SIGTERM)
    text, _ = driver.communicate(timeout=100)
    assert driver.returncode == 1, text
    assert "of 6 trials are settled after" in text
    assert "run the same command again to go on" in text
    assert "Traceback" not in text
    assert not list((out / "run").iterdir()), "neither lease nor token is left"
    study = lab.study("small", lab.SMALL)
    monkeypatch.setenv("TMPDIR", str(deep))
    assert run(resolve(study), str(out)).complete
    assert lab.outcome(out) == lab.undisturbed(study, tmp_path / "calm")
