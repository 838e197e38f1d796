"""cluster.yaml brought up by Ray's own launcher in an AWS played by moto: no cloud is called."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
NODES = ("head", "gpu.spot", "gpu.on-demand")


@dataclass
class Cloud:
    """An account: the file as the launcher completes it, and every action that is asked for."""

    cluster: dict[str, Any]
    actions: set[str] = field(default_factory=set)


def prepared() -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config

    text = (ROOT / "cluster.yaml").read_text(encoding="utf-8")
    whole: dict[str, Any] = prepare_config(YAML(typ="safe", pure=True).load(text))
    return whole


@pytest.mark.parametrize("name", NODES)
def test_amazon_s_own_definition_knows_every_key_of_an_instance(name: str) -> None:
    assert refused(prepared()["available_node_types"][name]["node_config"]) == ""


def test_amazon_s_own_definition_refuses_a_wrong_key() -> None:
    wrong = copy.deepcopy(prepared()["available_node_types"]["gpu.spot"]["node_config"])
    wrong["InstanceMarketOptions"]["Market"] = wrong["InstanceMarketOptions"].pop("MarketType")
    assert 'Unknown parameter in InstanceMarketOptions: "Market"' in refused(wrong)


def refused(node: dict[str, Any]) -> str:
    """What EC2's description of RunInstances says against the keys of a node."""
    import botocore.session
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model("ec2")
    shape = model.operation_model("RunInstances").input_shape
    report = ParamValidator().validate({**node, "MinCount": 1, "MaxCount": 1}, shape)
    return str(report.generate_report())


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account with the instance profile that docs/cluster.md has prepared."""
    import boto3
    from botocore.client import BaseClient
    from moto import mock_aws
    from ray.autoscaler._private.aws.config import bootstrap_aws

    with pytest.MonkeyPatch.context() as patch, mock_aws():
        # The launcher keeps its key there.
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        boto3.client("iam").create_instance_profile(InstanceProfileName="bimp-study")
        cloud = Cloud(bootstrap_aws(prepared()))
        asked: Any = BaseClient._make_api_call

        def overheard(client: Any, action: str, parameters: Any) -> Any:
            cloud.actions.add(f"{client.meta.service_model.signing_name}:{action}")
            return asked(client, action, parameters)

        patch.setattr(BaseClient, "_make_api_call", overheard)
        yield cloud


@pytest.mark.slow
def test_the_launcher_completes_the_file(cloud: Cloud) -> None:
    for name in NODES:
        node = cloud.cluster["available_node_types"][name]["node_config"]
        assert node["IamInstanceProfile"] == {"Name": "bimp-study"}
        assert len(node["SubnetIds"]) == 3, "one in each of the zones that the file names"
        assert refused({k: v for k, v in node.items() if k != "SubnetIds"}) == ""


@pytest.mark.slow
def test_the_head_may_do_what_it_does_to_bring_workers_and_to_end_them(cloud: Cloud) -> None:
    """By the policy of docs/cluster.md; the driver's files need the bucket's actions beside."""
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
    from ray.autoscaler.tags import (
        TAG_RAY_LAUNCH_CONFIG,
        TAG_RAY_NODE_KIND,
        TAG_RAY_NODE_NAME,
        TAG_RAY_NODE_STATUS,
        TAG_RAY_USER_NODE_TYPE,
    )

    cloud.actions.clear()
    provider: Any = AWSNodeProvider(cloud.cluster["provider"], cloud.cluster["cluster_name"])
    tags = {
        TAG_RAY_NODE_KIND: "worker",
        TAG_RAY_NODE_NAME: "worker",
        TAG_RAY_LAUNCH_CONFIG: "hash",
        TAG_RAY_NODE_STATUS: "uninitialized",
    }
    for name in NODES[1:]:
        config = cloud.cluster["available_node_types"][name]["node_config"]
        provider.create_node(config, {**tags, TAG_RAY_USER_NODE_TYPE: name}, 1)
    nodes = provider.non_terminated_nodes({TAG_RAY_NODE_KIND: "worker"})
    assert len(nodes) == 2
    provider.set_node_tags(nodes[0], {TAG_RAY_NODE_STATUS: "up-to-date"})
    provider.external_ip(nodes[0]), provider.internal_ip(nodes[0])
    provider.terminate_node(nodes[0])
    provider.terminate_nodes(nodes[1:])
    assert provider.non_terminated_nodes({}) == []
    assert {"ec2:RunInstances", "ec2:TerminateInstances"} <= cloud.actions
    assert cloud.actions <= allowed()


def allowed() -> set[str]:
    policy = json.loads((ROOT / "deploy" / "aws" / "policy.json").read_text(encoding="utf-8"))
    listed = [statement["Action"] for statement in policy["Statement"]]
    return {action for one in listed for action in (one if isinstance(one, list) else [one])}
