"""GSM, global sparse momentum: only the k most salient entries see their gradient.

Source: Ding et al. 2019, Global Sparse Momentum SGD for Pruning Very Deep Neural Networks.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from trainables.methods import lists
from trainables.methods.aside import Aside, gradients
from trainables.methods.interface import Hooks, Setting
from trainables.methods.largest import Largest
from trainables.pruning.masks import Masks


class Gsm(Hooks):
    """Keep, in every step, the gradient of the k prunable entries of largest |w * gradient|.

    The others only decay. The gradient that is judged is that of the loss alone, before weight
    decay. How fast the others reach zero depends on `dense.weight_decay` and
    `dense.momentum`: a step shrinks them, in the long run, by lr * weight_decay / (1 - momentum).
    Hard prune to the k largest magnitudes at the end. No parameters of its own.
    """

    def __init__(self, setting: Setting) -> None:
        self._largest = Largest(setting)
        self._aside = Aside(self._largest.weights)

    def on_gradients(self, step: int) -> None:
        slopes = gradients(self._largest.weights)
        saliency = lists.magnitudes(lists.product(self._largest.weights, slopes))
        lists.multiply_(slopes, self._largest.by(saliency))

    def evaluation(self) -> AbstractContextManager[None]:
        return self._aside.used(self._largest.hard_weights())

    def final_masks(self) -> Masks:
        return self._largest.masks()
