"""The one place that asks by which strategy a study finds its points."""

from __future__ import annotations

from study.definition.own_code import NO_CODE, StudyCode
from study.definition.studyfile import StudyFile
from study.points.resolved_study import ResolvedStudy


def resolve(study: StudyFile, code: StudyCode = NO_CODE) -> ResolvedStudy:
    """Return what follows from a study, worked out as it is asked for.

    `code` is what is known of the user's code that it names.
    """
    if study.search.strategy == "grid":
        from study.points.grid_study import GridStudy

        return GridStudy(study, code)
    from study.points.search_study import SearchStudy

    return SearchStudy(study, code)
