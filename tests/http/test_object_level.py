"""Nobody reaches what is somebody else's: every operation, every wrong caller (S07)."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from nerava.app import reviewed_policies
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.platform.policy import ANY_ROLE
from tests.http.conftest import Caller, House, opened_house
from tests.http.examples import EXAMPLES, FOR_EVERYBODY, OWN_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.http.examples import Example


TABLE: dict[str, dict[str, Any]] = tomllib.loads(reviewed_policies())
ELSEWHERE = {"ocpi", "cookie"}
CLOSED = sorted(
    name
    for name, policy in TABLE.items()
    if not policy.get("public") and policy.get("credential") not in ELSEWHERE
)
"""Peers of OCPI have a matrix of their own in test_ocpi_peers.py, pages one in tests/web/test_access.py."""
WITH_ID = [name for name in CLOSED if "{" in name]
ALONE = {
    "POST /v1/ops/grants/{grant_id}/clawbacks",
    "POST /v1/ops/invoice-write-offs/{approval_id}/approve",
    "POST /v1/ops/invoices/{invoice_id}/write-off",
    "POST /v1/ops/payout-failures/{approval_id}/approve",
    "POST /v1/ops/payouts/{payout_id}/failure",
    "POST /v1/ops/switch-releases/{release_id}/approve",
    "POST /v1/ops/switches/{name}/on",
    "POST /v1/ops/switches/{name}/releases",
    "POST /v1/ops/transactions/{transaction_id}/reversal",
}
"""Operations whose example stops the house, or expects to be the only one in it."""
_NAME = re.compile(r"\{(\w+)\}")


def test_every_operation_that_names_an_object_has_an_example() -> None:
    assert set(EXAMPLES) == set(WITH_ID) - OWN_NAMES - FOR_EVERYBODY


def test_the_document_names_the_same_operations(sqlite_house: House) -> None:
    document = sqlite_house.client.get("/openapi.json").json()
    named = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation.get("security")
    }
    assert named == set(CLOSED)


@dataclass
class Crowd:
    """A house that examples share, and a stranger of each role in it."""

    house: House
    strangers: dict[Role, Caller] = field(default_factory=dict)

    def stranger(self, role: Role) -> Caller:
        if role not in self.strangers:
            self.strangers[role] = self.house.caller(role)
        return self.strangers[role]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest,
    database_url_of_module: Callable[[str], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, Crowd]]:
    with (
        database_url_of_module(request.param) as url,
        opened_house(url, tmp_path_factory.mktemp("crowd")) as house,
    ):
        yield request.param, Crowd(house)
        assert house.findings() == []


@pytest.fixture
def crowd(
    shared: tuple[str, Crowd],
    operation: str,
    database_url: Callable[[str], AbstractContextManager[str]],
    tmp_path: Path,
) -> Iterator[Crowd]:
    dialect, crowd = shared
    if operation not in ALONE:
        yield crowd
        return
    with database_url(dialect) as url, opened_house(url, tmp_path) as house:
        yield Crowd(house)
        assert house.findings() == []


@pytest.mark.in_turn
@pytest.mark.parametrize("operation", sorted(EXAMPLES))
def test_an_object_answers_its_owner_and_nobody_else(crowd: Crowd, operation: str) -> None:
    house = crowd.house
    example = EXAMPLES[operation](house)

    roles = tuple(TABLE[operation]["roles"])
    for role in Role:
        may = roles == ANY_ROLE or role.value in roles
        if may and not role.has_tenant:
            continue  # Whoever has this role may: what ops look after is nobody's own.
        stranger = crowd.stranger(role)
        answer = _send(stranger, operation, example, example.names)
        if not may:
            assert (answer.status_code, answer.json()["code"]) == (403, "role-not-allowed"), role
        else:
            absent = _send(stranger, operation, example, example.missing)
            assert answer.status_code == absent.status_code == 404, (role, answer.text)
            assert _told(answer, example.names) == _told(absent, example.missing), role
    assert _send(None, operation, example, example.names, house).status_code == 401

    owned = _send(example.owner, operation, example, example.names)
    assert owned.status_code < 300, owned.text


@pytest.mark.in_turn
@pytest.mark.parametrize("operation", CLOSED)
def test_an_operation_is_closed_to_every_role_it_does_not_name(crowd: Crowd, operation: str) -> None:
    path = _NAME.sub(str(new_id()), operation.partition(" ")[2])
    method = operation.partition(" ")[0]
    allowed = tuple(TABLE[operation]["roles"])
    refused = crowd.house.client.request(method, path, json={})
    assert (refused.status_code, refused.json()["code"]) == (401, "not-signed-in")
    for role in Role:
        if allowed == ANY_ROLE or role.value in allowed:
            continue
        caller = crowd.stranger(role)
        answer = caller.client.request(method, path, json={}, headers=caller.headers())
        assert (answer.status_code, answer.json()["code"]) == (403, "role-not-allowed"), role


def _send(
    caller: Caller | None,
    operation: str,
    example: Example,
    names: dict[str, str],
    house: House | None = None,
) -> Any:
    method, _, path = operation.partition(" ")
    headers = {"Idempotency-Key": str(new_id())} if example.keyed else {}
    if caller is not None:
        headers = caller.headers(headers)
    client = caller.client if caller is not None else house.client if house is not None else None
    assert client is not None
    body = {} if method == "GET" or example.body is None else {"json": example.body}
    address = _NAME.sub(lambda found: names[found[1]], path)
    return client.request(method, address, headers=headers, params=example.query, **body)


def _told(answer: Any, names: dict[str, str]) -> str:
    """Return what an answer tells, without what belongs to the request: its address and its trace."""
    told = {
        name: value
        for name, value in answer.json().items()
        if name not in {"trace_id", "request_id", "instance"}
    }
    text = json.dumps(told, sort_keys=True)
    for value in names.values():
        text = text.replace(value, "…")
    return text
