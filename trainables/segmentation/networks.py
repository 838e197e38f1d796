"""Networks for segmentation by name: torchvision's DeepLabV3 and FCN, and the small U-Net.

Torchvision, slow to import, is imported when one of its networks is built.
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from torch import Tensor, nn
from torch.nn import functional

from trainables.segmentation.unet import UNet

Name = Literal[
    "unet",
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
    "deeplabv3_mobilenet_v3_large",
    "fcn_resnet50",
    "fcn_resnet101",
]
NAMES: Final[tuple[str, ...]] = get_args(Name)


class Segmenter(nn.Module):
    """A network of torchvision's with its parts and their names: logits at the images' size.

    In training mode, where it has an auxiliary head, a pair of logits: those of the head after.
    """

    def __init__(
        self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        features = self.backbone(images)
        size = images.shape[-2:]
        logits = _resized(self.classifier(features["out"]), size)
        if self.aux_classifier is None or not self.training:
            return logits
        return logits, _resized(self.aux_classifier(features["aux"]), size)


class PooledNorm(nn.BatchNorm2d):
    """BatchNorm behind a mean over the whole map, which leaves one value per image and channel.

    One image alone then has no spread to be normalised by: its running statistics stand in, as in
    evaluation. Torch refuses such a batch, which the last of an epoch may be.
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.training and input.numel() == input.shape[1]:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


def build(name: Name, n_classes: int, *, auxiliary: bool, width: int = 16) -> nn.Module:
    """Return a network with fresh weights.

    `auxiliary`: with an auxiliary head where it is torchvision's; `width`: of the U-Net.
    """
    if name == "unet":
        return UNet(n_classes, width)
    from torchvision.models import segmentation

    plain: Any = getattr(segmentation, name)(
        weights=None, weights_backbone=None, num_classes=n_classes, aux_loss=auxiliary
    )
    network = Segmenter(plain.backbone, plain.classifier, plain.aux_classifier)
    _replace_pooled_norms_(network)
    return network


def _replace_pooled_norms_(network: nn.Module) -> None:
    """Put `PooledNorm` in place of the BatchNorm in DeepLab's image pooling."""
    from torchvision.models.segmentation.deeplabv3 import ASPPPooling

    for pooling in network.modules():
        if isinstance(pooling, ASPPPooling):
            for name, module in pooling.named_children():
                if isinstance(module, nn.BatchNorm2d):
                    setattr(pooling, name, PooledNorm(module.num_features))


def _resized(logits: Tensor, size: Any) -> Tensor:
    return functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
