"""The Python API: a study as an object, with what the command `bimp` does to it.

    >>> from study import Study
    >>> study = Study.load("digits", ["seeds=[0]"])
    >>> study.plan().trials
    36
    >>> summary = study.run("results/digits")  # doctest: +SKIP

What a run leaves behind is read with `analysis.frames`, here or anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from study.checks.installed import require
from study.checks.user_code import LookedAt, opened_study
from study.definition import studyfile
from study.definition.locations import folder_of
from study.definition.studyfile import StudyFile
from study.points.resolved_study import ResolvedStudy

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from analysis.answer.statements import Answer
    from analysis.tables.shown import ShownTable
    from study.driver.run_summary import RunSummary
    from study.views.plan import Plan


@dataclass(frozen=True)
class Study:
    """A study that has been read; `file` holds its sections, `home` the folder of one that was
    opened there.

    `load`, `of` and every method raise `trainables.vocabulary.refusal.Refusal`, a ValueError whose
    text names the key, the rule and the value, where the study breaks a rule. Nothing has then
    started.
    """

    file: StudyFile
    home: str | None = None
    _looked_at: dict[str, tuple[ResolvedStudy, LookedAt]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def load(cls, study: str | Path, sets: Sequence[str] = ()) -> Self:
        """Return the study of a YAML file or a preset's name, with `key=value` texts laid over."""
        return cls(studyfile.load(str(study), sets))

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Return the study of plain data, as a study file holds it."""
        return cls(StudyFile.of(raw))

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Return the study of a study folder, as it was last run; its methods work on that folder
        unless told otherwise."""
        from study.definition.locations import existing

        place, file = existing(str(folder))
        return cls(file, place.location)

    def resolved(self, out: str | Path | None = None) -> ResolvedStudy:
        """Return what follows from the study: its blocks, configurations and trials.

        Code of yours that it names is looked at, in a process of its own, for the folder `out`.
        """
        return self._opened(out)[0]

    def _opened(self, out: str | Path | None) -> tuple[ResolvedStudy, LookedAt]:
        location = self.folder(out)
        if location not in self._looked_at:
            self._looked_at[location] = opened_study(self.file, location)
        return self._looked_at[location]

    @property
    def name(self) -> str:
        """The study's name."""
        return self.file.name

    def folder(self, out: str | Path | None = None) -> str:
        """Return the study folder: `out`, the folder that it was opened in, or results/<name>."""
        return folder_of(self.file, self.home if out is None else str(out))

    def check(self) -> None:
        """Refuse what can be refused without torch, data or a cluster."""
        self.resolved().check()

    def plan(self, out: str | Path | None = None) -> Plan:
        """Return what `run` would do: trials, stages, epochs asked and left. Starts nothing."""
        from study.views.plan import plan

        return plan(self.resolved(out), self.folder(out))

    def run(self, out: str | Path | None = None, address: str | None = None) -> RunSummary:
        """Run what is wanted and not settled, on this machine or on the Ray cluster at `address`.

        Trials that fail are in the summary, and are retried by the next run. Refusal where the
        extra `run` is not installed.
        """
        require("run", "ray", "torch")
        from study.driver.launch import run

        resolved, code = self._opened(out)
        return run(resolved, self.folder(out), address, code)

    def figure(self, name: str, out: str | Path | None = None, **controls: Any) -> Figure:
        """Return a figure of what the study's folder holds so far, by its name in the report.

        `controls` are the figure's own, such as `metric="val_accuracy"` or
        `at={"retrain.epochs": 3}`. ValueError for an unknown figure or control; FileNotFoundError
        where the study has not been run.
        """
        from analysis.figures import source_frame
        from analysis.frames.study_frames import read
        from analysis.paper.wishes import figure_named

        figure = figure_named(name)
        return figure.draw(source_frame(read(self.folder(out)), figure.source), **controls)

    def table(
        self,
        kind: str | None = None,
        out: str | Path | None = None,
        *,
        where: str | None = None,
        metrics: Sequence[str] = (),
        margin: float | None = None,
    ) -> ShownTable:
        """Return a comparison of schedules, structures or methods, as `bimp table` prints it.

        HTML in a notebook, text when printed, numbers in `.cells`. ValueError where the study's
        folder has nothing of a kind to compare; FileNotFoundError where it has not been run.
        """
        from analysis.frames import query
        from analysis.frames.study_frames import read
        from analysis.tables.comparisons import table_of
        from analysis.tables.shown import ShownTable

        trials = read(self.folder(out)).trials
        kept = query.where(trials, where) if where else trials
        return ShownTable(table_of(kept, kind, metrics, margin))

    def __repr__(self) -> str:
        return f"Study({self.name!r}, in {self.folder()!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer so far, or the study file before a run."""
        from study.notebook import study_html

        return study_html(self.file, self.folder())

    def answer(self, out: str | Path | None = None, margin: float | None = None) -> Answer:
        """Return what the study's folder answers so far: typed statements, see `analysis.answer`.

        `analysis.answer.sentences.sentences` says them. `margin` is the difference that does not
        matter, in the unit shown: half a point of a per cent unless given. Reads only;
        FileNotFoundError where the study has not been run.
        """
        from analysis.answer.whole import answer_in

        return answer_in(self.folder(out), margin=margin)
