"""One working example of every operation that names an object: whose it is, where it is, what is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import update

from nerava.identity.roles import Role
from nerava.identity.user_store import link
from nerava.inbound.model import EventState, InboundEvent
from nerava.installation import payouts_of
from nerava.kernel.ids import new_id
from nerava.ledger.chart import PLATFORM_PROMO
from nerava.payouts.cases import open_case
from nerava.payouts.model import Payout
from nerava.payouts.states import CaseKind
from nerava.rewards.checkouts import Asked, ask
from tests.helpers.till import Till
from tests.http.campaign_examples import CAMPAIGN_EXAMPLES
from tests.http.correction_examples import CORRECTION_EXAMPLES
from tests.http.dispute_examples import DISPUTE_EXAMPLES
from tests.http.example import Example
from tests.http.flows import (
    app_code,
    as_driver,
    bank_of,
    campaign,
    cash_out,
    fill_promo,
    let_go,
    partner_session,
    payee,
    sponsor,
    terms,
    work_off,
)
from tests.http.merchant_examples import MERCHANT_EXAMPLES
from tests.http.roaming_examples import ROAMING_EXAMPLES
from tests.http.settlement_examples import SETTLEMENT_EXAMPLES
from tests.http.test_exports import give_contact
from tests.http.test_signing_in import inbox_of
from tests.http.till_examples import TILL_EXAMPLES
from tests.http.vehicle_examples import VEHICLE_EXAMPLES
from tests.http.webhook_examples import WEBHOOK_EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import Caller, House


def _draft(house: House) -> tuple[Caller, str]:
    owner = sponsor(house, 10_000)
    drafted = owner.post("/v1/campaigns", terms())
    return owner, str(drafted.json()["id"])


def _campaign(house: House, body: object = None, *, keyed: bool = False) -> Example:
    owner = sponsor(house, 10_000)
    campaign_id = campaign(owner, 1_000)
    return Example(owner, {"campaign_id": campaign_id}, {"campaign_id": str(new_id())}, body, keyed)


def _funded_draft(house: House) -> Example:
    owner, campaign_id = _draft(house)
    path = f"/v1/campaigns/{campaign_id}/fundings"
    assert owner.post(path, {"gross_minor": 1_000}, key=str(new_id())).status_code == 201
    return Example(owner, {"campaign_id": campaign_id}, {"campaign_id": str(new_id())})


def _session(house: House) -> Example:
    reference = str(new_id())
    sent = house.caller(Role.PARTNER).post("/v1/partner/sessions", partner_session(reference, reference))
    work_off(house)
    owner = as_driver(house, UUID(sent.json()["driver_id"]))
    return Example(owner, {"session_id": sent.json()["session_id"]}, {"session_id": str(new_id())})


def _idempotency_key(house: House) -> Example:
    owner = sponsor(house)
    key = f"draft-{new_id()}"
    assert owner.post("/v1/campaigns", terms(), key=key).status_code == 201
    return Example(owner, {"key": key}, {"key": f"none-{new_id()}"})


def _dead_event(house: House) -> Example:
    owner, now, event_id = house.caller(Role.OPS_FINANCE), house.installation.clock.now(), new_id()
    dead = InboundEvent(
        id=event_id,
        provider="acme",
        account="",
        event_id=str(event_id),
        kind="thing.done",
        object_id="x",
        created_s=1,
        body=b"sealed",
        body_sha256=bytes(32),
        state=EventState.DEAD.value,
        attempts=9,
        received_at=now,
        done_at=now,
    )
    house.installation.database.run(lambda session: session.add(dead))
    return Example(owner, {"event_id": str(event_id)}, {"event_id": str(new_id())})


def _over(house: House) -> Example:
    owner = sponsor(house, 10_000)
    campaign_id = campaign(owner, 1_000)
    assert owner.post(f"/v1/campaigns/{campaign_id}/end").status_code == 200
    return Example(owner, {"campaign_id": campaign_id}, {"campaign_id": str(new_id())}, keyed=True)


def _checkout(house: House) -> Example:
    owner, now = sponsor(house), house.installation.clock.now()
    asked = Asked(owner.tenant_id, 500)
    checkout_id = house.installation.database.run(lambda session: ask(session, Till(), asked, now))
    return Example(owner, {"checkout_id": str(checkout_id)}, {"checkout_id": str(new_id())})


def _account(house: House, **query: str) -> Example:
    owner = house.caller(Role.OPS_SUPPORT)
    return Example(owner, {"code": PLATFORM_PROMO}, {"code": "no:such"}, query=dict(query))


def _deposit(house: House) -> Example:
    owner = house.caller(Role.OPS_FINANCE)
    body = {"reference": f"wire-{new_id()}", "gross_minor": 500}
    names = {"sponsor_id": str(sponsor(house).tenant_id)}
    return Example(owner, names, {"sponsor_id": str(new_id())}, body, keyed=True)


def _sign_in(house: House) -> Example:
    owner = house.driver()
    found = owner.get("/v1/me/sessions").json()["sessions"]
    return Example(owner, {"sign_in_id": found[0]["id"]}, {"sign_in_id": str(new_id())})


INVITED: Final = {"invited_as": "merchant:manager", "channel": "email", "to": "ann@example.org"}


def _invite(house: House) -> Example:
    owner = house.caller(Role.MERCHANT_OWNER)
    made = owner.post("/v1/invites", INVITED).json()
    return Example(owner, {"invite_id": made["id"]}, {"invite_id": str(new_id())})


def _member(house: House) -> Example:
    owner = house.caller(Role.SPONSOR)
    house.caller(Role.SPONSOR, owner.tenant_id)
    others = [one for one in owner.get("/v1/staff").json()["staff"] if one["user_id"] != str(owner.subject)]
    return Example(owner, {"role_id": others[0]["id"]}, {"role_id": str(new_id())})


def _given_role(house: House) -> Example:
    owner = house.caller(Role.OPS_ADMIN)
    body = {"user_id": str(house.user().subject), "give": "ops:support", "reason": "joined"}
    given = owner.post("/v1/ops/roles", body).json()
    return Example(owner, {"role_id": given["id"]}, {"role_id": str(new_id())}, query={"reason": "left"})


def _api_key(house: House, body: object = None) -> Example:
    owner, partner_id = house.caller(Role.OPS_ADMIN), str(new_id())
    path = f"/v1/ops/partners/{partner_id}/api-keys"
    made = owner.post(path, {"purpose": "sessions", "scopes": ["sessions:write"]}).json()
    names = {"partner_id": partner_id, "key_id": made["key_id"]}
    return Example(owner, names, {"partner_id": str(new_id()), "key_id": "0" * 16}, body)


def _approval(house: House, body: object = None, *, keyed: bool = True) -> Example:
    fill_promo(house, 20_000)
    maker, present = house.caller(Role.OPS_FINANCE), {"points": 20_000, "reason": "thanks"}
    present |= {"driver_id": str(house.driver().tenant_id)}
    asked = maker.post("/v1/ops/goodwill-grants", present, key=str(new_id())).json()
    names = {"approval_id": asked["approval_id"]}
    return Example(house.caller(Role.OPS_FINANCE), names, {"approval_id": str(new_id())}, body, keyed)


def _waiting_app(house: House) -> Example:
    owner = house.driver()
    waiting = owner.post("/v1/me/factors/totp", {"label": "phone"}).json()
    body = {"code": app_code(house, waiting["secret"])}
    return Example(owner, {"factor_id": waiting["factor_id"]}, {"factor_id": str(new_id())}, body)


def _app(house: House) -> Example:
    waiting = _waiting_app(house)
    path = f"/v1/me/factors/totp/{waiting.names['factor_id']}/confirm"
    assert waiting.owner.post(path, waiting.body).status_code == 200
    return Example(waiting.owner, waiting.names, waiting.missing)


def _export(house: House) -> Example:
    owner = house.user()
    asked = owner.post("/v1/me/exports").json()
    work_off(house)
    return Example(owner, {"export_id": asked["id"]}, {"export_id": str(new_id())})


def _payout_method(house: House) -> Example:
    owner, method_id = payee(house)
    return Example(owner, {"method_id": method_id}, {"method_id": str(new_id())})


def _payout(house: House, *, keyed: bool = False) -> Example:
    owner, method_id = payee(house)
    asked = cash_out(owner, method_id)
    return Example(owner, {"payout_id": asked.json()["id"]}, {"payout_id": str(new_id())}, keyed=keyed)


def _queued(house: House, body: object = None, *, keyed: bool = False) -> Example:
    payout = _payout(house)
    return Example(house.caller(Role.OPS_FINANCE), payout.names, payout.missing, body, keyed)


def _approved_payout(house: House) -> Example:
    payout = _payout(house)
    let_go(house, payout.names["payout_id"])
    return Example(house.caller(Role.OPS_FINANCE), payout.names, payout.missing, keyed=True)


def _gone_payout(house: House) -> Example:
    """Return a payout of which the provider has shown twice that it was never sent."""
    found = _approved_payout(house)
    bank_of(house).script("send", "lost-before")
    clock = house.installation.clock
    payouts_of(house.installation).driving.run(clock.now())
    now = clock.now()
    gone = update(Payout).where(Payout.id == UUID(found.names["payout_id"]))
    house.installation.database.run(lambda session: session.execute(gone.values(none_since=now, gone_at=now)))
    return found


def _failure(house: House) -> Example:
    gone = _gone_payout(house)
    path = f"/v1/ops/payouts/{gone.names['payout_id']}/failure"
    asked = gone.owner.post(path, key=str(new_id())).json()
    names = {"approval_id": asked["approval_id"]}
    return Example(house.caller(Role.OPS_FINANCE), names, {"approval_id": str(new_id())}, keyed=True)


def _batch(house: House, *, keyed: bool = False) -> Example:
    owner, payout = house.caller(Role.OPS_FINANCE), _payout(house)
    body = {"payout_ids": [payout.names["payout_id"]]}
    made = house.caller(Role.OPS_FINANCE).post("/v1/ops/payout-batches", body, key=str(new_id())).json()
    return Example(owner, {"batch_id": made["id"]}, {"batch_id": str(new_id())}, keyed=keyed)


def _payout_case(house: House) -> Example:
    now, database = house.installation.clock.now(), house.installation.database
    database.run(lambda session: open_case(session, CaseKind.EXTRA, str(new_id()), {}, now))
    owner = house.caller(Role.OPS_FINANCE)
    found = owner.get("/v1/ops/payout-cases").json()["items"][-1]
    return Example(owner, {"case_id": found["id"]}, {"case_id": str(new_id())}, WHY, keyed=True)


def _reconciliation(house: House) -> Example:
    payouts_of(house.installation).reconciling.run(house.installation.clock.now())
    owner = house.caller(Role.OPS_SUPPORT)
    found = owner.get("/v1/ops/reconciliations").json()["items"][0]
    return Example(owner, {"run_id": found["id"]}, {"run_id": str(new_id())})


def _new_contact(house: House) -> Example:
    owner, to = house.user(), f"{new_id()}@example.org"
    asked = owner.post("/v1/me/contacts/codes", {"channel": "email", "to": to}).json()
    body = {"code": inbox_of(house, to)[-1][:6], "client_token": asked["client_token"]}
    return Example(owner, {"challenge_id": asked["challenge_id"]}, {"challenge_id": str(new_id())}, body)


def _contact(house: House) -> Example:
    owner = house.user()
    for number in range(2):
        give_contact(house, owner, f"{number}.{new_id()}@example.org")
    found = owner.get("/v1/me/contacts").json()["contacts"]
    return Example(owner, {"contact_id": found[0]["id"]}, {"contact_id": str(new_id())})


def _identity(house: House) -> Example:
    owner, now = house.user(), house.installation.clock.now()
    give_contact(house, owner, f"{new_id()}@example.org")
    house.installation.database.run(
        lambda session: link(session, owner.subject, "https://accounts.google.com", str(new_id()), now)
    )
    found = owner.get("/v1/me/identities").json()["identities"]
    return Example(owner, {"identity_id": found[0]["id"]}, {"identity_id": str(new_id())})


WHY: Final = {"reason": "rewards doubled"}


def _stop(house: House) -> Example:
    return Example(house.caller(Role.OPS_SUPPORT), {"name": "earn"}, {"name": "no-such"}, WHY)


def _stopped(house: House) -> Example:
    example = _stop(house)
    assert example.owner.post("/v1/ops/switches/earn/on", WHY).status_code == 200
    return example


def _release(house: House) -> Example:
    asked = _stopped(house).owner.post("/v1/ops/switches/earn/releases", WHY).json()
    names = {"release_id": asked["release_id"]}
    return Example(house.caller(Role.OPS_SUPPORT), names, {"release_id": str(new_id())})


def _hold(house: House) -> Example:
    wanted = {"kind": "user", "object_id": str(house.user().subject), "reason": "case 1"}
    placed = house.caller(Role.OPS_SUPPORT).post("/v1/ops/legal-holds", wanted).json()
    owner = house.caller(Role.OPS_SUPPORT)
    return Example(owner, {"hold_id": placed["hold_id"]}, {"hold_id": str(new_id())}, {"reason": "closed"})


EXAMPLES: Final[dict[str, Callable[[House], Example]]] = (
    CAMPAIGN_EXAMPLES
    | CORRECTION_EXAMPLES
    | DISPUTE_EXAMPLES
    | MERCHANT_EXAMPLES
    | ROAMING_EXAMPLES
    | SETTLEMENT_EXAMPLES
    | TILL_EXAMPLES
    | WEBHOOK_EXAMPLES
    | VEHICLE_EXAMPLES
    | {
        "GET /v1/campaigns/{campaign_id}": _campaign,
        "POST /v1/campaigns/{campaign_id}/activate": _funded_draft,
        "GET /v1/campaigns/{campaign_id}/budget": _campaign,
        "GET /v1/sponsor/checkouts/{checkout_id}": _checkout,
        "POST /v1/campaigns/{campaign_id}/close": _over,
        "POST /v1/ops/provider-events/{event_id}/retry": _dead_event,
        "POST /v1/campaigns/{campaign_id}/end": _campaign,
        "POST /v1/campaigns/{campaign_id}/fundings": lambda house: _campaign(
            house, {"gross_minor": 100}, keyed=True
        ),
        "POST /v1/campaigns/{campaign_id}/pause": _campaign,
        "GET /v1/idempotency-keys/{key}": _idempotency_key,
        "POST /v1/me/contacts/codes/{challenge_id}/verify": _new_contact,
        "DELETE /v1/me/contacts/{contact_id}": _contact,
        "DELETE /v1/me/identities/{identity_id}": _identity,
        "DELETE /v1/me/factors/{factor_id}": _app,
        "POST /v1/me/factors/totp/{factor_id}/confirm": _waiting_app,
        "GET /v1/me/exports/{export_id}": _export,
        "GET /v1/me/exports/{export_id}/archive": _export,
        "DELETE /v1/me/sessions/{sign_in_id}": _sign_in,
        "DELETE /v1/invites/{invite_id}": _invite,
        "DELETE /v1/staff/{role_id}": _member,
        "DELETE /v1/ops/roles/{role_id}": _given_role,
        "GET /v1/ops/partners/{partner_id}/api-keys": _api_key,
        "POST /v1/ops/partners/{partner_id}/api-keys": lambda house: _api_key(
            house, {"purpose": "cdrs", "scopes": ["cdrs:write"]}
        ),
        "DELETE /v1/ops/partners/{partner_id}/api-keys/{key_id}": _api_key,
        "GET /v1/ops/approvals/{approval_id}": lambda house: _approval(house, keyed=False),
        "POST /v1/ops/approvals/{approval_id}/approve": _approval,
        "POST /v1/ops/approvals/{approval_id}/refuse": lambda house: _approval(house, {"reason": "too much"}),
        "POST /v1/ops/legal-holds/{hold_id}/lift": _hold,
        "POST /v1/ops/switches/{name}/on": _stop,
        "POST /v1/ops/switches/{name}/releases": _stopped,
        "POST /v1/ops/switch-releases/{release_id}/approve": _release,
        "GET /v1/ops/accounts/{code}": _account,
        "GET /v1/ops/accounts/{code}/balance-at": lambda house: _account(house, at="2026-11-01T00:00:00Z"),
        "GET /v1/ops/accounts/{code}/statement": _account,
        "POST /v1/ops/sponsors/{sponsor_id}/deposits": _deposit,
        "GET /v1/payouts/{payout_id}": _payout,
        "POST /v1/payouts/{payout_id}/cancel": lambda house: _payout(house, keyed=True),
        "DELETE /v1/payout-methods/{method_id}": _payout_method,
        "GET /v1/ops/payouts/{payout_id}": _queued,
        "POST /v1/ops/payouts/{payout_id}/review": lambda house: _queued(house, WHY, keyed=True),
        "POST /v1/ops/payouts/{payout_id}/reject": lambda house: _queued(house, WHY, keyed=True),
        "POST /v1/ops/payouts/{payout_id}/retry": _approved_payout,
        "POST /v1/ops/payouts/{payout_id}/failure": _gone_payout,
        "POST /v1/ops/payout-failures/{approval_id}/approve": _failure,
        "GET /v1/ops/payout-batches/{batch_id}": _batch,
        "POST /v1/ops/payout-batches/{batch_id}/approve": lambda house: _batch(house, keyed=True),
        "POST /v1/ops/payout-batches/{batch_id}/refuse": lambda house: _batch(house, keyed=True),
        "POST /v1/ops/payout-cases/{case_id}/close": _payout_case,
        "GET /v1/ops/reconciliations/{run_id}": _reconciliation,
        "GET /v1/ops/reconciliations/{run_id}/csv": _reconciliation,
        "GET /v1/sessions/{session_id}": _session,
        "GET /v1/sessions/{session_id}/decision": _session,
    }
)
"""Every closed operation with an id in its path, except those in `OWN_NAMES` and `FOR_EVERYBODY`."""

FOR_EVERYBODY: Final = frozenset(
    {
        "GET /v1/offers/{offer_id}",
        "GET /v1/places/{place_id}/details",
        "POST /v1/offers/{offer_id}/claims",
        "POST /v1/offers/{offer_id}/redemptions",
    }
)
"""Operations whose path names something that is offered to everybody with the role."""

OWN_NAMES: Final = frozenset({"POST /v1/idempotency-keys/{key}/cancel"})
"""Operations whose path names something in a name space of the caller's own: nobody else's is in reach."""
