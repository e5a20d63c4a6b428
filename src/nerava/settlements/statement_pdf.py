"""The statement of a settlement as PDF: the same rows as everywhere, the same bytes for the same rows."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from nerava.settlements.statement import COLUMNS, local_text, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerava.settlements.queries import SettlementFile

FONT: Final = "DejaVu Sans"
MARGIN: Final = 40
ROW: Final = 13
LETTER: Final = (612, 792)
A4: Final = (595, 842)
_LETTER_CURRENCIES: Final = frozenset({"USD", "CAD", "MXN"})
_AT: Final = (0, 28, 110, 235, 385, 440)
"""Where the columns begin, in points from the margin; the reference is left to the CSV."""

_CUT: Final = 26
"""How much of a title fits, in characters."""


def pdf_of(file: SettlementFile, merchant_name: str) -> bytes:
    """Return a settlement as PDF, on Letter where the operator's currency is North American, else on A4."""
    from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]  # noqa: PLC0415 - seldom needed

    _know_font()
    one = file.settlement
    size = LETTER if one.currency in _LETTER_CURRENCIES else A4
    out = io.BytesIO()
    page = Canvas(out, pagesize=size, invariant=1)
    page.setTitle(f"Settlement {one.period}")
    top = size[1] - MARGIN
    since, until = (local_text(at, one.timezone) for at in (one.since_at, one.until_at))
    window = f"From {since} until, and without, {until} ({one.timezone})"
    head = (merchant_name, f"Settlement {one.period} in {one.currency}", window)
    y = _written(page, head, top)
    y = _row(page, COLUMNS, y - ROW)
    lines = len(file.lines)
    for number, row in enumerate(rows_of(file)):
        if y < MARGIN + ROW:
            page.showPage()
            y = _row(page, COLUMNS, top)
        if number == lines:
            y -= ROW
        y = _row(page, row.cells, y)
    page.save()
    return out.getvalue()


def _written(page: Any, lines: Sequence[str], y: int) -> int:  # noqa: ANN401 - reportlab has no types
    for size, line in zip((14, 11, 8), lines, strict=True):
        page.setFont(FONT, size)
        page.drawString(MARGIN, y, line)
        y -= ROW + 4
    return y


def _row(page: Any, cells: Sequence[str], y: int) -> int:  # noqa: ANN401 - reportlab has no types
    page.setFont(FONT, 8)
    for place, cell in zip(_AT, cells[: len(_AT)], strict=True):
        # A sum has no date and no title, so what it is may run over them.
        page.drawString(MARGIN + place, y, cell[:_CUT] if cells[0] else cell)
    return y - ROW


@cache
def _know_font() -> None:
    from importlib import resources  # noqa: PLC0415 - with the rest of what is seldom needed

    from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]  # noqa: PLC0415 - seldom needed
    from reportlab.pdfbase.ttfonts import TTFont  # type: ignore[import-untyped]  # noqa: PLC0415 - seldom needed

    with resources.as_file(resources.files("nerava.settlements")) as folder:
        pdfmetrics.registerFont(TTFont(FONT, str(folder / "fonts" / "DejaVuSans.ttf")))
