"""A simulated Stripe that was put down goes on in another process where it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nerava.kernel.clock import FixedClock
from nerava.simulators.errors import NotPossible
from nerava.simulators.serving import running_simulators

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_money_keys_secrets_and_what_is_due_outlast_the_process() -> None:
    with running_simulators(clock=FixedClock(NOON), seed=1, by_hand=True) as first:
        first.stripe.deposit(5_000)
        account = first.stripe.add_account()["id"]
        sent = {"amount": "900", "currency": "usd"}
        first.stripe.at_the_dashboard("/v1/transfers", sent | {"destination": account})
        payout = first.stripe.at_the_dashboard("/v1/payouts", sent, account)["id"]
        key, secret, kept = first.stripe.key, first.webhooks.secret("stripe_connect"), first.put_down()

    with running_simulators(clock=FixedClock(NOON), seed=2, by_hand=True) as second:
        assert second.stripe.key != key
        second.take_up(kept)
        assert (second.stripe.key, second.webhooks.secret("stripe_connect")) == (key, secret)
        assert second.stripe.balances() == {"usd": {"available": 4_100, "pending": 0}}
        second.advance(timedelta(days=3))
        assert [(one["id"], one["status"]) for one in second.stripe.objects("payout")] == [(payout, "paid")]
        made = {second.stripe.add_account()["id"] for _ in range(20)}
        assert account not in made


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"platform": 1'])
def test_what_nobody_put_down_cannot_be_taken_up(text: str) -> None:
    with running_simulators() as simulators:
        key = simulators.stripe.key
        with pytest.raises(NotPossible):
            simulators.take_up(text)
        assert simulators.stripe.key == key
