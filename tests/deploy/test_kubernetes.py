"""The manifests for Kubernetes: what KubeRay and Kubernetes take, and what a study needs."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from ruamel.yaml import YAML

import trainables
from tests.deploy.kuberay import QUANTITY, schema

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
KUBERNETES = "1.37"


def manifest(name: str) -> Any:
    return YAML(typ="safe").load(FOLDER / f"{name}.yaml")


def cluster_in(document: Any) -> Any:
    """The cluster's part of a RayJob or a RayCluster."""
    return document["spec"].get("rayClusterSpec", document["spec"])


def templates(document: Any) -> list[Any]:
    """The pod templates of a RayJob or a RayCluster."""
    cluster = cluster_in(document)
    return [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def faults(document: Any) -> list[str]:
    """What KubeRay's fields or Kubernetes' own schema of pods refuse: where, and the message."""
    errors = Draft202012Validator(schema(document["kind"])).iter_errors(document)
    own = sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors)
    return own or [fault for one in templates(document) for fault in of_kubernetes(pod(one))]


def pod(template: Any) -> Any:
    metadata = {"name": "pod"}
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": template}


def of_kubernetes(document: Any) -> list[str]:
    """What Kubernetes' strict schema refuses of one of its own objects."""
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}"]
    return [f"{amount!r} is no quantity" for amount in amounts(document) if not quantity(amount)]


def amounts(node: Any) -> Iterator[Any]:
    """The amounts of resources anywhere in an object, of which Kubernetes' schema says nothing."""
    for name, value in node.items() if isinstance(node, dict) else enumerate(node):
        if name in ("requests", "limits"):
            yield from value.values()
        elif name == "sizeLimit":
            yield value
        elif isinstance(value, dict | list):
            yield from amounts(value)


def quantity(amount: Any) -> bool:
    return re.match(QUANTITY, str(amount)) is not None


@pytest.mark.parametrize("name", ["rayjob", "raycluster"])
def test_every_field_is_one_that_kuberay_or_kubernetes_knows(name: str) -> None:
    document = manifest(name)
    assert faults(document) == []
    assert len(list(amounts(document))) == 4 + 6, "of the head and of a worker"


def test_the_volume_is_one_that_kubernetes_takes() -> None:
    assert of_kubernetes(manifest("volume")) == []


def _misspelt(cluster: Any) -> None:
    cluster["authOption"] = cluster.pop("authOptions")


def _number_for_text(cluster: Any) -> None:
    cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0


def _unknown_mode(cluster: Any) -> None:
    cluster["authOptions"] = {"mode": "tokens"}


def _no_name(cluster: Any) -> None:
    del cluster["workerGroupSpecs"][0]["groupName"]


def _wrong_unit(cluster: Any) -> None:
    container(cluster)["resources"] = {"limits": {"memory": "8GB"}}


def container(cluster: Any) -> Any:
    return cluster["headGroupSpec"]["template"]["spec"]["containers"][0]


def _misspelt_in_the_pod(cluster: Any) -> None:
    container(cluster)["volumeMount"] = container(cluster).pop("volumeMounts")


def _text_for_a_user(cluster: Any) -> None:
    cluster["headGroupSpec"]["template"]["spec"]["securityContext"] = {"fsGroup": "1000"}


def _unchecked(cluster: Any) -> None:
    cluster["autoscalerOptions"]["resources"] = {"limits": {"cpu": 1}}


def _text_for_number(cluster: Any) -> None:
    cluster["workerGroupSpecs"][0]["maxReplicas"] = "8"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (_misspelt, "spec: Additional properties are not allowed ('authOption'"),
        (_number_for_text, "spec.headGroupSpec.rayStartParams.num-cpus: 0 is not of type 'string'"),
        (_unknown_mode, "spec.authOptions.mode: 'tokens' is not one of"),
        (_no_name, "spec.workerGroupSpecs.0: 'groupName' is a required property"),
        (_wrong_unit, "'8GB' is no quantity"),
        (
            _misspelt_in_the_pod,
            "containers.0: Additional properties are not allowed ('volumeM",
        ),
        (_text_for_a_user, "spec.securityContext.fsGroup: '1000' is not of type 'integer'"),
        (_unchecked, "spec.autoscalerOptions.resources: "),
        (_text_for_number, "spec.workerGroupSpecs.0.maxReplicas: '8' is not of type 'integer'"),
    ],
)
def test_a_slip_in_a_manifest_would_be_refused(change: Callable[[Any], None], path: str) -> None:
    wrong = copy.deepcopy(manifest("raycluster"))
    change(wrong["spec"])
    [fault] = faults(wrong)
    assert path in fault


def clusters() -> Iterator[Any]:
    for name in ("rayjob", "raycluster"):
        yield pytest.param(cluster_in(manifest(name)), id=name)


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
    job = manifest("rayjob")
    assert job["spec"]["entrypoint"].startswith("bimp run /study/study.yaml --address auto")
    assert job["spec"]["backoffLimit"] >= 1
    assert job["spec"]["shutdownAfterJobFinishes"], (
        "KubeRay refuses ttlSecondsAfterFinished without"
    )
    claim = manifest("volume")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


@pytest.mark.parametrize("cluster", list(clusters()))
def test_pods_run_as_the_image_s_user_who_can_write_to_the_volume(cluster: Any) -> None:
    users = re.findall(r"^USER (\d+)$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        context = group["template"]["spec"]["securityContext"]
        assert context == {"runAsNonRoot": True, "runAsUser": int(users[-1]), "fsGroup": 1000}


@pytest.mark.parametrize("cluster", list(clusters()))
def test_a_node_that_restarts_is_a_new_one(cluster: Any) -> None:
    """Ray's second autoscaler, its default today, asks KubeRay to restart no container in place."""
    assert cluster["autoscalerOptions"]["version"] == "v2"
    policies = {
        group["template"]["spec"].get("restartPolicy")
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    }
    assert policies == {"Never"}


@pytest.mark.parametrize("cluster", list(clusters()))
def test_ray_s_autoscaler_reads_from_the_manifest_what_the_pods_have(cluster: Any) -> None:
    """By the code that runs beside the head; memory is a pod's limit, its requests come as such."""
    from ray.autoscaler._private.kuberay import autoscaling_config

    metadata = {"name": "bimp", "namespace": "default"}
    custom = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": metadata}
    read = autoscaling_config._derive_autoscaling_config_from_ray_cr({**custom, "spec": cluster})
    types = read["available_node_types"]
    assert types["headgroup"]["resources"] == {"CPU": 0, "memory": 8 * 2**30}
    assert types["gpu"]["resources"] == {"CPU": 4, "GPU": 1, "memory": 16 * 2**30}
    assert (types["gpu"]["min_workers"], types["gpu"]["max_workers"]) == (0, 8)
    assert read["idle_timeout_minutes"] == 10
    requests = templates({"spec": cluster})[1]["spec"]["containers"][0]["resources"]["requests"]
    assert (requests["cpu"], requests["nvidia.com/gpu"]) == ("4", 1)
