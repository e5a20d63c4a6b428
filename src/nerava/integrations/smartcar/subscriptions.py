"""`VehicleSubscriptions` over Smartcar's management interface: which cars one webhook hears of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from nerava.kernel.outcomes import Ok, Outcome, Refused, RetryLater
from nerava.platform.provider_calls import SMARTCAR_SUBSCRIPTIONS
from nerava.vehicles.ports import GONE

if TYPE_CHECKING:
    from nerava.integrations.smartcar.api import SmartcarApi
    from nerava.vehicles.ports import Access


class SmartcarSubscriptions:
    """The subscriptions of one webhook. Safe to share between threads; every call repeats safely."""

    name: Final = "smartcar"

    def __init__(self, api: SmartcarApi, webhook_id: str) -> None:
        """Keep the list of one webhook."""
        self._api = api
        self._path = f"/v3/webhooks/{quote(webhook_id, safe='')}/subscriptions"

    def subscriptions(self, access: Access) -> Outcome[frozenset[str]]:
        """Return the cars that the webhook hears of."""
        read = self._api.ask("GET", self._path, access.token, policy=SMARTCAR_SUBSCRIPTIONS.call)
        if not isinstance(read, Ok):
            return read
        rows = read.value.get("data")
        if not isinstance(rows, list):
            return RetryLater("schema-drift")
        facts = [one.get("attributes", one) for one in rows if isinstance(one, dict)]
        named = [one.get("vehicleId") for one in facts if isinstance(one, dict)]
        return Ok(frozenset(one for one in named if isinstance(one, str)))

    def subscribe(self, access: Access, external_id: str) -> Outcome[None]:
        """Have the webhook hear of a car. One that is not connected any more is left to the next look."""
        return self._change("POST", access, external_id)

    def unsubscribe(self, access: Access, external_id: str) -> Outcome[None]:
        """Have the webhook hear of a car no more."""
        return self._change("DELETE", access, external_id)

    def _change(self, method: str, access: Access, external_id: str) -> Outcome[None]:
        body = json.dumps({"vehicleId": external_id}).encode()
        done = self._api.ask(method, self._path, access.token, body=body, policy=SMARTCAR_SUBSCRIPTIONS.call)
        if isinstance(done, Ok) or (isinstance(done, Refused) and done.code == GONE):
            return Ok(None)
        return done
