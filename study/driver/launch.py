"""Run a study on Ray: what is wanted minus what is settled.

Everything the end of a run needs is checked before anything starts; then one `tune.Tuner` over
reused actors. Running again resumes, retries failures and adds what the study has gained.
"""

from __future__ import annotations

import io
import time
from pathlib import Path

from study.checks import readiness
from study.checks.structures import uncut_in_words
from study.checks.user_code import LookedAt
from study.definition.locations import folder_of, opened, store_of
from study.definition.own_code import LOOKS
from study.definition.studyfile import StudyFile, read_yaml
from study.driver import ray_session
from study.driver.progress import Display, display
from study.driver.ray_session import Machines
from study.driver.run_lease import refuse_another_run
from study.driver.run_summary import RunSummary
from study.driver.work import Ground, Work
from study.points.resolved_study import Earlier, ResolvedStudy
from study.views.intentions import older_code, other_files, sentences
from trainables.files.leases import Leases
from trainables.files.progress import RUN_LEASE
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder
from trainables.jobs.job import Context
from trainables.jobs.provenance import git_commit
from trainables.vocabulary import packages
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.wording import counted

AUTOSCALING_SLOTS = 64
"""Trials that may be pending at once on a cluster whose size may grow."""


def run(
    resolved: ResolvedStudy,
    out: str | None = None,
    address: str | None = None,
    code: LookedAt | None = None,
) -> RunSummary:
    """Run what is wanted and not settled; Refusal, with nothing started, when a rule is broken."""
    if (sentence := packages.fault()) is not None:
        raise Refusal(sentence)
    resolved.check()
    launch = Launch(resolved, folder_of(resolved.study, out), code or LookedAt())
    launch.check_before(address)
    return launch.go(address, display())


class Launch:
    """One run of a study in its folder."""

    def __init__(self, resolved: ResolvedStudy, location: str, code: LookedAt) -> None:
        self.resolved, self.study, self._code = resolved, resolved.study, code
        opened(location, "--out")
        self.folder = StudyFolder(location)
        self.store_location = store_of(self.study, self.folder)
        self.store: Folder = opened(self.store_location, "stage_store")
        self._run_lease = Leases(self.folder.folder)

    def check_before(self, address: str | None) -> None:
        """Check folders, data and, without a cluster, this machine."""
        configs = self.resolved.representatives
        readiness.check_folder(self.folder.location, "--out")
        if self.study.stage_store:
            readiness.check_folder(self.store_location, "stage_store")
        refuse_another_run(self.folder.folder, self._run_lease)
        self.before = self._study_before()
        if address is None and not ray_session.is_up():
            gpus = readiness.local_gpus() if self.study.resources.gpus else 0
            readiness.check_resources(self.study, readiness.local_cpus(), gpus, "this machine")
        readiness.check_data(configs, self.study)
        readiness.check_models(configs)
        readiness.check_exclusions(configs)
        uncut_in_words(self.resolved)  # refuses a structure that divides no weight

    def _study_before(self) -> StudyFile | None:
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

    def go(self, address: str | None, screen: Display) -> RunSummary:
        """Start Ray and run; the folder is marked as in use meanwhile."""
        self._run_lease.beat(RUN_LEASE)
        started = time.monotonic()
        try:
            earlier = self._earlier(screen)
            standing = self.resolved.standing(earlier.records)
            for sentence in sentences(self.before, self.study, standing):
                screen.say(sentence)
            code, records = self.resolved.code, earlier.records
            for sentence in (*older_code(code, records), *other_files(code, records)):
                screen.say(sentence)
            if standing.settled >= standing.wanted:
                self._write_study()
                return self._summary(started)
            return self._summary(started, self._work(earlier, address, screen))
        finally:
            screen.close()
            self._run_lease.release(RUN_LEASE)

    def _work(self, earlier: Earlier, address: str | None, screen: Display) -> Work:
        """Make what is missing on Ray."""
        cpus = readiness.local_cpus()
        gpus = readiness.local_gpus() if self.study.resources.gpus else 0
        with ray_session.session(address, cpus, gpus) as machines:
            if address is None:
                readiness.check_resources(self.study, *machines.largest, "this Ray's nodes")
            self._write_study()  # a cluster that cannot be reached leaves the folder as it was
            slots = self._slots(machines, address)
            self._say_machines(machines, slots, address, screen)
            work = Work(self._ground(), earlier, slots, screen)
            work.fit()
        return work

    def _earlier(self, screen: Display) -> Earlier:
        reading = self.folder.records()
        for warning in reading.warnings:
            screen.say(f"warning: {warning}")
        return self.resolved.earlier(self.folder.folder, reading.records)

    def _slots(self, machines: Machines, address: str | None) -> int:
        """How many trials are out at once."""
        if address is None:
            return readiness.slots(self.study, machines.cpus, machines.gpus)
        return self.study.resources.max_concurrent or AUTOSCALING_SLOTS

    def _say_machines(
        self, machines: Machines, slots: int, address: str | None, screen: Display
    ) -> None:
        screen.say(
            f"Ray is up: {counted(machines.nodes, 'node')},"
            f" {machines.cpus:g} CPUs, {machines.gpus:g} GPUs; {slots} trials at once"
        )
        trial = self.study.resources
        if not machines.fits(trial.cpus, trial.gpus):
            screen.say(
                f"no node offers {trial.cpus} CPUs and {trial.gpus:g} GPUs now, as a trial"
                " asks (resources): waiting for the cluster to grow"
            )
        if address is not None and self.resolved.draws_blindly(slots):
            screen.say(
                f"note: up to {slots} trials are out at once, most of this search before"
                " anything is known; resources.max_concurrent sets how many"
            )

    def _write_study(self) -> None:
        from ruamel.yaml import YAML

        raw = self.study.raw()
        if self.study.stage_store:
            raw["stage_store"] = self.store_location  # readers may start in another folder
        text = io.BytesIO()
        YAML(typ="safe", pure=True).dump(raw, text)
        self._code.keep(self.folder.folder)
        if self._code.known.looks:
            self.folder.folder.write(LOOKS, self._code.known.encode())
        self.folder.folder.write("study.yaml", text.getvalue())

    def _ground(self) -> Ground:
        return Ground(self.resolved, self.folder, self.store, self.context(), self._run_lease)

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
            loader_processes=self.study.data.processes,
            memory=self.study.data.memory,
        )

    def _summary(self, started: float, work: Work | None = None) -> RunSummary:
        records = self.resolved.earlier(self.folder.folder, self.folder.records().records).records
        members = self.resolved.members(records)
        failed = [record for record in members if not record.settled]
        written = {record.fingerprint for record in records if record.settled}
        first = work.tally.first_result if work else None
        return RunSummary(
            folder=self.folder.location,
            wanted=self.resolved.n_trials,
            settled=len(members) - len(failed),
            failed=failed,
            seconds=time.monotonic() - started,
            seconds_to_first_result=None if first is None else first - started,
            notes=work.notes(started) if work else [],
            exhausted=work is not None and work.exhausted,
            lost=sorted(work.settled - written) if work else [],
            records=records,
        )
