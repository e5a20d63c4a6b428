"""Campaigns end by themselves when their window is over, evidence had its time, and nothing is held."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from nerava.audit import AuditLog
from nerava.audit.queries import Wanted, entries
from nerava.rewards import campaigns
from nerava.rewards.queries import campaign_view
from nerava.rewards.window_end import end_those_over
from tests.rewards.house import START

if TYPE_CHECKING:
    from tests.rewards.house import House

ENDS = START + timedelta(hours=12)


def end_over(house: House, limit: int = 100) -> int:
    return house.database.run(lambda unit: end_those_over(unit, AuditLog(), house.now, limit))


def state(house: House, campaign: UUID) -> str:
    return house.database.read(lambda unit: campaign_view(unit, campaign)).state.value


def test_a_campaign_pays_late_records_of_its_window_and_then_ends(house: House) -> None:
    paying = house.campaign(ends_at=ENDS, settle_within_days=2)
    house.clock.move_to(ENDS + timedelta(days=2) - timedelta(microseconds=1))
    assert end_over(house) == 0
    house.charged()
    house.charged(hour=13)
    house.evaluate()
    assert (state(house, paying), house.money(paying).granted) == ("active", 40)

    house.clock.move_to(ENDS + timedelta(days=2))
    assert (end_over(house), end_over(house)) == (1, 0)
    assert state(house, paying) == "ended"
    found = house.database.read(lambda unit: entries(unit, Wanted()))
    assert [(one.action, one.actor_id) for one in found] == [("campaign.ended", "campaign-window")]


def test_a_campaign_that_holds_something_ends_only_when_it_is_settled(house: House) -> None:
    paying = house.campaign(ends_at=ENDS, settle_within_days=3)
    house.clock.move_to(ENDS + timedelta(days=2))
    house.charged(evidence_level=2)
    house.evaluate()
    house.clock.move_to(ENDS + timedelta(days=4))
    assert (end_over(house), state(house, paying)) == (0, "active")
    house.clock.move_to(ENDS + timedelta(days=5))
    house.settle()

    assert (end_over(house), state(house, paying)) == (1, "ended")
    assert house.money(paying).held == 0


def test_paused_campaigns_end_too_drafts_and_running_ones_do_not(house: House) -> None:
    paused, draft = house.campaign(ends_at=ENDS), house.campaign(ends_at=ENDS, active=False)
    running = house.campaign()
    house.database.run(lambda unit: campaigns.pause(unit, paused))
    house.clock.move_to(ENDS + timedelta(days=90))

    assert end_over(house) == 1
    assert [state(house, one) for one in (paused, draft, running)] == ["ended", "draft", "active"]


def test_a_piece_of_work_is_bounded(house: House) -> None:
    for _ in range(3):
        house.campaign(ends_at=ENDS)
    house.clock.move_to(ENDS + timedelta(days=90))

    assert [end_over(house, 2) for _ in range(3)] == [2, 1, 0]
