"""Signed meter values in OCMF: whether a charge's energy was signed by the meter that measured it."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HASHES: Final = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}
TO_WH: Final = {"WH": Decimal(1), "KWH": Decimal(1_000), "MWH": Decimal(1_000_000)}
BEGINS: Final = frozenset({"B"})
ENDS: Final = frozenset({"E", "L", "R", "A", "P"})
PARTS: Final = 3
TEXTS_MAX: Final = 20
TEXT_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a meter. `wh` as the meter shows it, `kind` is OCMF's transaction mark."""

    wh: Decimal
    kind: str


def signed_energy_wh(signed: object) -> int | None:
    """Return the energy between the first and the last signed reading of a charge, in watt-hours.

    None where there is no OCMF, where any signature is wrong, or where begin and end are not both
    signed. That the key belongs to the meter is the operator's word: it comes with the values.
    """
    if not isinstance(signed, dict) or str(signed.get("encoding_method", "")).upper() != "OCMF":
        return None
    values, key = signed.get("signed_values"), _key(signed.get("public_key"))
    if not isinstance(values, list) or not 0 < len(values) <= TEXTS_MAX or key is None:
        return None
    readings: list[Reading] = []
    for one in values:
        text = one.get("signed_data") if isinstance(one, dict) else None
        found = _verified(text, key)
        if found is None:
            return None
        readings += found
    begins = [one for one in readings if one.kind in BEGINS]
    ends = [one for one in readings if one.kind in ENDS]
    if not begins or not ends:
        return None
    difference = ends[-1].wh - begins[0].wh
    return int(difference) if difference >= 0 else None


def _verified(text: object, key: ec.EllipticCurvePublicKey) -> Sequence[Reading] | None:
    """Return the readings of one OCMF text whose signature is right; None otherwise."""
    if not isinstance(text, str) or len(text) > TEXT_MAX:
        return None
    plain = text if text.lstrip().startswith("OCMF|") else _decoded(text)
    parts = plain.strip().split("|")
    if len(parts) != PARTS or parts[0] != "OCMF":
        return None
    payload, signature = _object(parts[1]), _object(parts[2])
    algorithm = str(signature.get("SA", "ECDSA-secp256r1-SHA256")).upper()
    digest = HASHES.get(algorithm.rpartition("-")[2])
    raw = _bytes(signature.get("SD"), str(signature.get("SE", "hex")))
    if digest is None or raw is None or not algorithm.startswith("ECDSA"):
        return None
    try:
        key.verify(raw, parts[1].encode(), ec.ECDSA(digest))
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return None
    return _readings(payload)


def _readings(payload: Mapping[str, Any]) -> Sequence[Reading] | None:
    found: list[Reading] = []
    kind, unit = "", ""
    rows = payload.get("RD")
    if not isinstance(rows, list):
        return None
    for row in rows:
        if not isinstance(row, dict):
            return None
        # What a reading leaves out is as in the one before it.
        kind, unit = str(row.get("TX") or kind), str(row.get("RU") or unit)
        if str(row.get("ST", "G")) != "G" or unit.upper() not in TO_WH:
            return None
        try:
            value = Decimal(str(row.get("RV")))
        except InvalidOperation:
            return None
        if not value.is_finite():
            return None
        found.append(Reading(value * TO_WH[unit.upper()], kind))
    return found


def _key(text: object) -> ec.EllipticCurvePublicKey | None:
    raw = _bytes(text, "hex") or _bytes(text, "base64")
    if raw is None:
        return None
    try:
        key = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) else None


def _bytes(text: object, encoding: str) -> bytes | None:
    if not isinstance(text, str) or not 0 < len(text) <= TEXT_MAX:
        return None
    try:
        return base64.b64decode(text, validate=True) if encoding == "base64" else bytes.fromhex(text)
    except (ValueError, binascii.Error):
        return None


def _decoded(text: str) -> str:
    raw = _bytes("".join(text.split()), "base64")
    try:
        return "" if raw is None else raw.decode()
    except UnicodeDecodeError:
        return ""


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
