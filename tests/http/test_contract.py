"""What is committed is what is served: the policy table, the OpenAPI document, and their agreement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI

from nerava.app import create_app, reviewed_policies
from nerava.identity.roles import SCOPES, Role
from nerava.ledger.stops import SwitchedOff
from nerava.platform.policy import (
    ANY_ROLE,
    GuardedRoute,
    Policy,
    Repeats,
    RoutesAndPoliciesDiffer,
    guarded,
    render,
    walk,
)
from nerava.settings import DatabaseSettings, Settings
from nerava.web.api.routes import openapi_document
from nerava.web.routes import ALL_ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.http.conftest import House

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


def mounted(house: House) -> dict[str, Policy]:
    """Return the policies of the routes that are served."""
    return walk(house.app.router.routes)


def test_the_reviewed_table_is_the_mounted_one_byte_for_byte(sqlite_house: House) -> None:
    reviewed = reviewed_policies()
    body = "".join(line for line in reviewed.splitlines(keepends=True) if not line.startswith("#"))
    assert body.strip() == render(mounted(sqlite_house)).strip()


def test_the_committed_openapi_document_is_current(sqlite_house: House) -> None:
    current = json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"
    assert DOCUMENT.read_text("utf-8") == current, "run `.venv/bin/python -m tools.api_documents`"
    assert sqlite_house.client.get("/openapi.json").json() == openapi_document()


def test_a_route_that_nobody_reviewed_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @guarded(Policy(public="a test"))
    async def surprise() -> None:
        """Do nothing."""

    settings = Settings(env="test", database=DatabaseSettings(url=f"sqlite:///{tmp_path}/x.sqlite3"))
    more = [*ALL_ROUTES, GuardedRoute("/surprise", surprise, methods=["GET"])]
    monkeypatch.setattr("nerava.app.ALL_ROUTES", more)
    with pytest.raises(RoutesAndPoliciesDiffer, match="GET /surprise is mounted but not reviewed"):
        create_app(settings)
    monkeypatch.setattr("nerava.app.ALL_ROUTES", ALL_ROUTES[1:])
    with pytest.raises(RoutesAndPoliciesDiffer, match="is reviewed but not mounted"):
        create_app(settings)


def test_there_is_one_application_and_it_mounts_nothing_by_itself(sqlite_house: House) -> None:
    assert isinstance(sqlite_house.app, FastAPI)
    assert all(isinstance(route, GuardedRoute) for route in sqlite_house.app.router.routes)
    assert not sqlite_house.app.router._low_priority_routes  # noqa: SLF001 - where `app.frontend()` would hide


def test_policies_name_roles_that_exist_and_scopes_that_those_roles_get(sqlite_house: House) -> None:
    used = set()
    for name, policy in mounted(sqlite_house).items():
        if policy.public:
            continue
        roles = list(Role) if policy.roles == ANY_ROLE else [Role(role) for role in policy.roles]
        for role in roles:
            assert policy.scope in SCOPES[role], f"{name}: {role} never gets {policy.scope}"
        used.add(policy.scope)
    assert used == set().union(*SCOPES.values()), "a scope that opens nothing has no meaning"


def test_what_changes_something_says_what_happens_when_it_comes_twice(sqlite_house: House) -> None:
    for name, policy in mounted(sqlite_house).items():
        assert (policy.repeats is Repeats.SAFE) == name.startswith("GET "), name


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path and operation of everything that is documented."""
    return [
        (method, path, operation)
        for path, item in openapi_document()["paths"].items()
        for method, operation in item.items()
    ]


def test_every_operation_states_its_security_and_its_refusals(sqlite_house: House) -> None:
    policies = mounted(sqlite_house)
    for method, path, operation in operations():
        policy = policies[f"{method.upper()} {path}"]
        assert operation["security"] == ([] if policy.public else [{"accessToken": [policy.scope]}]), path
        assert operation["summary"], path
        assert operation["description"], path
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and path != "/readyz":
                assert list(answer["content"]) == ["application/problem+json"], f"{path} {status}"
        if not policy.public:
            assert {"401", "403", "500", "503"} <= set(operation["responses"]), path


def test_money_asks_for_a_key_in_the_document_too(sqlite_house: House) -> None:
    policies = mounted(sqlite_house)
    required = set()
    for method, path, operation in operations():
        keys = [one for one in operation.get("parameters", []) if one["name"] == "Idempotency-Key"]
        if keys and keys[0]["required"]:
            required.add(f"{method.upper()} {path}")
    assert required == {name for name, policy in policies.items() if policy.repeats is Repeats.KEY_REQUIRED}
    assert required


def test_no_input_can_set_what_is_not_the_callers_to_set() -> None:
    schemas = openapi_document()["components"]["schemas"]
    for name, schema in schemas.items():
        if name.endswith("In"):
            assert schema["additionalProperties"] is False, name
            forbidden = {
                "role",
                "is_admin",
                "tenant_id",
                "balance",
                "status",
                "state",
                "sponsor_id",
                "partner_id",
            }
            if name in {"ReturnIn", "TillReturnIn"}:
                forbidden.remove("state")  # OAuth calls so what comes back of the words that we sent.
            assert not forbidden & set(schema["properties"]), name


def test_every_text_in_an_address_says_which_characters_it_may_hold() -> None:
    """A character that a database cannot keep, such as NUL, is bad input there as in a body."""
    document = openapi_document()
    texts = 0
    for path, item in document["paths"].items():
        for one in (one for operation in item.values() for one in operation.get("parameters", [])):
            if one["in"] not in {"query", "path"}:
                continue
            for kind in forms(one["schema"], document["components"]["schemas"]):
                if kind.get("type") == "string":
                    texts += 1
                    assert {"pattern", "enum", "format", "const"} & set(kind), (path, one["name"])
    assert texts > 50


def forms(schema: dict[str, Any], named: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a value may look like, each form of it."""
    while "$ref" in schema:
        schema = named[schema["$ref"].rpartition("/")[2]]
    for one in schema.get("anyOf", [schema["items"]] if "items" in schema else []):
        yield from forms(one, named)
    if "anyOf" not in schema and "items" not in schema:
        yield schema


def test_no_card_number_has_a_place_anywhere() -> None:
    assert not {"card", "pan", "cvv", "cvc"} & set(
        json.dumps(openapi_document()).lower().replace('"', " ").split()
    )


def test_whatever_writes_says_that_it_may_be_switched_off_and_nothing_that_reads_does() -> None:
    for path, methods in openapi_document()["paths"].items():
        for method, operation in methods.items():
            answer = operation["responses"]["503"]
            told = answer["description"].count(f"`{SwitchedOff.code}`: {SwitchedOff.title}")
            assert told == (0 if method == "get" else 1), (method, path)
            assert "Retry-After" in answer["headers"], (method, path)
