"""Words for what is heard, as creators add them to a prompt: "soft wind and knocks, no thuds"."""

import random
from collections.abc import Sequence

from backend.training.world import words
from backend.training.world.dubbing import Heard

JOINTS = (" and ", " and ", ", ", " with ")
DENIALS = ("{sound}, no {absent}", "{sound} without {absent}", "{sound}, but no {absent}")
_DENIED_SHARE = 0.2
_PLACE_SHARE = 0.6
_VOICE_SHARE = 0.8


def full_phrase(heard: Heard, *, rng: random.Random, absent: Sequence[str] = ()) -> str:
    """Return words for all that is heard, in any order; what `absent` voices there are is denied."""
    place = rng.choice(words.AMBIENCE_SOUNDS[heard.place])
    sounds = [place, *(rng.choice(words.VOICE_SOUNDS[voice]) for voice in heard.voices)]
    return _denied(_joined(sounds, rng), absent, rng)


def true_phrase(heard: Heard, *, rng: random.Random) -> str:
    """Return words for some of what is heard; now and then a voice is denied that is not."""
    sounds = [words.AMBIENCE_SOUNDS[heard.place]] if rng.random() < _PLACE_SHARE else []
    sounds += [words.VOICE_SOUNDS[voice] for voice in heard.voices if rng.random() < _VOICE_SHARE]
    others = [voice for voice in words.VOICE_SOUNDS if voice not in heard.voices]
    absent = [rng.choice(others)] if rng.random() < _DENIED_SHARE else []
    chosen = [rng.choice(phrases) for phrases in sounds or [words.AMBIENCE_SOUNDS[heard.place]]]
    return _denied(_joined(chosen, rng), absent, rng)


def _joined(sounds: list[str], rng: random.Random) -> str:
    rng.shuffle(sounds)
    phrase = sounds[0]
    for sound in sounds[1:]:
        phrase += rng.choice(JOINTS) + sound
    return phrase


def _denied(phrase: str, absent: Sequence[str], rng: random.Random) -> str:
    for voice in absent:
        sound = rng.choice(words.VOICE_SOUNDS[voice]).removeprefix("a ")
        phrase = rng.choice(DENIALS).format(sound=phrase, absent=sound)
    return phrase
