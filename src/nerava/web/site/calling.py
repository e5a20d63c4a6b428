"""How a page asks the API: inside this process, as the person who looks at the page, through every check."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import anyio

from nerava.identity.guard import ACTING_AS, BY_ITSELF
from nerava.platform.problem import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Scope

ASGI: Final = {"version": "3.0", "spec_version": "2.4"}
"""From 2.4 on a streamed answer does not look whether its reader went away, which ours never does."""

_PASSED_ON: Final = frozenset({b"x-forwarded-for", b"forwarded", b"user-agent", BY_ITSELF.encode()})
"""Headers of the page's request that say where it comes from and why, for limits and the audit log."""


class Refused(Exception):
    """The API refused what a page asked it.

    Attributes:
        status: Of its answer.
        problem: Its problem document.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("code", ""))
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """The stable name of the refusal."""
        return str(self.problem.get("code", ""))


class Api:
    """The API as one caller sees it, for the time of one request.

    Each call passes guard, limits, idempotency and audit as if it had come over the network, so a page
    can show and do nothing that the API would not. What is asked together runs together.
    """

    def __init__(self, app: ASGIApp, scope: Scope, token: str | None, acting_as: str | None) -> None:
        """Take the application, the page's own request, and as whom to call; without a token as nobody."""
        self._app = app
        self._outer = scope
        self._token = token
        self._acting_as = acting_as

    async def get(self, path: str, **query: object) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a GET; parameters that are None or empty are left out.

        Raises:
            Refused: The API says no.
        """
        asked = {name: value for name, value in query.items() if value not in {None, ""}}
        return await self._call("GET", path, urlencode(asked), {}, b"")

    async def get_all(self, *paths: str) -> list[Any]:
        """Return the JSON of several GETs, asked together.

        Raises:
            Refused: The API says no to one of them.
        """
        calls = [self._call("GET", *_parts(path), {}, b"") for path in paths]
        return list(await asyncio.gather(*calls))

    async def send(
        self, method: str, path: str, body: object = None, *, key: str | None = None, **query: object
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a request that changes something; with a key it happens once.

        Raises:
            Refused: The API says no.
        """
        headers = {"idempotency-key": key} if key else {}
        raw = b""
        if body is not None:
            headers["content-type"] = "application/json"
            raw = json.dumps(body).encode()
        return await self._call(method, path, urlencode(query), headers, raw)

    async def post(self, path: str, body: object = None, *, key: str | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a POST; with a key it happens once.

        Raises:
            Refused: The API says no.
        """
        return await self.send("POST", path, body, key=key)

    async def _call(self, method: str, path: str, query: str, headers: Mapping[str, str], raw: bytes) -> Any:  # noqa: ANN401 - JSON
        status, answer = await self.fetch(method, path, query, headers, raw)
        parsed = json.loads(answer) if answer else None
        if status >= 400:  # noqa: PLR2004 - by HTTP
            raise Refused(status, parsed if isinstance(parsed, dict) else {})
        return parsed

    async def fetch(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        raw: bytes = b"",
    ) -> tuple[int, bytes]:
        """Return status and body of a request, whatever they are."""
        collected = _Collected(raw)
        sent = [one for one in self._outer["headers"] if one[0] in _PASSED_ON]
        own = {**(headers or {}), **self._named()}
        sent += [(name.encode("ascii"), value.encode("utf-8")) for name, value in own.items()]
        scope = {
            "type": "http",
            "asgi": ASGI,
            "http_version": "1.1",
            "method": method,
            "scheme": self._outer["scheme"],
            "path": path,
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": sent,
            "client": self._outer["client"],
            "server": self._outer["server"],
            "state": {},
        }
        await self._app(scope, collected.receive, collected.send)
        return collected.status, bytes(collected.body)

    def _named(self) -> dict[str, str]:
        """Return as whom to call, and the ids under which the page's own request is found."""
        reference = self._outer.get(REFERENCE)
        named = (
            {}
            if reference is None
            else {
                "x-request-id": reference.request_id,
                "traceparent": f"00-{reference.trace_id}-{reference.trace_id[:16]}-01",
            }
        )
        if self._token is not None:
            named["authorization"] = f"Bearer {self._token}"
        if self._acting_as is not None:
            named[ACTING_AS] = self._acting_as
        return named


class _Collected:
    """One request's body on its way in, and the answer on its way out."""

    def __init__(self, raw: bytes) -> None:
        self.status = 0
        self.body = bytearray()
        self._raw: bytes | None = raw

    async def receive(self) -> Message:
        if self._raw is None:
            await anyio.sleep_forever()
        raw, self._raw = self._raw or b"", None
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")


def _parts(path: str) -> tuple[str, str]:
    path, _, query = path.partition("?")
    return path, query
