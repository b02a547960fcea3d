"""Say facts of the made-up world in any of its languages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from xstilts_hpc.miniature.world import Language


@dataclass(frozen=True)
class Token:
    """Hold one word, what it answers (`role`) and the kind of name it belongs to (`entity`)."""

    text: str
    role: str = ""
    entity: str = ""


Phrase = tuple[Token, ...]


@dataclass(frozen=True)
class Place:
    """Name a place, with its kind when that is said."""

    name: str
    kind: str = ""


@dataclass(frozen=True)
class Company:
    """Name a company, with its kind when that is said."""

    name: str
    kind: str = ""


@dataclass(frozen=True)
class Person:
    """Name a person, with a family name and a title when those are said."""

    name: str
    family: str = ""
    title: str = ""


@dataclass(frozen=True)
class Things:
    """Describe things by noun, and by number and adjective when those are said."""

    noun: str
    number: str = ""
    adjective: str = ""


@dataclass(frozen=True)
class Fact:
    """Say who did what, to what, where and when; an empty part is left unsaid."""

    subject: Person | Place | Company
    verb: str
    thing: Things | Company | None = None
    place: Place | None = None
    day: str = ""
    negative: bool = False


@dataclass(frozen=True)
class Speech:
    """Speak one language; `words` may mix in other languages' words."""

    language: Language
    words: Mapping[str, str]

    def say(self, fact: Fact) -> Phrase:
        """Return the fact as words in the language's order."""
        parts = {
            "subject": self._name(fact.subject),
            "verb": (Token("not"),) * fact.negative + (Token(fact.verb, "verb"),),
            "object": self._object(fact.thing),
            "place": self._place(fact.place),
            "day": (Token("on"), Token(fact.day, "day")) if fact.day else (),
        }
        return self.translate([token for part in self.language.clause_order for token in parts[part]])

    def translate(self, tokens: Sequence[Token]) -> Phrase:
        """Replace concepts by the language's words; names and numbers stay as they are."""
        return tuple(Token(self.words.get(token.text, token.text), token.role, token.entity) for token in tokens)

    def ask(self, role: str, fact: Fact) -> Phrase:
        """Return the question that the fact's `role` answers."""
        person, noun = fact.subject.name, fact.thing.noun if isinstance(fact.thing, Things) else ""
        question = {
            "person": ("who", fact.verb, noun),
            "number": ("how-many", noun),
            "place": ("where", "was", person),
            "day": ("when", "was", person),
            "noun": ("what", "had", person),
        }[role]
        return self.translate([Token(word) for word in question])

    def _name(self, who: Person | Place | Company) -> Phrase:
        if isinstance(who, Place):
            return self._place_name(who)
        if isinstance(who, Company):
            return self._company(who)
        names = tuple(Token(name, "person", "PER") for name in (who.name, who.family) if name)
        title = (Token(who.title),) if who.title else ()
        return title + names if self.language.category_first else names + title

    def _place_name(self, place: Place) -> Phrase:
        name = (Token(place.name, "place", "LOC"),)
        kind = (Token(place.kind),) if place.kind else ()
        return kind + name if self.language.category_first else name + kind

    def _company(self, company: Company) -> Phrase:
        name = (Token(company.name, "company", "ORG"),)
        kind = (Token(company.kind, "company", "ORG"),) if company.kind else ()
        return name + kind if self.language.category_first else kind + name

    def _object(self, thing: Things | Company | None) -> Phrase:
        if thing is None:
            return ()
        if isinstance(thing, Company):
            return self._adposition("for", self._company(thing))
        number = (Token(thing.number, "number"),) if thing.number else ()
        adjective = (Token(thing.adjective, "adjective"),) if thing.adjective else ()
        noun = (Token(thing.noun, "noun"),)
        return number + (adjective + noun if self.language.adjective_first else noun + adjective)

    def _place(self, place: Place | None) -> Phrase:
        return self._adposition("in", self._place_name(place)) if place else ()

    def _adposition(self, concept: str, phrase: Phrase) -> Phrase:
        return (Token(concept), *phrase) if self.language.adposition_first else (*phrase, Token(concept))


def write(tokens: Sequence[Token], end: str = ".") -> str:
    """Join words to a sentence."""
    return " ".join(token.text for token in tokens) + end


def tags(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Tag each word in IOB2; names that touch are kept apart by their entity."""
    entities = ["", *(token.entity for token in tokens)]
    return tuple(
        "O" if not entity else f"I-{entity}" if entity == before else f"B-{entity}"
        for before, entity in pairwise(entities)
    )


def find(tokens: Sequence[Token], role: str) -> tuple[int, str]:
    """Return the character offset and the text of the first run of words with this role in the written sentence."""
    first = next(index for index, token in enumerate(tokens) if token.role == role)
    last = first
    while last + 1 < len(tokens) and tokens[last + 1].role == role:
        last += 1
    start = sum(len(token.text) + 1 for token in tokens[:first])
    return start, " ".join(token.text for token in tokens[first : last + 1])
