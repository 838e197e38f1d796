"""A small U-Net: an encoder that halves the map, a decoder that takes up what the encoder saw.

As Ronneberger, Fischer and Brox 2015, with padded convolutions, BatchNorm, and nearest-neighbour
upsampling in place of transposed convolutions.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional


class UNet(nn.Module):
    """Maps images [N, 3, H, W] of any size to logits [N, n_classes, H, W].

    `width`: channels at full size, doubled at each of `depth` halvings.
    """

    def __init__(self, n_classes: int, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        before = [3, *widths[:-1]]
        self.encoder = nn.ModuleList(map(_convolutions, before, widths))
        self.decoder = nn.ModuleList(
            _convolutions(widths[level] + widths[level + 1], widths[level])
            for level in reversed(range(depth))
        )
        self.classifier = nn.Conv2d(width, n_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        features, seen = images, []
        for level, block in enumerate(self.encoder):
            features = block(features if level == 0 else functional.max_pool2d(features, 2))
            seen.append(features)
        seen.pop()
        for block in self.decoder:
            skipped = seen.pop()
            larger = functional.interpolate(features, size=skipped.shape[-2:])
            features = block(torch.cat([skipped, larger], 1))
        logits: Tensor = self.classifier(features)
        return logits


def _convolutions(n_in: int, width: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with BatchNorm and ReLU."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(n_in, width, 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(width),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(width, width, 3, padding=1, bias=False),
            bn2=nn.BatchNorm2d(width),
            relu2=nn.ReLU(),
        )
    )
