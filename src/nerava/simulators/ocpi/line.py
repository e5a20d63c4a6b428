"""How simulated operators call the other side: plain HTTP of this machine, nothing is tried again."""

from __future__ import annotations

import base64
import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: TID251 - an operator, and not us
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

if TYPE_CHECKING:
    from nerava.simulators.wire import Json

ANSWERS_WITHIN_S: Final = 10


def ask(method: str, url: str, token: str, body: Json | None, *, plain: bool) -> tuple[int, Any]:
    """Return HTTP's status and the envelope; status 0 where there was no answer."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWERS_WITHIN_S)
    written = token if plain else base64.b64encode(token.encode()).decode()
    headers = {
        "Authorization": f"Token {written}",
        "X-Request-ID": str(uuid4()),
        "X-Correlation-ID": str(uuid4()),
        "Content-Type": "application/json",
    }
    try:
        sent = None if body is None else json.dumps(body).encode()
        connection.request(method, parts.path, body=sent, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()
