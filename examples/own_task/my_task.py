"""A network and data of your own: a small separable network on pictures of shapes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.tasks import Classification, Splits, hold_out


class Shapes(Classification):
    """Squares, crosses and diagonals in noise, drawn when they are asked for."""

    def __init__(self, root: Path, width: int = 16, n: int = 600) -> None:
        self.width, self.n = width, n

    def splits(self) -> Splits:
        train, val = hold_out(Pictures(self.n, seed=0), 0.2)
        return Splits(train, val, test=Pictures(200, seed=1))

    def model(self) -> nn.Module:
        return Separable(self.width)


class Separable(nn.Module):
    """A convolution, a depthwise one, the mean over the picture, dropout, a linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm, self.head = nn.BatchNorm2d(width), nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.depthwise(functional.relu(self.stem(x))))
        return self.head(functional.dropout(self.norm(x).amax((2, 3)), 0.1, self.training))


class Pictures(torch.utils.data.Dataset):
    """Items (picture [1, 8, 8], class), with noise that torch draws anew in every epoch."""

    def __init__(self, n: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(3, (n,), generator=draw)
        self.places = torch.randint(4, (n, 2), generator=draw)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        kind, (top, left) = int(self.labels[index]), self.places[index].tolist()
        shape = (torch.ones(4, 4), torch.eye(4) + torch.eye(4).flip(0), torch.eye(4))[kind]
        picture = torch.randn(1, 8, 8) * 0.4
        picture[0, top : top + 4, left : left + 4] += shape
        return picture, kind
