"""What a search asks of a trial's network where it runs: measured once for each configuration.

`bimp bench` does it in a process of its own, since it runs the study's code: on the driver's node,
or on the one that the study names. Trials that train meanwhile on that node take their share of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from study.definition.search import Search
from trainables.files.latencies import Latency, read_latencies
from trainables.files.records import StudyFolder
from trainables.files.storage import reason
from trainables.files.trial_record import Record, RecordError
from trainables.vocabulary.schema import DEPLOYED

_FORMS = ("removed", "masked")
"""Which network is meant: without its zero filters, or as it is where none can be taken out."""

_BEAT_S = 2.0


class Deployments:
    """Measures what `DEPLOYED` names, keeps it in the trials' records, and remembers it.

    `idle` is called while a measurement goes on, `say` with what could not be measured. `node` is
    that of the cluster that measures; None for the driver's own.
    """

    def __init__(
        self,
        folder: StudyFolder,
        search: Search,
        idle: Callable[[], None],
        say: Callable[[str], None],
        node: str | None = None,
    ) -> None:
        self._folder, self._idle, self._say, self._node = folder, idle, say, node
        self.wanted = search.measures_networks
        self._known: dict[str, dict[str, float]] = {}

    def complete(self, records: Iterable[Record]) -> list[Record]:
        """Return records with their networks measured, as far as they are done; writes these."""
        return [self._complete(record) for record in records]

    def of(self, fingerprint: str) -> dict[str, float]:
        """Return what was measured of a trial that is done; {} where nothing could be."""
        if not self.wanted:
            return {}
        record = self._read(fingerprint)
        if record is None:
            return {}
        metrics = self._complete(record).metrics
        return {name: metrics[name] for name in DEPLOYED if name in metrics}

    def _complete(self, record: Record) -> Record:
        if not self.wanted or record.state != "done":
            return record
        key = json.dumps(record.config, sort_keys=True)
        own = {name: record.metrics[name] for name in DEPLOYED if name in record.metrics}
        if len(own) == len(DEPLOYED):
            self._known.setdefault(key, own)
            return record
        values = self._known.get(key) or self._measured(record.fingerprint)
        if not values:
            return record
        self._known[key] = values
        # as it is stored: one that several blocks asked for is handed out under each one's origin
        if (stored := self._read(record.fingerprint)) is not None:
            self._folder.write_record(replace(stored, metrics={**stored.metrics, **values}))
        return replace(record, metrics={**record.metrics, **values})

    def _read(self, fingerprint: str) -> Record | None:
        try:
            return self._folder.read_record(fingerprint)
        except RecordError:
            return None

    def _measured(self, fingerprint: str) -> dict[str, float]:
        code, message = self._bench(fingerprint)
        if code == 0:
            rows = read_latencies(self._folder.folder, fingerprint)
            return deployed_metrics(rows)
        self._say(f"warning: the network of {fingerprint} could not be measured: {message}")
        return {}

    def _bench(self, fingerprint: str) -> tuple[int, str]:
        """Run `bimp bench`; its exit status and the last line that it said."""
        arguments = [
            "bench", self._folder.location, "--trial", fingerprint, "--batch", "1",
            "--form", ",".join(_FORMS),
        ]  # fmt: skip
        if self._node is None:
            code, text = bimp(arguments, self._idle)
        else:
            code, text = _on_node(self._node, arguments, self._idle)
        lines = [line for line in text.splitlines() if line.strip()]
        return code, lines[-1] if lines else ""


def bimp(arguments: Sequence[str], idle: Callable[[], None] = lambda: None) -> tuple[int, str]:
    """Run the command in a process of its own; its exit status and what it said of faults."""
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", "from study.cli import main; main()", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:  # too many processes, or no memory for one more
        return 3, f"the process that measures cannot start ({reason(error)})"
    while True:
        try:
            _, text = process.communicate(timeout=_BEAT_S)
            return process.returncode, text
        except subprocess.TimeoutExpired:
            idle()


def _on_node(node: str, arguments: Sequence[str], idle: Callable[[], None]) -> tuple[int, str]:
    """`bimp` on a node of the cluster, which must reach the study folder as its workers do."""
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    task = ray.remote(num_cpus=0, max_retries=0)(bimp).options(scheduling_strategy=there)
    try:
        answer = task.remote(list(arguments))
        while not ray.wait([answer], timeout=_BEAT_S)[0]:
            idle()
        code, text = ray.get(answer)
    except RayError as error:
        return 3, f"node {node} did not measure it: {error}"
    return int(code), str(text)


def deployed_metrics(rows: Iterable[Latency]) -> dict[str, float]:
    """Return the metrics that `DEPLOYED` names, of the smaller network where there is one.

    Of one example in PyTorch on one thread of a processor; what was measured last counts.
    """
    of_form = {
        row.form: row
        for row in sorted(rows, key=lambda row: row.measured_at)
        if (row.backend, row.device, row.threads, row.batch) == ("torch", "cpu", 1, 1)
    }
    row = next((of_form[form] for form in _FORMS if form in of_form), None)
    if row is None or row.n_bytes is None:
        return {}
    return {"latency_ms": row.latency_ms, "network_bytes": float(row.n_bytes)}
