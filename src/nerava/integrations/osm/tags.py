"""Reads tags of OpenStreetMap: what is a place, what is a charging station, where may one walk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nerava.discovery.records import Access, Address, Category, Plug, PlugKind, Wheelchair

if TYPE_CHECKING:
    from collections.abc import Mapping

AMENITIES: Final = {
    "bar": Category.BAR,
    "cafe": Category.CAFE,
    "cinema": Category.CINEMA,
    "fast_food": Category.FAST_FOOD,
    "ice_cream": Category.ICE_CREAM,
    "pharmacy": Category.PHARMACY,
    "pub": Category.PUB,
    "restaurant": Category.RESTAURANT,
    "toilets": Category.TOILETS,
}
NO_SHOPS: Final = frozenset({"yes", "no", "vacant", "vending_machine", "disused"})

_NOT_WALKED: Final = frozenset(
    {
        "motorway", "motorway_link", "trunk", "trunk_link", "construction", "proposed", "platform",
        "corridor", "elevator", "trail",
    }
)  # fmt: skip
_FOOT_WELCOME: Final = frozenset({"yes", "designated", "permissive"})
_FOR_CARS: Final = frozenset(
    {
        "primary", "primary_link", "secondary", "secondary_link", "tertiary", "tertiary_link",
        "unclassified", "residential", "service", "living_street", "road",
    }
)  # fmt: skip

_SOCKETS: Final = {
    "type1": PlugKind.IEC_62196_T1,
    "type1_cable": PlugKind.IEC_62196_T1,
    "type1_combo": PlugKind.IEC_62196_T1_COMBO,
    "type2": PlugKind.IEC_62196_T2,
    "type2_cable": PlugKind.IEC_62196_T2,
    "type2_combo": PlugKind.IEC_62196_T2_COMBO,
    "type3": PlugKind.IEC_62196_T3,
    "type3a": PlugKind.IEC_62196_T3,
    "type3c": PlugKind.IEC_62196_T3,
    "chademo": PlugKind.CHADEMO,
    "nacs": PlugKind.SAE_J3400,
    "tesla_supercharger": PlugKind.SAE_J3400,
    "tesla_destination": PlugKind.SAE_J3400,
    "gb_dc": PlugKind.GBT_DC,
    "gb_ac": PlugKind.GBT_AC,
    "schuko": PlugKind.DOMESTIC,
    "nema_5_15": PlugKind.DOMESTIC,
    "nema_5_20": PlugKind.DOMESTIC,
    "nema_14_50": PlugKind.DOMESTIC,
    "bs1363": PlugKind.DOMESTIC,
    "typee": PlugKind.DOMESTIC,
    "cee_blue": PlugKind.IEC_60309,
    "cee_red_16a": PlugKind.IEC_60309,
    "cee_red_32a": PlugKind.IEC_60309,
    "cee_red_64a": PlugKind.IEC_60309,
}
_POWER: Final = re.compile(r"(\d+(?:[.,]\d+)?)\s*(kva|kw|w)?\b", re.IGNORECASE)
_KILOWATTS_MAX: Final = 1_000


def category_of(tags: Mapping[str, str]) -> tuple[Category, str | None] | None:
    """Return the category and the finer kind of a place worth walking to, None if it is none.

    Empty premises, vending machines and shops of no kind are none (O8).
    """
    if tags.get("disused") == "yes" or tags.get("abandoned") == "yes":
        return None
    category = AMENITIES.get(tags.get("amenity", ""))
    if category is not None:
        return category, tags.get("cuisine")
    shop = tags.get("shop")
    if shop is not None and shop not in NO_SHOPS:
        return Category.SHOP, shop
    if tags.get("leisure") == "fitness_centre":
        return Category.FITNESS, tags.get("sport")
    return None


def names_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the names by language: `name:fi` and the like, tags about names left out."""
    languages = ((key[5:], value) for key, value in tags.items() if key.startswith("name:"))
    return {
        language: name for language, name in languages if re.fullmatch("[a-z]{2,3}(-[A-Za-z]+)?", language)
    }


def address_of(tags: Mapping[str, str]) -> Address:
    """Return the address that tags give."""
    return Address(
        street=tags.get("addr:street"),
        house=tags.get("addr:housenumber"),
        city=tags.get("addr:city"),
        postcode=tags.get("addr:postcode"),
        state=tags.get("addr:state"),
        country=tags.get("addr:country"),
    )


def wheelchair_of(tags: Mapping[str, str]) -> Wheelchair | None:
    """Return whether a wheelchair gets in; None where nobody says so."""
    value = tags.get("wheelchair")
    if value == "designated":
        return Wheelchair.YES
    return Wheelchair(value) if value in set(Wheelchair) else None


def website_of(tags: Mapping[str, str]) -> str | None:
    """Return the web address, only if it is one."""
    for key in ("website", "contact:website", "url"):
        address = tags.get(key, "")
        if address.startswith(("https://", "http://")):
            return address
    return None


def access_of(tags: Mapping[str, str]) -> Access:
    """Return who may charge; unknown where no tag says so."""
    value = tags.get("access")
    if value in {"yes", "public", "permissive"}:
        return Access.PUBLIC
    if value in {"private", "no"}:
        return Access.PRIVATE
    return Access.UNKNOWN if value is None else Access.RESTRICTED


def plugs_of(tags: Mapping[str, str]) -> tuple[Plug, ...]:
    """Return the plugs that `socket:*` names; without any, as many unknown ones as `capacity` says."""
    plugs = []
    for key, value in sorted(tags.items()):
        prefix, _, socket = key.partition(":")
        if prefix != "socket" or ":" in socket or value == "no":
            continue
        kind = _SOCKETS.get(socket, PlugKind.UNKNOWN)
        plugs.append(Plug(kind=kind, count=_count(value), power_w_max=power_w_of(tags.get(f"{key}:output"))))
    if plugs:
        return tuple(plugs)
    power_w = power_w_of(tags.get("charging_station:output"))
    capacity = tags.get("capacity", "")
    if not capacity.isdecimal() and power_w is None:
        return ()
    return (Plug(count=_count(capacity), power_w_max=power_w),)


def power_w_of(text: str | None) -> int | None:
    """Return watts; a bare number is kilowatts up to 1,000 and watts above. The largest of several."""
    found: list[int] = []
    for number, unit in _POWER.findall(text or ""):
        value = float(number.replace(",", "."))
        is_watts = unit.casefold() == "w" or (not unit and value > _KILOWATTS_MAX)
        found.append(round(value if is_watts else value * 1_000))
    return max((power for power in found if power > 0), default=None)


def may_walk(tags: Mapping[str, str]) -> bool:
    """Whether a pedestrian may use a way; the foot rule."""
    highway = tags.get("highway")
    if highway is None or highway in _NOT_WALKED or tags.get("area") == "yes":
        return False
    foot = tags.get("foot")
    if foot in {"no", "private", "use_sidepath"}:
        return False
    return tags.get("access") not in {"no", "private"} or foot in _FOOT_WELCOME


def is_below_ground(tags: Mapping[str, str]) -> bool:
    """Whether something lies below ground or under a roof of its own."""
    layer = tags.get("layer", "0")
    below = layer.startswith("-") and layer[1:].isdecimal() and int(layer) < 0
    location = tags.get("location") == "underground" or tags.get("parking") == "underground"
    return below or location or tags.get("tunnel", "no") != "no" or tags.get("covered") == "yes"


def is_car_tunnel(tags: Mapping[str, str]) -> bool:
    """Whether a way is a ramp or a tunnel for cars, in which nobody walks unless `foot` says so."""
    for_cars = tags.get("highway") in _FOR_CARS
    return for_cars and is_below_ground(tags) and tags.get("foot") not in _FOOT_WELCOME


def _count(text: str) -> int:
    return min(int(text), 1_000) if text.isdecimal() and int(text) > 0 else 1
