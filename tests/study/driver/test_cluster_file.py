"""cluster.yaml holds what Ray's launcher asks of it. No cloud is called."""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    text = (ROOT / "cluster.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return loaded


@pytest.fixture(scope="module")
def prepared(cluster: dict[str, Any]) -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config

    whole: dict[str, Any] = prepare_config(copy.deepcopy(cluster))
    return whole


def workers(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    types = cluster["available_node_types"]
    return {name: node for name, node in types.items() if name != cluster["head_node_type"]}


def test_ray_accepts_the_file(prepared: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import validate_config

    validate_config(prepared)


def test_ray_would_refuse_a_wrong_key(cluster: dict[str, Any]) -> None:
    """The check above can fail: Ray knows every key of the file."""
    from jsonschema import ValidationError  # type: ignore[import-untyped]
    from ray.autoscaler._private.util import prepare_config, validate_config

    wrong = copy.deepcopy(cluster)
    wrong["idle_timeout"] = wrong.pop("idle_timeout_minutes")
    with pytest.raises(ValidationError, match="idle_timeout"):
        validate_config(prepare_config(wrong))


def test_no_trial_runs_on_the_head(cluster: dict[str, Any]) -> None:
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"] == {"CPU": 0}


def test_workers_are_spot_and_on_demand_and_start_at_none(cluster: dict[str, Any]) -> None:
    markets = {
        name: node["node_config"].get("InstanceMarketOptions", {}).get("MarketType", "on-demand")
        for name, node in workers(cluster).items()
    }
    assert markets == {"gpu.spot": "spot", "gpu.on-demand": "on-demand"}
    assert all(node["min_workers"] == 0 for node in workers(cluster).values())


def test_resources_are_whole_numbers(prepared: dict[str, Any]) -> None:
    for node in prepared["available_node_types"].values():
        assert all(type(amount) is int for amount in node["resources"].values())


def test_every_node_names_its_image_and_profile(prepared: dict[str, Any]) -> None:
    for node in prepared["available_node_types"].values():
        assert node["node_config"]["ImageId"].startswith("ami-")
        assert node["node_config"]["IamInstanceProfile"] == {"Name": "bimp-study"}


@pytest.mark.parametrize(
    ("available", "launched"),
    [
        ({}, {"gpu.spot": 5}),
        ({"gpu.spot": 0.0}, {"gpu.on-demand": 2, "gpu.spot": 3}),
    ],
)
def test_trials_bring_spot_workers_and_others_where_aws_had_none(
    prepared: dict[str, Any], available: dict[str, float], launched: dict[str, int]
) -> None:
    """By the second autoscaler, Ray's default since 2.50; for five trials of a GPU each."""
    from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
    from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
    from ray.autoscaler.v2.utils import ResourceRequestUtil

    config = AutoscalingConfig(copy.deepcopy(prepared), skip_content_hash=True)
    trials = [ResourceRequestUtil.make({"CPU": 2, "GPU": 1}) for _ in range(5)]
    request = SchedulingRequest(
        disable_launch_config_check=True,
        node_type_configs=config.get_node_type_configs(),
        max_num_nodes=config.get_max_num_nodes(),
        resource_requests=ResourceRequestUtil.group_by_count(trials),
        recoverable_resource_availabilities=available,
    )
    reply = ResourceDemandScheduler().schedule(request)
    assert {one.instance_type: one.count for one in reply.to_launch} == launched
    assert reply.infeasible_resource_requests == []


def test_every_start_asks_for_the_token(cluster: dict[str, Any]) -> None:
    starts = [
        command
        for key in ("head_start_ray_commands", "worker_start_ray_commands")
        for command in cluster[key]
        if "ray start" in command
    ]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token ray start" in command for command in starts)
    assert cluster["file_mounts"]["/home/ubuntu/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("RAY_AUTH_MODE=token" in command for command in cluster["initialization_commands"])


def test_the_token_is_in_no_file_of_the_project(cluster: dict[str, Any]) -> None:
    sources = [path for path in cluster["file_mounts"].values() if "token" in path]
    assert all(path.startswith("~") for path in sources)


def test_setup_installs_the_pinned_versions(cluster: dict[str, Any]) -> None:
    install, code = cluster["setup_commands"][-2:]
    assert "-c constraints.txt" in install
    assert install.endswith('"$(echo ./*.whl)[cluster]"')
    assert code.endswith("pip install -q --no-deps --force-reinstall ./*.whl")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(
        need.startswith("ray[default]") for need in project["optional-dependencies"]["cluster"]
    )
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "\nray==" in pinned


def test_only_files_that_a_run_leaves_alone_are_mounted(cluster: dict[str, Any]) -> None:
    """Ray hashes all that lies below a mount: a result or compiled code would change the hash."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wheel = f"bimp_study-{project['version']}-py3-none-any.whl"
    assert cluster["file_mounts"] == {
        "/home/ubuntu/bimp-study/constraints.txt": "./constraints.txt",
        f"/home/ubuntu/bimp-study/{wheel}": f"./dist/{wheel}",
        "/home/ubuntu/.ray/auth_token": "~/.ray/auth_token",
    }
    assert not any("bimp-study/.venv" in command for command in cluster["setup_commands"])


def test_new_files_in_the_project_leave_ray_s_hash_as_it_was(
    cluster: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Ray's own function, in a folder laid out as the project's; a new wheel does change it."""
    from ray.autoscaler._private import util

    mounts = {
        there: here.replace("~", str(tmp_path)) for there, here in cluster["file_mounts"].items()
    }
    monkeypatch.chdir(tmp_path)
    for path in mounts.values():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("a")

    def runtime_hash() -> str:
        monkeypatch.setattr(util, "_hash_cache", {})
        return str(util.hash_runtime_conf(mounts, None, {})[0])

    before = runtime_hash()
    for folder in ("study/__pycache__", "results/digits", ".venv/lib"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "new").write_text("b")
    (tmp_path / "results" / "dangling").symlink_to("nowhere")
    assert runtime_hash() == before
    wheel = next(path for path in mounts.values() if path.endswith(".whl"))
    Path(wheel).write_text("b")
    assert runtime_hash() != before


def test_the_policy_covers_the_role_and_the_bucket() -> None:
    policy = json.loads((ROOT / "deploy" / "aws" / "policy.json").read_text(encoding="utf-8"))
    allowed = {
        action
        for statement in policy["Statement"]
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }
    assert {
        "ec2:RunInstances",
        "ec2:TerminateInstances",
        "ec2:CreateTags",
        "iam:PassRole",
    } <= allowed
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"} <= allowed
    assert not any(action.endswith("*") for action in allowed)


def test_the_dashboard_is_not_open_to_the_network(cluster: dict[str, Any]) -> None:
    assert "--dashboard-host=127.0.0.1" in cluster["head_start_ray_commands"][-1]
