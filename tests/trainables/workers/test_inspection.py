"""What is seen of a node: versions, folders, memory, data, devices, ports; without a cluster."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from trainables.files import token
from trainables.files.storage import LocalFolder
from trainables.jobs.provenance import versions
from trainables.waiting.patience import Patience
from trainables.workers import inspection
from trainables.workers.inspection import (
    Inspection,
    Observation,
    inspect,
    memory_fault,
    open_ports,
    shared_memory,
)

HERE = {"python": "3.11.7", "torch": "2.14.1", "torchvision": "0.29.2", "ray": "2.60.0",
        "bimp_study": "0.1.0"}  # fmt: skip


def seen(question: Inspection) -> dict[str, Observation]:
    """What this machine answers, by what was looked at."""
    return {one["what"]: Observation(**one) for one in inspect(question.plain())}


def test_a_node_that_shares_all_is_as_here(tmp_path: Path) -> None:
    mark = token.new_token()
    token.leave(LocalFolder(tmp_path), mark)
    question = Inspection(
        versions(), str(tmp_path), str(tmp_path / "stages"), mark, str(tmp_path),
        data=(("digits", {}),),
    )  # fmt: skip
    answer = seen(question)
    assert list(answer) == [
        "host", "versions", "folder", "free", "shm", "data", "CUDA", "ports",
    ]  # fmt: skip
    assert answer["host"].value == socket.gethostname()
    assert answer["versions"].value == "as here"
    assert answer["folder"].value == "shared, writable"
    assert answer["data"].value == "digits"
    assert not any(one.fault for one in answer.values() if one.needed)


def test_a_folder_of_its_own_and_missing_data_keep_trials_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "AT_START", Patience(0.01))
    question = Inspection(
        versions(), str(tmp_path), str(tmp_path / "stages"), token.new_token(), str(tmp_path),
        data=(("digits", {}), ("mnist", {})),
    )  # fmt: skip
    answer = seen(question)
    assert (answer["folder"].value, answer["folder"].needed) == ("not usable", True)
    assert "must be the driver's on every node" in answer["folder"].fault
    assert "free" not in answer, "a folder that is another one has no room worth telling"
    assert (answer["data"].value, answer["data"].needed) == ("missing", True)
    assert answer["data"].fault.startswith(f"data.root must hold mnist, got {tmp_path}")


def test_a_disk_that_is_nearly_full_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = token.new_token()
    token.leave(LocalFolder(tmp_path), mark)
    monkeypatch.setattr(inspection, "LEAST_DISK", 2**62)
    question = Inspection(versions(), str(tmp_path), str(tmp_path / "stages"), mark)
    free = seen(question)["free"]
    assert "free for most studies, got" in free.fault and not free.needed


@pytest.mark.parametrize(
    ("there", "value", "needed"),
    [
        ({}, "as here", True),
        ({"python": "3.12.1"}, "other", False),
        ({"ray": None}, "other", True),
        ({"torchvision": None}, "other", False),
    ],
)
def test_versions(
    there: dict[str, str | None], value: str, needed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "import_faults", lambda names: dict.fromkeys(names, ""))
    node = {name: v for name, v in {**HERE, **there}.items() if v is not None}
    answer = inspection._versions(HERE, node)
    assert (answer.value, answer.needed) == (value, needed)
    if there:
        [(name, version)] = there.items()
        assert f"got {name} {version or 'missing'}, {HERE[name]} here" in answer.fault


@pytest.mark.parametrize("fault", ["", "RuntimeError: operator torchvision::nms does not exist"])
def test_another_build_of_torch_is_tried(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may only end in other bits, or in no trial at all."""
    monkeypatch.setattr(
        inspection, "import_faults", lambda _: {"torch": "", "torchvision": fault}
    )  # fmt: skip
    answer = inspection._versions(HERE, {**HERE, "torch": "2.14.1+cpu"})
    assert answer.needed is bool(fault)
    assert answer.value == ("broken" if fault else "other")
    assert ("it cannot import torchvision (RuntimeError" in answer.fault) is bool(fault)


def test_memory_shared_by_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shared_memory(tmp_path / "none").value == "none"
    monkeypatch.setattr(inspection, "LEAST_SHM", 2**62)
    small = shared_memory(tmp_path)
    assert "for loader processes, got" in small.fault and not small.needed
    monkeypatch.setattr(inspection, "LEAST_SHM", 0)
    assert not shared_memory(tmp_path).fault


GIB = 2**30


@pytest.mark.parametrize(
    ("gpus", "taken", "fault"),
    [
        (1.0, 8 * GIB, ""),
        (1.0, 8 * GIB + 1, "a trial of this study took"),
        (0.5, 4 * GIB, ""),
        (0.5, 5 * GIB, "2 trials of this study took"),
        (0.0, 99 * GIB, ""),
        (1.0, 0, ""),
    ],
)
def test_memory_of_devices_against_what_trials_took(gpus: float, taken: int, fault: str) -> None:
    devices: list[dict[str, Any]] = [{"free": 8 * GIB}, {"free": 80 * GIB}]
    assert fault in memory_fault(devices, gpus, taken)
    assert bool(memory_fault(devices, gpus, taken)) is bool(fault)


TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7 0
   1: 00000000:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7 0
   2: 014D4D0A:2710 00000000:0000 0A 00000000:00000000 00:00000000 00000000     8 0
   3: 014D4D0A:2711 014D4D0A:1234 01 00000000:00000000 00:00000000 00000000     7 0
"""


def test_ports_are_those_of_the_user_that_others_reach() -> None:
    """One on loopback, one open, another user's, and a connection."""

    def read(name: str) -> str:
        if name == "tcp6":
            raise FileNotFoundError
        return TABLE

    assert open_ports(read, 7) == {0x18EB}
    assert open_ports(read, 8) == {0x2710}
    assert open_ports(read, 9) == set()


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_open_ports_without_a_token_are_a_note(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        assert port in open_ports(lambda name: Path(f"/proc/net/{name}").read_text(), os.getuid())
        ports = inspection._ports()
    assert "beyond loopback" in ports.value
    assert bool(ports.fault) is (mode == "disabled") and (ports.needed is False or not ports.fault)


def test_a_gpu_that_torch_does_not_see_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_probed", lambda _: ([], "torch sees no device there"))
    devices = inspection._devices(Inspection({}, gpus=1.0))
    assert (devices.value, devices.fault, devices.needed) == (
        "none", "torch sees no device there", True,
    )  # fmt: skip
