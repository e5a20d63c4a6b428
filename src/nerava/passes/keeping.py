"""Passes as drivers ask for them: made at the first time, and the same one ever after."""

from __future__ import annotations

import hashlib
import secrets as csprng
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from nerava.drivers import pass_changes
from nerava.drivers.errors import UnknownDriver
from nerava.drivers.model import Driver
from nerava.drivers.pass_store import PassKind, PassState, WalletPass
from nerava.kernel.ids import new_id
from nerava.passes.contents import content_of, digest_of
from nerava.passes.errors import PassesOff
from nerava.passes.ports import AppleDetails
from nerava.passes.times import later_second
from nerava.platform.vault import Place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.passes.ports import ApplePasses, Content, GooglePasses
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits
    from nerava.platform.vault import Vault

OWNER: Final = "wallet_pass"
"""Whose key seals the tokens of passes: what a pass proves is gone with its row, not with a person's key."""

SERIAL_BYTES: Final = 16
TOKEN_BYTES: Final = 24
SERVICE_PATH: Final = "/passes/apple"


@dataclass(frozen=True, slots=True)
class PassView:
    """A pass as its driver sees it.

    Attributes:
        phones: How many Apple phones have it; None for Google, who does not say.
        told_at: When phones were last told of a change.
    """

    kind: PassKind
    serial: str
    made_at: datetime
    told_at: datetime | None
    phones: int | None


@dataclass(frozen=True, slots=True)
class Passes:
    """Everything that passes of an installation need. Safe to share between threads.

    Attributes:
        apple, google: Who brings them into phones; None where that is off.
        address: Of this installation, without a slash at its end.
    """

    database: Database
    vault: Vault
    limits: Limits
    apple: ApplePasses | None
    google: GooglePasses | None
    address: str

    def close(self) -> None:
        """Close the connections."""
        for one in (self.apple, self.google):
            if one is not None:
                one.close()

    @property
    def offered(self) -> tuple[PassKind, ...]:
        """The kinds that there are here."""
        given = {PassKind.APPLE: self.apple, PassKind.GOOGLE: self.google}
        return tuple(kind for kind, who in given.items() if who is not None)

    def apple_pass(self, driver_id: UUID, now: datetime) -> bytes:
        """Return a driver's pass for Apple phones, as a file. Repeats safely: it is one pass.

        Raises:
            PassesOff: There are none here (503).
            UnknownDriver: There is no such driver (404).
        """
        if self.apple is None:
            raise PassesOff

        def work(session: Session) -> tuple[Content, str]:
            row = self._have(session, driver_id, PassKind.APPLE, now)
            if row.sealed is None:
                raise AssertionError("a good pass for Apple keeps its token")
            token = self.vault.decrypt(session, OWNER, _place(row.id), row.sealed).decode()
            return content_of(session, row, now), token

        content, token = self.database.run(work)
        return self.apple.build(content, AppleDetails(token, self.service_url))

    def google_link(self, driver_id: UUID, now: datetime) -> str:
        """Return where a driver saves their pass at Google. Repeats safely: it is one pass.

        Raises:
            PassesOff: There are none here (503).
            UnknownDriver: There is no such driver (404).
        """
        if self.google is None:
            raise PassesOff

        def work(session: Session) -> Content:
            row = self._have(session, driver_id, PassKind.GOOGLE, now)
            return content_of(session, row, now)

        return self.google.save_link(self.database.run(work), now)

    def of_driver(self, session: Session, driver_id: UUID) -> Sequence[PassView]:
        """Return the good passes of a driver."""
        query = select(WalletPass).where(
            WalletPass.driver_id == driver_id, WalletPass.state == PassState.ACTIVE.value
        )
        return [
            PassView(
                PassKind(row.kind),
                row.serial,
                row.made_at,
                row.pushed_at,
                pass_changes.devices_of(session, row.id) if row.kind == PassKind.APPLE.value else None,
            )
            for row in session.scalars(query.order_by(WalletPass.kind))
        ]

    @property
    def service_url(self) -> str:
        """Where Apple's phones ask for news."""
        return f"{self.address}{SERVICE_PATH}"

    def _have(self, session: Session, driver_id: UUID, kind: PassKind, now: datetime) -> WalletPass:
        """Return a driver's good pass of a kind, made if there is none."""
        # Whoever asks for the same at the same moment waits here, and finds it.
        if (
            session.scalar(select(Driver.id).where(Driver.id == driver_id).with_for_update(key_share=True))
            is None
        ):
            raise UnknownDriver
        good = select(WalletPass).where(
            WalletPass.driver_id == driver_id,
            WalletPass.kind == kind.value,
            WalletPass.state == PassState.ACTIVE.value,
        )
        row = session.scalars(good).one_or_none()
        if row is not None:
            return row
        pass_id = new_id()
        row = WalletPass(
            id=pass_id,
            driver_id=driver_id,
            kind=kind.value,
            state=PassState.ACTIVE.value,
            serial=csprng.token_urlsafe(SERIAL_BYTES),
            tag=0,
            told_tag=0,
            modified_at=later_second(now, None),
            made_at=now,
            attempts=0,
            next_at=now,
            fence=0,
        )
        if kind is PassKind.APPLE:
            token = csprng.token_urlsafe(TOKEN_BYTES)
            row.token_hash = hashlib.sha256(token.encode()).digest()
            row.sealed = self.vault.encrypt(session, OWNER, _place(pass_id), token.encode(), now)
            # It is in no phone yet: the first one that has it has what it shows.
            row.shown = digest_of(content_of(session, row, now))
            row.next_at = now + pass_changes.PUSHES_APART
        session.add(row)
        session.flush()
        return row


def _place(pass_id: UUID) -> Place:
    return Place("wallet_pass", "sealed", pass_id)
