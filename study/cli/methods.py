"""`bimp methods`."""

from __future__ import annotations

import click

from study.cli.terminal import Verb


@click.command("methods", cls=Verb)
@click.option(
    "--format",
    "shape",
    default="table",
    show_default=True,
    type=click.Choice(["table", "json"]),
    help="How they are printed.",
)
def command(shape: str) -> None:
    """List the pruning methods: kind, parameters with ranges and defaults, domains, source."""
    from study.views.method_list import methods, table

    if shape == "json":
        import json

        click.echo(json.dumps(methods(), indent=2))
    else:
        click.echo(table())
