"""One HTML file that says what a study found and shows how it is known.

Self-contained: plotly.js, styles and data are inline, nothing is fetched and nothing is sent. What
is text in a study stays text: the templates escape, and so does what draws the figures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.answer.sentences import STUDIED, topics
from analysis.answer.whole import answer
from analysis.columns.labels import unbroken
from analysis.columns.names import joined
from analysis.drawing import theme
from analysis.findings import sentences, spending
from analysis.frames.study_frames import StudyFrames, read
from analysis.report.exhibits import exhibits
from analysis.report.origins import run_facts
from analysis.report.views import (
    comparison_tables,
    comparisons_view,
    fallen_view,
    leaders_view,
    numbers_view,
    resolution_view,
)
from analysis.tables.layout import TextTable
from trainables.files.outputs import deliver

TEMPLATES: Final = Path(__file__).parent / "templates"


def write_report(locations: Sequence[str], output: Path | str, margin: float | None = None) -> None:
    """Write the report of one or several study folders to `output`, as `files.outputs` writes.

    `margin` is the difference that does not matter, see `render_report`. Raises FileNotFoundError
    naming the location when there is no study at it, OutputError when it cannot be written.
    """
    deliver({str(output): render_report(read(*locations), margin).encode()})


def render_report(study: StudyFrames, margin: float | None = None) -> str:
    """Return the report of a study as one HTML document.

    `margin` is the difference that does not matter, in the shown unit of what is reported: half a
    point of a per cent unless given, and without one no likeness is claimed.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    frame = study.trials
    found = answer(study, margin)
    said = topics(found)
    answered = {sentence for topic in said for sentence in topic.sentences}
    shown, absent = exhibits(study)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else _whole(value),
    )
    return environment.get_template("report.html.j2").render(
        title=study_title(study),
        answer=[topic for topic in said if topic.title != STUDIED],
        studied=[topic for topic in said if topic.title == STUDIED],
        card=found.card,
        summary=[one for one in sentences.findings(frame, margin) if one not in answered],
        views=[view for view in _views(frame, margin) if view.rows],
        tables=[Markup(text) for text in comparison_tables(frame, margin)],
        exhibits=[(one, numbers_view(one.table)) for one in shown],
        payloads=[(one.figure.name, Markup(in_script(one.payload))) for one in shown],
        absent=absent,
        run=run_facts(study),
        sharing=spending.sharing(frame),
        fallen=fallen_view(frame),
        warnings=study.warnings,
        schemes=theme.SCHEMES,
        font=Markup(theme.FONT),
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
        settings=Markup(in_script(json.dumps(page_settings()))),
    )


def _whole(value: Any) -> Any:
    """Text whose numbers are not broken between two lines of the page."""
    return unbroken(value) if isinstance(value, str) else value


def _views(frame: pd.DataFrame, margin: float | None) -> list[TextTable]:
    return [
        leaders_view(frame),
        comparisons_view(frame, margin),
        resolution_view(frame, margin),
    ]


def in_script(text: str) -> str:
    """Return JSON that can stand inside a script element: no `<` that could end it."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def page_settings() -> dict[str, Any]:
    """Return what the page's script needs of the theme: templates by scheme, and the config."""
    templates = {mode: theme.template(mode).to_plotly_json() for mode in theme.MODES}
    return {"templates": templates, "config": dict(theme.CONFIG)}


def study_title(study: StudyFrames) -> str:
    """Return the names of the studies read, joined."""
    names = list(dict.fromkeys(name for name, _ in study.records))
    return joined(names) if names else "Study without trials"
