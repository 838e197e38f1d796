"""A run handed to a Ray cluster as a job: what is shipped, and the command that runs there."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from study.definition.studyfile import presets
from study.machines.first_look import JobServer
from trainables.files.storage import is_remote
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.wording import in_one_line

EXCLUDES = (
    ".git",
    ".venv",
    "results",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
)
"""What of the working folder is left behind, beside what its .gitignore names."""


class Client(JobServer, Protocol):
    """The part of `ray.job_submission.JobSubmissionClient` that a submission needs."""

    def submit_job(
        self, *, entrypoint: str, runtime_env: dict[str, Any], metadata: dict[str, str]
    ) -> str:
        """Start a job and return its id."""
        ...


def entrypoint(study: str, out: str, sets: Sequence[str]) -> str:
    """Return the shell command of the job: `bimp run` on the cluster that it runs in."""
    settings = [part for assignment in sets for part in ("--set", assignment)]
    return shlex.join(["bimp", "run", study, "--address", "auto", "--out", out, *settings])


def runtime_env(working_dir: Path) -> dict[str, Any]:
    """Return Ray's runtime environment: the working folder, without results and caches."""
    return {"working_dir": str(working_dir), "excludes": list(EXCLUDES)}


def shipped(study: str, working_dir: Path) -> str:
    """Return the study as the job names it: a preset, or a path within the working folder."""
    path = Path(study)
    if not path.is_file() and study in presets():
        return study
    inside = path.resolve()
    if not inside.is_relative_to(working_dir.resolve()):
        raise Refusal(f"STUDY must be a preset or lie in {working_dir}, got {study}")
    return inside.relative_to(working_dir.resolve()).as_posix()


def lasting(folder: str, key: str) -> str:
    """Return a folder as the cluster sees it; a relative one would go with the job."""
    if not is_remote(folder) and not Path(folder).is_absolute():
        raise Refusal(
            f"{key} must be an absolute path that all nodes share, or a URI as s3://...,"
            f" got {folder}"
        )
    return folder


def submit(
    study: str,
    name: str,
    *,
    address: str,
    out: str,
    sets: Sequence[str] = (),
    working_dir: Path,
    stage_store: str | None = None,
    connect: Callable[[str], Client] | None = None,
) -> tuple[str, Client]:
    """Submit the run of a study, and return the job's id and the server that tells of it.

    `study` is a YAML file within `working_dir` or a preset, `name` its name, `out` a folder that
    outlives the job, as does the study's `stage_store`. Refusal when something of that does not
    hold or the cluster is not reached.
    """
    folder = working_dir.absolute()
    if stage_store is not None:
        lasting(stage_store, "stage_store")
    command = entrypoint(shipped(study, folder), lasting(out, "--out"), sets)
    from ray.exceptions import RayError

    try:
        client = (connect or _connect)(address)
        job = client.submit_job(
            entrypoint=command, runtime_env=runtime_env(folder), metadata={"study": name}
        )
    except (ConnectionError, OSError, RuntimeError, ValueError, RayError) as error:
        reason = in_one_line(error)
        raise Refusal(f"--address must be a Ray job server, got {address} ({reason})") from error
    return job, client


def _connect(address: str) -> Client:
    from ray.job_submission import JobSubmissionClient

    client: Client = JobSubmissionClient(address)
    return client
