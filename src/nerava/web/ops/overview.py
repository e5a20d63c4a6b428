"""The first page of operations: are the books right, what waits for whom and since when, what is off."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, NamedTuple

from starlette.responses import Response

from nerava.platform.policy import guarded
from nerava.web.api.wiring import Now
from nerava.web.ops.asking import OPS, asked, carried_out, does, looks, shown
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, page_for, pages

routes: Final = pages("ops")

COUNTED: Final = 50
"""How many of what waits are counted; of more than that it says so."""

_BALANCE: Final = "GET /v1/ops/accounts/{code}/balance-at"

_SETTLED: Final = timedelta(seconds=2)
"""So long ago that every account has all that was posted together."""

_WORKED: Final = {
    "provider events": "/ops/events",
    "payouts": "/ops/payouts?show=under_way",
    "settlements to pay": "/ops/settlements",
    "refunds at tills": "/ops/till-refunds",
    "cars just connected": "/ops/reviews",
    "cars to be asked": "/ops/reviews",
    "periods of merchants": "/ops/settlements",
    "invoices to remind of": "/ops/invoices?state=overdue",
    "proofs of the books": "/ops/books",
    "objects of charging networks": "/ops/roaming",
    "tokens for charging networks": "/ops/roaming",
    "lists of charging networks": "/ops/roaming",
}
"""Where people look after a kind of work, by its name in the list of queues."""


class _Wait(NamedTuple):
    """Something that waits for people: a list of the API, and the page on which it is worked."""

    name: str
    listed: str
    href: str
    since: str
    query: dict[str, object]


def _payouts(name: str, show: str) -> _Wait:
    return _Wait(name, "payouts", f"/ops/payouts?show={show}", "requested_at", {"show": show})


_WAITS: Final = (
    _payouts("Payouts to look at", "flagged"),
    _payouts("Payouts for a batch", "waiting"),
    _payouts("Payouts only people can decide", "dead"),
    _payouts("Payouts of which nobody knows", "unknown"),
    _payouts("Payouts under way for over a day", "stuck"),
    _Wait("Batches to let go", "payout-batches", "/ops/batches", "made_at", {}),
    _Wait("Cases of payouts", "payout-cases", "/ops/cases", "opened_at", {}),
    _Wait("Requests for a second person", "approvals", "/ops/approvals", "asked_at", {}),
    _Wait("Refunds at tills without points", "till-refunds", "/ops/till-refunds", "told_at", {}),
    _Wait("Cars in review", "vehicle-reviews", "/ops/reviews", "consented_at", {}),
)


@routes.get("/ops")
@guarded(page_for(*OPS))
async def overview(page: Shown, now: Now) -> Response:
    """Show what is right, what waits for a person and since when, and what is switched off."""
    then = {"at": (now - _SETTLED).isoformat()}
    calls: dict[str, tuple[str, str, Any]] = {
        "reserve": (_BALANCE, "/v1/ops/accounts/nova:reserve/balance-at", then),
        "issued": (_BALANCE, "/v1/ops/accounts/nova:issuance/balance-at", then),
        "switches": ("GET /v1/ops/switches", "/v1/ops/switches", {}),
        "proofs": ("GET /v1/ops/proofs", "/v1/ops/proofs", {"limit": 5}),
        "queues": ("GET /v1/ops/queues", "/v1/ops/queues", {}),
    }
    for one in _WAITS:
        path = f"/v1/ops/{one.listed}"
        calls[one.name] = (f"GET {path}", path, {**one.query, "limit": COUNTED})
    found = await asked(page, **calls)
    queues = None if found["queues"] is None else found["queues"]["queues"]
    return await shown(
        page,
        "ops/overview.html",
        reserve=found["reserve"],
        circulating=-found["issued"]["posted"],
        at=then["at"],
        switches=[one for one in found["switches"]["switches"] if one["is_on"]],
        proof=next((one for one in found["proofs"]["items"] if one["ended_at"]), None),
        waits=[_waiting(one, found) for one in _WAITS if found[one.name] is not None],
        queues=queues,
        worked=_WORKED,
    )


def _waiting(kind: _Wait, found: dict[str, Any]) -> dict[str, Any]:
    answer = found[kind.name]
    items = answer["links"] if "links" in answer else answer["items"]
    return {
        "name": kind.name,
        "href": kind.href,
        "count": len(items),
        "more": len(items) >= COUNTED,
        "since": items[0][kind.since] if items else None,
    }


@routes.get("/ops/books")
@guarded(looks("GET /v1/ops/audit"))
async def books(page: Shown) -> Response:
    """Check the books now, and show what was proven before."""
    return await _books(page)


@routes.post("/ops/books/proofs")
@guarded(does("POST /v1/ops/proofs"))
async def prove(page: Shown) -> Response:
    """Have all of the books read from end to end."""

    async def work(_form: Form) -> tuple[str, str]:
        await page.api.post("/v1/ops/proofs")
        return "/ops/books", "proof-asked"

    return await carried_out(page, lambda error, _: _books(page, error), work)


async def _books(page: Page, error: Wrong | None = None) -> Response:
    found = await asked(
        page,
        audit=("GET /v1/ops/audit", "/v1/ops/audit", {"chain": "true"}),
        proofs=("GET /v1/ops/proofs", "/v1/ops/proofs", {"limit": 20}),
        over=("GET /v1/ops/alarms", "/v1/ops/alarms", {"open": "false", "limit": 20}),
    )
    return await shown(
        page,
        "ops/books.html",
        error,
        audit=found["audit"],
        proofs=found["proofs"]["items"],
        over=[] if found["over"] is None else found["over"]["items"],
    )
