"""What becomes of a fault: the failed record of the trial, and the report of it.

Whatever may itself be what cannot be imported is imported within; needs neither torch nor Ray.
"""

from __future__ import annotations

from trainables.jobs.job import Job
from trainables.jobs.job_report import Fault, JobReport


def failure(job: Job, error: Exception) -> JobReport:
    """Write the failed record of a trial, and return what is told of it.

    Where the record cannot be written here (a full disk, a library that cannot be imported), the
    driver is still told, and writes it.
    """
    fault, notes = Fault.of(error), []
    if job.goal == "trial":
        try:
            _write(job, fault)
        except Exception as second:  # the first fault must be told whatever the second is
            notes.append(f"the failed record could not be written: {second}")
    return JobReport("failed", notes=tuple(notes), fault=fault)


def _write(job: Job, fault: Fault) -> None:
    from trainables.files.records import StudyFolder
    from trainables.jobs.job_record import failed_record
    from trainables.jobs.provenance import now

    StudyFolder(job.context.folder).write_record(failed_record(job, fault, {"finished_at": now()}))
