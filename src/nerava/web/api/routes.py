"""Every route of the HTTP API, in the order in which they are matched: the busiest first."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from nerava import __version__
from nerava.platform.openapi import document
from nerava.platform.policy import GuardedRoute, Policy, guarded
from nerava.web.api import (
    apple_phones,
    base_map,
    caller,
    campaign_dry_runs,
    campaign_examples,
    campaign_offers,
    campaign_reports,
    campaigns,
    chargers,
    charging_tokens,
    consents,
    csp_reports,
    entering,
    erasures,
    exports,
    factors,
    health,
    idempotency_keys,
    merchant_codes,
    merchant_house,
    merchant_offers,
    merchant_redemptions,
    merchant_settlements,
    merchant_tills,
    merchant_today,
    metrics,
    ocpi_endpoints,
    offers,
    ops_api_keys,
    ops_approvals,
    ops_audit,
    ops_corrections,
    ops_disputes,
    ops_holds,
    ops_ledger,
    ops_merchants,
    ops_money,
    ops_payout_batches,
    ops_payout_cases,
    ops_payouts,
    ops_queues,
    ops_rewards,
    ops_roaming,
    ops_roles,
    ops_settlements,
    ops_switches,
    ops_tills,
    ops_vehicles,
    pages,
    partner,
    passes,
    payout_methods,
    payouts,
    place_details,
    redemptions,
    referrals,
    register,
    sessions,
    sign_ins,
    signing_in,
    sponsor_payments,
    staff,
    till_return,
    vehicle_return,
    vehicles,
    wallet,
    ways_in,
    webhook_endpoints,
    webhooks,
    while_you_charge,
)

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

DESCRIPTION: Final = (
    "Rewards for EV charging sessions: every point backed by cash, every decision explained. "
    "Amounts are whole minor units; instants carry their offset; refusals are problem documents (RFC 9457) "
    "with a stable `code`."
)

_DOCUMENTED: Final[list[BaseRoute]] = [
    *wallet.routes.routes,
    *redemptions.routes.routes,
    *register.routes.routes,
    *offers.routes.routes,
    *chargers.routes.routes,
    *while_you_charge.routes.routes,
    *place_details.routes.routes,
    *base_map.routes.routes,
    *sessions.routes.routes,
    *referrals.routes.routes,
    *charging_tokens.routes.routes,
    *vehicles.routes.routes,
    *passes.routes.routes,
    *partner.routes.routes,
    *campaigns.routes.routes,
    *campaign_reports.routes.routes,
    *campaign_dry_runs.routes.routes,
    *campaign_examples.routes.routes,
    *campaign_offers.routes.routes,
    *sponsor_payments.routes.routes,
    *payouts.routes.routes,
    *payout_methods.routes.routes,
    *merchant_house.routes.routes,
    *merchant_today.routes.routes,
    *merchant_offers.routes.routes,
    *merchant_redemptions.routes.routes,
    *merchant_codes.routes.routes,
    *merchant_settlements.routes.routes,
    *merchant_tills.routes.routes,
    *webhook_endpoints.routes.routes,
    *health.routes.routes,
    *idempotency_keys.routes.routes,
    *ops_ledger.routes.routes,
    *ops_money.routes.routes,
    *ops_corrections.routes.routes,
    *ops_payouts.routes.routes,
    *ops_queues.routes.routes,
    *ops_payout_batches.routes.routes,
    *ops_payout_cases.routes.routes,
    *ops_approvals.routes.routes,
    *ops_rewards.routes.routes,
    *ops_roles.routes.routes,
    *ops_merchants.routes.routes,
    *ops_settlements.routes.routes,
    *ops_api_keys.routes.routes,
    *ops_switches.routes.routes,
    *ops_tills.routes.routes,
    *ops_disputes.routes.routes,
    *ops_vehicles.routes.routes,
    *ops_audit.routes.routes,
    *ops_holds.routes.routes,
    *ops_roaming.routes.routes,
    *caller.routes.routes,
    *sign_ins.routes.routes,
    *consents.routes.routes,
    *exports.routes.routes,
    *erasures.routes.routes,
    *signing_in.routes.routes,
    *entering.routes.routes,
    *factors.routes.routes,
    *ways_in.routes.routes,
    *staff.routes.routes,
    *caller.public.routes,
]


@cache
def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the HTTP API."""
    return document(_DOCUMENTED, title="Nerava", version=__version__, description=DESCRIPTION)


@guarded(Policy(public="the interface is no secret; clients generate themselves from it"))
async def openapi() -> dict[str, Any]:
    """Return the document that is committed as docs/openapi.json."""
    return openapi_document()


API_ROUTES: Final[list[BaseRoute]] = [
    *_DOCUMENTED,
    *csp_reports.routes.routes,
    *metrics.routes.routes,
    *webhooks.routes.routes,
    *vehicle_return.routes.routes,
    *till_return.routes.routes,
    *apple_phones.routes.routes,
    *pages.routes.routes,
    *ocpi_endpoints.ROUTES,
    GuardedRoute("/openapi.json", openapi, methods=["GET"], include_in_schema=False),
]
