"""The caption grammar: what it says, in which words, and how long it is."""

import random
import re

import pytest

from backend.evaluation.prompts import PROMPT_CASES
from backend.training.world import words
from backend.training.world.captions import CaptionAttributes, caption, negative, vocabulary
from backend.training.world.scene import ObjectWords


def random_attributes(rng: random.Random, *, num_objects: int | None = None) -> CaptionAttributes:
    objects = tuple(
        ObjectWords(
            rng.choice(list(words.SHAPES)),
            rng.choice(list(words.COLOURS)),
            rng.choice(list(words.SURFACES)),
            rng.choice(list(words.MOTIONS)),
            rng.choice(list(words.SPEEDS)),
        )
        for _ in range(num_objects or rng.choice((1, 1, 2)))
    )
    relation = rng.choice([*words.RELATIONS, None]) if len(objects) == 2 else None
    return CaptionAttributes(
        objects, relation, rng.choice(list(words.PLACES)), rng.choice(list(words.CAMERAS))
    )


def has_phrase(text: str, phrases: tuple[str, ...]) -> bool:
    return any(re.search(rf"\b{phrase}\b", text.lower()) for phrase in phrases)


def spelled_captions(count: int, **options: int) -> list[tuple[CaptionAttributes, str]]:
    rng = random.Random(11)
    drawn = [random_attributes(rng, **options) for _ in range(count)]
    return [(attributes, caption(attributes, rng=rng, typo_rate=0.0)) for attributes in drawn]


@pytest.mark.parametrize(
    "table",
    [
        words.SHAPES,
        words.COLOURS,
        words.SURFACES,
        words.MOTIONS,
        words.SPEEDS,
        words.PLACES,
        words.CAMERAS,
        words.SHOTS,
        words.RELATIONS,
        words.MOTION_SOUNDS,
        words.PLACE_SOUNDS,
    ],
)
def test_every_key_has_four_phrasings(table):
    assert all(len(set(phrases)) >= 4 for phrases in table.values())


@pytest.mark.parametrize("table", [words.SHAPES, words.COLOURS, words.SPEEDS, words.PLACES, words.CAMERAS])
def test_no_phrasing_means_two_keys(table):
    phrases = [phrase for key in table for phrase in table[key]]
    assert len(phrases) == len(set(phrases))


def test_captions_name_every_shape():
    for attributes, text in spelled_captions(1000):
        assert all(has_phrase(text, words.SHAPES[item.shape]) for item in attributes.objects), text


def test_nearly_all_captions_name_the_colour():
    drawn = spelled_captions(1000, num_objects=1)
    named = [has_phrase(text, words.COLOURS[attributes.objects[0].colour]) for attributes, text in drawn]
    assert 0.93 < sum(named) / len(named) < 1.0


def test_captions_name_no_other_colour():
    for attributes, text in spelled_captions(1000, num_objects=1):
        said = re.sub("green (meadow|field|forest)|white snow", "", text.lower())
        said = re.sub("|".join(words.COLOURS[attributes.objects[0].colour]), "", said)
        others = [phrases for key, phrases in words.COLOURS.items() if key != attributes.objects[0].colour]
        assert not any(has_phrase(said, phrases) for phrases in others), text


def test_collisions_are_named():
    verbs = words.RELATIONS["collides"]
    forms = tuple(form(verb) for verb in verbs for form in (str, words.present, words.participle))
    for attributes, text in spelled_captions(1000):
        if attributes.relation == "collides":
            assert has_phrase(text, (*forms, "collision")), text


def test_captions_have_three_words_to_three_sentences():
    texts = [text for _, text in spelled_captions(3000)]
    lengths = [len(text.split()) for text in texts]
    sentences = [len(re.findall(r"[^.!]+", text)) for text in texts]
    assert min(lengths) == 3
    assert (min(sentences), max(sentences)) == (1, 3)


def test_every_word_is_in_the_vocabulary():
    known = set(vocabulary()["words"])
    said = {word for _, text in spelled_captions(5000) for word in re.findall(r"[a-z]+", text.lower())}
    assert said <= known


def test_every_chip_is_made_of_known_words():
    listed = vocabulary()
    chips = {word for key, phrases in listed.items() for phrase in phrases for word in phrase.split()}
    assert chips <= set(listed["words"])


def test_evaluation_prompts_use_known_words():
    said = {word for case in PROMPT_CASES for word in re.findall(r"[a-z]+", case.prompt.lower())}
    assert said <= set(vocabulary()["words"])


@pytest.mark.parametrize("case", PROMPT_CASES, ids=lambda case: case.prompt)
def test_evaluation_prompts_say_what_they_are_checked_for(case):
    assert has_phrase(case.prompt, words.COLOURS[case.colour])
    assert has_phrase(case.prompt, tuple(words.bare_place(phrase) for phrase in words.PLACES[case.place]))
    assert case.motion in words.MOTIONS
    assert case.camera in words.CAMERAS


def test_captions_repeat_with_the_seed():
    def draw(seed: int) -> list[str]:
        rng = random.Random(seed)
        return [caption(random_attributes(rng), rng=rng) for _ in range(50)]

    assert draw(4) == draw(4)
    assert draw(4) != draw(5)


def test_typos_are_rare():
    known = set(vocabulary()["words"])
    rng = random.Random(7)
    said = [word for _ in range(3000) for word in caption(random_attributes(rng), rng=rng).lower().split()]
    wrong = [word for word in said if not set(re.findall(r"[a-z]+", word)) <= known]
    assert 0.005 < len(wrong) / len(said) < 0.02


def test_a_typed_sentence_belongs_to_the_grammar():
    rng = random.Random(0)
    ball = ObjectWords("ball", "red", "plain", "bounces", "medium")
    attributes = CaptionAttributes((ball,), None, "meadow", "static")
    drawn = {caption(attributes, rng=rng, typo_rate=0.0).lower().rstrip(".!") for _ in range(6000)}
    assert {"a red ball bounces on a green meadow", "red ball bouncing"} <= drawn


def test_negatives_name_only_what_is_absent():
    rng = random.Random(3)
    for _ in range(1000):
        attributes = random_attributes(rng)
        text = negative(attributes, rng=rng)
        for item in attributes.objects:
            assert not has_phrase(text, words.COLOURS[item.colour]), text
            assert not has_phrase(text, words.MOTION_ADJECTIVES[item.motion]), text


@pytest.mark.parametrize(
    ("verb", "third_person", "ing_form"),
    [
        ("roll left", "rolls left", "rolling left"),
        ("bounce", "bounces", "bouncing"),
        ("spin around", "spins around", "spinning around"),
        ("fly up", "flies up", "flying up"),
        ("sway", "sways", "swaying"),
        ("approach", "approaches", "approaching"),
    ],
)
def test_verbs_inflect(verb, third_person, ing_form):
    assert (words.present(verb), words.participle(verb)) == (third_person, ing_form)
