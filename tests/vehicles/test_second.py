"""The second interface: pairs of tokens that are renewed, batches with refusals inside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from nerava.kernel.outcomes import Ok, Refused, RetryLater
from nerava.privacy.erasing import erase
from nerava.vehicles.model import VehicleToken
from nerava.vehicles.tokens import TokenStore
from tests.helpers.parallel import in_parallel
from tests.vehicles.garage import Driven, Garage


@pytest.fixture
def garage(second: Garage) -> Iterator[Garage]:
    """The garage of the module, with no cars of other tests in it."""
    yield second
    second.part()


def tokens(garage: Garage) -> TokenStore:
    """Return what another worker would use."""
    found = garage.house.installation
    assert found.smartcar is not None
    return TokenStore(found.database, found.vault, found.smartcar)


def row(garage: Garage, driven: Driven) -> VehicleToken:
    """Return the row of a person's tokens."""
    query = select(VehicleToken).where(VehicleToken.account == driven.user)
    return garage.house.installation.database.read(lambda session: session.scalars(query).one())


@pytest.mark.trap("S4")
def test_a_share_of_the_second_interface_is_a_hundred_times_as_many_percent(garage: Garage) -> None:
    driven = garage.driven(level=41.5)
    assert garage.told(driven)["tractionbattery-stateofcharge"] == 41.5
    garage.wait(minutes=31)
    garage.world.smartcar.say(
        driven.vin,
        "tractionbattery-stateofcharge",
        {"value": 100},
        at_ms=int(garage.clock.now().timestamp()) * 1_000,
    )
    garage.work(2)
    assert garage.told(driven)["tractionbattery-stateofcharge"] == 100.0


@pytest.mark.trap("S14")
def test_one_path_that_is_refused_leaves_the_others(garage: Garage) -> None:
    driven = garage.driven()
    garage.world.smartcar.refuse_paths(driven.vehicle, ["/location", "/odometer"])
    garage.world.smartcar.plug_in(driven.vin)
    garage.wait(minutes=31)
    garage.work(2)
    assert (garage.told(driven)["charge-ischarging"], garage.link(driven).state) == (True, "active")

    every = ["/charge", "/battery", "/battery/nominal_capacity", "/location", "/odometer"]
    garage.world.smartcar.refuse_paths(driven.vehicle, every)
    garage.wait(minutes=31)
    garage.work(3)
    assert garage.link(driven).state == "broken"
    assert any("Connect it again" in text for text in garage.messages())


@pytest.mark.trap("S15")
def test_two_workers_renew_one_pair_once(garage: Garage) -> None:
    driven = garage.driven()
    before, generation = garage.world.smartcar.renewals, row(garage, driven).generation
    garage.clock.move_to(garage.clock.now() + timedelta(hours=2))
    now = garage.clock.now()
    workers = [tokens(garage), tokens(garage)]
    answers = in_parallel(2, lambda _: workers.pop().access(driven.user, now))
    assert garage.world.smartcar.renewals == before + 1
    assert row(garage, driven).generation == generation + 1
    assert any(isinstance(one, Ok) for one in answers)
    assert all(isinstance(one, Ok) or one == RetryLater("token-busy", one.not_before) for one in answers)
    assert isinstance(tokens(garage).access(driven.user, now), Ok)


def test_a_lost_answer_is_made_good_within_the_minute_and_never_after(garage: Garage) -> None:
    driven = garage.driven()
    garage.clock.move_to(garage.clock.now() + timedelta(hours=2))
    garage.world.faults.add("answer_lost", provider="smartcar-v2", path="/oauth/token", times=1)
    first = tokens(garage).access(driven.user, garage.clock.now())
    assert not isinstance(first, Ok | Refused)
    garage.clock.move_to(garage.clock.now() + timedelta(seconds=50))
    assert isinstance(tokens(garage).access(driven.user, garage.clock.now()), Ok)

    garage.clock.move_to(garage.clock.now() + timedelta(hours=2))
    garage.world.faults.add("answer_lost", provider="smartcar-v2", path="/oauth/token", times=1)
    assert not isinstance(tokens(garage).access(driven.user, garage.clock.now()), Ok)
    garage.clock.move_to(garage.clock.now() + timedelta(seconds=70))
    assert tokens(garage).access(driven.user, garage.clock.now()) == Refused("reauth-required")
    assert row(garage, driven).state == "reauth_required"


def test_a_code_is_sent_once_whatever_becomes_of_it(garage: Garage) -> None:
    garage.world.faults.add("answer_lost", provider="smartcar-v2", path="/oauth/token", times=1)
    user = str(garage.world.smartcar.add_person()["user_id"])
    garage.world.smartcar.add_car(user)
    caller = garage.driver()
    calls = len([one for one in garage.world.requests("smartcar-v2") if one.path == "/oauth/token"])
    assert garage.go_and_agree(caller, user).json()["state"] == "returned"
    garage.work(3)
    sent = len([one for one in garage.world.requests("smartcar-v2") if one.path == "/oauth/token"])
    assert sent == calls + 1
    assert caller.get("/v1/vehicles").json()["vehicles"] == []


def test_a_token_that_does_not_open_is_never_used(garage: Garage) -> None:
    driven = garage.driven()
    sealed = row(garage, driven).sealed
    assert sealed is not None
    assert driven.user.encode() not in sealed
    damaged = (
        update(VehicleToken).where(VehicleToken.account == driven.user).values(sealed=sealed[:-1] + b"x")
    )
    garage.house.installation.database.run(lambda session: session.execute(damaged))
    calls = len(garage.world.requests("smartcar-v2"))
    with pytest.raises(Exception, match="cannot be read"):
        tokens(garage).access(driven.user, garage.clock.now())
    assert len(garage.world.requests("smartcar-v2")) == calls


def test_who_is_erased_leaves_no_tokens_behind(garage: Garage) -> None:
    driven = garage.driven()
    found, now = garage.house.installation, garage.clock.now()
    assert row(garage, driven).user_id == driven.caller.subject
    found.database.run(
        lambda session: erase(
            session, found.ledger, found.vault, found.sessions, user_id=driven.caller.subject, now=now
        )
    )
    left = select(VehicleToken.id).where(VehicleToken.account == driven.user)
    assert found.database.read(lambda session: session.scalars(left).all()) == []
