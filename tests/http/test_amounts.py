"""No integer field of any request takes an impossible number: read from the document, not from a list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from uuid import uuid4

import pytest

from nerava.identity.roles import Role
from nerava.platform.policy import ANY_ROLE, walk
from nerava.web.api.routes import openapi_document
from tests.http.conftest import House
from tests.rewards.rule_examples import RULES

DOCUMENT: Final = openapi_document()
WRITES: Final = ("post", "put", "patch", "delete")
MONEY: Final = re.compile(r"(_minor|^points|_nova|points_max|points)$")
MAY_BE_FREE: Final = {"fee_minor", "claim_fee_minor", "price_minor"}
"""What may cost nothing."""

UNBOUNDED: Final = {"publicKeyAlgorithm"}
"""What a browser sends about its own key, compared and never counted with."""

NEVER: Final = ("1", 1.5, True)
HUGE: Final = 10**30
"""Refused with the whole body, before anybody looks at fields."""
RULE: Final = {rule.kind: rule.model_dump(mode="json", exclude_none=True) for rule in RULES}


class Field(NamedTuple):
    """An integer of a request body: how to get there, and between what it must lie."""

    operation: str
    path: tuple[str | int, ...]
    least: int | None
    most: int | None
    kind: str | None

    @property
    def name(self) -> str:
        """The word in the body."""
        return next(str(part) for part in reversed(self.path) if isinstance(part, str))

    def body(self, value: object) -> object:
        """Return a body in which this field has a value; of rules the others are good ones."""
        if self.kind is not None:
            rule = RULE[self.kind] | (
                {self.path[2]: value} if len(self.path) == 3 else {self.path[2]: [value]}
            )
            return {"rules": [rule]}
        for part in reversed(self.path):
            value = [value] if isinstance(part, int) else {part: value}
        return value


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references."""
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def integers(
    operation: str, schema: Mapping[str, Any], path: tuple[str | int, ...] = (), kind: str | None = None
) -> Iterator[Field]:
    """Yield every integer in a schema, through objects, lists and alternatives."""
    schema = resolved(schema)
    kind = schema.get("properties", {}).get("kind", {}).get("const", kind) if "rules" in path else None
    if schema.get("type") == "integer":
        least, most = schema.get("minimum"), schema.get("maximum")
        least = least if "exclusiveMinimum" not in schema else schema["exclusiveMinimum"] + 1
        most = most if "exclusiveMaximum" not in schema else schema["exclusiveMaximum"] - 1
        yield Field(
            operation, path, None if least is None else int(least), None if most is None else int(most), kind
        )
    for word in ("anyOf", "oneOf", "allOf"):
        for other in schema.get(word, ()):
            yield from integers(operation, other, path, kind)
    for name, inner in schema.get("properties", {}).items():
        yield from integers(operation, inner, (*path, name), kind)
    for index, inner in enumerate(schema.get("prefixItems", ())):
        yield from integers(operation, inner, (*path, index), kind)
    if "items" in schema:
        yield from integers(operation, schema["items"], (*path, 0), kind)


FIELDS: Final = [
    field
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in WRITES
    for content in operation.get("requestBody", {}).get("content", {}).values()
    for field in integers(f"{method.upper()} {path}", content["schema"])
    if field.name not in UNBOUNDED
]


def test_the_document_has_amounts_and_bounds_all_of_them() -> None:
    money = [field for field in FIELDS if MONEY.search(field.name)]

    assert {"gross_minor", "amount_minor", "bill_minor", "points", "price_nova"} <= {
        one.name for one in money
    }
    assert [one for one in FIELDS if one.least is None or one.most is None] == []
    assert {one.name for one in money if one.least == 0} == MAY_BE_FREE
    assert [one for one in money if one.least is not None and one.least < 0] == []
    assert {one.kind for one in FIELDS if one.kind} <= RULE.keys()


@pytest.fixture(scope="module")
def house_of_module(database_url_of_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all of them: nothing that is sent here gets through."""
    from tests.http.conftest import opened_house  # noqa: PLC0415 - beside what it makes

    with (
        database_url_of_module("sqlite") as url,
        opened_house(url, tmp_path_factory.mktemp("amounts")) as house,
    ):
        yield house
        assert house.findings() == []


@pytest.mark.parametrize("operation", sorted({field.operation for field in FIELDS}))
def test_no_integer_of_a_request_takes_an_impossible_number(house_of_module: House, operation: str) -> None:
    house = house_of_module
    roles = walk(house.app.router.routes)[operation].roles
    caller = house.caller(Role.DRIVER if roles == ANY_ROLE else Role(roles[0]))
    method, _, path = operation.partition(" ")
    address = re.sub(r"\{\w+\}", str(uuid4()), path)

    def told(body: str) -> Any:
        headers = caller.headers({"Idempotency-Key": str(uuid4()), "Content-Type": "application/json"})
        return caller.client.request(method, address, content=body, headers=headers)

    for field in FIELDS:
        if field.operation != operation or field.least is None or field.most is None:
            continue
        for wrong in (*NEVER, HUGE, field.least - 1, field.most + 1):
            answer = told(json.dumps(field.body(wrong)))
            assert answer.status_code == 422, (field, wrong, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            pointers = [one["pointer"] for one in answer.json()["errors"]]
            if wrong == HUGE:
                continue
            assert any(str(field.path[0]) in one for one in pointers), (field, wrong, pointers)
            if field.kind is not None:
                assert field.path[2] in answer.text, (field, wrong, answer.text)
        answer = told(json.dumps(field.body("?")).replace('"?"', "NaN"))
        assert answer.status_code == 422, (field, answer.text)
        # What is refused is the value: one within the bounds is not what is wrong any more.
        good = told(json.dumps(field.body(field.least)))
        assert good.status_code < 500, good.text
        if good.status_code == 422 and field.kind is None:
            pointers = [one["pointer"] for one in good.json().get("errors", ())]
            assert not any(one.endswith(f"/{field.name}") for one in pointers), (field, good.text)
