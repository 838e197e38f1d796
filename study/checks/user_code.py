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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainables.code.copies import copy_name, keep
from trainables.code.digest import Declarations, UserCode, user_code
from trainables.code.import_path import ImportPath
from trainables.code.reference import Reference, is_reference, parse
from trainables.config.sections import Facts
from trainables.vocabulary.refusal import Refusal

LONGEST_S = 600.0
"""Seconds after which a check that has not ended is given up."""

_BESIDE = {"prune": "criterion", "retrain": "schedule"}
"""Sections with a key beside task and method that may hold a reference."""

Raw = Mapping[str, Any]


def references(raw: Raw) -> dict[str, Reference]:
    """Return the references to the user's code in a trial's raw configuration, by key."""
    task = raw.get("task") or {}
    named = {"task.use": task.get("use") if isinstance(task, Mapping) else None}
    if isinstance(task, Mapping) and "use" not in task:
        named |= {f"task.{key}": _name(task.get(key)) for key in ("dataset", "model")}
    named["method"] = _name(raw.get("method"))
    for section, leaf in _BESIDE.items():
        held = raw.get(section)
        named[f"{section}.{leaf}"] = held.get(leaf) if isinstance(held, Mapping) else None
    return {key: parse(name, key) for key, name in named.items() if is_reference(name)}


def _name(given: Any) -> Any:
    return given.get("name") if isinstance(given, Mapping) else given


@dataclass(frozen=True)
class Surroundings:
    """Where the user's code and its data lie.

    `folders`: the study file's folder and the working folder; `data_root`: below which a task finds
    its data; `leaving_out`: folders that no pattern of `task.files` takes, such as the study's own.
    """

    folders: Sequence[Path]
    data_root: Path
    leaving_out: Sequence[Path] = ()


@dataclass(frozen=True)
class Look:
    """What was learnt of one raw configuration's code.

    `task` and `method` are these sections with every keyword filled in, where they are the user's;
    `facts` are those of its trials; `findings` what the checks learnt of the task.
    """

    facts: Facts
    task: Mapping[str, Any] | None = None
    method: Mapping[str, Any] | None = None
    findings: Mapping[str, Any] = field(default_factory=dict)

    def applied(self, raw: Raw) -> dict[str, Any]:
        """Return a raw configuration with what was learnt filled in."""
        changed = {"task": self.task, "method": self.method, "facts": self.facts.model_dump()}
        return {**raw, **{key: value for key, value in changed.items() if value is not None}}


class UserCodeBook:
    """What is known of the user's code of a study: one look for each distinct use of it.

    `identities` gives by reference what later trials hash in place of its own identity: the oldest
    code that counts as the same.
    """

    def __init__(
        self,
        configurations: Sequence[Raw],
        surroundings: Surroundings,
        canonical: Callable[[str], str] = lambda digest: digest,
    ) -> None:
        self._surroundings, self._canonical = surroundings, canonical
        self._path = ImportPath(surroundings.folders)
        used = {_key(raw): raw for raw in configurations if references(raw)}
        self.code = self._code(list(used.values()))
        self._identities: dict[tuple[str, str], str] = {}
        self._looks = self._look_at(used) if used else {}

    def __bool__(self) -> bool:
        return self.code is not None

    def look(self, raw: Raw) -> Look | None:
        """Return what is known of a configuration's code; None where it uses none."""
        return self._looks[_key(raw)] if references(raw) else None

    @property
    def looks(self) -> list[Look]:
        """Every distinct look."""
        return list(self._looks.values())

    def _code(self, used: Sequence[Raw]) -> UserCode | None:
        named = [reference for raw in used for reference in references(raw).values()]
        if not named:
            return None
        return user_code(named, self._path, self._declared(used))

    def _declared(self, used: Sequence[Raw]) -> Declarations:
        files = sorted({pattern for raw in used for pattern in _task(raw).get("files", ())})
        versions = {str(v) for raw in used if (v := _task(raw).get("version")) is not None}
        if len(versions) > 1:
            raise Refusal(f"task.version must be one for the study, got {', '.join(versions)}")
        version = next(iter(versions), None)
        return Declarations(files, version, self._surroundings.leaving_out)

    def _identity(self, key: str, reference: Reference, raw: Raw) -> str:
        """What trials hash of the code behind one reference; files and version are the task's."""
        place = (key.partition(".")[0], str(reference))
        if place not in self._identities:
            own = key.startswith("task.")
            declared = self._declared([raw]) if own else Declarations()
            code = user_code([reference], self._path, declared)
            self._identities[place] = self._canonical(code.identity)
        return self._identities[place]

    def _look_at(self, used: Mapping[str, Raw]) -> dict[str, Look]:
        assert self.code is not None
        answers = _asked(self.code, list(used.values()), self._surroundings)
        pairs = zip(used.items(), answers, strict=True)
        return {key: self._made(raw, answer) for (key, raw), answer in pairs}

    def _made(self, raw: Raw, answer: Mapping[str, Any]) -> Look:
        assert self.code is not None
        task, method = answer.get("task") or {}, answer.get("method") or {}
        findings = task.get("findings", {})
        lengths = findings.get("lengths", {})
        facts = Facts(
            **{f"n_{part}": lengths.get(part) for part in ("train", "val", "test")},
            declared=task.get("declared", {}),
            codes={k: self._identity(k, r, raw) for k, r in references(raw).items()},
            copy_digest=self.code.digest,
            in_shape=task.get("in_shape"),
            n_classes=task.get("n_classes"),
            controls_sparsity=method.get("controls_sparsity", False),
            structures=tuple(method.get("structures", ("weights",))),
        )
        return Look(facts, task.get("given"), method.get("given"), findings)


def _task(raw: Raw) -> Mapping[str, Any]:
    task = raw.get("task")
    return task if isinstance(task, Mapping) else {}


def _key(raw: Raw) -> str:
    """Equal for configurations whose code is used alike."""
    names = {key: str(reference) for key, reference in references(raw).items()}
    own_task = any(key.startswith("task.") for key in names)
    parts = [names, raw.get("task") if own_task else None]
    parts.append(raw.get("method") if "method" in names else None)
    return json.dumps(parts, sort_keys=True, default=str)


def _asked(
    code: UserCode, used: Sequence[Raw], surroundings: Surroundings
) -> list[Mapping[str, Any]]:
    """Run the check process on a copy of the code, and return an answer for each use."""
    with _local_copy(code) as copy:
        request, answer = copy.parent / "request.json", copy.parent / "answer.json"
        asked = {
            "copy": str(copy),
            "origins": {position: str(file.path) for position, file in code.files.items()},
            "folders": [str(folder.absolute()) for folder in surroundings.folders],
            "root": str(surroundings.data_root),
            "looks": [_look(raw) for raw in used],
        }
        request.write_text(json.dumps(asked), encoding="utf-8")
        ended = _run([str(request), str(answer)])
        if not answer.exists():
            last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
            rule = "must be checked without ending the process"
            raise Refusal(f"task {rule}, got exit status {ended.returncode}: {last}")
        told = json.loads(answer.read_text(encoding="utf-8"))
    if "refusal" in told:
        raise Refusal(told["refusal"])
    return list(told["looked_at"])


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainables.tasks.check_process", *arguments]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        rule = f"must be checked within {LONGEST_S:.0f} s"
        raise Refusal(f"task {rule}, got no end: its splits, model or score takes longer") from None


@contextmanager
def _local_copy(code: UserCode) -> Iterator[Path]:
    """The code in a temporary folder, as a study folder would keep it."""
    with tempfile.TemporaryDirectory(prefix="bimp-check-") as scratch:
        root = Path(scratch)

        def write(name: str, data: bytes) -> None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)

        keep(code, lambda name: (root / name).read_bytes(), write)
        yield root / copy_name(code.digest)


def _look(raw: Raw) -> dict[str, Any]:
    named = references(raw)
    own_task = any(key.startswith("task.") for key in named)
    method = raw.get("method")
    return {
        "task": raw.get("task") if own_task else None,
        "method": ({"name": method} if isinstance(method, str) else method)
        if "method" in named
        else None,
        **{key: str(r) for key, r in named.items() if key.partition(".")[0] in _BESIDE},
    }
