"""Tasks that come with the project, by name: what each is, where its data are from, and its class.

`task: {use: NAME, ...}`: the class is a `Task` like a user's, and its typed keywords are the study
file's keys. Standard library alone, so that a study is checked without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BuiltInTask:
    """A task of the catalog.

    `source`: where its data are from. `target`: its class, as "module:attribute". `packages`:
    distributions that its results rest on, whose versions every record keeps; `extra`: the extra of
    this project that installs them, where the project does without. `revision` counts the times
    that the same keywords came to mean another computation (see `revisions`).
    """

    name: str
    title: str
    source: str
    target: str
    packages: tuple[str, ...] = ()
    extra: str | None = None
    revision: int = 1


_SEGMENTATION = "trainables.segmentation"
_TRANSLATION = "trainables.translation"

TASKS: dict[str, BuiltInTask] = {
    t.name: t
    for t in (
        BuiltInTask(
            "segmentation-small", "Handwritten digits scattered over photographs, a small U-Net",
            "scikit-learn's digits (Alpaydin and Kaynak 1998) and sample photographs, as it ships"
            " them",
            f"{_SEGMENTATION}.digit_scenes:DigitScenes", ("scikit-learn", "pillow"),
        ),
        BuiltInTask(
            "voc-segmentation", "PASCAL VOC, DeepLabV3, FCN or U-Net",
            "Everingham et al. 2010, in VOCdevkit/VOC2012 below data.root",
            f"{_SEGMENTATION}.on_disk:VocSegmentation", ("pillow",),
        ),
        BuiltInTask(
            "cityscapes", "Cityscapes, DeepLabV3, FCN or U-Net",
            "Cordts et al. 2016, in cityscapes/leftImg8bit and cityscapes/gtFine below data.root",
            f"{_SEGMENTATION}.on_disk:Cityscapes", ("pillow",),
        ),
        BuiltInTask(
            "translation-small", "Messages and names from English to German, a small Transformer",
            "message catalogs of Django and Sphinx and Babel's names of Unicode's CLDR, as these"
            " packages ship them",
            f"{_TRANSLATION}.embedded:CatalogTranslation",
            ("sacrebleu", "sentencepiece", "django", "sphinx", "babel"), "translation",
        ),
        BuiltInTask(
            "parallel-text", "Text files of two languages, Transformer (Vaswani et al. 2017)",
            "train.en and train.de, val.en and val.de, perhaps test.en and test.de, in a folder"
            " below data.root",
            f"{_TRANSLATION}.on_disk:ParallelText", ("sacrebleu", "sentencepiece"), "translation",
        ),
    )
}  # fmt: skip


def built_in(use: Any) -> BuiltInTask | None:
    """Return the record behind `task.use`; None where it names the user's own, or nothing."""
    return TASKS.get(use) if isinstance(use, str) else None
