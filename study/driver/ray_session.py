"""Ray for a run: a local one started and ended with it, or a cluster that is joined."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trainables.vocabulary.refusal import Refusal

_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # our records replace result.json and the like
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # Tune's own state is never restored
    "TUNE_WARN_THRESHOLD_S": "1000000",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}

STARTS = 3
TOO_SLOW = "timed out during startup"


@dataclass(frozen=True)
class Machines:
    """What a Ray session offers."""

    cpus: float
    gpus: float
    nodes: int
    each: tuple[tuple[float, float], ...] = ()
    """CPUs and GPUs of every node."""

    def fits(self, cpus: float, gpus: float) -> bool:
        """Whether a node offers as much as one trial asks for."""
        return any(cpus <= c and gpus <= g for c, g in self.each)


def _start(cpus: int, gpus: int) -> None:
    """Start a Ray of our own; again where a busy machine was too slow for Ray's fixed limit."""
    import ray

    for last in (*[False] * (STARTS - 1), True):
        try:
            ray.init(
                address="local", num_cpus=cpus, num_gpus=gpus, include_dashboard=False,
                log_to_driver=False, logging_level=logging.ERROR,
            )  # fmt: skip
            return
        except Exception as error:  # Ray raises a plain one
            ray.shutdown()
            if TOO_SLOW not in str(error):
                raise
            if last:
                raise Refusal(
                    f"this machine must let Ray start within 30 s, got {STARTS} time-outs;"
                    " try again when it is less busy"
                ) from error


def _join(address: str) -> None:
    """Join a running cluster; Refusal when there is none."""
    import ray

    if address.startswith("ray://"):
        raise Refusal(
            f"--address must be host:port or auto, on a machine of the cluster, got {address};"
            " from elsewhere `bimp submit` hands the run to the cluster"
        )
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise Refusal(f"--address must be a running Ray cluster, got {address} ({error})") from (
            error
        )


@contextmanager
def session(address: str | None, cpus: int, gpus: int) -> Iterator[Machines]:
    """Within this context Ray is up: a local one of its own, or the cluster at `address`.

    Refusal when the cluster cannot be reached.
    """
    for key, value in _SETTINGS.items():
        os.environ.setdefault(key, value)
    if address is None:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # loopback only, ends with the run
    import ray

    if address is None:
        _start(cpus, gpus)
    else:
        _join(address)
    for name in ("ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        offered = ray.cluster_resources()  # type: ignore[no-untyped-call]
        nodes = [n["Resources"] for n in ray.nodes() if n["Alive"]]  # type: ignore[no-untyped-call]
        each = tuple((n.get("CPU", 0.0), n.get("GPU", 0.0)) for n in nodes)
        yield Machines(offered.get("CPU", 0.0), offered.get("GPU", 0.0), len(nodes), each)
    finally:
        ray.shutdown()
