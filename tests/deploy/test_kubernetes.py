"""The manifests for Kubernetes: what KubeRay takes, and what a study needs of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from ruamel.yaml import YAML

import trainables
from tests.deploy.kuberay import schema

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
MANIFESTS = {"rayjob": "RayJob", "raycluster": "RayCluster", "volume": "Claim"}


def manifest(name: str) -> Any:
    return YAML(typ="safe").load(FOLDER / name)


def faults(document: Any, record: str) -> list[str]:
    """What a schema refuses of a document: the path of each fault, and its message."""
    errors = Draft202012Validator(schema(record)).iter_errors(document)
    return sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors)


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_field_is_one_that_kuberay_or_kubernetes_knows(name: str) -> None:
    assert faults(manifest(f"{name}.yaml"), MANIFESTS[name]) == []


def _misspelt(cluster: Any) -> None:
    cluster["authOption"] = cluster.pop("authOptions")


def _number_for_text(cluster: Any) -> None:
    cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0


def _unknown_mode(cluster: Any) -> None:
    cluster["authOptions"] = {"mode": "tokens"}


def _no_name(cluster: Any) -> None:
    del cluster["workerGroupSpecs"][0]["groupName"]


def _wrong_unit(cluster: Any) -> None:
    cluster["headGroupSpec"]["template"]["spec"]["containers"][0]["resources"] = {
        "limits": {"memory": "8GB"}
    }


def _text_for_number(cluster: Any) -> None:
    cluster["workerGroupSpecs"][0]["maxReplicas"] = "8"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (_misspelt, "spec: Additional properties are not allowed ('authOption'"),
        (_number_for_text, "spec.headGroupSpec.rayStartParams.num-cpus: 0 is not of type 'string'"),
        (_unknown_mode, "spec.authOptions.mode: 'tokens' is not one of"),
        (_no_name, "spec.workerGroupSpecs.0: 'groupName' is a required property"),
        (_wrong_unit, "resources.limits.memory: '8GB' does not match"),
        (_text_for_number, "spec.workerGroupSpecs.0.maxReplicas: '8' is not of type 'integer'"),
    ],
)
def test_a_slip_in_a_manifest_would_be_refused(change: Callable[[Any], None], path: str) -> None:
    wrong = copy.deepcopy(manifest("raycluster.yaml"))
    change(wrong["spec"])
    [fault] = faults(wrong, "RayCluster")
    assert path in fault


def clusters() -> Iterator[Any]:
    yield pytest.param(manifest("rayjob.yaml")["spec"]["rayClusterSpec"], id="job")
    yield pytest.param(manifest("raycluster.yaml")["spec"], id="cluster")


@pytest.mark.parametrize("cluster", list(clusters()))
def test_a_cluster_asks_for_a_token_and_runs_no_trial_beside_the_driver(cluster: Any) -> None:
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
