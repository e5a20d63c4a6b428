"""Somebody who reads stations from the simulated NLR as an adapter does, with policies from the table.

Run as a program it is another process that does so: it gets address, key, Redis and the number of its
callers, says that it is ready, and asks when it is told to.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from nerava.kernel.clock import SystemClock
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater
from nerava.platform.cache import Answer, Cache
from nerava.platform.outbound import CallPolicy, Outbound, Reply, Result
from nerava.platform.provider_calls import NLR_NEAREST

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
PATH = "/api/alt-fuel-stations/v1/nearest.json"
QUERY = [("latitude", "34.0537"), ("longitude", "-118.2428"), ("fuel_type", "ELEC"), ("limit", "5")]


class Stations:
    """Asks for the stations of one place."""

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        cache: Cache | None = None,
        call: CallPolicy = NLR_NEAREST.call,
        **more: Any,
    ) -> None:
        more.setdefault("now", lambda: NOON)
        self.outbound = Outbound(base_url, **more)
        self._headers = {"x-api-key": key}
        self._cache = cache
        self._call = call

    def ask(self, **more: Any) -> Result:
        """Ask without a cache."""
        return self.outbound.ask("GET", PATH, self._call, query=QUERY, headers=self._headers, **more)

    def near(self, place: str = "here") -> Answer:
        """Ask with the cache."""
        assert self._cache is not None
        assert NLR_NEAREST.region is not None
        return self._cache.get(NLR_NEAREST.region, place, self.load)

    def load(self) -> Outcome[list[int]]:
        """Return the ids of the stations."""
        result = self.ask()
        if not isinstance(result, Reply):
            return RetryLater(result.code)
        found = (result.object() or {}).get("fuel_stations")
        if result.is_success:
            return RetryLater("schema-drift") if found is None else Ok([one["id"] for one in found])
        if result.status == 403:
            return Misconfigured("forbidden")
        return RetryLater(f"status-{result.status}") if result.status >= 429 else Refused("not-found")


def main(base_url: str, key: str, redis_url: str, callers: int) -> None:
    """Be another process."""
    cache = Cache(now=SystemClock().now, redis_url=redis_url)
    stations = Stations(base_url, key, cache=cache)
    with ThreadPoolExecutor(callers) as pool:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        answers = list(pool.map(lambda _: stations.near(), range(callers)))
    sys.stdout.write(json.dumps([getattr(one.outcome, "value", str(one.outcome)) for one in answers]) + "\n")
    cache.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
