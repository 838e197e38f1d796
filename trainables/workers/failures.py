"""What becomes of a fault: what it is a fault of, the failed record of the trial, and the report.

Whatever may itself be what cannot be imported is imported within; needs neither torch nor Ray.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

from trainables.jobs.job import Job
from trainables.jobs.job_report import Fault, JobReport, Kind, NodeFault
from trainables.jobs.provenance import NOWHERE, Place, now

_OF_THE_NODE = (NodeFault, ImportError, OSError)
"""What a node may lack that another one has: packages, data, files, handles, room."""


def kind_of(error: BaseException) -> Kind:
    """Return what an error, or what caused it, is a fault of."""
    causes = list(_causes(error))
    ranked = _class("trainables.workers.crew", "RankFault")
    if (of_a_rank := next((c for c in causes if isinstance(c, ranked)), None)) is not None:
        kind: Kind = of_a_rank.kind  # type: ignore[attr-defined]
        return kind
    outage = _class("trainables.files.outages", "StoreOutage")
    if any(isinstance(cause, outage) for cause in causes):
        return "store"
    of_the_node = (*_OF_THE_NODE, _class("trainables.data.raw", "DataFormatError"))
    return "node" if any(isinstance(cause, of_the_node) for cause in causes) else "trial"


class _Never(Exception):
    """What nothing raises."""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _class(module: str, name: str) -> type[BaseException]:
    """A class of a module that may not be importable here; where it is not, it raised nothing."""
    kind: type[BaseException] = getattr(sys.modules.get(module), name, _Never)
    return kind


def failure(
    job: Job, error: Exception, place: Place = NOWHERE, started_at: str | None = None
) -> JobReport:
    """Write the failed record of a trial, and return what is told of it.

    `place` is where it ran, `started_at` since when, ISO 8601, where these are known.
    A fault of the node or the store has no record from here: the trial may succeed elsewhere, and
    the driver writes one when it gives up. Where the record cannot be written here (a full disk),
    the driver is still told, and writes it.
    """
    fault, notes = Fault.of(error, kind_of(error)), []
    if job.goal == "trial" and fault.kind == "trial":
        try:
            _write(job, fault, place, started_at)
        except Exception as second:  # the first fault must be told whatever the second is
            notes.append(f"the failed record could not be written: {second}")
    return JobReport("failed", notes=tuple(notes), fault=fault)


def _write(job: Job, fault: Fault, place: Place, started_at: str | None) -> None:
    from trainables.files import token
    from trainables.files.records import StudyFolder
    from trainables.jobs.job_record import failed_record

    since = {} if started_at is None else {"started_at": started_at}
    origin = {"host": socket.gethostname(), **place.known(), **since, "finished_at": now()}
    context = job.context
    folder, _ = token.stores(context.folder, context.store, context.token)
    StudyFolder(folder).write_record(failed_record(job, fault, origin))
