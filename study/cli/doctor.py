"""`bimp doctor`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from study.cli.terminal import Verb
from trainables.vocabulary.refusal import Refusal


@click.command("doctor", cls=Verb)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    help="Where data sets lie; ~/.cache/bimp-study/data unless given.",
)
@click.option("--address", help="Look at each node of a running Ray cluster (host:port or auto).")
@click.option("--out", metavar="DIR", help="With --address: a study folder that nodes must share.")
def command(data_root: Path | None, address: str | None, out: str | None) -> None:
    """Check this machine: versions, cores, memory, GPUs, data sets, and Chromium for PNG files.

    Each line says ok, or missing and what to do. With --address it is one row per node of a
    cluster: versions, the shared folder DIR and the room in it, data, GPUs, ports, clock. Exit
    status 1 when something that every study needs is missing.
    """
    if address is not None:
        _cluster(address, out, data_root)
        return
    if out is not None:
        raise Refusal(f"--out must be given with --address, whose nodes share it, got {out}")
    from study.checks.doctor import checkup, table
    from study.definition.locations import refuse_file
    from study.definition.studyfile import Data
    from trainables.vocabulary.homes import expanded

    if data_root is not None:
        refuse_file(expanded(data_root), "--data-root")
    findings = checkup(expanded(data_root or Data().root))
    click.echo(table(findings))
    if any(f.needed and not f.ok for f in findings):
        sys.exit(1)


def _cluster(address: str, out: str | None, data_root: Path | None) -> None:
    from study.checks.installed import require

    require("doctor", "ray")
    from study.driver.ray_session import session
    from study.machines.cluster_check import checkup
    from study.machines.node_rows import table

    with session(address, 0, 0):
        rows = checkup(out, data_root)
    click.echo(table(rows))
    if not all(row.usable for row in rows):
        sys.exit(1)
