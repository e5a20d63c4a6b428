"""A PostgreSQL server and our role on it: durable, encrypted on the way, and unable to change history."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nerava.startup_checks.findings import DATABASE_URL, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from nerava.settings import DatabaseSettings, Settings

VERSION_MIN: Final = 15
DURABILITY: Final = ("fsync", "full_page_writes", "synchronous_commit")
TIMEOUTS: Final = {
    "statement_timeout": "NERAVA_DATABASE__STATEMENT_TIMEOUT_MS",
    "lock_timeout": "NERAVA_DATABASE__LOCK_TIMEOUT_MS",
    "idle_in_transaction_session_timeout": "NERAVA_DATABASE__IDLE_IN_TRANSACTION_MS",
}
"""By PostgreSQL's name of a limit, the setting it comes from."""

_CONNECT_S: Final = 2
_STATEMENT_MS: Final = 1_000

_SERVER: Final = """
SELECT current_setting('server_version_num')::int / 10000 AS version,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int AS connections,
       clock_timestamp() AS at,
       to_regclass('public.alembic_version') IS NOT NULL AS has_schema"""

_ROLE: Final = """
SELECT rolsuper AS superuser, rolbypassrls OR rolcreaterole OR rolreplication AS privileged,
       EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
                 AND pg_has_role(current_user, c.relowner, 'MEMBER')) AS owns_tables
FROM pg_roles WHERE rolname = current_user"""

_LIMITS: Final = "SELECT name, setting::bigint AS milliseconds FROM pg_settings WHERE name = ANY(%s)"


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """What was seen of a server and of our role there.

    Attributes:
        version: Major version.
        durability: By name, what a setting that makes a commit durable stands at.
        limits_ms: By name, the limits of a connection opened as the product opens it; 0 is none.
        connections: How many connections the server has for roles like ours.
        at: The server's clock, aware.
        superuser: Whether our role may do anything.
        privileged: Whether it may make roles, replicate or pass row security.
        owns_tables: Whether it owns tables of ours, or may become a role that does.
        revision: The schema; None for an empty database.
    """

    version: int
    durability: Mapping[str, str]
    limits_ms: Mapping[str, int]
    connections: int
    at: datetime
    superuser: bool
    privileged: bool
    owns_tables: bool
    revision: str | None


def transport(settings: Settings) -> list[Finding]:
    """Find a server on another machine that is talked to without verified TLS; nothing is sent to it."""
    import psycopg  # noqa: PLC0415 - where the books are in PostgreSQL only, and before a deadline runs

    if not settings.is_strict:
        return []
    try:
        place = psycopg.conninfo.conninfo_to_dict(libpq_address(settings.database.address))
    except psycopg.ProgrammingError:
        return [Finding(DATABASE_URL, "is not an address that PostgreSQL's client can read")]
    return judge_transport(place, os.environ)


def judge_transport(place: Mapping[str, Any], environment: Mapping[str, str]) -> list[Finding]:
    """Return a finding when a connection with these parameters could be listened to or answered by another.

    Args:
        place: Parameters of the connection by libpq's names.
        environment: Where libpq looks for those that are not there.
    """
    hosts = str(place.get("hostaddr") or place.get("host") or environment.get("PGHOST") or "").split(",")
    mode = str(place.get("sslmode") or environment.get("PGSSLMODE") or "prefer")
    if all(_is_here(host) for host in hosts) or mode == "verify-full":
        return []
    return [Finding(DATABASE_URL, "a database on another machine needs sslmode=verify-full")]


def libpq_address(url: str) -> str:
    """Return SQLAlchemy's address of a database as the PostgreSQL client writes it."""
    _, _, rest = url.partition("://")
    return f"postgresql://{rest}"


def look(wanted: DatabaseSettings) -> ServerSeen:
    """Connect once, the way the product does, and return what is seen.

    Raises:
        psycopg.Error: There is no connection, or it does not answer.
    """
    import psycopg  # noqa: PLC0415 - loaded where the books are in PostgreSQL only
    from psycopg.rows import dict_row  # noqa: PLC0415 - seldom needed

    limits = {
        "statement_timeout": wanted.statement_timeout_ms,
        "lock_timeout": wanted.lock_timeout_ms,
        "idle_in_transaction_session_timeout": wanted.idle_in_transaction_ms,
    }
    options = " ".join(f"-c {name}={value}" for name, value in limits.items())
    with psycopg.connect(
        libpq_address(wanted.address), options=options, connect_timeout=_CONNECT_S, row_factory=dict_row
    ) as connection:
        found = {row["name"]: row["milliseconds"] for row in connection.execute(_LIMITS, [list(TIMEOUTS)])}
        connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(_STATEMENT_MS)])
        server = _one(connection.execute(_SERVER).fetchone())
        role = _one(connection.execute(_ROLE).fetchone())
        revision = None
        if server["has_schema"]:
            row = connection.execute("SELECT version_num FROM public.alembic_version").fetchone()
            revision = None if row is None else str(row["version_num"])
    return ServerSeen(
        version=server["version"],
        durability={name: server[name] for name in DURABILITY},
        limits_ms=found,
        connections=server["connections"],
        at=server["at"],
        superuser=role["superuser"],
        privileged=role["privileged"],
        owns_tables=role["owns_tables"],
        revision=revision,
    )


def judge(seen: ServerSeen, wanted: DatabaseSettings) -> list[Finding]:
    """Return what keeps a server and our role on it from carrying production."""
    found: list[Finding] = []
    if seen.version < VERSION_MIN:
        found.append(Finding(DATABASE_URL, f"is PostgreSQL {seen.version}; {VERSION_MIN} or newer is needed"))
    found += [
        Finding(DATABASE_URL, f"the server has {name} {value}; a commit would not survive a power cut")
        for name, value in seen.durability.items()
        if value == "off"
    ]
    if seen.superuser:
        found.append(Finding(DATABASE_URL, "its role is a superuser, whom nothing holds back"))
    elif seen.privileged:
        found.append(Finding(DATABASE_URL, "its role may make roles, replicate or pass row security"))
    if seen.owns_tables and not seen.superuser:
        found.append(Finding(DATABASE_URL, "its role owns tables; make another by `nerava migrate --role`"))
    found += [
        Finding(setting, f"the connection has no {name}; is there a pooler in between that drops it?")
        for name, setting in TIMEOUTS.items()
        if not seen.limits_ms.get(name)
    ]
    if wanted.pool_size > seen.connections:
        found.append(
            Finding("NERAVA_DATABASE__POOL_SIZE", f"the server has {seen.connections} connections for all")
        )
    return found


def _one(row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None:
        raise AssertionError("asked for one row")
    return row


def _is_here(host: str) -> bool:
    if host in {"", "localhost"} or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
