"""The section `quantise`: the network in fewer bits, once it is pruned and retrained."""

from __future__ import annotations

from typing import Literal

from trainables.config.sections import Section


class Quantise(Section):
    """What becomes of the weights after the last stage of training; without a key nothing does.

    `weights`: int8 rounds them, as a stage of its own whose network is evaluated; the trial's own
    numbers stay those of the network as it was trained.
    """

    weights: Literal["int8"] | None = None
