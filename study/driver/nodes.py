"""What becomes of an assignment that failed by a fault of its node or of the store.

A fault of the node is tried on another node, and a node with several in a row is left out while
there are others. A fault that comes again on another node is the trial's own. A passive object:
knows neither Ray nor files.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Set
from typing import Final, Literal

from trainables.jobs.job_report import Fault
from trainables.waiting.patience import Patience, Trouble

STRIKES: Final = 3
"""Faults in a row, each of another assignment, after which a node is left out."""

Verdict = Literal["final", "elsewhere", "later", "over"]
"""The assignment failed for good; is tried on another node; is tried again after a pause; or no
assignment of the run can be done, and the run is over."""


class Nodes:
    """The nodes' faults in one run, some of which are known before it: `left_out` with the reason.

    `offers` says whether some node beyond those given could take a trial; `store_answers` whether
    the driver itself can write to the store now.
    """

    def __init__(
        self,
        offers: Callable[[Set[str]], bool],
        store_answers: Callable[[], bool],
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self._offers, self._store_answers = offers, store_answers
        self._trouble = Trouble(patience, clock)
        self._strikes: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._failures: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.left_out = dict(left_out or {})
        """Nodes that get no more trials of this run, with their last fault."""

    def avoided(self, key: str) -> frozenset[str]:
        """Return the nodes on which an assignment shall not run."""
        return frozenset(self.left_out) | frozenset(self._failures.get(key, ()))

    @property
    def pause_s(self) -> float:
        """Seconds for which nothing is handed out, after a fault that waiting may mend."""
        return self._trouble.pause_s

    def did_well(self, key: str, node: str) -> None:
        """Note that an assignment ended well on a node: what it had before was not its fault."""
        self._strikes.pop(node, None)
        self._failures.pop(key, None)
        self._trouble.over()

    def verdict(self, key: str, fault: Fault, node: str) -> Verdict:
        """Return what becomes of an assignment that failed on a node; "" is an unknown one."""
        if fault.kind == "trial" or not node:
            return "final"
        if fault.kind == "store":
            return self._of_store(key, fault, node)
        if fault.of_all_trials and not self._store_answers():
            return "later"  # a folder that is gone is no node's fault
        if not fault.of_all_trials and self._came_again(key, fault, node):
            return "final"
        self._note(key, fault, node)
        if self._offers(self.avoided(key)):
            return "elsewhere"
        return "over" if fault.of_all_trials else "final"

    def _of_store(self, key: str, fault: Fault, node: str) -> Verdict:
        if not self._store_answers():
            return "later"
        self._note(key, fault, node)
        if self._offers(self.avoided(key)):
            return "elsewhere"
        self._failures.pop(key, None)  # wherever it was: nowhere else can it be tried
        self._trouble.failed()
        return "over" if self._trouble.spent else "later"

    def _came_again(self, key: str, fault: Fault, node: str) -> bool:
        """Whether an assignment failed alike elsewhere; those nodes' strikes by it are undone."""
        alike = {n for n, text in self._failures[key].items() if text == str(fault) and n != node}
        for other in alike:
            self._strikes[other].pop(key, None)
        return bool(alike)

    def _note(self, key: str, fault: Fault, node: str) -> None:
        self._failures[key][node] = str(fault)
        self._strikes[node][key] = str(fault)
        enough = fault.of_all_trials or len(self._strikes[node]) >= STRIKES
        if enough and self._offers(frozenset(self.left_out) | {node}):
            self.left_out[node] = str(fault)
