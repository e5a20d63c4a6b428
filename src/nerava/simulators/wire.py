"""A call to a simulated provider and its answer, and what the simulators ask of each provider."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = dict[str, Any]
"""An object of a provider in its own words; the wire format is the only truth about it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a provider got it.

    Attributes:
        path: Below the provider's mount, with its leading slash.
        headers: Names in lower case.
        origin: Where the caller reached the provider, `http://127.0.0.1:4010/stripe`.
        http_version: `1.1`, or `2`.
    """

    provider: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    origin: str
    http_version: str = "1.1"

    @property
    def key(self) -> str | None:
        """The idempotency key, where the provider takes it: a header, or a member of a JSON body."""
        if "idempotency-key" in self.headers:
            return self.headers["idempotency-key"]
        if b'"idempotency_key"' not in self.body:
            return None
        found = parsed(self.body).get("idempotency_key")
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider says; header names in lower case."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Any:  # noqa: ANN401 - whatever JSON it is
        """The body as JSON; None when it is something else."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class ProviderSaysNo(Exception, ABC):
    """A provider refuses something in its own words; each one has its own kind."""

    @property
    @abstractmethod
    def reason(self) -> str:
        """The words."""


class Provider(Protocol):
    """A simulated provider. All its methods are called one at a time, and none of them waits."""

    name: str
    answer_limit_s: int
    """Seconds that its webhooks wait for an answer."""
    retry_gaps_s: tuple[int, ...]
    """Seconds between the attempts to deliver one webhook; when they are used up it is given up."""
    state: Any
    """Everything it believes; replaced as a whole by `reset` and `restore`."""

    def fresh(self) -> None:
        """Forget everything; keys and secrets are drawn anew from the seed."""

    def begin(self, call: Call) -> Answer | None:
        """Look at a call before it is carried out; an answer here means that it is not."""

    def answer(self, call: Call) -> Answer:
        """Carry out a call."""

    def fail(self, call: Call, status: int, code: str | None) -> Answer:
        """Answer with an error of this status in the provider's own words; nothing is carried out."""

    def keep(self, call: Call, answer: Answer) -> None:
        """Store an answer under the call's idempotency key, as if it were that of the first execution."""

    def abandon(self, call: Call) -> None:
        """Forget that a call had begun."""

    def due(self, action: str, subject: str) -> None:
        """Do what was put on the timeline."""

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:
        """Return the headers that prove a webhook, one signature for each secret."""

    def believes(self) -> Json:
        """Return the state for comparison; no secrets."""


def parsed(body: bytes) -> Json:
    """Return a JSON object; an empty one when the body is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def as_json(document: object, status: int = 200, *, indent: int | None = 2) -> Answer:
    """Return an answer of JSON, UTF-8."""
    body = json.dumps(document, indent=indent).encode()
    return Answer(status, body, {"content-type": "application/json"})


def as_page(html: str, status: int = 200) -> Answer:
    """Return a page for a person."""
    return Answer(status, html.encode(), {"content-type": "text/html; charset=utf-8"})


def as_redirect(url: str) -> Answer:
    """Return a redirect after a form was sent."""
    return Answer(303, b"", {"location": url})
