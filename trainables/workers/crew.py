"""The processes beside a worker that train its trials with it: started, and asked why one ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from trainables.jobs.job import Job
from trainables.jobs.job_report import Fault, Kind
from trainables.parallel.ranks import Order, RankLost, Ranks, leading

FAREWELL_S = 10.0
"""How long the others are waited for to say what ended them."""


class RankFault(RuntimeError):
    """What a process beside the worker came upon; recorded as if the worker had."""

    def __init__(self, rank: int, fault: Fault) -> None:
        super().__init__(f"at rank {rank} of the processes that train the trial: {fault}")
        self.kind: Kind = fault.kind
        self.__cause__ = RuntimeError(fault.traceback) if fault.traceback else None


class Others(Protocol):
    """Processes at ranks 1 and above, on this machine."""

    def start(self, port: int) -> None:
        """Start them; each calls `follower.follow` with the port, its rank and the job."""
        ...

    def ended(self, seconds: float) -> Mapping[int, str | None]:
        """Return, by rank, what `follow` returned of those that have ended, after at most some
        seconds of waiting for all; None for a process that is gone."""
        ...

    def close(self) -> None:
        """End those that are left."""
        ...


class Crew:
    """A worker at rank 0 and the others, ready to train."""

    def __init__(self, job: Job, others: Others) -> None:
        import torch

        self._others = others
        device = torch.device("cuda" if job.context.gpus else "cpu")
        try:
            self.ranks: Ranks = leading(job.processes, device, others.start, self._check)
        except BaseException:
            others.close()
            raise

    def _check(self) -> None:
        """Raise where one of the others has ended before it has joined."""
        if ended := self._others.ended(0.0):
            raise _reason(ended) or RankLost("a process that was to train this trial has ended")

    def explained(self, error: Exception) -> Exception:
        """Return what the others say of the loss of one of them; any other error as it is."""
        if not isinstance(error, RankLost):
            return error
        return _reason(self._others.ended(FAREWELL_S)) or error

    def close(self) -> None:
        """End the others."""
        with suppress(RankLost):
            self.ranks.tell(Order.END)
        self.ranks.close()
        self._others.close()


def _reason(ended: Mapping[int, str | None]) -> Exception | None:
    """What ended the first of the others that came upon something, else that one is gone."""
    for rank, text in sorted(ended.items()):
        if text:
            return RankFault(rank, Fault(**json.loads(text)))
    gone = [str(rank) for rank, text in sorted(ended.items()) if text is None]
    return RankLost(f"the process at rank {', '.join(gone)} was lost") if gone else None
