"""`bimp submit`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from study.cli.terminal import Verb

_OUTCOMES: Final = {
    "at work": "the nodes were looked at, and {job} is at work",
    "over": "{job} has ended, and every trial is settled",
    "unknown": "{job} has not yet looked at the nodes; it goes on",
}


@click.command("submit", cls=Verb)
@click.argument("study")
@click.option("--address", required=True, help="The cluster's job server: http://HEAD:8265.")
@click.option("--out", required=True, metavar="DIR", help="Study folder that all nodes see.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a key.")
@click.option(
    "--working-dir", default=".", help="Folder shipped to the cluster; . unless given.",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)  # fmt: skip
def command(study: str, address: str, out: str, sets: tuple[str, ...], working_dir: Path) -> None:
    """Hand `bimp run STUDY` to a Ray cluster as a job, and return once it has looked at the nodes.

    The study is checked here first. The working folder is shipped, without results and caches; the
    nodes must have bimp installed. DIR must outlive the job: an absolute path on a file system that
    all nodes share, or an object store's URI. What nodes lack is said as by bimp doctor --address;
    where no node can run a trial the exit status is 2. Ctrl-C leaves the job at work.
    """
    from study.checks.installed import require
    from study.checks.user_code import opened_study
    from study.definition.locations import opened
    from study.definition.studyfile import load
    from trainables.files.storage import is_remote

    require("submit", "ray")
    loaded = load(study, sets)
    if is_remote(out):
        opened(out, "--out")
    opened_study(loaded, out)[0].check()

    from study.driver.submission import submit
    from study.machines.first_look import first_look

    job, server = submit(
        study, loaded.name, address=address, out=out, sets=sets, working_dir=working_dir,
        stage_store=loaded.stage_store,
    )  # fmt: skip
    click.echo(f"submitted {job}; follow it: ray job logs --address {address} --follow {job}")
    try:
        outcome = first_look(server, job, click.echo)
    except KeyboardInterrupt:
        click.echo(f"\n{job} goes on; end it: ray job stop --address {address} {job}")
        sys.exit(130)
    click.echo(_OUTCOMES[outcome].format(job=job))
