"""`bimp doctor`."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("doctor")
@click.option("--data-root", type=click.Path(path_type=Path), help="Where data sets lie.")
def command(data_root: Path | None) -> None:
    """Check this machine: versions, cores, memory, GPUs, data sets, and Chromium for PNG files.

    Each line says ok, or missing and what to do. Exit status 1 when something that every study
    needs is missing.
    """
    from study.checks.doctor import checkup, table
    from study.definition.studyfile import Data

    findings = checkup((data_root or Path(Data().root)).expanduser())
    click.echo(table(findings))
    if any(f.needed and not f.ok for f in findings):
        sys.exit(1)
