"""Promotions, corrections by hand, reversals and caps, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

import pytest

from nerava.kernel.ids import fact_id, new_id
from nerava.ledger import AccountSpec, Status, chain, transfer
from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PLATFORM_ADJUSTMENTS,
    PLATFORM_FEES,
    PLATFORM_PROMO,
    driver_nova,
    external,
)
from nerava.ledger.reads import transaction
from nerava.ledger.templates.adjustment import (
    AdjustmentCase,
    AdjustmentReason,
    ApprovalRequired,
    ReserveNotAdjustable,
    adjustment,
)
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.ledger.templates.reversal import NotReversible, reversal
from nerava.ledger.templates.session_reward import (
    session_reward,
)
from tests.helpers.financial_helpers import CURRENCY, PROVIDER
from tests.helpers.town import DAY, NOON, Town

if TYPE_CHECKING:
    from nerava.ledger import Chain

BANK: Final = external(PROVIDER)
SPENT: Final = Status.INSUFFICIENT


def test_goodwill_is_paid_from_the_houses_own_money(town: Town) -> None:
    def gift(points: int, reference: str) -> Chain:
        return promo_grant(
            kind=PromoKind.GOODWILL,
            reference_id=fact_id(reference),
            driver_id=town.driver,
            points=points,
            points_expire_at=NOON + DAY,
        )

    assert town.status(gift(10, "complaint")) is SPENT
    house = town.books.sponsor(100)
    town.must(promo_funding(funding_id=new_id(), sponsor_id=house, amount=100), gift(60, "complaint"))

    assert town.status(gift(60, "complaint")) is Status.EXISTS
    assert town.status(gift(41, "another")) is SPENT
    assert town.books.posted(PLATFORM_PROMO, NOVA_RESERVE) == [40, 60]
    assert town.lots() == [("promo:goodwill", NOON + DAY, 60)]


def test_a_correction_needs_a_reason_and_above_a_limit_a_second_person(town: Town) -> None:
    alone = AdjustmentCase(AdjustmentReason.CORRECTION, asked_by="ops-1", approval_above=100)
    twice = AdjustmentCase(AdjustmentReason.CORRECTION, "ops-1", approved_by="ops-1", approval_above=100)
    both = AdjustmentCase(AdjustmentReason.CORRECTION, "ops-1", approved_by="ops-2", approval_above=100)

    def correct(case: AdjustmentCase, amount: int, debit: str = PLATFORM_ADJUSTMENTS) -> Chain:
        return adjustment(
            adjustment_id=fact_id("case"), debit=debit, credit=PLATFORM_FEES, amount=amount, case=case
        )

    for case in (alone, twice):
        with pytest.raises(ApprovalRequired):
            correct(case, 101)
    with pytest.raises(ReserveNotAdjustable):
        correct(both, 1, NOVA_RESERVE)

    town.must(correct(both, 101))
    assert town.books.posted(PLATFORM_ADJUSTMENTS, PLATFORM_FEES) == [-101, 101]
    (line,) = town.books.ledger.statement(PLATFORM_FEES)
    assert (line.actor, line.metadata) == ("ops-1", {"approved_by": "ops-2", "reason": "correction"})


def test_points_that_a_person_creates_or_burns_move_their_cash_along(town: Town) -> None:
    case = AdjustmentCase(AdjustmentReason.DISPUTE, "ops-1")
    mine = driver_nova(town.driver)

    town.must(adjustment(adjustment_id=new_id(), debit=NOVA_ISSUANCE, credit=mine, amount=70, case=case))
    assert town.books.posted(NOVA_RESERVE, PLATFORM_ADJUSTMENTS) == [70, -70]

    town.must(adjustment(adjustment_id=new_id(), debit=mine, credit=NOVA_ISSUANCE, amount=20, case=case))
    assert town.books.posted(NOVA_RESERVE, PLATFORM_ADJUSTMENTS, mine) == [50, -50, 50]
    wrong = adjustment(adjustment_id=new_id(), debit=mine, credit=PLATFORM_FEES, amount=1, case=case)
    assert town.status(wrong) is Status.ASSET_MISMATCH


def undo(town: Town, key: UUID) -> Chain:
    rows, codes = town.books.database.read(lambda session: transaction(session, key))
    return reversal(rows, codes)


def test_a_reversed_grant_restores_every_balance_once(town: Town) -> None:
    before = town.books.totals(town.campaign)
    grant = town.rewarded(500)
    mirror = undo(town, fact_id(grant.fact))

    assert [town.status(mirror) for _ in range(2)] == [Status.POSTED, Status.EXISTS]

    assert town.books.totals(town.campaign) == before
    assert town.books.posted(NOVA_RESERVE, PLATFORM_FEES) == [0, 0]
    assert town.status(session_reward(grant)) is Status.EXISTS


def test_a_grant_whose_points_are_spent_cannot_be_reversed(town: Town) -> None:
    grant = town.rewarded(500)
    town.bought(1)

    assert town.status(undo(town, fact_id(grant.fact))) is SPENT
    assert town.points == 499


def test_a_reservation_is_not_reversed_but_ended(town: Town) -> None:
    town.rewarded(500)
    code = town.show(300)

    with pytest.raises(NotReversible):
        undo(town, fact_id(f"redemption:{code}"))


# Limits.


def test_a_cap_is_an_account_that_a_grant_cannot_overdraw(town: Town) -> None:
    cap = AccountSpec("cap:day", CURRENCY, "cap")
    town.books.database.run(
        lambda session: town.books.ledger.open(
            session, [cap, AccountSpec("caps", CURRENCY, "cap", floor=None)]
        )
    )
    town.must(chain("refill:1", transfer("caps", "cap:day", 1_000)))

    def capped(name: str, points: int) -> Chain:
        grant = session_reward(town.grant(points, name=name))
        return chain(f"capped:{name}", *grant.transfers, transfer("cap:day", "caps", points))

    assert town.status(capped("a", 600)) is Status.POSTED
    refused = town.books.post(capped("b", 401))
    assert (refused.status, refused.status_of(0)) == (SPENT, Status.CHAIN_FAILED)
    assert town.status(capped("c", 400)) is Status.POSTED
    assert town.points == 1_000
