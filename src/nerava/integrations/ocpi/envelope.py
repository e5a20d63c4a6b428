"""How OCPI answers: its own status codes in an envelope, and HTTP codes for transport alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from nerava.integrations.ocpi import exact_json
from nerava.integrations.ocpi.instants import instant_text

if TYPE_CHECKING:
    from datetime import datetime


class Status(IntEnum):
    """The status codes that we answer with."""

    OK = 1000
    CLIENT_ERROR = 2000
    INVALID_PARAMETERS = 2001
    NOT_ENOUGH_INFORMATION = 2002
    UNKNOWN_LOCATION = 2003
    UNKNOWN_TOKEN = 2004
    SERVER_ERROR = 3000
    CLIENT_UNUSABLE = 3001
    UNSUPPORTED_VERSION = 3002
    NO_MATCHING_ENDPOINTS = 3003


@dataclass(frozen=True, slots=True)
class Said:
    """An answer before it is written.

    Attributes:
        data: What `exact_json` can write; None leaves it out.
        raw: JSON text that stands for `data` as it is.
        headers: `Location`, `Link` and the like.
    """

    status: Status = Status.OK
    http: HTTPStatus = HTTPStatus.OK
    data: Any = None
    raw: str | None = None
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, now: datetime) -> bytes:
        """Return the envelope."""
        data = (
            self.raw if self.raw is not None else None if self.data is None else exact_json.write(self.data)
        )
        message = self.message or ("Success" if self.status is Status.OK else self.status.name.lower())
        rest = {"status_code": int(self.status), "status_message": message, "timestamp": instant_text(now)}
        written = exact_json.write(rest)
        return (written if data is None else '{"data":' + data + "," + written[1:]).encode()


OK: Final = Said()
CREATED: Final = Said(http=HTTPStatus.CREATED)


def invalid(message: str) -> Said:
    """Return the answer to a message that is JSON, but not what it should be."""
    return Said(Status.INVALID_PARAMETERS, message=message)


def absent(message: str, status: Status = Status.CLIENT_ERROR) -> Said:
    """Return the answer to an address at which nothing is, or nothing that the peer may see."""
    return Said(status, HTTPStatus.NOT_FOUND, message=message)
