"""Residual networks for small images: the CIFAR networks of He et al. and CIFAR's ResNet-18.

Layers are registered in the order in which data passes them, each norm layer right after its
convolution, so that module order alone tells which norm layer belongs to which convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

Shortcut = Literal["padded", "projection"]


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 3x3 convolution that keeps the map's size at stride 1 and halves it, rounded up, at 2."""
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=bias)


class PaddedShortcut(nn.Module):
    """Every `stride`-th pixel, with zero channels added on both sides (option A, no parameters).

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", section 3.3.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, C_out, ceil(H / stride), ceil(W / stride)]."""
        strided = x[:, :, :: self.stride, :: self.stride]
        return F.pad(strided, (0, 0, 0, 0, self.before, self.after))


def _shortcut(kind: Shortcut, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "padded":
        return PaddedShortcut(in_channels, out_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each with BatchNorm, added to a shortcut, then ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, kind: Shortcut) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = _shortcut(kind, in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, C_out, ceil(H / stride), ceil(W / stride)]."""
        hidden = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(hidden)) + self.shortcut(x))


class ResidualNetwork(nn.Module):
    """A 3x3 stem without pooling, stages of `blocks` residual blocks, mean over the map, linear.

    `widths` holds one width a stage; the stem has the first. Every stage but the first halves
    the map, in the first convolution of its first block.
    """

    def __init__(
        self,
        in_channels: int,
        n_classes: int,
        *,
        widths: Sequence[int],
        blocks: int,
        shortcut: Shortcut,
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, widths[0])
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = nn.Sequential()
        for number, (before, width) in enumerate(pairwise([widths[0], *widths]), start=1):
            stage = [ResidualBlock(before, width, 1 if number == 1 else 2, shortcut)]
            stage += [ResidualBlock(width, width, 1, shortcut) for _ in range(blocks - 1)]
            self.stages.add_module(f"stage{number}", nn.Sequential(*stage))
        self.classifier = nn.Linear(widths[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [N, C, H, W] to logits [N, n_classes]."""
        maps = self.stages(F.relu(self.bn1(self.conv1(x))))
        return cast(Tensor, self.classifier(maps.mean(dim=(2, 3))))
