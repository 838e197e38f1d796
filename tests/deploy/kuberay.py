"""What KubeRay's operator takes in a RayJob and a RayCluster: names and kinds of all fields.

Written down from the API reference of KubeRay 1.5.1, whose resource definitions prune or refuse any
other field, and from that of Kubernetes for pods. `schema` makes of it what `jsonschema` checks.
"""

from __future__ import annotations

from typing import Any, Final

# A name alone is a record below; `strings` is a mapping to strings, `[x]` a list; ! is required.
_RECORDS: Final[dict[str, str]] = {
    "RayJob": "apiVersion=v1! kind=RayJob! metadata=ObjectMeta! spec=RayJobSpec!",
    "RayCluster": "apiVersion=v1! kind=RayCluster! metadata=ObjectMeta! spec=RayClusterSpec!",
    "RayJobSpec": (
        "activeDeadlineSeconds=integer backoffLimit=integer preRunningDeadlineSeconds=integer"
        " rayClusterSpec=RayClusterSpec submitterPodTemplate=PodTemplate metadata=strings"
        " clusterSelector=strings submitterConfig=SubmitterConfig managedBy=string"
        " deletionStrategy=any entrypoint=string runtimeEnvYAML=string jobId=string"
        " submissionMode=JobSubmissionMode entrypointResources=string entrypointNumCpus=number"
        " entrypointNumGpus=number ttlSecondsAfterFinished=integer"
        " shutdownAfterJobFinishes=boolean suspend=boolean"
    ),
    "SubmitterConfig": "backoffLimit=integer",
    "RayClusterSpec": (
        "suspend=boolean managedBy=string authOptions=AuthOptions"
        " autoscalerOptions=AutoscalerOptions headServiceAnnotations=strings"
        " enableInTreeAutoscaling=boolean gcsFaultToleranceOptions=any"
        " headGroupSpec=HeadGroupSpec! rayVersion=string workerGroupSpecs=[WorkerGroupSpec]"
    ),
    "AuthOptions": "mode=AuthMode",
    "AutoscalerOptions": (
        "resources=Resources image=string imagePullPolicy=string securityContext=any"
        " idleTimeoutSeconds=integer upscalingMode=UpscalingMode version=AutoscalerVersion"
        " env=[any] envFrom=[any] volumeMounts=[VolumeMount]"
    ),
    "HeadGroupSpec": (
        "template=PodTemplate! headService=any enableIngress=boolean resources=quantities"
        " labels=strings rayStartParams=strings serviceType=string"
    ),
    "WorkerGroupSpec": (
        "suspend=boolean groupName=string! replicas=integer minReplicas=integer!"
        " maxReplicas=integer! idleTimeoutSeconds=integer resources=quantities labels=strings"
        " rayStartParams=strings template=PodTemplate! scaleStrategy=any numOfHosts=integer"
    ),
    "ObjectMeta": "name=string namespace=string labels=strings annotations=strings",
    "PodTemplate": "metadata=ObjectMeta spec=PodSpec!",
    "PodSpec": (
        "containers=[Container]! initContainers=[Container] volumes=[Volume]"
        " nodeSelector=strings tolerations=[any] affinity=any securityContext=any"
        " serviceAccountName=string imagePullSecrets=[any] restartPolicy=RestartPolicy"
        " priorityClassName=string runtimeClassName=string terminationGracePeriodSeconds=integer"
    ),
    "Container": (
        "name=string! image=string imagePullPolicy=string command=[string] args=[string]"
        " workingDir=string env=[any] envFrom=[any] ports=[any] resources=Resources"
        " volumeMounts=[VolumeMount] lifecycle=any livenessProbe=any readinessProbe=any"
        " securityContext=any"
    ),
    "Resources": "requests=quantities limits=quantities",
    "VolumeMount": "name=string! mountPath=string! readOnly=boolean subPath=string",
    "Volume": (
        "name=string! persistentVolumeClaim=ClaimSource configMap=ConfigMapSource"
        " emptyDir=EmptyDirSource secret=any hostPath=any nfs=any"
    ),
    "ClaimSource": "claimName=string! readOnly=boolean",
    "ConfigMapSource": "name=string items=[any] defaultMode=integer optional=boolean",
    "EmptyDirSource": "medium=Medium sizeLimit=quantity",
    "Claim": "apiVersion=core! kind=PersistentVolumeClaim! metadata=ObjectMeta! spec=ClaimSpec!",
    "ClaimSpec": (
        "accessModes=[AccessMode] storageClassName=string resources=Resources volumeName=string"
        " volumeMode=string selector=any"
    ),
}

_CHOICES: Final[dict[str, str]] = {
    "v1": "ray.io/v1",
    "core": "v1",
    "RayJob": "RayJob",
    "RayCluster": "RayCluster",
    "PersistentVolumeClaim": "PersistentVolumeClaim",
    "AuthMode": "disabled token",
    "JobSubmissionMode": "K8sJobMode HTTPMode InteractiveMode SidecarMode",
    "UpscalingMode": "Default Aggressive Conservative",
    "AutoscalerVersion": "v1 v2",
    "RestartPolicy": "Always OnFailure Never",
    "Medium": "Memory HugePages",
    "AccessMode": "ReadWriteOnce ReadOnlyMany ReadWriteMany ReadWriteOncePod",
}

_QUANTITY: Final = r"^[0-9]+(\.[0-9]+)?(m|k|[KMGTPE]i?)?$"
_AMOUNT: Final = {"type": ["string", "integer"], "pattern": _QUANTITY}
_PLAIN: Final[dict[str, dict[str, Any]]] = {
    **{name: {"type": name} for name in ("string", "integer", "number", "boolean")},
    "any": {},
    "strings": {"type": "object", "additionalProperties": {"type": "string"}},
    "quantity": _AMOUNT,
    "quantities": {"type": "object", "additionalProperties": _AMOUNT},
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
    if kind in _RECORDS and field not in ("kind", "apiVersion"):
        return schema(kind)
    return {"enum": _CHOICES[kind].split()}
