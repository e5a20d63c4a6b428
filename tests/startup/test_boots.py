"""Every bad configuration is booted: it ends with 78, names the setting and no value, and opens no port."""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nerava.ledger.sealing import seal_day
from nerava.platform.db import Database
from nerava.platform.secrets import SecretKind
from nerava.startup_checks import EX_CONFIG
from tests.chaos.tampering import drop_every_guard
from tests.ledger.houses import NOON
from tests.ledger.test_sealing import busy_house
from tests.startup.booting import (
    Configuration,
    Refusal,
    ready,
    refused,
    running,
    spoil_key,
    strong,
    told_here,
)

Spoil = Callable[[Configuration], Configuration]

GONE_WITHIN_S = 5
DATABASE = "NERAVA_DATABASE__URL"
KEYS = "NERAVA_TOKENS__KEYS_DIRECTORY"
ISSUER = "NERAVA_TOKENS__ISSUER"
LINKS = "NERAVA_SIGN_IN__LINK_PAGE"
TIGHTER = "NERAVA_LIMITS__TIGHTER"
REDIS = "NERAVA_REDIS__URL"
STRIPE = "NERAVA_STRIPE"
WRONG = "hunter2"
"""A value that must not be repeated."""


@dataclass(frozen=True)
class Bad:
    """One way to spoil a good configuration.

    Attributes:
        row: Its row in the table of `docs/SECURITY.md`.
        what: What is wrong, for the list of tests.
        setting: What must be named, and nothing else.
        words: What must be said about it.
        spoil: Makes it bad.
        quick: Whether `make test` boots it as a process; it looks at all of them in its own, and `make
            chaos` boots all.
    """

    row: str
    what: str
    setting: str
    words: str
    spoil: Spoil
    quick: bool = False


def having(**changes: str | None) -> Spoil:
    """Return what sets or removes variables."""
    return lambda good: good.but(**changes)


def file_of(good: Configuration) -> Path:
    return Path(good.environment[DATABASE].removeprefix("sqlite:///"))


def doing(act: Callable[[Configuration], object]) -> Spoil:
    """Return what spoils something that lies outside the environment."""

    def spoil(good: Configuration) -> Configuration:
        act(good)
        return good

    return spoil


def told(order: str) -> Spoil:
    """Return what changes the database behind the product's back."""

    def act(good: Configuration) -> None:
        connection = sqlite3.connect(file_of(good))
        connection.execute(order)
        connection.commit()
        connection.close()

    return doing(act)


def in_file(content: str, mode: int) -> Spoil:
    """Return what gives the seal's key as a file."""

    def spoil(good: Configuration) -> Configuration:
        file = good.folder / "seal"
        file.write_text(content)
        file.chmod(mode)
        return good.but(NERAVA_SECRETS__SEAL=None, NERAVA_SECRETS__SEAL_FILE=str(file))

    return spoil


def written_down(good: Configuration) -> Configuration:
    """Repeat a secret on the command line."""
    address = f"{good.environment[DATABASE]}?seal={good.environment['NERAVA_SECRETS__SEAL']}"
    return replace(good, command=("serve", "--database", address))


def damaged(good: Configuration) -> None:
    """Keep books in the database, seal them, and forge the last block."""
    database = Database(good.environment[DATABASE])
    house = busy_house(database)
    database.run(lambda session: seal_day(session, NOON))
    house.ledger.close()
    drop_every_guard(database)
    database.close()
    told("UPDATE ledger_block SET hash = zeroblob(32) WHERE lane = 'main' AND height = 4")(good)


def all_alike(good: Configuration) -> Configuration:
    return good.but(NERAVA_SECRETS__SEAL=base64.b64encode(b"x" * 32).decode())


def twice(good: Configuration) -> Configuration:
    return good.but(NERAVA_SECRETS__REFRESH=good.environment["NERAVA_SECRETS__SESSION"])


def as_issuer(good: Configuration) -> Configuration:
    issuer = "https://rewards.a-city-of-many-people.org"
    value = base64.b64encode(issuer.encode()).decode()
    return good.but(NERAVA_TOKENS__ISSUER=issuer, NERAVA_SECRETS__SEAL=value)


def unreachable(good: Configuration) -> None:
    good.keys.joinpath("access-token-0001.key.json").unlink()


BAD = (
    Bad("B01", "no profile", "NERAVA_ENV", "must be set", having(NERAVA_ENV=None), quick=True),
    *(
        Bad("B01", f"profile {name!r}", "NERAVA_ENV", "must be 'production'", having(NERAVA_ENV=name))
        for name in ("", "prod", "PRODUCTION", "local")
    ),
    Bad("B02", "a typing error", "NERAVA_DATABSE__URL", "no such", having(NERAVA_DATABSE__URL=WRONG)),
    Bad("B02", "a skipped check", "NERAVA_SKIP_CHECKS", "no such", having(NERAVA_SKIP_CHECKS="true")),
    *(
        Bad("B03", f"no {kind}", kind.setting, "must be set", having(**{kind.setting: None}))
        for kind in SecretKind
    ),
    Bad("B03", "no signing key", KEYS, "nerava keys new", doing(unreachable)),
    Bad("B03", "no database", DATABASE, "must be set", having(NERAVA_DATABASE__URL=None)),
    Bad("B04", "short", "NERAVA_SECRETS__SEAL", "shorter than 32", having(NERAVA_SECRETS__SEAL="c2hvcnQgb25l")),
    Bad("B04", "known", "NERAVA_SECRETS__SEAL", "an example", having(NERAVA_SECRETS__SEAL="ChangeMe" * 6)),
    Bad("B04", "one byte", "NERAVA_SECRETS__SEAL", "repeats", all_alike),
    Bad("B04", "used twice", "NERAVA_SECRETS__REFRESH", "the same as NERAVA_SECRETS__SESSION", twice),
    Bad("B04", "an address", "NERAVA_SECRETS__SEAL", "the same as an address", as_issuer),
    Bad("B04", "no base64", "NERAVA_SECRETS__SEAL", "base64", having(NERAVA_SECRETS__SEAL=f"{WRONG}!")),
    Bad("B05", "open file", "NERAVA_SECRETS__SEAL_FILE", "make it 0600", in_file(strong(SecretKind.SEAL), 0o644)),
    Bad("B05", "file is gone", "NERAVA_SECRETS__SEAL_FILE", "cannot be read",
        having(NERAVA_SECRETS__SEAL=None, NERAVA_SECRETS__SEAL_FILE="nowhere/seal")),
    Bad("B05", "two sources", "NERAVA_SECRETS", "both set", having(NERAVA_SECRETS__SEAL_FILE="nowhere/seal")),
    Bad("B05", "in argv", "NERAVA_SECRETS__SEAL", "command line", written_down, quick=True),
    Bad("B05", "unknown source", "NERAVA_SECRETS__PROVIDER", "must be 'env' or 'aws'", having(NERAVA_SECRETS__PROVIDER=WRONG)),
    Bad("B06", "symmetric", KEYS, "not the Ed25519", doing(lambda good: spoil_key(good, kty="oct"))),
    Bad("B06", "no kid", KEYS, "not an Ed25519", doing(lambda good: spoil_key(good, kid=None))),
    Bad("B06", "another kid", KEYS, "not the Ed25519", doing(lambda good: spoil_key(good, kid="other"))),
    Bad("B06", "open key", KEYS, "make it 0600",
        doing(lambda good: next(good.keys.iterdir()).chmod(0o644))),
    Bad("B06", "long life", "NERAVA_TOKENS__LIFE_S", "less than or equal to 900", having(NERAVA_TOKENS__LIFE_S="901")),
    Bad("B06", "no issuer", ISSUER, "must not be empty", having(NERAVA_TOKENS__ISSUER="")),
    Bad("B06", "example issuer", ISSUER, "must name this", having(NERAVA_TOKENS__ISSUER=None)),
    Bad("B06", "no audience", "NERAVA_TOKENS__AUDIENCE", "must not be empty", having(NERAVA_TOKENS__AUDIENCE="")),
    Bad("B07", "SQLite", DATABASE, "NERAVA_SINGLE_NODE", having(NERAVA_SINGLE_NODE=None)),
    Bad("B07", "two workers", "NERAVA_WORKER__IN_WEB_PROCESS", "one process", having(NERAVA_WORKER__IN_WEB_PROCESS="false")),
    Bad("B07", "a second worker", DATABASE, "nerava serve", lambda good: replace(good, command=("work",)), quick=True),
    Bad("B07", "in memory", DATABASE, "gone at the end", having(NERAVA_DATABASE__URL="sqlite://")),
    Bad("B07", "another kind", DATABASE, "must begin with", having(NERAVA_DATABASE__URL="mysql://u:hunter2@h/n")),
    Bad("B07", "a letter", DATABASE, "cannot be used", doing(lambda good: file_of(good).write_text("Dear database, " * 99))),
    Bad("B10", "no file", DATABASE, "nerava migrate", doing(lambda good: file_of(good).unlink())),
    Bad("B10", "empty", DATABASE, "is empty", doing(lambda good: file_of(good).write_bytes(b""))),
    Bad("B10", "behind", DATABASE, "has schema 0003", told("UPDATE alembic_version SET version_num = '0003'")),
    Bad("B10", "ahead", DATABASE, "ahead of this version", told("UPDATE alembic_version SET version_num = '9999'")),
    Bad("B10", "damaged end", DATABASE, "damaged at their end", doing(damaged)),
    Bad("B11", "dead", REDIS, "does not answer", having(NERAVA_REDIS__URL="redis://127.0.0.1:1")),
    Bad("B11", "no TLS", REDIS, "needs rediss://", having(NERAVA_REDIS__URL="redis://:hunter2@cache.city.org")),
    Bad("B11", "no password", REDIS, "a password", having(NERAVA_REDIS__URL="rediss://cache.city.org")),
    Bad("B11", "not verified", REDIS, "verified", having(NERAVA_REDIS__URL="rediss://:hunter2@cache.city.org?ssl_cert_reqs=none")),
    Bad("B11", "own timeouts", REDIS, "timeouts of its own", having(NERAVA_REDIS__URL="redis://127.0.0.1:1?socket_timeout=0")),
    Bad("B12", "no such mode", f"{STRIPE}__MODE", "must be 'off'", having(NERAVA_STRIPE__MODE=WRONG)),
    Bad("B12", "live without key", STRIPE, "key is needed", having(NERAVA_STRIPE__MODE="live")),
    Bad("B12", "live and unheard", f"{STRIPE}__WEBHOOK_SECRETS", "nothing is heard",
        having(NERAVA_STRIPE__MODE="live", NERAVA_STRIPE__KEY="sk_live_hunter2")),
    Bad("B12", "test key", STRIPE, "not of this mode",
        having(NERAVA_STRIPE__MODE="live", NERAVA_STRIPE__KEY="sk_test_hunter2")),
    Bad("B12", "sandbox", f"{STRIPE}__MODE", "never happened",
        having(NERAVA_STRIPE__MODE="sandbox", NERAVA_STRIPE__KEY="sk_test_hunter2")),
    Bad("B12", "live in staging", f"{STRIPE}__MODE", "production alone",
        having(NERAVA_ENV="staging", NERAVA_STRIPE__MODE="live", NERAVA_STRIPE__KEY="sk_live_hunter2")),
    Bad("B12", "simulator", f"{STRIPE}__MODE", "must not be the simulator",
        having(NERAVA_STRIPE__MODE="simulator", NERAVA_STRIPE__KEY="sk_test_hunter2",
               NERAVA_STRIPE__BASE_URL="http://127.0.0.1:9000")),
    Bad("B14", "not Stripe", f"{STRIPE}__BASE_URL", "the provider's own", having(NERAVA_STRIPE__BASE_URL="https://stripe.city.org")),
    Bad("B14", "retired", "NERAVA_NLR__BASE_URL", "retired", having(NERAVA_NLR__BASE_URL="https://developer.nrel.gov")),
    Bad("B14", "http", ISSUER, "https://", having(NERAVA_TOKENS__ISSUER="http://rewards.city.org")),
    Bad("B14", "localhost", ISSUER, "reach", having(NERAVA_TOKENS__ISSUER="https://localhost:8000")),
    Bad("B14", "private", ISSUER, "reach", having(NERAVA_TOKENS__ISSUER="https://10.0.0.8")),
    Bad("B14", "with a password", ISSUER, "password", having(NERAVA_TOKENS__ISSUER="https://u:hunter2@city.org")),
    Bad("B14", "links over http", LINKS, "https://", having(NERAVA_SIGN_IN__LINK_PAGE="http://localhost:8000/link")),
    Bad("B14", "links to this machine", LINKS, "reach", having(NERAVA_SIGN_IN__LINK_PAGE="https://127.0.0.1/link")),
    Bad("B14", "passkeys of localhost", "NERAVA_PASSKEYS__DOMAIN", "reach",
        having(NERAVA_PASSKEYS__DOMAIN="localhost", NERAVA_PASSKEYS__ORIGINS="http://localhost:8000")),
    Bad("B14", "passkeys over http", "NERAVA_PASSKEYS__ORIGINS", "https://",
        having(NERAVA_PASSKEYS__DOMAIN="city.org", NERAVA_PASSKEYS__ORIGINS="http://app.city.org")),
    Bad("B14", "passkeys without origins", "NERAVA_PASSKEYS__ORIGINS", "both or neither", having(NERAVA_PASSKEYS__DOMAIN="city.org")),
    *(
        Bad("B14", f"keys of {one} over http", f"NERAVA_{one}__KEYS_URL", "https://",
            having(**{f"NERAVA_{one}__KEYS_URL": "http://localhost:9000/keys"}))
        for one in ("GOOGLE", "APPLE")
    ),
    Bad("B15", "everybody a proxy", "NERAVA_SERVER__TRUSTED_PROXIES", "your proxies", having(NERAVA_SERVER__TRUSTED_PROXIES="0.0.0.0/0")),
    Bad("B15", "no network", "NERAVA_SERVER__TRUSTED_PROXIES", "no networks", having(NERAVA_SERVER__TRUSTED_PROXIES=WRONG)),
    *(
        Bad("B15", f"CORS {value!r}", "NERAVA_SERVER__CORS_ORIGINS", "an origin is https://host",
            having(NERAVA_SERVER__CORS_ORIGINS=value))
        for value in ("*", "null", r"https://.*\.city\.org", "https://city.org/path")
    ),
    Bad("B15", "CORS http", "NERAVA_SERVER__CORS_ORIGINS", "https origins", having(NERAVA_SERVER__CORS_ORIGINS="http://localhost:3000")),
    Bad("B16", "open metrics", "NERAVA_METRICS__TOKEN", "open to everybody", having(NERAVA_SERVER__HOST="0.0.0.0")),  # noqa: S104 - what is refused
    Bad("B17", "debug", "NERAVA_LOG__LEVEL", "debug", having(NERAVA_LOG__LEVEL="debug")),
    Bad("B18", "nobody served", "NERAVA_SERVER__REQUESTS_MAX", "greater than", having(NERAVA_SERVER__REQUESTS_MAX="0")),
    Bad("B18", "too many", "NERAVA_SERVER__REQUESTS_MAX", "less than", having(NERAVA_SERVER__REQUESTS_MAX="100001")),
    Bad("B18", "quota 0", TIGHTER, "must be 1 to", having(NERAVA_LIMITS__TIGHTER='{"api-identity-1m": 0}')),
    Bad("B18", "quota above", TIGHTER, "must be 1 to", having(NERAVA_LIMITS__TIGHTER='{"api-identity-1m": 999999}')),
    Bad("B18", "unknown", TIGHTER, "names a limit", having(NERAVA_LIMITS__TIGHTER='{"hunter2": 1}')),
    Bad("B18", "off", "NERAVA_LIMITS__API", "must not be off", having(NERAVA_LIMITS__API="false")),
    Bad("B19", "few files", "NERAVA_ENV", "ulimit -n", lambda good: replace(good, open_files=1_024), quick=True),
)  # fmt: skip


def each(bad: tuple[Bad, ...]) -> list[object]:
    return [
        pytest.param(one, id=f"{one.row} {one.what}", marks=() if one.quick else pytest.mark.chaos)
        for one in bad
    ]


def assert_refused(refusal: Refusal, configuration: Configuration, setting: str, words: str) -> None:
    """Check how a process ended that must not start."""
    assert refusal.code == EX_CONFIG, refusal.said
    assert set(refusal.settings) == {setting}, refusal.said
    assert words in refusal.said
    assert_nothing_shown(refusal, configuration)


def assert_no_value_in(said: str, configuration: Configuration) -> None:
    """Check that no value of a setting was told."""
    assert WRONG not in said
    for name, value in configuration.environment.items():
        assert len(value) < 12 or name == "NERAVA_ENV" or value not in said, name


def assert_nothing_shown(refusal: Refusal, configuration: Configuration) -> None:
    """Check that no value was told, no port opened, no web framework loaded, and that it was soon over."""
    assert_no_value_in(refusal.said, configuration)
    assert configuration.notes == []
    # Not the wall clock: other tests run beside this one, and nothing here waits for anybody.
    assert refusal.worked_s < GONE_WITHIN_S


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.row} {bad.what}")
def test_a_bad_configuration_is_refused_by_name(
    good: Configuration, bad: Bad, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = bad.spoil(good)

    told = told_here(spoilt, monkeypatch)

    assert {one.setting for one in told} == {bad.setting}, told
    said = "\n".join(map(str, told))
    assert bad.words in said
    assert_no_value_in(said, spoilt)


@pytest.mark.parametrize("bad", each(BAD))
def test_a_bad_configuration_does_not_start(good: Configuration, bad: Bad) -> None:
    spoilt = bad.spoil(good)

    assert_refused(refused(spoilt), spoilt, bad.setting, bad.words)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process as root")
def test_production_does_not_start_as_root(good: Configuration) -> None:
    as_root = replace(good, as_root=True)

    assert_refused(refused(as_root), as_root, "NERAVA_ENV", "does not run as root")


@pytest.mark.parametrize("command", ["serve", pytest.param("work", marks=pytest.mark.chaos)])
def test_all_that_is_wrong_is_said_at_once_in_staging_too(good: Configuration, command: str) -> None:
    spoilt = replace(
        good.but(
            NERAVA_ENV="staging",
            NERAVA_SECRETS__SEAL=None,
            NERAVA_TOKENS__ISSUER="http://hunter2.example",
            NERAVA_LOG__LEVEL="debug",
            NERAVA_SERVER__TRUSTED_PROXIES="::/0",
            NERAVA_LIMITS__API="false",
            NERAVA_WORKER__IN_WEB_PROCESS="false",
        ),
        command=(command,),
        open_files=100,
    )
    unreachable(spoilt)
    told("UPDATE alembic_version SET version_num = '0003'")(spoilt)

    refusal = refused(spoilt)

    assert refusal.code == EX_CONFIG
    assert set(refusal.settings) == {
        "NERAVA_SECRETS__SEAL",
        "NERAVA_TOKENS__ISSUER",
        "NERAVA_LOG__LEVEL",
        "NERAVA_SERVER__TRUSTED_PROXIES",
        "NERAVA_LIMITS__API",
        "NERAVA_WORKER__IN_WEB_PROCESS",
        KEYS,
        "NERAVA_ENV",
        DATABASE,
    }
    assert_nothing_shown(refusal, spoilt)


@pytest.mark.parametrize("profile", ["production", "staging"])
def test_nothing_is_found_in_a_good_configuration(
    good: Configuration, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_here(good.but(NERAVA_ENV=profile), monkeypatch) == ()


@pytest.mark.parametrize("profile", ["development", "test"])
def test_nothing_is_found_in_the_defaults_outside_production(
    tmp_path: Path, sqlite_url: str, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = Configuration(tmp_path, as_root=True).but(NERAVA_ENV=profile, NERAVA_DATABASE__URL=sqlite_url)
    assert told_here(bare, monkeypatch) == ()


@pytest.mark.parametrize("profile", ["production", pytest.param("staging", marks=pytest.mark.chaos)])
def test_a_good_configuration_starts_on_one_file(good: Configuration, profile: str) -> None:
    with running(good.but(NERAVA_ENV=profile)) as (_, line):
        assert "Nerava serves on http://127.0.0.1:" in line
        assert ready(line) == "ready"
    assert any(note.startswith("bound") for note in good.notes), "the watch must see what is opened"
    assert "loaded fastapi" in good.notes


@pytest.mark.chaos
@pytest.mark.parametrize("profile", ["development", "test"])
def test_outside_production_the_defaults_start(tmp_path: Path, sqlite_url: str, profile: str) -> None:
    bare = Configuration(tmp_path, as_root=True).but(
        NERAVA_ENV=profile,
        NERAVA_DATABASE__URL=sqlite_url,
        NERAVA_SERVER__PORT="0",
        NERAVA_SERVER__DRAIN_S="0",
    )
    with running(bare) as (_, line):
        assert ready(line) == "ready"
    assert list((tmp_path / "var" / "keys").glob("access-token-*")), "made at the first start"


NOWHERE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


@pytest.mark.chaos
def test_a_source_of_secrets_that_does_not_answer_is_refused(good: Configuration) -> None:
    names = {kind.setting: f"nerava/{kind}" for kind in SecretKind}
    spoilt = good.but(SECRETS_PROVIDER="aws", NERAVA_SECRETS__AWS_REGION="eu-central-1", **NOWHERE, **names)

    refusal = refused(spoilt)

    assert refusal.code == EX_CONFIG, refusal.said
    assert set(refusal.settings) == set(names)
    assert "AWS Secrets Manager does not answer" in refusal.said
    assert_no_value_in(refusal.said, spoilt)
    # AWS's library looks whether this machine has IPv6, by a socket on which nobody listens.
    assert set(spoilt.notes) <= {"bound ('::1', 0)"}


def test_nothing_is_made_by_a_start_that_is_refused(tmp_path: Path) -> None:
    bare = Configuration(tmp_path, as_root=True).but(NERAVA_ENV="development")

    assert_refused(refused(bare), bare, DATABASE, "there is no database yet")
    unreachable = bare.but(NERAVA_DATABASE__URL=f"sqlite:///{tmp_path / ('n' * 300)}")
    assert_refused(refused(unreachable), unreachable, DATABASE, "cannot be used: File name too long")
    assert [one.name for one in tmp_path.iterdir()] == []
