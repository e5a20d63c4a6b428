"""Every caller and every address may call so often and no more, whatever the path and the process."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from nerava.app import create_app
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.platform import limit_memory
from nerava.platform.limit_memory import LimitMemory
from nerava.platform.limit_numbers import MINUTE, Limit, Per
from nerava.platform.limits import Limits, RateLimited
from nerava.settings import LimitSettings, ServerSettings, Settings
from tests.helpers.parallel import in_parallel
from tests.http.conftest import Caller, House, opened_house
from tests.http.flows import partner_session
from tests.http.test_serving import serving

HOME, ABROAD, PROXY = "198.51.100.7", "203.0.113.9", "10.0.0.1"


@dataclasses.dataclass
class Throttled:
    """A house whose API is limited, and ways to call it from several addresses."""

    house: House
    app: Any

    def caller(self, role: Role = Role.DRIVER, address: str = HOME) -> Caller:
        """Return somebody who calls from an address."""
        known = self.house.caller(role)
        return dataclasses.replace(known, client=self.client(address))

    def client(self, address: str = HOME) -> TestClient:
        """Return a client at an address."""
        return TestClient(self.app, raise_server_exceptions=False, client=(address, 4711))

    def at(self, caller: Caller, address: str) -> Caller:
        """Return the same caller somewhere else."""
        return dataclasses.replace(caller, client=self.client(address))


def throttled(house: House, **tighter: int) -> Throttled:
    """Limit the API of a house; the names are limits with `_` for `-`."""
    quotas = {name.replace("_", "-"): quota for name, quota in tighter.items()}
    known = house.installation
    settings = known.settings.model_copy(
        update={
            "limits": LimitSettings(api=True, tighter=quotas),
            "server": ServerSettings(trusted_proxies=PROXY),
        }
    )
    limits = Limits(known.database, known.secrets, tighter=quotas)
    installation = dataclasses.replace(known, settings=settings, limits=limits)
    return Throttled(house, create_app(settings, installation))


def statuses(answers: list[Any]) -> list[int]:
    """Return the status of each answer."""
    return [one.status_code for one in answers]


def test_a_caller_reads_so_often_and_is_told_how_often(house: House) -> None:
    where = throttled(house, api_identity_1m=3)
    caller, other = where.caller(), where.caller()
    answers = [caller.get("/v1/me") for _ in range(5)]
    assert statuses(answers) == [200, 200, 200, 429, 429]
    assert [one.headers["ratelimit"].split(";")[1] for one in answers[:3]] == ["r=2", "r=1", "r=0"]
    refused = answers[3]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate-limited"
    assert refused.json()["outcome"] == "not_executed"
    assert refused.headers["ratelimit-policy"] == '"api-identity-1m";q=3;w=60'
    assert 55 <= int(refused.headers["retry-after"]) <= 60
    # Somebody else at the same address is not concerned, and another address does not help.
    assert other.get("/v1/me").status_code == 200
    assert where.at(caller, ABROAD).get("/v1/me").status_code == 429


def test_a_caller_writes_so_often_in_all_processes_together(house: House) -> None:
    first, second = throttled(house, api_identity_1m=5), throttled(house, api_identity_1m=5)
    caller = first.caller()
    same = dataclasses.replace(caller, client=second.client())
    answers = [
        one.post(f"/v1/idempotency-keys/{new_id()}/cancel").status_code
        for _ in range(5)
        for one in (caller, same)
    ]
    # On SQLite there is one process, and it counts in its memory.
    passed = 10 if house.installation.database.is_sqlite else 5
    assert sum(status != 429 for status in answers) == passed


def test_no_spelling_of_a_path_is_free(sqlite_house: House) -> None:
    where = throttled(sqlite_house, api_identity_1m=4, api_address_1m=6)
    caller = where.caller()
    paths = ["/v1/me", "/v1/sessions", f"/v1/sessions/{new_id()}", f"/v1/sessions/{new_id()}", "/v1/wallet"]
    assert statuses([caller.get(path) for path in paths])[-1] == 429
    # Four counted for the address, too; what does not exist uses up the rest.
    assert statuses([caller.get(path) for path in ("/v1/ME", "/v1/me/", "/v1//me")]) == [404, 404, 429]
    assert where.client().get("/v1/nothing").status_code == 429


def test_who_is_turned_away_counts_for_the_address(sqlite_house: House) -> None:
    where = throttled(sqlite_house, api_address_1m=5)
    forged = {"Authorization": "Bearer forged"}
    client = where.client()
    assert statuses([client.get("/v1/me", headers=forged) for _ in range(7)]) == [401] * 5 + [429] * 2
    # Nobody comes in from there for a minute, not even by a token; from elsewhere everybody does.
    caller = where.caller()
    assert caller.get("/v1/me").status_code == 429
    assert where.at(caller, ABROAD).get("/v1/me").status_code == 200


def test_neighbours_share_a_block(sqlite_house: House) -> None:
    where = throttled(sqlite_house, api_block_1m=4)
    answers = [where.client(f"198.51.100.{last}").get("/v1/me") for last in range(6)]
    assert statuses(answers) == [401] * 4 + [429] * 2
    assert where.client("198.51.101.1").get("/v1/me").status_code == 401


def test_callers_behind_our_proxy_are_told_apart_and_nobody_else_is_believed(sqlite_house: House) -> None:
    where = throttled(sqlite_house, api_address_1m=2)
    behind = [
        where.client(PROXY).get("/v1/me", headers={"X-Forwarded-For": f"1.1.1.1, {one}"})
        for one in (HOME, HOME, HOME, ABROAD)
    ]
    assert statuses(behind) == [401, 401, 429, 401]
    pretending = [
        where.client("192.0.2.9").get("/v1/me", headers={"X-Forwarded-For": f"203.0.113.{number}"})
        for number in range(3)
    ]
    assert statuses(pretending) == [401, 401, 429]


def test_a_partners_writes_count_for_the_partner_alone(house: House) -> None:
    where = throttled(house, partner_write_identity_1m=4, api_address_1m=3, api_identity_1m=3)
    partner, client = where.caller(Role.PARTNER), where.client()
    answers = [partner.post("/v1/partner/sessions", partner_session()) for _ in range(6)]
    assert [status == 429 for status in statuses(answers)] == [False] * 4 + [True] * 2
    assert answers[-1].headers["ratelimit-policy"] == '"partner-write-identity-1m";q=4;w=60'
    assert client.get("/v1/me").status_code == 401


def test_probes_are_never_refused(sqlite_house: House) -> None:
    where = throttled(sqlite_house, api_address_1m=1)
    client = where.client()
    assert statuses([client.get("/v1/me") for _ in range(2)]) == [401, 429]
    assert statuses([client.get("/livez") for _ in range(5)]) == [200] * 5


def test_writes_that_cannot_be_counted_are_refused_and_reads_go_on(
    database_url: Callable[[str], Any], tmp_path: Path
) -> None:
    with database_url("postgresql") as url, opened_house(url, tmp_path) as house:
        caller = throttled(house).caller()
        assert caller.get("/v1/me").status_code == 200
        house.installation.database.run(
            lambda session: session.connection().exec_driver_sql("ALTER TABLE limit_state RENAME TO gone")
        )
        assert caller.post(f"/v1/idempotency-keys/{new_id()}/cancel").status_code >= 500
        assert caller.get("/v1/me").status_code == 200


@pytest.fixture
def two_servers(database_url: Callable[[str], Any], tmp_path: Path) -> Iterator[tuple[House, list[int]]]:
    """Two processes that serve one PostgreSQL database, limited to 50 writes of one caller in a minute."""
    environment = {
        "NERAVA_LIMITS__API": "true",
        "NERAVA_LIMITS__TIGHTER": json.dumps({"api-identity-1m": 50}),
    }
    with ExitStack() as stack:
        url = stack.enter_context(database_url("postgresql"))
        house = stack.enter_context(opened_house(url, tmp_path))
        ports = [stack.enter_context(serving(url, tmp_path, **environment))[1] for _ in range(2)]
        yield house, ports


def test_r25_fifty_of_two_hundred_pass_whatever_process_and_path_they_take(
    two_servers: tuple[House, list[int]],
) -> None:
    house, ports = two_servers
    caller = house.caller(Role.DRIVER)
    clients = [httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) for port in ports]

    def write(number: int) -> Any:
        path = f"/v1/idempotency-keys/key-{number}/cancel"
        return clients[number % 2].post(path, headers=caller.headers())

    answers = in_parallel(200, write, width=32)
    for client in clients:
        client.close()
    counted = Counter(one.status_code for one in answers)
    assert counted[429] == 150, counted
    assert sum(counted[status] for status in counted if status < 300) == 50, counted
    refused = [one for one in answers if one.status_code == 429]
    assert {one.json()["code"] for one in refused} == {"rate-limited"}
    assert all(int(one.headers["retry-after"]) >= 1 for one in refused)


def test_memory_is_bounded_and_keeps_who_comes_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_memory, "KEYS_MAX", 100)
    limit = Limit("any", 3, MINUTE, Per.ADDRESS)
    memory = LimitMemory(lambda one: one.quota)
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    for number in range(10_000):
        memory.hit([(limit, f"stranger-{number}")], at)
        if number in {0, 50, 120}:
            memory.hit([(limit, "often")], at + timedelta(seconds=1))
        if number == 150:
            with pytest.raises(RateLimited):
                memory.hit([(limit, "often")], at + timedelta(seconds=2))
    assert len(memory) == 100


def test_production_cannot_switch_it_off() -> None:
    off, unset = LimitSettings(api=False), LimitSettings()
    assert Settings(env="production", limits=off).limits_api
    assert Settings(env="staging", limits=off).limits_api
    assert not Settings(env="development", limits=off).limits_api
    assert Settings(env="development", limits=unset).limits_api
    assert not Settings(env="test", limits=unset).limits_api
