"""The processes that train one trial together, on one machine, and what passes between them.

Rank 0 leads. It alone reads clocks and files, holds the optimiser and what a method learns, and
decides what is next; the others do what it orders. So no two of them can decide differently, and a
method or an optimiser of the user's never learns that there is more than one process.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.distributed as dist
from torch import Tensor

if TYPE_CHECKING:
    from torch._C._distributed_c10d import TCPStore

HOST: Final = "127.0.0.1"
START_S: Final = 600.0
"""How long a process may take to import what it needs and to join."""

_PATIENCE: Final = timedelta(days=7)
"""For orders. The others wait for them while rank 0 evaluates, prunes or waits for a store; one
that is lost is known at once, by its closed connection."""

JOIN_S: Final = 60.0
"""How long those who have all said that they are here may take to connect: one that is lost just
then has no connection yet by which the others would know."""

_ON_DEVICES: Final = timedelta(minutes=10)
"""For sums over GPUs, where the loss of a process is known by the time that passes alone."""

_LOOPBACK: Final = ("lo", "lo0")
_POLL_S: Final = 0.02


class RankLost(RuntimeError):
    """A process of a trial is gone. The trial goes on from its last state in fresh ones."""


class Order(IntEnum):
    """What rank 0 tells the others to do next."""

    END = 0
    JOB = 1
    STAGE = 2
    STEP = 3
    EVALUATION = 4


@dataclass(frozen=True)
class Told:
    """An order: the number of a step, the factor of its loss (fp16 alone), whether masks are
    compared, and what goes with a job, a stage or an evaluation."""

    order: Order
    step: int = 0
    scale: float = 1.0
    compares: bool = False
    message: Mapping[str, Any] = field(default_factory=dict)


class Ranks:
    """The processes of one trial as one of them sees them: `rank` in 0..`size` - 1.

    Every method is a collective: rank 0 calls it, and the others do at the same place. All raise
    RankLost where a process is gone.
    """

    def __init__(self, store: TCPStore, rank: int, size: int, device: torch.device) -> None:
        for name in {name for _, name in socket.if_nameindex()}.intersection(_LOOPBACK):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)  # all are on one machine
        self.rank, self.size, self.device = rank, size, device
        self._sums: Any = None  # the group of all, over gloo
        with _lost():
            joining = timedelta(seconds=JOIN_S)
            dist.init_process_group(
                "gloo", store=store, rank=rank, world_size=size, timeout=joining
            )
            _set_timeout(_PATIENCE)
            if device.type == "cuda":
                self._sums = dist.new_group(backend="nccl", timeout=_ON_DEVICES)

    @classmethod
    def joining(cls, port: int, rank: int, size: int, device: torch.device) -> Ranks:
        """Return the ranks as seen by one that rank 0 waits for at a port of this machine."""
        with _lost():
            store = _store(port, size)
            store.set(_name(rank), "here")
        return cls(store, rank, size, device)

    def tell(
        self,
        order: Order,
        message: Mapping[str, Any] | None = None,
        *,
        step: int = 0,
        scale: float = 1.0,
        compares: bool = False,
    ) -> None:
        """Give an order, from rank 0; `message` is plain data."""
        text = b"" if message is None else json.dumps(message).encode()
        head = torch.tensor([order, step, scale, compares, len(text)], dtype=torch.float64)
        with _lost():
            dist.broadcast(head, 0)
            if text:
                dist.broadcast(torch.frombuffer(bytearray(text), dtype=torch.uint8), 0)

    def listen(self) -> Told:
        """Wait for rank 0's next order."""
        head = torch.empty(5, dtype=torch.float64)
        with _lost():
            dist.broadcast(head, 0)
            order, step, scale, compares, n_bytes = head.tolist()
            text = torch.empty(int(n_bytes), dtype=torch.uint8)
            if n_bytes:
                dist.broadcast(text, 0)
        message = json.loads(bytes(text.numpy())) if n_bytes else {}
        return Told(Order(int(order)), int(step), scale, bool(compares), message)

    def spread_(self, tensor: Tensor) -> None:
        """Put rank 0's values into the tensor of every rank."""
        with _lost():
            dist.broadcast(tensor, 0, group=self._sums)

    def add_(self, tensor: Tensor) -> None:
        """Replace the tensor of every rank by the sum over the ranks."""
        with _lost():
            dist.all_reduce(tensor, group=self._sums)

    def add_to_first_(self, tensor: Tensor) -> None:
        """Replace rank 0's tensor by the sum over the ranks; those of others are spent."""
        with _lost():
            dist.reduce(tensor, 0, group=self._sums)

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks at rank 0, in their order; nothing at the others.

        They travel as pickles, as items do from a loader's processes; tensors must be on the CPU.
        """
        values: list[Any] | None = [None] * self.size if self.rank == 0 else None
        with _lost():
            dist.gather_object(value, values)
        return values or []

    def dissenting(self, number: int) -> list[int]:
        """Return the ranks whose number differs from rank 0's, the same list on every rank."""
        numbers = torch.zeros(self.size, dtype=torch.int64)
        numbers[self.rank] = number
        with _lost():
            dist.all_reduce(numbers)
        return [rank for rank, other in enumerate(numbers.tolist()) if other != numbers[0]]

    def close(self) -> None:
        """Part from the others, also where some are gone."""
        with suppress(RuntimeError, ValueError, AssertionError):
            dist.destroy_process_group()


def leading(
    size: int, device: torch.device, start: Callable[[int], None], check: Callable[[], None]
) -> Ranks:
    """Return the ranks as rank 0 sees them, once all have joined.

    `start` is called with the port at which they are waited for and starts the others; `check` is
    called meanwhile and raises what ended one of them. RankLost for one that never joins.
    """
    server = socket.create_server((HOST, 0))
    port = server.getsockname()[1]
    with _lost():
        store = _store(port, size, server.detach())
    start(port)
    deadline = time.monotonic() + START_S
    while not store.check([_name(rank) for rank in range(1, size)]):
        check()
        if time.monotonic() > deadline:
            raise RankLost(f"the processes of a trial must join within {START_S:.0f} s, got fewer")
        time.sleep(_POLL_S)
    return Ranks(store, 0, size, device)


def _store(port: int, size: int, listening: int | None = None) -> TCPStore:
    """Where the ranks find each other: kept by rank 0, which listens already, asked by others."""
    from torch._C._distributed_c10d import TCPStore  # not in every build of torch

    leads = listening is not None
    return TCPStore(
        HOST, port, size, is_master=leads, wait_for_workers=False, master_listen_fd=listening
    )


def _set_timeout(timeout: timedelta) -> None:
    """How long the group of all waits from now on."""
    if hasattr(dist, "set_timeout"):
        dist.set_timeout(timeout)
    else:  # its name before torch 2.14
        from torch.distributed.distributed_c10d import _set_pg_timeout

        _set_pg_timeout(timeout)


def _name(rank: int) -> str:
    return f"rank {rank}"


@contextmanager
def _lost() -> Iterator[None]:
    """Within this context what torch says of a broken connection is a RankLost."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RankLost(f"a process that trains this trial was lost ({reason})") from error
