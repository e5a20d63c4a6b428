"""What happens at a simulated operator's charge points, in OCPI's words."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from nerava.simulators.ocpi.state import Operator
    from nerava.simulators.wire import Json

PRICE_PER_KWH: Final = Decimal("0.42")
HOUR: Final = timedelta(hours=1)


def instant_text(at: datetime) -> str:
    """Return an instant as OCPI writes it."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def location(operator: Operator, location_id: str, at: datetime, *, published: bool = True) -> Json:
    """Return a location with two EVSEs of 50 kW."""
    now = instant_text(at)
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2_COMBO",
        "format": "CABLE",
        "power_type": "DC",
        "max_voltage": 500,
        "max_amperage": 100,
        "max_electric_power": 50_000,
        "tariff_ids": ["T1"],
        "last_updated": now,
    }
    evses = [
        {
            "uid": f"{location_id}-{number}",
            "evse_id": f"{operator.country}*{operator.party}*E{location_id}{number}",
            "status": "AVAILABLE",
            "connectors": [connector],
            "last_updated": now,
        }
        for number in (1, 2)
    ]
    return {
        **owner(operator),
        "id": location_id,
        "publish": published,
        "name": f"Site {location_id} of {operator.party}",
        "address": "Main Street 1",
        "city": "Austin",
        "country": "USA",
        "coordinates": {"latitude": "30.267200", "longitude": f"-97.74{int(operator.number) % 10}100"},
        "time_zone": "America/Chicago",
        "evses": evses,
        "last_updated": now,
    }


def session(operator: Operator, session_id: str, place: str, token: Json, at: datetime) -> Json:
    """Return a session that has begun."""
    return {
        **owner(operator),
        "id": session_id,
        "start_date_time": instant_text(at),
        "kwh": 0.0,
        "cdr_token": {
            name: token[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")
        },
        "auth_method": "WHITELIST",
        "location_id": place,
        "evse_uid": f"{place}-1",
        "connector_id": "1",
        "currency": "USD",
        "status": "ACTIVE",
        "last_updated": instant_text(at),
    }


def record(operator: Operator, told: Json, record_id: str, at: datetime) -> Json:
    """Return the detail record of a session that is over, priced in the manner of the operator's version."""
    started, ended = (datetime.fromisoformat(told[name]) for name in ("start_date_time", "end_date_time"))
    hours = round((ended - started) / HOUR, 4)
    place = operator.objects["locations"][told["location_id"]]
    return {
        **owner(operator),
        "id": record_id,
        "start_date_time": told["start_date_time"],
        "end_date_time": told["end_date_time"],
        "session_id": told["id"],
        "cdr_token": told["cdr_token"],
        "auth_method": told["auth_method"],
        "cdr_location": {
            **{name: place[name] for name in ("id", "address", "city", "country", "coordinates")},
            "evse_uid": told["evse_uid"],
            "evse_id": place["evses"][0]["evse_id"],
            "connector_id": told["connector_id"],
            "connector_standard": "IEC_62196_T2_COMBO",
            "connector_format": "CABLE",
            "connector_power_type": "DC",
        },
        "currency": told["currency"],
        "charging_periods": [
            {
                "start_date_time": told["start_date_time"],
                "dimensions": [{"type": "ENERGY", "volume": told["kwh"]}, {"type": "TIME", "volume": hours}],
            }
        ],
        "total_cost": price(operator, Decimal(str(told["kwh"])) * PRICE_PER_KWH),
        "total_energy": told["kwh"],
        "total_time": hours,
        "last_updated": instant_text(at),
    }


def price(operator: Operator, net: Decimal) -> Json:
    """Return a price with a tenth of taxes, as 2.2.1 or as 2.3.0 writes it."""
    tax = float(round(net / 10, 2))
    if operator.version == "2.2.1":
        return {"excl_vat": float(round(net, 2)), "incl_vat": float(round(net, 2)) + tax}
    return {"before_taxes": float(round(net, 2)), "taxes": [{"name": "VAT", "amount": tax}]}


def owner(operator: Operator) -> Json:
    """Return whose an object is."""
    return {"country_code": operator.country, "party_id": operator.party}


def signed_values(secret: int, told: Json) -> Json:
    """Return the meter's readings at both ends in OCMF, signed with the test key of this seed."""
    key = ec.derive_private_key(secret, ec.SECP256R1())
    readings = [
        {"TM": told["start_date_time"], "TX": "B", "RV": 1000.0, "RI": "1-0:1.8.0", "RU": "kWh", "ST": "G"},
        {"TM": told["end_date_time"], "TX": "E", "RV": 1000.0 + told["kwh"], "RU": "kWh", "ST": "G"},
    ]
    payload = json.dumps({"FV": "1.0", "GI": "SIM", "GS": "1", "PG": "T1", "MS": "1", "RD": readings})
    signature = key.sign(payload.encode(), ec.ECDSA(hashes.SHA256()))
    proof = json.dumps({"SA": "ECDSA-secp256r1-SHA256", "SD": signature.hex()})
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = f"OCMF|{payload}|{proof}"
    return {
        "encoding_method": "OCMF",
        "public_key": public.hex(),
        "signed_values": [{"nature": "END", "plain_data": payload, "signed_data": text}],
    }


def meter_key_of(seed: int) -> int:
    """Return the secret of the meters of a seed."""
    return int.from_bytes(hashlib.sha256(f"meter:{seed}".encode()).digest()[:16], "big") + 1
