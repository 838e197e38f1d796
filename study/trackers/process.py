"""Trackers beside a run: `bimp track` in a process of its own, which nothing of the run waits for.

It reads the records as anybody may. A tracker that is out, slow or broken costs a sentence; what it
lacks is written by a later sweep, by the next run, or by `bimp track`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from trainables.files.storage import reason
from trainables.vocabulary.wording import counted, duration

EVERY_S: Final = 10.0
"""Least time between two sweeps; they are never more than a twentieth of a run's time either."""

LONGEST_S: Final = 600.0
"""A sweep that takes longer is ended: what it has written stays."""

LAST_S: Final = 120.0
"""How long the end of a run waits for its last sweep."""

_NICE: Final = 10


class Tracking:
    """Sweeps over a study folder while a run goes on, and once more at its end.

    `say` gets at most one warning per tracker. `whole` says whether records are whole as soon as
    they settle; where a run adds to them, only the last sweep writes. `verb` is how a sweep is
    started.
    """

    def __init__(
        self,
        location: str,
        targets: Mapping[str, str],
        say: Callable[[str], None],
        whole: bool = True,
        verb: Sequence[str] = (sys.executable, "-c", "from study.cli import main; main()"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._location, self._targets, self._say, self._whole = location, targets, say, whole
        options = [part for kind, target in targets.items() for part in (f"--{kind}", target)]
        own = ["--json", "--while", str(os.getpid())]
        self._command = [*verb, "track", location, *options, *own]
        self._clock = clock
        self._process: subprocess.Popen[str] | None = None
        self._began, self._due, self._swept = 0.0, clock() + EVERY_S, 0
        self._warned: set[str] = set()

    def look(self, settled: int) -> None:
        """Start a sweep where one is due and trials have settled since the last; take its end."""
        if not self._targets:
            return
        now = self._clock()
        if self._process is not None:
            if self._process.poll() is not None:
                self._take(self._process)
            elif now - self._began > LONGEST_S:
                self._give_up(LONGEST_S)
        elif self._whole and settled > self._swept and now >= self._due:
            self._start(settled)

    def finish(self) -> None:
        """Write what is missing, for at most `LAST_S`."""
        if not self._targets:
            return
        end = self._clock() + LAST_S
        if self._process is None or self._waited(end):
            self._start(self._swept, nice=0)
            self._waited(end)

    def close(self) -> None:
        """End a sweep that is under way."""
        if self._process is not None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._process = None

    def _start(self, settled: int, nice: int = _NICE) -> None:
        self._began, self._swept = self._clock(), settled
        # Ctrl-C at the terminal is the run's: the sweep ends with its trial
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        except OSError as error:  # too many processes, or no memory for one more
            self._due = self._began + EVERY_S
            self._warn_of_all(f"the process that writes there cannot start ({reason(error)})")
            return
        if nice:  # the processors are the trials'
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, nice)

    def _waited(self, end: float) -> bool:
        """Wait for the sweep under way, and take its end; False where it has not ended by then."""
        if self._process is None:
            return False
        try:
            self._process.wait(max(0.0, end - self._clock()))
        except subprocess.TimeoutExpired:
            self._give_up(LAST_S)
            return False
        self._take(self._process)
        return True

    def _take(self, process: subprocess.Popen[str]) -> None:
        """Warn of what an ended sweep could not write."""
        text, _ = process.communicate()
        self._process = None
        now = self._clock()
        self._due = now + max(EVERY_S, 20 * (now - self._began))
        try:
            outcomes = json.loads(text)
        except ValueError:
            self._warn_of_all(f"the process that writes there ended with {process.returncode}")
            return
        for one in outcomes:
            if one["fault"]:
                missing = counted(one["missing"], "trial")
                self._warn(one["kind"], f"{one['fault']}; {missing} missing there")

    def _give_up(self, waited_s: float) -> None:
        self.close()
        self._due = self._clock() + LONGEST_S
        self._warn_of_all(f"it has taken more than {duration(waited_s)}")

    def _warn_of_all(self, reason: str) -> None:
        for kind in self._targets:
            self._warn(kind, reason)

    def _warn(self, kind: str, reason: str) -> None:
        if kind in self._warned:
            return
        self._warned.add(kind)
        self._say(
            f"warning: track.{kind} ({self._targets[kind]}) cannot be written: {reason}. The run"
            f" goes on; what is missing is tried again, and bimp track {self._location} writes it"
        )
