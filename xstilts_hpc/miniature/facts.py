"""Draw facts of the made-up world and what follows from them, before any language is chosen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from xstilts_hpc.miniature import world
from xstilts_hpc.miniature.sentences import Company, Fact, Person, Place, Things

LABELS = ("entailment", "neutral", "contradiction")
ROLES = ("person", "number", "place", "day", "noun")


@dataclass(frozen=True)
class Pair:
    """Hold a premise, a hypothesis and how they relate."""

    premise: Fact
    hypothesis: Fact
    label: str


@dataclass(frozen=True)
class Story:
    """Hold a beginning and four ends (verb and noun), of which `label` is the right one."""

    beginning: Fact
    ends: tuple[tuple[str, str], ...]
    label: int


def draw_things(source: Random, noun: str = "") -> Things:
    """Draw things with a number and an adjective."""
    return Things(
        noun or source.choice(world.NOUNS), source.choice(world.NUMBERS), source.choice(tuple(world.ADJECTIVES))
    )


def draw_deal(source: Random, names: Sequence[str], *, noun: str = "") -> Fact:
    """Draw who bought, sold, found or lost what, where and when, with every part said."""
    person, place = source.sample(names, 2)
    return Fact(
        Person(person, title=source.choice(world.TITLES) if source.random() < 0.3 else ""),
        source.choice(tuple(world.VERBS)),
        draw_things(source, noun),
        Place(place),
        source.choice(world.DAYS),
    )


def draw_mention(source: Random, names: Sequence[str]) -> Fact:
    """Draw a fact that names people, places and companies."""
    name, family, other, third = source.sample(names, 4)
    person = Person(name, family if source.random() < 0.4 else "", source.choice(("", *world.TITLES)))
    company = Company(other, source.choice(("", *world.COMPANIES)))
    place = Place(third, source.choice(("", "", *world.PLACES)))
    known_company = replace(company, kind=source.choice(world.COMPANIES))
    known_place = replace(place, kind=source.choice(world.PLACES))
    adjective = source.choice(tuple(world.ADJECTIVES))
    return source.choice(
        (
            Fact(person, "lived", place=place),
            Fact(person, "worked", company),
            Fact(person, "worked", company, place),
            Fact(known_company, source.choice(tuple(world.VERBS)), draw_things(source), place),
            Fact(known_place, "is", Things(adjective=adjective, noun=source.choice(world.PLACES))),
            Fact(known_company, "is", Things(adjective=adjective, noun=source.choice(world.COMPANIES))),
        )
    )


def shorten(source: Random, fact: Fact, keep: float) -> Fact:
    """Leave parts of a deal unsaid, each kept with probability `keep`."""
    assert isinstance(fact.thing, Things)
    thing = replace(
        fact.thing,
        number=fact.thing.number if source.random() < keep else "",
        adjective=fact.thing.adjective if source.random() < keep else "",
    )
    return replace(
        fact,
        thing=thing,
        place=fact.place if source.random() < keep else None,
        day=fact.day if source.random() < keep else "",
    )


def contradict(source: Random, fact: Fact) -> Fact:
    """Change a deal's verb, number or adjective, or deny it."""
    assert isinstance(fact.thing, Things)
    ways = [replace(fact, negative=True), replace(fact, verb=world.VERBS[fact.verb])]
    if fact.thing.adjective:
        ways.append(replace(fact, thing=replace(fact.thing, adjective=world.ADJECTIVES[fact.thing.adjective])))
    if fact.thing.number:
        others = [number for number in world.NUMBERS if number != fact.thing.number]
        ways.append(replace(fact, thing=replace(fact.thing, number=source.choice(others))))
    return source.choice(ways)


def draw_pair(source: Random, names: Sequence[str], *, label: str, premise: Fact | None = None) -> Pair:
    """Draw a hypothesis for a premise: parts of it, parts with one changed, or with a part that is not in it."""
    full = premise or draw_deal(source, names)
    short = shorten(source, full, 0.4)
    if label == "contradiction":
        return Pair(full, contradict(source, short), label)
    if label == "neutral":
        return Pair(full, add_unknown(source, short), label)
    return Pair(full, short, label)


def add_unknown(source: Random, fact: Fact) -> Fact:
    """Say something of the deal that its premise leaves open: what followed."""
    assert isinstance(fact.thing, Things)
    return replace(fact, verb=world.USE_OF[fact.thing.noun])


def draw_story(source: Random, names: Sequence[str]) -> Story:
    """Draw a deal and four ends: the thing's own use, its use for another thing, and two uses that do not fit."""
    beginning = replace(shorten(source, draw_deal(source, names), 0.5), verb=source.choice(("bought", "found")))
    assert isinstance(beginning.thing, Things)
    noun = beginning.thing.noun
    verb = world.USE_OF[noun]
    sisters = [other for other in world.NOUNS if world.USE_OF[other] == verb and other != noun]
    strangers = [other for other in world.NOUNS if world.USE_OF[other] != verb]
    stranger, other = source.sample(strangers, 2)
    ends = [
        (verb, noun),
        (verb, source.choice(sisters)),
        (world.USE_OF[stranger], stranger),
        (world.USE_OF[other], noun),
    ]
    right = ends[0]
    source.shuffle(ends)
    return Story(beginning, tuple(ends), ends.index(right))


@dataclass(frozen=True)
class Question:
    """Ask for the `role` of the fact at place `index` of a paragraph."""

    index: int
    role: str


@dataclass(frozen=True)
class Paragraph:
    """Hold facts that share no person, place, day or noun, and questions on them."""

    facts: tuple[Fact, ...]
    questions: tuple[Question, ...]


def draw_paragraph(source: Random, names: Sequence[str], *, num_facts: int, num_questions: int) -> Paragraph:
    """Draw a paragraph whose every question has one answer."""
    people = source.sample(names, 2 * num_facts)
    nouns, days = source.sample(world.NOUNS, num_facts), source.sample(world.DAYS, num_facts)
    facts = []
    for index in range(num_facts):
        deal = draw_deal(source, names, noun=nouns[index])
        assert isinstance(deal.thing, Things)
        person, place = Person(people[2 * index]), Place(people[2 * index + 1])
        thing = replace(deal.thing, adjective="")
        facts.append(replace(deal, subject=person, thing=thing, place=place, day=days[index]))
    possible = [Question(index, role) for index in range(num_facts) for role in ROLES]
    return Paragraph(tuple(facts), tuple(source.sample(possible, num_questions)))
