"""The keys of Google and Apple, over HTTP: one GET with a deadline, no redirect, no more than 64 kB."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import httpx2

if TYPE_CHECKING:
    from collections.abc import Mapping

DEADLINE_S: Final = 3.0
BYTES_MAX: Final = 65_536


class IssuerKeysRefused(ValueError):
    """What came back is not a JWK set that could be read."""


class IssuerKeysOverHttp:
    """`KeySource` at the address where an issuer publishes its JWK set."""

    def __init__(self, url: str) -> None:
        self._url = url

    def fetch(self) -> Mapping[str, Any]:
        """Return the JWK set.

        Raises:
            IssuerKeysRefused: Another status than 200, too long, or no JSON object.
            httpx2.HTTPError: It could not be reached in time.
        """
        begun = time.monotonic()
        # Without the environment: a proxy variable must not choose who answers for an issuer.
        with (
            httpx2.Client(timeout=DEADLINE_S, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", self._url, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status_code != httpx2.codes.OK:
                message = f"the issuer answered {answer.status_code}"
                raise IssuerKeysRefused(message)
            body = bytearray()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > BYTES_MAX or time.monotonic() - begun > DEADLINE_S:
                    message = "the issuer's answer is too long, or takes too long"
                    raise IssuerKeysRefused(message)
        document = json.loads(body)
        if not isinstance(document, dict):
            message = "the issuer's answer is no JSON object"
            raise IssuerKeysRefused(message)
        return document
