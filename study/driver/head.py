"""Whether Ray's head answers: at an address before a run, and beside the run as it goes on.

Ray itself tries an address for minutes, and says nothing meanwhile. And it ends the driver's
process, with dumps of its own, a minute after it has lost its head, and at once where it comes upon
a new head at the old address: the watch is quicker, in time for the run to end in a sentence.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, Self

from study.driver.run_end import ClusterLost, RunEnd
from trainables.files.storage import reason
from trainables.vocabulary.refusal import Refusal

EVERY_S: Final = 0.5
PATIENCE_S: Final = 30.0
"""How long a head may be silent: one that comes back within it is the same to the run."""

ENDED_S: Final = 0.5
"""How long its machine may refuse: nothing listens there any more, since the head has ended. One
that is started anew knows nothing of this run."""

GRACE_S: Final = 15.0
"""How long a run may take to end by itself once its cluster is lost; calls to Ray may hang."""

SHORT_GRACE_S: Final = 1.5
"""The same where the head has ended: a new one may be there in seconds."""

LOST_STATUS: Final = 3


Answer = Literal["yes", "refused", "no"]


def answer_of(address: str, timeout_s: float = 5.0) -> Answer:
    """Whether something listens at host:port, or its machine says that nothing does."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s):
            return "yes"
    except ConnectionRefusedError:
        return "refused"
    except (OSError, ValueError):
        return "no"


def answers(address: str) -> bool:
    """Whether something listens at host:port."""
    return answer_of(address) == "yes"


class Silence:
    """How long something has not answered."""

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s, self._clock = patience_s, clock
        self._since: float | None = None

    def too_long(self, answered: bool) -> bool:
        """Note whether it answered now; return whether it has been silent for too long."""
        if answered:
            self._since = None
            return False
        now = self._clock()
        self._since = now if self._since is None else self._since
        return now - self._since >= self._patience_s


class ClusterWatch:
    """A thread that looks at Ray's head, from `look_at` until the context ends."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._leaving = threading.Event()
        self._head = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    @contextmanager
    def judging(self, lost: RunEnd) -> Iterator[None]:
        """Within this context what is raised while the head does not answer is `ClusterLost`; after
        it a head may end: the run ends its own."""
        try:
            yield
        except Exception as error:
            if not answers(self._head):
                raise ClusterLost(lost) from error
            self._leaving.set()
            raise
        except BaseException:
            self._leaving.set()
            raise
        self._leaving.set()

    def look_at(self, head: str, on_loss: Callable[[], None], farewell: Callable[[], None]) -> None:
        """Begin to look at the head at host:port.

        When it is lost `on_loss` is called, in the thread; where the context has not ended
        `GRACE_S` later, or `SHORT_GRACE_S` where its machine refuses, `farewell` is called and the
        process ends with exit status 3.
        """
        self._head = head
        threading.Thread(target=self._look, args=(head, on_loss, farewell), daemon=True).start()

    def _look(self, head: str, on_loss: Callable[[], None], farewell: Callable[[], None]) -> None:
        silence, refusal = Silence(PATIENCE_S), Silence(ENDED_S)
        while True:
            answer = answer_of(head)
            ended = refusal.too_long(answer != "refused" or self._leaving.is_set())
            if silence.too_long(answer == "yes") or ended:
                break
            if self._over.wait(EVERY_S):
                return
        on_loss()
        if not self._over.wait(SHORT_GRACE_S if ended else GRACE_S):
            farewell()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(LOST_STATUS)


ANSWER_S: Final = 20.0
"""How long a head may take to answer, Python's start and Ray's import included."""

_ASK = """
import sys, ray
try:
    ray._raylet.GcsClient(address=sys.argv[1])
except Exception as error:
    print(" ".join(str(error).split()))
"""


def require_head(address: str) -> None:
    """Refuse an address at which no Ray head answers.

    What has no host and port yet (`auto` where there is no Ray) is left for Ray to refuse. The
    asking is done in a process of its own, which can be ended when it takes too long, and whose
    dumps nobody sees.
    """
    if "://" in address:
        raise Refusal(f"--address must be host:port or auto, got {address}")
    place = _host_and_port(address)
    if place is None:
        return
    _require_listener(address, place)
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK, place],
            timeout=ANSWER_S, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        _require_listener(address, place)  # it may have ended meanwhile
        raise _no_head(address) from None
    except OSError as error:
        rule = "must be asked by a process of its own whether it is a Ray cluster"
        raise Refusal(f"--address {rule}, got one that cannot start ({reason(error)})") from error
    if answer := asked.stdout.strip():
        raise _no_head(address, f": {answer}")


def _require_listener(address: str, place: str) -> None:
    if not answers(place):
        why = "nothing listens" if _is_known(place.rpartition(":")[0]) else "no such host"
        raise Refusal(f"--address must be a running Ray cluster, got {address} ({why})")


def _no_head(address: str, answer: str = "") -> Refusal:
    return Refusal(
        f"--address must be a running Ray cluster, got {address} (what listens there is no Ray"
        f" head; its port is 6379 unless `ray start` was told another{answer})"
    )


def _is_known(host: str) -> bool:
    """Whether a host has an address."""
    try:
        return bool(socket.getaddrinfo(host.strip("[]"), None))
    except (OSError, UnicodeError):
        return False


def _host_and_port(address: str) -> str | None:
    from ray._private.services import canonicalize_bootstrap_address

    try:
        place: str | None = canonicalize_bootstrap_address(address)
    except Exception:  # whatever Ray cannot make sense of, it refuses itself
        return None
    return place
