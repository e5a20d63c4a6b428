"""QR codes as SVG: black on white in every theme, with the quiet zone that readers need."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from markupsafe import Markup

QUIET: Final = 4
"""Modules of white on each side; readers look for them."""

_SVG: Final = (
    '<svg class="qr" viewBox="0 0 {side} {side}" shape-rendering="crispEdges" role="img" '
    'aria-label="{label}">'
    '<rect width="{side}" height="{side}" fill="#ffffff"/><path d="{path}" fill="#12211c"/></svg>'
)


def qr_svg(text: str, label: str) -> Markup:
    """Return a QR code of a text, with error correction of level M.

    Args:
        text: What a reader is to read.
        label: What it is called to who does not see it.
    """
    # It takes a moment to import, and few people show a code.
    from reportlab.graphics.barcode.qrencoder import (  # type: ignore[import-untyped]  # noqa: PLC0415
        QRCode,
        QRErrorCorrectLevel,
    )

    made = QRCode(None, QRErrorCorrectLevel.M)
    made.addData(text)
    made.make()
    side = made.moduleCount + 2 * QUIET
    path = "".join(_runs(row, number + QUIET) for number, row in enumerate(made.modules))
    return Markup(_SVG).format(side=side, label=label, path=path)  # noqa: S704  # nosec B704


def _runs(row: list[bool], y: int) -> str:
    """Return the dark modules of a row as rectangles, neighbours in one."""
    drawn, x = "", QUIET
    for is_dark, group in groupby(row):
        length = len(list(group))
        if is_dark:
            drawn += f"M{x} {y}h{length}v1h-{length}z"
        x += length
    return drawn
