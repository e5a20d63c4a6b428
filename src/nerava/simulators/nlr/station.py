"""Stations in the words of the Alternative Fuel Stations API, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nerava.simulators.chance import Chance
    from nerava.simulators.wire import Json

CONNECTORS: Final = ("J1772", "J3271", "TESLA", "CHADEMO", "NEMA515", "NEMA520", "NEMA1450", "J1772COMBO")
FUELS: Final = ("BD", "E85", "ELEC", "HY", "LNG", "CNG", "LPG", "RD")
_ABSENT: Final = (
    "access_detail_code",
    "cards_accepted",
    "date_last_confirmed",
    "expected_date",
    "maximum_vehicle_class",
    "open_date",
    "owner_type_code",
    "restricted_access",
    "funding_sources",
    "facility_type",
    "station_phone",
    "intersection_directions",
    "plus4",
    "bd_blends",
    "cng_dispenser_num",
    "cng_fill_type_code",
    "cng_has_rng",
    "cng_psi",
    "cng_renewable_source",
    "cng_total_compression",
    "cng_total_storage",
    "cng_vehicle_class",
    "e85_blender_pump",
    "e85_other_ethanol_blends",
    "ev_connector_types",
    "ev_dc_fast_num",
    "ev_level1_evse_num",
    "ev_level2_evse_num",
    "ev_network",
    "ev_network_web",
    "ev_other_evse",
    "ev_pricing",
    "ev_renewable_source",
    "ev_workplace_charging",
    "hy_is_retail",
    "hy_pressures",
    "hy_standards",
    "hy_status_link",
    "lng_has_rng",
    "lng_renewable_source",
    "lng_vehicle_class",
    "lpg_nozzle_types",
    "lpg_primary",
    "ng_fill_type_code",
    "ng_psi",
    "ng_vehicle_class",
    "rd_blended_with_biodiesel",
    "rd_blends",
    "rd_blends_fr",
    "rd_max_biodiesel_level",
    "nps_unit_name",
    "access_days_time_fr",
    "intersection_directions_fr",
    "bd_blends_fr",
    "ev_pricing_fr",
    "ev_charging_units",
)
"""Every record has every field; most of them are null."""

NETWORKS: Final = (
    ("Non-Networked", None),
    ("ChargePoint Network", "https://www.chargepoint.example"),
    ("Tesla", "https://www.tesla.example"),
    ("eVgo Network", "https://www.evgo.example"),
    ("SHELL_RECHARGE", "https://recharge.shell.example"),
    ("Electrify America", "https://www.electrifyamerica.example"),
    ("Circuit électrique", "https://lecircuitelectrique.example"),
)


@dataclass(frozen=True, slots=True)
class Town:
    """Where stations stand: so many around a point, within so many degrees."""

    name: str
    state: str
    zip: str
    country: str
    latitude: float
    longitude: float
    stations: int
    spread: float = 0.08


TOWNS: Final = (
    Town("Los Angeles", "CA", "90012", "US", 34.0537, -118.2428, 34),
    Town("San Jose", "CA", "95113", "US", 37.3361, -121.8906, 16),
    Town("Las Vegas", "NV", "89101", "US", 36.1716, -115.1391, 10),
    Town("Denver", "CO", "80202", "US", 39.7392, -104.9903, 14),
    Town("Newburg", "PA", "17240", "US", 40.1370, -77.5530, 5),
    Town("Adak", "AK", "99546", "US", 51.8800, -176.6580, 3, 0.03),
    Town("Shemya", "AK", "99546", "US", 52.7210, 174.1120, 2, 0.03),
    Town("Vancouver", "BC", "V6B 1A1", "CA", 49.2827, -123.1207, 8),
)
HELSINKI: Final = (
    (60.16811, 24.94019, "Kämp garage"),
    (60.17179, 24.93916, "Eliel garage"),
    (60.16844, 24.94945, "Kluuvi garage"),
    (60.16568, 24.94881, "Esplanadi"),
)
"""Charging stations of the extract that the demonstration maps; the API itself knows no Finland."""


def seeded(chance: Chance) -> dict[int, Json]:
    """Return stations around the towns: open, planned and broken ones, private ones, and other fuels."""
    found: dict[int, Json] = {}
    number = 100_000
    for town in TOWNS:
        for place in range(town.stations):
            number += 1 + int(chance.between(0, 40))
            found[number] = _one(chance, town, number, place)
    return found


def helsinki(chance: Chance, country: str, first_id: int) -> dict[int, Json]:
    """Return the stations of Helsinki, under a country of its own."""
    found = {}
    for step, (latitude, longitude, name) in enumerate(HELSINKI):
        town = Town("Helsinki", "US", "00100", country, latitude, longitude, 1, 0.0)
        found[first_id + step] = _one(chance, town, first_id + step, 1) | {
            "station_name": name,
            "state": None,
        }
    return found


def _one(chance: Chance, town: Town, number: int, place: int) -> Json:
    latitude = round(town.latitude + chance.between(-town.spread, town.spread), 6)
    longitude = round(town.longitude + chance.between(-town.spread, town.spread), 6)
    is_private = _is_each(9, place)
    station: dict[str, Any] = dict.fromkeys(_ABSENT) | {
        "id": number,
        "fuel_type_code": "ELEC",
        "status_code": "T" if _is_each(11, place) else "P" if _is_each(13, place) else "E",
        "access_code": "private" if is_private else "public",
        "access_detail_code": "GOVERNMENT" if is_private else None,
        "access_days_time": None if is_private else "24 hours daily",
        "groups_with_access_code": "Private - Government only" if is_private else "Public",
        "groups_with_access_code_fr": "Privé - Réservé au gouvernement" if is_private else "Public",
        "restricted_access": None if is_private else False,
        "related_stations": [],
        "station_name": f"{town.name} Station {place + 1}",
        "station_phone": "800-555-0100",
        "street_address": f"{100 + place} Main Street",
        "city": town.name,
        "state": town.state,
        "zip": town.zip,
        "country": town.country,
        "latitude": latitude,
        "longitude": longitude,
        "geocode_status": "200-9" if _is_each(5, place) else "GPS",
        "updated_at": "2026-10-01T03:48:18Z",
        "date_last_confirmed": "2026-09-30",
        "open_date": "2024-06-01",
        "facility_type": "PARKING_GARAGE" if place % 3 else None,
    }
    if station["status_code"] == "T":
        station["expected_date"] = "2026-09-12"  # the day on which the network saw it go down
    if _is_each(17, place):
        return station | {"fuel_type_code": "E85", "e85_blender_pump": False}
    return station | _electric(chance, place)


def _is_each(so_many: int, place: int) -> bool:
    return place % so_many == so_many // 2


def _electric(chance: Chance, place: int) -> Json:
    network, web = NETWORKS[int(chance.between(0, len(NETWORKS) - 0.001))]
    fast = place % 3 == 0
    units = []
    for _ in range(1 + int(chance.between(0, 4))):
        given = {"J1772COMBO": 150 + 50 * (place % 5)} if fast else {"J1772": None if place % 4 == 1 else 7.2}
        if network == "Tesla":
            given = {"TESLA": 250}
        units.append(unit(network, "dc_fast" if fast or network == "Tesla" else "2", given))
    ports = len(units)
    is_fast = units[0]["charging_level"] == "dc_fast"
    named = network != "Non-Networked"
    electric: Json = {
        "ev_network": network,
        "ev_network_web": web,
        "ev_pricing": "$0.52 per kWh" if place % 2 else None,
        "ev_workplace_charging": _is_each(9, place),
        "ev_dc_fast_num": ports if is_fast else None,
        "ev_level2_evse_num": None if is_fast else ports,
        "ev_connector_types": plugs(units),
        "ev_charging_units": units,
    }
    if named:
        electric["ev_network_ids"] = {
            "station": [chance.hex(6)],
            "posts": [chance.hex(8) for _ in units],
        }
    return electric


def unit(network: str, level: str, given: Json) -> Json:
    """Return a charging unit with one port; connectors that it does not have are listed with a count of 0."""
    connectors = {
        name: {"power_kw": given.get(name), "port_count": 1 if name in given else 0} for name in CONNECTORS
    }
    return {
        "network": network,
        "connectors": connectors,
        "port_count": 1,
        "charging_level": level,
        "funding_sources": [],
    }


def plugs(units: list[Json]) -> list[str]:
    """Return the connectors that a station has, by name."""
    return sorted(
        {name for one in units for name, plug in one["connectors"].items() if plug["port_count"] > 0}
    )


def ports_of(station: Json) -> int:
    """Return how many vehicles can charge at once."""
    counts = ("ev_level1_evse_num", "ev_level2_evse_num", "ev_dc_fast_num")
    return sum(station[name] or 0 for name in counts)
