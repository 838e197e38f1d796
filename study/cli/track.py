"""`bimp track`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click

from study.cli.terminal import Verb, say


@click.command("track", cls=Verb)
@click.argument("folder", metavar="DIR")
@click.option("--mlflow", metavar="URI", help="A tracking server, a database or a folder.")
@click.option("--wandb", metavar="PROJECT", help="WANDB_MODE=offline writes runs to be synced.")
@click.option("--tensorboard", metavar="FOLDER", help="Where event files go.")
@click.option("--json", "as_json", is_flag=True, help="What was written as one line of JSON.")
@click.option("--while", "parent", type=int, hidden=True, help="Stop when this process is gone.")
def command(
    folder: str,
    mlflow: str | None,
    wandb: str | None,
    tensorboard: str | None,
    as_json: bool,
    parent: int | None,
) -> None:
    """Write the trials of the study DIR to trackers: MLflow, W&B, TensorBoard.

    Each trial once: its settings, curve and final numbers, or why it failed. Without an option it
    writes to those of the study's `track`. A run does the same as it goes on, where its study has
    `track`. Writes nothing into the records.
    """
    from study.definition.locations import existing, refuse_file, written_into
    from study.definition.track import Track
    from study.trackers.sweep import sentences, sweep
    from trainables.vocabulary.homes import expanded
    from trainables.vocabulary.refusal import Refusal

    place, study = existing(folder)
    named = {"mlflow": mlflow, "wandb": wandb, "tensorboard": tensorboard}
    given = {kind: target for kind, target in named.items() if target is not None}
    with _options(given):
        track = Track.of(given) if given else study.track
        if track.tensorboard is not None and not as_json:  # of which a run tells what it missed
            refuse_file(expanded(track.tensorboard).absolute(), "track.tensorboard")
    if not track.targets:
        rule = "must be given where the study has no track"
        raise Refusal(f"--mlflow, --wandb or --tensorboard {rule}, got none")
    if not given:
        track.refuse_strangers()
    with _options(given):
        track.require_packages()
    with written_into(place.location):  # it says there that it is at work
        outcomes = sweep(
            place.location,
            track.absolute().targets,
            lambda: parent is None or os.getppid() == parent,
        )
    if as_json:
        click.echo(json.dumps([asdict(one) for one in outcomes]))
        return
    for text in sentences(outcomes, folder):
        say(text)
    if any(one.fault for one in outcomes):
        sys.exit(1)


@contextmanager
def _options(given: Collection[str]) -> Iterator[None]:
    """Name the options that were given in refusals of the keys that they stand for."""
    from trainables.vocabulary.refusal import Refusal

    try:
        yield
    except Refusal as error:
        text = str(error)
        for kind in given:
            text = text.replace(f"track.{kind} ", f"--{kind} ")
        raise Refusal(text) from None
