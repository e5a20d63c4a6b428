"""What a person sees: the passes of a phone, and the objects at Google."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.wire import as_page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nerava.simulators.wallets.phone import Phone
    from nerava.simulators.wire import Answer, Json

_FRAME: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{font:1rem/1.5 system-ui;max-width:26rem;margin:3rem auto;padding:0 1rem}}
section{{border-radius:.75rem;padding:1rem;margin:1rem 0;color:#fff;background:#0b3d2e}}
section.over{{background:#888;text-decoration:line-through}}
dt{{font-size:.8rem;opacity:.8}}dd{{margin:0 0 .5rem;font-size:1.25rem}}
p.note{{padding:.5rem .75rem;background:#ffefc2}}</style>
<h1>{title}</h1>
<p class="note">This is a simulator. There is no such phone.</p>
{body}
</html>
"""


def phone_page(name: str, phone: Phone) -> Answer:
    """Show what is in the wallet of a phone."""
    body = "".join(_apple(told) for told in phone.passes.values()) or "<p>The wallet is empty.</p>"
    return as_page(_FRAME.format(title=html.escape(f"Wallet of {name}"), body=body))


def objects_page(objects: Iterable[Json]) -> Answer:
    """Show the objects that people saved, or that were made for them."""
    body = "".join(_google(told) for told in objects) or "<p>Nobody has a pass.</p>"
    return as_page(_FRAME.format(title="Passes at Google", body=body))


def _apple(told: Json) -> str:
    shown = told.get("storeCard", {})
    fields = [*shown.get("primaryFields", []), *shown.get("secondaryFields", [])]
    rows = [(one.get("label", ""), one["value"]) for one in fields]
    rows += [("Code", one["message"]) for one in told.get("barcodes", [])]
    return _pass(told["organizationName"], rows, is_over=bool(told.get("voided")))


def _google(told: Json) -> str:
    points = told.get("loyaltyPoints", {})
    rows = [(points.get("label", ""), points.get("balance", {}).get("int", ""))]
    rows += [(one["header"], one["body"]) for one in told.get("textModulesData", [])]
    rows += [("Code", told["barcode"]["value"])] if "barcode" in told else []
    return _pass(told["id"], rows, is_over=told["state"] != "ACTIVE")


def _pass(title: str, rows: list[tuple[str, Any]], *, is_over: bool) -> str:
    shown = "".join(f"<dt>{html.escape(str(a))}</dt><dd>{html.escape(str(b))}</dd>" for a, b in rows)
    kind = ' class="over"' if is_over else ""
    return f"<section{kind}><h2>{html.escape(title)}</h2><dl>{shown}</dl></section>"
