"""A second PostgreSQL that begins as a copy of a running one: a standby, or what comes back from an archive."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from nerava.platform.servers import Account

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def base_backup(first: EmbeddedPostgres, *more: str) -> Path:
    """Copy a running server's files with pg_basebackup; return the folder, in one that can be removed."""
    folder = Path(tempfile.mkdtemp(prefix="second-"))
    folder.chmod(0o755)
    data = folder / "data"
    program = EmbeddedPostgres.bin("pg_basebackup")
    subprocess.run(
        [
            program,
            f"--pgdata={data}",
            f"--dbname={first.conninfo()}",
            "--checkpoint=fast",
            "--no-sync",
            *more,
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return data


def give(path: Path) -> None:
    """Hand a file or a folder to the account that servers run as."""
    account = Account.for_servers()
    if os.geteuid() != account.uid:
        os.chown(path, account.uid, account.gid)


@contextmanager
def second_server(
    data: Path, settings: Mapping[str, str] | None = None, *, tcp: bool = False
) -> Iterator[EmbeddedPostgres]:
    """Run a server on copied files, which belong to it and are removed with their folder afterwards."""
    for path in (data, *data.rglob("*")):
        give(path)
    try:
        with EmbeddedPostgres(data, fsync=True, tcp=tcp, settings=settings) as server:
            yield server
    finally:
        shutil.rmtree(data.parent)
