"""R14: whatever an owner of the database changes in the books, audit or verify finds it and names the row."""

from __future__ import annotations

import itertools
import shutil
from contextlib import closing, contextmanager
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import make_url

from nerava.kernel.clock import SystemClock
from nerava.ledger.audit import audit
from nerava.ledger.sealing import anchors, seal_day
from nerava.ledger.verify import verify
from nerava.platform.db import Database
from tests.chaos.conftest import SEED
from tests.chaos.forgeries import ALL, OFTEN
from tests.chaos.tampering import as_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from nerava.ledger.findings import Finding
    from nerava.ledger.sealing import Anchor
    from nerava.platform.db.embedded_postgres import EmbeddedPostgres
    from tests.chaos.life import Town
    from tests.helpers.financial_helpers import Books

FORMS: Final = [
    pytest.param(len(OFTEN), id="quick"),
    pytest.param(100, id="full", marks=[pytest.mark.chaos, pytest.mark.timeout(600)]),
]


@pytest.fixture
def kept(books: Books, town: Town, live: Callable[[Town, int], None]) -> list[Anchor]:
    """Anchors that were carried out of the house; business went on a little after that."""
    live(town, 50)
    books.database.run(lambda session: seal_day(session, SystemClock().now()))
    live(town, 10)
    books.ledger.seal()
    outside = books.database.read(anchors)
    live(town, 4)
    assert findings_of(str(books.database.url), outside) == []
    return outside


@pytest.fixture
def copied(
    books: Books, kept: Sequence[Anchor], request: pytest.FixtureRequest
) -> Callable[[], AbstractContextManager[str]]:
    """Return what makes one copy of the books after the other, each to be harmed and thrown away."""
    assert kept
    books.database.close()  # PostgreSQL copies only what nobody is connected to.
    numbers = itertools.count()
    address = make_url(books.database.url)

    @contextmanager
    def copy() -> Iterator[str]:
        name = f"{address.database}_{next(numbers)}"
        if address.get_backend_name() == "sqlite":
            shutil.copyfile(str(address.database), name)
            yield str(address.set(database=name))
            return
        server: EmbeddedPostgres = request.getfixturevalue("postgres")
        server.create_database(name, template=address.database)
        yield address.set(database=name).render_as_string(hide_password=False)
        server.drop_database(name)

    return copy


def findings_of(url: str, kept: Sequence[Anchor]) -> list[Finding]:
    with closing(Database(url)) as database:
        return database.read(lambda session: verify(session, kept) + audit(session), patient=True)


def chosen(number: int) -> list[str]:
    """Return the names of so many forgeries: the common ones, then all others, then any."""
    rng = Random(SEED)
    others = [name for name in ALL if name not in OFTEN]
    names = [*OFTEN, *rng.sample(others, len(others))]
    return [*names, *rng.choices(list(ALL), k=max(0, number - len(names)))][:number]


@pytest.mark.parametrize("number", FORMS)
def test_every_forgery_is_found_and_its_row_named(
    kept: list[Anchor], copied: Callable[[], AbstractContextManager[str]], number: int
) -> None:
    unseen: list[str] = []
    done = 0
    for place, name in enumerate(chosen(number)):
        with copied() as url:
            with as_owner(url) as connection:
                harm = ALL[name](connection, Random(f"{SEED} {place}"))
            if harm is None:
                continue  # No row of this small house lets itself be changed this way.
            done += 1
            found = findings_of(url, kept)
            if not any(word in f"{one.subject} {one.detail}" for one in found for word in harm.names):
                unseen.append(f"{harm.what}: {[(one.check, one.subject) for one in found][:3]}")

    assert unseen == []
    assert done > number * 0.9


def test_a_forger_who_knows_the_code_is_seen_only_by_the_anchor_outside(
    kept: list[Anchor], copied: Callable[[], AbstractContextManager[str]]
) -> None:
    """Why anchors leave the house."""
    with copied() as url:
        with as_owner(url) as connection:
            ALL["history rewritten"](connection, Random(SEED))

        assert findings_of(url, []) == []
        assert [one.check for one in findings_of(url, kept)] == ["anchor-differs"]


def test_an_older_copy_put_in_place_of_the_books_is_seen_by_the_anchor_outside(
    books: Books,
    town: Town,
    live: Callable[[Town, int], None],
    kept: list[Anchor],
    copied: Callable[[], AbstractContextManager[str]],
) -> None:
    with copied() as yesterday:
        live(town, 4)
        books.ledger.seal()
        today = books.database.read(anchors)

        assert findings_of(yesterday, kept) == []
        assert [one.check for one in findings_of(yesterday, today)] == ["tail-cut"]
