"""Write the tables of the documentation from the code: study-file.md and reading-results.md.

`python docs/make_tables.py` fills what stands between `<!-- table: NAME -->` and `<!-- end -->`;
with `--check` it writes nothing and fails where a table is out of date.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from meanings import MEANINGS, RANGES
from pydantic import TypeAdapter

from study.definition.replicates import SEEDS
from study.definition.studyfile import SPACE_SECTIONS, StudyFile
from trainables.config.catalog import METHODS, MODELS, TORCHVISION_PREFIX, resolve
from trainables.config.datasets import DATASETS, KnownDataset
from trainables.config.optimisers import OPTIMISERS
from trainables.config.rules import CONDITIONS
from trainables.config.tasks import TASKS, BuiltInTask
from trainables.config.trial import TrialConfig
from trainables.formulas.dense_schedules import DENSE_SCHEDULES
from trainables.formulas.schedules import RETRAIN_SCHEDULES
from trainables.vocabulary.schema import METRICS

FILES = ("study-file.md", "reading-results.md")
_BLOCK = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_BOUNDS = {
    "exclusiveMinimum": ">",
    "gt": ">",
    "minimum": ">=",
    "ge": ">=",
    "exclusiveMaximum": "<",
    "lt": "<",
    "maximum": "<=",
    "le": "<=",
}
_TYPES = {
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
    "string": "text",
    "array": "list",
    "object": "mapping",
}


def markdown(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table; a vertical bar in a cell is escaped."""
    lines = [list(header), *(list(row) for row in rows)]
    text = [
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    ]
    text.insert(1, "|" + "---|" * len(lines[0]))
    return "\n".join(text)


def code(value: object) -> str:
    """Return a value as YAML would hold it, in backticks."""
    plain = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
    if isinstance(value, list | tuple):
        plain = "[" + ", ".join(code(v).strip("`") for v in value) + "]"
    if isinstance(value, Mapping):
        plain = "{" + ", ".join(f"{k}: {code(v).strip('`')}" for k, v in value.items()) + "}"
    return f"`{value if plain is None else plain}`"


def bounds(field: Mapping[str, Any]) -> str:
    """Return the type and range of a field of a JSON schema in words."""
    for choice in field.get("anyOf", ()):
        if choice.get("type") != "null":
            return bounds(choice)
    if "const" in field:
        return code(field["const"])
    if "enum" in field:
        return ", ".join(code(value) for value in field["enum"])
    limits = [f"{sign} {_limit(field[name])}" for name, sign in _BOUNDS.items() if name in field]
    words = _TYPES[field["type"]]
    if field.get("prefixItems"):
        words = f"list of {field['maxItems']} numbers"
    elif field["type"] == "array" and field.get("items"):
        words = f"list of {bounds(field['items']).replace('number', 'numbers', 1)}"
    return " ".join([words, ", ".join(limits)]).strip()


def _limit(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def default(field: Mapping[str, Any], required: bool) -> str:
    """Return a field's default; a dash where there is none."""
    if required:
        return "must be given"
    value = field.get("default")
    return "-" if value is None or value in ({}, []) else code(value)


def properties(schema: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """Return the JSON schema of one section."""
    field = schema["properties"][section]
    reference = next(
        part["$ref"] for part in (field, *field.get("anyOf", ())) if "$ref" in part
    ).rpartition("/")[2]
    found: Mapping[str, Any] = schema["$defs"][reference]
    return found


def key_row(key: str, field: Mapping[str, Any], required: bool) -> list[str]:
    """Return the row of one key."""
    when = CONDITIONS[key].words if key in CONDITIONS else "always"
    range_ = RANGES.get(key) or bounds(field)
    return [f"`{key}`", range_, default(field, required), when, MEANINGS[key]]


def section_rows(schema: Mapping[str, Any], section: str) -> list[list[str]]:
    """Return the rows of one section's keys, in order."""
    found = properties(schema, section)
    required = found.get("required", ())
    return [
        key_row(f"{section}.{key}", field, key in required)
        for key, field in found["properties"].items()
        if f"{section}.{key}" not in _UNLISTED
    ]


_UNLISTED = ("task.keywords", "retrain.seed")
"""The user's own, which no table knows; and what a study file lists under another key."""

_KEY_HEADER = ("key", "value", "default", "matters when", "meaning")


def trial_section(section: str) -> str:
    """Return the table of a section of the space."""
    rows = section_rows(TrialConfig.model_json_schema(), section)
    more = [retrain_seeds()] if section == "retrain" else []
    return markdown(_KEY_HEADER, [*rows, *more])


def retrain_seeds() -> list[str]:
    """Return the row of the list of which a trial has one seed."""
    field = StudyFile.model_json_schema()["properties"][SEEDS]
    range_, standard = bounds(field), default(field, False)
    return [f"`{SEEDS}`", range_, standard, CONDITIONS["retrain.seed"].words, MEANINGS[SEEDS]]


def method_key() -> str:
    """Return the table of the section that is one key."""
    return markdown(_KEY_HEADER, [key_row("method", {"default": "imp"}, False)])


def study_section(section: str) -> str:
    """Return the table of a section that is no part of the space."""
    rows = section_rows(StudyFile.model_json_schema(), section)
    return markdown(_KEY_HEADER, rows)


def top_level() -> str:
    """Return the table of the keys that stand alone."""
    schema = StudyFile.model_json_schema()
    sections = ("space", "search", "resources", "data", "track", SEEDS)
    rows = [
        key_row(key, field, key in schema["required"])
        for key, field in schema["properties"].items()
        if key not in sections
    ]
    return markdown(_KEY_HEADER, rows)


def parameters_of(entry: Any) -> str:
    """Return a catalog entry's parameters with range and default."""
    fields = dict(_fields(entry.parameters.model_json_schema()))
    return "; ".join(f"`{k}`: {bounds(f)}{_defaults_to(f)}" for k, f in fields.items()) or "-"


def _fields(
    schema: Mapping[str, Any], defined: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each field of a schema by dotted key, those of sections inside it included."""
    defined = schema.get("$defs", {}) if defined is None else defined
    for key, field in schema.get("properties", {}).items():
        if "$ref" in field:
            inner = defined[field["$ref"].rpartition("/")[2]]
            yield from ((f"{key}.{leaf}", found) for leaf, found in _fields(inner, defined))
        else:
            yield key, field


def image_folder() -> str:
    """Return the table of the keys of a folder of images."""
    schema = DATASETS["image-folder"].parameters.model_json_schema()
    required = schema.get("required", ())
    rows = [
        [f"`task.dataset.{key}`", bounds(field), default(field, key in required),
         MEANINGS[f"task.dataset.{key}"]]
        for key, field in _fields(schema)
    ]  # fmt: skip
    return markdown(("key", "value", "default", "meaning"), rows)


def _defaults_to(field: Mapping[str, Any]) -> str:
    value = default(field, False)
    return "" if value == "-" else f" (default {value})"


def data_sets() -> str:
    """Return the table of data sets."""
    rows = [
        [f"`{d.name}`", *_numbers(d), parameters_of(d),
         d.source]
        for d in DATASETS.values()
        if isinstance(d, KnownDataset)
    ]  # fmt: skip
    header = ("name", "training", "validation", "test", "shape", "classes", "parameters", "source")
    return markdown(header, rows)


def _numbers(dataset: KnownDataset) -> list[str]:
    """Images of the parts, their shape and the number of classes."""
    counts = (dataset.n_full - dataset.n_val, dataset.n_val, dataset.n_test)
    shape = "x".join(map(str, dataset.in_shape))
    return [*(f"{n:,}" for n in counts), shape, str(dataset.n_classes)]


def tasks() -> str:
    """Return the table of whole tasks."""
    rows = [[f"`{t.name}`", t.title, keywords_of(t), t.source] for t in TASKS.values()]
    return markdown(("name", "task", "keys", "source"), rows)


def keywords_of(task: BuiltInTask) -> str:
    """Return a task's keywords with range and default, as its class types them."""
    init = resolve(task.target).__init__
    hints = get_type_hints(init, include_extras=True)
    found = {
        name: {**TypeAdapter(hints[name]).json_schema(), **_written(parameter)}
        for name, parameter in inspect.signature(init).parameters.items()
        if name not in ("self", "root")
    }
    return "; ".join(f"`{k}`: {bounds(f)}{_defaults_to(f)}" for k, f in found.items()) or "-"


def _written(parameter: inspect.Parameter) -> dict[str, Any]:
    return {} if parameter.default is inspect.Parameter.empty else {"default": parameter.default}


def models() -> str:
    """Return the table of models; torchvision's are one row."""
    own = [m for m in MODELS.values() if not m.name.startswith(TORCHVISION_PREFIX)]
    rows = [[f"`{m.name}`", parameters_of(m), m.source] for m in own]
    n = len(MODELS) - len(own)
    rows.append([f"`{TORCHVISION_PREFIX}<name>`", "-", f"the {n} classification models of"
                 " torchvision, untrained"])  # fmt: skip
    return markdown(("name", "parameters", "source"), rows)


def methods() -> str:
    """Return the table of methods."""
    rows = [
        [f"`{m.name}`", m.title, m.kind, "yes" if m.controls_sparsity else "no",
         ", ".join(m.structures), parameters_of(m),
         "; ".join(f"`{key}`: {code(domain)}" for key, domain in m.domains.items()), m.source]
        for m in METHODS.values()
    ]  # fmt: skip
    header = ("name", "method", "kind", "ends at the goal", "removes", "parameters",
              "domains to search", "source")  # fmt: skip
    return markdown(header, rows)


def optimisers() -> str:
    """Return the table of optimisers, with the methods that need what one does not offer."""
    rows = [
        [f"`{o.name}`", ", ".join(f"`dense.{key}`" for key in sorted(o.uses)),
         ", ".join(f"`{m.name}`" for m in METHODS.values() if m.needs.keys() - o.offers) or "-",
         o.source]
        for o in OPTIMISERS.values()
    ]  # fmt: skip
    return markdown(("name", "keys", "refused under", "source"), rows)


def dense_schedules() -> str:
    """Return the table of dense schedules."""
    return _schedules(DENSE_SCHEDULES, "dense")


def retrain_schedules() -> str:
    """Return the table of retraining schedules."""
    return _schedules(RETRAIN_SCHEDULES, "retrain")


def _schedules(found: Mapping[str, Any], section: str) -> str:
    rows = [
        [f"`{s.name}`", ", ".join(f"`{section}.{k}`" for k in sorted(s.uses)) or "-", s.source]
        for s in found.values()
    ]
    return markdown(("name", "uses", "source"), rows)


def metrics() -> str:
    """Return the table of all numbers that are reported."""
    better = {"max": "higher", "min": "lower", None: "-"}
    rows = [
        [f"`{m.name}`", m.unit, better[m.direction], ", ".join(m.levels), m.meaning]
        for m in METRICS.values()
    ]
    return markdown(("column", "unit", "better", "level", "meaning"), rows)


def tables() -> dict[str, Callable[[], str]]:
    """Return every table by name."""
    sections = {s: lambda s=s: trial_section(s) for s in SPACE_SECTIONS if s != "method"}
    own = {s: lambda s=s: study_section(s) for s in ("search", "resources", "data", "track")}
    return {
        "top-level": top_level,
        "method": method_key,
        **sections,
        **own,
        "data-sets": data_sets,
        "image-folder": image_folder,
        "tasks": tasks,
        "models": models,
        "methods": methods,
        "optimisers": optimisers,
        "dense-schedules": dense_schedules,
        "retrain-schedules": retrain_schedules,
        "metrics": metrics,
    }


def idle_meanings(pages: str) -> list[str]:
    """Return the keys that have a meaning and are in no table."""
    return [key for key in (*MEANINGS, *RANGES) if f"| `{key}` |" not in pages]


def filled(text: str, made: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with its tables made anew."""
    return _BLOCK.sub(lambda block: block[1] + made[block[2]]() + "\n" + block[3], text)


def main(arguments: list[str]) -> int:
    """Write the tables, or check them; returns the exit status."""
    made, stale, seen, pages = tables(), [], set(), ""
    for name in FILES:
        page = Path(__file__).with_name(name)
        text = page.read_text(encoding="utf-8")
        seen |= {block[2] for block in _BLOCK.finditer(text)}
        new = filled(text, made)
        pages += new
        if new != text:
            stale.append(name)
            if "--check" not in arguments:
                page.write_text(new, encoding="utf-8")
    if missing := [*sorted(made.keys() - seen), *idle_meanings(pages)]:
        print(f"no page has the tables or keys {', '.join(missing)}", file=sys.stderr)
        return 1
    if stale and "--check" in arguments:
        print(f"out of date: {', '.join(stale)}; run make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
