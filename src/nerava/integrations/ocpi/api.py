"""Calls to peers: their envelopes as five outcomes, each peer with its own token and way of writing it."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from nerava.integrations.ocpi import exact_json
from nerava.integrations.ocpi.addresses import origin_of, trouble_with
from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply, Result, Surroundings
from nerava.platform.provider_calls import OCPI_READ, OCPI_WRITE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

ORIGINS_MAX: Final = 200
_OURS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_CLIENT_ERRORS: Final = range(2000, 3000)
_SUCCESSES: Final = range(1000, 2000)


@dataclass(frozen=True, slots=True)
class Identity:
    """How we show ourselves to a peer.

    Attributes:
        is_plain: Whether the peer wants the token as it is, without base64.
        parties: Ours and the peer's, `CC-PID` each; empty where no routing headers belong.
        partition: By what calls fail and pause together: the peer, where it is known.
    """

    token: str = field(repr=False)
    is_plain: bool = False
    parties: tuple[str, str] | None = None
    partition: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a peer answered: the data of its envelope, and the headers in lower case."""

    data: Any
    headers: Mapping[str, str]


class PeerApi:
    """Calls peers. Safe to share between threads; one pool of connections for each host.

    Args:
        local: Whether peers are simulators on this machine, and nothing else.
    """

    def __init__(
        self, *, now: Callable[[], datetime], local: bool, surroundings: Surroundings | None = None
    ) -> None:
        self._now = now
        self._shared = surroundings
        self.local = local
        self._lock = threading.Lock()
        self._pools: dict[str, Outbound] = {}

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            for one in self._pools.values():
                one.close()
            self._pools.clear()

    def get(self, url: str, identity: Identity, query: Sequence[tuple[str, str]] = ()) -> Outcome[Told]:
        """Read."""
        return self._ask("GET", url, identity, query, None)

    def send(
        self,
        method: str,
        url: str,
        identity: Identity,
        body: object,
        query: Sequence[tuple[str, str]] = (),
    ) -> Outcome[Told]:
        """Write, once: whether a lost answer means that it was done, only reading tells."""
        return self._ask(method, url, identity, query, exact_json.write(body).encode())

    def _ask(
        self,
        method: str,
        url: str,
        identity: Identity,
        query: Sequence[tuple[str, str]],
        body: bytes | None,
    ) -> Outcome[Told]:
        trouble = trouble_with(url, local=self.local)
        if trouble is not None:
            return Misconfigured("address", trouble)
        origin = origin_of(url)
        policy = OCPI_READ.call if method == "GET" else OCPI_WRITE.call
        path = url.removeprefix(origin) or "/"
        headers = _headers(identity) | ({} if body is None else {"content-type": "application/json"})
        result = self._pool(origin).ask(
            method,
            path,
            policy,
            query=query,
            headers=headers,
            body=body or b"",
            partition=identity.partition or origin,
        )
        return self._outcome(result, is_write=body is not None)

    def _pool(self, origin: str) -> Outbound:
        with self._lock:
            if origin not in self._pools and len(self._pools) >= ORIGINS_MAX:
                self._pools.pop(next(iter(self._pools))).close()
            if origin not in self._pools:
                self._pools[origin] = Outbound(
                    origin, now=self._now, surroundings=self._shared, only_public=not self.local
                )
            return self._pools[origin]

    def _outcome(self, result: Result, *, is_write: bool) -> Outcome[Told]:  # noqa: PLR0911 - one for each
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return _unsure(result.code, is_write=is_write)
        if result.status in _OURS:
            return Misconfigured(str(result.status), "the peer does not know our token")
        if result.status == HTTPStatus.TOO_MANY_REQUESTS:
            wait_s = result.retry_after_s(self._now())
            return RetryLater("429", None if wait_s is None else self._now() + timedelta(seconds=wait_s))
        if result.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _unsure(f"status-{result.status}", is_write=is_write)
        if not result.is_success:
            return Refused(f"status-{result.status}")
        return _opened(result, is_write=is_write)


def _opened(reply: Reply, *, is_write: bool) -> Outcome[Told]:
    """Return what an envelope holds: success is its own status code, whatever HTTP says."""
    if "json" not in reply.headers.get("content-type", "").lower():
        return _unsure("unreadable", is_write=is_write)
    try:
        envelope = exact_json.read(reply.body)
    except exact_json.Unreadable:
        return _unsure("unreadable", is_write=is_write)
    code = envelope.get("status_code") if isinstance(envelope, dict) else None
    if not isinstance(code, int):
        return _unsure("unreadable", is_write=is_write)
    if code in _SUCCESSES:
        return Ok(Told(envelope.get("data"), reply.headers))
    if code in _CLIENT_ERRORS:
        return Refused(str(code), str(envelope.get("status_message", ""))[:200])
    return RetryLater(str(code))


def _unsure(code: str, *, is_write: bool) -> RetryLater | Unknown:
    return Unknown(code) if is_write else RetryLater(code)


def _headers(identity: Identity) -> dict[str, str]:
    token = identity.token if identity.is_plain else base64.b64encode(identity.token.encode()).decode()
    headers = {
        "authorization": f"Token {token}",
        "x-request-id": str(new_id()),
        "x-correlation-id": str(new_id()),
        "accept": "application/json",
    }
    if identity.parties is not None:
        for way, code in zip(("from", "to"), identity.parties, strict=True):
            country_code, _, party_id = code.partition("-")
            headers |= {f"ocpi-{way}-country-code": country_code, f"ocpi-{way}-party-id": party_id}
    return headers
