"""`VehicleTelemetry` over Smartcar: its third interface, and the second for an application that has it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from nerava.integrations.smartcar.api import SmartcarApi, instant
from nerava.integrations.smartcar.events import SmartcarEvents
from nerava.integrations.smartcar.signals import BATCH_PATHS, signals_in, signals_of_batch
from nerava.integrations.smartcar.subscriptions import SmartcarSubscriptions
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater
from nerava.platform.live_secrets import live
from nerava.platform.provider_calls import SMARTCAR_DISCONNECT, SMARTCAR_GRANT, SMARTCAR_TOKEN
from nerava.vehicles.ports import GONE, RECONNECT, Exchanged, ProviderVehicle, TokenPair

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from nerava.platform.live_secrets import Given, LiveSecret
    from nerava.platform.outbound import Surroundings
    from nerava.vehicles.ports import Access, Signal

SCOPES: Final = "read_vehicle_info read_vin read_charge read_battery read_location"
"""`read_vin` is what tells one car that two people connect."""

_FORBIDDEN: Final = 403


@dataclass(frozen=True, slots=True)
class SmartcarAccess:
    """What Smartcar gave us.

    Attributes:
        webhook_tokens: The application's management token; two while one is being replaced.
        redirect_uri: Where the consent page sends people back, exactly as registered.
        base_url: Where all hosts of a simulator are; None means Smartcar's own.
        asks_live: Real cars; else those that Smartcar makes up.
        webhook_id: The webhook whose subscriptions are ours to keep; None where Smartcar tells of all cars.
        version: 3, or 2 where each person has tokens of their own.
    """

    client_id: str
    client_secret: Given = field(repr=False)
    redirect_uri: str
    webhook_tokens: Sequence[str] | LiveSecret = field(default=(), repr=False)
    base_url: str | None = None
    asks_live: bool = True
    webhook_id: str | None = None
    version: int = 3

    def host(self, name: str, own: str) -> str:
        """Return where a host of Smartcar's is."""
        return own if self.base_url is None else f"{self.base_url.rstrip('/')}/smartcar-{name}"


class _Common:
    """What both interfaces share."""

    name: Final = "smartcar"
    scopes: Final = SCOPES

    def __init__(
        self, access: SmartcarAccess, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        """Prepare the connections; nothing is sent before the first call."""
        self._access = access
        self._secret = live(access.client_secret)
        self._api = SmartcarApi(
            access.host("vehicle", "https://vehicle.api.smartcar.com"), now=now, surroundings=surroundings
        )
        self._opened = [self._api]
        self.events = SmartcarEvents(access.webhook_tokens)

    def close(self) -> None:
        """Close the connections."""
        for one in self._opened:
            one.close()

    def consent_url(self, state: str) -> str:
        """Return the address of Smartcar's consent page."""
        query = {
            "response_type": "code",
            "client_id": self._access.client_id,
            "redirect_uri": self._access.redirect_uri,
            "scope": SCOPES,
            "mode": "live" if self._access.asks_live else "simulated",
            "state": state,
        }
        host = self._access.host("connect", "https://connect.smartcar.com")
        return f"{host}/oauth/authorize?{urlencode(query)}"

    def _with_secret(self, fetch: Callable[[str], Outcome[TokenPair]]) -> Outcome[TokenPair]:
        """Fetch tokens with our secret; refused, once more with the one that has taken its place."""
        text = self._secret.reveal()
        fetched = fetch(text)
        newer = self._secret.newer_than(text) if isinstance(fetched, Misconfigured) else None
        return fetched if newer is None else fetch(newer)

    def disconnect(self, access: Access, external_id: str) -> Outcome[None]:
        """End a connection; one that is not there any more is ended."""
        path = f"/v3/connections/{quote(external_id, safe='')}"
        ended = self._api.ask(
            "DELETE", path, access.token, account=access.account, policy=SMARTCAR_DISCONNECT.call
        )
        if isinstance(ended, Ok) or (isinstance(ended, Refused) and ended.code in {GONE, RECONNECT}):
            return Ok(None)
        return ended


class Smartcar(_Common):
    """The third interface: one token for the whole application."""

    tokens_per_person: Final = False

    def __init__(
        self, access: SmartcarAccess, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        """Prepare the connections; nothing is sent before the first call."""
        super().__init__(access, now=now, surroundings=surroundings)
        host = access.host("iam", "https://iam.smartcar.com")
        self._iam = SmartcarApi(host, now=now, surroundings=surroundings)
        self._opened.append(self._iam)
        self.subscriptions: SmartcarSubscriptions | None = None
        if access.webhook_id is not None:
            management = SmartcarApi(
                access.host("mgmt", "https://management.api.smartcar.com"), now=now, surroundings=surroundings
            )
            self._opened.append(management)
            self.subscriptions = SmartcarSubscriptions(management, access.webhook_id)

    def exchange(self, code: str) -> Outcome[Exchanged]:  # noqa: ARG002 - the port's
        """Refuse: here a code stands for nothing."""
        return Refused("no-codes-here")

    def fetch_tokens(self, refresh: str | None) -> Outcome[TokenPair]:  # noqa: ARG002 - there is none
        """Return a token of the application."""
        form = {"grant_type": "client_credentials", "client_id": self._access.client_id}

        def fetch(secret: str) -> Outcome[TokenPair]:
            return self._iam.fetch_pair(
                "/oauth2/token", form | {"client_secret": secret}, SMARTCAR_TOKEN.call
            )

        return self._with_secret(fetch)

    def vehicles(self, access: Access) -> Outcome[list[ProviderVehicle]]:
        """Return the cars that a person connected."""
        query = [("userId", access.account)]
        listed = self._api.ask("GET", "/v3/connections", access.token, account=access.account, query=query)
        if not isinstance(listed, Ok):
            return listed
        found: list[ProviderVehicle] = []
        for row in _rows(listed.value, "connections"):
            facts = _facts(row)
            external_id = facts.get("vehicleId")
            if facts.get("userId") not in {None, access.account} or not isinstance(external_id, str):
                continue
            described = self._described(access, external_id, facts)
            if not isinstance(described, Ok):
                return described
            found.append(described.value)
        return Ok(found)

    def _described(
        self, access: Access, external_id: str, connection: Mapping[str, Any]
    ) -> Outcome[ProviderVehicle]:
        path = f"/v3/vehicles/{quote(external_id, safe='')}"
        read = self._api.ask("GET", path, access.token, account=access.account, vehicle=external_id)
        if not isinstance(read, Ok):
            return read
        inner = read.value.get("data")
        facts = _facts(inner if isinstance(inner, dict) else read.value)
        mode = connection.get("mode")
        is_live = str(mode).lower() == "live" if mode is not None else self._access.asks_live
        return Ok(
            vehicle_from(external_id, facts, is_live=is_live, connected_at=connection.get("connectedAt"))
        )

    def signals(self, access: Access, external_id: str) -> Outcome[list[Signal]]:
        """Return what a car says."""
        path = f"/v3/vehicles/{quote(external_id, safe='')}/signals"
        read = self._api.ask("GET", path, access.token, account=access.account, vehicle=external_id)
        if not isinstance(read, Ok):
            return read
        rows = read.value.get("data", read.value.get("signals"))
        return RetryLater("schema-drift") if not isinstance(rows, list) else Ok(signals_in(rows))


class SmartcarV2(_Common):
    """The second interface: each person has a pair of tokens, and the one for renewing is good once."""

    tokens_per_person: Final = True
    subscriptions: Final = None

    def __init__(
        self, access: SmartcarAccess, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        """Prepare the connections; nothing is sent before the first call."""
        super().__init__(access, now=now, surroundings=surroundings)
        self._v2 = SmartcarApi(
            access.host("v2", "https://api.smartcar.com"), now=now, surroundings=surroundings
        )
        auth = access.host("v2", "https://auth.smartcar.com")
        self._auth = SmartcarApi(auth, now=now, surroundings=surroundings)
        self._opened += [self._v2, self._auth]

    def exchange(self, code: str) -> Outcome[Exchanged]:
        """Give the code away, once, and learn whose it is."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._access.redirect_uri,
        }
        pair = self._pair(form)
        if not isinstance(pair, Ok):
            return pair
        user = self._v2.ask("GET", "/v2.0/user", pair.value.access)
        if not isinstance(user, Ok):
            return user
        account = user.value.get("id")
        return Ok(Exchanged(account, pair.value)) if isinstance(account, str) else RetryLater("schema-drift")

    def fetch_tokens(self, refresh: str | None) -> Outcome[TokenPair]:
        """Return the next pair. The old one for renewing works for a minute more."""
        return self._pair({"grant_type": "refresh_token", "refresh_token": refresh or ""})

    def _pair(self, form: Mapping[str, str]) -> Outcome[TokenPair]:
        def fetch(secret: str) -> Outcome[TokenPair]:
            name = f"{self._access.client_id}:{secret}".encode()
            headers = {"authorization": f"Basic {base64.b64encode(name).decode()}"}
            return self._auth.fetch_pair("/oauth/token", form, SMARTCAR_GRANT.call, headers=headers)

        return self._with_secret(fetch)

    def vehicles(self, access: Access) -> Outcome[list[ProviderVehicle]]:
        """Return the cars of a person."""
        listed = self._v2.ask("GET", "/v2.0/vehicles", access.token)
        if not isinstance(listed, Ok):
            return listed
        found: list[ProviderVehicle] = []
        ids = listed.value.get("vehicles")
        for external_id in ids if isinstance(ids, list) else []:
            path = f"/v2.0/vehicles/{quote(str(external_id), safe='')}"
            described = self._v2.ask("GET", path, access.token, vehicle=str(external_id))
            if not isinstance(described, Ok):
                return described
            number = self._v2.ask("GET", f"{path}/vin", access.token, vehicle=str(external_id))
            facts = described.value | (number.value if isinstance(number, Ok) else {})
            found.append(vehicle_from(str(external_id), facts, is_live=self._access.asks_live))
        return Ok(found)

    def signals(self, access: Access, external_id: str) -> Outcome[list[Signal]]:
        """Return what a car says, by one batch; what one path refuses leaves the others as they are."""
        path = f"/v2.0/vehicles/{quote(external_id, safe='')}/batch"
        body = json.dumps({"requests": [{"path": one} for one in BATCH_PATHS]}).encode()
        read = self._v2.ask("POST", path, access.token, vehicle=external_id, body=body)
        if not isinstance(read, Ok):
            return read
        responses = read.value.get("responses")
        if not isinstance(responses, list):
            return RetryLater("schema-drift")
        found, statuses = signals_of_batch([one for one in responses if isinstance(one, dict)])
        return Refused(RECONNECT) if statuses == {_FORBIDDEN} else Ok(found)


def vehicle_from(
    external_id: str, facts: Mapping[str, Any], *, is_live: bool, connected_at: object = None
) -> ProviderVehicle:
    """Return a car as its facts describe it; a year may be text, a number may be no number."""
    year, vin = facts.get("year"), facts.get("vin")
    digits = str(year) if isinstance(year, int | str) and not isinstance(year, bool) else ""
    return ProviderVehicle(
        external_id=external_id,
        make=str(facts.get("make") or ""),
        model=str(facts.get("model") or ""),
        year=int(digits) if digits.isascii() and digits.isdecimal() and len(digits) == 4 else None,  # noqa: PLR2004 - digits
        vin=vin if isinstance(vin, str) and vin.strip() else None,
        is_live=is_live,
        connected_at=instant(connected_at),
    )


def _rows(read: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = read.get("data", read.get(name))
    return [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []


def _facts(row: Mapping[str, Any]) -> Mapping[str, Any]:
    facts = row.get("attributes")
    return facts if isinstance(facts, dict) else row
