"""Two drivers at once on one cluster: of one study from two hosts, of two studies on one store."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.study.driver import fault_lab as lab
from tests.study.driver.drivers import start
from tests.study.driver.random_faults import differences
from tests.study.driver.raylets import Raylets, cluster_of

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.lab,
    pytest.mark.skipif(not lab.may_mount(), reason="needs namespaces of host names"),
]

LONGER: dict[str, Any] = {**lab.LONG, "dense": {"epochs": 2000}}
"""A study that outlives a heartbeat of its driver's lease, which is what the second waits for."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Raylets]:
    with cluster_of(2) as made:
        yield made


def write(folder: Path, name: str, base: dict[str, Any], **keys: Any) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**base, "name": name, **keys}))
    return path


def test_the_second_of_two_hosts_is_refused_and_the_first_goes_on(
    cluster: Raylets, tmp_path: Path
) -> None:
    study, out = write(tmp_path, "longer", LONGER), tmp_path / "out"
    first = start(study, out, cluster.address, "one", tmp_path / "1.log", impatient=False)
    lab.wait_for(lambda: list(out.glob("stages/*/lease-*")))
    second = start(study, out, cluster.address, "two", tmp_path / "2.log", impatient=False)
    assert second.process.wait(timeout=100) == 2, second.text
    assert second.last_sentence == f"bimp: --out must not be in use by another run, got {out}"
    assert first.process.wait(timeout=200) == 0, first.text
    calm = lab.undisturbed(lab.study("longer", LONGER), tmp_path / "calm")
    assert differences(out, calm) == []


def test_a_frozen_driver_is_replaced_from_another_host_and_gives_way(
    cluster: Raylets, tmp_path: Path
) -> None:
    """It wakes only when the other has completed the study, on the CPUs of its own workers."""
    study, out = write(tmp_path, "long", lab.LONG), tmp_path / "out"
    first = start(study, out, cluster.address, "one", tmp_path / "1.log")
    lab.wait_for(lambda: list(out.glob("stages/*/lease-*")))
    first.process.send_signal(signal.SIGSTOP)
    try:
        second = start(study, out, cluster.address, "two", tmp_path / "2.log")
        assert second.process.wait(timeout=300) == 0, second.text
    finally:
        first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(timeout=60) == 0, first.text  # nothing is left to do
    assert f"{out} is another run's by now" in first.last_sentence
    assert "Traceback" not in first.text + second.text
    calm = lab.undisturbed(lab.study("long", lab.LONG), tmp_path / "calm")
    assert differences(out, calm) == []


def test_two_studies_on_one_store_train_every_stage_once(cluster: Raylets, tmp_path: Path) -> None:
    store = tmp_path / "store"
    drivers = []
    for name in ("one", "two"):
        study = write(tmp_path, name, lab.SMALL, stage_store=str(store))
        out, log = tmp_path / f"out-{name}", tmp_path / f"{name}.log"
        drivers.append(start(study, out, cluster.address, name, log, impatient=False))
    trained: Counter[str] = Counter()
    for driver in drivers:
        assert driver.process.wait(timeout=250) == 0, driver.text
        out = tmp_path / f"out-{driver.host}"
        os.symlink(store, out / "stages")
        calm = lab.undisturbed(lab.study(driver.host, lab.SMALL), tmp_path / f"calm-{driver.host}")
        assert differences(out, calm) == []
        for record in lab.records_in(out):
            trained.update(record.provenance["stages_trained"])
    assert set(trained.values()) == {1}
    assert len(trained) <= len(list(store.iterdir()))
