"""A field that nobody asked for is refused on every body, and changes nothing (S08)."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from nerava.app import reviewed_policies
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.web.api.routes import openapi_document
from tests.http.rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.http.conftest import House

EXTRA: dict[str, object] = {
    "role": "ops:admin",
    "roles": ["ops:admin"],
    "is_admin": True,
    "tenant_id": str(new_id()),
    "balance": 1_000_000,
    "status": "approved",
    "state": "active",
    "scopes_": ["*"],
}
ASKED_FOR = {
    ("POST /v1/vehicle-connections/return", "state"),
    ("POST /v1/merchant/tills/return", "state"),
}
"""The `state` of OAuth: what comes back of the words that we sent with the driver."""

ADMITTING = {"limit_state", "data_key"}
"""What asking costs: counted attempts, and the key under which something would have been kept."""

DOCUMENT = openapi_document()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
_NAME = re.compile(r"\{(\w+)\}")


def bodies() -> list[str]:
    """Return every operation that takes a body."""
    return sorted(
        f"{method.upper()} {path}"
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if "requestBody" in operation
    )


def schema_of(operation: str) -> dict[str, Any]:
    """Return the schema of an operation's body."""
    method, _, path = operation.partition(" ")
    content = DOCUMENT["paths"][path][method.lower()]["requestBody"]["content"]
    found: dict[str, Any] = content["application/json"]["schema"]
    return found


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its reference followed."""
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    return schema


def objects(schema: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where in a body there are objects with fields of their own: at its top, and inside."""
    schema = resolved(schema)
    if "properties" in schema:
        yield at
        for name, inner in schema["properties"].items():
            yield from objects(inner, (*at, name))


def extras(operation: str) -> dict[str, object]:
    """Return fields that the body of an operation does not have."""
    return {name: value for name, value in EXTRA.items() if (operation, name) not in ASKED_FOR}


def with_extras(operation: str, at: tuple[str, ...]) -> dict[str, object]:
    """Return a body that holds the extra fields at this place, and nothing else."""
    body = extras(operation)
    for name in reversed(at):
        body = {name: body}
    return body


@pytest.fixture(scope="module")
def places() -> list[tuple[str, tuple[str, ...]]]:
    """Return every place of every body."""
    return [(operation, at) for operation in bodies() for at in objects(schema_of(operation))]


def test_every_object_in_every_body_refuses_every_field_that_nobody_asked_for(
    house: House, places: list[tuple[str, tuple[str, ...]]]
) -> None:
    policies = _policies()
    callers = {role: house.caller(role) for role in Role}
    before = rows_of(house)
    assert len(places) > len(bodies()) > 15

    for operation, at in places:
        method, _, path = operation.partition(" ")
        headers = {"Idempotency-Key": str(new_id())}
        if not policies[operation].get("public"):
            roles = policies[operation]["roles"]
            caller = callers[Role.DRIVER if roles == ["any"] else Role(roles[0])]
            headers = caller.headers(headers)
        address = _NAME.sub(lambda name: _named(name[1]), path)

        answer = house.client.request(method, address, headers=headers, json=with_extras(operation, at))

        where = (operation, at, answer.text)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input"), where
        refused = {one["pointer"] for one in answer.json()["errors"] if one["kind"] == "extra_forbidden"}
        for name in extras(operation):
            assert "/".join(("body", *at, name)) in refused, (name, *where)

    after = rows_of(house)
    assert {name for name in before if before[name] != after[name]} <= ADMITTING


def test_the_document_says_so_too() -> None:
    for operation in bodies():
        for at in objects(schema_of(operation)):
            schema = resolved(schema_of(operation))
            for name in at:
                schema = resolved(schema["properties"][name])
            assert schema["additionalProperties"] is False, (operation, at)
            assert not set(extras(operation)) & set(schema["properties"]), (operation, at)


def test_a_body_that_is_otherwise_right_is_refused_for_one_field_more(house: House) -> None:
    admin, person = house.caller(Role.OPS_ADMIN), house.user()
    body = {"user_id": str(person.subject), "give": "ops:support", "reason": "joined"}
    before = rows_of(house)
    for name, value in EXTRA.items():
        answer = admin.post("/v1/ops/roles", body | {name: value})
        assert answer.status_code == 422, name
        assert json.dumps(value) not in answer.text
    assert rows_of(house) == before
    assert admin.post("/v1/ops/roles", body).status_code == 200


def _named(parameter: str) -> str:
    return {"key": "k", "code": "nova:reserve", "name": "earn", "key_id": "0" * 16}.get(
        parameter, str(new_id())
    )


def _policies() -> dict[str, Any]:

    return tomllib.loads(reviewed_policies())
