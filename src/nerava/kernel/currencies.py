"""How many minor units a currency has, and how an amount of them is written."""

from __future__ import annotations

from typing import Final

_HUNDREDTHS: Final = 2
_DIGITS: Final = {
    **dict.fromkeys(
        (
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW",
            "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}  # fmt: skip


def minor_digits(currency: str) -> int:
    """Return how many decimals an amount of a currency has by ISO 4217; two where it says nothing else."""
    return _DIGITS.get(currency.upper(), _HUNDREDTHS)


def amount_text(minor: int, currency: str) -> str:
    """Return an amount of minor units as people write it, without floating point: `12.30 USD`.

    The amount must not be negative.
    """
    digits = minor_digits(currency)
    whole, rest = divmod(minor, 10**digits)
    return f"{whole}.{rest:0{digits}} {currency}" if digits else f"{whole} {currency}"
