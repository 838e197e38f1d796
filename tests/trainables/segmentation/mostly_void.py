"""A task of which only one training image has a labelled pixel."""

from __future__ import annotations

import torch
from torch import nn

from trainables.data.in_memory import InMemory
from trainables.data.parts import Splits
from trainables.segmentation.measures import VOID
from trainables.segmentation.task import Segmentation


class MostlyVoid(Segmentation):
    """Four images; of two batches one is void altogether, whatever the order."""

    def splits(self) -> Splits:
        images = torch.randn(4, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        masks = torch.full((4, 4, 4), VOID, dtype=torch.uint8)
        masks[0] = torch.arange(16).view(4, 4) % 2
        return Splits(InMemory.of(images, masks), InMemory.of(images[:1], masks[:1]))

    def model(self) -> nn.Module:
        return nn.Conv2d(3, 2, 1)
