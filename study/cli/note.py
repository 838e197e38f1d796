"""`bimp note`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from study.cli.terminal import Verb, say, warn

if TYPE_CHECKING:
    from trainables.files.records import StudyFolder


@click.command("note", cls=Verb)
@click.argument("folder", metavar="DIR")
@click.argument("text", metavar="[TEXT]", required=False)
@click.option("--trial", metavar="NAME", help="A trial's fingerprint; the whole study otherwise.")
@click.option("--delete", is_flag=True, help="Take the note away.")
def command(folder: str, text: str | None, trial: str | None, delete: bool) -> None:
    """Keep TEXT as the note on the study DIR or on one of its trials; show notes without a TEXT.

    The dashboard shows notes, and on this machine also writes them. Records are left alone.
    """
    from datetime import UTC, datetime

    from study.definition.locations import existing, written_into
    from trainables.files.notes import STUDY, read_notes, write_note
    from trainables.vocabulary.refusal import Refusal

    place, _ = existing(folder)
    about = trial or STUDY
    if trial is not None and not _is_there(place, trial):
        raise Refusal(f"--trial must be the fingerprint of a trial in DIR, got {trial}")
    if delete and text:
        raise Refusal("TEXT must be absent with --delete, got one")
    if delete or text:
        try:
            with written_into(place.location):
                write_note(place.folder, about, text or "", datetime.now(UTC))
        except ValueError as error:
            raise Refusal(str(error)) from error
        return
    notes, warnings = read_notes(place.folder)
    for warning in warnings:
        warn(warning)
    if not any(trial in (None, about) for about in notes):
        say("no note is there", err=True)
    for note in sorted(notes.values(), key=lambda one: (one.about != STUDY, one.about)):
        if trial is None or note.about == trial:
            say(f"{note.about}: {note.text}")


def _is_there(folder: StudyFolder, trial: str) -> bool:
    """Whether a trial has a record, be it one that cannot be read."""
    return f"{trial}.json" in folder.folder.names("records")
