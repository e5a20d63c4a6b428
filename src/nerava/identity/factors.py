"""Factors: what users prove themselves with beyond a code, and what a change of them brings about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal, Protocol
from uuid import UUID

from sqlalchemy import delete

from nerava.audit import ActorKind, Entry, Result
from nerava.identity import challenge_store, factor_store
from nerava.identity.errors import StepUpRequired
from nerava.identity.factor_store import FactorPasskey, FactorTotp
from nerava.identity.guard import STEP_UP_FRESH_FOR
from nerava.identity.ops_links import OpsLinkOver
from nerava.identity.session_store import AuthSession, Ended
from nerava.identity.sessions import PASSKEY, EndedBy
from nerava.identity.user_store import contacts_of, identities_of, known_user, lock_user
from nerava.kernel.errors import NeravaError
from nerava.platform.limit_numbers import FACTOR_VERIFY
from nerava.platform.problem import NotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.identity.admission import Asker
    from nerava.identity.sessions import Sessions
    from nerava.platform.client_address import Client
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits
    from nerava.platform.vault import Vault

FactorKind = Literal["totp", "passkey"]

_SAID: Final = {
    ("factor.add", "totp"): "An authenticator app was added to your Nerava account.",
    ("factor.add", "passkey"): "A passkey was added to your Nerava account.",
    ("factor.remove", "totp"): "The authenticator app was removed from your Nerava account.",
    ("factor.remove", "passkey"): "A passkey was removed from your Nerava account.",
}
_SAID_TOO: Final = "You were signed out everywhere else. If this was not you, sign in and end all sessions."


class SignInStale(NeravaError):
    """The first factor is added right after signing in, not by whoever finds an open session."""

    code = "sign-in-stale"
    status = HTTPStatus.FORBIDDEN
    title = "Sign in again, and then add it within five minutes"
    outcome = "not_executed"


class FactorWrong(NeravaError):
    """What was shown does not prove it, or was used before; which of them is not said."""

    code = "factor-wrong"
    status = HTTPStatus.FORBIDDEN
    title = "This does not prove that it is you"


class FactorMissing(NeravaError):
    """The caller has nothing of the kind to show."""

    code = "factor-missing"
    status = HTTPStatus.CONFLICT
    title = "Add one first"
    outcome = "not_executed"


class FactorExists(NeravaError):
    """There is one already, and there can be no other."""

    code = "factor-exists"
    status = HTTPStatus.CONFLICT
    title = "There is one already"
    outcome = "not_executed"


class TooManyFactors(NeravaError):
    """The account has as many passkeys as it may have."""

    code = "too-many-factors"
    status = HTTPStatus.CONFLICT
    title = "Remove one first"
    outcome = "not_executed"


class LastPasskey(NeravaError):
    """Without it the caller could not come in any more; people of ops sign in with a passkey only."""

    code = "last-passkey"
    status = HTTPStatus.CONFLICT
    title = "Add another passkey, or another way to sign in, first"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of how a user comes in, as the audit log and the user are told.

    Attributes:
        said: What every verified contact is told.
    """

    action: str
    object_kind: str
    reason: str
    said: str


class Tell(Protocol):
    """Tells a user something at every verified contact."""

    def __call__(self, session: Session, user_id: UUID, text: str, now: datetime) -> int:
        """Queue the messages in the caller's transaction and return how many those are."""
        ...


@dataclass(frozen=True, slots=True)
class Holder:
    """A signed-in caller, whose factors they are.

    Attributes:
        role: The role the caller acts under, for the audit log.
    """

    user_id: UUID
    session_id: UUID
    role: str
    asker: Asker

    @property
    def signed_in(self) -> UUID | None:
        """The session, for the audit log; None where nobody has signed in."""
        return self.session_id


@dataclass(frozen=True, slots=True)
class Invited(Holder):
    """Somebody of ops who adds a passkey with a link instead of a session, whose id stands in its place."""

    link_hash: bytes = field(repr=False)

    @property
    def signed_in(self) -> UUID | None:
        """None: the link opens no session."""
        return None


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor as its user sees it."""

    id: UUID
    kind: FactorKind
    label: str
    added_at: datetime
    last_used_at: datetime | None
    is_backed_up: bool


class Factors:
    """What authenticator apps and passkeys have in common. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        limits: Limits,
        audit: AuditLog,
        *,
        sessions: Sessions,
        tell: Tell,
    ) -> None:
        self.database = database
        self.vault = vault
        self._limits = limits
        self._audit = audit
        self._sessions = sessions
        self._tell = tell

    def of(self, session: Session, user_id: UUID) -> list[Factor]:
        """Return what a user can be asked to show; what waits for its first code is not among it."""
        app = factor_store.totp_of(session, user_id)
        found = [] if app is None or app.confirmed_at is None else [_app(app, app.confirmed_at)]
        return found + [_passkey(one) for one in factor_store.passkeys_of(session, user_id)]

    def remove(self, holder: Holder, factor_id: UUID, now: datetime) -> None:
        """Remove a factor; every other session ends, and every contact is told.

        Raises:
            NotFound: The caller has no such factor (404).
            StepUpRequired: Show first that it is you (403).
            LastPasskey: There is no other way in; of ops, it is their last one (409).
        """
        self.database.run(lambda session: self._remove(session, holder, factor_id, now))

    def require_fresh(self, session: Session, holder: Holder, now: datetime) -> None:
        """Go on if the caller has shown within five minutes who they are, as strongly as they can.

        Whoever has a factor shows it; people of ops who have a passkey show that. Whoever has none
        must have signed in within five minutes.

        Raises:
            StepUpRequired: A factor has to be shown (403).
            SignInStale: The sign-in is too old for the first one (403).
            OpsLinkOver: The link of somebody who was invited is over (401).
        """
        if isinstance(holder, Invited):
            if factor_store.open_ops_link(session, holder.link_hash, now) is None:
                raise OpsLinkOver
            return
        row = session.get(AuthSession, holder.session_id, populate_existing=True)
        if row is None:
            raise AssertionError("a caller has a session")
        passkeys = factor_store.passkeys_of(session, holder.user_id)
        if passkeys and known_user(session, holder.user_id).is_ops:
            if not _is_fresh(row.passkey_at, now):
                raise StepUpRequired("passkey")
        elif passkeys or factor_store.totp_of(session, holder.user_id) is not None:
            if not _is_fresh(row.strong_at, now):
                raise StepUpRequired("strong")
        elif not _is_fresh(row.authenticated_at, now):
            raise SignInStale

    def count_try(self, user_id: UUID, place: Client, now: datetime) -> None:
        """Count one try to show a factor, in a transaction of its own.

        Raises:
            RateLimited: Too often (429).
        """
        self._limits.hit_now(FACTOR_VERIFY.keyed(identity=f"user:{user_id}", client=place), now)

    def count_stranger(self, session: Session, user_id: UUID | None, place: Client, now: datetime) -> None:
        """Count one try to sign in with a passkey, known or not, in the caller's transaction.

        Raises:
            RateLimited: Too often (429).
        """
        identity = f"stranger:{place.address}" if user_id is None else f"user:{user_id}"
        self._limits.hit(session, FACTOR_VERIFY.keyed(identity=identity, client=place), now)

    def stepped_up(self, session: Session, holder: Holder, method: str, now: datetime) -> None:
        """Note on the caller's session that a factor was shown; codes by SMS and e-mail work again."""
        self._sessions.step_up(session, holder.session_id, method, now)
        self.forgive(session, holder.user_id)
        self._note(session, holder, "session.step_up", str(holder.session_id), now, reason=method)

    def forgive(self, session: Session, user_id: UUID) -> None:
        """Begin the count of a user's wrong codes anew, because something stronger was shown."""
        challenge_store.forgive(session, self.vault.index("identity", f"user:{user_id}"))

    def changed(
        self,
        session: Session,
        holder: Holder,
        action: Literal["factor.add", "factor.remove"],
        factor_id: UUID,
        kind: FactorKind,
        *,
        now: datetime,
    ) -> None:
        """Do what every change of a factor brings about: end other sessions, tell the user, write it down.

        Raises:
            OpsLinkOver: The link of somebody who was invited was used a moment ago (401).
        """
        if isinstance(holder, Invited):
            used = factor_store.consume_ops_link(session, holder.link_hash, now)
            if used != holder.user_id:
                raise OpsLinkOver
        self.way_changed(session, holder, Change(action, "factor", kind, _SAID[action, kind]), factor_id, now)

    def way_changed(
        self, session: Session, holder: Holder, change: Change, object_id: UUID, now: datetime
    ) -> None:
        """End all other sessions of a user whose ways to come in change, tell the user, write it down.

        Who is told are the contacts that there are now: before a new one is kept, and an old one removed.
        """
        by = EndedBy(ActorKind.USER, str(holder.user_id), holder.role, holder.signed_in)
        self._sessions.end_all(
            session, holder.user_id, now, because=Ended.FACTORS_CHANGED, by=by, but=holder.session_id
        )
        self._tell(session, holder.user_id, f"{change.said} {_SAID_TOO}", now)
        self._note(
            session,
            holder,
            change.action,
            str(object_id),
            now,
            object_kind=change.object_kind,
            reason=change.reason,
        )

    def note_failure(
        self, session: Session, holder: Holder, action: str, factor_id: UUID, now: datetime
    ) -> None:
        """Write down that a factor was not shown, though somebody tried."""
        self._note(session, holder, action, str(factor_id), now, result=Result.FAILED)

    def _remove(self, session: Session, holder: Holder, factor_id: UUID, now: datetime) -> None:
        has_account = lock_user(session, holder.user_id)
        app = factor_store.totp_of(session, holder.user_id)
        passkeys = factor_store.locked_passkeys_of(session, holder.user_id)
        is_app = app is not None and app.id == factor_id
        if not is_app and factor_id not in {one.id for one in passkeys}:
            raise NotFound
        self.require_fresh(session, holder, now)
        if not is_app and len(passkeys) == 1 and known_user(session, holder.user_id).is_ops:
            raise LastPasskey
        if not is_app and has_account and not has_other_way_in(session, holder.user_id, factor_id):
            raise LastPasskey
        table = FactorTotp if is_app else FactorPasskey
        gone = session.execute(
            delete(table).where(table.id == factor_id, table.user_id == holder.user_id).returning(table.id)
        )
        if gone.first() is None:
            raise NotFound
        self.changed(session, holder, "factor.remove", factor_id, "totp" if is_app else PASSKEY, now=now)

    def _note(
        self,
        session: Session,
        holder: Holder,
        action: str,
        object_id: str,
        now: datetime,
        *,
        object_kind: str | None = None,
        result: Result = Result.OK,
        reason: str | None = None,
    ) -> None:
        entry = Entry(
            actor_kind=ActorKind.USER,
            actor_id=str(holder.user_id),
            role=holder.role,
            session_id=holder.signed_in,
            action=action,
            object_kind=object_kind or ("auth_session" if object_id == str(holder.session_id) else "factor"),
            object_id=object_id,
            result=result,
            reason=reason,
            ip_prefix=holder.asker.program.ip_prefix,
            client_kind=holder.asker.program.kind,
        )
        self._audit.record(session, entry, now)


def has_other_way_in(session: Session, user_id: UUID, but: UUID) -> bool:
    """Whether a user, whose row is locked, can come in without this contact, passkey or link to an issuer."""
    rows = (
        contacts_of(session, user_id),
        identities_of(session, user_id),
        factor_store.passkeys_of(session, user_id),
    )
    return any(one.id != but for found in rows for one in found)


def _is_fresh(at: datetime | None, now: datetime, fresh_for: timedelta = STEP_UP_FRESH_FOR) -> bool:
    return at is not None and now - at <= fresh_for


def _app(row: FactorTotp, confirmed_at: datetime) -> Factor:
    return Factor(row.id, "totp", row.label, confirmed_at, row.last_used_at, is_backed_up=False)


def _passkey(row: FactorPasskey) -> Factor:
    return Factor(
        row.id, "passkey", row.label, row.created_at, row.last_used_at, is_backed_up=row.is_backed_up
    )
