"""The manifests for Kubernetes: the fields that a study needs, and one image for all nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import trainables

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
CLUSTER_FIELDS = {
    "rayVersion", "enableInTreeAutoscaling", "authOptions", "autoscalerOptions", "headGroupSpec",
    "workerGroupSpecs",
}  # fmt: skip


def manifest(name: str) -> Any:
    return YAML(typ="safe").load(FOLDER / name)


def clusters() -> Iterator[Any]:
    yield pytest.param(manifest("rayjob.yaml")["spec"]["rayClusterSpec"], id="job")
    yield pytest.param(manifest("raycluster.yaml")["spec"], id="cluster")


@pytest.mark.parametrize("cluster", list(clusters()))
def test_a_cluster_asks_for_a_token_and_runs_no_trial_beside_the_driver(cluster: Any) -> None:
    assert set(cluster) == CLUSTER_FIELDS
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


@pytest.mark.parametrize("cluster", list(clusters()))
def test_all_nodes_have_one_image_one_shared_folder_and_room_in_shm(cluster: Any) -> None:
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [group["template"]["spec"] for group in groups]
    containers = [pod["containers"][0] for pod in pods]
    assert len({container["image"] for container in containers}) == 1
    for pod, container in zip(pods, containers, strict=True):
        mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
        assert mounts["results"] == "/results"
        assert mounts["shm"] == "/dev/shm"
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    worker = containers[1]["resources"]
    assert worker["requests"]["nvidia.com/gpu"] == worker["limits"]["nvidia.com/gpu"] == 1


@pytest.mark.parametrize("cluster", list(clusters()))
def test_the_ray_that_is_named_is_the_pinned_one(cluster: Any) -> None:
    pins = (Path(trainables.__file__).parents[1] / "constraints.txt").read_text().splitlines()
    assert f"ray=={cluster['rayVersion']}" in pins


def test_a_job_resumes_where_it_failed() -> None:
    job = manifest("rayjob.yaml")
    assert job["spec"]["entrypoint"].startswith("bimp run /study/study.yaml --address auto")
    assert job["spec"]["backoffLimit"] >= 1
    claim = manifest("volume.yaml")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
