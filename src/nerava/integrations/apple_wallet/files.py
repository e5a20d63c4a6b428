"""A pass for Apple's phones as a file: what it shows, its pictures, their hashes, and a signature."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nerava.integrations.apple_wallet.drawing import BOLT, GROUND, picture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nerava.integrations.apple_wallet.drawing import Colour
    from nerava.passes.ports import AppleDetails, Content

MEDIA_TYPE: Final = "application/vnd.apple.pkpass"
LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
"""The first instant that a zip file knows: when a pass was made stands in its signature."""

PICTURES: Final = {
    "icon.png": 29,
    "icon@2x.png": 58,
    "icon@3x.png": 87,
    "logo.png": 50,
    "logo@2x.png": 100,
}


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose passes these are.

    Attributes:
        pass_type: The identifier of the kind of pass, as Apple gave it: `pass.example.points`.
        team: Our team at Apple.
        organization: As people read it.
    """

    pass_type: str
    team: str
    organization: str


def document(issuer: Issuer, content: Content, details: AppleDetails) -> dict[str, Any]:
    """Return what `pass.json` says."""
    found: dict[str, Any] = {
        "formatVersion": 1,
        "passTypeIdentifier": issuer.pass_type,
        "teamIdentifier": issuer.team,
        "organizationName": issuer.organization,
        "serialNumber": content.serial,
        "description": f"{issuer.organization} points",
        "logoText": issuer.organization,
        "webServiceURL": details.service_url,
        "authenticationToken": details.token,
        "sharingProhibited": True,
        "backgroundColor": _rgb(GROUND),
        "foregroundColor": _rgb(BOLT),
        "labelColor": _rgb(BOLT),
        "storeCard": {},
    }
    if content.is_voided:
        return {**found, "voided": True}
    found["storeCard"] = {
        "primaryFields": [
            {
                "key": "points",
                "label": "Nova",
                "value": content.points,
                "changeMessage": "You have %@ Nova to spend",
            }
        ],
        "secondaryFields": [
            {"key": "tier", "label": "Tier", "value": content.tier, "changeMessage": "Your tier is %@ now"}
        ],
        "backFields": [
            {
                "key": "spending",
                "label": "How to spend",
                "value": "Choose an offer in the app: it shows a code for the register. "
                "The code on this pass says who you are and pays nothing.",
            }
        ],
    }
    found["barcodes"] = [
        {
            "format": "PKBarcodeFormatQR",
            "message": reference(content),
            "messageEncoding": "iso-8859-1",
            "altText": "Member",
        }
    ]
    return found


def reference(content: Content) -> str:
    """Return what the QR code says: a number of the pass, which no register takes for a code."""
    return f"nerava:pass:{content.serial}"


def packed(told: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> bytes:
    """Return the file: the same bytes for the same pass, but for what `sign` makes of the hashes."""
    files = {"pass.json": _json(told), **{name: picture(side) for name, side in PICTURES.items()}}
    # SHA-1 is what Apple reads here; what protects the pass is the signature over these hashes.
    hashes = {name: hashlib.sha1(body, usedforsecurity=False).hexdigest() for name, body in files.items()}
    manifest = _json(hashes)
    files |= {"manifest.json": manifest, "signature": sign(manifest)}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, body in sorted(files.items()):
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.create_system = 3  # the same wherever it is made
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, body)
    return stream.getvalue()


def _json(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _rgb(colour: Colour) -> str:
    return "rgb({}, {}, {})".format(*colour)
