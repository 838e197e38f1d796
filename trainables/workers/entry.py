"""What a worker makes sure of before its first job: that its node has what every trial needs.

It sees the driver's folders, can write to them, and has a device where one is asked for. A node
that lacks any of that would fail one trial after another.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path

from trainables.files import token
from trainables.files.outages import PatientFolder, StoreOutage
from trainables.files.storage import Folder, open_folder
from trainables.jobs.job import Context
from trainables.jobs.job_report import NodeFault
from trainables.jobs.provenance import versions
from trainables.waiting.patience import AT_START, Patience, Trouble

COMPARED = ("python", "torch", "bimp_study")


def require_all(context: Context, patience: Patience = AT_START) -> tuple[str, ...]:
    """Return sentences on what is different here than at the driver.

    A store is waited for no longer than `patience`: the driver knows better whether it is out.
    Raises NodeFault where this node lacks what every trial needs, StoreOutage where the study's
    folder or its store cannot be used just now.
    """
    if context.token:
        for what, location in token.places(context.folder, context.store).items():
            require_folder(what, location, context.token, patience)
    require_device(context.gpus)
    return differences(context.versions, versions())


def require_folder(what: str, location: str, mark: str, patience: Patience) -> None:
    """Raise NodeFault where a folder is not the one that holds a token, StoreOutage where it cannot
    be read and written; `what` names it."""
    try:
        folder: Folder = PatientFolder(open_folder(location), patience)
    except ValueError as error:
        raise NodeFault(f"{what} cannot be opened on {socket.gethostname()}: {error}") from error
    try:
        there = _sees(folder, mark, patience)
        if there:
            token.probe(folder, read=True)
    except StoreOutage as outage:
        raise StoreOutage(f"{what} on {socket.gethostname()}: {outage}") from outage
    if not there:
        raise NodeFault(
            f"{what} must be the driver's on every node, got another one on"
            f" {socket.gethostname()}: {location} is not shared, or not mounted there"
        )


def _sees(folder: Folder, mark: str, patience: Patience) -> bool:
    """Whether a folder holds a token within `patience`: it may be away for a moment."""
    trouble = Trouble(patience)
    while not token.sees(folder, mark):
        trouble.failed()
        if trouble.spent:
            return False
        time.sleep(trouble.pause_s)
    return True


def require_device(gpus: float) -> None:
    """Raise NodeFault where GPUs are asked for and torch sees none."""
    if not gpus:
        return
    import torch

    if torch.cuda.is_available():
        return
    built = torch.version.cuda or torch.version.hip
    raise NodeFault(
        f"resources.gpus must be 0 on {socket.gethostname()}, got {gpus:g}: torch"
        f" {torch.__version__}, built {f'for CUDA {built}' if built else 'without CUDA'}, sees no"
        f" device there (NVIDIA driver: {driver_version() or 'none'})"
    )


def driver_version(path: str = "/proc/driver/nvidia/version") -> str | None:
    """Return the version of the NVIDIA driver that this machine runs; None where there is none."""
    try:
        words = Path(path).read_text().splitlines()[0].split()
    except (OSError, IndexError):
        return None
    return next((word for word in words if word[0].isdigit() and "." in word), None)


def differences(driver: Mapping[str, str], here: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence where the versions of a node are not the driver's."""
    other = [
        f"{name} {here.get(name, 'missing')} instead of {driver[name]}"
        for name in COMPARED
        if name in driver and here.get(name) != driver[name]
    ]
    if not other:
        return ()
    return (
        f"{socket.gethostname()} has {', '.join(other)}, which the driver has:"
        " results may differ in their last bits",
    )
