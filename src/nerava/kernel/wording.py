"""What a name may be written with: all that people write with, nothing that hides or turns text around."""

from __future__ import annotations

import unicodedata
from typing import Final

_TURNS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn what follows around, also beyond the name; scripts that run from the right need none of them."""

_MARKS: Final = frozenset("\u061c\u200e\u200f")
"""Where a line of both directions turns; invisible, and harmless beside something visible."""

_JOINERS: Final = frozenset("\u200c\u200d")
"""Persian, Indic scripts and emoji join and part signs with them; between Latin letters they only hide."""

_HIDDEN: Final = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\ufeff\uffa0\u200b")
_BLACK_FLAG: Final = "\U0001f3f4"
_TAGS: Final = "".join(map(chr, range(0xE0020, 0xE0080)))
"""Signs that say which region a black flag is of."""

_VISIBLE: Final = frozenset("LNPS")


def readable(text: str) -> str:
    """Return a line that people see as it is written.

    Raises:
        ValueError: It shows nothing, or has signs that nobody sees or that change the order of others.
    """
    for place, sign in enumerate(text):
        if not _is_fine(text, place, sign):
            message = f"has a sign that nobody sees or that turns others around: U+{ord(sign):04X}"
            raise ValueError(message)
    if not any(_shows(sign) for sign in text):
        message = "shows nothing: it needs a letter, a digit or another visible sign"
        raise ValueError(message)
    return text


def _is_fine(text: str, place: int, sign: str) -> bool:
    if sign in _JOINERS:
        around = text[place - 1 : place] if place else "", text[place + 1 : place + 2]
        return all(other and not other.isascii() and not _is_silent(other) for other in around)
    if sign in _TAGS:
        return text[:place].rstrip(_TAGS).endswith(_BLACK_FLAG)
    if sign in _TURNS or sign in _HIDDEN:
        return False
    kind = unicodedata.category(sign)
    # Signs of Arabic and Syriac that stand around a number are of this kind, and visible.
    return sign in _MARKS or not (kind in {"Cc", "Cs", "Zl", "Zp"} or (kind == "Cf" and not _surrounds(sign)))


def _surrounds(sign: str) -> bool:
    return "\u0600" <= sign <= "\u0605" or sign in "\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"


def _is_silent(sign: str) -> bool:
    return sign.isspace() or sign in _JOINERS or sign in _MARKS


def _shows(sign: str) -> bool:
    return sign not in _HIDDEN and unicodedata.category(sign)[0] in _VISIBLE
