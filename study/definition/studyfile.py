"""The study file: read, merged with `--set`, and checked as far as no torch, data or cluster is
needed. What a leaf may be is in `study.domains`, what points it makes in `study.space`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeGuard

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from study.definition.replicates import (
    SEEDS,
    Replicates,
    names_one_file,
    without_retraining_seeds,
)
from study.definition.resources import (
    Resources,
    numbers_of_processes,
    refuse_unshared,
    with_processes,
)
from study.definition.search import Search, require_metrics
from study.definition.storable import refuse_unstorable
from study.definition.study_text import file_of, study_text
from study.definition.study_text import presets as presets
from study.definition.track import Track
from trainables.config.sections import Section, WholeNumber
from trainables.files.plain_yaml import plain
from trainables.vocabulary.homes import expanded
from trainables.vocabulary.refusal import Refusal, first_refusal, refuse_unknown, shown
from trainables.vocabulary.schema import QUANTISED, measures_of
from trainables.vocabulary.wording import in_one_line

SPACE_SECTIONS = ("task", "dense", "method", "prune", "retrain", "budget", "compute", "quantise")
"""Sections whose leaves may be domains; together with a seed they make a trial."""

SHARED = "x-"
"""How keys begin that hold parts for YAML's anchors, and are no part of the study themselves."""

NAMED = ("dataset", "model", "method")
"""Keys whose value is a name, or a mapping with a name and parameters."""


MOST_LOADERS = 1024

MOST_SPACES = 1000
"""Overlays; grids make as many cells of a few, and each overlay by itself takes milliseconds."""


class Data(Section):
    """Where data sets lie, whether `run` may download a missing one first, and how items are made.

    `memory`: whether decoded items are kept in memory, under `auto` where they fit; `processes`:
    those that make items beside each trial. Neither changes a result.
    """

    root: Annotated[str, Field(min_length=1)] = "~/.cache/bimp-study/data"
    download: bool = False
    memory: Literal["auto", "on", "off"] = "auto"
    processes: Annotated[WholeNumber, Field(le=MOST_LOADERS)] | None = None

    @property
    def folder(self) -> Path:
        """`root` as an absolute path, its home folder written out."""
        return expanded(self.root).absolute()


class StudyFile(Section):
    """A whole study as its file says it; `StudyFile.of(raw)` refuses in one sentence.

    `retrain_seeds`, in the file `retrain.seeds`: the retrainings of each dense network.
    """

    name: str
    space: dict[str, Any] = Field(default_factory=dict)
    spaces: tuple[dict[str, Any], ...] = ()
    seeds: Annotated[tuple[WholeNumber, ...], Field(min_length=1)] = (0,)
    retrain_seeds: Annotated[tuple[WholeNumber, ...], Field(min_length=1, alias=SEEDS)] = (0,)
    search: Search = Search()
    resources: Resources = Resources()
    stage_store: Annotated[str, Field(min_length=1)] | None = None
    data: Data = Data()
    track: Track = Track()
    _origin: Path | None = PrivateAttr(default=None)

    @property
    def origin(self) -> Path:
        """The folder that the study file lies in; the working folder for data without a file."""
        return self._origin or Path.cwd()

    @classmethod
    def of(cls, raw: object) -> Self:
        """Return the study of a file's content; Refusal names key, rule and value."""
        if not isinstance(raw, Mapping):
            raise Refusal(f"the study must be a mapping of sections, got {shown(raw)}")
        raw = {key: value for key, value in raw.items() if not str(key).startswith(SHARED)}
        sections = {key: value for key, value in raw.items() if key not in SPACE_SECTIONS}
        space = {key: value for key, value in raw.items() if key in SPACE_SECTIONS}
        _refuse_unknown_sections(sections)
        refuse_unstorable(raw)
        if "name" not in sections:
            raise Refusal("name must be given, got nothing")
        space, again = without_retraining_seeds(space, _mappings(sections.get("spaces")))
        if again is not None:
            sections[SEEDS] = again
        space = with_processes(space, sections.get("resources"))
        try:
            return cls.model_validate({**sections, "space": space})
        except ValidationError as error:
            raise first_refusal(error) from None

    @field_validator("name")
    @classmethod
    def _usable_as_a_folder(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", value):
            raise ValueError(
                "must be at most 80 letters, digits, dots, dashes or underscores,"
                " the first a letter or digit"
            )
        return value

    @field_validator("seeds", "retrain_seeds")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError("must not repeat a seed")
        return value

    @field_validator("spaces")
    @classmethod
    def _overlays(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if len(value) > MOST_SPACES:
            raise Refusal(f"spaces must hold at most {MOST_SPACES} overlays, got {len(value)}")
        for at, overlay in enumerate(value):
            for key, setting in overlay.items():
                if key not in SPACE_SECTIONS:
                    allowed = ", ".join(SPACE_SECTIONS)
                    raise Refusal(
                        f"spaces.{at}.{key} must be one of {allowed}, got {shown(setting)}"
                    )
        return value

    @model_validator(mode="after")
    def _confirms_at_other_seeds(self) -> Self:
        if self.search.confirm and len(self.seeds) == 1:
            rule = "must be absent where seeds holds one seed"
            raise Refusal(f"search.confirm {rule}, got {self.search.confirm}")
        return self

    @property
    def quantises(self) -> bool:
        """Whether some trial may have its weights in fewer bits at the end."""
        sections = [raw.get("quantise") for raw in (self.space, *self.spaces)]
        return any(isinstance(s, Mapping) and s.get("weights") for s in sections)

    @model_validator(mode="after")
    def _one_process_per_gpu(self) -> Self:
        refuse_unshared(self.resources.gpus, numbers_of_processes((self.space, *self.spaces)))
        return self

    @property
    def processes(self) -> int:
        """The most processes that train one trial together."""
        return max(numbers_of_processes((self.space, *self.spaces)))

    @model_validator(mode="after")
    def _known_metrics(self) -> Self:
        """What a task of the user's measures is known only once it has been looked at."""
        tasks = (raw.get("task") for raw in (self.space, *self.spaces))
        if not any("use" in task for task in tasks if isinstance(task, Mapping)):
            require_metrics(self.search, measures_of({}))
        return self

    @model_validator(mode="after")
    def _quantised_metrics(self) -> Self:
        for key in ("objectives", "constraints"):
            for name, asked in getattr(self.search, key).items():
                if name.startswith(QUANTISED) and not self.quantises:
                    rule = "must be absent without quantise.weights, whose stage measures it"
                    raise Refusal(f"search.{key}.{name} {rule}, got {shown(asked)}")
        return self

    @property
    def retrains_one_network(self) -> bool:
        """Whether `seeds` are retrainings of one dense network, which came trained from a file."""
        return any(map(names_one_file, (self.space, *self.spaces)))

    @property
    def search_seeds(self) -> tuple[int, ...]:
        """The seeds at which a search tries every configuration."""
        return self.seeds[:1] if self.search.confirm else self.seeds

    @property
    def replicates(self) -> Replicates:
        """All trials of a configuration, those that confirm it included."""
        return Replicates(self.seeds, self.retrain_seeds)

    @property
    def searched(self) -> Replicates:
        """The trials of a configuration at the seeds of a search."""
        return Replicates(self.search_seeds, self.retrain_seeds)

    @property
    def confirming(self) -> Replicates:
        """The further trials of the best configurations of a search."""
        return Replicates(self.seeds[len(self.search_seeds) :], self.retrain_seeds)

    def trials_per_block(self, retrains: bool) -> int:
        """Return how many trials a search makes in a block, confirmations included.

        `retrains`: whether the methods of the block do.
        """
        confirmations = (self.search.confirm or 0) * len(self.confirming.of(retrains))
        return (self.search.trials or 0) * len(self.searched.of(retrains)) + confirmations

    def raw(self) -> dict[str, Any]:
        """Return the study as plain data, as `study.yaml` of a study folder keeps it."""
        plain = {**self.model_dump(mode="json"), "track": self.track.targets}
        space, again = plain.pop("space"), plain.pop("retrain_seeds")
        if again != [0]:
            space = merged(space, {"retrain": {"seeds": again}})
        return {"name": plain.pop("name"), **space, **{k: v for k, v in plain.items() if v}}


def _mappings(overlays: object) -> list[Mapping[str, Any]]:
    """The overlays that are mappings; what else stands there is refused with the other fields."""
    listed = overlays if isinstance(overlays, list | tuple) else ()
    return [overlay for overlay in listed if isinstance(overlay, Mapping)]


def _refuse_unknown_sections(sections: Mapping[str, Any]) -> None:
    known = [name for name in StudyFile.model_fields if name not in ("space", "retrain_seeds")]
    for key, value in sections.items():
        if key not in known:
            near = get_close_matches(str(key), [*known, *SPACE_SECTIONS], n=1, cutoff=0.5)
            listed = ", ".join([*known, *SPACE_SECTIONS])
            hint = f"did you mean {near[0]}?" if near else f"known are {listed}"
            raise Refusal(f"{key} must be a known key, got {shown(value)}; {hint}")
        annotation = StudyFile.model_fields[key].annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            refuse_unknown(annotation, value, str(key))


def merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `overlay` laid over it, mappings merged key by key.

    A domain or a named choice (`{name: ...}`) replaces what it covers as a whole; parameters
    without a name join the choice that they cover.
    """
    result = dict(base)
    for key, value in overlay.items():
        under = result.get(key)
        if key in NAMED and isinstance(under, str):
            under = {"name": under}
        if _is_section(under) and _is_section(value) and "name" not in value:
            result[key] = merged(under, value)
        else:
            result[key] = value
    return result


def _is_section(value: object) -> TypeGuard[Mapping[str, Any]]:
    from study.definition.domains import is_domain

    return isinstance(value, Mapping) and not is_domain(value)


def read_yaml(text: str, source: str) -> Any:
    """Return the plain data of a YAML 1.2 text; Refusal names the source, line and column."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return plain(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = (error.problem or str(error)).splitlines()[0]
        raise Refusal(f"{source}{where} must be valid YAML, got a fault: {problem}") from None
    except YAMLError as error:
        fault = in_one_line(error)
        raise Refusal(f"{source} must be valid YAML, got a fault: {fault}") from None
    except ValueError as error:
        raise Refusal(f"{source} {error}") from None
    except RecursionError:
        raise Refusal(f"{source} must be nested less deeply than Python can follow") from None


def load(study: str, sets: Sequence[str] = ()) -> StudyFile:
    """Return the study of a YAML file or a preset's name, with `key=value` settings laid over."""
    raw = read_yaml(study_text(study), study)
    if not isinstance(raw, Mapping):
        raise Refusal(f"{study} must hold a mapping of sections, got {shown(raw)}")
    for assignment in sets:
        raw = merged(raw, _assigned(assignment))
    loaded = StudyFile.of(raw)
    if (path := file_of(study)).is_file():
        loaded._origin = path.absolute().parent
    return loaded


def _assigned(assignment: str) -> dict[str, Any]:
    """Return `a.b=value` as nested mappings; the value is read as YAML."""
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise Refusal(f"--set must be key=value, got {assignment!r}")
    value: Any = read_yaml(text, f"--set {key}")
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return dict(value)
