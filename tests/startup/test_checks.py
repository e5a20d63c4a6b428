"""What no boot can bring about here is shown to the checks themselves; so is what they need not to load."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from pydantic import SecretStr

from nerava import migrations
from nerava.platform.redaction import Redactor
from nerava.settings import DatabaseSettings, SecretsSettings, ServerSettings, Settings, TokenSettings
from nerava.settings.metrics import MetricsSettings
from nerava.startup_checks import (
    addresses,
    database,
    exposure,
    machine,
    postgresql_server,
    profile,
    providers,
    redis_server,
    secret_values,
    signing_keys,
    sqlite_file,
)
from nerava.startup_checks.deadline import within
from nerava.startup_checks.findings import DATABASE_URL, Finding
from nerava.startup_checks.postgresql_server import ServerSeen, judge_transport
from tests.startup import test_boots, test_boots_postgresql

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SOUND = ServerSeen(
    version=17,
    durability={"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"},
    limits_ms={
        "statement_timeout": 5_000,
        "lock_timeout": 2_000,
        "idle_in_transaction_session_timeout": 10_000,
    },
    connections=97,
    at=NOW,
    superuser=False,
    privileged=False,
    owns_tables=False,
    revision="0001",
)
WANTED = DatabaseSettings()


def test_a_sound_server_has_nothing_against_it() -> None:
    assert postgresql_server.judge(SOUND, WANTED) == []
    assert postgresql_server.judge(replace(SOUND, version=15, connections=WANTED.pool_size), WANTED) == []


def test_an_old_server_is_refused() -> None:
    (found,) = postgresql_server.judge(replace(SOUND, version=14), WANTED)

    assert found == Finding(DATABASE_URL, "is PostgreSQL 14; 15 or newer is needed")


@pytest.mark.parametrize(
    ("limit", "setting"),
    [
        ("statement_timeout", "NERAVA_DATABASE__STATEMENT_TIMEOUT_MS"),
        ("lock_timeout", "NERAVA_DATABASE__LOCK_TIMEOUT_MS"),
        ("idle_in_transaction_session_timeout", "NERAVA_DATABASE__IDLE_IN_TRANSACTION_MS"),
    ],
)
@pytest.mark.parametrize("seen", [0, None])
def test_a_connection_whose_limits_were_dropped_on_the_way_is_refused(
    limit: str, setting: str, seen: int | None
) -> None:
    limits = {name: value for name, value in SOUND.limits_ms.items() if name != limit}
    if seen is not None:
        limits[limit] = seen

    (found,) = postgresql_server.judge(replace(SOUND, limits_ms=limits), WANTED)

    assert found.setting == setting
    assert limit in found.problem


@pytest.mark.parametrize(
    ("place", "environment", "safe"),
    [
        ({}, {}, True),
        ({"host": "/var/run/postgresql"}, {}, True),
        ({"host": "localhost"}, {}, True),
        ({"host": "127.0.0.1"}, {}, True),
        ({"host": "::1"}, {}, True),
        ({"host": "db.city.example", "sslmode": "verify-full"}, {}, True),
        ({"host": "db.city.example"}, {"PGSSLMODE": "verify-full"}, True),
        ({}, {"PGHOST": "db.city.example"}, False),
        ({"host": "db.city.example", "sslmode": "verify-ca"}, {}, False),
        ({"host": "localhost", "hostaddr": "192.0.2.7"}, {}, False),
        ({"host": "localhost,db.city.example"}, {}, False),
        ({"host": "localhost.city.example"}, {}, False),
    ],
)
def test_only_verified_tls_leaves_this_machine(
    place: dict[str, str], environment: dict[str, str], safe: bool
) -> None:
    assert (judge_transport(place, environment) == []) is safe


@pytest.mark.parametrize(("seconds", "told"), [(0, 0), (5, 0), (-5, 0), (5.01, 1), (-5.01, 1)])
def test_clocks_may_differ_by_five_seconds(seconds: float, told: int) -> None:
    assert len(database.clock(NOW + timedelta(seconds=seconds), NOW)) == told


def test_the_steps_are_read_as_alembic_reads_them() -> None:
    scripts = ScriptDirectory.from_config(migrations.config(""))

    assert migrations.revisions() == tuple(one.revision for one in scripts.walk_revisions())[::-1]
    assert migrations.head() == scripts.get_current_head()


MOUNTS = r"""
/dev/vda1 / ext4 rw,relatime 0 0
server:/export /srv/shared nfs4 rw,hard 0 0
/dev/vdb1 /srv/shared/local xfs rw 0 0
//server/share /srv/with\040blank cifs rw 0 0
tmpfs /srv/sharedmemory tmpfs rw 0 0
""".lstrip()


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/var/lib/nerava/n.sqlite3", "ext4"),
        ("/srv/shared/n.sqlite3", "nfs4"),
        ("/srv/shared/local/n.sqlite3", "xfs"),
        ("/srv/with blank/n.sqlite3", "cifs"),
        ("/srv/sharedmemory/n.sqlite3", "tmpfs"),
    ],
)
def test_the_file_system_is_that_of_the_longest_mount_point(tmp_path: Path, file: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)

    assert sqlite_file.file_system_of(Path(file), mounts) == kind
    assert sqlite_file.file_system_of(Path(file), tmp_path / "none") is None


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (sqlite_file.SqliteSeen("wal", 2, "ext4", "0001"), None),
        (sqlite_file.SqliteSeen("wal", 3, None, "0001"), None),
        (sqlite_file.SqliteSeen("wal", 2, "nfs4", "0001"), "network disk"),
        (sqlite_file.SqliteSeen("wal", 2, "fuse.sshfs", "0001"), "network disk"),
        (sqlite_file.SqliteSeen("delete", 2, "ext4", "0001"), "write-ahead log"),
        (sqlite_file.SqliteSeen("wal", 1, "ext4", "0001"), "below FULL"),
    ],
)
def test_sqlite_needs_a_local_disk_that_it_waits_for(seen: sqlite_file.SqliteSeen, words: str | None) -> None:
    found = sqlite_file.judge(seen)

    assert [one.setting for one in found] == ([DATABASE_URL] if words else [])
    assert words is None or words in found[0].problem


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///var/n.sqlite3", "var/n.sqlite3"),
        ("sqlite:////srv/n.sqlite3", "/srv/n.sqlite3"),
        ("sqlite+pysqlite:////srv/a%20b.sqlite3?timeout=3", "/srv/a b.sqlite3"),
        ("sqlite:///file:/srv/n.sqlite3?uri=true", "/srv/n.sqlite3"),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("sqlite:///file:shared?mode=memory&uri=true", None),
        ("postgresql+psycopg://app@/books", None),
    ],
)
def test_the_file_of_an_address_is_found(url: str, file: str | None) -> None:
    assert sqlite_file.file_of(url) == (None if file is None else Path(file))


def test_a_machine_carries_production_or_says_why_not(tmp_path: Path) -> None:
    fit = machine.Machine(user_id=1_000, open_files_max=4_096, free_percent={DATABASE_URL: 10})
    assert machine.judge(fit) == []

    unfit = machine.Machine(user_id=0, open_files_max=4_095, free_percent={DATABASE_URL: 9})
    assert [one.setting for one in machine.judge(unfit)] == ["NERAVA_ENV", "NERAVA_ENV", DATABASE_URL]

    settings = Settings(
        database=DatabaseSettings(url=f"sqlite:///{tmp_path}/none/n.sqlite3"),
        tokens=TokenSettings(keys_directory=tmp_path / "nowhere" / "keys"),
    )
    seen = machine.look(settings)
    assert seen.user_id == os.geteuid()
    assert set(seen.free_percent) == {DATABASE_URL, "NERAVA_TOKENS__KEYS_DIRECTORY"}
    assert all(0 <= percent <= 100 for percent in seen.free_percent.values())


@pytest.mark.parametrize(
    "route",
    [
        "GET /docs",
        "GET /docs/oauth2-redirect",
        "GET /redoc",
        "POST /v1/demo/seed",
        "POST /v1/dev/sign-in",
        "POST /v1/auth/dev-sign-in",
        "POST /v1/time-override",
        "GET /simulators/inbox",
    ],
)
def test_production_has_no_such_route(route: str) -> None:
    (found,) = exposure.forbidden_routes([route, "GET /v1/wallet"])

    assert found.setting == "NERAVA_ENV"
    assert route in found.problem


@pytest.mark.parametrize(
    ("host", "token", "enabled", "is_open"),
    [
        ("0.0.0.0", None, None, True),  # noqa: S104 - what is refused
        ("::", None, True, True),
        ("8.8.8.8", None, None, True),
        ("app.city.org", None, None, True),
        ("127.0.0.1", None, None, False),
        ("localhost", None, None, False),
        ("10.1.2.3", None, None, False),
        ("0.0.0.0", "t" * 16, None, False),  # noqa: S104
        ("0.0.0.0", None, False, False),  # noqa: S104
    ],
)
def test_metrics_are_for_who_has_the_token_or_is_near(
    host: str, token: str | None, enabled: bool | None, is_open: bool
) -> None:
    wanted = MetricsSettings(enabled=enabled, token=None if token is None else SecretStr(token))
    served = ServerSettings(host=host)
    found = exposure.metrics(Settings(env="production", server=served, metrics=wanted))
    assert [one.setting for one in found] == (["NERAVA_METRICS__TOKEN"] if is_open else [])
    assert exposure.metrics(Settings(env="test", server=served, metrics=wanted)) == []


def test_the_port_of_a_workers_metrics_is_looked_at_as_well() -> None:
    open_to_all = MetricsSettings(work_host="::")
    (found,) = exposure.metrics(Settings(env="production", metrics=open_to_all))
    assert found.setting == "NERAVA_METRICS__TOKEN"
    assert "NERAVA_METRICS__WORK_HOST" in found.problem


def test_the_reviewed_routes_may_be_served_in_production() -> None:
    assert exposure.exposure(Settings(env="production")) == []
    assert exposure.forbidden_routes(["GET /v1/me/devices", "GET /openapi.json", "GET /v1/docstore"]) == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://rewards.city.example", None),
        ("https://rewards.city.example:8443/base", None),
        ("https://8.8.8.8", None),
        ("http://rewards.city.example", "https://"),
        ("rewards.city.example", "https address"),
        ("https://", "https address"),
        ("https://[::1", "https address"),
        ("https://city.example:99999", "https address"),
        ("https://user@city.example", "user name"),
        ("https://city.example?x=1", "query"),
        ("https://city.example#x", "query"),
        ("https://localhost", "reach"),
        ("https://LOCALHOST.", "reach"),
        ("https://db.internal", "reach"),
        ("https://intranet", "reach"),
        ("https://127.0.0.1", "reach"),
        ("https://10.1.2.3", "reach"),
        ("https://169.254.169.254", "reach"),
        ("https://[fd00::1]", "reach"),
        ("https://[::ffff:10.0.0.1]", "reach"),
    ],
)
def test_an_address_of_ours_is_public_https(address: str, words: str | None) -> None:
    problem = addresses.problem_of(address)

    assert problem is None if words is None else words in (problem or "")


def test_a_password_in_the_address_is_refused_where_aws_keeps_the_secrets() -> None:
    with_password = DatabaseSettings(url="postgresql+psycopg://app:hunter2@db/books")
    kept_at_aws = SecretsSettings(provider="aws")
    (found,) = secret_values.one_source(Settings(database=with_password, secrets=kept_at_aws))
    assert (found.setting, "hunter2" in found.problem) == (DATABASE_URL, False)
    assert secret_values.one_source(Settings(database=with_password)) == []
    without = DatabaseSettings(url="postgresql+psycopg://app@db/books", password=SecretStr("hunter2"))
    assert secret_values.one_source(Settings(database=without, secrets=kept_at_aws)) == []


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/1",
        "redis://localhost",
        "unix:///run/redis.sock",
        "rediss://:secret@cache.city.org:6380",
        "rediss://user:secret@cache.city.org?ssl_cert_reqs=required&db=2",
    ],
)
def test_a_redis_that_is_safe_to_talk_to_is_talked_to(url: str) -> None:
    assert redis_server.judge(url) == []


def test_every_provider_with_an_address_has_its_own() -> None:
    groups = {
        name
        for name, field in Settings.model_fields.items()
        if "base_url" in getattr(field.annotation, "model_fields", {})
    }
    assert groups == set(providers.HOSTS)
    assert all("mode" in type(getattr(Settings(), name)).model_fields for name in groups)


def test_an_interpreter_without_the_products_checks_is_refused() -> None:
    assert profile.interpreter(0) == []
    assert [one.setting for one in profile.interpreter(1)] == ["PYTHONOPTIMIZE"]


class _Blind(Redactor):
    def redacted(self, text: str) -> str:
        return text if "@" in text else super().redacted(text)


def test_a_redactor_that_lets_something_through_is_refused() -> None:
    (found,) = profile.logging(Settings(), _Blind())

    assert found.setting == "NERAVA_LOG"
    assert "of the" in found.problem
    assert "canary" not in found.problem


def test_a_look_that_hangs_is_left_behind() -> None:
    late, never = Finding("X", "late"), threading.Event()
    started = time.monotonic()

    assert within(lambda: [Finding("X", str(never.wait(60)))], late, seconds=0.05) == [late]

    assert time.monotonic() - started < 30
    never.set()
    assert within(lambda: [Finding("X", "found")], late) == [Finding("X", "found")]
    with pytest.raises(ZeroDivisionError):
        within(lambda: [Finding("X", str(1 // 0))], late)


def test_the_checks_load_no_web_framework_no_orm_and_no_migrations() -> None:
    script = (
        "import sys, nerava.startup_checks; "
        "print([one for one in ('fastapi', 'starlette', 'uvicorn', 'sqlalchemy', 'alembic', 'nerava.app') "
        "if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_last_look_at_the_books_loads_no_web_framework_either() -> None:
    script = (
        "import sys, nerava.startup_checks.books; "
        "print([one for one in ('fastapi', 'starlette', 'uvicorn', 'nerava.app') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_table_of_what_does_not_start_has_the_rows_that_are_booted() -> None:
    document = (Path(__file__).parents[2] / "docs" / "SECURITY.md").read_text("utf-8")
    listed = re.findall(r"^\| (B\d\d) \|", document, re.MULTILINE)
    booted = {one.row for one in test_boots.BAD} | {one.row for one in test_boots_postgresql.CHANGES}

    assert listed == sorted(booted)
    assert any(one.quick for one in test_boots.BAD)
    assert any(one.quick for one in test_boots_postgresql.CHANGES)


def test_outside_production_a_place_in_which_no_signing_key_can_be_made_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def found(folder: Path) -> list[str]:
        settings = Settings(env="development", tokens=TokenSettings(keys_directory=folder))
        return [str(one) for one in signing_keys.signing_keys(settings)]

    assert found(tmp_path / "not" / "yet") == []
    said = "NERAVA_TOKENS__KEYS_DIRECTORY: holds no signing key, and none can be made there"
    assert found(tmp_path / "file" / "under") == [said]
