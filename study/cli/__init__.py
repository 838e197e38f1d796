"""The command `bimp`. Each verb is a module of this folder, imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from study.cli.terminal import refusal_line, say
from trainables.vocabulary import packages, standard

VERBS = {
    "plan": "Say what a study would run and what sharing saves; starts nothing.",
    "run": "Run a study; run it again to resume, retry or extend it.",
    "status": "Say where a study folder stands.",
    "answer": "Say what a study answers: what to use where, how sure, at what cost.",
    "results": "Show trials, cycles or epochs as a table, CSV, JSON, Parquet, Markdown or LaTeX.",
    "table": "Compare schedules or methods as text, Markdown, LaTeX, HTML or CSV.",
    "report": "Write tables, figures and findings as one HTML file that opens offline.",
    "figure": "Draw one figure into a PDF, SVG, PNG, HTML or JSON file.",
    "dashboard": "Show study folders in a browser, live while they run.",
    "schedule": "Print the learning rates of any schedule.",
    "methods": "List the pruning methods, their parameters and sources.",
    "stages": "List the stages of a study folder, dense runs first.",
    "export": "Write a trial's pruned weights to a file.",
    "bench": "Measure how fast pruned networks run where it is called.",
    "note": "Keep or show notes on a study and its trials.",
    "track": "Write trials to MLflow, Weights & Biases or TensorBoard.",
    "submit": "Hand a run to a Ray cluster as a job.",
    "doctor": "Check this machine: versions, devices, data sets.",
}


class _Verbs(click.Group):
    """A group that imports a verb's module only when the verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = import_module(f"study.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise click.UsageError(refusal_line(error.format_message()), error.ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(VERBS)}"
            raise click.UsageError(f"the command must be a known one, got {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bimp-study")
@click.option(
    "--trust-store", is_flag=True,
    help="Go where DIR leads: stores in other buckets, tracking servers, links out of it.",
)  # fmt: skip
def group(trust_store: bool) -> None:
    """Studies of pruning and retraining: IMP, BIMP and their rivals on Ray Tune.

    STUDY is a YAML file or the name of a preset; DIR a study folder, local or in an object store.
    """
    if trust_store:
        from trainables.files.trust import trust_stores

        trust_stores()


def _fault() -> str | None:
    """What keeps every verb from working here, in a sentence."""
    import os

    try:
        os.getcwd()
    except OSError as error:
        return f"the working folder must be there, got one that is gone ({error.strerror})"
    return packages.fault()


def main() -> None:
    """Run the command; a broken rule is one message on standard error and exit status 2."""
    import atexit
    import gc
    import io
    import sys

    # What imports make stays: looking through it for garbage, once a start and once more at the
    # end, takes as long as importing Arrow.
    gc.set_threshold(200_000, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
    standard.open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may lack a sign, or a path be no text
            stream.reconfigure(errors="backslashreplace")
    if (sentence := _fault()) is not None:
        click.echo(f"bimp: {sentence}", err=True)
        sys.exit(2)
    try:
        group(standalone_mode=True)
    except Exception as error:
        from trainables.files.outages import StoreOutage
        from trainables.files.trial_record import RecordError
        from trainables.vocabulary.refusal import Refusal

        if isinstance(error, (RecordError, StoreOutage)):
            error = Refusal(str(error))
        if isinstance(error, ModuleNotFoundError):
            from study.checks.installed import without_extra

            error = without_extra(error) or error
        if isinstance(error, OSError) and (reason := standard.refuses(error)) is not None:
            standard.silence()
            error = Refusal(f"standard output must take what is written, got {reason}")
        if not isinstance(error, Refusal):
            raise
        say(f"bimp: {refusal_line(str(error))}", err=True)
        sys.exit(2)
