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

    from nerava.ledger.proving import BookProving
    from nerava.ledger.watching import Watching
    from nerava.platform.db import Database
    from nerava.platform.secrets import Secrets

WATCH: Final = "watch"
"""The share of the job that looks what is wrong now."""

PROOF: Final = "proof"
"""The share of the job that reads the books from end to end, which takes minutes."""


def watch_jobs(watching: Watching, proving: BookProving) -> Sequence[Job]:
    """Return the jobs that watch over the books; nobody waits for the one that reads all of them."""
    return (
        Job("look for broken invariants", MINUTELY, watching.run, WATCH),
        Job("prove the books", SECONDLY, proving.run, PROOF),
    )


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
