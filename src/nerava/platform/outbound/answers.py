"""How a call to another machine ends: a whole answer, not sent, or lost."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRY_AFTER_MAX_S: Final = 3_600.0
_SECONDS_DIGITS: Final = 9
"""More digits than that are far above the hour in any case."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, whatever its status. Names of headers are in lower case.

    Its `repr` shows neither headers nor body: what a provider says belongs in no log.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is one of the two hundreds."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_busy(self) -> bool:
        """Whether the other side says that there were too many."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS

    def is_of_type(self, wanted: str) -> bool:
        """Return whether the body says to be of a media type; `a/b+json` is `application/json`, too."""
        told = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return told == wanted or told.endswith("+" + wanted.rpartition("/")[2])

    def document(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the body read as JSON, fractions as `Decimal`; None if it is none or says that it is none.

        A page of a hotel's network with status 200 is no answer.
        """
        if "content-type" in self.headers and not self.is_of_type("application/json"):
            return None
        try:
            return json.loads(self.body, parse_float=Decimal)
        except (ValueError, RecursionError):
            return None

    def object(self) -> dict[str, Any] | None:
        """Return the body as a JSON object, fractions as `Decimal`; None if it is no such thing."""
        read = self.document()
        return read if isinstance(read, dict) else None

    def retry_after_s(self, now: datetime) -> float | None:
        """Return how long the other side wants us to wait, an hour at most; None if it does not say."""
        told = self.headers.get("retry-after", "").strip()
        if told.isascii() and told.isdecimal():
            return min(float(told[:_SECONDS_DIGITS]), RETRY_AFTER_MAX_S)
        try:
            at = parsedate_to_datetime(told)
        except ValueError:
            return None
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return min(max((at - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request never left, so nothing was done.

    Attributes:
        not_before: When it may be tried again, aware UTC, where that is known.
    """

    code: str
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The request may have been carried out; the answer did not come, not in time, or not whole."""

    code: str


Result: TypeAlias = Reply | NotSent | Lost
