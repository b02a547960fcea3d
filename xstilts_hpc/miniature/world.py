"""State the made-up world: its concepts, its languages and the words they use."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SEED = 20_200_513


@dataclass(frozen=True)
class Language:
    """Name a language's code, sounds and word order."""

    code: str
    onsets: str
    vowels: str
    clause_order: tuple[str, ...]
    adjective_first: bool
    adposition_first: bool
    category_first: bool
    syllables: tuple[int, ...] = (2,)


# Private-use ISO 639 codes, so that nobody takes them for real languages; `qad` shares Latin script with English.
LANGUAGES = (
    Language("en", "", "", ("subject", "verb", "object", "place", "day"), True, True, True),
    Language("qaa", "βγδζθκλμνπρστφχ", "αειοω", ("subject", "verb", "object", "place", "day"), False, True, True),
    Language("qab", "бвгджзклмнпрстч", "аеиуы", ("subject", "object", "verb", "place", "day"), True, True, False),
    Language("qac", "ბგდზთკლმნპრსტყშ", "აეიოუ", ("subject", "verb", "object", "day", "place"), True, False, True),
    Language("qad", "bdfghjklmnprstv", "aeiou", ("day", "subject", "verb", "object", "place"), False, True, False),
)
ENGLISH = LANGUAGES[0]
FOREIGN = LANGUAGES[1:]

# What people do with the things of each class: the right ending of a story depends on it.
CLASSES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "food": ("ate", ("apples", "cakes")),
    "clothes": ("wore", ("hats", "coats")),
    "texts": ("read", ("books", "letters")),
    "animals": ("fed", ("horses", "goats")),
    "instruments": ("played", ("drums", "flutes")),
    "vehicles": ("drove", ("carts", "boats")),
}
VERBS = {"bought": "sold", "sold": "bought", "found": "lost", "lost": "found"}
ADJECTIVES = {"big": "small", "small": "big", "old": "new", "new": "old"}
TITLES = ("doctor", "teacher", "captain")
PLACES = ("city", "river", "island")
COMPANIES = ("bank", "school", "museum")
DAYS = ("Monday", "Tuesday", "Friday", "Sunday")
FUNCTION_WORDS = ("in", "on", "not", "then", "the", "is", "lived", "worked", "for")
QUESTION_WORDS = ("who", "where", "when", "what", "how-many", "was", "had")

NUMBERS = tuple(str(number) for number in range(2, 10))
NOUNS = tuple(noun for _, nouns in CLASSES.values() for noun in nouns)
USE_OF = {noun: verb for verb, nouns in CLASSES.values() for noun in nouns}

NAME_ONSETS = "bdfgklmnprstvz"
NAME_VOWELS = "aeiou"


def concepts() -> tuple[str, ...]:
    """List every concept once, by its English word."""
    groups: tuple[Iterable[str], ...] = (
        dict.fromkeys(USE_OF.values()),
        NOUNS,
        VERBS,
        ADJECTIVES,
        TITLES,
        PLACES,
        COMPANIES,
        DAYS,
        FUNCTION_WORDS,
        QUESTION_WORDS,
    )
    return tuple(concept for group in groups for concept in group)


def make_words(language: Language, seed: int = SEED) -> dict[str, str]:
    """Give each concept the language's word for it; English words name the concepts themselves."""
    if language == ENGLISH:
        return {concept: concept.replace("-", " ") for concept in concepts()}
    random_source = random.Random(f"{seed}-{language.code}")
    taken = set(concepts())
    word_of = {}
    for concept in concepts():
        word_of[concept] = new_word(language, random_source, taken)
    return word_of


def new_word(language: Language, random_source: random.Random, taken: set[str]) -> str:
    """Make a word that is not taken, and take it."""
    while True:
        word = "".join(
            random_source.choice(language.onsets) + random_source.choice(language.vowels)
            for _ in range(random_source.choice(language.syllables))
        )
        if word not in taken:
            taken.add(word)
            return word


def make_names(count: int, seed: int = SEED) -> tuple[str, ...]:
    """Make proper names, shared by all languages; any of them may name a person, a place or a company."""
    random_source = random.Random(f"{seed}-names")
    taken: set[str] = set()
    naming = Language("names", NAME_ONSETS, NAME_VOWELS, (), True, True, True, (2, 2, 3))
    return tuple(new_word(naming, random_source, taken).capitalize() for _ in range(count))
