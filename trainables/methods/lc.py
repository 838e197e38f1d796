"""LC, learning and compression: weight decay on all prunable entries but the k largest.

Source: Carreira-Perpinan and Idelbayev 2018, "Learning-Compression" Algorithms for Neural Net
Pruning.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from trainables.methods import lists
from trainables.methods.aside import Aside, gradients
from trainables.methods.interface import Hooks, Setting
from trainables.methods.largest import Largest
from trainables.pruning.masks import Masks


class Lc(Hooks):
    """Cancel the optimiser's weight decay, in every step, on the k largest magnitudes.

    The compression step projects the weights on their k largest, which is exact; the learning step
    then pulls a weight towards its projection by mu / 2 ||w - projection||^2: nothing for the k
    largest, weight decay of strength mu for the others. Here both are taken in every step, and mu
    is `dense.weight_decay`, or that of the weight's group, constant, where the paper raises it.
    Hard prune at the end. No parameters of its own.
    """

    def __init__(self, setting: Setting) -> None:
        self._largest = Largest(setting)
        self._aside = Aside(self._largest.weights)
        self._decays = [setting.weight_decay] * len(self._largest.weights)

    def bind(self, optimiser: torch.optim.Optimizer) -> None:
        """Take up the decay of each weight's own group."""
        decays = {id(p): g["weight_decay"] for g in optimiser.param_groups for p in g["params"]}
        self._decays = [decays[id(weight)] for weight in self._largest.weights]

    def on_gradients(self, step: int) -> None:
        weights, slopes = self._largest.weights, gradients(self._largest.weights)
        kept = self._largest.by_magnitude()
        for decay in sorted(set(self._decays)):
            places = [place for place, own in enumerate(self._decays) if own == decay]
            lists.add_product_(
                [slopes[place] for place in places],
                [weights[place] for place in places],
                [kept[place] for place in places],
                -decay,
            )

    def evaluation(self) -> AbstractContextManager[None]:
        return self._aside.used(self._largest.hard_weights())

    def final_masks(self) -> Masks:
        return self._largest.masks()
