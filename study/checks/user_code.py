"""The user's code behind a study, looked at before anything starts, in a process of its own.

Here its files are found and hashed without being run; `trainables.tasks.check_process` imports them
from a copy, tries them and tells what only running them can tell.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.checks.installed import require_torch
from study.checks.trained_weights import (
    Named,
    WeightsFile,
    given_weights,
    keep_weights,
    located_weights,
    scratch_folder,
)
from study.definition.own_code import (
    NO_CODE,
    RECIPE,
    Look,
    Raw,
    StudyCode,
    free_keys,
    kept_code,
    names_code,
    own_folder,
    own_task,
    references,
    uses,
)
from study.definition.space import spaces
from study.definition.studyfile import StudyFile
from study.points.resolve import resolve
from study.points.resolved_study import ResolvedStudy
from trainables.code.copies import copy_name, keep
from trainables.code.digest import Declarations, UserCode, user_code
from trainables.code.import_path import ImportPath
from trainables.code.ledger import canonical, declare_same, read_ledger
from trainables.code.reference import Reference
from trainables.config.datasets import FolderParameters
from trainables.config.sections import DatasetChoice, Facts, TaskChoice
from trainables.config.settings import FactsMissing
from trainables.files.outages import PatientFolder
from trainables.files.storage import Folder, is_remote, reason
from trainables.files.trust import received
from trainables.vocabulary.refusal import Refusal
from trainables.waiting.patience import AT_START

LONGEST_S = 600.0
"""Seconds after which a check that has not ended is given up."""


@dataclass(frozen=True)
class LookedAt:
    """A study's code as it was just looked at: what is known of it, and its files.

    `weights` are files of trained weights.
    """

    known: StudyCode = NO_CODE
    files: UserCode | None = None
    weights: Sequence[WeightsFile] = ()

    def keep(self, folder: Folder) -> None:
        """Keep the files in a study folder, for its workers; nothing where there are none."""
        if self.files is not None:
            keep(self.files, folder.read, folder.write)
        keep_weights(self.weights, folder)


def look_at(
    study: StudyFile, folder: Folder, same_as: StudyCode | None = None, *, writes: bool = True
) -> LookedAt:
    """Return what is known of a study's code; Refusal for the first check that it fails.

    Runs the user's code, in a process of its own. With `same_as`, what a study folder knew before,
    the code is declared to compute the same as it did then, in the folder's ledger if it `writes`.
    """
    free = free_keys(every := spaces(study))
    distinct = uses(every, free)
    if not distinct:
        return LookedAt()
    for own in distinct.values():
        if own_task(own) is not None:
            TaskChoice.of(own["task"])
    _refuse_free_lengths(list(distinct.values()), free)
    surroundings = _Surroundings(study, folder)
    weights = {key: located_weights(own, surroundings.folders) for key, own in distinct.items()}
    tried = {key: own for key, own in distinct.items() if _has_to_run(own)}
    files = surroundings.user_code(list(tried.values())) if tried else None
    questions = [{**own, "checkpoints": _facts(weights[key])} for key, own in tried.items()]
    replies = _answers(files, questions, surroundings) if files else []
    answers = dict(zip(tried, replies, strict=True))
    for key, answer in answers.items():
        weights[key] |= given_weights(answer)
    identities = _Identities(surroundings, folder, same_as, writes)
    looks = {
        key: _look(
            answers.get(key, {}),
            files.digest if files and references(own) else None,
            identities.of(own),
            {**_folder_facts(own, surroundings.data_root), "checkpoints": _facts(weights[key])},
        )
        for key, own in distinct.items()
    }
    if study.data.memory == "on":
        _refuse_unkept(looks)
    return LookedAt(
        StudyCode(looks, free),
        files if files and files.files else None,
        [file for named in weights.values() for file in named.values()],
    )


def _refuse_unkept(looks: Mapping[str, Look]) -> None:
    """Refuse to keep items in memory that their data set makes in one step."""
    for look in looks.values():
        if parts := look.findings.get("undecoded"):
            key = min(look.facts.codes.keys() & {"task.use", "task.dataset"}, default="task.use")
            rule = f"must be auto or off where the data of {key} have no decode"
            got = f"on, which could keep nothing of {' and '.join(parts)}"
            raise Refusal(f"data.memory {rule}, got {got}")


def _facts(weights: Named) -> dict[str, dict[str, str]]:
    return {name: file.facts() for name, file in weights.items()}


def _has_to_run(own: Raw) -> bool:
    """Whether only running code tells what is asked."""
    return bool(references(own)) or RECIPE in own or own_task(own) is not None


def opened_study(
    study: StudyFile, out: str | None, *, same_code: bool = False, writes: bool = True
) -> tuple[ResolvedStudy, LookedAt]:
    """Return what follows from a study for its folder, its user's code looked at.

    Refusal for what is wrong with that code. `same_code` declares that it computes what the code
    computed that the folder was last run with; without `writes` it only counts so.
    """
    if not names_code(study):
        if same_code:
            raise Refusal("--same-code must be given for a study of your own code, got none")
        return resolve(study), LookedAt()
    from study.definition.locations import folder_of, lies_in_its_folder, opened

    if not writes and lies_in_its_folder(study):
        return _kept_study(study), LookedAt()
    folder = PatientFolder(opened(folder_of(study, out), "--out"), AT_START)
    before = kept_code(folder.read)
    if same_code and not before.looks:
        rule = "must be given for a folder that was run with other code before"
        raise Refusal(f"--same-code {rule}, got {folder.location}, which knows of none")
    code = look_at(study, folder, before if same_code else None, writes=writes)
    return resolve(study, code.known), code


def _kept_study(study: StudyFile) -> ResolvedStudy:
    """What follows from a study in its study folder, by what that knows of the code behind it.

    That code may be anybody's: reading a folder runs none of it.
    """
    code = kept_code(received(str(study.origin)).read)
    try:
        resolved = resolve(study, code)
        resolved.check()
    except FactsMissing as error:
        lacking: Exception = error
    except Refusal as error:
        if code.looks:
            raise
        lacking = error  # a rule may hang on what is not known
    else:
        return resolved
    rule = "must not lie in a study folder that does not say what its code is like"
    raise Refusal(
        f"STUDY {rule}, got {study.origin}: plan would run that code; copy the file out of there if"
        " you trust it"
    ) from lacking


class _Surroundings:
    """Where the user's code and its data lie."""

    def __init__(self, study: StudyFile, folder: Folder) -> None:
        self.folders = list(dict.fromkeys([study.origin, Path.cwd()]))
        self.data_root = study.data.folder
        self._results = [] if is_remote(folder.location) else [Path(folder.location)]
        self._path = ImportPath(self.folders)

    def user_code(self, used: Sequence[Raw], which: Sequence[Reference] = ()) -> UserCode:
        """The files behind some references, behind all of them unless told otherwise."""
        named = which or [r for own in used for r in references(own).values()]
        return user_code(named, self._path, self._declared(used))

    def _declared(self, used: Sequence[Raw]) -> Declarations:
        tasks = [own["task"] for own in used if "task" in own]
        patterns = sorted({pattern for task in tasks for pattern in task.get("files", ())})
        versions = sorted({str(task["version"]) for task in tasks if "version" in task})
        if len(versions) > 1:
            raise Refusal(f"task.version must be one for the study, got {', '.join(versions)}")
        return Declarations(patterns, versions[0] if versions else None, self._results)


class _Identities:
    """What trials hash of the code behind each reference: the oldest that counts as the same."""

    def __init__(
        self,
        surroundings: _Surroundings,
        folder: Folder,
        same_as: StudyCode | None,
        writes: bool,
    ) -> None:
        self._surroundings, self._folder, self._writes = surroundings, folder, writes
        self._ledger = read_ledger(folder.read)
        before = same_as.looks.values() if same_as is not None else ()
        self._before = {k: code for look in before for k, code in look.facts.codes.items()}
        self._known: dict[tuple[str, str, str], str] = {}

    def of(self, own: Raw) -> dict[str, str]:
        """The identities of the code that some own sections name, by key of the study file."""
        return {key: self._identity(key, r, own) for key, r in references(own).items()}

    def _identity(self, key: str, reference: Reference, own: Raw) -> str:
        """Files and a version that a study declares are those of its task."""
        mine = [own] if key.startswith("task.") else []
        place = (key, str(reference), json.dumps(mine, sort_keys=True, default=str))
        if place not in self._known:
            code = self._surroundings.user_code(mine, [reference])
            self._known[place] = self._canonical(key, code.identity)
        return self._known[place]

    def _canonical(self, key: str, identity: str) -> str:
        before = self._before.get(key)
        if before is not None and canonical(identity, self._ledger) != before:
            write = self._folder.write if self._writes else _nothing
            self._ledger = declare_same(before, identity, self._folder.read, write)
        return canonical(identity, self._ledger)


def _nothing(_name: str, _data: bytes) -> None:
    """Writes nothing: for looking at what would be."""


def _refuse_free_lengths(used: Sequence[Raw], free: frozenset[str]) -> None:
    """Refuse a range for what decides how many examples there are, which is looked up once."""
    if not any(own_folder(own) is not None for own in used):
        return
    for key in sorted(free):
        section, _, leaf = key.rpartition("task.dataset.")
        if not section and leaf.partition(".")[0] in FolderParameters.LENGTHS:
            rule = "must be fixed, or listed in grid or choice, for it decides what there is"
            raise Refusal(f"{key} {rule}, got a range")


def _folder_facts(own: Raw, root: Path) -> dict[str, Any]:
    """What only its files know of a data set of the catalog; nothing where there is none."""
    choice = own_folder(own)
    if choice is None:
        return {}
    from trainables.data.sources import facts_of

    named = DatasetChoice.of(choice)
    try:
        return facts_of(named.name, named.parameters, root)
    except (OSError, ValueError) as error:
        raise Refusal(str(error)) from error


def _look(
    answer: Mapping[str, Any],
    copy_digest: str | None,
    codes: Mapping[str, str],
    files: Mapping[str, Any],
) -> Look:
    task, method = answer.get("task") or {}, answer.get("method") or {}
    optimiser = answer.get("optimiser") or {}
    findings = task.get("findings", {})
    lengths = findings.get("lengths", {})
    known = {
        **{f"n_{part}": lengths.get(part) for part in ("train", "val", "test")},
        "n_batches": findings.get("n_batches"),
        "in_shape": task.get("in_shape"),
        "n_classes": task.get("n_classes"),
        "declared": task.get("declared", {}),
        "codes": codes,
        "copy_digest": copy_digest,
        "controls_sparsity": method.get("controls_sparsity", False),
        "structures": method.get("structures", ("weights",)),
        "needs": method.get("needs", ()),
        "takes_decay": optimiser.get("takes_decay", True),
        "smooths": task.get("smooths", False),
        "defaults": task.get("defaults", {}),
        "listings": _of_files(task, "listing"),
        "left_out": _of_files(task, "left_out"),
    }
    facts = Facts.model_validate({**known, **files})
    return Look(facts, task.get("given"), method.get("given"), optimiser.get("options"), findings)


def _of_files(task: Mapping[str, Any], what: str) -> dict[str, Any]:
    """What the splits of a whole task say of the files behind it, by key, where they do."""
    finding = task.get("findings", {}).get(what)
    return {"task.use": finding} if finding and "use" in task["given"] else {}


def _answers(
    code: UserCode, used: Sequence[Raw], surroundings: _Surroundings
) -> list[Mapping[str, Any]]:
    """Run the check process on a copy of the code, and return an answer for each use."""
    require_torch("task must be tried")
    with _local_copy(code) as copy:
        request, answer = copy.parent / "request.json", copy.parent / "answer.json"
        question = {
            "copy": str(copy),
            "origins": {position: str(file.path) for position, file in code.files.items()},
            "folders": [str(folder.absolute()) for folder in surroundings.folders],
            "root": str(surroundings.data_root),
            "weights": str(scratch_folder()),
            "looks": list(used),
        }
        request.write_text(json.dumps(question, default=str), encoding="utf-8")
        ended = _run([str(request), str(answer)])
        if not answer.exists():
            last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
            rule = "must be checked without ending the process"
            raise Refusal(f"task {rule}, got exit status {ended.returncode}: {last}")
        reply = json.loads(answer.read_text(encoding="utf-8"))
    if "refusal" in reply:
        raise Refusal(reply["refusal"])
    return list(reply["looked_at"])


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainables.tasks.check_process", *arguments]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        rule = f"must be checked within {LONGEST_S:.0f} s"
        raise Refusal(f"task {rule}, got no end: its splits, model or score takes longer") from None
    except OSError as error:
        rule = "must be checked in a process of its own"
        raise Refusal(f"task {rule}, got one that cannot start ({reason(error)})") from error


@contextmanager
def _local_copy(code: UserCode) -> Iterator[Path]:
    """The code in a temporary folder, as a study folder would keep it."""
    with tempfile.TemporaryDirectory(prefix="bimp-check-") as scratch:
        root = Path(scratch)

        def write(name: str, data: bytes) -> None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)

        read: Callable[[str], bytes] = lambda name: (root / name).read_bytes()  # noqa: E731
        keep(code, read, write)
        yield root / copy_name(code.digest)
