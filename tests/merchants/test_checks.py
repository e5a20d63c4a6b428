"""What merchants keep beside the ledger is audited with it: each check is shown a break, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from nerava.kernel.ids import new_id
from nerava.ledger.audit import audit
from nerava.merchants.checks import CHECKS
from tests.chaos.tampering import drop_every_guard
from tests.http.conftest import opened_house
from tests.http.shop import charging_at, code_of, open_shop, rich_driver, show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.http.conftest import House

CODES: Final = "UPDATE redemption SET "
TAKEN: Final = " WHERE state = 'partly_refunded'"
LOOSE: Final = {"redemption": ("ck_redemption_capture_whole", "ck_redemption_ended_has_instant")}

BREAKS: Final = {
    "a code that was never held": ("redemptions-are-posted", CODES + f"hold_key = '{new_id()}'"),
    "a code of another price": ("redemptions-are-posted", CODES + "price_nova = price_nova + 1"),
    "a capture of fewer points": ("redemptions-are-posted", CODES + "points = points - 1" + TAKEN),
    "an open code that is called expired": (
        "redemptions-are-posted",
        CODES + "state = 'expired' WHERE state = 'held'",
    ),
    "an open code that is called withdrawn": (
        "redemptions-are-posted",
        CODES + "state = 'released' WHERE state = 'held'",
    ),
    "a taken code that forgot its capture": (
        "redemptions-are-posted",
        CODES + "captured_at = NULL, points = NULL" + TAKEN,
    ),
    "a hold without its code": ("holds-have-redemptions", CODES + f"hold_key = '{new_id()}'"),
    "a refund of more on paper": ("refunds-are-posted", "UPDATE redemption_refund SET points = points + 1"),
    "a refund that was never posted": (
        "refunds-are-posted",
        f"UPDATE redemption_refund SET transaction_key = '{new_id()}'",
    ),
    "a posting that no refund explains": ("refunds-are-posted", "DELETE FROM redemption_refund"),
    "a redemption that is called refunded": (
        "refunds-fit-their-redemptions",
        CODES + "state = 'refunded'" + TAKEN,
    ),
    "a redemption that hides its refund": (
        "refunds-fit-their-redemptions",
        CODES + "state = 'captured'" + TAKEN,
    ),
    "a refund above what was taken": (
        "refunds-fit-their-redemptions",
        "UPDATE redemption_refund SET points = 301",
    ),
    "a claim that was never charged": (
        "claims-are-posted",
        f"UPDATE perk_claim SET transaction_key = '{new_id()}'",
    ),
    "a claim that cost more on paper": (
        "claims-are-posted",
        "UPDATE perk_claim SET fee_minor = fee_minor + 1",
    ),
    "a fee that no claim explains": ("claims-are-posted", "DELETE FROM perk_claim"),
}


@pytest.fixture
def busy(url: str, tmp_path: Path) -> Iterator[House]:
    """A house with an open code, a code that was taken and partly given back, and a claimed perk."""
    with opened_house(url, tmp_path) as house:
        shop, driver = open_shop(house), rich_driver(house)
        offer_id = shop.offer()
        taken = shop.capture(code_of(driver, offer_id)).json()["redemption_id"]
        path = f"/v1/merchant/redemptions/{taken}/refunds"
        assert shop.owner.post(path, {"points": 100}, key="r").status_code == 200
        assert show(driver, offer_id).status_code == 201
        charging_at(house, driver, 41.88, -87.63)
        assert driver.post(f"/v1/offers/{shop.perk()}/claims", key="c").status_code == 201
        assert house.findings() == []
        yield house


@pytest.mark.in_turn
@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found_by_the_check_that_looks_for_it(busy: House, name: str) -> None:
    check, statement = BREAKS[name]
    database = busy.installation.database
    drop_every_guard(database)
    engine = create_engine(database.url)
    with Session(engine) as session:
        if database.is_sqlite:
            session.execute(text("PRAGMA ignore_check_constraints = ON"))
        else:
            for constraint in LOOSE["redemption"]:
                session.execute(text(f"ALTER TABLE redemption DROP CONSTRAINT {constraint}"))
        assert session.connection().exec_driver_sql(statement).rowcount > 0
        found = audit(session, CHECKS)
    engine.dispose()

    assert check in {one.check for one in found}
    assert all(one.subject and one.detail for one in found)


def test_every_check_is_shown_a_break() -> None:
    assert {check for check, _ in BREAKS.values()} == {check.name for check in CHECKS}
    assert all(check.promise.endswith(".") for check in CHECKS)
