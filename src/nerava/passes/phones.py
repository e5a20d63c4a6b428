"""Apple's phones: who has which pass, who is to be told, and what a phone that asks is given."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select

from nerava.drivers.pass_changes import last_tag
from nerava.drivers.pass_store import PassKind, PassState, WalletPass, WalletPassDevice
from nerava.passes.contents import content_of
from nerava.passes.errors import PassesOff, PassTokenWrong
from nerava.passes.ports import AppleDetails
from nerava.platform.limit_numbers import PASS_REGISTER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.passes.keeping import Passes
    from nerava.passes.ports import ApplePasses, Content
    from nerava.platform.client_address import Client

PHONES_MAX: Final = 10
"""Of one pass; one more takes the place of the one that has been there longest."""

_NOBODYS: Final = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a phone presents: which pass it asks for, and with what it proves to have it."""

    pass_type: str
    serial: str
    token: str | None


@dataclass(frozen=True, slots=True)
class News:
    """Passes of a phone that changed, and the number of the last change there is."""

    serials: Sequence[str]
    last: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A pass as a file, and since when it is like this, in whole seconds."""

    body: bytes
    modified_at: datetime


class Phones:
    """Apple's web service for passes. Safe to share between threads."""

    def __init__(self, passes: Passes) -> None:
        self._passes = passes

    def register(self, shown: Shown, device: str, push_token: str, client: Client, now: datetime) -> bool:
        """Tell a phone of changes from now on; return whether that is new. Repeats safely.

        Raises:
            PassesOff: There are none here (503).
            PassTokenWrong: It is not the token of this pass, or there is no such pass (401).
            RateLimited: Too many phones were named for one pass, or from one address (429).
        """
        self._apple()

        def known(session: Session) -> WalletPassDevice | None:
            row = _proven(session, shown, self._apple().pass_type)
            return session.get(WalletPassDevice, (row.id, device))

        before = self._passes.database.read(known)
        if before is not None and before.push_token == push_token:
            return False
        # Counted before anything is kept: one pass that is handed around brings phones without end.
        hits = PASS_REGISTER.keyed(target=shown.serial, client=client)
        self._passes.limits.hit_now(hits, now)

        def work(session: Session) -> bool:
            row = _proven(session, shown, self._apple().pass_type, lock=True)
            return _keep(session, row, device, push_token, now)

        return self._passes.database.run(work, repeatable=True)

    def unregister(self, shown: Shown, device: str) -> None:
        """Tell a phone of nothing any more. Repeats safely.

        Raises:
            PassesOff: There are none here (503).
            PassTokenWrong: It is not the token of this pass, or there is no such pass (401).
        """

        def work(session: Session) -> None:
            row = _proven(session, shown, self._apple().pass_type)
            gone = delete(WalletPassDevice).where(
                WalletPassDevice.pass_id == row.id, WalletPassDevice.device == device
            )
            session.execute(gone)

        self._passes.database.run(work, repeatable=True)

    def news(self, device: str, pass_type: str, since: str | None) -> News | None:
        """Return which passes of a phone changed since a number it was given; None if none did.

        A number that is none, or that is greater than any we gave, stands for all of them.

        Raises:
            PassesOff: There are none here (503).
        """
        apple = self._apple()

        def look(session: Session) -> News | None:
            # The number first: what is committed meanwhile is told twice, and never left out.
            last = last_tag(session)
            after = _number(since)
            after = -1 if after is None or after > last else after
            query = (
                select(WalletPass.serial)
                .join(WalletPassDevice, WalletPassDevice.pass_id == WalletPass.id)
                .where(WalletPassDevice.device == device, WalletPass.tag > after)
                .order_by(WalletPass.serial)
            )
            serials = session.scalars(query).all() if pass_type == apple.pass_type else []
            return News(serials, last) if serials else None

        return self._passes.database.read(look)

    def copy(self, shown: Shown, unless_after: datetime | None, now: datetime) -> Copy | None:
        """Return a pass as it is now; None if it has not changed since an instant.

        Served whatever became of our certificate: a phone that has the pass keeps it.

        Raises:
            PassesOff: There are none here (503).
            PassTokenWrong: It is not the token of this pass, or there is no such pass (401).
        """
        apple = self._apple()

        def look(session: Session) -> tuple[datetime, Content | None]:
            row = _proven(session, shown, apple.pass_type)
            if unless_after is not None and row.modified_at <= unless_after:
                return row.modified_at, None
            return row.modified_at, content_of(session, row, now)

        modified_at, content = self._passes.database.read(look)
        if content is None:
            return None
        details = AppleDetails(shown.token or "", self._passes.service_url)
        return Copy(apple.build(content, details), modified_at)

    def _apple(self) -> ApplePasses:
        if self._passes.apple is None:
            raise PassesOff
        return self._passes.apple


def _proven(session: Session, shown: Shown, pass_type: str, *, lock: bool = False) -> WalletPass:
    """Return the pass that a phone has proved to have; one that there is not is one that was not proved."""
    query = select(WalletPass).where(
        WalletPass.serial == shown.serial, WalletPass.kind == PassKind.APPLE.value
    )
    row = session.scalars(query.with_for_update(key_share=True) if lock else query).one_or_none()
    expected = _NOBODYS if row is None or row.token_hash is None else row.token_hash
    presented = hashlib.sha256((shown.token or "").encode()).digest()
    is_right = hmac.compare_digest(expected, presented) and bool(shown.token)
    if row is None or not is_right or shown.pass_type != pass_type:
        raise PassTokenWrong
    return row


def _keep(session: Session, row: WalletPass, device: str, push_token: str, now: datetime) -> bool:
    """Keep a phone, in the place of one with the same address, and of the oldest ones over the limit."""
    if row.state == PassState.VOIDED.value:
        return False  # Its last change was told, or is being told; there will be no other.
    mine = session.scalars(
        select(WalletPassDevice)
        .where(WalletPassDevice.pass_id == row.id)
        .order_by(WalletPassDevice.since.desc(), WalletPassDevice.device)
    ).all()
    found = next((one for one in mine if one.device == device), None)
    others = [one for one in mine if one.device != device and one.push_token != push_token]
    for one in mine:
        if one.device != device and (one.push_token == push_token or one in others[PHONES_MAX - 1 :]):
            session.delete(one)
    if found is None:
        session.add(WalletPassDevice(pass_id=row.id, device=device, push_token=push_token, since=now))
    else:
        found.push_token = push_token
    session.flush()
    return found is None


def _number(text: str | None) -> int | None:
    digits_max = 18
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= digits_max else None
