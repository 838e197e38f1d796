"""Any classifier of timm's, from its configuration with random weights, on handwritten digits."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import Subset, TensorDataset

from trainables.tasks import Classification, Splits, hold_out


class Timm(Classification):
    """Digits of 8 x 8 pixels, enlarged to 32 x 32, and a network by its name in timm."""

    def __init__(self, root: Path, network: str = "test_efficientnet") -> None:
        self.network = network

    def splits(self) -> Splits:
        images, labels = load_digits(return_X_y=True)
        pixels = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
        pixels = pixels.repeat_interleave(4, 2).repeat_interleave(4, 3)
        digits = TensorDataset(pixels, torch.tensor(labels))
        rest, test = Subset(digits, range(1400)), Subset(digits, range(1400, len(digits)))
        train, val = hold_out(rest, 0.2)
        return Splits(train, val, test)

    def model(self) -> nn.Module:
        return timm.create_model(self.network, pretrained=False, num_classes=10, in_chans=1)
