"""A node whose network is out for a minute: head, nodes and driver in network namespaces."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.study.driver import fault_lab as lab
from tests.study.driver.networks import cluster_in, driver_in, may_make_networks, node_in
from tests.study.driver.random_faults import differences

PARTITION_S = 60.0
LONGER = {**lab.LONG, "dense": {"epochs": 100}, "retrain": {"schedule": "ft", "epochs": 30}}
"""Two trials that each take longer than one unit of a worker's work."""

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.lab,
    pytest.mark.skipif(not may_make_networks(), reason="needs network namespaces"),
]


def test_a_node_that_reboots_under_its_address_is_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(
        json.dumps({**LONGER, "name": "long", "resources": {"checkpoint_s": 0.3}})
    )
    out, log = tmp_path / "out", tmp_path / "node-2"
    with ExitStack() as stack:
        network = stack.enter_context(cluster_in(tmp_path, 1, spare=1))
        with node_in(network, 2, log.with_suffix(".1")):
            driver = stack.enter_context(driver_in(network, tmp_path / "study.json", out))
            lab.wait_for(lambda: len(list(out.glob("stages/*/partial-*"))) >= 2)
        stack.enter_context(node_in(network, 2, log.with_suffix(".2")))
        text, _ = driver.communicate(timeout=250)
    assert driver.returncode == 0, text
    assert "Traceback" not in text
    calm = lab.undisturbed(lab.study("long", LONGER), tmp_path / "calm")
    assert differences(out, calm) == []


def test_a_node_off_the_network_for_a_minute_costs_the_time_until_ray_knows(
    tmp_path: Path,
) -> None:
    """It goes on training meanwhile, on the same store; then it comes back."""
    (tmp_path / "study.json").write_text(
        json.dumps({**LONGER, "name": "long", "resources": {"checkpoint_s": 0.3}})
    )
    out = tmp_path / "out"
    with ExitStack() as stack:
        network = stack.enter_context(cluster_in(tmp_path, 2))
        driver = stack.enter_context(driver_in(network, tmp_path / "study.json", out))
        lab.wait_for(lambda: len(list(out.glob("stages/*/partial-*"))) >= 2)
        network.cut(2)
        cut = time.monotonic()
        timer = threading.Timer(PARTITION_S, network.join, (2,))
        timer.start()
        stack.callback(timer.cancel)
        text, _ = driver.communicate(timeout=250)
        ended = time.monotonic() - cut
    assert driver.returncode == 0, text
    assert "Traceback" not in text
    calm = lab.undisturbed(lab.study("long", LONGER), tmp_path / "calm")
    assert differences(out, calm) == []
    print(f"the study ended {ended:.0f} s after the node was cut off")
