"""The statement of a settlement as rows of text: the same numbers for every format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.charging.zones import zone
from nerava.settlements.invoicing import number_of
from nerava.settlements.states import LineKind

if TYPE_CHECKING:
    from datetime import datetime

    from nerava.settlements.queries import SettlementFile

COLUMNS: Final = ("line", "what", "when", "offer", "points", "minor units", "reference")
WORDS: Final = {
    LineKind.REDEMPTION: "Redeemed",
    LineKind.REFUND: "Given back",
    LineKind.CLAIM: "Claimed perk",
}


class Row(NamedTuple):
    """A row of a statement: points, or minor units of the currency, or neither."""

    line: str
    what: str
    when: str
    offer: str
    points: int | None
    minor: int | None
    reference: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        points, minor = ("" if one is None else str(one) for one in (self.points, self.minor))
        return (self.line, self.what, self.when, self.offer, points, minor, self.reference)


def rows_of(file: SettlementFile) -> list[Row]:
    """Return the lines of a settlement in the merchant's local time, and what they come to."""
    settlement = file.settlement
    rows = []
    for line in file.lines:
        kind = LineKind(line.kind)
        in_points = kind is not LineKind.CLAIM
        rows.append(
            Row(
                str(line.number),
                WORDS[kind],
                local_text(line.happened_at, settlement.timezone),
                line.title,
                line.amount if in_points else None,
                None if in_points else line.amount,
                str(line.source_id),
            )
        )
    return rows + totals_of(file)


def totals_of(file: SettlementFile) -> list[Row]:
    """Return what a settlement comes to, step by step."""
    one = file.settlement
    totals = [
        _total("Carried over from the period before", points=one.carried_in),
        _total("Redeemed", points=one.redeemed),
        _total("Given back", points=-one.refunded),
        _total("Carried over to the next period", points=-one.carried_out),
        _total("Settled", points=one.points, minor=one.points),
        _total("Fee of the platform", minor=-one.fee_minor),
        _total("Yours", minor=one.net_minor),
    ]
    if file.invoice is not None:
        totals.append(
            _total(f"Fees of claims, invoice {number_of(file.invoice)}", minor=one.claim_fees_minor)
        )
    if one.netted_minor:
        totals.append(_total("Of yours, paid to invoices", minor=-one.netted_minor))
    return totals


def local_text(at: datetime, timezone: str) -> str:
    """Return an instant as people there write it, with its offset."""
    return at.astimezone(zone(timezone)).isoformat(sep=" ", timespec="seconds")


def _total(what: str, *, points: int | None = None, minor: int | None = None) -> Row:
    return Row("", what, "", "", points, minor, "")
