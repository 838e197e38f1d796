"""What a node offers to a study, looked at on the node: versions, folders, data, devices, ports.

The driver's machine sends an `Inspection` and gets `Observation`s back, as plain data. Knows no
Ray; torch is asked in a process of its own, since importing it here would cost every node seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from trainables.files import token
from trainables.files.storage import is_remote
from trainables.jobs.job_report import NodeFault
from trainables.jobs.provenance import versions
from trainables.vocabulary.imports import import_faults
from trainables.waiting.patience import AT_START
from trainables.workers.entry import COMPARED, require_folder

LEAST_DISK: Final = 2 * 2**30
LEAST_SHM: Final = 2**29
"""Loader processes hand their batches over in /dev/shm; containers often get 64 MiB."""

PROBE_S: Final = 120.0
_TORCH_BUILDS: Final = ("torch", "torchvision")
GIB: Final = 2**30


@dataclass(frozen=True)
class Inspection:
    """What a node is asked for.

    `folder` and `store` are locations, "" for none, in which `token` was left. `data` are names of
    data sets with their parameters, below `data_root`. `gpus` is a trial's share of a GPU and
    `gpu_bytes` what trials of the study were seen to take of its memory, 0 where that is not known.
    """

    versions: Mapping[str, str]
    folder: str = ""
    store: str = ""
    token: str = ""
    data_root: str = ""
    data: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    gpus: float = 0.0
    gpu_bytes: int = 0

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Observation:
    """One thing seen of a node: `fault` says in a sentence what is wrong, "" where nothing is.

    `needed`: whether trials cannot run where it is wrong.
    """

    what: str
    value: str
    fault: str = ""
    needed: bool = field(default=True)


def inspect(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is seen of this node as plain data, for plain data of an `Inspection`."""
    asked = Inspection(**raw)
    return [asdict(one) for one in _observations(asked)]


def clock_s() -> float:
    """Return this node's time, in seconds."""
    return time.time()


def _observations(asked: Inspection) -> Iterator[Observation]:
    yield Observation("host", socket.gethostname())
    yield _versions(asked.versions, versions())
    if asked.token:
        yield from _folders(asked)
    yield shared_memory()
    if asked.data:
        yield _data(asked)
    yield _devices(asked)
    yield _ports()


def _versions(driver: Mapping[str, str], here: Mapping[str, str]) -> Observation:
    """Whether its versions are the driver's; where its builds of torch are not, they are tried."""
    names = [name for name in (*COMPARED, "torchvision", "ray") if name in driver]
    other = {name: here.get(name, "missing") for name in names if here.get(name) != driver[name]}
    if not other:
        return Observation("versions", "as here")
    listed = "; ".join(f"{name} {version}, {driver[name]} here" for name, version in other.items())
    fault = f"its versions must be those of the driver, got {listed}"
    lacking = any(other.get(name) == "missing" for name in ("ray", "torch", "bimp_study"))
    if not lacking and not other.keys().isdisjoint(_TORCH_BUILDS):
        broken = {name: why for name, why in import_faults(_TORCH_BUILDS).items() if why}
        if broken:
            reasons = "; ".join(f"{name} ({why})" for name, why in broken.items())
            return Observation("versions", "broken", f"{fault}; it cannot import {reasons}")
    return Observation("versions", "other", fault, needed=lacking)


def _folders(asked: Inspection) -> Iterator[Observation]:
    """Whether the study's folders are the driver's, can be written, and have room."""
    faults = []
    for what, location in token.places(asked.folder, asked.store).items():
        try:
            require_folder(what, location, asked.token, AT_START)
        except (NodeFault, OSError) as fault:
            faults.append(str(fault))
    value = "shared, writable" if not faults else "not usable"
    yield Observation("folder", value, "; ".join(faults))
    if is_remote(asked.folder) or faults:
        return
    free = shutil.disk_usage(_nearest(Path(asked.folder))).free
    short = ""
    if free < LEAST_DISK:
        short = (
            f"{asked.folder} must have {_gib(LEAST_DISK)} free for most studies, got {_gib(free)}"
        )
    yield Observation("free", _gib(free), short, needed=False)


def _nearest(path: Path) -> Path:
    """The folder, or the first above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"


def shared_memory(path: Path = Path("/dev/shm")) -> Observation:
    """Return the room in /dev/shm, through which loader processes hand over what they make."""
    try:
        size = shutil.disk_usage(path).total
    except OSError as error:
        return Observation("shm", "none", f"{path} must be there, got {error}", needed=False)
    fault = ""
    if size < LEAST_SHM:
        fault = f"{path} must have {_gib(LEAST_SHM)} for loader processes, got {_gib(size)}"
    return Observation("shm", _gib(size), fault, needed=False)


def _data(asked: Inspection) -> Observation:
    from trainables.data.raw import DataFormatError, DataMissingError
    from trainables.data.sources import check_available

    faults = []
    for name, parameters in asked.data:
        try:
            check_available(name, dict(parameters), Path(asked.data_root))
        except (DataMissingError, DataFormatError, ImportError) as fault:
            faults.append(f"data.root must hold {name}, got {asked.data_root}: {fault}")
    names = ", ".join(name for name, _ in asked.data)
    return Observation("data", names if not faults else "missing", "; ".join(faults))


def _devices(asked: Inspection) -> Observation:
    """The GPUs that torch sees here, against what a trial takes of one."""
    if not (asked.gpus or Path("/proc/driver/nvidia/version").exists()):
        return Observation("CUDA", "none")
    devices, fault = _probed(asked.gpus)
    if fault:
        return Observation("CUDA", "none", fault)
    value = ", ".join(f"{d['name']}, {_gib(d['free'])} free" for d in devices) or "none"
    return Observation(
        "CUDA", value, memory_fault(devices, asked.gpus, asked.gpu_bytes), needed=False
    )


def memory_fault(devices: list[dict[str, Any]], gpus: float, gpu_bytes: int) -> str:
    """Return in a sentence that a GPU has not enough room for its trials, "" where it has."""
    if not gpus or not gpu_bytes:
        return ""
    share = max(1, round(1 / gpus))
    small = [d for d in devices if d["free"] < share * gpu_bytes]
    if not small:
        return ""
    each = f"{share} trials" if share > 1 else "a trial"
    return (
        f"its GPUs must have {_gib(share * gpu_bytes)} free, which {each} of this study took,"
        f" got {', '.join(_gib(d['free']) for d in small)}"
    )


def _probed(gpus: float) -> tuple[list[dict[str, Any]], str]:
    """The devices that torch sees in a process of its own, or why there are none."""
    environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    command = [sys.executable, "-m", "trainables.workers.device_probe", str(gpus)]
    roots = [str(Path(__file__).parents[2]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, roots))
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_S, check=False, env=environment
        )
        answer = json.loads(ended.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        return [], f"torch must tell its devices within {PROBE_S:.0f} s, got {error}"
    return answer["devices"], answer["fault"]


def _ports() -> Observation:
    """The ports of this user's processes that are open to other machines, and what guards Ray's."""
    ports = open_ports(lambda name: Path(f"/proc/net/{name}").read_text(), os.getuid())
    if not ports:
        return Observation("ports", "loopback only")
    value = f"{len(ports)} beyond loopback"
    if os.environ.get("RAY_AUTH_MODE") == "token":
        return Observation("ports", f"{value}, token")
    fault = (
        "RAY_AUTH_MODE must be token on a network with others, got none:"
        f" {len(ports)} ports are open beyond loopback, and whoever reaches Ray's can run code"
    )
    return Observation("ports", f"{value}, no token", fault, needed=False)


_LISTENING = "0A"
_LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


def open_ports(read: Callable[[str], str], user: int) -> set[int]:
    """Return the ports below which a user's processes listen beyond loopback.

    `read` gives the text of Linux's tables `tcp` and `tcp6`; an unreadable one has no ports.
    """
    ports = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = read(name).splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == _LISTENING and int(fields[7]) == user and address not in _LOOPBACK:
                ports.add(int(port, 16))
    return ports
