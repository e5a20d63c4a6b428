"""The root of every error that Nerava raises on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import ClassVar, Literal

Outcome = Literal["not_executed", "unknown"]


class NeravaError(Exception):
    """A refusal with a stable code; the HTTP layer turns it into an RFC 9457 problem.

    Subclasses set `code` (stable, kebab-case), `status` and `title`. `detail` is for people and
    carries no secret and no personal data. `outcome` says whether anything may have happened:
    `not_executed` is a promise that nothing did, `unknown` asks the caller to repeat with the
    same key. `retry_after_s` and `headers` go along with the answer; an instance may set its own.
    `told` names the facts that go along in the problem, for programs; the others stay with us.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    title: ClassVar[str] = "Something went wrong"
    outcome: ClassVar[Outcome | None] = None
    told: ClassVar[frozenset[str]] = frozenset()
    retry_after_s: int | None = None
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, detail: str = "", /, **facts: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.facts = facts
