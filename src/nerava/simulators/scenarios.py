"""Stories by name: played, they go on by themselves; over, everything is healed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.simulators.errors import NoSuchThing
from nerava.simulators.faults import Fault, Kind
from nerava.simulators.webhooks import Habits

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.simulators.wire import Json
    from nerava.simulators.world import World

OUTAGE: Final = timedelta(days=2)
WEEK_D: Final = 7
CREDITED_AFTER: Final = timedelta(hours=2)
OPERATORS: Final = ("1", "2")


class Scenario(NamedTuple):
    """What happens, for people, and what lets it."""

    what: str
    begin: Callable[[World], object]


def _operators_out(world: World) -> None:
    for number in OPERATORS:
        world.cpo_by_hand.go_out(number, OUTAGE // timedelta(seconds=1))


def _everybody_charges_daily(world: World) -> None:
    for number in OPERATORS:
        world.cpo_by_hand.live(number, WEEK_D)


def _records_are_taken_back(world: World) -> None:
    for number in OPERATORS:
        world.cpo_by_hand.take_back(number, CREDITED_AFTER // timedelta(seconds=1))


def _instants_without_a_zone(world: World) -> None:
    for number in OPERATORS:
        world.cpo_by_hand.behave(number, zoneless=True)


def _payers_dispute(world: World) -> None:
    for charge in world.stripe_by_hand.objects("charge"):
        if charge["status"] == "succeeded" and not charge["disputed"]:
            world.stripe_by_hand.open_dispute(charge["id"])


def _once(kind: Kind, provider: str, method: str, path: str) -> Fault:
    return Fault(kind, provider, method, path, times=1)


SCENARIOS: Final = {
    "credit_cdr_after_redemption": Scenario(
        "charging networks take each record back two hours after they sent it", _records_are_taken_back
    ),
    "dispute_after_spend": Scenario(
        "everybody who has paid tells his bank that it was not him", _payers_dispute
    ),
    "dst_night": Scenario(
        "charging networks write instants without a zone, of a night in which clocks are set",
        _instants_without_a_zone,
    ),
    "duplicate_everything": Scenario(
        "every webhook comes twice",
        lambda world: setattr(world.webhooks, "habits", Habits(duplicate=1)),
    ),
    "happy_week": Scenario(
        "nothing goes wrong, and everybody whose token a network knows charges once a day for a week",
        _everybody_charges_daily,
    ),
    "nlr_domain_gone": Scenario(
        "the directory of charging stations answers 410", lambda world: world.nlr_by_hand.retire_host()
    ),
    "operator_outage_two_days": Scenario(
        "charging networks neither answer nor push for two days, and then do", _operators_out
    ),
    "out_of_order_everything": Scenario(
        "webhooks come in any order within a minute",
        lambda world: setattr(world.webhooks, "habits", Habits(shuffled=1)),
    ),
    "payout_fails_after_paid": Scenario(
        "the bank sends the next payout back after it was paid",
        lambda world: world.stripe_by_hand.decide("payout", "fail_after_paid:no_account"),
    ),
    "payout_lost_answer": Scenario(
        "the next transfer is made, and its answer is lost",
        lambda world: world.faults.add(_once(Kind.ANSWER_LOST, "stripe", "POST", "/v1/transfers")),
    ),
    "redis_and_places_down": Scenario(
        "Places answers 503, while somebody freezes or kills Redis",
        lambda world: world.faults.add(Fault(Kind.STATUS, "places", details={"status": 503})),
    ),
    "sponsor_ach_fails": Scenario(
        "the next payment by bank fails days later",
        lambda world: world.stripe_by_hand.decide("bank_debit", "fail"),
    ),
    "sms_pumping": Scenario(
        "Verify wants to be left alone for a minute after every third code, as it does in a flood",
        lambda world: world.faults.add(
            Fault(Kind.RATE, "twilio-verify", "POST", "*/Verifications", every=4, details={"seconds": 60})
        ),
    ),
    "till_race": Scenario(
        "every webhook comes twice at one moment",
        lambda world: setattr(world.webhooks, "habits", Habits(duplicate=1, at_once=True)),
    ),
    "vehicle_sleeps_mid_session": Scenario(
        "every car that charges falls asleep, and charges on",
        lambda world: world.smartcar_by_hand.sleep_all(),
    ),
}
"""By name. What has to happen at the product as well (a redemption, a till, a dispute) is told by tests."""


def play(world: World, name: str) -> Json:
    """Let a story begin; `over` ends all that goes wrong in any.

    Raises:
        NoSuchThing: There is no scenario of this name (404).
    """
    if name == "over":
        return _heal(world)
    scenario = SCENARIOS.get(name)
    if scenario is None:
        raise NoSuchThing(f"no scenario {name}; there are {', '.join(sorted(SCENARIOS))}, and over")
    with world.lock:
        scenario.begin(world)
    return {"name": name, "what": scenario.what}


def _heal(world: World) -> Json:
    """End every fault and every bad habit; what was decided about money stays decided."""
    with world.lock:
        world.faults.clear()
        world.webhooks.habits = Habits()
        world.nlr_by_hand.retire_host(is_retired=False)
        for number in OPERATORS:
            world.cpo_by_hand.behave(number, out=False, zoneless=False)
            world.cpo_by_hand.take_back(number, None)
        world.smartcar_by_hand.sleep_all(asleep=False)
    return {"name": "over", "what": "everything is healed"}
