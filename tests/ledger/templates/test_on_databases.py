"""The templates on the real ledger, on both databases: every step is posted and the audit is clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nerava.kernel.clock import FixedClock
from nerava.ledger import Asset, Ledger, Status, account_id
from nerava.ledger.audit import audit
from nerava.ledger.chart import NOVA_ISSUANCE, NOVA_RESERVE, account_of, house_accounts
from nerava.ledger.templates.reversal import NotReversible, reversal
from tests.contracts.template_chains import NOW, Example, World
from tests.contracts.template_examples import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Verdict
    from nerava.platform.db import Database


ONLY_RESERVES = {
    "campaign_refund.campaign_refund",
    "campaign_refund.campaign_refund_failed",
    "driver_cashout.driver_cashout_release",
    "driver_cashout.driver_cashout_request",
    "merchant_payout.merchant_payout_release",
    "merchant_payout.merchant_payout_request",
    "redemption.redemption_expire",
    "redemption.redemption_release",
    "redemption.redemption_show",
    "session_reward.session_reward_expire",
    "session_reward.session_reward_hold",
    "session_reward.session_reward_release",
    "sponsor_refund.sponsor_refund_failed",
    "sponsor_refund.sponsor_refund_request",
}
"""The steps that make a hold, or end one without moving anything."""


class Bank:
    """A real ledger that opens what it is asked to post on."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FixedClock(NOW)
        self.ledger = Ledger(database, self.clock)
        self.codes: dict[str, str] = {}
        database.run(self._define)

    def post(self, chain: Chain) -> Verdict:
        """Open the chain's accounts and post it."""
        wanted = {code for leg in chain.transfers for code in (leg.debit, leg.credit) if code}
        self.codes |= {account_id(code): code for code in wanted}

        def work(session: Session) -> Verdict:
            self.ledger.open(session, [account_of(code, "USD") for code in wanted])
            return self.ledger.post(session, chain)

        return self.database.run(work)

    def play(self, example: Example, world: World) -> Verdict:
        """Post an example with everything that comes before it."""
        self.clock.move_to(NOW)
        for chain in example.before(world):
            assert self.post(chain).status is Status.POSTED
        self.clock.move_to(example.at)
        return self.post(example.build(world))

    def _define(self, session: Session) -> None:
        self.ledger.define(session, [Asset("USD", 2, "cash"), Asset("NOVA", 0, "points")])
        self.ledger.open(session, house_accounts("USD", ["stripe", "bank"]))


@pytest.fixture
def bank(database: Database) -> Iterator[Bank]:
    """A bank with nothing in it, on both engines."""
    opened = Bank(database)
    yield opened
    opened.ledger.close()


def test_every_step_of_every_template_is_posted_and_what_moved_can_be_reversed(bank: Bank) -> None:
    for number, name in enumerate(sorted(EXAMPLES), start=1):
        world = World(number, gross=10_007, points=1_003, part=401)
        verdict = bank.play(EXAMPLES[name], world)
        assert verdict.status is Status.POSTED, name
        if name in ONLY_RESERVES:
            with pytest.raises(NotReversible):
                reversal(verdict.transfers, bank.codes)
        else:
            assert bank.post(reversal(verdict.transfers, bank.codes)).status is Status.POSTED, name
        assert bank.ledger.balance(NOVA_RESERVE).posted == -bank.ledger.balance(NOVA_ISSUANCE).posted, name

    assert bank.database.read(audit) == []
