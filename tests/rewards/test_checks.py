"""What rewards keep beside the ledger is audited with it: each check is shown a break, on both databases."""

from __future__ import annotations

from typing import Final

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from nerava.kernel.ids import new_id
from nerava.ledger.audit import audit
from nerava.ledger.findings import Finding
from nerava.ledger.templates.campaign_funding import campaign_funding
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.rewards.checks import CHECKS
from nerava.rewards.ports import DisputeState
from nerava.rewards.referral_store import Referral
from nerava.rewards.rules import Fixed
from tests.chaos.tampering import drop_every_guard
from tests.rewards.disputing import TAKEN, Desk
from tests.rewards.house import House

DISPUTES: Final = "UPDATE sponsor_dispute_movement SET "
LATER: Final = ("expiries-are-posted", "clawbacks-are-posted", "debts-add-up", "referrals-are-posted")
GRANTS: Final = "UPDATE reward_grant SET "
CAPS: Final = "UPDATE reward_cap SET "
MONEY: Final = "UPDATE ledger_balance SET credits_posted = credits_posted + 1 WHERE account_id IN "

BREAKS: Final = {
    "a budget that its transfers do not explain": (
        "campaigns-add-up",
        MONEY + "(SELECT id FROM ledger_account WHERE kind = 'campaign_budget')",
    ),
    "a payment that was recorded higher": (
        "campaigns-funded-as-recorded",
        "UPDATE campaign_funding SET gross = gross + 1, net = net + 1",
    ),
    "a payment whose parts are others": (
        "fundings-are-posted",
        "UPDATE campaign_funding SET fee = fee + 1, net = net - 1",
    ),
    "a payment that was never booked": (
        "fundings-are-posted",
        f"UPDATE campaign_funding SET transaction_key = '{new_id()}'",
    ),
    "a posting that no payment explains": ("fundings-are-posted", "DELETE FROM campaign_funding"),
    "a grant of fewer points than were given": ("grants-are-posted", GRANTS + "points = points - 1"),
    "a grant that was never posted": ("grants-are-posted", GRANTS + f"transaction_key = '{new_id()}'"),
    "a grant that was taken back on paper only": (
        "grants-are-posted",
        GRANTS + "points = 0, state = 'released'",
    ),
    "a reward without its grant": ("rewards-have-grants", "DELETE FROM reward_grant"),
    "a cap that counts too little": ("caps-count-grants", CAPS + "points_used = points_used - 1"),
    "a cap that counts too much": ("caps-count-grants", CAPS + "points_used = points_used + 1"),
    "a cap that counts what another day was given": ("caps-count-grants", GRANTS + "local_date = '2026-01-01'"),
    "a day that was never counted": ("caps-count-grants", "DELETE FROM reward_cap WHERE period <> 'total'"),
    "a driver who was never counted": ("caps-count-grants", "DELETE FROM reward_cap WHERE period = 'total'"),
    "a cap that is wider than the campaign's": ("caps-kept", CAPS + "points_max = points_max + 1"),
    "a cap that a campaign does not have": ("caps-kept", "UPDATE campaign SET driver_points_max = NULL"),
    "a dispute that moved more than was booked": ("disputes-are-posted", DISPUTES + "amount = amount + 1"),
    "a dispute that was never booked": (
        "disputes-are-posted",
        DISPUTES + f"transaction_key = '{new_id()}' WHERE kind = 'taken'",
    ),
    "a posting that no dispute explains": ("disputes-are-posted", "DELETE FROM sponsor_dispute_movement"),
    "a dispute that took more from a sponsor than it cost": (
        "disputes-collect-no-more",
        DISPUTES + "amount = amount + 1 WHERE kind = 'collected'",
    ),
    "a campaign that runs on disputed money": ("disputes-stop-campaigns", "UPDATE campaign SET state = 'active'"),
    "a cap that was passed": (
        "caps-kept",
        CAPS + "points_used = 999, points_max = 900 WHERE period = 'total'",
    ),
    "an expiry of fewer points than were burnt": ("expiries-are-posted", "UPDATE reward_expiry SET points = points - 1, returned = returned - 1"),
    "an expiry that stayed with the house on paper": ("expiries-are-posted", "UPDATE reward_expiry SET returned = 0, fee_returned = 0"),
    "an expiry that no row names": ("expiries-are-posted", "DELETE FROM reward_expiry"),
    "a clawback of more than was taken": ("clawbacks-are-posted", "UPDATE reward_clawback SET taken = taken + 1, points = points + 1 WHERE taken > 0"),
    "a clawback that no row names": ("clawbacks-are-posted", "DELETE FROM reward_clawback WHERE receivable_id IS NOT NULL"),
    "points taken back that the grant still has": ("grants-are-posted", "UPDATE reward_clawback SET points = points + 1 WHERE receivable_id IS NULL"),
    "a debt that was forgotten": ("debts-add-up", f"UPDATE reward_receivable SET clawback_id = '{new_id()}'"),
    "a debt that was made smaller": ("debts-add-up", "UPDATE reward_receivable SET points = points - 1"),
    "a debt that is over on paper": ("debts-add-up", "UPDATE reward_receivable SET state = 'recovered', next_at = NULL, closed_at = arose_at"),
    "a referral that paid nobody": ("referrals-are-posted", f"UPDATE referral SET referrer_key = '{new_id()}'"),
    "a present for a referral that no row names": ("referrals-are-posted", "DELETE FROM referral"),
}  # fmt: skip


def returned(house: House) -> None:
    """Let points expire, be taken back and be owed, and two drivers be rewarded for a referral."""
    bob, carol = house.driver("bob"), house.driver("carol")
    house.campaign(Fixed(points=40), gross=1_000, points_expire_after_days=1, expired_points_to="campaign")
    credited = house.charged(driver_id=bob, hour=2)
    house.charged(driver_id=carol, hour=2)
    house.evaluate()
    house.spend(bob, 40)
    house.move_on(days=1)
    house.expire()
    house.attest(credited)
    house.evaluate()
    house.review()
    house.books.must(promo_funding(funding_id=new_id(), sponsor_id=house.sponsor, amount=2_000))
    presents = [
        promo_grant(kind=PromoKind.REFERRAL, reference_id=credited, driver_id=one, points=10)
        for one in (bob, carol)
    ]
    house.books.must(*presents)
    house.recover()
    referral = Referral(
        referrer_id=bob,
        referee_id=carol,
        state="rewarded",
        session_id=credited,
        named_at=house.now,
        rewarded_at=house.now,
        referrer_key=presents[0].key,
        referee_key=presents[1].key,
    )
    house.database.run(lambda session: session.add(referral))


def capped(house: House) -> None:
    """Let a driver earn 40 points under two caps."""
    house.campaign(
        Fixed(points=40), gross=1_000, fee_bps=2_000, driver_day_points_max=50, driver_points_max=90
    )
    house.charged()
    assert house.evaluate().points_granted == 40


def disputed(house: House) -> None:
    """Let a payment of the sponsor be disputed and lost."""
    desk = Desk(house)
    payment = desk.asked()
    desk.book()
    desk.tell(desk.disputed(payment, DisputeState.LOST, TAKEN))
    desk.read()


def found_after(house: House, statement: str) -> list[Finding]:
    """Return what the audit says of a break, which is taken back again."""
    engine = create_engine(house.database.url)
    try:
        with Session(engine) as session:
            if not house.database.is_sqlite:
                session.execute(text("ALTER TABLE reward_cap DROP CONSTRAINT ck_reward_cap_within_limit"))
            else:
                session.execute(text("PRAGMA ignore_check_constraints = ON"))
            assert session.connection().exec_driver_sql(statement).rowcount > 0
            return audit(session, CHECKS)
    finally:
        engine.dispose()


@pytest.mark.in_turn
@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found_by_the_check_that_looks_for_it(house: House, name: str) -> None:
    capped(house)
    check, statement = BREAKS[name]
    if check in LATER or "reward_clawback" in statement:
        returned(house)
    if check.startswith("disputes-"):
        disputed(house)
    drop_every_guard(house.database)

    found = found_after(house, statement)

    assert check in {one.check for one in found}
    assert all(one.subject and one.detail for one in found)


def test_every_check_is_shown_a_break() -> None:
    assert {check for check, _ in BREAKS.values()} == {check.name for check in CHECKS}
    assert all(check.promise.endswith(".") for check in CHECKS)


def test_a_cap_that_differs_names_campaign_driver_and_day(house: House) -> None:
    capped(house)

    found = found_after(house, CAPS + "points_used = 41 WHERE period <> 'total'")

    (one,) = found
    assert one.detail == "counts 41, granted 40"
    assert one.subject.split()[1:] == [str(house.driver()), "2026-03-02"]


def test_a_funding_that_was_only_booked_is_named(house: House) -> None:
    capped(house)
    chain = campaign_funding(
        funding_id=new_id(), sponsor_id=house.sponsor, campaign_id=house.campaign(), gross=5
    )

    def work(session: Session) -> list[Finding]:
        assert house.ledger.post(session, chain).ok
        found = audit(session, CHECKS)
        raise Undone(found)

    with pytest.raises(Undone) as told:
        house.database.run(work)
    assert [one.detail for one in told.value.found if one.check == "fundings-are-posted"] == [
        "a funding of 4 that no campaign records"
    ]


class Undone(Exception):
    """What was found, while everything is taken back."""

    def __init__(self, found: list[Finding]) -> None:
        self.found = found
