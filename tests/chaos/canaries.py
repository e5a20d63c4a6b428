"""Values that must come out nowhere, and requests that carry them in every place a request has."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from nerava.platform.policy import Credential, GuardedRoute, policy_of
from nerava.web.api.routes import openapi_document
from nerava.web.routes import ALL_ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

PHONE: Final = "+12025550187"
MAIL: Final = "eve.canary@example.org"
PERSONAL: Final = {
    "phone": PHONE,
    "mail": MAIL,
    "vehicle": "1HGCM82633A004352",
    "place": "30.267153,-97.743061",
}
"""Of a place both numbers: one alone says nothing."""

CARD: Final = "4111111111111111"
DEPTH: Final = 4


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API: where it is, who may call it, and the form of its body."""

    method: str
    path: str
    role: str | None
    parameters: tuple[tuple[str, str], ...]
    body: dict[str, Any] | None


@dataclass
class Told:
    """Everything that came back."""

    answers: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)


def operations() -> Iterator[Operation]:
    """Yield every documented operation."""
    document = openapi_document()
    for route in ALL_ROUTES:
        policy = policy_of(route)
        if not isinstance(route, GuardedRoute) or policy is None or not route.include_in_schema:
            continue
        if policy.credential is not Credential.TOKEN:
            continue
        for method in sorted(route.methods or ()):
            stated = document["paths"][route.path_format][method.lower()]
            content = stated.get("requestBody", {}).get("content", {}).get("application/json", {})
            parameters = tuple((one["in"], one["name"]) for one in stated.get("parameters", ()))
            role = policy.roles[0] if policy.roles else None
            yield Operation(method, route.path_format, role, parameters, content.get("schema"))


def filled(schema: dict[str, Any], canary: str, depth: int = 0) -> Any:
    """Return a value of a schema with the canary in every free text, at best a valid one."""
    if "$ref" in schema:
        return filled(
            openapi_document()["components"]["schemas"][schema["$ref"].split("/")[-1]], canary, depth
        )
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return filled(schema[choice][0], canary, depth)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object" if depth < DEPTH:
            names = schema.get("properties", {})
            return {name: filled(one, canary, depth + 1) for name, one in names.items()} or {canary: canary}
        case "array":
            return [filled(schema.get("items", {}), canary, depth + 1)]
        case "integer" | "number":
            return max(int(schema.get("minimum", 0)), int(schema.get("exclusiveMinimum", 0)) + 1)
        case "boolean":
            return True
        case _:
            return {
                "uuid": "019ab123-4567-7890-8abc-012345678901",
                "date-time": "2026-11-02T18:00:00+00:00",
            }.get(schema.get("format", ""), canary)


@dataclass
class Sender:
    """Sends requests to one server over one connection and keeps what comes back."""

    port: int
    told: Told

    def __post_init__(self) -> None:
        """Connect."""
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def send(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Send a request; return status and body, and keep an answer that is a refusal."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if raw else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, raw, sent)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        self.told.statuses.add(answer.status)
        if answer.status >= 400:
            self.told.answers.append(f"{answer.headers} {text}")
        return answer.status, (answer, text)

    def plant(self, operation: Operation, token: str | None, canary: str) -> None:
        """Send the operation with the canary wherever a caller can put it, and once as it should be."""
        safe = quote(canary, safe="")
        path, queries = operation.path, [f"{safe}={safe}"]
        for place, name in operation.parameters:
            if place == "path":
                path = path.replace("{" + name + "}", safe)
            if place == "query":
                queries.append(f"{name}={safe}")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = None if operation.body is None else filled(operation.body, canary)
        key = {"Idempotency-Key": canary.replace(" ", "")}
        odd = {"Cookie": f"__Host-nv_s={safe}", "User-Agent": canary, "Referer": f"https://x.example/?{safe}"}
        ways: list[tuple[str, object, dict[str, str]]] = [
            (path, body, headers | key),
            (path + "?" + "&".join(queries), body, headers | key | odd),
            (path, {canary: canary}, headers | odd),
            (path, b'{"x": "' + canary.encode(), headers),
            (path, body, {"Authorization": f"Bearer {canary}", "DPoP": canary} | key),
            (
                path + "/" + safe,
                None,
                {"Authorization": f"Basic {base64.b64encode(canary.encode()).decode()}"},
            ),
        ]
        for to, sent, more in ways:
            self.send(operation.method, to, None if operation.method == "GET" else sent, **more)


def spellings(secret: str) -> set[str]:
    """Return a secret as it would stand in a log, an address, a column of bytes or a basic header."""
    plain = secret.encode()
    return {secret, quote(secret, safe=""), plain.hex(), base64.b64encode(plain).decode().rstrip("=")}
