"""The weights that a trial ended with, masks applied; needs neither the network nor its code."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from trainables.files.storage import open_folder
from trainables.files.trial_record import Record
from trainables.pruning.masks import Masks, count_zeros
from trainables.trials.stage_store import StageFault, StageStore
from trainables.vocabulary.refusal import Refusal


@dataclass(frozen=True)
class MaskedWeights:
    """The state of a network by name, on the CPU, and the masks that were applied to it.

    `masks` name the pruned weights; there are none where the method keeps none.
    """

    tensors: dict[str, Tensor] = field(repr=False)
    masks: Masks = field(repr=False)

    @property
    def prunable(self) -> int:
        """How many weights the masks cover."""
        return sum(mask.numel() for mask in self.masks.values())

    @property
    def zeros(self) -> int:
        """How many of these are zero, whether masked or by themselves."""
        return sum(int((self.tensors[name] == 0).sum()) for name in self.masks)

    @property
    def masked(self) -> int:
        """How many weights the masks set to zero."""
        return count_zeros(self.masks)


def masked_weights(record: Record, store: str) -> MaskedWeights:
    """Return the weights of a finished trial from its stage store, masked entries at +0.

    They are those that training ended with, also where a further stage holds them in fewer bits.
    Refusal where the store does not hold the trial's last stage whole.
    """
    last = record.stages[-2 if record.config.get("quantise") else -1]
    try:
        stage = StageStore(open_folder(store), "reader").load(last)
    except StageFault as fault:
        raise Refusal(f"stage_store must hold the trial's stages whole, got {fault}") from fault
    if stage is None:
        raise Refusal(f"stage_store must hold stage {last}, got {store} without it")
    # in the order of names: safetensors gives its tensors in any order, another one every time
    masks = {
        name.removeprefix("mask."): mask
        for name, mask in sorted(stage.state.items())
        if name.startswith("mask.")
    }
    tensors = {
        name: value.masked_fill(~masks[name], 0) if name in masks else value
        for name, value in sorted(stage.weights.items())
    }
    return MaskedWeights(tensors, masks)
