"""Milliseconds per call of networks with whole filters and with single weights pruned.

Each network is pruned at its start, by magnitude, the same share of every layer; normalisation is
given numbers as training leaves them. Four forms take turns: dense, masked by single weights,
masked by filters, and that one without its zero filters. Prints, of each, multiply-adds in dense
kernels and the median with its order-statistic interval at 95 %, and what both are of the dense
network's.

    python benchmarks/latency.py [--models resnet56 vgg16-bn] [--sparsities .3 .5 .7]
        [--batch 1 128] [--rounds 31 11]

Each batch has rounds of its own: calls on many images last longer, and vary less.
"""

from __future__ import annotations

import argparse
import copy
import os
import time

import torch
from torch import nn

from trainables.deploy.backends import BACKENDS, prepared
from trainables.deploy.latency import machine_name
from trainables.deploy.stopwatch import Pace, in_turns
from trainables.formulas.order_statistics import Median, median_of
from trainables.networks import models
from trainables.pruning.masks import apply_, companion_masks, dense_masks
from trainables.pruning.ranking import prune
from trainables.pruning.work import work_of
from trainables.removal.plan import plan_of, shrink
from trainables.removal.traced import traced

SHAPE = (3, 32, 32)


def as_trained(network: nn.Module) -> nn.Module:
    """Give normalisation numbers that no two channels share."""
    draw = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.weight.data.uniform_(0.5, 1.5, generator=draw)
            module.bias.data.normal_(0, 0.3, generator=draw)
            module.running_mean.normal_(0, 0.3, generator=draw)
            module.running_var.uniform_(0.5, 1.5, generator=draw)
    return network.eval()


def pruned(dense: nn.Module, sparsity: float, structure: str) -> nn.Module:
    """Return a copy with its masks applied."""
    network = copy.deepcopy(dense)
    masks = dense_masks(network)
    zeros = round(sparsity * sum(mask.numel() for mask in masks.values()))
    masks = prune(
        network, masks, zeros=zeros, structure=structure, scope="layer", criterion="magnitude"
    )
    companions = companion_masks(network, masks) if structure == "filters" else {}
    apply_(network, {**masks, **companions})
    return network


def forms(dense: nn.Module, sparsity: float) -> dict[str, nn.Module]:
    """Return the four forms of a network."""
    filters = pruned(dense, sparsity, "filters")
    plan = plan_of(filters, traced(filters, torch.zeros(1, *SHAPE)))
    removed = shrink(copy.deepcopy(filters), plan.as_json())
    weights = pruned(dense, sparsity, "weights")
    return {"dense": dense, "weights": weights, "filters": filters, "removed": removed}


def row(
    name: str,
    sparsity: float,
    form: str,
    batch: int,
    n: int,
    ms: Median,
    dense: tuple[int, float],
) -> str:
    """Return a row of the table."""
    within = "" if ms.lo is None else f"{ms.lo:.3g} to {ms.hi:.3g}"
    cells = (
        name, f"{sparsity:g}", form, str(batch), f"{n / 1e6:.1f}", f"{n / dense[0]:.3f}",
        f"{ms.median:.3g}", within, f"{ms.median / dense[1]:.3f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["resnet56", "vgg16-bn"])
    parser.add_argument("--sparsities", nargs="+", type=float, default=[0.3, 0.5, 0.7])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 128])
    parser.add_argument("--rounds", nargs="+", type=int, default=[31, 11])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--backend", default="torch", choices=BACKENDS)
    parser.add_argument(
        "--cpu-time", action="store_true", help="of the process, where others share the machine"
    )
    given = parser.parse_args()
    if len(given.batch) != len(given.rounds):
        parser.error("--batch and --rounds must hold as many numbers")
    clock = time.process_time if given.cpu_time else time.perf_counter
    torch.set_num_threads(given.threads)
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"{machine_name('cpu')}, {given.threads} threads, load {load}, {given.backend}")
    print(f"batches of {given.batch} in {given.rounds} rounds\n")
    print(
        "| network | sparsity | form | batch | M multiply-adds | of dense | ms | 95 % | of dense |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in given.models:
        dense = as_trained(models.seeded(lambda n=name: models.build(n, SHAPE, 10, {}), 0))
        for sparsity in given.sparsities:
            networks = forms(dense, sparsity)
            counts = {f: work_of(n, torch.zeros(1, *SHAPE)).total for f, n in networks.items()}
            for batch, rounds in zip(given.batch, given.rounds, strict=True):
                inputs = torch.randn(batch, *SHAPE)
                runs = {
                    form: prepared(given.backend, network, (inputs,), {}, given.threads).run
                    for form, network in networks.items()
                }
                with torch.inference_mode():
                    samples = in_turns(runs, Pace(rounds=rounds), clock=clock)
                medians = {f: median_of([1000 * s for s in each]) for f, each in samples.items()}
                reference = counts["dense"], medians["dense"].median
                for form, median in medians.items():
                    cells = (name, sparsity, form, batch, counts[form], median, reference)
                    print(row(*cells), flush=True)


if __name__ == "__main__":
    main()
