"""What every translation task has in common: items, loss, decoding and measures."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.data.parts import Groups
from trainables.pruning.prunable import trained_weights
from trainables.tasks.task import Forward, Task
from trainables.translation.decoding import beam_search, greedy, limits, next_of
from trainables.translation.grouping import by_length
from trainables.translation.measures import points, signatures
from trainables.translation.pairs import Pair, PairBatch, PairItems, padded
from trainables.translation.tokenizer import PAD, Tokenizer
from trainables.translation.transformer import Shape, Transformer
from trainables.vocabulary.declarations import Declarations, Metric
from trainables.vocabulary.refusal import Refusal

PENALTY: Final = 0.6
"""The length penalty of Wu et al. 2016, near what they found best."""

_OUTPUT: Final = "output"


class Translation(Task, ABC):
    """Items (source, target, reference) and a network from source and prefix to logits [N, T, K].

    Loss: cross-entropy in nats, a mean over the tokens of the target and its end; padding counts
    nowhere. chrF and BLEU are of the text that the network writes by itself: greedily, or with a
    beam of `beam` prefixes and the length penalty `penalty`; `longest` tokens at most. Batches have
    at most `batch_tokens` tokens a side with padding, and are formed once by length. `splits`,
    `shape` and `tokenizer` must be given.
    """

    metrics: ClassVar[Mapping[str, Metric]] = {
        "chrf": Metric("more", unit="points", meaning="chrF"),
        "bleu": Metric("more", unit="points", meaning="BLEU"),
        "token_accuracy": Metric("more", percent=True),
    }
    counts: ClassVar[str] = "tokens"
    loss_unit: ClassVar[str] = "nat"
    evaluation_batch: ClassVar[int | None] = 64

    smoothing: float = 0.0
    shape: Shape
    batch_tokens: int
    beam: int = 1
    penalty: float = PENALTY
    longest: int = 256

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokens of the text that is trained on."""
        raise NotImplementedError

    @classmethod
    def declarations(cls) -> Declarations:
        """Return the class's declarations, with sacrebleu's signatures of what it computes."""
        named = signatures()
        signed = {
            name: replace(metric, signature=named.get(name, ""))
            for name, metric in cls.metrics.items()
        }
        return Declarations(signed, cls.counts, cls.loss_unit)

    def model(self) -> nn.Module:
        return Transformer(len(self.tokenizer), self.shape)

    def groups(self) -> Groups:
        train = self.splits().train
        assert isinstance(train, PairItems)
        return by_length(train.lengths, self.batch_tokens)  # type: ignore[return-value]

    def collate(self, items: Sequence[Pair]) -> PairBatch:
        return padded(items)

    def example(self) -> tuple[Tensor, Tensor]:
        """Return a text of 16 tokens and a prefix of 16."""
        row = torch.full((1, 16), PAD + 1, dtype=torch.int64)
        return row, row.clone()

    def loss(self, model: Forward, batch: PairBatch) -> Tensor:
        logits = model(batch.source, batch.before)
        return _summed_loss(logits, batch.target, self.smoothing) / self.weight(batch)

    def weight(self, batch: PairBatch) -> Tensor:
        """Return how many tokens the targets have, their ends among them, int64 []."""
        return (batch.target != PAD).sum()

    def score(self, model: Forward, batch: PairBatch) -> dict[str, Any]:
        logits = model(batch.source, batch.before)
        with torch.autocast(logits.device.type, enabled=False):
            loss = _summed_loss(logits.float(), batch.target).double()
        hits = (logits.argmax(-1) == batch.target) & (batch.target != PAD)
        return {
            "loss": loss,
            "hits": hits.sum(),
            "translations": self.translated(model, batch.source),
            "references": batch.references,
        }

    def translated(self, model: Forward, source: Tensor) -> list[str]:
        """Return what a network writes for source tokens [N, S]."""
        after, limit = next_of(model, source), limits(source, self.longest)
        if self.beam == 1:
            rows = greedy(after, limit)
        else:
            rows = beam_search(after, limit, self.beam, self.penalty)
        return [self.tokenizer.decode(row) for row in rows]

    def finish(self, sums: Mapping[str, Any]) -> dict[str, float]:
        return {
            **points(sums["translations"], sums["references"]),
            "token_accuracy": int(sums["hits"]) / sums["weight"],
            "loss": float(sums["loss"]) / sums["weight"],
        }

    def prunable(self, name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
        """Attention's projections and the feed-forward weights; not the output's, tied or not."""
        return _OUTPUT not in name.split(".") and trained_weights(name, parameter, module)


def require_beam(beam: int, penalty: float) -> None:
    """Refuse a length penalty for greedy decoding, which reads none."""
    if beam == 1 and penalty != PENALTY:
        raise Refusal(f"task.penalty must be absent unless task.beam is above 1, got {penalty}")


def _summed_loss(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    return functional.cross_entropy(
        logits.flatten(0, 1),
        target.flatten(),
        ignore_index=PAD,
        reduction="sum",
        label_smoothing=smoothing,
    )
