"""A small house to post in: two kinds of money, accounts with every limit, two lanes."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from sqlalchemy import select

from nerava.kernel.clock import FixedClock
from nerava.ledger import AccountSpec, Asset, Ledger, Status, model
from nerava.ledger.accounts import account_uuid

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Verdict
    from nerava.platform.db import Database
    from nerava.platform.db.embedded_postgres import EmbeddedPostgres

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

ACCOUNTS: Final = (
    AccountSpec("bank", "USD", "external", floor=None),
    AccountSpec("till", "USD", "sponsor_prepaid"),
    AccountSpec("capped", "USD", "merchant_receivable", floor=None, ceiling=100),
    AccountSpec("mint", "NOVA", "points_source", floor=None),
    AccountSpec("alice", "NOVA", "driver_nova", owner="alice", keeps_lots=True),
    AccountSpec("bob", "NOVA", "driver_nova", owner="bob", keeps_lots=True),
    AccountSpec("carol", "NOVA", "driver_nova", owner="carol", floor=-50, keeps_lots=True),
    AccountSpec("shop", "NOVA", "merchant_nova", owner="shop"),
    AccountSpec("north-bank", "USD", "external", floor=None, lane="north"),
    AccountSpec("north-till", "USD", "sponsor_prepaid", lane="north"),
)


@contextmanager
def kept_database(request: pytest.FixtureRequest, dialect: str) -> Iterator[str]:
    """Make a migrated database that a whole module works on and yield its address."""
    name = f"kept_{uuid4().hex[:12]}"
    if dialect == "sqlite":
        path = request.getfixturevalue("tmp_path_factory").mktemp(name) / "kept.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: EmbeddedPostgres = request.getfixturevalue("postgres")
    server.create_database(name, template=request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.drop_database(name)


class LotView(NamedTuple):
    """What is left of a lot, and of what it was."""

    source: str
    expires_at: datetime | None
    granted: int
    remaining: int


class House:
    """A ledger whose clock the test moves."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FixedClock(NOON)
        self.ledger = Ledger(database, self.clock)
        database.run(self._open)

    def _open(self, session: Session) -> None:
        self.ledger.define(session, [Asset("USD", 2, "cash"), Asset("NOVA", 0, "points")])
        self.ledger.open(session, ACCOUNTS)

    def post(self, *chains: Chain) -> list[Verdict]:
        """Post chains as one batch, inside a unit of work."""
        return self.database.run(lambda session: self.ledger.post_many(session, chains))

    def status(self, chain: Chain) -> Status:
        """Post one chain and return its status."""
        return self.post(chain)[0].status

    def must(self, *chains: Chain) -> list[Verdict]:
        """Post chains one after the other, each of which must be accepted."""
        verdicts = [self.post(one)[0] for one in chains]
        for one, verdict in zip(chains, verdicts, strict=True):
            if verdict.status is not Status.POSTED:
                raise AssertionError(f"{one.template} was answered {verdict.status}")
        return verdicts

    def posted(self, *codes: str) -> list[int]:
        """Return what accounts hold, holds left out."""
        return [self.ledger.balance(code).posted for code in codes]

    def rows(self, statement: Any) -> list[Any]:
        """Return the rows of a query."""
        return self.database.read(lambda session: list(session.execute(statement)))

    def lots(self, code: str) -> list[LotView]:
        """Return the lots of an account that are not used up, in the order of their making."""
        lot = model.lot.c
        query = select(lot.source, lot.expires_at, lot.granted, lot.remaining)
        mine = query.where(lot.account_id == account_uuid(code), lot.remaining > 0).order_by(lot.id)
        return [LotView(*row) for row in self.rows(mine)]
