"""Leases on stages: advisory notes that somebody is at work, so that work is not done twice.

A lease is a small file of its owner with a heartbeat that changes. It never guards correctness: a
stage made twice is the same stage. No clocks are compared between machines: a waiter judges a lease
dead when it has itself seen it unchanged for the timeout, or at once when its owner was a process
of the same host that is no more.
"""

from __future__ import annotations

import json
import math
import os
import socket
import time
import uuid
from functools import cache
from pathlib import Path

from trainables.files.storage import Folder, is_remote

LEASE_TIMEOUT_S = 120.0
BEAT_EVERY_S = 10.0
REMOTE_BEAT_EVERY_S = 30.0
"""On an object store, which bills every request; four heartbeats are missed before one is dead."""


@cache
def owner() -> str:
    """Return this process's name as an owner: a letter, its process id, and a random part."""
    return f"p{os.getpid()}-{uuid.uuid4().hex[:10]}"


@cache
def _boot() -> str:
    """This host and its boot, so that a process id means something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        return f"{socket.gethostname()}/{uuid.uuid4().hex}"
    return f"{socket.gethostname()}/{boot}/{space}"


def _started(pid: int) -> str | None:
    """When a process of this host started, in clock ticks; None when it is no more."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def beat_every_s(location: str) -> float:
    """Return the seconds between two heartbeats in a folder there."""
    return REMOTE_BEAT_EVERY_S if is_remote(location) else BEAT_EVERY_S


class Leases:
    """The leases under one stage store, seen by one owner.

    `actor` is what a cluster calls the owner's process, "" outside one: who can ask the cluster
    need not wait to know that it is gone.
    """

    def __init__(self, folder: Folder, name: str | None = None, actor: str = "") -> None:
        self._folder = folder
        self._name = name or owner()
        self._actor = actor
        self._beats = 0
        self._beaten_at = -math.inf

    def beat(self, stage: str) -> None:
        """Say that this owner is at work on the stage, with a new heartbeat."""
        self._beats += 1
        self._beaten_at = time.monotonic()
        body = {
            "owner": self._name,
            "beat": self._beats,
            "boot": _boot(),
            "pid": os.getpid(),
            "started": _started(os.getpid()),
            "actor": self._actor,
        }
        self._folder.write(f"{stage}/{self.file}", json.dumps(body).encode())

    def beat_in_time(self, stage: str) -> None:
        """Give another heartbeat where the last one is old enough for the next."""
        if time.monotonic() - self._beaten_at >= beat_every_s(self._folder.location):
            self.beat(stage)

    def release(self, stage: str) -> None:
        """Give up this owner's lease."""
        self._folder.delete(f"{stage}/{self.file}")

    def holds(self, stage: str) -> bool:
        """Whether this owner's lease is there: another process may have judged it dead."""
        return self._folder.exists(f"{stage}/{self.file}")

    @property
    def file(self) -> str:
        """The name of this owner's leases."""
        return f"lease-{self._name}.json"

    def others(self, stage: str) -> dict[str, str]:
        """Return the leases of other owners that may be alive: file name to text."""
        texts = {}
        for name in self._folder.names(stage):
            if not name.startswith("lease-") or name == self.file:
                continue
            try:
                text = self._folder.read(f"{stage}/{name}").decode(errors="replace")
            except FileNotFoundError:
                continue
            if not _dead(text):
                texts[name] = text
        return texts


def actor_of(text: str) -> str:
    """Return what a cluster calls the process that a lease is of; "" where it is of none."""
    try:
        return str(json.loads(text).get("actor", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""


def is_local(text: str) -> bool:
    """Whether a lease's owner is a process of this host and boot, whose end can be seen here."""
    try:
        return bool(json.loads(text)["boot"] == _boot())
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return False


def _dead(text: str) -> bool:
    """Whether a lease's owner is known to be gone: a process of this host and boot."""
    try:
        lease = json.loads(text)
        here = bool(lease["boot"] == _boot())
        pid, started = int(lease["pid"]), lease["started"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return True
    return here and _started(pid) != started
