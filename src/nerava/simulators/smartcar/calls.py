"""The calls of both interfaces: tokens, connections, cars, signals, batches."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from nerava.simulators.smartcar.cars import signal_of
from nerava.simulators.smartcar.problems import OAuthProblem, problem
from nerava.simulators.wire import parsed

if TYPE_CHECKING:
    from nerava.simulators.smartcar.core import SmartcarCore
    from nerava.simulators.wire import Call, Json

APP_LIFE_S: Final = 3_600
ACCESS_LIFE_S: Final = 7_200
GRACE_S: Final = 60
BUCKET: Final = 120.0
A_SECOND: Final = 2 / 60


def form_of(call: Call) -> dict[str, str]:
    """Return the fields of a form."""
    return {name: values[0] for name, values in parse_qs(call.body.decode()).items()}


def application_token(smartcar: SmartcarCore, call: Call) -> Json:
    """Answer `POST /oauth2/token` of iam."""
    form, state = form_of(call), smartcar.state
    if form.get("grant_type") != "client_credentials":
        raise OAuthProblem("invalid_request", 400)
    if (form.get("client_id"), form.get("client_secret")) != (state.client, state.secret):
        raise OAuthProblem("invalid_client", 401)
    token = smartcar.new_id()
    state.tokens[token] = smartcar.timeline.now_s() + APP_LIFE_S
    return {"access_token": token, "token_type": "Bearer", "expires_in": APP_LIFE_S}


def person_token(smartcar: SmartcarCore, call: Call) -> Json:
    """Answer `POST /oauth/token` of auth: a code or a refresh token for a pair."""
    form, state, now_s = form_of(call), smartcar.state, smartcar.timeline.now_s()
    given = base64.b64encode(f"{state.client}:{state.secret}".encode()).decode()
    if call.headers.get("authorization") != f"Basic {given}":
        raise OAuthProblem("invalid_client", 401)
    if form.get("grant_type") == "authorization_code":
        code = state.codes.pop(form.get("code", ""), None)
        if code is None or code["expires_s"] < now_s or form.get("redirect_uri") != state.redirect_uri:
            raise OAuthProblem("invalid_grant", 400)
        return new_pair(smartcar, code["user"])
    found = state.refresh.get(form.get("refresh_token", ""))
    if found is None or (found["dies_s"] and found["dies_s"] < now_s):
        raise OAuthProblem("invalid_grant", 400)
    found["dies_s"] = found["dies_s"] or now_s + GRACE_S
    state.renewals += 1
    return new_pair(smartcar, found["user"])


def new_pair(smartcar: SmartcarCore, user: str) -> Json:
    """Return a new pair of tokens of a person."""
    access, refresh = smartcar.new_id(), smartcar.new_id()
    smartcar.state.access[access] = {"user": user, "expires_s": smartcar.timeline.now_s() + ACCESS_LIFE_S}
    smartcar.state.refresh[refresh] = {"user": user, "dies_s": 0}
    return {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFE_S,
        "refresh_token": refresh,
    }


def third(smartcar: SmartcarCore, call: Call) -> Json:
    """Answer a call of the third interface."""
    user = call.headers.get("sc-user-id", "")
    token = call.headers.get("authorization", "").removeprefix("Bearer ")
    if smartcar.state.tokens.get(token, 0) <= smartcar.timeline.now_s():
        raise problem("AUTHENTICATION")
    _count(smartcar)
    match call.path.removeprefix("/v3").strip("/").split("/"):
        case ["connections"] if call.method == "GET":
            mine = (one for one in smartcar.state.connections.items() if one[1]["user"] == user)
            return {"data": [_connection(vehicle, one) for vehicle, one in mine]}
        case ["connections", vehicle] if call.method == "DELETE":
            found_connection(smartcar, vehicle, user)
            del smartcar.state.connections[vehicle]
            return {}
        case ["connections", vehicle]:
            return {"data": _connection(vehicle, found_connection(smartcar, vehicle, user))}
        case ["vehicles", vehicle]:
            found = _readable(smartcar, vehicle, user)
            return {"data": {"id": vehicle, "type": "vehicle", "attributes": _described(smartcar, found)}}
        case ["vehicles", vehicle, "signals"]:
            return {"data": [_rest(one) for one in _signals(smartcar, _readable(smartcar, vehicle, user))]}
        case ["vehicles", vehicle, "signals", code]:
            every = _signals(smartcar, _readable(smartcar, vehicle, user))
            chosen = next((one for one in every if one["code"] == code), None)
            if chosen is None:
                raise problem("COMPATIBILITY", "VEHICLE_NOT_CAPABLE")
            return {"data": _rest(chosen)}
        case _:
            raise problem("RESOURCE_NOT_FOUND", "PATH")


def second(smartcar: SmartcarCore, call: Call) -> Json:
    """Answer a call of the second interface."""
    token = call.headers.get("authorization", "").removeprefix("Bearer ")
    found = smartcar.state.access.get(token)
    if found is None or found["expires_s"] <= smartcar.timeline.now_s():
        raise problem("AUTHENTICATION")
    _count(smartcar)
    user: str = found["user"]
    match call.path.removeprefix("/v2.0").strip("/").split("/"):
        case ["user"]:
            return {"id": user}
        case ["vehicles"]:
            ids = [name for name, one in smartcar.state.connections.items() if one["user"] == user]
            return {"vehicles": ids, "paging": {"count": len(ids), "offset": 0}}
        case ["vehicles", vehicle]:
            facts = _described(smartcar, _readable(smartcar, vehicle, user))
            return {"id": vehicle, **{name: facts[name] for name in ("make", "model", "year")}}
        case ["vehicles", vehicle, "vin"]:
            return {"vin": _readable(smartcar, vehicle, user)["vin"]}
        case ["vehicles", vehicle, "batch"]:
            connection = _readable(smartcar, vehicle, user)
            asked = parsed(call.body).get("requests", [])
            return {"responses": [_one_path(smartcar, connection, str(one["path"])) for one in asked]}
        case _:
            raise problem("RESOURCE_NOT_FOUND", "PATH")


def subscriptions(smartcar: SmartcarCore, call: Call) -> Json:
    """Answer a call of the management interface: which cars a webhook hears of."""
    if call.headers.get("authorization", "").removeprefix("Bearer ") not in smartcar.state.tokens:
        raise problem("AUTHENTICATION")
    parts = call.path.removeprefix("/v3").strip("/").split("/")
    if len(parts) != 3 or (parts[0], parts[2]) != ("webhooks", "subscriptions"):  # noqa: PLR2004 - the path
        raise problem("RESOURCE_NOT_FOUND", "PATH")
    known = smartcar.state.subscriptions.setdefault(parts[1], [])
    vehicle = str(parsed(call.body).get("vehicleId") or "")
    if call.method == "POST" and vehicle not in known:
        known.append(vehicle)
    elif call.method == "DELETE" and vehicle in known:
        known.remove(vehicle)
    return {"data": [{"type": "subscription", "attributes": {"vehicleId": one}} for one in known]}


def found_connection(smartcar: SmartcarCore, vehicle: str, user: str) -> Json:
    """Return a connection of a person."""
    found = smartcar.state.connections.get(vehicle)
    if found is None or found["user"] != user:
        raise problem("RESOURCE_NOT_FOUND", "DEFAULT")
    return found


def _readable(smartcar: SmartcarCore, vehicle: str, user: str) -> Json:
    connection = found_connection(smartcar, vehicle, user)
    rest_s = smartcar.state.rests.get(vehicle, 0) - smartcar.timeline.now_s()
    if rest_s > 0:
        raise problem("RATE_LIMIT", "VEHICLE", retry_after_s=rest_s)
    if (trouble := connection["trouble"]) is not None:
        raise problem(trouble["type"], trouble["code"])
    return connection


def _count(smartcar: SmartcarCore) -> None:
    left, since_s = smartcar.state.bucket
    now_s = smartcar.timeline.now_s()
    left = min(BUCKET, left + (now_s - since_s) * A_SECOND)
    smartcar.state.bucket = (left - 1 if left >= 1 else left, now_s)
    if left < 1:
        raise problem("RATE_LIMIT", "SMARTCAR_API", retry_after_s=30)


def _connection(vehicle: str, connection: Json) -> Json:
    facts = {
        "vehicleId": vehicle,
        "userId": connection["user"],
        "connectedAt": connection["connected_ms"],
        "mode": connection["mode"],
    }
    return {"id": vehicle, "type": "connection", "attributes": facts}


def _described(smartcar: SmartcarCore, connection: Json) -> Json:
    car = smartcar.car(connection["vin"])
    return {"make": car.make, "model": car.model, "year": car.year, "vin": car.vin}


def _signals(smartcar: SmartcarCore, connection: Json) -> list[Json]:
    car, now_s = smartcar.car(connection["vin"]), smartcar.timeline.now_s()
    return [signal_of(code, told, now_s) for code, told in car.told.items()]


def _rest(signal: Json) -> Json:
    facts = {name: value for name, value in signal.items() if name != "meta"}
    return {"id": signal["code"], "type": "signal", "attributes": facts, "meta": signal["meta"]}


_OF_PATH: Final = {
    "/charge": "charge-ischarging",
    "/battery": "tractionbattery-stateofcharge",
    "/battery/nominal_capacity": "tractionbattery-nominalcapacity",
    "/location": "location-preciselocation",
    "/odometer": "odometer-traveleddistance",
}


def _one_path(smartcar: SmartcarCore, connection: Json, path: str) -> Json:
    car, refused = smartcar.car(connection["vin"]), connection.get("refused_paths", ())
    told = car.told.get(_OF_PATH.get(path, ""))
    if path in refused or told is None:
        no = problem("PERMISSION")
        return {"path": path, "code": no.status, "body": no.as_document()}
    at = smartcar.timeline.now().fromtimestamp(told["at_ms"] / 1_000, smartcar.timeline.now().tzinfo)
    headers = {"sc-data-age": at.isoformat(), "sc-unit-system": "metric"}
    return {"path": path, "code": 200, "body": _body_of(path, car.told), "headers": headers}


def _body_of(path: str, told: Json) -> Any:  # noqa: ANN401 - whatever JSON it is
    match path:
        case "/charge":
            status = told["charge-detailedchargingstatus"]["body"]["value"]
            return {"state": status, "isPluggedIn": told["charge-ischargingcableconnected"]["body"]["value"]}
        case "/battery":
            percent = told["tractionbattery-stateofcharge"]["body"]["value"]
            return {"percentRemaining": round(percent / 100, 4), "range": percent * 4}
        case "/battery/nominal_capacity":
            return {
                "capacity": {"nominal": told["tractionbattery-nominalcapacity"]["body"]["capacity"]},
                "availableCapacities": [],
                "url": None,
            }
        case "/location":
            place = told["location-preciselocation"]["body"]
            return {"latitude": place["latitude"], "longitude": place["longitude"]}
        case _:
            return {"distance": told["odometer-traveleddistance"]["body"]["value"]}
