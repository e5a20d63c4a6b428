"""Nobody reaches what is somebody else's: every operation, every wrong caller (S07)."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from nerava.app import reviewed_policies
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.platform.policy import ANY_ROLE
from tests.http.examples import EXAMPLES, FOR_EVERYBODY, OWN_NAMES

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House
    from tests.http.examples import Example


TABLE: dict[str, dict[str, Any]] = tomllib.loads(reviewed_policies())
CLOSED = sorted(name for name, policy in TABLE.items() if not policy.get("public"))
WITH_ID = [name for name in CLOSED if "{" in name]
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


@pytest.mark.parametrize("operation", sorted(EXAMPLES))
def test_an_object_answers_its_owner_and_nobody_else(house: House, operation: str) -> None:
    example = EXAMPLES[operation](house)

    roles = tuple(TABLE[operation]["roles"])
    for role in Role:
        may = roles == ANY_ROLE or role.value in roles
        if may and not role.has_tenant:
            continue  # Whoever has this role may: what ops look after is nobody's own.
        stranger = house.caller(role)
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
    assert house.findings() == []


@pytest.mark.parametrize("operation", CLOSED)
def test_an_operation_is_closed_to_every_role_it_does_not_name(sqlite_house: House, operation: str) -> None:
    path = _NAME.sub(str(new_id()), operation.partition(" ")[2])
    method = operation.partition(" ")[0]
    allowed = tuple(TABLE[operation]["roles"])
    assert sqlite_house.client.request(method, path, json={}).status_code == 401
    for role in Role:
        if allowed == ANY_ROLE or role.value in allowed:
            continue
        caller = sqlite_house.caller(role)
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
    told = {name: value for name, value in answer.json().items() if name not in {"trace_id", "instance"}}
    text = json.dumps(told, sort_keys=True)
    for value in names.values():
        text = text.replace(value, "…")
    return text
