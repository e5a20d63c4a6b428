"""Points of interest in the words of Open Charge Map, drawn from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nerava.simulators.chance import Chance
    from nerava.simulators.wire import Json

PROVIDERS: Final = (
    {
        "ID": 1,
        "Title": "Open Charge Map Contributors",
        "WebsiteURL": "https://openchargemap.org",
        "License": "Licensed under Creative Commons Attribution 4.0 International (CC BY 4.0)",
        "IsOpenDataLicensed": True,
    },
    {
        "ID": 2,
        "Title": "afdc.energy.gov",
        "WebsiteURL": "https://afdc.energy.gov",
        "License": "May be used for any purpose whatsoever.",
        "IsOpenDataLicensed": True,
    },
    {
        "ID": 9,
        "Title": "A network that shares with nobody else",
        "WebsiteURL": "https://closed.example",
        "License": "All rights reserved",
        "IsOpenDataLicensed": False,
    },
)
CITIES: Final = (
    ("Helsinki", "FI", 60.1699, 24.9384, 24),
    ("Berlin", "DE", 52.52, 13.405, 16),
    ("Los Angeles", "US", 34.0537, -118.2428, 12),
)
CONNECTIONS: Final = (
    {"ID": 25, "Title": "Type 2 (Socket Only)", "FormalName": "IEC 62196-2 Type 2"},
    {"ID": 33, "Title": "CCS (Type 2)", "FormalName": "IEC 62196-3 Configuration FF"},
    {"ID": 2, "Title": "CHAdeMO", "FormalName": "IEC 62196-3 Configuration AA"},
    {"ID": 1, "Title": "Type 1 (J1772)", "FormalName": "SAE J1772-2009"},
    {"ID": 0, "Title": "Unknown", "FormalName": "Not Specified"},
)
_STATUSES: Final = (
    {"ID": 50, "Title": "Operational", "IsOperational": True},
    {"ID": 100, "Title": "Not Operational", "IsOperational": False},
    {"ID": 150, "Title": "Planned For Future Date", "IsOperational": False},
    {"ID": 0, "Title": "Unknown", "IsOperational": None},
)
_USAGES: Final = (
    {"ID": 1, "Title": "Public", "IsAccessKeyRequired": None, "IsMembershipRequired": None},
    {
        "ID": 4,
        "Title": "Public - Membership Required",
        "IsAccessKeyRequired": True,
        "IsMembershipRequired": True,
    },
    {
        "ID": 2,
        "Title": "Private - Restricted Access",
        "IsAccessKeyRequired": None,
        "IsMembershipRequired": None,
    },
    None,
)


def seeded(chance: Chance) -> dict[int, Json]:
    """Return points by id."""
    found: dict[int, Json] = {}
    for city, country, latitude, longitude, count in CITIES:
        for place in range(count):
            number = 10_000 + len(found) * 7
            found[number] = _one(chance, number, place, (city, country, latitude, longitude))
    return found


def _one(chance: Chance, number: int, place: int, city: tuple[str, str, float, float]) -> Json:
    name, country, latitude, longitude = city
    provider = PROVIDERS[2 if place % 8 == len(CITIES) else 1 if country == "US" else 0]
    status, usage = _STATUSES[place % 9 if place % 9 < len(_STATUSES) else 0], _USAGES[place % len(_USAGES)]
    plug = CONNECTIONS[place % len(CONNECTIONS)]
    connection = {
        "ID": number * 10,
        "ConnectionTypeID": plug["ID"],
        "ConnectionType": plug,
        "StatusTypeID": 50,
        "LevelID": 3 if plug["ID"] == CONNECTIONS[1]["ID"] else 2,
        "PowerKW": None if place % 5 == 0 else 150.0 if plug["ID"] == CONNECTIONS[1]["ID"] else 22.0,
        "Quantity": None if place % 6 == 0 else 1 + place % 3,
        "CurrentTypeID": 20,
    }
    return {
        "ID": number,
        "UUID": chance.hex(32).upper(),
        "DataProviderID": provider["ID"],
        "DataProvider": provider,
        "OperatorID": 45,
        "OperatorInfo": {"ID": 45, "Title": "Private Owner/Operator", "WebsiteURL": None},
        "UsageTypeID": None if usage is None else usage["ID"],
        "UsageType": usage,
        "UsageCost": "0.39 EUR/kWh" if place % 2 else None,
        "StatusTypeID": status["ID"],
        "StatusType": status,
        "AddressInfo": {
            "ID": number + 1,
            "Title": f"{name} charger {place + 1}",
            "AddressLine1": f"{place + 1} Harbour Street",
            "Town": name,
            "StateOrProvince": None,
            "Postcode": "00100",
            "Country": {"ISOCode": country, "Title": country},
            "Latitude": round(latitude + chance.between(-0.03, 0.03), 6),
            "Longitude": round(longitude + chance.between(-0.05, 0.05), 6),
            "ContactTelephone1": None,
            "RelatedURL": None,
            "Distance": None,
            "DistanceUnit": 0,
        },
        "Connections": [connection],
        "NumberOfPoints": connection["Quantity"],
        "GeneralComments": None,
        "IsRecentlyVerified": True,
        "DateLastVerified": "2026-08-01T12:00:00Z",
        "DateLastStatusUpdate": "2026-08-01T12:00:00Z",
        "DataQualityLevel": 3,
        "SubmissionStatusTypeID": 200,
    }
