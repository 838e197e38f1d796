"""A card as Markdown with a YAML head, in the layout of model cards on the Hugging Face hub."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from trainables.vocabulary.schema import declare
from trainables.vocabulary.wording import counted

_LIBRARIES: Final = {"onnx": "onnx", "executorch": "executorch"}
_MOST_TIES: Final = 20
_IDENTIFIER: Final = re.compile(r"[\w.-]+(/[\w.-]+)?")
"""What the hub takes for the name of a data set; the user's own `module:attribute` is none."""

Content = Mapping[str, Any]


def markdown(content: Content) -> str:
    """Return a card of `card.card` as Markdown; its head is YAML between lines of dashes."""
    declare(content.get("declared", {}))
    sections = [
        ("How to load it", _loading(content)),
        ("Results", _results(content)),
        ("What was taken out", _removal(content)),
        ("What was checked", _checks(content)),
        ("Sizes", _sizes(content)),
        ("Other precisions", _deployed(content)),
        ("Configuration", _fenced("yaml", _yaml(content["configuration"]))),
        ("Data", _table(("", ""), content["data"].items())),
        ("Provenance", _table(("", ""), _provenance(content).items())),
    ]
    body = [f"## {title}\n\n{text}" for title, text in sections if text]
    head = f"---\n{_yaml(_head(content))}---\n"
    return "\n\n".join([f"{head}\n# {content['name']}", _summary(content), *body]) + "\n"


def _head(content: Content) -> dict[str, Any]:
    """What the hub reads: library, task, tags, data sets, metrics, and the results as a table."""
    task = content["configuration"]["task"]
    classifies = not content.get("declared") and "use" not in task
    kind = "image-classification" if classifies else "other"
    metrics = [m for m in content["results"]["metrics"] if m["name"].startswith(("val_", "test_"))]
    plain = dict.fromkeys(_plain(m["name"]) for m in metrics)
    data = content["data"]["name"]
    method = content["configuration"].get("method", {}).get("name", "imp")
    results = [
        {
            "task": {"type": kind},
            "dataset": {"name": data, "type": data, "split": part},
            "metrics": [
                {
                    "type": _plain(m["name"]),
                    "value": m["value"],
                    "name": _words(m["name"]),
                }
                for m in metrics
                if m["name"].startswith(f"{part}_")
            ],
        }
        for part in ("val", "test")
        if any(m["name"].startswith(f"{part}_") for m in metrics)
    ]
    return {
        "library_name": _LIBRARIES.get(content["format"], "pytorch"),
        **({"pipeline_tag": kind} if classifies else {}),
        "tags": ["pruning", "sparsity", method],
        **({"datasets": [data]} if "use" not in task and _IDENTIFIER.fullmatch(data) else {}),
        "metrics": list(plain),
        "model-index": [{"name": content["name"], "results": results}],
    }


def _summary(content: Content) -> str:
    pruned, seed = content["pruned"], content["seed"]
    share = pruned["zeros"] / pruned["prunable"] if pruned["prunable"] else 0.0
    sentences = [
        f"Trial `{content['fingerprint']}` of the study {content['study']}, seed {seed}:"
        f" {content['chosen']}.",
        f"{pruned['zeros']} of {pruned['prunable']} prunable weights are zero ({share:.4f}).",
        f"`{content['file']}` has {content['bytes']} bytes: {_form(content)}.",
        *content.get("notes", ()),
    ]
    return "\n".join(sentences)


def _form(content: Content) -> str:
    """Format, precision and encoding; a graph, and a state dict, have but the first."""
    if content["format"] != "safetensors":
        return f"format {content['format']}"
    return f"safetensors, {content['precision']}, {content['encoding']}"


def _loading(content: Content) -> str:
    return _fenced("python", "\n".join(content.get("loading", ())) + "\n")


def _results(content: Content) -> str:
    results = content["results"]
    rows = [
        (
            _words(m["name"]),
            _number(m["name"], m["value"]),
            _number(m["name"], m["mean"]),
            *_interval(m),
        )
        for m in results["metrics"]
    ]
    seeds = ", ".join(map(str, results["seeds"]))
    lost = ", ".join(f"{n} {state}" for state, n in results.get("lost", {}).items())
    notes = [
        f"Means run over the seeds that are done ({seeds})"
        + (f"; not in them: {lost}." if lost else "."),
        *results.get("notes", ()),
    ]
    head = ("metric", f"seed {content['seed']}", "mean over seeds", "interval", "which")
    return _table(head, rows) + "\n\n" + "\n".join(notes)


def _checks(content: Content) -> str:
    lines = []
    for a in content.get("agreements", ()):
        measured = ", ".join(
            f"{name} {a['other'][name]:.6g}"
            + (f" (recorded {a['recorded'][name]:.6g})" if name in a["recorded"] else "")
            for name in a["other"]
        )
        lines.append(
            f"- {a['part']}, {a['examples']} examples: {measured}; the largest difference of an"
            f" output is {a['largest']:.2g} ({a['allowed']:.2g} allowed); {_changed(a)}."
        )
    return "\n".join(lines)


def _changed(agreement: Content) -> str:
    ties = agreement["ties"]
    if not ties:
        return "no two top logits lie within the tolerance, and no prediction differs"
    named = ", ".join(f"{tie['index']} ({tie['gap']:.1e})" for tie in ties[:_MOST_TIES])
    more = f" and {len(ties) - _MOST_TIES} more" if len(ties) > _MOST_TIES else ""
    n = len(agreement["changed"])
    differing = (
        "no prediction differs" if not n else f"{counted(n, 'prediction')} differ among them"
    )
    return f"the two top logits lie within the tolerance of example {named}{more}; {differing}"


def _taken_out(removal: Content) -> str:
    """What is gone, of how many layers: `7 zero filters of 2 layers and 1 head of 1 layer`."""
    kinds = (("filters", "zero filter"), ("heads", "attention head"))
    return " and ".join(
        f"{counted(sum(gone.values()), word)} of {counted(len(gone), 'layer')}"
        for key, word in kinds
        if (gone := removal[key])
    )


def _removal(content: Content) -> str:
    removal = content.get("removal")
    if not removal:
        return ""
    before, after = removal["multiply_adds_before"], removal["multiply_adds"]
    head = (
        f"{_taken_out(removal)}. Multiply-adds of one input"
        f" in dense kernels: {after:,} instead of {before:,}. Outputs differ by at most"
        f" {removal['largest_difference']:.2g} from those of the masked network."
    )
    kept = [f"- {sentence}" for sentence in removal["kept"]]
    shapes = _table(("tensor", "shape"), removal["shapes"].items())
    stays = ["What stays although it is zero:", "\n".join(kept)] if kept else []
    return "\n\n".join([head, *stays, "Shapes:", shapes])


def _sizes(content: Content) -> str:
    whole = [row for row in content.get("sizes", ()) if row["layer"] == "(file)"]
    if not whole:
        return ""
    precisions = list(dict.fromkeys(row["precision"] for row in whole))
    by = {(row["encoding"], row["precision"]): row["bytes"] for row in whole}
    encodings = dict.fromkeys(row["encoding"] for row in whole)
    rows = [(e, *(str(by.get((e, p), "")) for p in precisions)) for e in encodings]
    note = "Bytes of safetensors files of the weights; the JSON card has every layer's."
    return f"{_table(('encoding', *precisions), rows)}\n\n{note}"


def _deployed(content: Content) -> str:
    deployed: Mapping[str, Mapping[str, float]] = content.get("deployed", {})
    names = dict.fromkeys(name for metrics in deployed.values() for name in metrics)
    recorded = {m["name"]: m["value"] for m in content["results"]["metrics"]}
    rows = [
        (
            _words(name),
            _number(name, recorded[name]) if name in recorded else "",
            *(_number(name, m[name]) if name in m else "" for m in deployed.values()),
        )
        for name in names
    ]
    return _table(("metric", "recorded", *deployed), rows) if rows else ""


def _provenance(content: Content) -> dict[str, Any]:
    code = {f"code {key}": value for key, value in content.get("code", {}).items()}
    return {
        "fingerprint": content["fingerprint"],
        "sha256 of the file": content["sha256"],
        **code,
        **content.get("provenance", {}),
    }


def _plain(name: str) -> str:
    """A metric's name without the part that it is measured on."""
    return name.partition("_")[2]


def _words(name: str) -> str:
    from analysis.columns.labels import words

    return words(name)


def _number(name: str, value: float) -> str:
    from analysis.columns.labels import shown

    return shown(name, value)


def _interval(metric: Content) -> tuple[str, str]:
    """The interval of a mean and which it is; where there is none, why."""
    if metric["lo"] is None:
        return "", f"none, n = {metric['n']}"
    if len(set(metric["by_seed"].values())) == 1:
        return "", f"the same at every seed, n = {metric['n']}"
    lo, hi = (_number(metric["name"], metric[end]) for end in ("lo", "hi"))
    return f"{lo} to {hi}", metric["interval"]


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [_row(head), _row(["---"] * len(head))]
    return "\n".join([*lines, *(_row([_cell(v) for v in row]) for row in rows)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {inner}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    text = "" if value is None else str(value)
    return " ".join(text.split()).replace("|", "\\|")


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}```"


def _yaml(value: Any) -> str:
    from ruamel.yaml import YAML

    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    sink = io.StringIO()
    writer.dump(value, sink)
    return sink.getvalue()
