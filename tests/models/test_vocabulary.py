import json
from pathlib import Path

import pytest

from backend.models.vocabulary import read_vocabulary, unknown_words

KNOWN = {"a", "red", "ball", "box", "berry", "the", "meadow", "sphere", "bounces"}


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("A red BALL", []),
        ("a cat and the cat", ["cat", "and"]),
        ("balls, boxes and berries", ["and"]),
        ("a red-ball; the 3 balls!", []),
        ("a sphare bounces on the meadov", ["on"]),
        ("a bell", ["bell"]),
        ("ein roter Ball für Ümit", ["ein", "roter", "für", "ümit"]),
        ("كرة 🌍", ["كرة"]),
        ("", []),
    ],
)
def test_words_outside_the_world_are_found(prompt: str, unknown: list[str]) -> None:
    assert unknown_words(prompt, known=KNOWN) == unknown


def test_vocabulary_is_read(tmp_path: Path) -> None:
    vocabulary = {"shapes": ["ball"], "words": ["a", "ball"]}
    (tmp_path / "vocabulary.json").write_text(json.dumps(vocabulary))
    assert read_vocabulary(tmp_path) == vocabulary


@pytest.mark.parametrize("content", [None, "", "[]", '{"words": 5}'])
def test_missing_or_damaged_vocabulary_is_empty(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "vocabulary.json").write_text(content)
    assert read_vocabulary(tmp_path) == {}
