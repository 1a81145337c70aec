"""The text encoder: words to embeddings through hashed subwords, trained together with the base model.

A word is the mean of the embeddings of its character 3- and 4-grams and of the word itself, each hashed
into a table (fastText, arXiv 1607.04606): no vocabulary file, unknown words and typos land near their
relatives, and a caption is some twenty tokens instead of the hundred and more of a byte-level encoder, which
on a CPU would cost as much as the video itself.
"""

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from backend.models.kinora.blocks import text_bias

_WORD = re.compile(r"[^\W_]+")
_NGRAM_LENGTHS = (3, 4)


@lru_cache(maxsize=20_000)
def _buckets(word: str, num_buckets: int) -> tuple[int, ...]:
    """Return the table rows of `word` and of its character n-grams."""
    marked = f"<{word[:40]}>"
    grams = [marked[i : i + n] for n in _NGRAM_LENGTHS for i in range(len(marked) - n + 1)]
    return tuple(zlib.crc32(gram.encode()) % num_buckets for gram in (marked, *grams))


class TextLayer(nn.Module):
    """Pre-norm self-attention over words and a GELU network."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 3 * width)
        self.mlp_out = nn.Linear(3 * width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (B, L, D); bias (B, 1, 1, L) is added to attention scores."""
        q, k, v = self.to_qkv(self.attention_norm(x)).unflatten(-1, (3, self.num_heads, -1)).unbind(2)
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5 + bias
        mixed = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1).to(v.dtype), v)
        x = x + self.to_out(mixed.flatten(2))
        return x + self.mlp_out(functional.gelu(self.mlp_in(self.mlp_norm(x))))


class TextEncoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Encodes prompts to (B, L, D) word embeddings and a mask (B, L); the empty prompt is one learned token.

    Words after the first `max_words` are not read.
    """

    @register_to_config
    def __init__(
        self,
        width: int = 192,
        num_layers: int = 2,
        num_heads: int = 3,
        num_buckets: int = 4096,
        max_words: int = 64,
    ) -> None:
        super().__init__()
        self.num_buckets, self.max_words = num_buckets, max_words
        self.subwords = nn.EmbeddingBag(num_buckets, width, mode="mean")
        self.positions = nn.Embedding(max_words, width)
        self.null_word = nn.Parameter(torch.zeros(width))
        self.layers = nn.ModuleList(TextLayer(width, num_heads) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.subwords.weight, std=0.5)
        nn.init.normal_(self.positions.weight, std=0.1)

    def forward(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return embeddings (B, L, D) and the mask (B, L), True where there is a word."""
        words = [_WORD.findall(prompt.lower())[: self.max_words] for prompt in prompts]
        device = self.null_word.device
        lengths = torch.tensor([max(1, len(row)) for row in words], device=device)
        mask = torch.arange(int(lengths.max()), device=device) < lengths[:, None]
        x = torch.where(mask.unsqueeze(-1), self._embed(words, mask), 0.0)
        bias = text_bias(mask)
        for layer in self.layers:
            x = layer(x, bias)
        return self.norm(x), mask

    def _embed(self, words: list[list[str]], mask: Tensor) -> Tensor:
        """Return position plus subword embeddings (B, L, D), the null word where a prompt has no words."""
        rows = [_buckets(word, self.num_buckets) for row in words for word in row]
        places = self.positions.weight[: mask.shape[1]]
        x = self.null_word.expand(*mask.shape, -1)
        if not rows:
            return x
        offsets = [0]
        for row in rows[:-1]:
            offsets.append(offsets[-1] + len(row))
        flat = torch.tensor([i for row in rows for i in row], device=mask.device)
        embedded = self.subwords(flat, torch.tensor(offsets, device=mask.device))
        has_words = torch.tensor([bool(row) for row in words], device=mask.device)
        spread = torch.zeros_like(x).masked_scatter(
            (mask & has_words[:, None]).unsqueeze(-1), embedded.to(x.dtype)
        )
        return torch.where(has_words[:, None, None], spread + places, x)
