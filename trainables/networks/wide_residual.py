"""Wide residual networks (Zagoruyko and Komodakis 2016) and the variant that BIMP's authors ran.

Layers are registered in the order in which data passes them, as in `residual`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from trainables.networks.residual import conv3x3


@dataclass(frozen=True)
class WideForm:
    """How the two published forms of a wide residual network differ.

    `bias`: whether convolutions have one. `stride_second`: whether a block's stride is in its
    second convolution, which then makes the first one work on the larger map.
    `shortcut_raw`: whether the shortcut's 1x1 convolution reads the block's input instead of the
    normalised and rectified input. `dropout`: probability between a block's convolutions.
    `last_momentum`: momentum of the last BatchNorm's running statistics.
    """

    bias: bool
    stride_second: bool
    shortcut_raw: bool
    dropout: float
    last_momentum: float


STANDARD = WideForm(
    bias=False, stride_second=False, shortcut_raw=False, dropout=0.0, last_momentum=0.1
)
"""Zagoruyko and Komodakis 2016, "Wide Residual Networks", without dropout."""

BIASED = WideForm(bias=True, stride_second=True, shortcut_raw=True, dropout=0.3, last_momentum=0.9)
"""What the public release of BIMP (Zimmer, Spiegel, Pokutta 2023) trains on CIFAR-100."""


class WideBlock(nn.Module):
    """Norm, ReLU, 3x3 convolution, twice, added to the input or its 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, form: WideForm) -> None:
        super().__init__()
        first, second = (1, stride) if form.stride_second else (stride, 1)
        self.shortcut_raw = form.shortcut_raw
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv3x3(in_channels, out_channels, first, form.bias)
        self.dropout = nn.Dropout(form.dropout) if form.dropout else nn.Identity()
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = conv3x3(out_channels, out_channels, second, form.bias)
        self.shortcut = (
            None
            if in_channels == out_channels and stride == 1
            else nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=form.bias)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, C_out, ceil(H / stride), ceil(W / stride)]."""
        active = F.relu(self.bn1(x))
        hidden = self.dropout(self.conv1(active))
        residual = cast(Tensor, self.conv2(F.relu(self.bn2(hidden))))
        if self.shortcut is None:
            return residual + x
        return residual + cast(Tensor, self.shortcut(x if self.shortcut_raw else active))


class WideResidualNetwork(nn.Module):
    """A 3x3 stem of 16 channels, three stages of `blocks` blocks, norm, ReLU, mean, linear.

    The stages are 16, 32 and 64 times `widen` wide; the second and third halve the map. Depth in
    the authors' counting is 6 `blocks` + 4.
    """

    def __init__(
        self, in_channels: int, n_classes: int, *, blocks: int, widen: int, form: WideForm
    ) -> None:
        super().__init__()
        widths = [16, 16 * widen, 32 * widen, 64 * widen]
        self.conv1 = conv3x3(in_channels, widths[0], bias=form.bias)
        self.stages = nn.Sequential()
        for number, (before, width) in enumerate(pairwise(widths), start=1):
            stage = [WideBlock(before, width, 1 if number == 1 else 2, form)]
            stage += [WideBlock(width, width, 1, form) for _ in range(blocks - 1)]
            self.stages.add_module(f"stage{number}", nn.Sequential(*stage))
        self.bn = nn.BatchNorm2d(widths[-1], momentum=form.last_momentum)
        self.classifier = nn.Linear(widths[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [N, C, H, W] to logits [N, n_classes]."""
        maps = F.relu(self.bn(self.stages(self.conv1(x))))
        return cast(Tensor, self.classifier(maps.mean(dim=(2, 3))))
