"""Points that are not due stay, however an expiry races with spending."""

from __future__ import annotations

from sqlalchemy.orm import Session

from nerava.ledger import AccountSpec, Asset, Ledger, LotTerms, Status, chain, transfer
from nerava.ledger.audit import audit
from nerava.platform.db import Database


def test_an_expiry_of_more_than_is_left_of_its_lot_takes_nothing_from_another(
    database: Database, ledger: Ledger
) -> None:
    def open_accounts(session: Session) -> None:
        ledger.define(session, [Asset("NOVA", 0, "points")])
        nova = AccountSpec("driver:1:nova", "NOVA", "driver_nova", keeps_lots=True)
        shop = AccountSpec("merchant:1:nova", "NOVA", "merchant_nova")
        ledger.open(session, [AccountSpec("mint", "NOVA", "test", floor=None), nova, shop])

    database.run(open_accounts)
    due = chain("due", transfer("mint", "driver:1:nova", 100, lot=LotTerms("first")))
    later = chain("later", transfer("mint", "driver:1:nova", 100, lot=LotTerms("second")))
    ledger.submit(due)
    ledger.submit(later)
    ledger.submit(chain("coffee", transfer("driver:1:nova", "merchant:1:nova", 30)))

    def expire(fact: str, amount: int) -> Status:
        leg = transfer("driver:1:nova", "mint", amount, lot_of=due.key, lot_only=True)
        return ledger.submit(chain(fact, leg)).status

    assert expire("read before the coffee", 100) is Status.INSUFFICIENT
    assert ledger.balance("driver:1:nova").posted == 170
    assert expire("read after the coffee", 70) is Status.POSTED
    assert ledger.balance("driver:1:nova").posted == 100
    assert database.read(audit) == []
