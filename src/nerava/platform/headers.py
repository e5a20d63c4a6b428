"""Security headers: what every answer carries, and what pages carry beyond that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

Header = tuple[bytes, bytes]

REQUEST_ID: Final = b"x-request-id"
"""By which a caller, whatever stands before us, and we know one request."""

REPORTS_PATH: Final = "/csp-reports"

_SELF: Final = (
    "camera",
    "geolocation",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "screen-wake-lock",
)
_NOBODY: Final = (
    "accelerometer",
    "autoplay",
    "browsing-topics",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "gyroscope",
    "hid",
    "identity-credentials-get",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "serial",
    "storage-access",
    "usb",
    "window-management",
    "xr-spatial-tracking",
)
_PERMISSIONS: Final = ", ".join([*(f"{name}=(self)" for name in _SELF), *(f"{name}=()" for name in _NOBODY)])

_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'; report-to csp"
)

_EVERYWHERE: Final[tuple[Header, ...]] = (
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", _PERMISSIONS.encode()),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
)

JSON: Final[tuple[Header, ...]] = (
    *_EVERYWHERE,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
"""What every answer carries that is not a page."""

PAGE: Final[tuple[Header, ...]] = (
    *_EVERYWHERE,
    (
        b"content-security-policy",
        _PAGE_POLICY.encode(),
    ),
    (b"referrer-policy", b"same-origin"),
    (b"reporting-endpoints", f'csp="{REPORTS_PATH}"'.encode()),
)
"""What every page carries; one about signing in sets `Referrer-Policy: no-referrer` itself."""


def missing_from(answer: Iterable[Header], request_id: str) -> list[Header]:
    """Return the headers that an answer lacks; what it says itself stands."""
    present = dict(answer)
    is_page = present.get(b"content-type", b"").startswith(b"text/html")
    added = [one for one in (PAGE if is_page else JSON) if one[0] not in present]
    if b"cache-control" not in present:
        added.append((b"cache-control", b"no-store"))
    if REQUEST_ID not in present:
        added.append((REQUEST_ID, request_id.encode("ascii")))
    return added
