"""DNW, discovering neural wirings: every forward uses the k largest weights, all are learnt.

Source: Wortsman et al. 2019, Discovering Neural Wirings.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from trainables.methods.aside import Aside
from trainables.methods.interface import Hooks, Setting
from trainables.methods.largest import Largest
from trainables.pruning.masks import Masks


class Dnw(Hooks):
    """Choose the k largest magnitudes before every forward; the gradient goes straight through.

    That is, the gradient at the masked weights is given to all of them, so that an edge not in use
    may enter. Hard mask of the k largest at the end. No parameters of its own.

    The paper takes the same share of every layer (`prune.scope` layer) in its large networks. Under
    the global choice a layer whose initial weights are all smaller than the k largest starts empty;
    behind BatchNorm and ReLU it then gets no gradient, and stays so.
    """

    def __init__(self, setting: Setting) -> None:
        self._largest = Largest(setting)
        self._aside = Aside(self._largest.weights)

    def before_forward(self, step: int) -> None:
        self._aside.use_(self._largest.hard_weights())

    def on_gradients(self, step: int) -> None:
        self._aside.restore_()

    def evaluation(self) -> AbstractContextManager[None]:
        return self._aside.used(self._largest.hard_weights())

    def final_masks(self) -> Masks:
        return self._largest.masks()
