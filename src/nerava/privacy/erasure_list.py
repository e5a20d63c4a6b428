"""Who was erased, kept outside the database, so that a backup from before brings nobody back."""

from __future__ import annotations

import fcntl
import hmac
import json
import os
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID

from nerava.kernel.errors import NeravaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path
    from typing import BinaryIO

    from nerava.platform.vault import Vault

PURPOSE: Final = "erasure-list"


class ErasureListDamaged(NeravaError):
    """A line of the erasure list is not what was written there; nobody can say who was erased."""

    code = "erasure-list-damaged"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    title = "The list of erasures is damaged; bring back its copy"


class ErasureList:
    """One line for each erased account, opaque id and instant, each bound to the lines before it.

    Keep a copy off the host, beside the signed heads of the audit log. Safe to share between
    threads and processes.
    """

    def __init__(self, path: Path, vault: Vault) -> None:
        self._path = path
        self._vault = vault

    def add(self, user_id: UUID, now: datetime) -> None:
        """Write an account down, on the disk before this returns. Repeats safely.

        Raises:
            ErasureListDamaged: The list is not whole (500).
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(opened, "r+b") as file, _alone(file):
            known, last, size = self._read(file.read())
            if user_id in known:
                return
            fields = {"user": str(user_id), "at": now.isoformat()}
            line = json.dumps(fields | {"mac": self._mac(last, fields)})
            file.truncate(size)  # What a crash left of a line that was never finished.
            file.seek(size)
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def listed(self) -> tuple[UUID, ...]:
        """Return every erased account, the first first.

        Raises:
            ErasureListDamaged: The list is not whole (500).
        """
        if not self._path.exists():
            return ()
        return self._read(self._path.read_bytes())[0]

    def _read(self, body: bytes) -> tuple[tuple[UUID, ...], str, int]:
        """Return the accounts, the last code, and how many bytes of the file are whole lines."""
        whole = body[: body.rfind(b"\n") + 1]
        found: list[UUID] = []
        last = ""
        for number, line in enumerate(whole.splitlines(), start=1):
            mac = ""
            try:
                fields = json.loads(line)
                mac = fields.pop("mac")
                good = hmac.compare_digest(mac, self._mac(last, fields))
                found.append(UUID(fields["user"]))
            except (ValueError, TypeError, KeyError, AttributeError):
                good = False
            if not good:
                message = f"{self._path}: line {number}"
                raise ErasureListDamaged(message)
            last = mac
        return tuple(found), last, len(whole)

    def _mac(self, last: str, fields: dict[str, str]) -> str:
        return self._vault.index(PURPOSE, f"{last}|{json.dumps(fields, sort_keys=True)}").hex()


@contextmanager
def _alone(file: BinaryIO) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
