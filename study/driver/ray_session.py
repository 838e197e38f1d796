"""Ray for a run: a local one started and ended with it, or one that is up already."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.driver.head import require_head
from trainables.vocabulary.packages import NAMES, ROOT
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.wording import in_one_line

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

_LOCAL_SETTINGS = {
    "RAY_AUTH_MODE": "disabled",  # loopback only, ends with the run
    # Ray's node tries once whether its object store is up, then sleeps for a whole second.
    "RAY_raylet_client_connect_timeout_milliseconds": "50",
    "RAY_raylet_client_num_connect_attempts": "600",
    "PL_DISABLE_FORK": "1",  # as Tune would set it for each of its actors
}

SOCKET_MOST = 107
"""Bytes that the path of a socket may have on Linux."""

_SOCKET = "/ray/session_2026-11-25_20-17-28_123456_12345678/sockets/plasma_store"
"""Where below the folder for temporary files Ray's sockets lie."""

_TEMPORARY = ("RAY_TMPDIR", "TMPDIR")
"""Variables that say where Ray puts temporary files, the first that is set."""

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
    head: str = ""
    """Host and port of Ray's head."""

    @property
    def largest(self) -> tuple[float, float]:
        """The most CPUs and the most GPUs that some node offers."""
        cpus, gpus = ([node[at] for node in self.each] for at in (0, 1))
        return max(cpus, default=0.0), max(gpus, default=0.0)

    def fits(self, cpus: float, gpus: float) -> bool:
        """Whether a node offers as much as one trial asks for."""
        return any(cpus <= c and gpus <= g for c, g in self.each)


def is_up() -> bool:
    """Whether this process has joined a Ray already."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


@contextmanager
def session(address: str | None, cpus: int, gpus: int) -> Iterator[Machines]:
    """Within this context Ray is up.

    It is the one that this process has joined already, if there is one, and then it is left as it
    was found; else the cluster at `address`, or without one a local Ray of its own. Refusal when
    the cluster cannot be reached, or is another than the one that is up.
    """
    with _environment(_SETTINGS):
        if is_up():
            _refuse_another(address)
            yield _machines()
        else:
            with _own_session(address, cpus, gpus):
                yield _machines()


@contextmanager
def _own_session(address: str | None, cpus: int, gpus: int) -> Iterator[None]:
    local = address is None
    settings = _LOCAL_SETTINGS if local else {}
    with _short_paths() if local else nullcontext(), _environment(settings):
        import ray

        with _importing_tune():
            if address is None:
                _start(cpus, gpus)
            else:
                _join(address)
        try:
            with _ready_workers() if local else nullcontext():
                yield
        finally:
            ray.shutdown()


@contextmanager
def _short_paths() -> Iterator[None]:
    """Within this context the folder for temporary files can be written, and is short enough for
    Ray's sockets.

    Slurm and others give each job a folder of its own, deep down or gone by then; in its place it
    is one in /tmp, removed afterwards.
    """
    given = _temporary_folder()
    if len(os.fsencode(given)) + len(_SOCKET) <= SOCKET_MOST and _takes_files(given):
        yield
        return
    try:
        short = tempfile.mkdtemp(prefix="bimp-", dir="/tmp")
    except OSError as error:
        most = SOCKET_MOST - len(_SOCKET)
        raise Refusal(
            f"TMPDIR must be a folder to write to, of at most {most} characters, where /tmp cannot"
            f" be written ({error}), got {given}"
        ) from error
    before = {name: os.environ[name] for name in _TEMPORARY if name in os.environ}
    os.environ.update(dict.fromkeys(_TEMPORARY, short))
    try:
        yield
    finally:
        for name in _TEMPORARY:
            os.environ.pop(name, None)
        os.environ.update(before)
        shutil.rmtree(short, ignore_errors=True)


def _temporary_folder() -> str:
    return next(filter(None, map(os.environ.get, _TEMPORARY)), "/tmp")


def _takes_files(folder: str) -> bool:
    """Whether a folder may be written, or made, whatever the working folder is."""
    path = Path(folder)
    there = next((one for one in (path, *path.parents) if one.exists()), path)
    return path.is_absolute() and there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _start(cpus: int, gpus: int) -> None:
    """Start a Ray of our own; again where a busy machine was too slow for Ray's fixed limit."""
    import ray

    _require_addresses(resource.getrlimit(resource.RLIMIT_AS)[0])
    for last in (*[False] * (STARTS - 1), True):
        try:
            ray.init(
                address="local", num_cpus=cpus, num_gpus=gpus, include_dashboard=False,
                log_to_driver=False, logging_level=logging.ERROR, **_search_path(),
                **_object_store(),
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


LEAST_KIB = 16_000_000
"""Addresses that a process needs: Ray and torch map far more than they use. With half of it Ray's
processes wait for each other for ever, with a quarter the driver is aborted."""


def _require_addresses(limit: int) -> None:
    """Refuse a limit on addresses within which Ray's processes cannot start."""
    if limit != resource.RLIM_INFINITY and limit < LEAST_KIB * 1024:
        raise Refusal(f"ulimit -v must be unlimited, or {LEAST_KIB} at least, got {limit // 1024}")


STORE_BYTES = 2**28
"""Of Ray's object store where it lies in a folder; a run keeps messages in it, and no tensors."""


def _object_store(memory: str = "/dev/shm") -> dict[str, Any]:
    """Where Ray's object store lies and how large it is, unless that is as Ray does it.

    On a machine without shared memory to write to, of which Ray asks no more than its size, it is
    in the folder for temporary files.
    """
    if os.access(memory, os.W_OK | os.X_OK):
        return {}
    return {"_plasma_directory": _temporary_folder(), "object_store_memory": STORE_BYTES}


def _join(address: str) -> None:
    """Join a running cluster; Refusal when there is none."""
    import ray

    if address.startswith("ray://"):
        raise Refusal(
            f"--address must be host:port or auto, on a machine of the cluster, got {address};"
            " from elsewhere `bimp submit` hands the run to the cluster"
        )
    require_head(address)
    try:
        ray.init(
            address=address, log_to_driver=False, logging_level=logging.ERROR, **_search_path()
        )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        why = in_one_line(error)
        raise Refusal(f"--address must be a running Ray cluster, got {address} ({why})") from error


def _refuse_another(address: str | None) -> None:
    """Refuse an address beside a Ray that this process has joined, and a client's connection."""
    import ray

    if ray.util.client.ray.is_connected():  # type: ignore[no-untyped-call]
        raise Refusal(
            "Ray must be joined from a machine of its cluster, got a client's connection;"
            " end it with ray.shutdown(), or hand the study over with `bimp submit`"
        )
    joined = ray.get_runtime_context().gcs_address
    if address not in (None, "auto", joined):
        raise Refusal(
            f"--address must be the Ray that this process has joined, {joined}, got {address};"
            " ray.shutdown() leaves it"
        )


def _machines() -> Machines:
    import ray

    for name in ("ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    nodes = [n["Resources"] for n in ray.nodes() if n["Alive"]]  # type: ignore[no-untyped-call]
    each = tuple((n.get("CPU", 0.0), n.get("GPU", 0.0)) for n in nodes)
    head = str(ray.get_runtime_context().gcs_address)
    return Machines(resources.get("CPU", 0.0), resources.get("GPU", 0.0), len(nodes), each, head)


def node_named(name: str | None) -> str | None:
    """Return the id of the node that `search.measure_on` names, None where it names none.

    Refusal unless it is one live node's id, host name or address, or a resource that it alone
    offers.
    """
    if name is None:
        return None
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return one_node(name, [node for node in nodes if node["Alive"]])


def one_node(name: str, nodes: Sequence[Mapping[str, Any]]) -> str:
    """Return the id of the one node that a name fits; Refusal where none or several do."""
    own = ("NodeID", "NodeManagerHostname", "NodeManagerAddress")
    fits = [n for n in nodes if name in (*(n.get(key) for key in own), *n["Resources"])]
    if len(fits) != 1:
        rule = (
            "must name one node of the cluster, by its id, its host name or address, or a resource"
            " that it alone offers"
        )
        raise Refusal(f"search.measure_on {rule}, got {name!r}, which fits {len(fits) or 'none'}")
    return str(fits[0]["NodeID"])


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Within this context the settings hold that are not set otherwise; after it, none of them."""
    added = {key: value for key, value in settings.items() if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            os.environ.pop(key, None)


@contextmanager
def _importing_tune() -> Iterator[None]:
    """Within this context Tune is imported, while Ray's processes are waited for.

    What starting Ray imports needs nothing of Tune, so neither waits for the other.
    """
    thread = threading.Thread(target=_import_tune, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _import_tune() -> None:
    with suppress(Exception):  # raised again where Tune is used
        import ray.tune  # noqa: F401


@contextmanager
def _ready_workers() -> Iterator[None]:
    """Within this context Tune's actors run in the processes that a local Ray has started ahead.

    Tune gives them an environment of their own, for which Ray starts further processes; here all
    that it would set is set for the whole session. Where a Ray to come does that otherwise, its
    actors only start later.
    """
    from ray.tune.execution import class_cache

    defaults: Any = getattr(class_cache, "DEFAULT_ENV_VARS", {})
    passed_on: Any = getattr(class_cache, "ENV_VARS_TO_PROPAGATE", set())
    before = (dict(defaults), set(passed_on))
    defaults.clear()
    passed_on.clear()
    try:
        yield
    finally:
        defaults.update(before[0])
        passed_on.update(before[1])


class _Last(list[str]):
    """Folders for the workers' search path that stay behind those that Ray adds.

    A worker puts each in front of the ones before it, so the last is searched first.
    """

    def extend(self, folders: Iterable[str]) -> None:
        self[:0] = folders


def _search_path() -> dict[str, Any]:
    """What makes workers find this project's packages before a user's of the same name.

    Ray puts the folder that the driver is started in first on their search path.
    """
    import ray

    here = Path.cwd()
    if here == ROOT or not any((here / n).exists() or (here / f"{n}.py").exists() for n in NAMES):
        return {}
    return {"job_config": ray.job_config.JobConfig(_py_driver_sys_path=_Last([str(ROOT)]))}
