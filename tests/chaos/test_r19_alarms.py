"""R19: an invariant that is broken is found by name at the next look, rings, and stops money; else nothing does."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from nerava.identity.roles import Role
from nerava.installation import payouts_of
from nerava.kernel.ids import new_id
from nerava.ledger.audit import audit
from nerava.ledger.verify import verify
from nerava.ledger.watching import CROSSING_MAX, EVERY, late_crossings
from nerava.web.checks import CHECKS
from nerava.web.queues import LATE_MAX, late_work
from nerava.web.watching import watching_of
from tests.chaos.tampering import as_owner
from tests.http.conftest import opened_house
from tests.http.correction_examples import granted
from tests.http.flows import bank_of, cash_out, let_go, payee
from tests.http.settlement_examples import settled_shop
from tests.http.shop import code_of, open_shop, rich_driver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.http.conftest import House

TRANSFER: Final = "UPDATE ledger_transfer SET "
BALANCE: Final = "UPDATE ledger_balance SET "
RESERVE: Final = " WHERE account_id = (SELECT id FROM ledger_account WHERE code = 'nova:reserve')"

BROKEN: Final[dict[str, tuple[str, ...]]] = {
    "I01": ("counters-match-history", TRANSFER + "amount = 0 WHERE template = 'merchant_settlement'"),
    "I02": ("one-asset-per-transfer", "UPDATE ledger_account SET asset = 'NOVA' WHERE code = 'platform:fees'"),
    "I03": ("debits-equal-credits", BALANCE + "credits_posted = credits_posted + 1" + RESERVE),
    "I04": ("counters-match-history", BALANCE + "credits_posted = credits_posted + 1" + RESERVE),
    "I05": ("sequences-dense", BALANCE + "sequence = sequence + 1" + RESERVE),
    "I06": ("balances-follow-each-other", TRANSFER + "debit_posted = debit_posted + 1 WHERE template = 'redemption'"),
    "I07": ("limits-kept", BALANCE + "floor = 1000000" + RESERVE),
    "I08": ("captures-within-holds", TRANSFER + "amount = amount + 1 WHERE kind = 'capture'"),
    "I09": ("transactions-are-whole", TRANSFER + "transaction_id = id WHERE position = 1"),
    "I10": ("row-digest", TRANSFER + "actor = 'somebody-else' WHERE template = 'redemption'"),
    "I11": ("points-are-backed", BALANCE + "debits_posted = debits_posted + 1" + RESERVE),
    "I12": ("lots-cover-balances", "UPDATE ledger_lot SET remaining = remaining - 1 WHERE remaining > 0"),
    "I13": ("campaigns-funded-as-recorded", "UPDATE campaign_funding SET gross = gross + 1"),
    "I14": (
        "sessions-are-one",
        "DROP INDEX uq_charging_session_open_driver_id",
        "UPDATE charging_session SET state = 'open', ended_at = NULL, driver_id = (SELECT id FROM driver LIMIT 1)",
    ),
    "I15": ("payouts-are-held", "UPDATE payout SET fee_minor = fee_minor + 1"),
    "I16": ("clearing-is-payouts-under-way", "UPDATE payout SET amount_minor = amount_minor + 1 WHERE state = 'submitted'"),
    "I17": ("grants-are-posted", f"UPDATE reward_grant SET transaction_key = '{new_id()}'"),
    "I18": ("settlements-are-split-exactly", "UPDATE settlement SET fee_minor = fee_minor - 1"),
    "I19": ("refunds-fit-their-redemptions", "UPDATE redemption_refund SET points = 10000"),
}  # fmt: skip
"""By invariant: the check that fires, and what was done to the books. I20 is about time; see below."""


@pytest.fixture
def busy(url: str, tmp_path: Path) -> Iterator[House]:
    """A house in which everything has happened that an invariant is about; its guards are gone."""
    with opened_house(url, tmp_path) as house:
        granted(house)
        settled_shop(house)
        shop, driver = open_shop(house), rich_driver(house)
        offer_id = shop.offer()
        taken = driver.post(f"/v1/offers/{offer_id}/redemptions", key=str(new_id())).json()
        assert shop.capture(taken["code"]).status_code == 200
        path = f"/v1/merchant/redemptions/{taken['id']}/refunds"
        assert shop.manager.post(path, {"points": 100}, key=str(new_id())).status_code == 200
        code_of(driver, offer_id)
        bank_of(house).pays_at_once = False
        person, method_id = payee(house)
        let_go(house, cash_out(person, method_id).json()["id"])
        payouts_of(house.installation).driving.run(house.installation.clock.now())
        assert house.findings() == []
        _loosen(url)
        yield house


def _loosen(url: str) -> None:
    with as_owner(url) as connection:
        if connection.dialect.name == "postgresql":
            checks = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c'"
            ours = " AND connamespace = 'public'::regnamespace AND conrelid <> 0"
            for table, name in connection.execute(text(checks + ours)).all():
                connection.execute(text(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'))


@contextmanager
def harmed(house: House, *statements: str) -> Iterator[Session]:
    """Do harm as the owner, let somebody look, and undo it."""
    engine = create_engine(house.installation.database.url)
    try:
        with engine.connect() as connection:
            on_sqlite = connection.dialect.name == "sqlite"
            away = (
                "PRAGMA ignore_check_constraints = ON"
                if on_sqlite
                else "SET session_replication_role = replica"
            )
            connection.exec_driver_sql(away)
            for statement in statements:
                changed = connection.exec_driver_sql(statement)
                assert changed.rowcount != 0, statement
            with Session(connection) as session:
                yield session
            connection.rollback()
    finally:
        engine.dispose()


def test_each_invariant_that_is_broken_is_found_by_name(busy: House) -> None:
    unseen = {}
    for number, (check, *statements) in BROKEN.items():
        with harmed(busy, *statements) as session:
            found = {one.check for one in [*audit(session, CHECKS), *verify(session)]}
        if check not in found:
            unseen[number] = found
    assert unseen == {}
    assert list(BROKEN) == [f"I{number:02}" for number in range(1, 20)]
    assert busy.findings() == []


def test_what_nobody_does_and_what_does_not_arrive_is_found_when_it_is_late(busy: House) -> None:
    now = busy.installation.clock.now()
    database = busy.installation.database
    assert database.read(lambda session: late_work(session, now)) == []

    found = database.read(lambda session: late_work(session, now + timedelta(days=1)))

    assert {"payouts", "codes shown"} <= {one.subject for one in found}
    assert {one.check for one in found} == {"work-is-done-in-time"}
    soon = database.read(lambda session: late_work(session, now + LATE_MAX))
    assert len(soon) < len(found)
    # Money between two lanes may not stay there either.
    crossing = TRANSFER + "template = 'transit' WHERE kind = 'hold' AND template = 'redemption'"
    with harmed(busy, crossing) as session:
        assert late_crossings(session, now) == []
        late = late_crossings(session, now + CROSSING_MAX + timedelta(minutes=1))
    assert {one.check for one in late} == {"crossings-are-young"}


@pytest.fixture
def house(url: str, tmp_path: Path) -> Iterator[House]:
    """A house in which nothing has happened yet."""
    with opened_house(url, tmp_path) as opened:
        yield opened


def test_an_alarm_rings_once_stops_money_and_is_over_when_it_is(house: House) -> None:
    url, now = house.installation.database.url, house.installation.clock.now()
    inside = house.installation
    watching = watching_of(inside.database, inside.audit, inside.switches)
    ops = house.caller(Role.OPS_SUPPORT)
    rich_driver(house)

    def look(times: int) -> int:
        return watching.run(now + times * EVERY)

    def rings(*, is_open: bool = True) -> list[tuple[str, str]]:
        listed = ops.get("/v1/ops/alarms", params={"open": is_open}).json()["items"]
        return [(one["name"], one["subject"]) for one in listed]

    assert (look(0), look(1), watching.run(now + EVERY + timedelta(minutes=14))) == (0, 1, 0)
    assert (rings(), house.installation.switches.on()) == ([], frozenset())
    with as_owner(str(url)) as connection:
        connection.exec_driver_sql("INSERT INTO ledger_asset (code, scale, kind) VALUES ('XXX', 0, 'cash')")
        connection.exec_driver_sql("UPDATE ledger_account SET asset = 'XXX' WHERE code = 'platform:breakage'")
    assert (look(2), look(3)) == (1, 1)
    assert rings() == [("accounts-are-whole", "platform:breakage")]
    assert house.installation.switches.on() == {"money.all"}
    with as_owner(str(url)) as connection:
        connection.exec_driver_sql("UPDATE ledger_account SET asset = 'USD' WHERE code = 'platform:breakage'")
    assert look(4) == 1
    assert (rings(), rings(is_open=False)) == ([], [("accounts-are-whole", "platform:breakage")])
