"""`bimp export`."""

from __future__ import annotations

import click

from study.cli.terminal import Verb, one_line, say
from study.exports.order import ENCODINGS, FORMATS, PRECISIONS, Order


@click.command("export", cls=Verb)
@click.argument("folder", metavar="DIR")
@click.option("--trial", metavar="ID", help="A fingerprint; as much of it as is unique.")
@click.option("--best", "metric", metavar="METRIC", help="The best trial by a validation metric.")
@click.option(
    "--front", is_flag=True, help="All on the front of accuracy against sparsity, into a folder."
)
@click.option(
    "--format", "shape", default="safetensors", show_default=True, type=click.Choice(FORMATS),
    help="What FILE is.",
)  # fmt: skip
@click.option(
    "--precision",
    default="fp32",
    show_default=True,
    type=click.Choice(PRECISIONS),
    help="Of safetensors files.",
)
@click.option(
    "--encoding",
    default="dense",
    show_default=True,
    type=click.Choice(ENCODINGS),
    help="Of safetensors files.",
)
@click.option(
    "--sizes",
    is_flag=True,
    help="Also measure bytes in every encoding and precision, and metrics in fp16 and int8.",
)
@click.option(
    "--remove", is_flag=True, help="Take zero filters out: a smaller network with equal outputs."
)
@click.option(
    "-o", "--output", required=True, metavar="FILE",
    help="A file; a folder for --front.",
)  # fmt: skip
def command(
    folder: str,
    trial: str | None,
    metric: str | None,
    front: bool,
    shape: str,
    precision: str,
    encoding: str,
    sizes: bool,
    remove: bool,
    output: str,
) -> None:
    """Write the pruned network of a trial of DIR to FILE, with a card beside it.

    The weights are those at the end of its last stage with the masks applied. onnx, export and
    executorch hold the network itself and are checked on its validation and test data; safetensors
    and torch hold weights, with the lines that load them. Nothing is chosen by a metric measured on
    test data. Formats with the network, --sizes, --remove and other precisions run the study's own
    code.
    """
    if sum([trial is not None, metric is not None, front]) != 1:
        raise click.UsageError("give one of --trial ID, --best METRIC and --front")

    from study.checks.installed import require

    require("export", "torch", "safetensors")
    from study.exports import export as exports
    from study.exports.places import file_name, require_folder, require_place
    from study.views.output import write_all

    order = Order(shape, precision, encoding, sizes, remove)
    if front:
        place = require_folder(output)
        made = {f"{place}/{name}": e for name, e in exports.front(folder, order).items()}
    else:
        require_place(output, order)
        name = file_name(output)
        made = {output: exports.export(folder, trial=trial, metric=metric, order=order, name=name)}
    write_all({path: data for at, one in made.items() for path, data in one.files(at).items()})
    for note in exports.keep(folder, list(made.values())):
        say(f"note: {note}", err=True)
    for at, one in made.items():
        say(one.sentence(one_line(at)))
    if not front:
        say("\n".join(["", *one.card["loading"]]))
