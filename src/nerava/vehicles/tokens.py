"""Tokens of providers: sealed, used only after they were stored, fetched by one worker at a time."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from nerava.identity.user_store import owner_of
from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater
from nerava.platform.vault import Place
from nerava.vehicles.model import VehicleToken
from nerava.vehicles.ports import REAUTH_REQUIRED, Access
from nerava.vehicles.states import TokenState

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database
    from nerava.platform.vault import Vault
    from nerava.vehicles.ports import TokenPair, VehicleTelemetry

log = logging.getLogger(__name__)

APPLICATION: Final = ""
"""The account of what belongs to the whole application."""

RENEWED_BEFORE: Final = timedelta(minutes=5)
TURN: Final = timedelta(seconds=20)
"""How long one worker has for fetching; less than the minute for which a used refresh token still works."""

REFUSED_FOR: Final = timedelta(seconds=60)
HELD_OFF_FOR: Final = timedelta(minutes=15)


class TokenStore:
    """Hands out tokens that are good, and fetches new ones. Safe to share between threads and processes."""

    def __init__(self, database: Database, vault: Vault, telemetry: VehicleTelemetry) -> None:
        self._database = database
        self._vault = vault
        self._telemetry = telemetry

    def access(self, account: str, now: datetime, *, refused: int | None = None) -> Outcome[Access]:
        """Return a token for calls about an account; of a generation that was refused, a newer one.

        One worker fetches, and stores the pair before anybody uses it; the others use the old one
        while it is good, or are asked to come back.
        """
        whose = account if self._telemetry.tokens_per_person else APPLICATION
        found = self._database.run(lambda session: self._look(session, whose, now, refused))
        if isinstance(found, Ok):
            return Ok(Access(account, found.value[0], found.value[1]))
        if not isinstance(found, _Turn):
            return found
        fetched = self._telemetry.fetch_tokens(found.refresh)
        return self._database.run(lambda session: self._note(session, account, found, fetched, now))

    def store(self, session: Session, account: str, user_id: UUID, pair: TokenPair, now: datetime) -> None:
        """Store the tokens of a person who just agreed, in place of older ones."""
        row = self._row(session, account, now)
        row.user_id, row.state, row.trouble, row.leased_until = user_id, TokenState.GOOD.value, None, None
        self._seal(session, row, pair, now)

    def note_hold(self, session: Session, trouble: str, until: datetime, now: datetime) -> None:
        """Let nobody ask the provider until then, in any process."""
        row = self._row(session, APPLICATION, now)
        row.not_before, row.trouble, row.updated_at = until, trouble[:80], now

    def _look(
        self, session: Session, whose: str, now: datetime, refused: int | None
    ) -> Outcome[tuple[str, int]] | _Turn:
        held = self._row(session, APPLICATION, now)
        if held.not_before is not None and held.not_before > now:
            return RetryLater(held.trouble or "held-off", held.not_before)
        row = held if whose == APPLICATION else self._row(session, whose, now)
        if row.state == TokenState.REAUTH_REQUIRED or (whose != APPLICATION and row.sealed is None):
            return Refused(REAUTH_REQUIRED)
        pair = None if row.sealed is None else self._opened(session, row)
        is_usable = pair is not None and row.generation != refused
        left = (row.good_until or now) - now
        busy = row.leased_until is not None and row.leased_until > now
        if pair is not None and is_usable and left > (timedelta(0) if busy else RENEWED_BEFORE):
            return Ok((pair["access"], row.generation))
        if busy:
            return RetryLater("token-busy", row.leased_until)
        row.leased_until = now + TURN
        return _Turn(whose, None if pair is None else pair["refresh"], row.generation, row.leased_until)

    def _note(
        self, session: Session, account: str, turn: _Turn, fetched: Outcome[TokenPair], now: datetime
    ) -> Outcome[Access]:
        row = self._row(session, turn.whose, now)
        if row.generation != turn.generation:
            # Our turn was over long ago, and what somebody else stored since is newer.
            return RetryLater("token-busy")
        mine = row.leased_until == turn.until
        if isinstance(fetched, Ok):
            row.leased_until, row.state, row.trouble = None, TokenState.GOOD.value, None
            self._seal(session, row, fetched.value, now)
            return Ok(Access(account, fetched.value.access, row.generation))
        if mine:
            row.leased_until, row.updated_at = None, now
            if isinstance(fetched, Refused):
                row.state, row.trouble = TokenState.REAUTH_REQUIRED.value, fetched.code[:80]
                return Refused(REAUTH_REQUIRED)
            if isinstance(fetched, Misconfigured):
                log.error("the application's credentials at %s are refused: %s", row.provider, fetched.code)
                self.note_hold(session, fetched.code, now + REFUSED_FOR, now)
        return fetched if not isinstance(fetched, Refused) else RetryLater("token-busy")

    def _row(self, session: Session, account: str, now: datetime) -> VehicleToken:
        """Return the row of an account, locked; the first to ask makes it."""
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        name = self._telemetry.name
        fresh = {
            "id": new_id(),
            "provider": name,
            "account": account,
            "state": TokenState.GOOD.value,
            "generation": 0,
            "updated_at": now,
        }
        query = select(VehicleToken).where(VehicleToken.provider == name, VehicleToken.account == account)
        query = query.with_for_update().execution_options(populate_existing=True)
        row = session.scalars(query).one_or_none()
        if row is None:
            session.execute(dialect.insert(VehicleToken).values(fresh).on_conflict_do_nothing())
            row = session.scalars(query).one()
        return row

    def _opened(self, session: Session, row: VehicleToken) -> dict[str, str]:
        opened: dict[str, str] = json.loads(
            self._vault.decrypt(session, _owner(row), _place(row), row.sealed or b"")
        )
        return opened

    def _seal(self, session: Session, row: VehicleToken, pair: TokenPair, now: datetime) -> None:
        plain = json.dumps({"access": pair.access, "refresh": pair.refresh}).encode()
        row.sealed = self._vault.encrypt(session, _owner(row), _place(row), plain, now)
        row.good_until, row.updated_at = pair.good_until, now
        row.generation += 1
        session.flush()


class _Turn:
    """The right to fetch the next tokens, until an instant."""

    __slots__ = ("generation", "refresh", "until", "whose")

    def __init__(self, whose: str, refresh: str | None, generation: int, until: datetime) -> None:
        self.whose = whose
        self.refresh = refresh
        self.generation = generation
        self.until = until


def _owner(row: VehicleToken) -> str:
    return f"provider:{row.provider}" if row.user_id is None else owner_of(row.user_id)


def _place(row: VehicleToken) -> Place:
    return Place(VehicleToken.__tablename__, "sealed", row.id)
