"""What a merchant is owed and was paid: periods with their lines, and invoices for claimed perks."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import guarded
from nerava.web.merchant.downloads import CSV, download
from nerava.web.site.page import Shown, page_for, pages

routes: Final = pages("merchant")

BASE: Final = "/merchant/settlements"
HOUSE: Final = (Role.MERCHANT_OWNER, Role.MERCHANT_MANAGER)

Cursor = Annotated[str | None, Query(max_length=200)]


@routes.get(BASE)
@guarded(page_for(*HOUSE))
async def settlements(page: Shown, after: Cursor = None) -> Response:
    """Show the periods that are closed, the newest first, and the latest invoices."""
    found = await page.api.get(f"/v1{BASE}", limit=24, cursor=after)
    invoices = await page.api.get("/v1/merchant/invoices", limit=12)
    return page.show("merchant/settlements.html", found=found, invoices=invoices["items"])


@routes.get(f"{BASE}/{{settlement_id}}.csv")
@guarded(page_for(*HOUSE))
async def as_csv(page: Shown, settlement_id: UUID) -> Response:
    """Return the statement of a period as CSV."""
    return await download(page, f"/v1{BASE}/{settlement_id}.csv", media_type=CSV, name="statement.csv")


@routes.get(f"{BASE}/{{settlement_id}}.pdf")
@guarded(page_for(*HOUSE))
async def as_pdf(page: Shown, settlement_id: UUID) -> Response:
    """Return the statement of a period as PDF."""
    name = "statement.pdf"
    return await download(page, f"/v1{BASE}/{settlement_id}.pdf", media_type="application/pdf", name=name)


@routes.get(f"{BASE}/{{settlement_id}}")
@guarded(page_for(*HOUSE))
async def settlement(page: Shown, settlement_id: UUID) -> Response:
    """Show one period with its lines."""
    return page.show("merchant/settlement.html", **await page.api.get(f"/v1{BASE}/{settlement_id}"))


@routes.get("/merchant/invoices/{invoice_id}")
@guarded(page_for(*HOUSE))
async def invoice(page: Shown, invoice_id: UUID) -> Response:
    """Show one invoice with what was paid of it."""
    return page.show("merchant/invoice.html", **await page.api.get(f"/v1/merchant/invoices/{invoice_id}"))
