"""Answers of the Alternative Fuel Stations API as JSON, CSV and GeoJSON."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from nerava.simulators.nlr.station import FUELS, ports_of
from nerava.simulators.wire import Answer, as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerava.simulators.wire import Json

LOCATOR: Final = "https://afdc.energy.gov/stations/"
_COLUMNS: Final = (
    ("Fuel Type Code", "fuel_type_code"),
    ("Station Name", "station_name"),
    ("Street Address", "street_address"),
    ("City", "city"),
    ("State", "state"),
    ("ZIP", "zip"),
    ("Station Phone", "station_phone"),
    ("Status Code", "status_code"),
    ("Expected Date", "expected_date"),
    ("Groups With Access Code", "groups_with_access_code"),
    ("Access Days Time", "access_days_time"),
    ("EV Level1 EVSE Num", "ev_level1_evse_num"),
    ("EV Level2 EVSE Num", "ev_level2_evse_num"),
    ("EV DC Fast Count", "ev_dc_fast_num"),
    ("EV Network", "ev_network"),
    ("EV Network Web", "ev_network_web"),
    ("Geocode Status", "geocode_status"),
    ("Latitude", "latitude"),
    ("Longitude", "longitude"),
    ("Date Last Confirmed", "date_last_confirmed"),
    ("ID", "id"),
    ("Updated At", "updated_at"),
    ("Open Date", "open_date"),
    ("EV Connector Types", "ev_connector_types"),
    ("Country", "country"),
    ("Access Code", "access_code"),
    ("Access Detail Code", "access_detail_code"),
    ("Facility Type", "facility_type"),
    ("EV Pricing", "ev_pricing"),
    ("Restricted Access", "restricted_access"),
    ("EV Workplace Charging", "ev_workplace_charging"),
)
_UNIT_PLUGS: Final = (
    ("J1772", "J1772"),
    ("CCS", "J1772COMBO"),
    ("CHAdeMO", "CHADEMO"),
    ("J3400", "TESLA"),
    ("J3271", "J3271"),
)


def envelope(matching: Sequence[Json]) -> Json:
    """Return the head of a list. The count of ELEC is of ports, that of its stations of sites."""
    fuels: Json = {fuel: {"total": 0} for fuel in FUELS}
    fuels["ELEC"]["stations"] = {"total": 0}
    for one in matching:
        if one["fuel_type_code"] == "ELEC":
            fuels["ELEC"]["total"] += ports_of(one)
            fuels["ELEC"]["stations"]["total"] += 1
        else:
            fuels[one["fuel_type_code"]]["total"] += 1
    counts = {"total": sum(fuel["total"] for fuel in fuels.values()), "fuels": fuels}
    return {"station_locator_url": LOCATOR, "total_results": len(matching), "station_counts": counts}


def listed(form: str, head: Json, stations: Sequence[Json], *, compact: bool = False) -> Answer:
    """Return a list of stations in a form."""
    if form == "csv":
        return as_csv(
            [name for name, _ in _COLUMNS], [[_cell(one[field]) for _, field in _COLUMNS] for one in stations]
        )
    shown = [_compact(one) if compact else one for one in stations]
    if form == "geojson":
        document = {
            "type": "FeatureCollection",
            "metadata": head,
            "features": [_feature(one) for one in shown],
        }
        return _geojson(document)
    return as_json({**head, "fuel_stations": shown}, indent=None)


def single(form: str, station: Json) -> Answer:
    """Return one station in a form."""
    if form == "csv":
        return listed(form, {}, [station])
    if form == "geojson":
        return _geojson(_feature(station))
    return as_json({"alt_fuel_station": station}, indent=None)


def units(stations: Sequence[Json]) -> Answer:
    """Return a row for each charging unit, with power and count by connector; always CSV."""
    ours = ("Level", "Connector Types")
    names = [f"Charging Port {name}" for name in ours]
    for shown, _ in _UNIT_PLUGS:
        names += [f"Charging Port {shown} Connector Count", f"Charging Port {shown} Power Output (kW)"]
    rows = []
    for one in stations:
        for unit in one["ev_charging_units"] or []:
            plugs = unit["connectors"]
            row = [
                unit["charging_level"],
                " ".join(name for name, plug in plugs.items() if plug["port_count"]),
            ]
            for _, name in _UNIT_PLUGS:
                row += [plugs[name]["port_count"], _cell(plugs[name]["power_kw"])]
            rows.append([_cell(one[field]) for _, field in _COLUMNS] + row)
    return as_csv([name for name, _ in _COLUMNS] + names, rows)


def as_csv(names: Sequence[str], rows: Sequence[Sequence[object]]) -> Answer:
    """Return a table."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(names)
    table.writerows(rows)
    return Answer(200, written.getvalue().encode(), {"content-type": "text/csv"})


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(value) if isinstance(value, list) else "" if value is None else value


def _compact(station: Json) -> Json:
    return {name: station[name] for name in ("id", "fuel_type_code", "latitude", "longitude")}


def _feature(station: Json) -> Json:
    place = {"type": "Point", "coordinates": [station["longitude"], station["latitude"]]}
    rest = {name: value for name, value in station.items() if name not in {"latitude", "longitude"}}
    return {"type": "Feature", "geometry": place, "properties": rest}


def _geojson(document: Json) -> Answer:
    found = as_json(document, indent=None)
    return Answer(found.status, found.body, {"content-type": "application/geo+json"})
