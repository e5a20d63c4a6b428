"""Reads what peers have, page by page: nobody queues for us what an outage kept from us."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from nerava.integrations.ocpi.addresses import origin_of
from nerava.integrations.ocpi.api import Identity
from nerava.integrations.ocpi.envelope import Status, invalid
from nerava.integrations.ocpi.instants import instant_text
from nerava.integrations.ocpi.receiving import Sender
from nerava.kernel.outcomes import Ok, RetryLater
from nerava.roaming import pulls
from nerava.roaming.model import Module
from nerava.roaming.peers import OPERATOR, line_to, peer_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.integrations.ocpi.api import PeerApi, Told
    from nerava.integrations.ocpi.envelope import Said
    from nerava.integrations.ocpi.handshake import Own
    from nerava.integrations.ocpi.receiving import Receiving
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault
    from nerava.roaming.peers import Line, Peer
    from nerava.roaming.pulls import Turn

log = logging.getLogger(__name__)

PAGE: Final = 100
PAGES_AT_ONCE: Final = 20
_NEXT: Final = re.compile(r'<([^<>]{1,1000})>\s*;[^,]*\brel="?next"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PageRead:
    """What became of one page.

    Attributes:
        rows: How many objects it had, `new` those that were not known.
        refused: What could not be kept: its id, if it has one, and why.
        total: How many the peer has in all, None where it does not say.
        is_last: Whether the reading is over.
        failure: Why there is no page, in a word.
    """

    rows: int = 0
    new: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    total: int | None = None
    is_last: bool = False
    failure: str | None = None


class Pulling:
    """Reads one page after the other. Safe to kill between any two, and to run beside others."""

    def __init__(
        self, database: Database, vault: Vault, api: PeerApi, receiving: Receiving, own: Own
    ) -> None:
        self._database = database
        self._vault = vault
        self._api = api
        self._receiving = receiving
        self._own = own

    def run(self, now: datetime) -> int:
        """Read what is due, a bounded number of pages, and return how many there were."""
        for done in range(PAGES_AT_ONCE):
            turn = self._database.run(lambda session: pulls.claim(session, now))
            if turn is None:
                return done
            self._read(turn, now)
        return PAGES_AT_ONCE

    def read_on(self, peer_id: UUID, module: Module, now: datetime) -> PageRead | None:
        """Read the next page of a module now; None while another worker reads it.

        A reading that was interrupted goes on where it was.
        """
        turn = self._database.run(lambda session: pulls.claim(session, now, of=(peer_id, module)))
        return None if turn is None else self._read(turn, now)

    def _read(self, turn: Turn, now: datetime) -> PageRead:
        def look(session: Session) -> tuple[Line | None, Peer]:
            return line_to(session, self._vault, turn.peer_id), peer_of(session, turn.peer_id)

        line, peer = self._database.read(look)
        begins_at = None if line is None else line.endpoints.get((turn.module.value, "SENDER"))
        if line is None or begins_at is None:
            self._failed(turn, now, "not-offered", None)
            return PageRead(failure="not-offered")
        operator = next((one for one in peer.parties if one.role == OPERATOR), None)
        parties = None if operator is None else (self._own.code, operator.code)
        identity = Identity(line.token, line.sends_plain, parties, str(peer.id))
        query = [] if turn.next_url else _query(turn)
        answer = self._api.get(turn.next_url or begins_at, identity, query)
        if not isinstance(answer, Ok):
            not_before = answer.not_before if isinstance(answer, RetryLater) else None
            self._failed(turn, now, answer.code, not_before)
            return PageRead(failure=answer.code)
        if not isinstance(answer.value.data, list):
            self._failed(turn, now, "unreadable", None)
            return PageRead(failure="unreadable")
        sender = Sender(peer, line.version)
        said = [(one, self._keep(sender, turn.module, one, now)) for one in answer.value.data]
        next_url, total = _next_page(turn, answer.value, begins_at)
        self._database.run(
            lambda session: pulls.page_read(session, turn, now, next_url=next_url, total=total),
            repeatable=True,
        )
        return PageRead(
            rows=len(said),
            new=sum(one.http == HTTPStatus.CREATED for _, one in said),
            refused=tuple((_id_of(one), told.message) for one, told in said if told.status is not Status.OK),
            total=total,
            is_last=next_url is None,
        )

    def _failed(self, turn: Turn, now: datetime, code: str, not_before: datetime | None) -> None:
        self._database.run(
            lambda session: pulls.failed(session, turn, now, code, not_before), repeatable=True
        )

    def _keep(self, sender: Sender, module: Module, one: Any, now: datetime) -> Said:  # noqa: ANN401 - any JSON
        if module is Module.CDRS:
            said = self._receiving.post_cdr(sender, one, now, str)
        elif isinstance(one, dict):
            names = (one.get("country_code"), one.get("party_id"), one.get("id"))
            where = tuple(name if isinstance(name, str) else "" for name in names)
            said = self._receiving.put(sender, module, (where[0], where[1], where[2]), one, now)
        else:
            said = invalid("a row is no object")
        if said.status is not Status.OK:
            log.warning("peer %s lists %s that are not kept: %s", sender.peer.id, module, said.message)
        return said


def _id_of(one: object) -> str:
    return str(one.get("id") or "")[:40] if isinstance(one, dict) else ""


def _query(turn: Turn) -> list[tuple[str, str]]:
    since = [] if turn.since is None else [("date_from", instant_text(turn.since.replace(microsecond=0)))]
    return [*since, ("offset", "0"), ("limit", str(PAGE))]


def _next_page(turn: Turn, told: Told, begins_at: str) -> tuple[str | None, int | None]:
    """Return the next page and how many objects there are in all.

    Fewer than a page ago means that one moved to the end: the next page begins as much earlier.
    """
    total = _whole(told.headers.get("x-total-count"))
    found = _NEXT.search(told.headers.get("link", ""))
    if found is None:
        return None, total
    url = found[1]
    if origin_of(url) != origin_of(begins_at):
        log.warning("peer %s sends us to another server for its next page", turn.peer_id)
        return None, total
    if turn.total is not None and total is not None and total < turn.total:
        url = _earlier(url, turn.total - total)
    return url, total


def _earlier(url: str, by: int) -> str:
    parts = urlsplit(url)
    query: Mapping[str, str] = dict(parse_qsl(parts.query, keep_blank_values=True))
    offset = _whole(query.get("offset"))
    if offset is None:
        return url
    return urlunsplit(parts._replace(query=urlencode({**query, "offset": str(max(0, offset - by))})))


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - digits of any count
