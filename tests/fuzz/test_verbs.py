"""Commands on a root with a damaged record print, or end with an XstiltsError: never a traceback or a hang."""

import pytest

from tests.fuzz.mutations import damaged
from tests.fuzz.test_fuzz import cases
from tests.fuzz.verbs import World, ask, make_world

# Of every record; each case gives several commands.
_MANY, _FEW = 60, 15
RECORDS = ("1.json", "DONE.json", "request.json", "run.json", "plan.json", "attempts.json", "data.json", "done.json")
EVERY_RECORD = pytest.mark.parametrize("name", RECORDS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


def fuzz_verbs(world: World, name: str, number: int) -> None:
    (path,) = (path for path in world.records if path.name == name)
    valid = path.read_bytes()

    def check(contents: tuple[bytes, ...]) -> None:
        for command in world.commands:
            path.write_bytes(contents[0])  # a command may mend a cache
            ask(command)

    try:
        cases(damaged((valid,), grammar="json"), check, number)
        assert not list(world.root.rglob("*.partial"))
    finally:
        path.write_bytes(valid)


def test_the_world_has_every_record_and_is_read(world: World) -> None:
    assert sorted(path.name for path in world.records) == sorted(RECORDS)
    why, logs, status, submit = map(ask, world.commands)
    assert "attempt 1: node_failed, updates 0 to 70" in why and "facts: signal SIGUSR1" in why
    assert "no log yet" in logs
    assert "node_failed: 2 runs" in status
    assert "would run 3 of 4 runs" in submit


@EVERY_RECORD
def test_commands_read_a_damaged_record_or_say_so(world: World, name: str) -> None:
    fuzz_verbs(world, name, _FEW)


@pytest.mark.fuzz
@EVERY_RECORD
def test_commands_read_many_damaged_records_or_say_so(world: World, name: str) -> None:
    fuzz_verbs(world, name, _MANY)
