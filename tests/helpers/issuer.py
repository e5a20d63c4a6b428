"""An issuer of ID tokens on this machine: an RSA key, and a small HTTP server that publishes it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

GOOGLE = "https://accounts.google.com"
CLIENT = "nerava.apps.example"


def new_key(bits: int = 2_048) -> rsa.RSAPrivateKey:
    """Return a new RSA key."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@dataclass
class FakeIssuer:
    """What the issuer publishes, and how often it was asked.

    Attributes:
        keys: By id; what is published.
        status: What it answers with.
        body: Sent instead of the keys.
        slow_s: How long it takes for an answer.
    """

    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=lambda: {"first": new_key()})
    status: int = 200
    body: bytes | None = None
    slow_s: float = 0
    asked: int = 0
    url: str = ""

    def jwks(self) -> dict[str, Any]:
        """Return the public keys."""
        algorithm = jwt.algorithms.RSAAlgorithm
        return {
            "keys": [
                json.loads(algorithm.to_jwk(key.public_key())) | {"kid": kid, "alg": "RS256", "use": "sig"}
                for kid, key in self.keys.items()
            ]
        }

    def token(self, made_for: str, now: float, *, kid: str = "first", **changes: Any) -> str:
        """Return an ID token; a change of None leaves a claim out."""
        claims = {
            "iss": GOOGLE,
            "aud": CLIENT,
            "sub": "1180",
            "iat": int(now),
            "exp": int(now) + 3_600,
            "nonce": made_for,
            "email": "ann@example.org",
            "email_verified": True,
        } | changes
        told = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(told, self.keys[kid], "RS256", {"kid": kid})


@contextmanager
def open_issuer() -> Iterator[FakeIssuer]:
    """Publish the keys of a new issuer on 127.0.0.1."""
    issuer = FakeIssuer()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            time.sleep(issuer.slow_s)
            body = json.dumps(issuer.jwks()).encode() if issuer.body is None else issuer.body
            self.send_response(issuer.status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}/keys"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
