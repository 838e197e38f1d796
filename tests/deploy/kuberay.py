"""What KubeRay's operator takes in a RayJob and a RayCluster: names and kinds of all fields.

Written down from the reference that KubeRay 1.7.0 generates of its resource definitions, which
prune or refuse any other field. What they embed of Kubernetes' own definitions, pods above all, is
checked by those. `schema` makes of it what `jsonschema` checks.
"""

from __future__ import annotations

from typing import Any, Final

# A name alone is a record below; `strings` is a mapping to strings, `[x]` a list; ! is required.
_RECORDS: Final[dict[str, str]] = {
    "RayJob": "apiVersion=v1! kind=RayJob! metadata=ObjectMeta! spec=RayJobSpec!",
    "RayCluster": "apiVersion=v1! kind=RayCluster! metadata=ObjectMeta! spec=RayClusterSpec!",
    "ObjectMeta": "name=string namespace=string labels=strings annotations=strings",
    "RayJobSpec": (
        "activeDeadlineSeconds=integer backoffLimit=integer rayClusterSpec=RayClusterSpec"
        " submitterPodTemplate=pod metadata=strings clusterSelector=strings"
        " submitterConfig=SubmitterConfig managedBy=Manager deletionStrategy=DeletionStrategy"
        " entrypoint=string runtimeEnvYAML=string jobId=string submissionMode=JobSubmissionMode"
        " entrypointResources=string entrypointNumCpus=number entrypointNumGpus=number"
        " ttlSecondsAfterFinished=integer preRunningDeadlineSeconds=positive"
        " shutdownAfterJobFinishes=boolean suspend=boolean"
    ),
    "SubmitterConfig": "backoffLimit=integer",
    "DeletionStrategy": (
        "onSuccess=DeletionPolicy onFailure=DeletionPolicy deletionRules=[DeletionRule]"
    ),
    "DeletionPolicy": "policy=DeletionPolicyType",
    "DeletionRule": "policy=DeletionPolicyType! condition=DeletionCondition!",
    "DeletionCondition": "jobStatus=string jobDeploymentStatus=string ttlSeconds=natural",
    "RayClusterSpec": (
        "upgradeStrategy=RayClusterUpgradeStrategy authOptions=AuthOptions suspend=boolean"
        " managedBy=Manager autoscalerOptions=AutoscalerOptions headServiceAnnotations=strings"
        " enableInTreeAutoscaling=boolean gcsFaultToleranceOptions=GcsFaultToleranceOptions"
        " historyServerOptions=HistoryServerOptions networkPolicy=NetworkPolicyConfig"
        " tlsOptions=TLSOptions headGroupSpec=HeadGroupSpec! rayVersion=string"
        " workerGroupSpecs=[WorkerGroupSpec]"
    ),
    "RayClusterUpgradeStrategy": "type=RayClusterUpgradeType",
    "AuthOptions": "enableK8sTokenAuth=boolean secretName=string mode=AuthMode",
    "AutoscalerOptions": (
        "resources=embedded image=string imagePullPolicy=PullPolicy securityContext=embedded"
        " idleTimeoutSeconds=integer upscalingMode=UpscalingMode version=AutoscalerVersion"
        " env=embedded envFrom=embedded volumeMounts=embedded command=[string] args=[string]"
    ),
    "GcsFaultToleranceOptions": (
        "backend=GcsFaultToleranceBackend redisUsername=RedisCredential"
        " redisPassword=RedisCredential externalStorageNamespace=string redisAddress=string"
        " storage=GcsEmbeddedStorage"
    ),
    "RedisCredential": "valueFrom=embedded value=string",
    "GcsEmbeddedStorage": (
        "claimName=string size=quantity storageClassName=string accessModes=[string]"
        " subPath=string deletionPolicy=GCSStorageDeletionPolicy"
    ),
    "HistoryServerOptions": "collectorOptions=CollectorOptions",
    "CollectorOptions": "image=string imagePullPolicy=PullPolicy resources=embedded env=embedded",
    "NetworkPolicyConfig": (
        "mode=NetworkPolicyMode head=NetworkPolicyRules worker=NetworkPolicyRules"
        " workerGroups=[WorkerGroupNetworkPolicyRules]"
    ),
    "NetworkPolicyRules": "ingressRules=embedded egressRules=embedded",
    "WorkerGroupNetworkPolicyRules": "groupName=string! ingressRules=embedded egressRules=embedded",
    "TLSOptions": "enabled=boolean",
    "HeadGroupSpec": (
        "template=pod! headService=embedded enableIngress=boolean ingressOptions=IngressOptions"
        " resources=strings labels=strings rayStartParams=strings serviceType=ServiceType"
    ),
    "IngressOptions": "host=string path=string pathType=IngressPathType tls=embedded",
    "WorkerGroupSpec": (
        "suspend=boolean groupName=string! replicas=integer minReplicas=integer!"
        " maxReplicas=integer! idleTimeoutSeconds=integer priority=integer resources=strings"
        " labels=strings rayStartParams=strings template=pod! scaleStrategy=ScaleStrategy"
        " numOfHosts=integer"
    ),
    "ScaleStrategy": "workersToDelete=[string]",
}

_CHOICES: Final[dict[str, str]] = {
    "v1": "ray.io/v1",
    "RayJob": "RayJob",
    "RayCluster": "RayCluster",
    "AuthMode": "disabled token",
    "AutoscalerVersion": "v1 v2",
    "DeletionPolicyType": "DeleteCluster DeleteWorkers DeleteSelf DeleteNone",
    "GCSStorageDeletionPolicy": "DeleteWithCluster Retain",
    "GcsFaultToleranceBackend": "redis rocksdb",
    "IngressPathType": "Exact Prefix ImplementationSpecific",
    "JobSubmissionMode": "K8sJobMode HTTPMode InteractiveMode SidecarMode",
    "Manager": "ray.io/kuberay-operator kueue.x-k8s.io/multikueue",
    "NetworkPolicyMode": "DenyAll DenyAllIngress DenyAllEgress",
    "PullPolicy": "Always IfNotPresent Never",
    "RayClusterUpgradeType": "Recreate None",
    "ServiceType": "ClusterIP NodePort LoadBalancer ExternalName",
    "UpscalingMode": "Default Aggressive Conservative",
}

QUANTITY: Final = r"^[0-9]+(\.[0-9]+)?(m|k|[KMGTPE]i?)?$"
"""How Kubernetes writes an amount; its schemas name no pattern."""

_PLAIN: Final[dict[str, dict[str, Any]]] = {
    **{name: {"type": name} for name in ("string", "integer", "number", "boolean")},
    "natural": {"type": "integer", "minimum": 0},
    "positive": {"type": "integer", "minimum": 1},
    "strings": {"type": "object", "additionalProperties": {"type": "string"}},
    "quantity": {"type": ["string", "integer"], "pattern": QUANTITY},
    "pod": {"type": "object"},
    # Of Kubernetes and in no manifest here: whoever uses one checks it first.
    "embedded": {"not": {}},
}


def schema(record: str) -> dict[str, Any]:
    """Return the JSON schema of a record; a field that it does not name is refused."""
    fields = [field.partition("=") for field in _RECORDS[record].split()]
    return {
        "type": "object",
        "properties": {name: _of(kind.rstrip("!"), name) for name, _, kind in fields},
        "required": [name for name, _, kind in fields if kind.endswith("!")],
        "additionalProperties": False,
    }


def _of(kind: str, field: str) -> dict[str, Any]:
    if kind.startswith("["):
        return {"type": "array", "items": _of(kind.strip("[]"), field)}
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _RECORDS and field != "kind":
        return schema(kind)
    return {"enum": _CHOICES[kind].split()}
