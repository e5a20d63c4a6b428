"""Background work that guards the books: their watch, and the chain of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.audit.sealing import seal_entries, sign_hour
from nerava.audit.signing import SealKey
from nerava.platform.secrets import SecretKind
from nerava.worker import MINUTELY, SECONDLY, Job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nerava.ledger.watching import Watching
    from nerava.platform.db import Database
    from nerava.platform.secrets import Secrets

WATCH: Final = "watch"
"""The share of the job that reads the books from end to end."""


def watch_jobs(watching: Watching) -> Sequence[Job]:
    """Return the job that watches over the books; on large ones it takes minutes, so nobody waits for it."""
    return (Job("look for broken invariants", MINUTELY, watching.run, WATCH),)


def audit_jobs(database: Database, secrets: Secrets) -> Sequence[Job]:
    """Return the jobs that make the audit log a chain; they go on while everything else is read-only."""

    def seal(_now: datetime) -> int:
        return database.run(seal_entries, repeatable=True, essential=True)

    def sign(now: datetime) -> int:
        key = SealKey(secrets.get(SecretKind.SEAL))
        signed = database.run(lambda session: sign_hour(session, key, now), essential=True)
        return 0 if signed is None else 1

    return (
        Job("link the audit log into its chain", SECONDLY, seal),
        Job("sign the audit log", MINUTELY, sign),
    )
