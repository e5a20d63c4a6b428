"""The simulated Alternative Fuel Stations API as a provider: whose key it is, and where a call goes."""

from __future__ import annotations

import base64
import binascii
import copy
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from nerava.simulators.chance import Chance
from nerava.simulators.keyless import Keyless
from nerava.simulators.nlr import asking, forms
from nerava.simulators.nlr.problems import NlrProblem, by_status, told
from nerava.simulators.nlr.state import NlrState
from nerava.simulators.nlr.station import NETWORKS, ports_of, seeded
from nerava.simulators.wire import Answer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.simulators.timeline import Timeline
    from nerava.simulators.wire import Call, Json

NAME: Final = "nlr"
ROOT: Final = "/api/alt-fuel-stations"
DEMO_KEY: Final = "DEMO_KEY"
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
DEMO_AN_HOUR: Final = 30
DEMO_A_DAY: Final = 50


class NlrEngine(Keyless):
    """A `Provider` that answers like developer.nlr.gov."""

    name = NAME
    answer_limit_s = 10
    retry_gaps_s: tuple[int, ...] = ()

    def __init__(self, timeline: Timeline, chance: Chance) -> None:
        self.timeline = timeline
        self._chance = chance
        self.state = NlrState("")

    def fresh(self) -> None:
        """Forget everything; key and stations are drawn from the seed, not from anybody else's chance."""
        chance = Chance(self._chance.seed)
        self.state = NlrState(chance.text(40), seeded(chance), last_updated=self.timeline.now() - DAY)

    def answer(self, call: Call) -> Answer:
        """Answer a call of the API."""
        form = _form_of(call.path)
        try:
            if self.state.is_retired:
                raise by_status(410)
            remaining = self._let_in(call)
            answer = self._carried_out(call, form)
        except NlrProblem as problem:
            return told(problem, form)
        limits = {"x-ratelimit-limit": str(self._limit_of(call)), "x-ratelimit-remaining": str(remaining)}
        return Answer(answer.status, answer.body, {**answer.headers, **limits})

    def _limit_of(self, call: Call) -> int:
        return DEMO_AN_HOUR if _key_of(call) == DEMO_KEY else self.state.hourly_limit

    def _let_in(self, call: Call) -> int:
        """Count a call and return how many more its key may make now."""
        state, now, key = self.state, self.timeline.now(), _key_of(call)
        if not key:
            raise by_status(403, "API_KEY_MISSING")
        if key not in {state.key, DEMO_KEY} or key in state.keys:
            raise by_status(403, state.keys.get(key, "API_KEY_INVALID"))
        if state.blocked_until.get(key, now) > now:
            raise by_status(429)
        is_demo = key == DEMO_KEY
        asked = [at for at in state.asked.get(key, []) if at > now - (DAY if is_demo else HOUR)]
        in_the_hour = sum(at > now - HOUR for at in asked)
        limit = self._limit_of(call)
        if in_the_hour >= limit or (is_demo and len(asked) >= DEMO_A_DAY):
            state.blocked_until[key] = now + HOUR
            raise by_status(429)
        state.asked[key] = [*asked, now]
        return limit - in_the_hour - 1

    def _carried_out(self, call: Call, form: str) -> Answer:
        path = call.path.removeprefix(ROOT).rpartition(".")[0]
        given = dict(parse_qsl(call.query))
        if call.method == "POST":
            if path != "/v1/nearby-route":
                raise by_status(404)
            given |= dict(parse_qsl(call.body.decode(errors="replace")))
        elif call.method != "GET":
            raise by_status(404)
        if not call.path.startswith(ROOT) or not form:
            raise by_status(404)
        if match := re.fullmatch(r"/v1/(\d{1,9})", path):
            return self._one(form, int(match[1]))
        known: dict[str, Callable[[str, asking.Asked], Answer]] = {
            "/v1": self._all,
            "/v1/nearest": self._nearest,
            "/v1/nearby-route": self._along,
            "/v1/last-updated": self._last_updated,
            "/v1/electric-networks": self._networks,
            "/v1/ev-charging-units": self._units,
        }
        if path not in known:
            raise by_status(404)
        return known[path](form, asking.Asked(given))

    def _one(self, form: str, wanted: int) -> Answer:
        if wanted not in self.state.stations:
            raise by_status(404)
        return forms.single(form, self.state.stations[wanted])

    def _matching(self, asked: asking.Asked) -> list[Json]:
        fits = asking.filters(asked)
        known = list(self.state.stations.values())
        if asked.given.get("include_inactive") == "true":
            known += self.state.gone.values()
        return [one for one in known if fits(one)]

    def _all(self, form: str, asked: asking.Asked) -> Answer:
        limit, found = asked.limit(None), self._matching(asked)
        return forms.listed(form, forms.envelope(found), found[:limit], compact=_is_compact(asked))

    def _nearest(self, form: str, asked: asking.Asked) -> Answer:
        latitude, longitude = asked.number("latitude", -90, 90), asked.number("longitude", -180, 180)
        everywhere = asked.given.get("radius") == "infinite"
        miles = asking.RADIUS_MAX * 100 if everywhere else asked.number("radius", 0, asking.RADIUS_MAX, 5.0)
        limit, offset = asked.limit(20, takes_all=not everywhere), asked.offset()
        if offset and self.state.vanishing is not None:
            self.close(self.state.vanishing)
            self.state.vanishing = None
        within = miles * asking.MILES_IN_KM
        found = [(asking.km_between(latitude, longitude, one), one) for one in self._matching(asked)]
        near = sorted(
            ((km, one) for km, one in found if km <= within), key=lambda pair: (pair[0], pair[1]["id"])
        )
        head = forms.envelope([one for _, one in near]) | {
            "latitude": latitude,
            "longitude": longitude,
            "location_country": None,
            "precision": None,
            "offset": offset,
        }
        page = near[offset : None if limit is None else offset + limit]
        shown = [asking.at_distance(one, km) for km, one in page]
        return forms.listed(form, head, shown, compact=_is_compact(asked))

    def _along(self, form: str, asked: asking.Asked) -> Answer:
        line, miles = asking.line_of(asked.given.get("route", "")), asked.number("distance", 0, 100, 5.0)
        limit, offset = asked.limit(None), asked.offset()
        found = [(asking.km_to_line(line, one), one) for one in self._matching(asked)]
        near = [(km, one) for km, one in found if km <= miles * asking.MILES_IN_KM]
        page = near[offset : None if limit is None else offset + limit]
        head = forms.envelope([one for _, one in near])
        if asked.given.get("return_type") == "ids":
            return as_json({**head, "fuel_stations": [{"id": one["id"]} for _, one in page]}, indent=None)
        return forms.listed(form, head, [asking.at_distance(one, km) for km, one in page])

    def _last_updated(self, form: str, asked: asking.Asked) -> Answer:  # noqa: ARG002 - one form, no parameters
        at = self.state.last_updated
        return as_json({"last_updated": at and at.strftime("%Y-%m-%dT%H:%M:%SZ")}, indent=None)

    def _networks(self, form: str, asked: asking.Asked) -> Answer:  # noqa: ARG002 - one form, no parameters
        every: list[Json] = [{"key": "all", "name": "All", "name_fr": "Tous"}]
        for key, web in NETWORKS:
            kept = dict.fromkeys(
                (
                    "date_removed",
                    "real_time_status_api",
                    "transition_network_key",
                    "transition_note",
                    "transition_timeframe",
                )
            )
            named = {"key": key, "evchart_key": re.sub(r"\W+", "_", key.lower()), "name": key, "name_fr": key}
            dates = {"last_import_date": "2026-09-30", "date_added": "2020-07-06", "import_type": "API"}
            every.append({**named, "url": web, **dates, **kept})
        return as_json(every, indent=None)

    def _units(self, form: str, asked: asking.Asked) -> Answer:
        if form != "csv":
            raise by_status(404)
        return forms.units(self._matching(asked)[: asked.limit(None)])

    def fail(self, call: Call, status: int, code: str | None) -> Answer:
        """Answer with an error of this status in the API's own words."""
        return told(by_status(status, code), _form_of(call.path))

    def due(self, action: str, subject: str) -> None:
        """Let a station change as was planned."""
        match action:
            case "break":
                self.change(int(subject), {"status_code": "T"})
            case "close":
                self.close(int(subject))
            case _:
                message = f"nothing is called {action}"
                raise AssertionError(message)

    def change(self, station: int, fields: Json) -> None:
        """Change fields of a station; one that goes down says since when in the field for its opening."""
        if fields.get("status_code") == "T" and "expected_date" not in fields:
            fields = {**fields, "expected_date": self.timeline.now().date().isoformat()}
        now = self.timeline.now()
        self.state.stations[station] |= {**fields, "updated_at": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        self.touch()

    def close(self, station: int) -> None:
        """Tell of a station no longer; repeats safely."""
        found = self.state.stations.pop(station, None)
        if found is not None:
            self.state.gone[station] = found
            self.touch()

    def touch(self) -> None:
        """Say that something changed now, unless the date stands still."""
        if not self.state.stands_still:
            self.state.last_updated = self.timeline.now()

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - tells nobody
        """Prove nothing: this provider tells nobody anything."""
        return {}

    def believes(self) -> Json:
        """Return how many stations there are and in what state; no keys."""
        state = self.state
        electric = [one for one in state.stations.values() if one["fuel_type_code"] == "ELEC"]
        return copy.deepcopy(
            {
                "stations": {str(one["id"]): one["status_code"] for one in electric},
                "gone": sorted(state.gone),
                "ports": sum(map(ports_of, electric)),
                "last_updated": state.last_updated and state.last_updated.isoformat(),
                "is_retired": state.is_retired,
            }
        )


def _is_compact(asked: asking.Asked) -> bool:
    return asked.given.get("response_format") == "compact"


def _form_of(path: str) -> str:
    form = path.rpartition(".")[2]
    return form if form in {"json", "csv", "geojson"} else ""


def _key_of(call: Call) -> str:
    if "x-api-key" in call.headers:
        return call.headers["x-api-key"]
    asked = dict(parse_qsl(call.query))
    if "api_key" in asked:
        return asked["api_key"]
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
