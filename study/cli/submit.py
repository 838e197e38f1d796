"""`bimp submit`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("submit")
@click.argument("study")
@click.option("--address", required=True, help="The cluster's job server: http://HEAD:8265.")
@click.option("--out", required=True, metavar="DIR", help="Study folder that all nodes see.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a key.")
@click.option(
    "--working-dir", default=".", help="Folder shipped to the cluster; . unless given.",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)  # fmt: skip
def command(study: str, address: str, out: str, sets: tuple[str, ...], working_dir: Path) -> None:
    """Hand `bimp run STUDY` to a Ray cluster as a job, and return at once.

    The study is checked here first. The working folder is shipped, without results and caches; the
    nodes must have bimp installed. DIR must outlive the job: an absolute path on a file system that
    all nodes share, or an object store's URI.
    """
    from study.checks.installed import require
    from study.checks.user_code import opened_study
    from study.definition.studyfile import load

    require("submit", "ray")
    loaded = load(study, sets)
    opened_study(loaded, out)[0].check()

    from study.driver.submission import submit

    job = submit(
        study, loaded.name, address=address, out=out, sets=sets, working_dir=working_dir,
        stage_store=loaded.stage_store,
    )  # fmt: skip
    click.echo(f"submitted {job}; follow it: ray job logs --address {address} --follow {job}")
