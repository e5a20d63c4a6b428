"""The ledger on real databases: what is posted stands, what is refused leaves nothing."""

from __future__ import annotations

from sqlalchemy.orm import Session

from nerava.ledger import AccountSpec, Asset, Ledger, Status, chain, transfer
from nerava.platform.db import Database


def test_a_chain_moves_money_once_however_often_it_is_submitted(database: Database, ledger: Ledger) -> None:
    def open_accounts(session: Session) -> None:
        ledger.define(session, [Asset("USD", 2, "cash")])
        ledger.open(
            session,
            [AccountSpec("external:bank", "USD", "external", floor=None), AccountSpec("a", "USD", "x")],
        )

    database.run(open_accounts)
    deposit = chain("deposit:1", transfer("external:bank", "a", 500))

    first, again = ledger.submit(deposit), ledger.submit(deposit)

    assert (first.status, again.status) == (Status.POSTED, Status.EXISTS)
    assert first.transfers == again.transfers
    assert ledger.balance("a").posted == 500
    assert ledger.balance("external:bank").posted == -500
