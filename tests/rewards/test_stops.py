"""What a kill switch stops waits as it is: nothing is refused for good, and nobody spins."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nerava.kernel.switch_names import EARN, MONEY_ALL, READONLY
from nerava.ledger import Ledger, Status, Verdict
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import approve_release, ask_release, turn_on
from tests.rewards.test_settlement import attest, held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.ledger import Chain
    from tests.rewards.house import House


def stop(house: House, name: str) -> None:
    house.database.run(lambda session: turn_on(session, name, by="o-1", reason="r", now=house.now))


def end(house: House, name: str) -> None:
    asked = house.database.run(
        lambda session: ask_release(session, name, by="o-1", reason="r", now=house.now)
    )
    house.database.run(lambda session: approve_release(session, asked.id, by="o-2", now=house.now))


@pytest.mark.parametrize("name", [EARN, MONEY_ALL, READONLY])
def test_evaluation_waits_and_then_gives_what_it_would_have_given(house: House, name: str) -> None:
    house.campaign()
    house.charged()
    stop(house, name)

    with pytest.raises(SwitchedOff):
        house.evaluate()

    end(house, name)
    assert house.evaluate().points_granted == 40


@pytest.mark.parametrize("party", ["campaign", "driver"])
def test_a_proven_reward_of_a_stopped_party_waits_a_minute_at_a_time(house: House, party: str) -> None:
    campaign = house.campaign()
    attest(house, held(house))
    house.evaluate()
    name = f"{party}:{campaign if party == 'campaign' else house.driver()}"
    stop(house, name)

    first = house.settle()
    assert (first.looked_at, first.settled, first.released) == (1, 0, 0)
    assert house.settle().looked_at == 0, "it is looked at a minute later, not over and over"

    end(house, name)
    house.clock.move_to(house.now + timedelta(minutes=1))
    assert house.settle().settled == 1
    assert house.points(house.driver()) == 40


def test_while_nothing_may_be_earned_a_proven_reward_waits(house: House) -> None:
    house.campaign()
    attest(house, held(house))
    house.evaluate()
    stop(house, EARN)

    assert house.settle().settled == 0
    assert house.points(house.driver()) == 0


@pytest.mark.parametrize("name", [MONEY_ALL, READONLY])
def test_settlement_waits_while_all_money_stands_still(house: House, name: str) -> None:
    house.campaign()
    attest(house, held(house))
    house.evaluate()
    stop(house, name)

    with pytest.raises(SwitchedOff):
        house.settle()

    end(house, name)
    assert house.settle().settled == 1


class StopsMeanwhile(Ledger):
    """A ledger whose postings meet a stop that was made after the batch had looked."""

    def post_many(self, session: Session, chains: Sequence[Chain]) -> list[Verdict]:
        """Answer as the ledger does when everything is stopped."""
        return [Verdict(Status.SWITCHED_OFF) for _ in chains]


def test_a_stop_between_the_look_and_the_posting_leaves_the_batch_undone(house: House) -> None:
    house.campaign()
    session = house.charged()
    right, house.ledger = house.ledger, StopsMeanwhile(house.database, house.clock)
    with pytest.raises(SwitchedOff):
        house.evaluate()
    house.ledger.close()
    house.ledger = right

    assert house.evaluate().points_granted == 40
    assert len(house.grants(session)) == 1
