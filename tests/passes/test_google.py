"""Passes at Google: saved by a link, brought up to date there; trap L7 and what goes wrong on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import jwt
import pytest

from nerava.integrations.google_wallet.account import ServiceAccount
from nerava.integrations.google_wallet.api import GoogleWallet
from nerava.integrations.google_wallet.objects import Program
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from nerava.passes.ports import Content
from nerava.platform.outbound import Surroundings
from nerava.platform.provider_calls import GWALLET_WRITE
from nerava.simulators.faults import Kind
from nerava.simulators.handle import Simulators
from tests.passes.conftest import CLOCK, Town
from tests.passes.test_apple import page_of

pytestmark = pytest.mark.in_turn

ONCE = Surroundings(calls={GWALLET_WRITE.call.name: replace(GWALLET_WRITE.call, attempts=1)})
CONTENT = Content("serial-1", 42, "gold", is_voided=False)


def shown(town: Town) -> tuple[str, int]:
    """Return state and points of the only pass at Google."""
    [told] = town.world.google.objects().values()
    return told["state"], told["loyaltyPoints"]["balance"]["int"]


def test_a_pass_is_at_google_before_and_after_somebody_saves_it(town: Town) -> None:
    driver = town.driver(120)
    link = driver.post("/v1/me/passes/google").json()["save_url"]
    head, _, token = link.rpartition("/")
    assert head == "https://pay.google.com/gp/v/save"
    told = jwt.decode(token, options={"verify_signature": False})
    assert (told["iss"], told["aud"], told["typ"]) == (town.world.google.account, "google", "savetowallet")
    assert told["origins"] == ["https://app.nerava.example"]
    town.go_round()
    assert shown(town) == ("ACTIVE", 120)
    saved = town.world.google.save(link)["id"]
    assert list(town.world.google.objects()) == [saved]
    assert town.world.google.save(link + "x") == {"id": ""}

    town.later(minutes=2)
    town.earn(driver, 30)
    town.go_round()
    assert shown(town) == ("ACTIVE", 150)
    sent = [(one.method, one.path.partition("/v1/")[2].partition("/")[0]) for one in _written(town.world)]
    assert sent == [("POST", "loyaltyClass"), ("POST", "loyaltyObject"), ("PATCH", "loyaltyObject")]
    assert len([one for one in town.world.requests("gwallet") if one.path == "/token"]) == 1
    [mine] = driver.get("/v1/me/passes").json()["passes"]
    assert (mine["kind"], mine["phones"]) == ("google", None)
    assert saved.endswith(mine["serial"])
    assert "<dt>Nova</dt><dd>150</dd>" in page_of(town.world, "/gwallet/passes")


def _written(world: Simulators) -> list[object]:
    return [one for one in world.requests("gwallet") if one.path != "/token"]


@pytest.mark.trap("L7")
def test_an_object_that_somebody_saved_first_is_patched(town: Town) -> None:
    driver = town.driver(5)
    link = driver.post("/v1/me/passes/google").json()["save_url"]
    town.world.google.save(link)
    town.earn(driver, 2)
    town.go_round()
    assert shown(town) == ("ACTIVE", 7)
    assert [one.status for one in _written(town.world)] == [409, 409, 200]


def test_an_answer_that_was_lost_is_asked_for_again_and_is_a_patch(town: Town) -> None:
    driver = town.driver(5)
    driver.post("/v1/me/passes/google")
    town.world.faults.add(Kind.ANSWER_LOST, method="POST", path="*loyaltyObject", times=1)
    town.go_round()
    assert town.rows("SELECT trouble FROM wallet_pass") == [("remote-protocol-error",)]
    town.later(minutes=1)
    town.go_round()
    assert shown(town) == ("ACTIVE", 5)
    assert town.rows("SELECT trouble FROM wallet_pass") == [(None,)]


def test_a_pass_that_is_ended_shows_nothing_there_and_one_that_never_was_is_no_trouble(town: Town) -> None:
    driver, other = town.driver(70), town.driver(5)
    driver.post("/v1/me/passes/google")
    town.go_round()
    other.post("/v1/me/passes/google")
    for one in (driver, other):
        answer = town.house.client.delete("/v1/me/passes/google", headers=one.headers())
        assert answer.status_code == 204
    town.go_round()
    assert shown(town) == ("INACTIVE", 0)
    [told] = town.world.google.objects().values()
    assert told["textModulesData"] == []
    town.later(days=8)
    town.go_round()
    assert town.rows("SELECT count(*) FROM wallet_pass") == [(0,)]


@pytest.fixture
def google(world: Simulators) -> GoogleWallet:
    """The adapter alone."""
    return adapter(world)


def adapter(world: Simulators, *, account: str | None = None, base_url: str | None = None) -> GoogleWallet:
    base = base_url or world.url_of("gwallet")
    name = account or world.google.account
    service = ServiceAccount(
        name, world.google.key, now=CLOCK.now, token_url=f"{base}/token", surroundings=ONCE
    )
    program = Program(world.google.issuer_id, "points", "Nerava", "https://nerava.example/logo.png")
    return GoogleWallet(program, service, now=CLOCK.now, base_url=base, surroundings=ONCE)


def test_a_token_that_ended_is_replaced_before_and_after_google_says_so(
    google: GoogleWallet, world: Simulators
) -> None:
    assert google.put(CONTENT, is_known=False) == Ok(None)
    world.google.expire_tokens()
    assert google.put(CONTENT, is_known=True) == Ok(None)
    CLOCK.move_to(CLOCK.now() + timedelta(minutes=56))
    assert google.put(CONTENT, is_known=True) == Ok(None)
    asked = [one for one in world.requests("gwallet") if one.path == "/token"]
    assert len(asked) == 3
    google.close()


def test_a_class_that_somebody_removed_is_made_again(google: GoogleWallet, world: Simulators) -> None:
    assert google.put(CONTENT, is_known=False) == Ok(None)
    world.google.clear()
    assert google.put(CONTENT, is_known=True) == Refused("missing")
    assert google.put(CONTENT, is_known=True) == Ok(None)
    assert len(world.google.objects()) == 1
    google.close()


def test_what_goes_wrong_at_google_is_told_apart(google: GoogleWallet, world: Simulators) -> None:
    wrong = adapter(world, account="somebody@example.org")
    assert wrong.put(CONTENT, is_known=False) == Misconfigured("invalid_grant")
    wrong.close()
    away = adapter(world, base_url="http://127.0.0.1:1")
    assert isinstance(away.put(CONTENT, is_known=False), RetryLater)
    away.close()
    world.faults.add(Kind.STATUS, path="/token", status=503, times=1)
    assert google.put(CONTENT, is_known=False) == RetryLater("token-503")
    world.faults.add(Kind.WRONG_TYPE, path="/token", times=1)
    assert google.put(CONTENT, is_known=False) == RetryLater("token-200")
    world.faults.add(Kind.ANSWER_LOST, path="/token", times=1)
    assert google.put(CONTENT, is_known=False) == RetryLater("remote-protocol-error")
    for fault, outcome in (
        ({"kind": Kind.STATUS, "status": 403, "times": 1}, Misconfigured("permission-denied")),
        ({"kind": Kind.STATUS, "status": 503, "times": 1}, Unknown("unavailable")),
        ({"kind": Kind.RATE, "retry_after": "absent", "times": 1}, RetryLater("resource-exhausted")),
        ({"kind": Kind.WRONG_TYPE, "times": 1}, Unknown("schema-drift")),
    ):
        world.faults.heal()
        world.faults.add(path="*loyalty*", **fault)
        assert google.put(CONTENT, is_known=True) == outcome
    google.close()
