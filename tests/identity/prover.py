"""A desk at which people show who they are: the sign-in desk with authenticator apps, passkeys and issuers."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nerava.audit import AuditLog
from nerava.identity.factors import Holder
from nerava.identity.keys import KeyRing
from nerava.identity.oidc import Issuer, Provider
from nerava.identity.passkeys import RelyingParty
from nerava.identity.proving import Methods, Proving, put_together
from nerava.identity.sessions import Opened, Sessions
from nerava.identity.standing import Standing, standing_of
from nerava.identity.tokens import AccessTokens
from nerava.identity.totp import code_at, step_of
from nerava.platform.db import Database
from tests.helpers.authenticator import ORIGIN, Authenticator
from tests.identity.desk import ANN, SignIn, asker, open_desk

PARTY = RelyingParty("nerava.example", (ORIGIN, "https://app.nerava.example"))


@dataclass
class Prover:
    """A desk, what people prove themselves with, and their sessions."""

    desk: SignIn
    proving: Proving
    sessions: Sessions
    tokens: AccessTokens

    def holder(self, opened: Opened | None = None, number: int = 1) -> Holder:
        """Return who opened a session; without one Ann, who signs in with a code."""
        opened = opened or self.desk.enter(ANN)
        claims = self.tokens.verify(opened.access_token)
        return Holder(claims.subject, opened.session_id, "driver", asker(number))

    def with_app(self, holder: Holder) -> bytes:
        """Give a holder an authenticator app that is confirmed, and return its seed."""
        setup = self.proving.authenticators.begin(holder, "phone", self.desk.now)
        seed = base64.b32decode(setup.secret)
        self.proving.authenticators.confirm(holder, setup.factor_id, self.code(seed), self.desk.now)
        return seed

    def code(self, seed: bytes, steps: int = 0) -> str:
        """Return what an authenticator app shows now, or some steps later."""
        return code_at(seed, step_of(self.desk.now) + steps)

    def with_passkey(self, holder: Holder, authenticator: Authenticator | None = None) -> Authenticator:
        """Give a holder a passkey."""
        authenticator = authenticator or Authenticator()
        passkeys, now = self.proving.passkeys, self.desk.now
        ceremony = passkeys.begin_adding(holder, "laptop", now)
        passkeys.add(holder, ceremony.id, authenticator.make(ceremony.options), label="laptop", now=now)
        return authenticator

    def standing(self, holder: Holder) -> Standing:
        """Return how a session stands."""
        found = self.desk.database.read(lambda session: standing_of(session, holder.session_id))
        assert found is not None
        return found

    def open_sessions(self) -> int:
        """Return how many sessions are open."""
        return int(self.desk.rows("SELECT count(*) FROM auth_session WHERE ended_at IS NULL")[0][0])

    def actions(self) -> list[tuple[str, str]]:
        """Return what the audit log says was done about factors, and with what result."""
        found = self.desk.rows(
            "SELECT action, result FROM audit_entry WHERE action LIKE 'factor%' OR action = 'session.step_up' ORDER BY id"
        )
        return [(one[0], one[1]) for one in found]


@contextmanager
def open_prover(
    database: Database, folder: Path, issuers: Mapping[Provider, Issuer] | None = None
) -> Iterator[Prover]:
    """Open a desk with every method."""
    with open_desk(database, folder) as desk:
        tokens = AccessTokens(KeyRing(folder / "keys", desk.clock), desk.clock)
        sessions = Sessions(tokens)
        methods = Methods(party=PARTY, issuers=dict(issuers or {}), ops_links=True)
        yield Prover(desk, put_together(desk.desk, sessions, AuditLog(), methods), sessions, tokens)
