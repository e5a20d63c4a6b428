"""An installation as its settings connect it: codes by Verify, mail that bounces, customers at HubSpot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from nerava.installation import background_of
from nerava.kernel.clock import FixedClock
from nerava.settings import Group, HubSpotSettings, SendGridSettings, SesSettings, TwilioSettings
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from tests.http.conftest import House, opened_house

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
CLOCK = FixedClock(START)
ANN = "+12025550123"
SENDER = "Nerava <hello@nerava.example>"


@pytest.fixture(scope="module")
def world() -> Iterator[Simulators]:
    """The simulators."""
    with running_simulators(seed=3, clock=CLOCK, by_hand=True) as simulators:
        yield simulators


@pytest.fixture
def open_with(
    world: Simulators, database_url: Callable[..., Any], tmp_path: Path
) -> Iterator[Callable[..., House]]:
    """Return what opens a house on SQLite with such groups of settings."""
    world.reset(3)
    CLOCK.move_to(START)
    with database_url("sqlite") as url:
        opened = []

        def opening(**groups: Group) -> House:
            house = opened_house(url, tmp_path, CLOCK, **groups)
            opened.append(house)
            return house.__enter__()

        yield opening
        for one in opened:
            one.__exit__(None, None, None)


def twilio(world: Simulators) -> TwilioSettings:
    key, secret = world.twilio.login
    return TwilioSettings(
        mode="simulator",
        account=world.twilio.account,
        key=key,
        secret=SecretStr(secret),
        sender="+12025550100",
        base_url=world.url_of("twilio-api"),
        verify_service=world.twilio.service,
        verify_base_url=world.url_of("twilio-verify"),
    )


def work(house: House, rounds: int = 4) -> None:
    """Let the background work go round."""
    background = background_of(house.installation)
    for _ in range(rounds):
        background.round()
        CLOCK.move_to(CLOCK.now() + timedelta(seconds=2))


def rows(house: House, query: str) -> list[Any]:
    """Return what a query finds."""
    database = house.installation.database
    return database.read(lambda session: [tuple(row) for row in session.execute(text(query))])


def enter(house: House, channel: str, to: str, code_of: Callable[[], str]) -> dict[str, str]:
    """Sign in with a code and return the headers of the session."""
    asked = house.client.post("/v1/auth/codes", json={"channel": channel, "to": to})
    assert asked.status_code == 202, asked.text
    work(house)
    body = {"code": code_of(), "client_token": asked.json()["client_token"]}
    opened = house.client.post(f"/v1/auth/codes/{asked.json()['challenge_id']}/verify", json=body)
    assert opened.status_code == 200, opened.text
    return {"Authorization": f"Bearer {opened.json()['access_token']}"}


def bring(house: House, world: Simulators, provider: str) -> list[int]:
    """Bring what a provider has to tell and return the answers."""
    return [
        house.client.post(f"/webhooks/{provider}", content=one.body, headers=one.headers).status_code
        for one in world.webhooks.take()
    ]


def test_somebody_signs_in_with_a_code_that_verify_made(
    world: Simulators, open_with: Callable[..., House]
) -> None:
    house = open_with(twilio=twilio(world))
    headers = enter(house, "sms", ANN, lambda: world.twilio.code_of(ANN))
    assert house.client.get("/v1/me/contacts", headers=headers).status_code == 200
    assert rows(house, "SELECT kind, state FROM message_job") == [("verify", "sent")]


@pytest.mark.parametrize("provider", ["ses", "sendgrid"])
def test_a_mailbox_that_bounces_is_told_to_us_and_heard(
    world: Simulators, open_with: Callable[..., House], provider: str
) -> None:
    key, secret = world.mail.login
    by_ses = SesSettings(
        mode="simulator",
        key=key,
        secret=SecretStr(secret),
        sender=SENDER,
        topic=world.mail.topic,
        base_url=world.url_of("ses"),
    )
    by_sendgrid = SendGridSettings(
        mode="simulator",
        key=SecretStr(world.mail.sendgrid_key),
        sender=SENDER,
        webhook_keys=world.mail.sendgrid_public_key,
        base_url=world.url_of("sendgrid"),
    )
    house = open_with(ses=by_ses) if provider == "ses" else open_with(sendgrid=by_sendgrid)
    to = "bounce+ann@example.org"
    assert house.client.post("/v1/auth/codes", json={"channel": "email", "to": to}).status_code == 202
    work(house)
    world.advance(timedelta(seconds=5))
    assert bring(house, world, provider) == [200]
    work(house)
    assert rows(house, "SELECT receipt FROM message_job") == [("bounced",)]
    assert rows(house, "SELECT reason FROM suppressed_contact") == [("unreachable",)]
    other = "sendgrid" if provider == "ses" else "ses"
    assert house.client.post(f"/webhooks/{other}", content=b"{}").status_code == 503


def test_who_agrees_over_the_api_is_at_hubspot_and_who_takes_it_back_is_not(
    world: Simulators, open_with: Callable[..., House]
) -> None:
    hubspot = HubSpotSettings(
        mode="simulator",
        token=SecretStr(world.hubspot.token),
        portal=world.hubspot.portal,
        base_url=world.url_of("hubspot"),
    )
    house = open_with(hubspot=hubspot)
    inbox = house.installation.settings.inbox_file
    mail = "ann@example.org"
    headers = enter(house, "email", mail, lambda: _code_in(inbox))

    def say(*, yes: bool) -> None:
        said = {"purpose": "marketing", "text_id": "marketing-2026-11", "given": yes}
        answer = house.client.put("/v1/me/consents", json={"consents": [said]}, headers=headers)
        assert answer.status_code == 200, answer.text
        work(house)

    say(yes=True)
    assert set(world.hubspot.contacts()) == {mail}
    assert rows(house, "SELECT name FROM outbox_consumer ORDER BY name") == [("crm",), ("webhooks",)]
    say(yes=False)
    assert world.hubspot.contacts() == {}
    assert rows(house, "SELECT count(*) FROM crm_contact") == [(0,)]


def _code_in(inbox: Path) -> str:
    """Return the six digits with which the last message begins."""
    return inbox.read_text("utf-8").strip().rpartition('"text":')[2].strip().strip('"')[:6]
