"""The made-up world: words, word order, and the same bytes each time."""

from random import Random

import pytest

from xstilts_hpc.miniature import world
from xstilts_hpc.miniature.facts import LABELS, draw_pair, draw_paragraph, draw_story
from xstilts_hpc.miniature.sentences import Company, Fact, Person, Place, Speech, Things, find, tags, write
from xstilts_hpc.miniature.text import make_speeches

DEAL = Fact(Person("Mira", title="doctor"), "bought", Things("hats", "5", "big"), Place("Kemi"), "Monday")


@pytest.fixture(scope="module")
def speeches() -> dict[str, Speech]:
    return make_speeches()


def letters(words: dict[str, str]) -> set[str]:
    return set("".join(words.values())) - {" "}


def test_english_can_be_read(speeches: dict[str, Speech]) -> None:
    assert write(speeches["en"].say(DEAL)) == "doctor Mira bought 5 big hats in Kemi on Monday."
    assert write(speeches["en"].ask("number", DEAL), "?") == "how many hats?"


def test_languages_share_no_word_and_scripts_only_with_english() -> None:
    words = {language.code: world.make_words(language) for language in world.LANGUAGES}
    every = [word for code in words for word in words[code].values()]
    assert len(every) == len(set(every))
    own_script = [letters(words[code]) for code in ("en", "qaa", "qab", "qac")]
    assert len(set.union(*own_script)) == sum(map(len, own_script))
    assert letters(words["qad"]) <= set("abcdefghijklmnopqrstuvwxyz")


def test_names_and_numbers_are_the_same_in_every_language(speeches: dict[str, Speech]) -> None:
    for speech in speeches.values():
        assert {"Mira", "Kemi", "5"} <= {token.text for token in speech.say(DEAL)}


def test_a_language_has_its_own_word_order(speeches: dict[str, Speech]) -> None:
    roles = [token.role for token in speeches["qab"].say(DEAL) if token.role]
    assert roles == ["person", "number", "adjective", "noun", "verb", "place", "day"]


def test_a_company_of_two_words_is_one_entity(speeches: dict[str, Speech]) -> None:
    tokens = speeches["en"].say(Fact(Person("Mira", "Tolan"), "worked", Company("Kelo", "bank")))
    assert tags(tokens) == ("B-PER", "I-PER", "O", "O", "B-ORG", "I-ORG")


def test_find_gives_the_offset_of_the_answer(speeches: dict[str, Speech]) -> None:
    assert find(speeches["en"].say(DEAL), "place") == (33, "Kemi")


def test_names_are_distinct_and_the_same_each_time() -> None:
    names = world.make_names(500)
    assert names == world.make_names(500)
    assert len(set(names)) == 500


@pytest.mark.parametrize("label", LABELS)
def test_a_hypothesis_says_no_more_than_its_label_allows(label: str) -> None:
    for seed in range(50):
        pair = draw_pair(Random(seed), ("Mira", "Kemi"), label=label)
        told, claimed = pair.premise, pair.hypothesis
        assert told.subject == claimed.subject
        changed = claimed.negative or (told.verb, told.thing) != (claimed.verb, claimed.thing)
        assert changed or label == "entailment"


def test_a_story_has_one_right_end() -> None:
    for seed in range(50):
        story = draw_story(Random(seed), ("Mira", "Kemi"))
        assert isinstance(story.beginning.thing, Things)
        noun = story.beginning.thing.noun
        assert story.ends[story.label] == (world.USE_OF[noun], noun)
        assert len(set(story.ends)) == 4


def test_facts_of_a_paragraph_share_nothing_that_is_asked_for() -> None:
    paragraph = draw_paragraph(Random(0), world.make_names(20), num_facts=3, num_questions=5)
    assert len({fact.subject for fact in paragraph.facts}) == 3
    assert len({fact.day for fact in paragraph.facts}) == 3
    assert len(set(paragraph.questions)) == 5
