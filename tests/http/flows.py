"""What several tests of the API do on their way to what they test."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nerava.identity.roles import Role
from nerava.identity.totp import code_at, step_of
from nerava.identity.user_store import UserContact
from nerava.installation import jobs_of, payouts_of
from nerava.kernel.ids import new_id
from nerava.ledger import Ledger
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.measuring import rounds_of
from nerava.rewards.campaigns import create_sponsor
from nerava.worker import BackgroundWork
from tests.helpers.other_bank import OtherBank
from tests.http.conftest import Caller

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.http.conftest import House

ABOUT_ALL_THERE_IS = {
    "prove the books",
    "look for broken invariants",
    "compare the provider's book with ours",
    "seal the day",
    "link the audit log into its chain",
    "sign the audit log",
    "remove what is too old",
    "forget old challenges and messages",
    "forget old answers",
    "forget limits that no longer count",
    "forget what providers asked for once",
    "forget sessions that are over",
    "forget old events",
    "forget old deliveries",
    "forget positions of other directories",
    "wipe what providers told long ago",
    "wrap data keys under the newest key",
}
"""Jobs that prove, compare, seal or forget, and that nothing waits for."""

STARTED: datetime = datetime(2026, 11, 2, 18, tzinfo=UTC)


def sponsor(house: House, deposited: int = 0) -> Caller:
    """Return a new sponsor, with money that a person at ops saw arrive."""
    ledger: Ledger = house.installation.ledger
    now = house.installation.clock.now()
    sponsor_id = house.installation.database.run(
        lambda session: create_sponsor(session, ledger, name="A sponsor", currency="USD", now=now)
    )
    caller = house.caller(Role.SPONSOR, sponsor_id)
    if deposited:
        answer = deposit(house, sponsor_id, deposited)
        assert answer.status_code == 201, answer.text
    return caller


def deposit(
    house: House, sponsor_id: UUID, gross: int, *, key: str | None = None, reference: str = ""
) -> Any:
    """Record a deposit as ops:finance."""
    body = {"reference": reference or f"wire-{new_id()}", "gross_minor": gross}
    path = f"/v1/ops/sponsors/{sponsor_id}/deposits"
    return house.caller(Role.OPS_FINANCE).post(path, body, key=key or str(new_id()))


def fill_promo(house: House, amount: int) -> None:
    """Put money into the house's promotion budget."""
    sponsor_id = house.books.sponsor(amount)
    house.books.must(promo_funding(funding_id=new_id(), sponsor_id=sponsor_id, amount=amount))


def terms(**changes: object) -> dict[str, object]:
    """Return the body of a campaign that pays ten points per session, with changes."""
    return {
        "name": "Autumn",
        "starts_at": "2026-11-01T00:00:00Z",
        "ends_at": "2026-12-01T00:00:00Z",
        "rules": [{"kind": "fixed", "points": 10}],
    } | changes


def campaign(owner: Caller, gross: int, **changes: object) -> str:
    """Return the id of a new campaign of this sponsor, funded and active."""
    drafted = owner.post("/v1/campaigns", terms(**changes))
    assert drafted.status_code == 201, drafted.text
    campaign_id: str = drafted.json()["id"]
    funded = owner.post(f"/v1/campaigns/{campaign_id}/fundings", {"gross_minor": gross}, key=str(new_id()))
    assert funded.status_code == 201, funded.text
    assert owner.post(f"/v1/campaigns/{campaign_id}/activate").json()["state"] == "active"
    return campaign_id


def partner_session(reference: str = "s-1", driver: str = "d-1", **changes: object) -> dict[str, object]:
    """Return the body of a session of one hour and ten kilowatt-hours, with changes."""
    return {
        "reference": reference,
        "driver_reference": driver,
        "location": {"reference": "loc-1", "name": "Market Street", "timezone": "America/Chicago"},
        "started_at": STARTED.isoformat(),
        "ended_at": (STARTED + timedelta(hours=1)).isoformat(),
        "energy_wh": 10_000,
    } | changes


def as_driver(house: House, driver_id: UUID) -> Caller:
    """Return a caller who is this driver."""
    return house.caller(Role.DRIVER, driver_id)


def app_code(house: House, secret: str, steps: int = 0) -> str:
    """Return what an authenticator app with this seed shows now, or some steps later."""
    return code_at(base64.b32decode(secret), step_of(house.installation.clock.now()) + steps)


def work_off(house: House, *, everything: bool = False) -> None:
    """Run the background work that follows from what people did until there is nothing left to do.

    With `everything` also what goes through all there is, which is more than half of a round: for tests
    that are about it, or about what it must leave alone.
    """
    installation = house.installation
    wanted = [job for job in jobs_of(installation) if everything or job.name not in ABOUT_ALL_THERE_IS]
    rounds = rounds_of(installation.database, installation.meter)
    background = BackgroundWork(wanted, installation.clock, installation.settings.worker, rounds)
    while background.round():
        pass


def same(answers: list[Any]) -> Mapping[str, Any]:
    """Return the one body that all these answers have."""
    assert len({answer.content for answer in answers}) == 1
    body: Mapping[str, Any] = answers[0].json()
    return body


def payee(house: House, nova: int = 10_000, role: Role = Role.DRIVER) -> tuple[Caller, str]:
    """Return somebody who can be paid, with so many Nova and a contact if they are a driver, and their method."""
    owner = house.user() if role is Role.DRIVER else house.caller(role)
    if role is Role.DRIVER:
        add_contact(house, owner)
        if nova:
            fill_promo(house, nova)
            kind, driver_id = PromoKind.GOODWILL, owner.tenant_id
            house.books.must(promo_grant(kind=kind, reference_id=new_id(), driver_id=driver_id, points=nova))
    opened = owner.post("/v1/payout-methods")
    assert opened.status_code == 201, opened.text
    account = str(opened.json()["url"]).split("/")[3]
    bank = bank_of(house)
    bank.may_pay(account, yes=True, last4="4242")
    payouts_of(house.installation).methods.look(house.installation.clock.now() + timedelta(minutes=1))
    return owner, str(opened.json()["method"]["id"])


def add_contact(house: House, owner: Caller) -> None:
    """Let somebody have had a contact for a month."""
    now = house.installation.clock.now()
    row = UserContact(
        id=new_id(),
        user_id=owner.subject,
        kind="email",
        contact_ix=owner.subject.bytes * 2,
        sealed=b"x",
        verified_at=now - timedelta(days=30),
    )
    house.installation.database.run(lambda session: session.add(row))


def bank_of(house: House) -> OtherBank:
    """Return the bank that pays the people of a house."""
    bank = house.installation.paid_by
    assert isinstance(bank, OtherBank)
    return bank


def cash_out(owner: Caller, method_id: str, amount: int = 1_000, *, key: str | None = None) -> Any:
    """Ask for a cash-out."""
    body = {"method_id": method_id, "amount_minor": amount, "fee_minor": 25}
    return owner.post("/v1/payouts", body, key=key or str(new_id()))


def let_go(house: House, *payout_ids: str) -> str:
    """Let two people of finance let payouts go; return the batch."""
    body = {"payout_ids": list(payout_ids)}
    proposed = house.caller(Role.OPS_FINANCE).post("/v1/ops/payout-batches", body, key=str(new_id()))
    assert proposed.status_code == 201, proposed.text
    batch_id = str(proposed.json()["id"])
    path = f"/v1/ops/payout-batches/{batch_id}/approve"
    answer = house.caller(Role.OPS_FINANCE).post(path, key=str(new_id()))
    assert answer.status_code == 200, answer.text
    return batch_id
