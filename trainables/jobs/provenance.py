"""Where and with what a trial ran: host, node, worker, device, versions, commit of the folder."""

from __future__ import annotations

import platform
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

_PACKAGES = ("torch", "torchvision", "ray", "optuna", "numpy", "safetensors", "bimp-study")


@dataclass(frozen=True)
class Place:
    """What a cluster calls the node and the process of a worker; "" outside a cluster."""

    node: str = ""
    actor: str = ""

    def known(self) -> dict[str, str]:
        """Return `node` and `worker`, as far as they are known, for a record's provenance."""
        named = {"node": self.node, "worker": self.actor}
        return {key: name for key, name in named.items() if name}


NOWHERE: Final = Place()


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    return {"python": platform.python_version(), **versions_of(_PACKAGES)}


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed, by name with _ for -."""
    result = {}
    for name in packages:
        try:
            result[name.replace("-", "_").lower()] = version(name)
        except PackageNotFoundError:
            continue
    return result


def git_commit() -> str | None:
    """Return the commit of the working folder, with `-dirty` where it differs; None outside git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None if result.returncode == 0 else None


def now() -> str:
    """Return the time now, ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def machine(device: torch.device) -> dict[str, Any]:
    """Return what decides the bits of a result: device, torch build, threads; and the host."""
    import torch

    name = platform.processor() or platform.machine()
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return {
        "host": socket.gethostname(),
        "device": device.type,
        "device_name": name,
        "threads": torch.get_num_threads(),
        **versions(),
    }


BITS = ("device", "device_name", "torch", "threads")
"""Entries of `machine` under which a resumed stage ends in the same bits."""
