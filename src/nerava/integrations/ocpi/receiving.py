"""What peers send is kept: by its owner alone, nothing older over newer, repeats without effect."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from nerava.integrations.ocpi import exact_json
from nerava.integrations.ocpi.envelope import CREATED, OK, Said, Status, absent, invalid
from nerava.integrations.ocpi.instants import read_instant
from nerava.integrations.ocpi.wire import CdrIn, Drift, LocationIn, SessionIn, TariffIn, read_as
from nerava.roaming import objects
from nerava.roaming.model import Module
from nerava.roaming.objects import Contents, ObjectName

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from pydantic import BaseModel
    from sqlalchemy.orm import Session

    from nerava.platform.db import Database
    from nerava.roaming.model import RoamingObject
    from nerava.roaming.peers import Peer

log = logging.getLogger(__name__)

Json = dict[str, Any]
MODELS: Final[dict[Module, type[BaseModel]]] = {
    Module.LOCATIONS: LocationIn,
    Module.SESSIONS: SessionIn,
    Module.CDRS: CdrIn,
    Module.TARIFFS: TariffIn,
}
OVER: Final = frozenset({"COMPLETED", "INVALID"})
"""Statuses after which a session does not change any more."""

PERIODS: Final = "charging_periods"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, and by which version of OCPI."""

    peer: Peer
    version: str


class Receiving:
    """Keeps the objects of peers. Safe to share between threads; every method repeats safely."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(
        self, sender: Sender, module: Module, where: tuple[str, str, str], inner: tuple[str, ...]
    ) -> Said:
        """Return an object as it was sent, or the EVSE or connector of it that `inner` names."""
        name = _name(sender, module, where)
        if name is None:
            return _not_owned()
        row = self._database.read(lambda session: _text_of(objects.found(session, name)))
        if not row:
            return absent("no such object")
        if not inner:
            return Said(raw=row)
        part = _within(exact_json.read(row), inner)
        return absent("no such object") if part is None else Said(data=part)

    def put(
        self,
        sender: Sender,
        module: Module,
        where: tuple[str, str, str],
        body: Any,  # noqa: ANN401 - whatever JSON it is
        now: datetime,
        *,
        inner: tuple[str, ...] = (),
    ) -> Said:
        """Keep a whole object, or a whole EVSE or connector of a location that is known."""
        name = _name(sender, module, where)
        if name is None:
            return _not_owned()
        if not isinstance(body, dict):
            return invalid("the body is no object")
        trouble = _differs_from(where, body) if not inner else _differs_inside(inner, body)
        if trouble:
            return invalid(trouble)

        def work(session: Session) -> Said:
            row = objects.found(session, name, lock=True)
            if not inner:
                return _put_whole(session, sender, name, (row, body), now)
            if row is None:
                return absent("no such location", Status.UNKNOWN_LOCATION)
            return _change_inside(session, sender, name, (row, inner, body), now=now, whole=True)

        return self._guarded(work)

    def patch(
        self,
        sender: Sender,
        module: Module,
        where: tuple[str, str, str],
        body: Any,  # noqa: ANN401 - whatever JSON it is
        now: datetime,
        *,
        inner: tuple[str, ...] = (),
    ) -> Said:
        """Change some fields of an object that is known."""
        name = _name(sender, module, where)
        if name is None:
            return _not_owned()
        if not isinstance(body, dict):
            return invalid("the body is no object")
        if read_instant(body.get("last_updated")) is None:
            return invalid("last_updated: missing")

        def work(session: Session) -> Said:
            row = objects.found(session, name, lock=True)
            if row is None or not row.body:
                return absent("no such object; send it whole")
            if inner:
                return _change_inside(session, sender, name, (row, inner, body), now=now, whole=False)
            return _patch_whole(session, sender, name, (row, body), now)

        return self._guarded(work)

    def delete(self, sender: Sender, where: tuple[str, str, str]) -> Said:
        """Forget a tariff."""
        name = _name(sender, Module.TARIFFS, where)
        if name is None:
            return _not_owned()

        def work(session: Session) -> Said:
            row = objects.found(session, name, lock=True)
            if row is None:
                return absent("no such tariff")
            session.delete(row)
            return OK

        return self._database.run(work, repeatable=True)

    def post_cdr(
        self,
        sender: Sender,
        body: Any,  # noqa: ANN401 - whatever JSON it is
        now: datetime,
        address_of: Callable[[UUID], str],
    ) -> Said:
        """Keep a detail record for ever; the same again is known, another one under its id is refused."""
        try:
            cdr = read_as(CdrIn, body)
        except Drift as drift:
            return invalid(str(drift))
        name = _name(sender, Module.CDRS, (cdr.country_code, cdr.party_id, cdr.id))
        if name is None:
            return invalid("the record is of a party that is not yours")
        contents = _contents(sender, body, cdr.last_updated)

        def work(session: Session) -> Said:
            row = objects.found(session, name, lock=True)
            if row is None:
                row = objects.write(session, name, None, contents, now)
                return Said(http=HTTPStatus.CREATED, headers={"Location": address_of(row.id)})
            if row.body_hash == contents.body_hash:
                return Said(headers={"Location": address_of(row.id)})
            log.error("peer %s sent another detail record under a known id: %s", sender.peer.id, row.id)
            return invalid("a record with this id and other contents is known")

        return self._guarded(work)

    def read_cdr(self, sender: Sender, object_id: UUID) -> Said:
        """Return a detail record of the peer by the address that it was given."""
        find = objects.by_id
        peer_id = sender.peer.id
        row = self._database.read(lambda session: _text_of(find(session, peer_id, Module.CDRS, object_id)))
        return Said(raw=row) if row else absent("no such record")

    def _guarded(self, work: Callable[[Session], Said]) -> Said:
        try:
            return self._database.run(work, repeatable=True)
        except Drift as drift:
            return invalid(str(drift))


def _put_whole(
    session: Session,
    sender: Sender,
    name: ObjectName,
    change: tuple[RoamingObject | None, Json],
    now: datetime,
) -> Said:
    row, body = change
    read: Any = read_as(MODELS[name.module], body)
    told_at = read.last_updated or now
    contents = _contents(sender, body, told_at, has_work=name.module is not Module.TARIFFS)
    if row is not None and row.body:
        if told_at < row.last_updated or row.body_hash == contents.body_hash:
            return OK
        if name.module is Module.SESSIONS and exact_json.read(row.body).get("status") in OVER:
            return invalid("the session is over and does not change any more")
    objects.write(session, name, row, contents, now)
    return CREATED if row is None else OK


def _patch_whole(
    session: Session, sender: Sender, name: ObjectName, change: tuple[RoamingObject, Json], now: datetime
) -> Said:
    row, body = change
    told_at, patch_hash = read_instant(body["last_updated"]), exact_json.canonical_hash(body)
    if told_at is None or told_at < row.last_updated or patch_hash == row.patch_hash:
        return OK
    known = exact_json.read(row.body)
    changed = {**known, **body}
    if name.module is Module.SESSIONS and isinstance(body.get(PERIODS), list):
        changed[PERIODS] = _appended(known.get(PERIODS), body[PERIODS])
    trouble = _differs_from((name.country_code, name.party_id, name.object_id), changed)
    if trouble:
        return invalid(trouble)
    read_as(MODELS[name.module], changed)
    contents = _contents(sender, changed, told_at, patch_hash=patch_hash)
    if name.module is Module.SESSIONS and known.get("status") in OVER:
        same = row.body_hash == contents.body_hash
        return OK if same else invalid("the session is over and does not change any more")
    objects.write(session, name, row, contents, now)
    return OK


def _appended(known: Any, added: list[Any]) -> list[Any]:  # noqa: ANN401 - whatever was sent before
    """Return the periods with those that are new: a message that comes again must not double them."""
    periods = list(known) if isinstance(known, list) else []
    seen = {exact_json.canonical_hash(one) for one in periods}
    return periods + [one for one in added if exact_json.canonical_hash(one) not in seen]


def _change_inside(
    session: Session,
    sender: Sender,
    name: ObjectName,
    change: tuple[RoamingObject, tuple[str, ...], Json],
    *,
    now: datetime,
    whole: bool,
) -> Said:
    """Put or patch an EVSE or a connector within its location."""
    row, inner, body = change
    told_at = read_instant(body.get("last_updated"))
    if told_at is None:
        return invalid("last_updated: missing")
    location = exact_json.read(row.body)
    parent = location if len(inner) == 1 else _within(location, inner[:1])
    if parent is None:
        return absent("no such EVSE", Status.UNKNOWN_LOCATION)
    list_name, id_name = ("evses", "uid") if len(inner) == 1 else ("connectors", "id")
    siblings = [one for one in parent.get(list_name) or [] if isinstance(one, dict)]
    place = next((at for at, one in enumerate(siblings) if _is_named(one.get(id_name), inner[-1])), None)
    if place is None:
        if not whole:
            return absent("no such object; send it whole")
        siblings.append(body)
    else:
        known_at = read_instant(siblings[place].get("last_updated"))
        if known_at is not None and told_at < known_at:
            return OK
        siblings[place] = body if whole else {**siblings[place], **body}
    parent[list_name] = siblings
    newest = max(told_at, row.last_updated)
    if told_at > row.last_updated:
        location["last_updated"] = body["last_updated"]
    read_as(LocationIn, location)
    objects.write(session, name, row, _contents(sender, location, newest), now)
    return CREATED if place is None else OK


def _within(location: Json, inner: tuple[str, ...]) -> Json | None:
    found: Json | None = location
    for (list_name, id_name), wanted in zip((("evses", "uid"), ("connectors", "id")), inner, strict=False):
        parts = (found or {}).get(list_name) or []
        found = next(
            (one for one in parts if isinstance(one, dict) and _is_named(one.get(id_name), wanted)), None
        )
    return found


def _contents(
    sender: Sender, body: Json, told_at: datetime, *, patch_hash: bytes | None = None, has_work: bool = True
) -> Contents:
    return Contents(
        version=sender.version,
        body=exact_json.write(body),
        body_hash=exact_json.canonical_hash(body),
        last_updated=told_at,
        patch_hash=patch_hash,
        has_work=has_work,
    )


def _name(sender: Sender, module: Module, where: tuple[str, str, str]) -> ObjectName | None:
    """Return the name of an object of the peer; None for what is not its own."""
    country_code, party_id, object_id = where
    if not sender.peer.owns(country_code, party_id):
        return None
    return ObjectName(sender.peer.id, module, country_code, party_id, object_id)


def _differs_from(where: tuple[str, str, str], body: Json) -> str | None:
    for field, wanted in zip(("country_code", "party_id", "id"), where, strict=True):
        if not _is_named(body.get(field), wanted):
            return f"{field}: is not the one in the address"
    return None


def _differs_inside(inner: tuple[str, ...], body: Json) -> str | None:
    field = "uid" if len(inner) == 1 else "id"
    return None if _is_named(body.get(field), inner[-1]) else f"{field}: is not the one in the address"


def _is_named(value: object, wanted: str) -> bool:
    return isinstance(value, str) and value.lower() == wanted.lower()


def _not_owned() -> Said:
    return absent("no such party of yours")


def _text_of(row: RoamingObject | None) -> str:
    return "" if row is None else row.body
