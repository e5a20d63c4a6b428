"""A charge-point operator written from the OCPI specification alone; shares no code with the product.

The half that calls us speaks through a test client; the half that we call is a real HTTP server.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from starlette.testclient import TestClient

JSON = "application/json"


@dataclass
class Operator:
    """One operator, and what its server has for whoever asks.

    Attributes:
        token_out: What it presents to us: first the invitation, then what we gave it.
        token_in: What it wants to be presented.
        lists: What its sender interfaces list, by module.
        tokens: What we told it of tokens: path and body.
        down: Its server answers 503.
        code: The status code in the envelope of its lists.
        lists_until: Pages from this offset on are answered 503.
    """

    client: TestClient
    token_out: str
    country: str = "NL"
    party: str = "EXA"
    version: str = "2.2.1"
    plain: bool = False
    address: str = ""
    token_in: str = field(default_factory=lambda: str(uuid4()))
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tokens: list[tuple[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    down: bool = False
    lists_until: int | None = None
    code: int = 1000
    page: int = 2
    during_post: Any = None
    endpoints: dict[tuple[str, str], str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Call us; `path` from the root."""
        token = self.token_out if self.plain else base64.b64encode(self.token_out.encode()).decode()
        sent = {
            "Authorization": f"Token {token}",
            "X-Request-ID": str(uuid4()),
            "X-Correlation-ID": str(uuid4()),
        } | headers
        if isinstance(body, bytes):
            return self.client.request(method, path, content=body, headers={"Content-Type": JSON} | sent)
        if body is None:
            return self.client.request(method, path, headers=sent)
        return self.client.request(method, path, json=body, headers=sent)

    def credentials(self) -> dict[str, Any]:
        """Return what it says of itself."""
        role = {
            "role": "CPO",
            "country_code": self.country,
            "party_id": self.party,
            "business_details": {"name": f"Operator {self.party}"},
        }
        return {"token": self.token_in, "url": f"{self.address}/versions", "roles": [role]}

    def register(self, versions_path: str = "/ocpi/versions") -> Any:
        """Do the whole handshake from its side and return our answer to its credentials."""
        offered = self.call("GET", versions_path).json()["data"]
        url = next(one["url"] for one in offered if one["version"] == self.version)
        details = self.call("GET", urlsplit(url).path).json()["data"]
        assert details["version"] == self.version
        self.endpoints = {
            (one["identifier"], one["role"]): urlsplit(one["url"]).path for one in details["endpoints"]
        }
        answer = self.call("POST", self.endpoints["credentials", "RECEIVER"], self.credentials())
        if answer.status_code == 200 and answer.json()["status_code"] == 1000:
            self.token_out = answer.json()["data"]["token"]
        return answer

    def at(self, module: str, *names: str) -> str:
        """Return the address of one of its objects at ours."""
        role = "SENDER" if module == "tokens" else "RECEIVER"
        return "/".join((self.endpoints[module, role], *names))

    def put(self, module: str, body: dict[str, Any], *inner: str) -> Any:
        """Send a whole object, or a part of a location."""
        place = self.at(module, self.country, self.party, *(inner or (body["id"],)))
        return self.call("PUT", place, body)

    def patch(self, module: str, object_id: str, body: dict[str, Any], *inner: str) -> Any:
        """Send a part of an object."""
        return self.call("PATCH", self.at(module, self.country, self.party, object_id, *inner), body)

    def cdr(self, body: dict[str, Any]) -> Any:
        """Send a charge detail record."""
        return self.call("POST", self.endpoints["cdrs", "RECEIVER"], body)


class _Server(BaseHTTPRequestHandler):
    operator: Operator
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def say(self, data: Any, status: int = 200, code: int = 1000, **headers: str) -> None:
        envelope = {"data": data, "status_code": code, "timestamp": "2026-11-20T12:00:00Z"}
        body = json.dumps(envelope).encode()
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def is_known(self) -> bool:
        self.operator.asked.append(f"{self.command} {self.path}")
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.body = json.loads(raw) if raw else None
        if self.operator.down:
            self.say(None, 503, 3000)
            return False
        scheme, _, text = self.headers.get("Authorization", "").partition(" ")
        token = text if self.operator.plain else base64.b64decode(text).decode()
        if scheme != "Token" or token != self.operator.token_in:
            self.say(None, 401, 2001)
            return False
        return True

    def do_GET(self) -> None:
        if not self.is_known():
            return
        parts = urlsplit(self.path)
        if parts.path == "/versions":
            versions = [
                {"version": self.operator.version, "url": f"{self.operator.address}/{self.operator.version}"}
            ]
            self.say(versions)
        elif parts.path == f"/{self.operator.version}":
            modules = [("credentials", "RECEIVER"), ("tokens", "RECEIVER")]
            modules += [(name, "SENDER") for name in ("locations", "sessions", "cdrs")]
            endpoints = [
                {
                    "identifier": name,
                    "role": role,
                    "url": f"{self.operator.address}/{self.operator.version}/{name}",
                }
                for name, role in modules
            ]
            self.say({"version": self.operator.version, "endpoints": endpoints})
        else:
            self.list(parts.path.rpartition("/")[2], parse_qs(parts.query))

    def list(self, module: str, query: dict[str, list[str]]) -> None:
        since = query.get("date_from", [""])[0]
        rows = [one for one in self.operator.lists.get(module, []) if one["last_updated"] >= since]
        offset = int(query.get("offset", ["0"])[0])
        end = offset + self.operator.page
        if self.operator.lists_until is not None and offset >= self.operator.lists_until:
            self.say(None, 503, 3000)
            return
        headers = {"X_Total_Count": str(len(rows)), "X_Limit": str(self.operator.page)}
        if end < len(rows):
            more = f"offset={end}&limit={self.operator.page}" + (f"&date_from={since}" if since else "")
            headers["Link"] = f'<{self.operator.address}{urlsplit(self.path).path}?{more}>; rel="next"'
        self.say(rows[offset:end], code=self.operator.code, **headers)

    def do_POST(self) -> None:
        if not self.is_known():
            return
        self.operator.token_out = self.body["token"]
        offered = self.operator.call("GET", urlsplit(self.body["url"]).path)
        details = self.operator.call("GET", f"/ocpi/{self.operator.version}")
        self.operator.during_post = (offered.status_code, details.status_code)
        self.operator.endpoints = {
            (one["identifier"], one["role"]): urlsplit(one["url"]).path
            for one in details.json()["data"]["endpoints"]
        }
        self.operator.token_in = str(uuid4())
        self.say(self.operator.credentials())

    def do_PUT(self) -> None:
        if self.is_known():
            self.operator.tokens.append((self.path, self.body))
            self.say(None)


@contextmanager
def running_operator(client: TestClient, token: str, **more: Any) -> Iterator[Operator]:
    """Run an operator's server while something is done with it."""
    operator = Operator(client, token, **more)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Server", (_Server,), {"operator": operator}))
    operator.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield operator
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
