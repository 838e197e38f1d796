"""What a job of `bimp submit` says of the nodes before its first trial.

A cluster's job server is reached over HTTP alone, so the nodes are looked at by the job itself, on
the head, as by any `bimp run --address`. Whoever submits waits for that, and hears its refusal.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.wording import in_one_line

RAY_IS_UP: Final = "Ray is up: "
"""How a run begins the line that it prints once the nodes were looked at."""

PATIENCE_S: Final = 600.0
"""How long the look is waited for; the job goes on whatever comes."""

_EVERY_S: Final = 0.5
_REFUSAL: Final = "bimp: "
_OF_RAY: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+\s+(?:DEBUG|INFO|WARNING)\s")
"""How lines of Ray's own log begin."""

_ENDED: Final = ("SUCCEEDED", "FAILED", "STOPPED")
"""Ray's words for a job that does nothing more."""

Outcome = Literal["at work", "over", "unknown"]
"""The nodes were looked at and trials run; the job has ended well; neither, after the patience."""


class JobServer(Protocol):
    """The part of `ray.job_submission.JobSubmissionClient` that tells of a job."""

    def get_job_info(self, job_id: str, /) -> Any:
        """Return how a job stands: `status`, `message`, `driver_exit_code`."""
        ...

    def get_job_logs(self, job_id: str, /) -> str:
        """Return what a job has printed so far."""
        ...


@dataclass(frozen=True)
class _State:
    """How a job stands: Ray's word for it, its exit status once it has one, and what it printed."""

    status: str
    message: str
    exit_status: int | None
    lines: list[str]

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


def first_look(
    server: JobServer,
    job: str,
    say: Callable[[str], object],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Wait until a job has looked at the nodes, and pass on to `say` each line that it prints.

    Refusal with the run's own sentence where it refused; SystemExit with its exit status where it
    ended otherwise without success.
    """
    end, n_said = clock() + PATIENCE_S, 0
    while True:
        state = _state(server, job)
        for line in state.lines[n_said:]:
            if not line.startswith(_REFUSAL):
                say(line)
            if line.startswith(RAY_IS_UP) and not state.ended:
                return "at work"
        n_said = len(state.lines)
        if state.ended:
            _raise_failure(state)
            return "over"
        if clock() >= end:
            return "unknown"
        pause(_EVERY_S)


def _state(server: JobServer, job: str) -> _State:
    """How a job stands. Its end is asked for before its lines, which are then whole."""
    try:
        info = server.get_job_info(job)
        text = server.get_job_logs(job)
    except (ConnectionError, OSError, RuntimeError) as error:
        raise Refusal(
            f"--address must answer while {job} looks at the nodes, got {in_one_line(error)};"
            f" the job may go on there"
        ) from error
    status = str(getattr(info.status, "value", info.status))
    lines = list(_whole_lines(text, status in _ENDED))
    return _State(status, info.message or "", info.driver_exit_code, lines)


def _whole_lines(text: str, ended: bool) -> Iterator[str]:
    """The lines of a log that are the run's own; the last one only once it is whole."""
    *whole, rest = text.split("\n")
    for line in (*whole, *([rest] if ended else [])):
        if line.strip() and not _OF_RAY.match(line):
            yield line.rstrip()


def _raise_failure(state: _State) -> None:
    """Raise what a job's end is worth to whoever waits for it; nothing where it ended well."""
    if state.status == "SUCCEEDED":
        return
    if state.status == "STOPPED":
        raise Refusal("the job must be left to look at the nodes, got stopped by somebody")
    refusals = [line for line in state.lines if line.startswith(_REFUSAL)]
    if refusals:
        raise Refusal(refusals[-1].removeprefix(_REFUSAL))
    if state.exit_status in (1, 3):  # of a run that has said what there is to say
        sys.exit(state.exit_status)
    reason = in_one_line(state.message) or f"exit status {state.exit_status}"
    raise Refusal(f"the cluster must be able to start `bimp run`, got {reason}")
