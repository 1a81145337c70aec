"""Vocabulary: which words an engine has learned, from `vocabulary.json` beside its weights. Torch-free."""

import json
import re
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

VOCABULARY_NAME = "vocabulary.json"
ALL_WORDS = "words"

_SHORTEST_WITH_TYPO = 6
_TYPO_CUTOFF = 0.83  # one wrong letter of six


def read_vocabulary(folder: Path) -> dict[str, list[str]]:
    """Return category -> words, with every word under "words"; empty where the file is missing or damaged."""
    try:
        vocabulary = json.loads((folder / VOCABULARY_NAME).read_text(encoding="utf-8"))
        return {str(category): [str(word) for word in words] for category, words in vocabulary.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def unknown_words(prompt: str, *, known: Collection[str]) -> list[str]:
    """Return the words of `prompt` that are not among `known` (lower case), in order, each once.

    Plurals of known words count as known, and so do words of six letters and more with one wrong letter.
    """
    words = dict.fromkeys(word.lower() for word in re.findall(r"[^\W\d_]+", prompt))
    return [word for word in words if not _is_known(word, known)]


def _is_known(word: str, known: Collection[str]) -> bool:
    singulars = (word, word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word))
    if any(form in known for form in singulars):
        return True
    return len(word) >= _SHORTEST_WITH_TYPO and bool(get_close_matches(word, known, n=1, cutoff=_TYPO_CUTOFF))
