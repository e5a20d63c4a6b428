"""The simulated Open Charge Map as a provider: points around a place, in a box, of a country."""

from __future__ import annotations

import copy
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from nerava.simulators.chance import Chance
from nerava.simulators.keyless import Silent
from nerava.simulators.ocm.points import seeded
from nerava.simulators.wire import Answer, ProviderSaysNo, as_json

if TYPE_CHECKING:
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.wire import Call, Json

NAME: Final = "ocm"
RESULTS: Final = 100
RESULTS_MAX: Final = 5_000
EARTH_KM: Final = 6_371.0
MILES_IN_KM: Final = 1.609344
_NUMBER: Final = r"-?\d+(?:\.\d+)?"
_BOX: Final = rf"\(({_NUMBER}),({_NUMBER})\),\(({_NUMBER}),({_NUMBER})\)"
_SHORT: Final = ("DataProvider", "OperatorInfo", "UsageType", "StatusType")


@dataclass(slots=True)
class OcmState:
    """Points by id, in the wire format, and our key."""

    key: str
    points: dict[int, Json] = field(default_factory=dict)


@dataclass
class OcmProblem(ProviderSaysNo):
    """An error; it comes as plain text."""

    status: int
    message: str

    @property
    def reason(self) -> str:
        """What it says to people."""
        return self.message


class OcmEngine(Silent):
    """A `Provider` that answers like api.openchargemap.io."""

    name = NAME

    def __init__(self, timeline: Timeline, chance: Chance) -> None:
        self.timeline = timeline
        self._chance = chance
        self.state = OcmState("")

    def fresh(self) -> None:
        """Forget everything; key and points are drawn from the seed, not from anybody else's chance."""
        chance = Chance(self._chance.seed)
        self.state = OcmState(chance.hex(32), seeded(chance))

    def answer(self, call: Call) -> Answer:
        """Answer a call of the API."""
        try:
            return as_json(self._found(self._let_in(call)), indent=None)
        except OcmProblem as problem:
            return _told(problem)

    def _let_in(self, call: Call) -> dict[str, str]:
        given = {name.lower(): value for name, value in parse_qsl(call.query)}
        if call.headers.get("x-api-key", given.get("key")) != self.state.key:
            raise OcmProblem(
                403, "You must specify an API key, either in an X-API-Key header or key parameter."
            )
        if call.method != "GET" or call.path.rstrip("/") != "/v3/poi":
            raise OcmProblem(404, "Not found")
        return given

    def _found(self, given: dict[str, str]) -> list[Json]:
        points = [one for one in self.state.points.values() if _fits(one, given)]
        if "latitude" in given and "longitude" in given:
            points = _by_distance(points, given)
        elif given.get("sortby") == "id_asc":
            points.sort(key=lambda one: int(one["ID"]))
        else:
            points.sort(key=lambda one: -int(one["ID"]))
        try:
            count = min(int(given.get("maxresults", RESULTS)), RESULTS_MAX)
        except ValueError:
            raise OcmProblem(400, "maxresults is no number") from None
        return [_shown(one, given) for one in points[:count]]

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status."""
        return _told(OcmProblem(status, code or "An error occurred"))

    def believes(self) -> Json:
        """Return how many points there are, by licence."""
        licences = [one["DataProvider"]["License"] for one in self.state.points.values()]
        return {"points": {licence: licences.count(licence) for licence in sorted(set(licences))}}


def _fits(point: Json, given: dict[str, str]) -> bool:
    where = point["AddressInfo"]
    if given.get("opendata") == "true" and not point["DataProvider"]["IsOpenDataLicensed"]:
        return False
    countries = {one for one in given.get("countrycode", "").upper().split(",") if one}
    if countries and where["Country"]["ISOCode"] not in countries:
        return False
    if "modifiedsince" in given and point["DateLastStatusUpdate"] < given["modifiedsince"]:
        return False
    if int(given.get("greaterthanid", 0)) >= point["ID"]:
        return False
    if "boundingbox" not in given:
        return True
    box = re.fullmatch(_BOX, given["boundingbox"])
    if box is None:
        raise OcmProblem(400, "boundingbox must be (lat,lng),(lat2,lng2)")
    one, left, other, right = map(float, box.groups())
    return bool(
        min(one, other) <= where["Latitude"] <= max(one, other)
        and min(left, right) <= where["Longitude"] <= max(left, right)
    )


def _by_distance(points: list[Json], given: dict[str, str]) -> list[Json]:
    # The unit is miles unless the caller says KM.
    unit = 1.0 if given.get("distanceunit", "Miles").upper() == "KM" else MILES_IN_KM
    latitude, longitude = float(given["latitude"]), float(given["longitude"])
    near = sorted(((_km(latitude, longitude, one) / unit, one) for one in points), key=lambda pair: pair[0])
    most = float(given.get("distance", math.inf))
    return [
        {**one, "AddressInfo": {**one["AddressInfo"], "Distance": far, "DistanceUnit": 1 if unit == 1 else 2}}
        for far, one in near
        if far <= most
    ]


def _km(latitude: float, longitude: float, point: Json) -> float:
    there: dict[str, Any] = point["AddressInfo"]
    south, north = math.radians(latitude), math.radians(there["Latitude"])
    across = math.radians(there["Longitude"] - longitude)
    chord = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin(across / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(chord)))


def _shown(point: Json, given: dict[str, str]) -> Json:
    shown = copy.deepcopy(point)
    if given.get("compact") == "true":
        for name in _SHORT:
            shown[name] = None
    return shown


def _told(problem: OcmProblem) -> Answer:
    return Answer(problem.status, problem.message.encode(), {"content-type": "text/plain; charset=utf-8"})
