"""Batches that a network's normalisation cannot take: a part of one example with one value each.

The last batch of an epoch is what is left of the examples, and so is the last part of a batch under
`compute.micro_batch`. Where that is one example and a map has shrunk to one pixel, a normalisation
over the batch has nothing to take a mean of, and torch raises in the middle of the first epoch.
"""

from __future__ import annotations

from collections.abc import Iterable

from trainables.config.trial import TrialConfig
from trainables.vocabulary.refusal import Refusal


def parts_of_an_epoch(n_train: int, batch_size: int, micro_batch: int | None) -> set[int]:
    """Return the sizes of the forwards of an epoch: those of whole batches and of the last one."""
    batches = {min(batch_size, n_train), n_train % batch_size or min(batch_size, n_train)}
    if micro_batch is None:
        return batches
    whole = {micro_batch for batch in batches if batch >= micro_batch}
    return whole | {batch % micro_batch for batch in batches if batch % micro_batch}


def check_batches(configs: Iterable[TrialConfig]) -> None:
    """Refuse a batch size that leaves one example by itself to a network that cannot take it.

    Networks of the catalog are built without memory for that, and only where one is left.
    """
    known: dict[str, str | None] = {}
    for config in configs:
        model, images = config.task.model, config.images
        if model is None or model.is_own or images is None:
            continue
        micro, batch = config.compute.micro_batch, config.dense.batch_size
        if 1 not in parts_of_an_epoch(config.n_train, batch, micro):
            continue
        key = config.task.model_dump_json()
        if key not in known:
            known[key] = _fault_of_one(model.name, *images, model.parameters)
        if (fault := known[key]) is None:
            continue
        name, value = (
            ("dense.batch_size", batch) if micro is None else ("compute.micro_batch", micro)
        )
        raise Refusal(
            f"{name} must not leave a single example to {model.name}, whose normalisation takes"
            f" means over a batch, got {value} of {config.n_train} examples ({fault})"
        )


def _fault_of_one(
    model: str, in_shape: tuple[int, int, int], n_classes: int, parameters: dict[str, object]
) -> str | None:
    """What a network says to one example while it trains; None where it takes it."""
    import torch

    from trainables.networks.models import build

    with torch.device("meta"):
        network = build(model, in_shape, n_classes, parameters).train()
        try:
            network(torch.zeros(1, *in_shape))
        except ValueError as error:
            return str(error).splitlines()[0]
    return None
