"""LC, learning and compression: weight decay on all prunable entries but the k largest.

Source: Carreira-Perpinan and Idelbayev 2018, "Learning-Compression" Algorithms for Neural Net
Pruning.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

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
    is `dense.weight_decay`, constant, where the paper raises it. Hard prune at the end. No
    parameters of its own.
    """

    def __init__(self, setting: Setting) -> None:
        self._largest = Largest(setting)
        self._aside = Aside(self._largest.weights)
        self._weight_decay = setting.weight_decay

    def on_gradients(self, step: int) -> None:
        weights, slopes = self._largest.weights, gradients(self._largest.weights)
        lists.add_product_(slopes, weights, self._largest.by_magnitude(), -self._weight_decay)

    def evaluation(self) -> AbstractContextManager[None]:
        return self._aside.used(self._largest.hard_weights())

    def final_masks(self) -> Masks:
        return self._largest.masks()
