"""How often anybody may call the API: counted per caller, per address and per block of addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.identity.guard import Principal
from nerava.identity.roles import Role
from nerava.platform.client_address import client_address
from nerava.platform.gathering import Gathering
from nerava.platform.limit_memory import LimitMemory
from nerava.platform.limit_numbers import API, OCPI, PARTNER_WRITE, Per
from nerava.platform.limits import limit_headers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from nerava.kernel.clock import Clock
    from nerava.platform.client_address import Client, Network
    from nerava.platform.limit_window import Standing
    from nerava.platform.limits import Hit, Limits

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
UNCOUNTED: Final = frozenset({"/healthz", "/livez", "/metrics", "/readyz"})
"""What load balancers and Prometheus ask; they ask often, and for everybody."""

_PLACES: Final = tuple(one for one in API.limits if one.per is not Per.IDENTITY)
_CALLERS: Final = tuple(one for one in API.limits if one.per is Per.IDENTITY)


class Throttle:
    """Counts every request, refuses the one too many, and says on answers how many are left.

    A request counts for its caller and its place, whatever its path is: no spelling of a path opens
    a bucket of its own. Who is turned away counts for its place alone. Writes are counted in the
    database, so that all processes count together, reads in the memory of each; so are writes on
    SQLite, where one process is all there is: only a restart forgets, and at most a minute. A
    partner's writes count for the partner alone, who has a quota of its own for them.
    """

    def __init__(self, limits: Limits, clock: Clock, trusted_proxies: Sequence[Network]) -> None:
        self._limits = limits
        self._clock = clock
        self._trusted_proxies = trusted_proxies
        self._share_writes = limits.are_shared
        self._memory = LimitMemory(limits.quota_of)
        self._shared: Gathering[Sequence[Hit], tuple[Standing, ...]] = Gathering(
            lambda asked: limits.hit_each_now(asked, clock.now())
        )

    def knock(self, request: Request) -> None:
        """Refuse a request from a place that has used up its quota; costs next to nothing.

        Raises:
            RateLimited: It has (429).
        """
        if request.scope["path"] not in UNCOUNTED:
            self._memory.check(_placed(self._client(request)), self._clock.now())

    def turn_away(self, request: Request) -> None:
        """Count a request that was not let in, or that knew no address of ours.

        Raises:
            RateLimited: It was one too many (429).
        """
        self._memory.hit(_placed(self._client(request)), self._clock.now())

    async def let_in(self, request: Request) -> Mapping[str, str]:
        """Count a request that was let in; return the headers for its answer.

        Raises:
            RateLimited: It is one too many (429).
            DatabaseUnavailable: It writes and cannot be counted (503).
        """
        if request.scope["path"] in UNCOUNTED:
            return {}
        now, hits = self._clock.now(), self._hits(request)
        if request.method in READS or not self._share_writes:
            return limit_headers([_tightest(self._memory.hit(hits, now))])
        # What this process knows to be too much costs the database nothing.
        self._memory.check(hits, now)
        standings = await self._shared.ask(hits)
        self._memory.hit(hits, now)
        return limit_headers([_tightest(standings)])

    def _hits(self, request: Request) -> list[Hit]:
        principal = getattr(request.state, "principal", None)
        place = _placed(self._client(request))
        if not isinstance(principal, Principal):
            return place
        caller = principal.idempotency_scope
        if request.scope["path"].startswith("/ocpi/"):
            return OCPI.keyed(identity=caller)
        if principal.acting.role is Role.PARTNER and request.method not in READS:
            return PARTNER_WRITE.keyed(identity=caller)
        return [*((limit, caller) for limit in _CALLERS), *place]

    def _client(self, request: Request) -> Client:
        return client_address(request, self._trusted_proxies)


def _placed(client: Client) -> list[Hit]:
    keys = {Per.ADDRESS: client.address, Per.BLOCK: client.block}
    return [(limit, keys[limit.per]) for limit in _PLACES]


def _tightest(standings: Sequence[Standing]) -> Standing:
    return min(standings, key=lambda one: one.remaining * one.limit.window)
