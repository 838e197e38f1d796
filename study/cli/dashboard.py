"""`bimp dashboard`."""

from __future__ import annotations

import click

from study.cli.terminal import MARGIN, Verb, say


@click.command("dashboard", cls=Verb)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8050, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
@MARGIN
def command(folders: tuple[str, ...], host: str, port: int, margin: float | None) -> None:
    """Show the study folders DIR in a browser, live while they run.

    Served to this machine alone unless --host says otherwise. Writes nothing but your notes.
    """
    from analysis.dashboard import serve
    from trainables.vocabulary.homes import LocationError
    from trainables.vocabulary.refusal import Refusal

    try:
        serve(folders, host, port, lambda text: say(text, err=True), margin)
    except (FileNotFoundError, LocationError) as error:
        raise Refusal(f"DIR must be a study folder, got {', '.join(folders)}: {error}") from error
    except OSError as error:
        raise Refusal(
            f"--host and --port must be free on this machine, got {host} and {port}: {error}"
        ) from error
