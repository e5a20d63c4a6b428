"""Cars: what they do as time goes by, and what their makers know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nerava.simulators.smartcar.state import Car
    from nerava.simulators.wire import Json

STEP_S: Final = 300
FULL: Final = 100.0
NAMES: Final = {
    "charge-ischarging": ("IsCharging", "Charge"),
    "charge-ischargingcableconnected": ("IsChargingCableConnected", "Charge"),
    "charge-detailedchargingstatus": ("DetailedChargingStatus", "Charge"),
    "charge-energyadded": ("EnergyAdded", "Charge"),
    "charge-wattage": ("Wattage", "Charge"),
    "tractionbattery-stateofcharge": ("StateOfCharge", "TractionBattery"),
    "tractionbattery-nominalcapacity": ("NominalCapacity", "TractionBattery"),
    "location-preciselocation": ("PreciseLocation", "Location"),
    "odometer-traveleddistance": ("TraveledDistance", "Odometer"),
}
_STATUS: Final = {"charging": "CHARGING", "full": "FULLY_CHARGED", "plugged": "NOT_CHARGING"}


def power_at(car: Car) -> float:
    """Return the watts that flow now: all of it up to half a battery, less and less towards a full one."""
    if car.phase != "charging":
        return 0
    half, tail = 50.0, 0.1
    share = 1.0 if car.level <= half else max(tail, 1 - (car.level - half) / (FULL - half))
    return car.power_w * share


def step(car: Car, seconds: int) -> None:
    """Let a car charge for some seconds."""
    flowed_wh = power_at(car) * seconds / 3_600
    room_wh = (FULL - car.level) / 100 * car.battery_wh
    taken_wh = min(flowed_wh, room_wh)
    car.counted_wh += taken_wh
    car.level = min(FULL, car.level + taken_wh / car.battery_wh * 100)
    if car.level >= FULL - 1e-9 and car.phase == "charging":
        car.phase = "full"


def truth(car: Car) -> dict[str, Json]:
    """Return what a car would say now, by code."""
    return {
        "charge-ischarging": {"value": car.phase == "charging"},
        "charge-ischargingcableconnected": {"value": car.phase in {"plugged", "charging", "full"}},
        "charge-detailedchargingstatus": {"value": _STATUS.get(car.phase, "NOT_CHARGING")},
        "charge-energyadded": {"value": round(car.counted_wh / 1_000, 3), "unit": "kWh"},
        "charge-wattage": {"value": round(power_at(car)), "unit": "watts"},
        "tractionbattery-stateofcharge": {"value": round(car.level, 1), "unit": "percent"},
        "tractionbattery-nominalcapacity": {
            "capacity": car.battery_wh / 1_000,
            "source": "SMARTCAR",
            "availableCapacities": [{"capacity": car.battery_wh / 1_000, "description": None}],
            "unit": "kWh",
        },
        "location-preciselocation": {
            "latitude": car.latitude,
            "longitude": car.longitude,
            "heading": 90,
            "locationType": "CURRENT",
        },
        "odometer-traveleddistance": {"value": round(car.odometer_km, 1), "unit": "km"},
    }


def tell_maker(car: Car, now_s: int) -> list[str]:
    """Let a car tell its maker how it is, unless it sleeps; return the codes that changed."""
    if car.asleep:
        return []
    changed: list[str] = []
    for code, body in truth(car).items():
        known = car.told.get(code)
        if known is None or known["body"] != body:
            changed.append(code)
        car.told[code] = {"body": body, "at_ms": (now_s - car.lag_s) * 1_000, "status": {"value": "SUCCESS"}}
    return changed


def signal_of(code: str, told: Json, now_s: int) -> Json:
    """Return a signal as webhooks have it; one with an error has no body."""
    name, group = NAMES.get(code, (code, code))
    shown: Json = {"code": code, "name": name, "group": group}
    if told.get("status") is not None:
        shown["status"] = told["status"]
    if told.get("body") is not None:
        shown["body"] = told["body"]
    meta = {"retrievedAt": now_s * 1_000}
    if told.get("at_ms") is not None:
        meta["oemUpdatedAt"] = told["at_ms"]
    return shown | {"meta": meta}
