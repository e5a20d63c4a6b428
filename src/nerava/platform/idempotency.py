"""The idempotency contract: keys, fingerprints, stored answers, and the refusals that go with them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import rfc8785
from starlette.responses import Response

from nerava.kernel.errors import NeravaError
from nerava.platform.problem import MEDIA_TYPE as PROBLEM
from nerava.platform.problem import problem_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from nerava.platform.problem import Reference

API_VERSION: Final = "v1"
JSON: Final = "application/json"
KEY_CHARACTERS_MAX: Final = 255
REPLAYED: Final = "Idempotency-Replayed"
"""Header of an answer that was given before: `true`, or `rebuilt` when only the ledger remembers."""

_BARE: Final = re.compile(rf"[\x21-\x7e]{{1,{KEY_CHARACTERS_MAX}}}")
_QUOTED: Final = re.compile(rf'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){{1,{KEY_CHARACTERS_MAX}}})"')

NOT_STORED: Final = frozenset({400, 401, 403, 404, 413, 415, 422, 429})
"""Refusals that leave the key free: the caller repairs the request and sends it again under the same key."""


class IdempotencyKeyMissing(NeravaError):
    """The request moves money and has no `Idempotency-Key`."""

    code = "idempotency-key-missing"
    status = HTTPStatus.BAD_REQUEST
    title = "Send an Idempotency-Key"


class IdempotencyKeyMalformed(NeravaError):
    """The `Idempotency-Key` is not 1 to 255 visible ASCII characters."""

    code = "idempotency-key-malformed"
    status = HTTPStatus.BAD_REQUEST
    title = "The Idempotency-Key is malformed"


class KeyReusedWithOtherBody(NeravaError):
    """The key belongs to another request of the same caller; final."""

    code = "key-reused-with-other-body"
    status = HTTPStatus.CONFLICT
    title = "The Idempotency-Key was used for another request"


class RequestInFlight(NeravaError):
    """The first request with this key is still running."""

    code = "request-in-flight"
    status = HTTPStatus.CONFLICT
    title = "The first request with this key is still running"
    retry_after_s = 1


class IdempotencyKeyCancelled(NeravaError):
    """The caller burned the key before a request used it; final."""

    code = "idempotency-key-cancelled"
    status = HTTPStatus.CONFLICT
    title = "The Idempotency-Key was cancelled"


class IdempotencyKeyUnknown(NeravaError):
    """No request with this key has been carried out. Not a proof: it may still be on its way."""

    code = "idempotency-key-unknown"
    status = HTTPStatus.NOT_FOUND
    title = "Nothing is known under this key"


class Replay(StrEnum):
    """Where an answer comes from."""

    FIRST = "first"
    STORED = "true"
    REBUILT = "rebuilt"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it goes over the wire, and as it is stored for repetitions."""

    status: int
    body: bytes
    content_type: str = JSON

    @classmethod
    def of(cls, document: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Answer:
        """Return the answer that shows this document."""
        return cls(int(status), document.model_dump_json().encode())

    @classmethod
    def refusal(cls, error: NeravaError, reference: Reference) -> Answer:
        """Return the answer that tells about this error."""
        return cls(int(error.status), problem_body(error, reference), PROBLEM)

    def response(self, replay: Replay = Replay.FIRST) -> Response:
        """Return the HTTP response, marked when it is not the first."""
        headers = {} if replay is Replay.FIRST else {REPLAYED: replay.value}
        return Response(self.body, self.status, headers, media_type=self.content_type)

    def document(self) -> object:
        """Return the body as parsed JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that happens at most once.

    Attributes:
        principal: The user or partner, not the credential, so that a new token does not break a replay.
        key: What the caller chose; None where the route accepts requests without one.
        fingerprint: SHA-256 over what is asked; see `fingerprint`.
        reference: Goes into a stored refusal.
    """

    principal: str
    key: str | None
    fingerprint: bytes
    reference: Reference


def idempotency_key(values: Sequence[str], *, required: bool) -> str | None:
    """Return the key from the header's values, bare or as a quoted structured-field string.

    Raises:
        IdempotencyKeyMissing: There is none and the route moves money (400).
        IdempotencyKeyMalformed: Several, empty, too long, or not visible ASCII (400).
    """
    if not values:
        if required:
            raise IdempotencyKeyMissing
        return None
    if len(values) > 1:
        message = "send one Idempotency-Key, not several"
        raise IdempotencyKeyMalformed(message)
    return parse_key(values[0])


def parse_key(text: str) -> str:
    """Return the key that this text spells, without its quotes.

    Raises:
        IdempotencyKeyMalformed: It is not 1 to 255 visible ASCII characters (400).
    """
    text = text.strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    bare = re.sub(r'\\(["\\])', r"\1", quoted[1]) if quoted else text
    if _BARE.fullmatch(bare) is None or (quoted is None and bare.startswith('"')):
        message = f"a key has 1 to {KEY_CHARACTERS_MAX} visible ASCII characters"
        raise IdempotencyKeyMalformed(message)
    return bare


def fingerprint(method: str, route: str, path_values: Mapping[str, str], body: object) -> bytes:
    """Return SHA-256 over method, route template, path values, API version and canonical body (RFC 8785).

    Headers stay outside: the same request through another proxy is the same request.
    """
    asked = {
        "method": method,
        "route": route,
        "path": dict(path_values),
        "version": API_VERSION,
        "body": body,
    }
    return hashlib.sha256(rfc8785.dumps(asked)).digest()  # type: ignore[arg-type]  # JSON by construction


def is_stored(error: NeravaError) -> bool:
    """Whether this refusal is an answer for good, to be kept under the key."""
    return int(error.status) not in NOT_STORED and int(error.status) < HTTPStatus.INTERNAL_SERVER_ERROR
