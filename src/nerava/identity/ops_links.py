"""Links that let somebody of ops in once; made by the demo, and opened nowhere but beside it."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from nerava.identity import factor_store
from nerava.identity.factor_store import OpsLink
from nerava.identity.one_time import digest, new_token
from nerava.identity.sessions import OPS_LINK
from nerava.identity.user_store import known_user
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.admission import Admission, Asker
    from nerava.identity.sessions import Opened
    from nerava.platform.db import Database

LIFE: Final = timedelta(minutes=10)


class OpsLinkOver(NeravaError):
    """The link was used, has expired, or was never made; which of them is not said."""

    code = "ops-link-over"
    status = HTTPStatus.UNAUTHORIZED
    title = "This link lets nobody in any more"


class OpsLinks:
    """Makes and takes the demo's links. No profile with production rules has one of these."""

    def __init__(self, database: Database, admission: Admission) -> None:
        self._database = database
        self._admission = admission

    def make(self, user_id: UUID, now: datetime) -> str:
        """Return the token of a new link for somebody who has a role of ops; good once, for 10 minutes."""
        token = new_token()

        def unit(session: Session) -> None:
            link = OpsLink(
                id=new_id(),
                user_id=user_id,
                token_hash=digest(token),
                created_at=now,
                expires_at=now + LIFE,
            )
            session.add(link)

        self._database.run(unit)
        return token

    def open(self, token: str, asker: Asker, now: datetime) -> Opened:
        """Open a session of ops with a link, which counts as a passkey: fresh for five minutes.

        Raises:
            OpsLinkOver: Used, expired, never made, or of nobody who is of ops (401).
            AccountSuspended: The account may do nothing (403).
        """

        def unit(session: Session) -> Opened | NeravaError:
            user_id = factor_store.consume_ops_link(session, digest(token), now)
            known = None if user_id is None else known_user(session, user_id)
            if known is None or not known.is_ops:
                return OpsLinkOver()
            return self._admission.admit_known(session, known, method=OPS_LINK, asker=asker, now=now)

        opened = self._database.run(unit)
        if isinstance(opened, NeravaError):
            raise opened
        return opened
