"""Compose the multilingual plain text that the small model is pretrained on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from xstilts_hpc.miniature import world
from xstilts_hpc.miniature.facts import ROLES, draw_deal, draw_mention, draw_story, shorten
from xstilts_hpc.miniature.sentences import Fact, Phrase, Speech, Things, Token, write
from xstilts_hpc.miniature.world import SEED, Language

# Shares of the kinds of lines; what is left are translated pairs, which carry most of the alignment.
MONOLINGUAL = 0.15
SWITCHED = 0.45
# Share of the words of a code-switched sentence that another language gives.
FOREIGN_WORDS = 0.5
# Share of the translations that are into English, as on the web; the others are into any language.
ENGLISH_TRANSLATIONS = 0.7


def make_speeches(seed: int = SEED) -> dict[str, Speech]:
    """Return a speech per language of the world."""
    return {language.code: Speech(language, world.make_words(language, seed)) for language in world.LANGUAGES}


def draw_line(source: Random, names: Sequence[str], *, language: Language, speeches: Mapping[str, Speech]) -> str:
    """Return a line of a language's text: monolingual, code-switched, or a sentence with its translation."""
    kind = source.random()
    speech = speeches[language.code]
    other = source.choice([one for code, one in speeches.items() if code != language.code])
    if kind < MONOLINGUAL:
        return " ".join(draw_passage(source, names, speech))
    if kind < MONOLINGUAL + SWITCHED:
        return " ".join(draw_passage(source, names, mix(source, speech, other)))
    if language != world.ENGLISH and source.random() < ENGLISH_TRANSLATIONS:
        other = speeches[world.ENGLISH.code]
    return " ".join(draw_translated(source, names, (speech, other)))


def mix(source: Random, speech: Speech, other: Speech) -> Speech:
    """Return the speech with some of its words replaced by the other's."""
    words = {
        concept: other.words[concept] if source.random() < FOREIGN_WORDS else word
        for concept, word in speech.words.items()
    }
    return Speech(speech.language, words)


def draw_passage(source: Random, names: Sequence[str], speech: Speech) -> list[str]:
    """Return two sentences in one language that belong together."""
    kind = source.randrange(7)
    if kind == 0:
        return [write(speech.say(draw_mention(source, names))) for _ in range(2)]
    if kind == 1:
        return tell_story(source, names, speech)
    deal = draw_deal(source, names)
    if kind in (2, 3, 4):
        return ask_and_answer(source, deal, speech)
    again = shorten(source, deal, 0.5)
    return [write(speech.say(deal)), write(speech.say(again if kind == 5 else replace_verb(source, again)))]


def tell_story(source: Random, names: Sequence[str], speech: Speech) -> list[str]:
    """Return a story's beginning and its right end."""
    story = draw_story(source, names)
    return [write(speech.say(story.beginning)), write(end_story(speech, story.beginning, *story.ends[story.label]))]


def end_story(speech: Speech, beginning: Fact, verb: str, noun: str) -> Phrase:
    """Return the words of a story's end."""
    parts = {"subject": (Token("then"), Token(beginning.subject.name)), "verb": (Token(verb),)}
    parts["object"] = (Token("the"), Token(noun))
    return speech.translate([token for part in speech.language.clause_order for token in parts.get(part, ())])


def ask_and_answer(source: Random, deal: Fact, speech: Speech) -> list[str]:
    """Return a deal, a question about it, before it or after it, and the answer."""
    role = source.choice(ROLES)
    told, asked = write(speech.say(deal)), write(speech.ask(role, deal), "?")
    answer = " ".join(token.text for token in speech.say(deal) if token.role == role) + "."
    return [told, asked, answer] if source.random() < 0.5 else [asked, told, answer]


def draw_translated(source: Random, names: Sequence[str], speeches: Sequence[Speech]) -> list[str]:
    """Return one sentence, now and then a question, in each of the languages."""
    kind = source.choice((0, 0, 1, 2, 3, 3, 3))
    if kind == 0:
        role, deal = source.choice(ROLES), draw_deal(source, names)
        return [write(speech.ask(role, deal), "?") for speech in speeches]
    if kind == 1:
        story = draw_story(source, names)
        return [write(end_story(speech, story.beginning, *story.ends[story.label])) for speech in speeches]
    if kind == 2:
        mention = draw_mention(source, names)
        return [write(speech.say(mention)) for speech in speeches]
    fact = shorten(source, draw_deal(source, names), 0.8)
    if source.random() < 0.6:
        fact = replace_verb(source, fact)
    return [write(speech.say(fact)) for speech in speeches]


def replace_verb(source: Random, fact: Fact) -> Fact:
    """Deny a fact, or tell what was done with its things."""
    assert isinstance(fact.thing, Things)
    if source.random() < 0.5:
        return replace(fact, negative=True)
    return replace(fact, verb=world.USE_OF[fact.thing.noun])
