"""What a staged charging site becomes in its row: texts that fit, plugs counted, names in the world."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from nerava.discovery.checking import NAME_LENGTH_MAX, cut_text, kept_text
from nerava.discovery.place_rows import kept_address
from nerava.discovery.records import PlugKind
from nerava.discovery.timezones import is_zone, timezone_at
from nerava.kernel.geography import Point

if TYPE_CHECKING:
    from nerava.discovery.staging import Staged

FACTS: Final = (
    "name",
    "is_named",
    "is_exact",
    "operator",
    "network",
    "access",
    "access_text",
    "status",
    "address",
    "opening_hours",
    "phone",
    "website",
    "is_free",
    "price_text",
    "is_below_ground",
    "plugs",
    "plug_bits",
    "ports",
    "power_w_max",
    "latitude",
    "longitude",
    "cell",
    "fetched_at",
    "fingerprint",
)
DOCUMENTS: Final = frozenset({"address", "plugs"})

ALIAS_LENGTH_MAX: Final = 280
_BITS: Final = {kind: 1 << number for number, kind in enumerate(sorted(PlugKind))}
_SEPARATORS: Final = re.compile(r"[*\-\s]")


def bit_of(kind: PlugKind) -> int:
    """Return the bit of `plug_bits` that stands for a kind of plug."""
    return _BITS[kind]


def values_of(one: Staged) -> dict[str, Any]:
    """Return the columns of a site, `FACTS` and what goes elsewhere: `evses`, `aliases`, `timezone`."""
    body = orjson.loads(one.body)
    latitude, longitude = body["position"]
    plugs = _plugs(body)
    powers = [plug["power_w_max"] for plug in plugs if plug["power_w_max"] is not None]
    return {
        "name": cut_text(body["name"], NAME_LENGTH_MAX),
        "is_named": body["is_named"],
        "is_exact": body["is_exact"],
        "operator": kept_text(body["operator"], 120),
        "network": kept_text(body["network"], 120),
        "access": body["access"],
        "access_text": cut_text(body["access_text"], 500),
        "status": body["status"],
        "address": kept_address(body["address"]),
        "opening_hours": kept_text(body["opening_hours"], 500),
        "phone": kept_text(body["phone"], 80),
        "website": kept_text(body["website"], 500),
        "is_free": body["is_free"],
        "price_text": cut_text(body["price_text"], 500),
        "is_below_ground": body["is_below_ground"],
        "plugs": plugs,
        "plug_bits": sum({_BITS[PlugKind(plug["kind"])] for plug in plugs}),
        "ports": sum(plug["count"] for plug in plugs),
        "power_w_max": max(powers, default=None),
        "latitude": latitude,
        "longitude": longitude,
        "cell": one.cell,
        "fetched_at": body["fetched_at"] and datetime.fromisoformat(body["fetched_at"]),
        "fingerprint": one.fingerprint,
        "evses": body["evses"],
        "aliases": _aliases(body),
        "timezone": _timezone(body["timezone"], Point(latitude, longitude)),
    }


def evse_alias(evse_id: str) -> str:
    """Return the alias of a unit of the world; `DE*ABC*E1` and `deabce1` are one."""
    return f"evse:{_SEPARATORS.sub('', evse_id).upper()}"


def _plugs(body: dict[str, Any]) -> list[dict[str, Any]]:
    given = body["plugs"] or [one for evse in body["evses"] for one in evse["connectors"].values()]
    counted: Counter[tuple[str, int]] = Counter()
    for plug in given:
        counted[plug["kind"], plug["power_w_max"] or 0] += plug["count"]
    return [
        {"kind": kind, "power_w_max": power_w or None, "count": number}
        for (kind, power_w), number in sorted(counted.items(), key=lambda item: (-item[0][1], item[0][0]))
    ]


def _aliases(body: dict[str, Any]) -> list[str]:
    ids = {evse_alias(evse["evse_id"]) for evse in body["evses"] if evse["evse_id"]}
    return sorted(alias for alias in ids | set(body["aliases"]) if 0 < len(alias) <= ALIAS_LENGTH_MAX)


def _timezone(named: str | None, position: Point) -> str:
    return named if named is not None and is_zone(named) else timezone_at(position)
