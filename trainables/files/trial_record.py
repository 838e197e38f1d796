"""One trial's record: its fields, and its form in JSON; and what every file of JSON begins with."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from trainables.vocabulary.declarations import Declarations
from trainables.vocabulary.refusal import shortened, shown
from trainables.vocabulary.schema import SCHEMA_VERSION, SETTLED, STATES, State


class RecordError(ValueError):
    """A record that cannot be read: truncated, foreign, or of another schema version."""


class OtherVersion(RecordError):
    """A record of another schema version: whole, but not for this version to read."""


@dataclass(frozen=True)
class Record:
    """What one trial left behind.

    `config` is the resolved configuration, nested; `metrics` and every entry of `cycles` hold names
    of `schema.METRICS`, a missing value being absent; `stages` are the hashes of the stages
    that the trial is made of, the dense run first; `error` has type, message and traceback of a
    failure; `provenance` says where and with what it ran; `origin` where a search took it from;
    `declared` what its task declares of its numbers, nothing for the built-in classification.
    """

    fingerprint: str
    study: str
    config: dict[str, Any]
    seed: int
    state: State
    attempt: int = 1
    metrics: dict[str, float] = field(default_factory=dict)
    cycles: list[dict[str, Any]] = field(default_factory=list)
    layers: dict[str, float] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)
    message: str | None = None
    error: dict[str, str] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA_VERSION

    @property
    def settled(self) -> bool:
        """Whether the trial needs no further run."""
        return self.state in SETTLED

    @property
    def retrains(self) -> bool:
        """Whether its method prunes a dense network and retrains it."""
        return isinstance(self.config.get("retrain"), dict)

    @property
    def replicate(self) -> tuple[int, int]:
        """The seed and the retraining seed, which tell trials of one configuration apart."""
        return self.seed, self.config["retrain"].get("seed", 0) if self.retrains else 0


_FIELDS = {f.name for f in fields(Record)}
_KINDS: dict[str, type] = {
    "fingerprint": str, "study": str, "config": dict, "seed": int, "attempt": int, "metrics": dict,
    "cycles": list, "layers": dict, "stages": list, "provenance": dict, "origin": dict,
    "declared": dict,
}  # fmt: skip
_ITEMS: dict[str, type] = {"cycles": dict, "stages": str}
_ORIGIN: dict[str, type] = {
    "block": dict, "block_key": str, "number": int, "params": dict, "bounds": dict,
}  # fmt: skip
_NUMBERS: Final = {
    "dense": ("epochs", "batch_size", "lr"), "prune": ("sparsity", "cycles"),
    "retrain": ("epochs", "budget"), "budget": ("epochs", "dense_fraction"),
}  # fmt: skip
_WORDS: Final = {"prune": ("structure", "criterion", "scope"), "retrain": ("schedule",)}
"""Settings that everything is sorted, drawn and named by, where a record has them."""
_REQUIRED = ("schema", "fingerprint", "study", "config", "seed", "state")

TABLE: Final = "tables/records.parquet"
"""The compacted records of a study folder."""

DEEPEST: Final = 100
"""Levels of lists and mappings in a file of JSON; a record has some six."""

SECTIONS: Final = ("task", "dense", "method", "prune", "retrain", "budget", "compute", "quantise")
"""Keys of a record's configuration that are mappings wherever they are there."""

CHECKSUM: Final = "checksum"
"""Beside the fields in the file: over all the others, so that an edited or damaged number is found.
It is no signature. Files that were written before there were any are read without."""


def encode(record: Record) -> bytes:
    """Return the record as JSON; NaN and infinities are refused (a missing value is absent)."""
    plain = asdict(record)
    if not plain["declared"]:
        del plain["declared"]  # as records of classification have always been
    if _has_half_characters(plain):
        plain = json.loads(json.dumps(plain, ensure_ascii=False).encode(errors="replace"))
    return sealed(plain)


def sealed(plain: Mapping[str, Any]) -> bytes:
    """Return plain data as JSON with a checksum beside it, which `opened` asks for again."""
    return _text({**plain, CHECKSUM: _checksum(plain)}).encode()


def _has_half_characters(plain: Any) -> bool:
    """Whether some text is none: one half of a pair of surrogates, as names of files may hold."""
    try:
        json.dumps(plain, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _text(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, allow_nan=False, sort_keys=True)


def _checksum(plain: Mapping[str, Any]) -> str:
    """Over the values, not over the bytes: how a file is indented says nothing."""
    return hashlib.sha256(_text(plain).encode()).hexdigest()


def decode(data: bytes | str, source: str) -> Record:
    """Return the record held in JSON; RecordError names `source` and the fault."""
    raw = opened(data, source, ("record", "record"), _REQUIRED)
    require_sound(raw, source)
    return Record(**raw)


def require_sound(raw: Mapping[str, Any], source: str) -> None:
    """Raise RecordError, naming `source` and the fault, for fields that no record has."""
    if unknown := set(raw) - _FIELDS:
        raise RecordError(f"{source}: unknown fields {shown(sorted(unknown))}")
    if (state := raw["state"]) not in STATES:
        raise RecordError(f"{source}: state must be one of {', '.join(STATES)}, got {shown(state)}")
    for name, value, kind in _typed(raw):
        if not isinstance(value, kind) or (kind is int and not _is_integer(value)):
            rule = f"must be of type {kind.__name__}"
            raise RecordError(f"{source}: {shortened(name)} {rule}, got {shown(value)}")
    for name, value in raw["config"].items():
        if name in SECTIONS and not isinstance(value, dict):
            raise RecordError(f"{source}: config.{name} must be a mapping, got {shown(value)}")
    for where, rule, value in _wrong_settings(raw["config"]):
        raise RecordError(f"{source}: config.{where} must be {rule}, got {shown(value)}")
    groups = {name: raw.get(name, {}) for name in ("metrics", "layers")}
    cycles = {f"cycles[{i}]": row for i, row in enumerate(raw.get("cycles", ()))}
    groups |= cycles
    groups |= {f"origin.bounds.{n}": b for n, b in raw.get("origin", {}).get("bounds", {}).items()}
    for group, values in groups.items():
        for name, value in values.items():
            if not (value is None or _is_number(value)):
                where = shortened(f"{group}.{name}")
                raise RecordError(f"{source}: {where} must be a number, got {shown(value)}")
    for group, values in cycles.items():
        if not _is_whole(number := values.get("cycle", 1)):
            raise RecordError(
                f"{source}: {group}.cycle must be a whole number, got {shown(number)}"
            )
    if (fault := undeclared(raw.get("declared", {}))) is not None:
        raise RecordError(f"{source}: {fault}")


def require_field(name: str, value: Any) -> None:
    """Raise RecordError, naming the table of records and the fault, for what no record has in one
    of its nested fields."""
    require_sound({"state": STATES[0], "config": {}, name: value}, f"{TABLE}: a row")


def undeclared(declared: Any) -> str | None:
    """Return in a sentence why something is not what a task can declare; None where it is.

    Names and units of a record go into every table and page.
    """
    try:
        Declarations.of(declared)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return f"declared must be what a task declares, got a fault: {shortened(str(error))}"
    return None


def opened(
    data: bytes | str,
    source: str,
    kind: tuple[str, str],
    required: Collection[str],
) -> dict[str, Any]:
    """Return the object of this project that JSON holds, without its checksum; RecordError names
    `source` and the fault.

    `kind` is what the file and what its content is called.
    """
    file, content = kind
    try:
        raw = json.loads(data, parse_constant=_no_number, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{source}: not a whole JSON {file} ({error})") from error
    if _is_deeper(raw, DEEPEST):
        raise RecordError(f"{source}: must be nested at most {DEEPEST} deep, got more")
    if _may_have_half_characters(data) and _has_half_characters(raw):
        raise RecordError(f"{source}: must hold text in Unicode, got half a character")
    if not isinstance(raw, dict) or any(key not in raw for key in required):
        raise RecordError(f"{source}: not a {content} of this project")
    if raw["schema"] != SCHEMA_VERSION:
        raise OtherVersion(
            f"{source}: schema version must be {SCHEMA_VERSION}, got {shown(raw['schema'])};"
            " it was written by another version of bimp-study"
        )
    checksum = raw.pop(CHECKSUM, None)
    try:
        now = _checksum(raw)
    except ValueError as error:  # 1e999, which Python reads as infinite
        raise RecordError(f"{source}: must hold finite numbers, got one that is not") from error
    if checksum not in (None, now):
        rule = "must have the content that its checksum was taken of"
        raise RecordError(f"{source}: {rule}, got another: it was edited or damaged")
    return raw


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and mappings stand in one another at more levels than that."""
    if not isinstance(value, dict | list):
        return False
    below = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in below)


def _may_have_half_characters(data: bytes | str) -> bool:
    """A quick look: few files hold any surrogates."""
    text = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    return b"\\ud" in text or b"\\uD" in text or b"\xed" in text


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The mapping of pairs, ValueError where a key comes twice: readers differ in which they take.

    Python takes the last one, others the first.
    """
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"a key must stand once in its mapping, got {shown(twice)} again")
    return mapping


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _is_integer(value: Any) -> bool:
    """Whether a value is an integer that a table can hold."""
    return not isinstance(value, bool) and abs(value) < 2**63


def _is_whole(value: Any) -> bool:
    """Whether a value of any kind is an integer that a table can hold."""
    return type(value) is int and _is_integer(value)


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a table can hold as a float."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _typed(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any, type]]:
    """Each part of a record that has a type: its name, value and type, the outer ones first."""
    yield from ((name, raw[name], kind) for name, kind in _KINDS.items() if name in raw)
    optional = (("message", str), ("error", dict))
    yield from ((n, raw[n], kind) for n, kind in optional if raw.get(n) is not None)
    for name, kind in _ITEMS.items():
        yield from ((f"{name}[{i}]", item, kind) for i, item in enumerate(raw.get(name, ())))
    origin = raw.get("origin", {})
    yield from ((f"origin.{n}", origin[n], kind) for n, kind in _ORIGIN.items() if n in origin)
    yield from ((f"origin.bounds.{n}", b, dict) for n, b in origin.get("bounds", {}).items())


def _wrong_settings(config: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Each setting that is of no kind it has in a record: its key, the rule, and its value."""
    for section in SECTIONS:
        given = config.get(section, {})
        for key in _NUMBERS.get(section, ()):
            if given.get(key) is not None and not _is_number(given[key]):
                yield f"{section}.{key}", "a number", given[key]
        for key in _WORDS.get(section, ()):
            if not isinstance(given.get(key, ""), str):
                yield f"{section}.{key}", "text", given[key]
        if not isinstance(given.get("name", ""), str):
            yield f"{section}.name", "text", given["name"]
        for key, choice in given.items():
            if isinstance(choice, dict) and not isinstance(choice.get("name", ""), str):
                yield f"{section}.{key}.name", "text", choice["name"]
    if not _is_whole(again := config.get("retrain", {}).get("seed", 0)):
        yield "retrain.seed", "a whole number", again
