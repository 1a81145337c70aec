"""Captions of rendered scenes, from three words to three sentences, as creators type their prompts."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from backend.training.world import words
from backend.training.world.scene import ObjectWords
from backend.training.world.sound_captions import DENIALS, JOINTS
from backend.training.world.words import Phrasings, bare_place, participle, present, with_article

TYPO_RATE = 0.02
SHORT_SHARE = 0.3
COLOUR_SHARE = 0.95
SURFACE_SHARE, PLAIN_SHARE = 0.75, 0.3
CAMERA_SHARE, SHORT_CAMERA_SHARE, STATIC_SHARE = 0.88, 0.6, 0.4
"""What is seldom said is hardly learnt; of static cameras, which go without saying, a share of the share."""
SOUND_SHARE = 0.12

SHORT = (
    "{bare} {participle}",
    "{bare} {participle}",
    "{adjective} {bare} {place}",
    "{bare} {participle} {place}",
    "{bare} {participle}, {spot}",
    "{subject} {participle}",
    "{subject} {participle} {place}",
    "{adjective} {bare}, {spot}",
)
SHORT_PAIR = (
    "{bare} and {other_bare}",
    "{bare} {participle} and {other_bare} {other_participle}",
    "{bare} {relation} {other_bare}",
    "{bare} {participle} {relation} {other_bare}",
    "{subject} {relation} {other} {place}",
    "{bare} {relation} {other_bare}, {spot}",
)
SHORT_COLLISION = (
    "{bare} {hitting} {other_bare}",
    "{subject} {hits} {other}",
    "{bare} {participle} and {hitting} {other_bare}",
    "{bare} {hits} {other_bare}, {spot}",
)
PHRASES = (
    "{subject} {participle} {place}",
    "{subject} {place} {participle}",
    "{subject} that is {participle} {place}",
    "{subject} which {present} {place}",
    "{adjective_subject} {place}",
)
PHRASES_PAIR = (
    "{subject} {participle} {relation} {other} {place}",
    "{subject} {participle} {relation} {other} that {other_present} {place}",
    "{subject} {participle} {place} {relation} {other}",
    "{subject} {relation} {other} {place}",
    "{subject} {participle} and {other} {other_participle} {place}",
)
PHRASES_COLLISION = (
    "{subject} {hitting} {other} {place}",
    "{subject} {participle} and {hitting} {other} {place}",
    "{subject} {place} {participle} until it {hits} {other}",
    "a collision of {subject} and {other} {place}",
)
CLAUSES = (
    "{subject} {present} {place}",
    "{subject} {present} {place}",
    "{place}, {subject} {present}",
    "{subject} is {participle} {place}",
    "there is {subject} {participle} {place}",
    "we see {subject} {participle} {place}",
    "watch {subject} {base} {place}",
    "{place} we see how {subject} {present}",
)
CLAUSES_PAIR = (
    "{subject} {present} {relation} {other} {place}",
    "{place}, {subject} {present} {relation} {other}",
    "{subject} {present} {relation} {other} that {other_present} {place}",
    "{subject} {present} while {other} {other_present} {place}",
    "{subject} and {other} are {place}, one {participle}, the other {other_participle}",
    "there is {subject} {relation} {other} {place}",
)
CLAUSES_COLLISION = (
    "{subject} {hits} {other} {place}",
    "{subject} {present} and {hits} {other} {place}",
    "{place}, {subject} {present} and then {hits} {other}",
    "watch {subject} {hit} {other} {place}",
)
STORIES = (
    "{subject} is {place}. it {present}",
    "there is {subject} {place}. the {name} {present}",
    "the scene is set {place}. {subject} {present}",
    "{place} there is {subject}. it is {participle}",
    "we are {place}. here {subject} {present}",
)
STORIES_PAIR = (
    "{subject} {present} {place}. {other} {other_present}",
    "{subject} is {relation} {other} {place}. the {name} {present}",
    "there are two things {place}: {subject} and {other}. the first {present} and the second {other_present}",
    "the scene is set {place}. {subject} {present} {relation} {other}",
    "{subject} {present} {relation} {other}. the {other_name} {other_present} {place}",
)
STORIES_COLLISION = (
    "the scene is set {place}. {subject} {present} and {hits} {other}",
    "there are {subject} and {other} {place}. the {name} {hits} the {other_name}",
    "{subject} {present} {place}. then it {hits} {other}",
)
OPENINGS = (
    "a video of {phrase}",
    "video of {phrase}",
    "a clip of {phrase}",
    "a short clip showing {phrase}",
    "footage of {phrase}",
    "an animation of {phrase}",
    "a film of {phrase}",
    "a render of {phrase}",
    "{phrase}",
    "{phrase}",
    "{phrase}",
)
CAMERA_FIRST = (
    "{shot} of {phrase}",
    "{shot}: {phrase}",
    "{shot}, {phrase}",
    "camera {panning}, {phrase}",
    "with the camera {panning}, we see {phrase}",
)
CAMERA_SENTENCES = ("the camera {pans}", "camera {pans}", "the view {pans}", "the shot is filmed as a {shot}")
CAMERA_LAST = (
    "{text}, {shot}",
    "{text}, camera {panning}",
    "{text}, the camera {pans}",
    "{text} as the camera {pans}",
    "{text} while the camera {pans}",
    "{text} with the camera {panning}",
)
SOUND_LAST = (
    "{text}, {sound}",
    "{text}, with {sound}",
    "{text}, sound: {sound}",
    "{text}. we hear {sound}",
)
NEGATIVE_JOINTS = (", ", ", ", " ", ", no ", " and ")

NEEDS_PLACE = re.compile(r"(is|are|set) \{place\}")
TEMPLATES = (
    *SHORT,
    *SHORT_PAIR,
    *SHORT_COLLISION,
    *PHRASES,
    *PHRASES_PAIR,
    *PHRASES_COLLISION,
    *CLAUSES,
    *CLAUSES_PAIR,
    *CLAUSES_COLLISION,
    *STORIES,
    *STORIES_PAIR,
    *STORIES_COLLISION,
    *OPENINGS,
    *CAMERA_FIRST,
    *CAMERA_SENTENCES,
    *CAMERA_LAST,
    *SOUND_LAST,
    *NEGATIVE_JOINTS,
    *JOINTS,
    *DENIALS,
)


@dataclass(frozen=True)
class CaptionAttributes:
    """What a scene shows: one or two objects, what the first is to the second, the place and the camera.

    All are keys of the tables in `words`; with relation "behind" the first object is behind the second.
    """

    objects: tuple[ObjectWords, ...]
    relation: str | None
    place: str
    camera: str


def caption(
    attributes: CaptionAttributes,
    *,
    rng: random.Random,
    typo_rate: float = TYPO_RATE,
    sound: str | None = None,
) -> str:
    """A caption of the scene in a random grammar; attributes it leaves out are simply not said.

    `typo_rate` is the share of words with one wrong letter. `sound` is said to be heard, nothing where it is
    empty; without it, some captions tell what the scene sounds like.
    """
    is_short = rng.random() < SHORT_SHARE
    slots = _slots(attributes, rng, is_short=is_short)
    text = _short(attributes, slots, rng) if is_short else _long(attributes, slots, rng)
    if sound is None:
        sounds = _sounds(attributes) if rng.random() < SOUND_SHARE else []
    else:
        sounds = [sound] if sound else []
    if sounds:
        sounding = rng.choice(SOUND_LAST if text.count(".") < 2 else SOUND_LAST[:-1])
        text = sounding.format(text=text, sound=rng.choice(sounds))
    return _typeset(_misspell(_tidy(text), rng, typo_rate), rng)


def negative(attributes: CaptionAttributes, *, rng: random.Random) -> str:
    """A negative prompt: one to four attributes that the scene does not have."""
    objects = attributes.objects
    colours = {item.colour for item in objects}
    seen: tuple[tuple[Phrasings, set[str]], ...] = (
        (words.COLOURS, colours),
        (words.SHAPES, {item.shape for item in objects}),
        (words.MOTION_ADJECTIVES, {item.motion for item in objects}),
        (words.PLACES, {attributes.place}),
        (words.SHOTS, {attributes.camera}),
        (words.SURFACES, {item.surface for item in objects}),
    )
    present_phrases = {phrase for table, keys in seen for key in keys for phrase in table[key]}
    present_words = {
        word for colour in colours for phrase in words.COLOURS[colour] for word in phrase.split()
    }
    named = []
    for table, keys in rng.sample(seen, k=rng.randint(1, 4)):
        absent = [phrase for key, phrases in table.items() if key not in keys for phrase in phrases]
        absent = [phrase for phrase in absent if phrase not in present_phrases]
        phrase = rng.choice([phrase for phrase in absent if not present_words & set(phrase.split())])
        named.append(bare_place(phrase) if table is words.PLACES else phrase)
    return rng.choice(NEGATIVE_JOINTS).join(named)


def vocabulary() -> dict[str, list[str]]:
    """The words for the chips of each category, and under "words", sorted, all that a caption may contain."""
    return {
        "shapes": list(words.SHAPES),
        "colours": list(words.COLOURS),
        "motions": [present(phrases[0]) for phrases in words.MOTIONS.values()],
        "places": [bare_place(phrases[0]) for phrases in words.PLACES.values()],
        "cameras": [f"the camera {present(phrases[0])}" for phrases in words.CAMERAS.values()],
        "surfaces": [phrases[0] for phrases in words.SURFACES.values()],
        "speeds": [phrases[0] for phrases in words.SPEEDS.values()],
        "words": sorted(_all_words()),
    }


def _all_words() -> set[str]:
    texts = [phrase for table in words.TABLES for phrases in table.values() for phrase in phrases]
    for table in words.VERB_TABLES:
        for phrases in table.values():
            texts += [inflect(phrase) for phrase in phrases for inflect in (present, participle)]
    texts += [re.sub(r"\{\w+\}", " ", template) for template in TEMPLATES]
    return {word for text in texts for word in re.findall(r"[a-z]+", text)} | {"an"}


def _said(rng: random.Random, table: Phrasings, key: str, share: float) -> str:
    """A phrasing of the key with probability `share`, the plainest one half of the time; else nothing."""
    if rng.random() >= share:
        return ""
    phrases = table[key]
    return phrases[0] if rng.random() < 0.45 else rng.choice(phrases)


def _object_slots(item: ObjectWords, rng: random.Random, *, is_short: bool) -> dict[str, str]:
    name = _said(rng, words.SHAPES, item.shape, 1.0)
    colour = _said(rng, words.COLOURS, item.colour, 1.0 if is_short else COLOUR_SHARE)
    surface = _said(
        rng, words.SURFACES, item.surface, PLAIN_SHARE if item.surface == "plain" else SURFACE_SHARE
    )
    speed_share = {"slow": 0.45, "medium": 0.12, "fast": 0.45}[item.speed]
    speed = _said(rng, words.SPEEDS, item.speed, 0.0 if item.motion == "still" else speed_share)
    motion = _said(rng, words.MOTIONS, item.motion, 1.0)
    adjective = rng.choice(words.MOTION_ADJECTIVES[item.motion])
    is_after = surface.startswith("with ")
    marks = [colour, surface] if rng.random() < 0.25 else [surface, colour]
    bare = _join(*(mark for mark in marks if not (is_after and mark == surface)), name)
    tail = surface if is_after else ""
    before = speed if speed.endswith("ly") and " " not in speed and rng.random() < 0.35 else ""
    after = "" if before else speed
    return {
        "name": name,
        "bare": _join(bare, tail),
        "subject": _join(with_article(bare), tail),
        "adjective": adjective,
        "adjective_subject": _join(with_article(_join(adjective, bare)), tail),
        "present": _join(before, present(motion), after),
        "participle": _join(before, participle(motion), after),
        "base": _join(before, motion, after),
    }


def _slots(attributes: CaptionAttributes, rng: random.Random, *, is_short: bool) -> dict[str, str]:
    slots = _object_slots(attributes.objects[0], rng, is_short=is_short)
    if len(attributes.objects) > 1:
        other = _object_slots(attributes.objects[1], rng, is_short=is_short)
        slots |= {f"other_{slot}": text for slot, text in other.items()}
        slots["other"] = other["subject"]
    slots["place"] = _said(rng, words.PLACES, attributes.place, 0.6 if is_short else 0.85)
    slots["spot"] = bare_place(slots["place"]) if slots["place"] else ""
    if attributes.relation:
        relation = _said(rng, words.RELATIONS, attributes.relation, 1.0)
        if attributes.relation == "collides":
            slots |= {"hit": relation, "hits": present(relation), "hitting": participle(relation)}
        slots["relation"] = relation
    camera = _said(rng, words.CAMERAS, attributes.camera, 1.0)
    shot = _said(rng, words.SHOTS, attributes.camera, 1.0)
    return slots | {"pans": present(camera), "panning": participle(camera), "shot": shot}


def _fill(
    attributes: CaptionAttributes, slots: dict[str, str], rng: random.Random, *choices: Sequence[str]
) -> str:
    """One of the templates for a single object, a pair or a collision (the last `choices`), filled in."""
    templates = choices[0]
    if len(attributes.objects) > 1:
        templates = choices[-1] if attributes.relation == "collides" else choices[1]
    if not slots["place"]:
        templates = [template for template in templates if not NEEDS_PLACE.search(template)]
    if attributes.relation is None:
        templates = [template for template in templates if "{relation}" not in template]
    return rng.choice(templates).format(**slots)


def _is_camera_said(attributes: CaptionAttributes, rng: random.Random, share: float) -> bool:
    return rng.random() < (STATIC_SHARE * share if attributes.camera == "static" else share)


def _short(attributes: CaptionAttributes, slots: dict[str, str], rng: random.Random) -> str:
    text = _fill(attributes, slots, rng, SHORT, SHORT_PAIR, SHORT_COLLISION)
    if _is_camera_said(attributes, rng, SHORT_CAMERA_SHARE):
        text = rng.choice(CAMERA_LAST[:3]).format(text=text, **slots)
    return text


def _long(attributes: CaptionAttributes, slots: dict[str, str], rng: random.Random) -> str:
    is_camera_said = _is_camera_said(attributes, rng, CAMERA_SHARE)
    grammar = rng.random()
    if grammar < 0.4:
        phrase = _fill(attributes, slots, rng, PHRASES, PHRASES_PAIR, PHRASES_COLLISION)
        if is_camera_said and rng.random() < 0.4:
            return rng.choice(CAMERA_FIRST).format(phrase=phrase, **slots)
        text = rng.choice(OPENINGS).format(phrase=phrase)
    elif grammar < 0.75:
        text = _fill(attributes, slots, rng, CLAUSES, CLAUSES_PAIR, CLAUSES_COLLISION)
    else:
        text = _fill(attributes, slots, rng, STORIES, STORIES_PAIR, STORIES_COLLISION)
    if not is_camera_said:
        return text
    sentence = rng.choice(CAMERA_SENTENCES).format(**slots)
    place = rng.random()
    if place < 0.15:
        return f"{sentence}. {text}"
    return f"{text}. {sentence}" if place < 0.5 else rng.choice(CAMERA_LAST).format(text=text, **slots)


def _sounds(attributes: CaptionAttributes) -> list[str]:
    sounds = [*words.MOTION_SOUNDS[attributes.objects[0].motion], *words.PLACE_SOUNDS[attributes.place]]
    return [*sounds, *words.COLLISION_SOUNDS] if attributes.relation == "collides" else sounds


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" ([,.:])", r"\1", text)
    return re.sub(r"([,.:])[,.:]+", r"\1", text).strip(" ,.:")


def _misspell(text: str, rng: random.Random, rate: float) -> str:
    spelled = []
    for word in text.split(" "):
        if len(word) > 3 and word.isalpha() and rng.random() < rate:
            at = rng.randrange(1, len(word) - 1)
            letter = rng.choice("abcdefghijklmnopqrstuvwxyz")
            word = rng.choice(
                (
                    word[:at] + word[at + 1 :],
                    word[:at] + word[at] + word[at:],
                    word[:at] + letter + word[at + 1 :],
                    word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                )
            )
        spelled.append(word)
    return " ".join(spelled)


def _typeset(text: str, rng: random.Random) -> str:
    """The text as people type: in sentences, all lower case or shouted, with or without a full stop."""
    style = rng.random()
    if style < 0.5:
        text = ". ".join(sentence[:1].upper() + sentence[1:] for sentence in text.split(". "))
    elif style > 0.97:
        text = text.upper()
    ending = rng.random()
    return text + ("" if ending < 0.5 else "." if ending < 0.96 else "!")
