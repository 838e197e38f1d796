"""Run a study on Ray: what is wanted minus what is settled.

Everything the end of a run needs is checked before anything starts; then one `tune.Tuner` over
reused actors. Running again resumes, retries failures and adds what the study has gained.
"""

from __future__ import annotations

import io
import itertools
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from study.checks import readiness
from study.checks.batches import check_batches
from study.checks.cores import local_cpus
from study.checks.installed import require_quantiser
from study.checks.structures import refuse_empty_networks, uncut_in_words
from study.checks.user_code import LookedAt
from study.definition.locations import folder_of, held_study, opened, opened_store, store_of
from study.definition.own_code import LOOKS
from study.definition.studyfile import StudyFile
from study.driver import ray_session
from study.driver.head import ClusterWatch
from study.driver.progress import Display, display
from study.driver.ray_session import Machines
from study.driver.run_end import (
    AGAIN,
    ClusterLost,
    RunEnd,
    cluster_lost,
    ends_as_interrupts,
)
from study.driver.run_lease import refuse_another_run
from study.driver.run_summary import RunSummary
from study.driver.work import Ground, Work
from study.machines.first_look import RAY_IS_UP
from study.machines.slots import Slots, fixed, following
from study.points.resolved_study import Earlier, ResolvedStudy
from study.trackers.process import Tracking
from study.views.intentions import older_code, older_revisions, other_files, sentences
from trainables.files import token
from trainables.files.leases import Leases
from trainables.files.outages import PatientFolder, StoreOutage
from trainables.files.progress import RUN_LEASE
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder, open_folder
from trainables.jobs.job import Context
from trainables.jobs.provenance import git_commit, versions
from trainables.vocabulary import packages
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.schema import DEPLOYED
from trainables.vocabulary.wording import counted
from trainables.waiting.patience import AT_START, Patience


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
        self._patient = PatientFolder(self.folder.folder, AT_START)  # longer for a run, see `go`
        self.store_location = store_of(self.study, self.folder)
        self.store: Folder = opened_store(self.study, self.store_location)
        self._run_lease = Leases(self.folder.folder)
        self._token = token.new_token()
        self._at_work: Work | None = None

    def check_before(self, address: str | None) -> None:
        """Check folders, data and, without a cluster, this machine."""
        require_quantiser(self.study)
        configs = self.resolved.representatives
        readiness.check_words((self.folder.location, self.store_location, *sys.argv))
        readiness.check_folder(self.folder.location, "--out")
        if self.study.stage_store:
            readiness.check_folder(self.store_location, "stage_store")
        self.study.track.require_packages()
        refuse_another_run(self._patient, Leases(self._patient))
        self.before = self._study_before()
        if address is None and not ray_session.is_up():
            gpus = readiness.local_gpus() if self.study.resources.gpus else 0
            readiness.check_resources(self.study, local_cpus(), gpus, "this machine")
        readiness.check_data(configs, self.study)
        readiness.check_models(configs)
        check_batches(configs)
        readiness.check_exclusions(configs)
        uncut_in_words(self.resolved)  # refuses a structure that divides no weight
        refuse_empty_networks(self.resolved)

    def _study_before(self) -> StudyFile | None:
        """The study as it was when the folder was last run; another study's folder is refused."""
        try:
            text = self._patient.read("study.yaml").decode()
        except FileNotFoundError:
            return None
        before = held_study(text, self.folder.location, "--out")
        if before.name != self.study.name:
            raise Refusal(
                f"--out must be a folder of the study {self.study.name},"
                f" got {self.folder.location}, which holds {before.name}"
            )
        return before

    def go(self, address: str | None, screen: Display) -> RunSummary:
        """Start Ray and run; the folder is marked as in use meanwhile.

        A folder that is out for a while is waited for. Refusal where nothing was trained because no
        node has what a trial needs.
        """
        self._patient = _patiently(self.folder.folder, self.study, screen)
        tracking = self._tracking(screen)
        Leases(self._patient).beat(RUN_LEASE)
        started = time.monotonic()
        try:
            earlier = self._earlier(screen)
            standing = self.resolved.standing(earlier.records)
            if standing.settled < standing.wanted and address is None and not ray_session.is_up():
                # Only now: it imports torch, for which a settled study has no use.
                readiness.check_memory(self.resolved.representatives, readiness.local_memory())
            for sentence in sentences(self.before, self.study, standing):
                screen.say(sentence)
            code, records = self.resolved.code, earlier.records
            kept = (older_code(code, records), other_files(code, records), older_revisions(records))
            for sentence in itertools.chain(*kept):
                screen.say(sentence)
            if standing.settled >= standing.wanted:
                self._write_study()
                tracking.finish()
                return self._summary(started, earlier=earlier)
            try:
                work = self._work(earlier, address, screen, tracking)
            except ClusterLost as loss:
                return self._summary(started, self._at_work, earlier, loss.end)
            if work.end is not None and work.end.cause == "nodes" and not work.tally.ended:
                raise Refusal(work.end.sentence)
            tracking.finish()
            return self._summary(started, work)
        except StoreOutage as outage:
            return self._unread_summary(started, RunEnd("store", str(outage)))
        finally:
            tracking.close()
            screen.close()
            self._leave()

    def _tracking(self, screen: Display) -> Tracking:
        """Its trackers; records to which a search adds what it measures are whole at the end."""
        search = self.study.search
        whole = not any(name in DEPLOYED for name in (*search.objectives, *search.constraints))
        targets = self.study.track.absolute().targets
        return Tracking(self.folder.location, targets, screen.say, whole)

    def _leave(self) -> None:
        """Take away what says that this run is at work, where that can be done."""
        with suppress(OSError):
            self._run_lease.release(RUN_LEASE)
        for folder in self._token_folders():
            with suppress(OSError):
                token.take_away(folder, self._token)

    def _token_folders(self) -> list[Folder]:
        places = token.places(self.folder.location, self.store_location)
        return [open_folder(location) for location in places.values()]

    def _leave_token(self, screen: Display) -> None:
        """Write what workers know the folders by; those of drivers that were killed go."""
        token.take_away(self._patient)
        for folder in self._token_folders():
            token.leave(_patiently(folder, self.study, screen), self._token)
        folder, _ = token.stores(self.folder.location, self.store_location, self._token)
        self._patient = _patiently(folder, self.study, screen)  # one that is gone is not empty

    def _work(
        self, earlier: Earlier, address: str | None, screen: Display, tracking: Tracking
    ) -> Work:
        """Make what is missing on Ray."""
        cpus = local_cpus()
        gpus = readiness.local_gpus() if self.study.resources.gpus else 0
        with ExitStack() as stack:
            watch = stack.enter_context(ClusterWatch())
            machines = stack.enter_context(ray_session.session(address, cpus, gpus))
            lost = cluster_lost(machines.head)
            watch.look_at(
                machines.head,
                on_loss=lambda: self._lose_cluster(lost),
                farewell=lambda: self._farewell(lost),
            )
            stack.enter_context(watch.judging(lost))
            if address is None:
                readiness.check_resources(self.study, *machines.largest, "this Ray's nodes")
            measuring_node = ray_session.node_named(self.study.search.measure_on)
            self._write_study()  # a cluster that cannot be reached leaves the folder as it was
            self._leave_token(screen)
            left_out = {} if address is None else self._look_at_nodes(earlier, screen)
            slots = self._slots(machines, address)
            self._say_machines(machines, slots(), address, screen)
            ground = self._ground(measuring_node, left_out)
            work = self._at_work = Work(ground, earlier, slots, screen, tracking.look)
            stack.enter_context(ends_as_interrupts())
            work.fit()
        return work

    def _look_at_nodes(self, earlier: Earlier, screen: Display) -> dict[str, str]:
        """Say what nodes of the cluster lack, and return those that get no trials, with the reason;
        Refusal where none can run a trial."""
        from study.machines import cluster_check
        from study.machines.node_rows import fault_lines

        def store_answers() -> None:
            for folder in self._token_folders():
                token.probe(_patiently(folder, self.study, screen))

        question = cluster_check.inspection(
            self.context(), self.resolved.representatives, earlier.records
        )
        cpus = self.study.resources.cpus * self.study.processes
        rows = cluster_check.rows_seen_twice(question, cpus, store_answers)
        for line in fault_lines(rows):
            screen.say(line)
        cluster_check.require_a_node(rows)
        left_out = cluster_check.left_out(rows)
        if left_out:
            hosts = ", ".join(row.host for row in rows if row.node in left_out)
            screen.say(f"note: {counted(len(left_out), 'node')} left out of this run: {hosts}")
        return left_out

    def _lose_cluster(self, lost: RunEnd) -> None:
        if self._at_work is not None:
            self._at_work.lose_cluster(lost)

    def _farewell(self, lost: RunEnd) -> None:
        """Say why the run ends, where Ray lets the process do no more than that."""
        self._leave()
        if (work := self._at_work) is not None:
            print(f"{work.tally.settled} of {work.tally.wanted} trials are settled")
        print(f"{lost.sentence}; {AGAIN}")

    def _earlier(self, screen: Display) -> Earlier:
        reading = StudyFolder(self._patient).records()
        for warning in reading.warnings:
            screen.say(f"warning: {warning}")
        earlier = self.resolved.earlier(self._patient, reading.records)
        for warning in earlier.warnings:
            screen.say(f"warning: {warning}")
        return earlier

    def _slots(self, machines: Machines, address: str | None) -> Slots:
        """How many trials are out at once."""
        resources = self.study.resources
        if address is None:
            return fixed(readiness.slots(self.study, machines.cpus, machines.gpus))
        if resources.max_concurrent:
            return fixed(resources.max_concurrent)
        from study.driver.cluster import Cluster

        cluster = Cluster(resources.cpus * self.study.processes, resources.gpus)
        return following(cluster.room, most=max(1, self.resolved.n_trials))

    def _say_machines(
        self, machines: Machines, slots: int, address: str | None, screen: Display
    ) -> None:
        screen.say(
            f"{RAY_IS_UP}{counted(machines.nodes, 'node')},"
            f" {machines.cpus:g} CPUs, {machines.gpus:g} GPUs; {slots} trials at once"
        )
        trial = self.study.resources
        cpus = trial.cpus * self.study.processes
        if not machines.fits(cpus, trial.gpus):
            screen.say(
                f"no node offers {cpus} CPUs and {trial.gpus:g} GPUs now, as a trial"
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
        if self.study.track.targets:
            raw["track"] = self.study.track.absolute().targets
        text = io.BytesIO()
        YAML(typ="safe", pure=True).dump(raw, text)
        self._code.keep(self._patient)
        if self._code.known.looks:
            self._patient.write(LOOKS, self._code.known.encode())
        self._patient.write("study.yaml", text.getvalue())
        if self.store_location != self.folder.folder.child("stages").location:
            patience = Patience(self.study.resources.store_patience)
            token.sign(PatientFolder(self.store, patience), self.folder.location)

    def _ground(
        self, measuring_node: str | None = None, left_out: Mapping[str, str] | None = None
    ) -> Ground:
        folder, store = token.stores(self.folder.location, self.store_location, self._token)
        return Ground(
            self.resolved,
            StudyFolder(folder),
            store,
            self.context(),
            Leases(folder),
            measuring_node,
            left_out or {},
        )

    def context(self) -> Context:
        """What all jobs of the run share."""
        return Context(
            study=self.study.name,
            folder=self.folder.location,
            store=self.store_location,
            data_root=str(self.study.data.folder),
            cpus=self.study.resources.cpus,
            gpus=self.study.resources.gpus,
            checkpoint_s=self.study.resources.checkpoint_s,
            git_commit=git_commit(),
            loader_processes=self.study.data.processes,
            memory=self.study.data.memory,
            token=self._token,
            store_patience=self.study.resources.store_patience,
            versions=versions(),
        )

    def _unread_summary(self, started: float, end: RunEnd, work: Work | None = None) -> RunSummary:
        """The summary of a run whose folder cannot be read: what the driver itself has counted."""
        return RunSummary(
            folder=self.folder.location,
            wanted=self.resolved.n_trials,
            settled=work.tally.settled - work.tally.failed if work else 0,
            failed=[],
            seconds=time.monotonic() - started,
            seconds_to_first_result=None,
            notes=work.notes(started) if work else [],
            end=end,
            unread=True,
        )

    def _summary(
        self,
        started: float,
        work: Work | None = None,
        earlier: Earlier | None = None,
        end: RunEnd | None = None,
    ) -> RunSummary:
        """The summary of a run; `earlier` is what the folder holds where nothing was trained."""
        end = end or (work.end if work else None)
        if end is not None and end.cause == "store":
            return self._unread_summary(started, end, work)
        if earlier is None or work is not None:
            held = StudyFolder(self._patient).records().records
            earlier = self.resolved.earlier(self._patient, held)
        records = list(earlier.records)
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
            end=end,
        )


def _patiently(folder: Folder, study: StudyFile, screen: Display) -> PatientFolder:
    """The folder, waited for where it is out; for the start and the end of a run."""
    return PatientFolder(
        folder,
        Patience(study.resources.store_patience),
        lambda outage: screen.say(f"warning: {outage}; it is tried again"),
    )
