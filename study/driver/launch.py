"""Run a study on Ray: what is wanted minus what is settled.

Everything the end of a run needs is checked before anything starts; then one `tune.Tuner` over
reused actors. Running again resumes, retries failures and adds what the study has gained.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from study.checks import readiness
from study.definition.locations import folder_of, opened, store_of
from study.definition.space import Trial, blocks, check, grid_trials, representatives
from study.definition.studyfile import StudyFile, read_yaml
from study.driver import ray_session
from study.driver.progress import Display, Tally, display
from study.driver.run_lease import refuse_another_run
from study.driver.work import Ground, Work
from study.points.suggestions import taken_up
from study.views.standing import Standing, grid_standing, optuna_standing, own_records, sentences
from trainables.files.leases import Leases
from trainables.files.progress import RUN_LEASE
from trainables.files.records import Record, StudyFolder
from trainables.files.storage import Folder
from trainables.jobs.job import Context
from trainables.jobs.provenance import git_commit
from trainables.vocabulary.refusal import Refusal

AUTOSCALING_SLOTS = 64
"""Trials that may be pending at once on a cluster whose size may grow."""


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    `failed` are trials of the study; `exhausted` says that a search found no more points to try;
    `lost` are trials that workers say they settled, and whose records are not in the folder.
    """

    folder: str
    wanted: int
    settled: int
    failed: list[Record]
    seconds: float
    seconds_to_first_result: float | None
    notes: list[str] = field(default_factory=list)
    exhausted: bool = False
    lost: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every trial that there is to make is settled."""
        return (self.settled >= self.wanted or self.exhausted) and not (self.failed or self.lost)


def run(study: StudyFile, out: str | None = None, address: str | None = None) -> Summary:
    """Run what is wanted and not settled; Refusal, with nothing started, when a rule is broken."""
    check(study)
    launch = Launch(study, folder_of(study, out))
    launch.check_before(address)
    return launch.go(address, display())


class Launch:
    """One run of a study in its folder."""

    def __init__(self, study: StudyFile, location: str) -> None:
        self.study = study
        opened(location, "--out")
        self.folder = StudyFolder(location)
        self.store_location = store_of(study, self.folder)
        self.store: Folder = opened(self.store_location, "stage_store")
        self._run_lease = Leases(self.folder.folder)

    def check_before(self, address: str | None) -> None:
        """Check folders, data and, without a cluster, this machine."""
        configs = representatives(self.study)
        readiness.check_loadable(configs)
        readiness.check_folder(self.folder.location, "--out")
        if self.study.stage_store:
            readiness.check_folder(self.store_location, "stage_store")
        refuse_another_run(self.folder.folder, self._run_lease)
        self.before = self._earlier()
        if address is None:
            gpus = readiness.local_gpus() if self.study.resources.gpus else 0
            readiness.check_resources(self.study, readiness.local_cpus(), gpus, "this machine")
        readiness.check_data(configs, self.study)
        readiness.check_models(configs)

    def _earlier(self) -> StudyFile | None:
        """The study as it was when the folder was last run; another study's folder is refused."""
        try:
            text = self.folder.folder.read("study.yaml").decode()
        except FileNotFoundError:
            return None
        before = StudyFile.of(read_yaml(text, "study.yaml"))
        if before.name != self.study.name:
            raise Refusal(
                f"--out must be a folder of the study {self.study.name},"
                f" got {self.folder.location}, which holds {before.name}"
            )
        return before

    def go(self, address: str | None, shown: Display) -> Summary:
        """Start Ray and run; the folder is marked as in use meanwhile."""
        self._run_lease.beat(RUN_LEASE)
        started = time.monotonic()
        try:
            cpus = readiness.local_cpus()
            gpus = readiness.local_gpus() if self.study.resources.gpus else 0
            reading = self.folder.records()
            for warning in reading.warnings:
                shown.say(f"warning: {warning}")
            records, points = taken_up(self.study, self.folder.folder, reading.records)
            stands = self._standing(records)
            for sentence in sentences(self.before, self.study, stands):
                shown.say(sentence)
            if stands.settled >= stands.wanted:
                self._write_study()
                return self._summary(Tally(0, 0), started)
            with ray_session.session(address, cpus, gpus) as machines:
                self._write_study()  # a cluster that cannot be reached leaves the folder as it was
                if address is None:
                    room = readiness.slots(self.study, machines.cpus, machines.gpus)
                else:
                    room = self.study.resources.max_concurrent or AUTOSCALING_SLOTS
                shown.say(
                    f"Ray is up: {machines.nodes} node{'s' * (machines.nodes != 1)},"
                    f" {machines.cpus:g} CPUs, {machines.gpus:g} GPUs; {room} trials at once"
                )
                asked = self.study.resources
                if not machines.fits(asked.cpus, asked.gpus):
                    shown.say(
                        f"no node offers {asked.cpus} CPUs and {asked.gpus:g} GPUs now, as a trial"
                        " asks (resources): waiting for the cluster to grow"
                    )
                if address is not None and self._draws_blindly(room):
                    shown.say(
                        f"note: up to {room} trials are out at once, most of this search before"
                        " anything is known; resources.max_concurrent sets how many"
                    )
                work = Work(self._ground(), records, points, stands, room, shown)
                work.fit()
            return self._summary(work.tally, started, work)
        finally:
            shown.close()
            self._run_lease.release(RUN_LEASE)

    def _draws_blindly(self, room: int) -> bool:
        """Whether more than half of a search would be drawn before its first result."""
        search, seeds = self.study.search, len(self.study.search_seeds)
        if search.strategy == "grid" or search.sampler == "random":
            return False
        return 2 * room > len(blocks(self.study)) * (search.trials or 0) * seeds

    @cached_property
    def trials(self) -> list[Trial]:
        """The trials of a grid study."""
        return grid_trials(self.study)

    def _standing(self, records: Sequence[Record]) -> Standing:
        if self.study.search.strategy == "grid":
            return grid_standing(self.trials, records)
        keys = [block.key for block in blocks(self.study)]
        return optuna_standing(self.study, keys, records)

    def _write_study(self) -> None:
        import io

        from ruamel.yaml import YAML

        raw = self.study.raw()
        if self.study.stage_store:
            raw["stage_store"] = self.store_location  # readers may start in another folder
        text = io.BytesIO()
        YAML(typ="safe", pure=True).dump(raw, text)
        self.folder.folder.write("study.yaml", text.getvalue())

    def _ground(self) -> Ground:
        grid = self.study.search.strategy == "grid"
        trials = self.trials if grid else ()
        context, lease = self.context(), self._run_lease
        return Ground(self.study, self.folder, self.store, trials, context, lease)

    def context(self) -> Context:
        """What all jobs of the run share."""
        root = Path(self.study.data.root).expanduser().absolute()
        return Context(
            study=self.study.name,
            folder=self.folder.location,
            store=self.store_location,
            data_root=str(root),
            cpus=self.study.resources.cpus,
            gpus=self.study.resources.gpus,
            checkpoint_s=self.study.resources.checkpoint_s,
            git_commit=git_commit(),
        )

    def _summary(self, tally: Tally, started: float, work: Work | None = None) -> Summary:
        records, _ = taken_up(self.study, self.folder.folder, self.folder.records().records)
        wanted, own = own_records(self.study, records)
        failed = [record for record in own if not record.settled]
        written = {record.fingerprint for record in records if record.settled}
        return Summary(
            folder=self.folder.location,
            wanted=wanted,
            settled=len(own) - len(failed),
            failed=failed,
            seconds=time.monotonic() - started,
            seconds_to_first_result=tally.first_result and tally.first_result - started,
            notes=work.notes() if work else [],
            exhausted=work is not None and work.exhausted,
            lost=sorted(work.settled - written) if work else [],
        )
