"""Marian, Hugging Face's translation network, from random weights, on the texts of
`translation-small`: tokens, batches, loss, decoding and measures are the project's."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import MarianConfig, MarianMTModel

from trainables.translation.embedded import CatalogTranslation
from trainables.translation.tokenizer import END, PAD, START


class Marian(CatalogTranslation):
    """A Marian network of `layers` layers each way; `n_tokens` tokens for both languages."""

    def __init__(self, width: int = 64, layers: int = 2, n_tokens: int = 1000) -> None:
        super().__init__(n_tokens=n_tokens)
        sizes = {"d_model": width, "encoder_layers": layers, "decoder_layers": layers}
        for side in ("encoder", "decoder"):
            sizes |= {f"{side}_attention_heads": 4, f"{side}_ffn_dim": 4 * width}
        marks = {"pad_token_id": PAD, "bos_token_id": START, "eos_token_id": END}
        marks |= {"decoder_start_token_id": START, "forced_eos_token_id": None}
        self.config = MarianConfig(vocab_size=n_tokens, scale_embedding=True, **sizes, **marks)

    def model(self) -> nn.Module:
        return Network(MarianMTModel(self.config))


class Network(nn.Module):
    """Calls a network of Hugging Face's by source and target; its halves are for decoding."""

    def __init__(self, inner: MarianMTModel) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.logits(self.memory(source), source == PAD, target)

    def memory(self, source: Tensor) -> Tensor:
        seen = (source != PAD).long()
        return self.inner.model.encoder(source, attention_mask=seen).last_hidden_state

    def logits(self, memory: Tensor, padding: Tensor, target: Tensor) -> Tensor:
        seen = (~padding).long()
        return self.inner(
            encoder_outputs=(memory,),
            attention_mask=seen,
            decoder_input_ids=target,
            use_cache=False,
        ).logits
