"""Trackers that a run also writes its trials to: which, where, and whether their packages are here.

No part of what a trial computes: nothing here enters a fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import ValidationError, field_validator

from trainables.config.sections import Section
from trainables.files.trust import OPTION, trusting
from trainables.vocabulary.homes import expanded, is_unknown
from trainables.vocabulary.refusal import Refusal, first_refusal, shown

PACKAGES: Final = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboardX"}
"""Every kind of tracker by its key, with the package that writes to it."""

_SQLITE: Final = "sqlite:///"


class Track(Section):
    """Where trials are written to as they end, beside the study folder; nowhere by default.

    `mlflow`: a tracking URI, or a folder; `wandb`: a project; `tensorboard`: a folder.
    """

    mlflow: str | None = None
    wandb: str | None = None
    tensorboard: str | None = None

    @classmethod
    def of(cls, targets: Mapping[str, str]) -> Self:
        """Return trackers by their keys; Refusal names key, rule and value."""
        try:
            return cls.model_validate(dict(targets))
        except ValidationError as error:
            raise first_refusal(error, "track") from None

    @field_validator("mlflow", "wandb", "tensorboard")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("must not be empty")
        return value

    @field_validator("mlflow")
    @classmethod
    def _without_password(cls, value: str | None) -> str | None:
        """The study file is copied into the study folder, which others may read."""
        if value is not None and urlsplit(value).password is not None:
            rule = "must not hold a password, which MLFLOW_TRACKING_PASSWORD may give"
            raise Refusal(f"track.mlflow {rule}, got a URI with one")
        return value

    @field_validator("tensorboard")
    @classmethod
    def _local(cls, value: str | None) -> str | None:
        if value is not None and "://" in value:
            raise ValueError("must be a folder of this machine")
        if value is not None and is_unknown(value):
            raise ValueError("must begin with a home folder that is known")
        return value

    @property
    def targets(self) -> dict[str, str]:
        """The trackers that are named, by their keys."""
        named = {kind: getattr(self, kind) for kind in PACKAGES}
        return {kind: target for kind, target in named.items() if target is not None}

    def absolute(self) -> Self:
        """Return the same trackers with folders written out: readers may start in another one."""
        return self.model_validate({k: _absolute(k, t) for k, t in self.targets.items()})

    def refuse_strangers(self) -> None:
        """Refuse a tracking server: this is what a study folder says, which may be anybody's.

        Clients send the key that they find to whatever server is named.
        """
        target = self.mlflow or ""
        local = target.startswith(("sqlite:///", "file:///")) or "://" not in target
        if not local and not trusting():
            rule = "must be a database or folder of this machine where a study folder names it"
            raise Refusal(
                f"track.mlflow {rule}, got {shown(target)}: it would be sent your key; if you trust"
                f" it, give it as --mlflow, or say `bimp {OPTION} ...`"
            )

    def require_packages(self) -> None:
        """Refuse a tracker whose package is not installed."""
        for kind in self.targets:
            if find_spec(PACKAGES[kind]) is None:
                rule = f"needs a package: pip install 'bimp-study[{kind}]'"
                raise Refusal(f"track.{kind} {rule}, got none of the name {PACKAGES[kind]}")


def _absolute(kind: str, target: str) -> str:
    if kind == "mlflow" and target.startswith(_SQLITE):
        path = Path(target.removeprefix(_SQLITE))
        return target if target == _SQLITE else f"{_SQLITE}{path.absolute()}"
    if kind == "wandb" or (kind == "mlflow" and (":" in target or target == "databricks")):
        return target
    return str(expanded(target).absolute())
