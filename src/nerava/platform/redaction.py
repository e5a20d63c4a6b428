"""Takes out of a text what no log may hold: secrets by value and by shape, contacts, cards, vehicles, places.

Every pattern takes time in proportion to the text, whatever is in it: what repeats is possessive and
begins only where its run begins, or is bounded.
"""

from __future__ import annotations

import base64
import re
import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REMOVED: Final = "[removed]"

KNOWN_CHARACTERS_MIN: Final = 8
"""A secret shorter than this is not looked for by value: it would be found in every other word."""

OPAQUE_CHARACTERS: Final = 40
"""From this length on a run of capitals and small letters is a token, even if chance left no digit in it."""

_HEX: Final = "[0-9a-fA-F]"
_AT: Final = "(?:@|%40)"
_SPACED: Final = r"[ ().\-]{0,2}"

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\w\s+/=\\]*+(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
)
_DETAIL: Final = re.compile(r"(DETAIL: ).*+")
"""PostgreSQL quotes the row that it refused."""

_HEADER: Final = re.compile(
    r"""((?:authorization|cookie|dpop)["']?\s{0,4}[:=,]\s{0,4}(?:b(?=["']))?)"""
    r"""(?:"[^"\n]*+|'[^'\n]*+|[^"'\s][^\n]*+)""",
    re.IGNORECASE,
)
_SCHEME: Final = re.compile(r"\b(bearer|basic|dpop)\s++(?=[^\s]{0,200}[\d=._-])[^\s\"',;]++", re.IGNORECASE)
_FIELD: Final = re.compile(
    r"((?:token|secret|password|passwd|passphrase|api[_-]?key|private[_-]?key|csrf)"
    r"""["']?\s{0,4}[:=]\s{0,4}(?:b(?=["']))?)(?:"[^"\n]*+|'[^'\n]*+|[^\s"',;&)}\]]++)""",
    re.IGNORECASE,
)
_USER_INFO: Final = re.compile(r"(://)[^\s/@?#]++@")
_JWT: Final = re.compile(r"(?<![\w-])eyJ[\w-]*+(?:\.[\w-]*+){0,4}")
_ISSUED: Final = re.compile(r"(?:nvr_|nvk_|whsec_|sk_live_|sk_test_|rk_live_|rk_test_|EAAA)[\w-]++")
_OPAQUE: Final = re.compile(r"(?<![\w+-])[\w+-]{30,}+=*+")
_CODE: Final = re.compile(
    r"""(\b(?:code|otp|pin)["']?(?:\s{0,4}[:=]\s{0,4}|\s{1,4}(?:is\s{1,4})?)["']?)\d{4,8}(?!\d)""",
    re.IGNORECASE,
)
_CODE_FIRST: Final = re.compile(r"(?<!\d)\d{6}(?= is (?:your|the)\b)", re.IGNORECASE)
_MAIL: Final = re.compile(rf"(?<![\w.+'-])[\w.+'-]++{_AT}[\w.-]++")
_PLACE: Final = re.compile(r"-?\b\d{1,3}\.\d{3,20}\s{0,3}[,;/ ]\s{0,3}-?\d{1,3}\.\d{3,20}(?!\d)")
_COORDINATE: Final = re.compile(
    r"""(\b(?:lat|lon|lng|latitude|longitude)["']?\s{0,4}[:=]?\s{0,4}["']?)-?\d{1,3}\.\d{3,20}""",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(
    rf"(?P<kept>\b{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}\b"
    rf"|\b00-{_HEX}{{32}}-{_HEX}{{16}}\b"
    r"|\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d)?)"
    rf"|(?:\+|%2[Bb]){_SPACED}\d(?:{_SPACED}\d){{6,14}}"
    r"|\b\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}\b|\b\d{4}[ -]\d{6}[ -]\d{5}\b"
    r"|\(?\b\d{3}\)?[ .-]{1,2}\d{3}[ .-]\d{4}\b"
    r"|(?<![\w.])\d{10,}+(?!\w)"
)
_VIN: Final = re.compile(r"(?<![\w-])[A-HJ-NPR-Za-hj-npr-z0-9]{17}(?![\w-])")


def _kept_or_removed(found: re.Match[str]) -> str:
    return found[0] if found["kept"] else REMOVED


def _opaque_or_name(found: re.Match[str]) -> str:
    """Remove what has capitals, small letters and digits; hashes and names of ours lack one of them."""
    run = found[0]
    lettered = any(map(str.isupper, run)) and any(map(str.islower, run))
    return REMOVED if lettered and (len(run) >= OPAQUE_CHARACTERS or any(map(str.isdigit, run))) else run


def _vehicle_or_word(found: re.Match[str]) -> str:
    run = found[0]
    mixed = any(map(str.isdigit, run)) and any(map(str.isalpha, run))
    return REMOVED if mixed else run


_SHAPES: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    (_PRIVATE_KEY, REMOVED),
    (_DETAIL, rf"\1{REMOVED}"),
    (_HEADER, rf"\1{REMOVED}"),
    (_SCHEME, rf"\1 {REMOVED}"),
    (_USER_INFO, rf"\1{REMOVED}@"),
    (_FIELD, rf"\1{REMOVED}"),
    (_JWT, REMOVED),
    (_ISSUED, REMOVED),
    (_OPAQUE, _opaque_or_name),
    (_CODE, rf"\1{REMOVED}"),
    (_CODE_FIRST, REMOVED),
    (_MAIL, REMOVED),
    (_PLACE, REMOVED),
    (_COORDINATE, rf"\1{REMOVED}"),
    (_NUMBER, _kept_or_removed),
    (_VIN, _vehicle_or_word),
)

SAMPLES: Final = (
    "Authorization: Bearer abc.def-123",
    "Cookie: __Host-nv_s=b0b; theme=dark",
    "postgresql://nerava:hunter2@db.example/nerava",
    "password=hunter2",
    "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln",
    "nvr_AbCdEfGh",
    "nvk_live_0123456789abcdef_0011",
    "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MDE",
    "code=123456",
    "ann.canary@example.org",
    "ann.canary%40example.org",
    "+1 (202) 555-0187",
    "%2B12025550187",
    "202-555-0187",
    "4111 1111 1111 1111",
    "378282246310005",
    "30.26715, -97.74306",
    "latitude=30.26715",
    "1HGCM82633A004352",
)
"""One of each that has to go; what is left of it must not hold a part that says anything."""


class Redactor:
    """Knows the secrets that were loaded, and takes them and everything shaped like one out of a text.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[str, ...] = ()

    def learn(self, secret: bytes | str) -> None:
        """Remember a secret, to remove it as text and in base64, in hexadecimal and URL-encoded.

        Repeats safely. A value under eight characters is not remembered.
        """
        forms = {form for form in _forms(secret) if len(form) >= KNOWN_CHARACTERS_MIN}
        with self._lock:
            # The longest first: what contains another goes as a whole.
            self._known = tuple(sorted(forms.union(self._known), key=len, reverse=True))

    def learn_setting(self, text: str) -> None:
        """Remember a secret as settings have it: the whole, and its versions if there are commas between."""
        for one in {text, *map(str.strip, text.split(","))}:
            self.learn(one)

    def redacted(self, text: str) -> str:
        """Return the text with `[removed]` in place of everything that no log may hold."""
        for value in self._known:
            text = text.replace(value, REMOVED)
        for pattern, instead in _SHAPES:
            text = pattern.sub(instead, text)
        return text

    def failures(self, samples: Iterable[str] = SAMPLES) -> list[str]:
        """Return the samples that this redactor lets through unchanged; none, normally."""
        return [sample for sample in samples if REMOVED not in self.redacted(f"log {sample} end")]


def _forms(secret: bytes | str) -> set[str]:
    raw = secret.encode() if isinstance(secret, str) else secret
    standard = base64.b64encode(raw).decode().rstrip("=")
    safe = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    forms = {raw.hex(), raw.hex().upper(), standard, safe, quote(standard, "")}
    try:
        plain = raw.decode()
    except UnicodeDecodeError:
        return forms
    return forms | {plain, quote(plain, ""), repr(plain)[1:-1]}


REDACTOR: Final = Redactor()
"""The one of this process: logs are the process's, too."""
