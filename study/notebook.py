"""A study as a notebook shows it: what it answers so far, or what it asks. All text is escaped."""

from __future__ import annotations

import io
from contextlib import suppress
from html import escape

from analysis.answer.sentences import topics
from analysis.answer.whole import answer_in
from analysis.frames.study_frames import read
from analysis.tables.comparisons import table_of
from analysis.tables.shown import ShownTable
from study.definition.studyfile import StudyFile


def study_html(study: StudyFile, location: str) -> str:
    """Return the answer of the study's folder and its table of means; its file before a run."""
    heading = f"<h3>{escape(study.name)}</h3>"
    try:
        trials = read(location).trials
    except FileNotFoundError:
        return f"{heading}<p>Not run yet: {escape(location)} holds no study.</p>{_file(study)}"
    if trials.empty:
        return f"{heading}<p>No trial in {escape(location)} has ended yet.</p>{_file(study)}"
    topics_of = topics(answer_in(location))
    parts = [
        f"<h4>{escape(one.title)}</h4><ul>"
        + "".join(f"<li>{escape(text)}</li>" for text in one.sentences)
        + "</ul>"
        for one in topics_of
    ]
    with suppress(ValueError):  # nothing to compare, which the answer says
        parts.append(ShownTable(table_of(trials))._repr_html_())
    return f"{heading}<p>{escape(location)}</p>{''.join(parts)}"


def _file(study: StudyFile) -> str:
    from ruamel.yaml import YAML

    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(study.raw(), text)
    return f"<pre>{escape(text.getvalue())}</pre>"
