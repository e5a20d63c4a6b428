"""The ledger on real databases agrees with the oracle on every run, inline and by group commit."""

from __future__ import annotations

import uuid
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import settings
from sqlalchemy import select

from nerava.kernel.clock import FixedClock
from nerava.ledger import Asset, Ledger, Status, account_id
from nerava.ledger.audit import audit
from nerava.ledger.model import balance as balance_table
from nerava.ledger.model import lot as lot_table
from nerava.ledger.model import open_hold as open_hold_table
from nerava.platform.db import Database
from tests.ledger.found import FOUND, Scene
from tests.ledger.lot_walk import LotView
from tests.ledger.machine import run_machine
from tests.ledger.machine_base import START
from tests.ledger.oracle import Balance

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.ledger import AccountSpec, Chain, Verdict
    from tests.helpers.databases import DatabaseUrl


class DatabasePort:
    """A ledger on a database that all runs share; each run has names of its own."""

    def __init__(self, url: str, *, inline: bool) -> None:
        self.namespace = f"{uuid.uuid4().hex[:12]}:"
        self.url = url
        self.inline = inline
        self.looks = 0
        self.clock = FixedClock(START)
        self.connect()
        assets = [Asset("NOVA", 0, "points"), Asset("USD", 2, "cash")]
        self.database.run(lambda session: self.ledger.define(session, assets))

    def connect(self) -> None:
        self.database = Database(self.url)
        self.ledger = Ledger(self.database, self.clock)

    def open(self, specs: Sequence[AccountSpec]) -> None:
        self.database.run(lambda session: self.ledger.open(session, specs))

    def close(self, code: str) -> None:
        self.database.run(lambda session: self.ledger.close_account(session, code))

    def post_batch(self, chains: Sequence[Chain], now: datetime) -> list[Verdict]:
        self.clock.move_to(now)
        if self.inline:
            return self.database.run(lambda session: self.ledger.post_many(session, chains))
        return self.ledger.submit_many(chains)

    def balances(self, codes: Collection[str]) -> dict[str, Balance]:
        names = {account_id(code): code for code in codes}
        table = balance_table.c
        counters = (table.debits_posted, table.credits_posted, table.debits_pending, table.credits_pending)
        query = select(table.account_id, *counters, table.sequence).where(table.account_id.in_(names))
        rows = self.database.read(lambda session: session.execute(query).all())
        return {names[str(row[0])]: Balance(*row[1:]) for row in rows}

    def lots(self, codes: Collection[str]) -> dict[str, list[LotView]]:
        names = {account_id(code): code for code in codes}
        table = lot_table.c
        query = select(
            table.account_id, table.granted, table.remaining, table.source, table.expires_at
        ).where(table.account_id.in_(names))
        found: dict[str, list[LotView]] = defaultdict(list)
        for row in self.database.read(lambda session: session.execute(query).all()):
            found[names[str(row[0])]].append(LotView(*row[1:]))
        return found

    def open_holds(self) -> dict[UUID, datetime | None]:
        query = select(open_hold_table.c.key, open_hold_table.c.expires_at)
        rows = self.database.read(lambda session: session.execute(query).all())
        return {UUID(str(key)): expires_at for key, expires_at in rows}

    def audit(self) -> list[str]:
        """Audit now and then: what is wrong stays wrong, and the test audits everything at its end."""
        self.looks += 1
        if self.looks % 6:
            return []

        def findings(session: Session) -> list[str]:
            return [str(one) for one in audit(session)]

        return self.database.read(findings)

    def crash(self) -> None:
        self.dispose()
        self.connect()

    def dispose(self) -> None:
        self.ledger.close()
        self.database.close()


RUNS = {"sqlite": 40, "postgresql": 60}


@pytest.mark.parametrize("inline", [False, True], ids=["group-commit", "inline"])
@pytest.mark.parametrize("dialect", RUNS)
def test_a_database_and_the_oracle_agree_on_everything(
    database_url: DatabaseUrl, dialect: str, inline: bool
) -> None:
    runs = settings(max_examples=RUNS[dialect] // 2, stateful_step_count=30, deadline=None, print_blob=True)
    with database_url(dialect) as url:
        met = run_machine(lambda: DatabasePort(url, inline=inline), runs)
        assert met[Status.POSTED] >= met.total() / 3, met  # over many runs it is three in five
        with closing(Database(url)) as database:
            assert database.read(audit) == []


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_is_found_no_more(url: str, name: str) -> None:
    port = DatabasePort(url, inline=False)
    try:
        FOUND[name](Scene(port))
    finally:
        port.dispose()
