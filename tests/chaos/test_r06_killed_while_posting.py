"""R06: a process killed by SIGKILL while it posts loses nothing it acknowledged and leaves no half."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import text

from tests.chaos.conftest import SEED
from tests.chaos.kill_loop import CHILD, Death, Nursery, autopsy, damage
from tests.helpers.financial_helpers import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.chaos.broken_builds import Build
    from tests.chaos.life import Town
    from tests.helpers.financial_helpers import Books

READY_MAX_S: Final = 3
KILLS_QUICK: Final = 6
KILLS: Final = [
    pytest.param(KILLS_QUICK, id="quick"),
    pytest.param(50, id="full", marks=[pytest.mark.chaos, pytest.mark.timeout(900)]),
]
LOOK_EVERY: Final = 10
"""The books are checked in full after so many kills, and after the last: a half never heals."""


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """A process that forks posting children."""
    rng = Random(SEED)
    with Nursery(tmp_path_factory.mktemp("nursery"), rng) as open_nursery:
        yield open_nursery


def kill(nursery: Nursery, books: Books, town: Town, number: int, build: Build = "sound") -> Death:
    name = f"{CHILD}-{number}"
    acknowledged = nursery.kill_under_load(str(books.database.url), town, name, build)
    return autopsy(str(books.database.url), town, name, acknowledged)


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_process_loses_nothing_it_acknowledged(
    books: Books, town: Town, nursery: Nursery, measured: Callable[[str], None], kills: int
) -> None:
    books.database.run(Note.create_table)
    deaths = []
    for number in range(kills):
        deaths.append(kill(nursery, books, town, number))
        if number % LOOK_EVERY == LOOK_EVERY - 1 or number == kills - 1:
            assert damage(str(books.database.url)) == []
            books.ledger.seal()

    assert [death.lost for death in deaths] == [set()] * kills
    assert [death.orphans for death in deaths] == [set()] * kills
    assert max(death.ready_s for death in deaths) < READY_MAX_S
    # Kills that meet nobody at work prove nothing.
    assert sum(death.acknowledged for death in deaths) > 2 * kills
    measured(
        f"R06 {kills} kills: {sum(death.acknowledged for death in deaths)} acknowledged and "
        f"{sum(death.unacknowledged for death in deaths)} unacknowledged postings, "
        f"ready within {max(death.ready_s for death in deaths):.2f} s"
    )


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_commit_is_synced_which_no_killed_process_can_show(books: Books) -> None:
    """A killed process leaves its writes with the system; only a sync survives the loss of the machine."""
    wanted = {"journal_mode": "wal", "synchronous": 2}
    for name, value in wanted.items():
        asked = text(f"PRAGMA {name}")
        assert books.database.run(lambda session, of=asked: session.execute(of).scalar()) == value


def test_a_build_that_answers_before_it_commits_is_caught(books: Books, town: Town, nursery: Nursery) -> None:
    books.database.run(Note.create_table)

    deaths = (kill(nursery, books, town, number, "answers-before-commit") for number in range(KILLS_QUICK))

    assert any(death.lost for death in deaths)


def test_a_build_that_commits_halves_is_caught(books: Books, town: Town, nursery: Nursery) -> None:
    books.database.run(Note.create_table)

    for number in range(KILLS_QUICK):
        nursery.kill_under_load(str(books.database.url), town, f"{CHILD}-{number}", "commits-half")
        if damage(str(books.database.url)):
            return

    pytest.fail("the halves of all killed processes went unseen")
