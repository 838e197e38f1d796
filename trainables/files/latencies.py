"""What was measured of how fast trials' networks run: the table `latency` of a study folder.

One file per trial, `latency/<fingerprint>.json`, with one row per form of the network, backend,
batch and machine. A later measurement takes the place of an earlier one of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from trainables.files.storage import Folder
from trainables.files.trial_record import RecordError, opened, sealed
from trainables.vocabulary.refusal import shortened, shown
from trainables.vocabulary.schema import SCHEMA_VERSION

FOLDER = "latency"

_TYPES: Final = {
    **dict.fromkeys(("fingerprint", "form", "backend", "device", "machine", "measured_at"), str),
    **dict.fromkeys(("threads", "batch", "runs", "multiply_adds", "n_parameters"), int),
    "latency_ms": int | float,
    **dict.fromkeys(("lo_ms", "hi_ms", "load", "difference"), int | float | None),
    "versions": dict,
    "n_bytes": int | None,
}
"""Of what type each field is: the file may be anybody's."""

_KEY = ("form", "backend", "device", "machine", "threads", "batch")


@dataclass(frozen=True)
class Latency:
    """How long one call of one form of a network takes.

    `form` is dense, masked, removed or quantised; `machine` names processor or GPU, `threads` are
    those of the processor. `latency_ms` is the median over `runs` samples of milliseconds per call
    on `batch` examples, `lo_ms` and `hi_ms` its interval, None where it has none. `multiply_adds`
    of one example are those that dense kernels do, zeros included. `load` is the machine's
    one-minute load average when it began, beside others' work. `n_bytes` are those of all tensors
    of the network.
    `difference` is the largest one of an output from PyTorch's in single precision, as a share of
    the largest output.
    """

    fingerprint: str
    form: str
    backend: str
    device: str
    machine: str
    threads: int
    batch: int
    latency_ms: float
    lo_ms: float | None
    hi_ms: float | None
    runs: int
    multiply_adds: int
    n_parameters: int
    load: float | None
    measured_at: str
    versions: dict[str, str] = field(default_factory=dict)
    n_bytes: int | None = None
    difference: float | None = None


def write_latencies(folder: Folder, fingerprint: str, rows: Sequence[Latency]) -> None:
    """Add to what was measured of a trial; what cannot be read is replaced."""
    try:
        before = read_latencies(folder, fingerprint)
    except RecordError:
        before = []
    latest = {_key(row): row for row in (*before, *rows)}
    plain = {
        "schema": SCHEMA_VERSION,
        "fingerprint": fingerprint,
        "rows": [asdict(row) for row in latest.values()],
    }
    folder.write(f"{FOLDER}/{fingerprint}.json", sealed(plain))


def read_latencies(folder: Folder, fingerprint: str) -> list[Latency]:
    """Return what was measured of a trial, in the order in which it was.

    Raises:
        RecordError: the file is not a whole one of this project.
    """
    name = f"{FOLDER}/{fingerprint}.json"
    try:
        data = folder.read(name)
    except FileNotFoundError:
        return []
    raw = opened(data, name, ("file", "table of latencies"), ("schema", "fingerprint", "rows"))
    try:
        rows = [Latency(**row) for row in raw["rows"]]
    except TypeError as error:
        raise RecordError(f"{name}: {shortened(str(error))}") from error
    for row in rows:
        if not all(isinstance(getattr(row, key), kinds) for key, kinds in _TYPES.items()):
            raise RecordError(f"{name}: not a table of latencies of this project")
        if row.fingerprint != fingerprint:
            raise RecordError(f"{name}: is of another trial, {shown(row.fingerprint)}")
    return rows


def measured_fingerprints(folder: Folder) -> list[str]:
    """Return the fingerprints of trials of which something was measured, sorted."""
    return sorted(n.removesuffix(".json") for n in folder.names(FOLDER) if n.endswith(".json"))


def _key(row: Latency) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in _KEY)
