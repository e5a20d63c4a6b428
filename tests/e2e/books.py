"""Who has what, read for many people at once; only to choose who does something next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from nerava.ledger.chart import driver_nova

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from tests.e2e.people import Person
    from tests.e2e.year import Year

_AVAILABLE = """
SELECT a.code, b.credits_posted - b.debits_posted - b.debits_pending FROM ledger_account a
JOIN ledger_balance b ON b.account_id = a.id WHERE a.kind = 'driver_nova'
AND b.credits_posted - b.debits_posted - b.debits_pending >= :least
"""


def those_with(
    year: Year, least: int, how_many: int, *, among: Collection[UUID] | None = None
) -> list[tuple[Person, int]]:
    """Return some drivers, by chance, who can spend so many Nova, and how many each can."""
    available = year.house.installation.database.read(
        lambda session: {
            str(code): int(left) for code, left in session.execute(text(_AVAILABLE), {"least": least})
        }
    )
    rich = [
        (driver, available[driver_nova(driver.tenant_id)])
        for driver in year.drivers
        if driver_nova(driver.tenant_id) in available and (among is None or driver.tenant_id in among)
    ]
    return year.dice.sample(rich, min(how_many, len(rich)))
