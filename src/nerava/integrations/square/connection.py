"""`PointOfSale` over Square's API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlencode

from nerava.integrations.square.api import BASE_URL, SANDBOX_URL, SquareApi
from nerava.integrations.square.events import SquareEvents
from nerava.integrations.square.reading import payment_in, place_in, refund_in, sale_in, tokens_in
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.live_secrets import live
from nerava.platform.provider_calls import SQUARE_GRANT, SQUARE_WRITE
from nerava.tills.ports import TOKEN_REFUSED, Changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from nerava.platform.live_secrets import Given, LiveSecret
    from nerava.platform.outbound import CallPolicy, Surroundings
    from nerava.tills.ports import GivenBack, Place, Sale, Seller, TillPayment, TillTokens

_T = TypeVar("_T")

SCOPES: Final = "MERCHANT_PROFILE_READ ORDERS_READ PAYMENTS_READ"
PAGE: Final = 100
_DRIFT: Final = "schema-drift"


@dataclass(frozen=True, slots=True)
class SquareAccess:
    """What Square gave us.

    Attributes:
        redirect_uri: Where the consent page sends people back, exactly as registered.
        webhook_keys: Signature keys of the webhook; two while one is being replaced.
        webhook_url: The address of the webhook, byte for byte as registered.
        base_url: Where a simulator is; None means Square's own address.
        asks_live: Real sellers; else those of the sandbox.
    """

    client_id: str
    client_secret: Given = field(repr=False)
    redirect_uri: str
    webhook_url: str
    webhook_keys: Sequence[str] | LiveSecret = field(default=(), repr=False)
    base_url: str | None = None
    asks_live: bool = True


class Square:
    """One application at Square. Safe to share between threads."""

    name: Final = "square"

    def __init__(
        self, access: SquareAccess, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        """Prepare the connection; nothing is sent before the first call."""
        self._access = access
        self._secret = live(access.client_secret)
        self._url = access.base_url or (BASE_URL if access.asks_live else SANDBOX_URL)
        self._api = SquareApi(self._url, now=now, surroundings=surroundings)
        self.events = SquareEvents(access.webhook_keys, access.webhook_url)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def consent_url(self, state: str) -> str:
        """Return the address of Square's consent page; a real seller signs in there anew."""
        query = {"client_id": self._access.client_id, "scope": SCOPES, "state": state}
        query |= {"session": "false"} if self._access.asks_live else {}
        return (
            f"{self._url}/oauth2/authorize?{urlencode(query | {'redirect_uri': self._access.redirect_uri})}"
        )

    def exchange(self, code: str) -> Outcome[TillTokens]:
        """Give the code away, once."""
        grant = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._access.redirect_uri,
        }
        return self._tokens(grant, SQUARE_GRANT.call)

    def renew(self, account: str, refresh: str) -> Outcome[TillTokens]:
        """Return the next tokens; what gets them stays good, so it may be sent again."""
        fetched = self._tokens({"grant_type": "refresh_token", "refresh_token": refresh}, SQUARE_WRITE.call)
        if isinstance(fetched, Ok) and fetched.value.account != account:
            return Misconfigured("another-seller")
        return fetched

    def revoke(self, account: str) -> Outcome[None]:
        """End our access to a seller; Square says 400 for what is over already."""
        body = {"client_id": self._access.client_id, "merchant_id": account}

        def ask(secret: str) -> Outcome[dict[str, Any]]:
            return self._api.write(
                "/oauth2/revoke", body, SQUARE_WRITE.call, authorization=f"Client {secret}"
            )

        said = self._with_secret(ask)
        over = isinstance(said, Misconfigured) or (isinstance(said, Refused) and said.code != TOKEN_REFUSED)
        return Ok(None) if over or isinstance(said, Ok) else said

    def places(self, seller: Seller) -> Outcome[list[Place]]:
        """Return the locations of a seller."""
        return _each(self._api.read(seller, "GET", "/v2/locations"), "locations", place_in)

    def orders(self, seller: Seller, names: Sequence[str]) -> Outcome[list[Sale]]:
        """Return those of at most 100 orders that are there; one that is missing may come yet."""
        read = self._api.read(seller, "POST", "/v2/orders/batch-retrieve", body={"order_ids": list(names)})
        return _each(read, "orders", sale_in)

    def changed(
        self, seller: Seller, places: Sequence[str], since: datetime, cursor: str | None
    ) -> Outcome[Changed]:
        """Return a page of orders that changed since an instant, the earliest change first."""
        body: dict[str, Any] = {
            "location_ids": list(places),
            "limit": PAGE,
            "query": {
                "filter": {"date_time_filter": {"updated_at": {"start_at": since.isoformat()}}},
                "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
            },
        }
        read = self._api.read(
            seller, "POST", "/v2/orders/search", body=body | ({} if cursor is None else {"cursor": cursor})
        )
        found = _each(read, "orders", sale_in)
        if not isinstance(found, Ok) or not isinstance(read, Ok):
            return found if not isinstance(found, Ok) else RetryLater(_DRIFT)
        more = read.value.get("cursor")
        return Ok(Changed(tuple(found.value), more if isinstance(more, str) and more else None))

    def payment(self, seller: Seller, name: str) -> Outcome[TillPayment]:
        """Return a payment."""
        return _one(self._api.read(seller, "GET", f"/v2/payments/{_part(name)}"), "payment", payment_in)

    def refund(self, seller: Seller, name: str) -> Outcome[GivenBack]:
        """Return a refund."""
        return _one(self._api.read(seller, "GET", f"/v2/refunds/{_part(name)}"), "refund", refund_in)

    def _tokens(self, grant: dict[str, str], policy: CallPolicy) -> Outcome[TillTokens]:
        def ask(secret: str) -> Outcome[dict[str, Any]]:
            body = grant | {"client_id": self._access.client_id, "client_secret": secret}
            return self._api.write("/oauth2/token", body, policy)

        said = self._with_secret(ask)
        if not isinstance(said, Ok):
            return said
        found = tokens_in(said.value)
        if found is not None:
            return Ok(found)
        return RetryLater(_DRIFT) if policy.is_repeatable else Unknown(_DRIFT)

    def _with_secret(self, ask: Callable[[str], Outcome[dict[str, Any]]]) -> Outcome[dict[str, Any]]:
        """Ask with our secret; refused, once more with the one that has taken its place."""
        text = self._secret.reveal()
        said = ask(text)
        refused = isinstance(said, Refused) and said.code == TOKEN_REFUSED
        newer = self._secret.newer_than(text) if refused else None
        return said if newer is None else ask(newer)


def _part(name: str) -> str:
    return quote(name, safe="")


def _one(read: Outcome[dict[str, Any]], name: str, understood: Callable[[object], _T | None]) -> Outcome[_T]:
    if not isinstance(read, Ok):
        return read
    found = understood(read.value.get(name))
    return RetryLater(_DRIFT) if found is None else Ok(found)


def _each(
    read: Outcome[dict[str, Any]], name: str, understood: Callable[[object], _T | None]
) -> Outcome[list[_T]]:
    if not isinstance(read, Ok):
        return read
    rows: Iterable[object] | None = read.value.get(name, [])
    if not isinstance(rows, list):
        return RetryLater(_DRIFT)
    found = [understood(one) for one in rows]
    whole = [one for one in found if one is not None]
    return Ok(whole) if len(whole) == len(found) else RetryLater(_DRIFT)
