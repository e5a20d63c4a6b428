"""Every secret setting comes through the chosen source, is read again while serving, and is told to nobody."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, get_args

import boto3
import psycopg
import pytest
from moto import mock_aws
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from nerava.integrations.stripe.api import StripeApi
from nerava.integrations.stripe.events import StripeEvents
from nerava.kernel.clock import FixedClock
from nerava.kernel.outcomes import Misconfigured, Ok
from nerava.platform.aws_secrets import AwsSecrets
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from nerava.platform.db.engine import EngineOptions, open_engine
from nerava.platform.live_secrets import LiveSecret, Origin, Sourced, versions
from nerava.platform.redaction import REDACTOR
from nerava.platform.secrets import SecretKind, SecretMissing, Secrets, SecretUnusable
from nerava.settings import DELIMITER, PREFIX, DatabaseSettings, Group, Settings, unknown_names
from nerava.settings.resolving import secret_fields
from nerava.startup_checks import ConfigurationRefused, load_settings
from tests.startup.booting import strong

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REGION = "eu-central-1"
CANARY = "Zx9-canary-of-a-secret-4711"

EVERY: Final = [(group, name) for group, name in secret_fields(Settings)]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith((PREFIX, "AWS_", "SECRETS_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Secrets Manager of our own, chosen as the source of secrets."""
    monkeypatch.setenv("SECRETS_PROVIDER", "aws")
    with mock_aws():
        yield boto3.client("secretsmanager", region_name=REGION)


def variable(group: str, name: str) -> str:
    return f"{PREFIX}{group}{DELIMITER}{name}".upper()


def value_for(group: str, name: str) -> str:
    """Return a value that the setting takes."""
    if group == "secrets":
        return strong(SecretKind(name))
    special = {"redis.url": f"redis://:{CANARY}@cache:6379", "tracing.headers": f"x-key={CANARY}-tracing"}
    return special.get(f"{group}.{name}", f"{CANARY}-{group}-{name}")


def told(error: pytest.ExceptionInfo[ConfigurationRefused]) -> dict[str, str]:
    return {one.setting: one.problem for one in error.value.findings}


# --- every secret setting, from every source ---


def test_the_walk_finds_every_secret_there_is() -> None:
    def walk(model: type[Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for name, field in model.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, Group):
                yield from walk(kind, (*path, name))
            elif SecretStr in (kind, *get_args(kind)):
                yield *path, name

    assert list(walk(Settings)) == EVERY
    words = ("secret", "password", "token_key", "credential")
    named = [
        (group, name)
        for group, outer in Settings.model_fields.items()
        for name in getattr(outer.annotation, "model_fields", {})
        if any(word in name for word in words) and not name.endswith("_file")
    ]
    assert set(named) <= set(EVERY), "what is called a secret is marked as one"


def test_every_secret_setting_comes_from_aws(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {f"{group}.{name}": value_for(group, name) for group, name in EVERY}
    arn = aws.create_secret(Name="nerava/prod", SecretString=json.dumps(values))["ARN"]
    for number, (group, name) in enumerate(EVERY):
        where = "nerava/prod" if number % 2 else arn
        monkeypatch.setenv(variable(group, name), f"{where}#{group}.{name}")

    settings = load_settings()

    assert settings.secrets.provider == "aws"
    assert taken(settings) == values
    clock = FixedClock(datetime.now(UTC))
    for name, value in values.items():
        found = settings.live(name, clock)
        assert found is not None
        assert found.reveal() == value, name
        assert value not in REDACTOR.redacted(f"it was {value}."), name
        assert value not in repr(settings), name


def test_every_secret_setting_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {f"{group}.{name}": value_for(group, name) for group, name in EVERY}
    for group, name in EVERY:
        monkeypatch.setenv(variable(group, name), values[f"{group}.{name}"])
    assert taken(load_settings()) == values

    for group, name in EVERY:
        file = tmp_path / f"{group}.{name}"
        file.write_text(values[f"{group}.{name}"] + "\n")
        file.chmod(0o600)
        monkeypatch.delenv(variable(group, name))
        monkeypatch.setenv(f"{variable(group, name)}_FILE", str(file))
    settings = load_settings()
    own = Secrets(settings.own_secrets(FixedClock(NOON)), FixedClock(NOON))
    for kind in SecretKind:
        by_value = Secrets({kind: values.pop(f"secrets.{kind.value}")}, FixedClock(NOON)).get(kind)
        assert own.get(kind).reveal() == by_value.reveal()
    assert taken(settings) == values


def taken(settings: Settings) -> dict[str, str]:
    """Return every secret setting that is set, by its dotted name."""
    found = {f"{group}.{name}": getattr(getattr(settings, group), name) for group, name in EVERY}
    return {name: one.get_secret_value() for name, one in found.items() if one is not None}


def test_the_variables_of_files_are_known_and_nothing_like_them_is() -> None:
    assert unknown_names({"NERAVA_STRIPE__KEY_FILE": "x", "NERAVA_SMTP__PASSWORD_FILE": "x"}) == []
    assert unknown_names({"NERAVA_STRIPE__MODE_FILE": "x"}) == ["NERAVA_STRIPE__MODE_FILE"]


@pytest.mark.parametrize("name", ["SECRETS_PROVIDER", "NERAVA_SECRETS__PROVIDER"])
def test_an_unknown_source_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "hunter2")
    with pytest.raises(ConfigurationRefused) as refused:
        load_settings()
    assert told(refused) == {"NERAVA_SECRETS__PROVIDER": "must be 'env' or 'aws'"}


# --- what cannot be had ---


def test_what_cannot_be_had_is_told_by_its_setting_never_by_value_or_reference(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.create_secret(Name="plain", SecretString=CANARY)
    aws.create_secret(Name="object", SecretString=json.dumps({"a": CANARY, "number": 5}))
    for setting, reference in {
        "NERAVA_STRIPE__KEY": "hunter2-nowhere",
        "NERAVA_TWILIO__SECRET": "plain#a",
        "NERAVA_SMTP__PASSWORD": "object#hunter2",
        "NERAVA_SES__SECRET": "object#number",
        "NERAVA_NLR__KEY": "",
    }.items():
        monkeypatch.setenv(setting, reference)
    with pytest.raises(ConfigurationRefused) as refused:
        load_settings()
    assert told(refused) == {
        "NERAVA_STRIPE__KEY": "AWS Secrets Manager has nothing under the name it gives",
        "NERAVA_TWILIO__SECRET": "names a key, but the secret is no JSON object",
        "NERAVA_SMTP__PASSWORD": "the secret has no such key, or no text under it",
        "NERAVA_SES__SECRET": "the secret has no such key, or no text under it",
        "NERAVA_NLR__KEY": "must be the name or ARN of a secret in AWS Secrets Manager",
    }
    assert not any(word in str(refused.value) for word in ("hunter2", CANARY, "plain", "object#"))
    assert refused.value.__cause__ is None


def test_a_source_that_does_not_answer_stops_a_start_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # Bound and not listening: every connection is refused.
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{held.getsockname()[1]}")
        monkeypatch.setenv("SECRETS_PROVIDER", "aws")
        for group, name in EVERY:
            monkeypatch.setenv(variable(group, name), f"nerava/{group}/{name}")
        started = time.monotonic()
        with pytest.raises(ConfigurationRefused) as refused:
            load_settings()
    assert set(told(refused)) == {variable(group, name) for group, name in EVERY}
    assert set(told(refused).values()) == {"AWS Secrets Manager does not answer"}
    assert time.monotonic() - started < 20, "one is waited for, not each"


def test_credentials_that_are_missing_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(SecretUnusable, match="no AWS credentials"):
        AwsSecrets(FixedClock(NOON)).read("name", NOON)


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0, "cannot be read"),
        ("x" * 40, 0o644, "has mode 0644; make it 0600"),
        ("\xff", 0o600, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, mode: int, words: str
) -> None:
    file = tmp_path / "hunter2"
    if content is not None:
        file.write_text(content, "utf-8")
        file.chmod(mode)
    monkeypatch.setenv("NERAVA_STRIPE__KEY_FILE", str(file))
    with pytest.raises(ConfigurationRefused) as refused:
        load_settings()
    assert told(refused) == {"NERAVA_STRIPE__KEY": words}
    assert "hunter2" not in str(refused.value)


def test_value_and_file_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERAVA_STRIPE__KEY", CANARY)
    monkeypatch.setenv("NERAVA_STRIPE__KEY_FILE", "somewhere")
    with pytest.raises(ConfigurationRefused, match="NERAVA_STRIPE__KEY: and the file with it are both set"):
        load_settings()


def test_in_production_a_secret_that_a_feature_needs_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERAVA_STRIPE__MODE", "live")
    with pytest.raises(ConfigurationRefused, match="NERAVA_STRIPE: key is needed"):
        load_settings()


# --- a secret is read again ---


class Shelf:
    """A source that holds what it is told to hold, and counts."""

    def __init__(self, text: str, *, waits: bool = False) -> None:
        self.text: str | None = text
        self.waits = waits
        self.reads = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def read(self, reference: str, not_before: datetime) -> str:
        self.reads += 1
        self.may_go_on.wait(30)
        if self.text is None:
            raise SecretUnusable("does not answer")
        return self.text


def on(shelf: Shelf, clock: FixedClock, **more: Any) -> LiveSecret:
    origin = Origin("NERAVA_X__KEY", shelf, "ref", shelf.text or "", NOON)
    return LiveSecret(shelf.text or "", Sourced(origin, clock), **more)


def test_a_secret_is_read_again_after_a_quarter_of_an_hour_and_not_before() -> None:
    clock, shelf = FixedClock(NOON), Shelf("one")
    secret = on(shelf, clock)
    shelf.text = "two"
    clock.move_to(NOON + timedelta(minutes=11))
    assert (secret.reveal(), shelf.reads) == ("one", 0)
    clock.move_to(NOON + timedelta(minutes=19))
    assert (secret.reveal(), shelf.reads) == ("two", 1)
    assert (str(secret), f"{secret!r}") == ("***", "***")


def test_nobody_waits_for_a_source_on_another_machine() -> None:
    clock, shelf = FixedClock(NOON), Shelf("one", waits=True)
    secret = on(shelf, clock)
    shelf.text = "two"
    shelf.may_go_on.clear()
    clock.move_to(NOON + timedelta(minutes=19))
    assert [secret.reveal() for _ in range(5)] == ["one"] * 5
    shelf.may_go_on.set()
    until = time.monotonic() + 30
    while secret.reveal() != "two":
        assert time.monotonic() < until
        time.sleep(0.01)
    assert shelf.reads == 1


def test_a_source_that_is_lost_is_told_and_its_value_used_for_a_day(caplog: pytest.LogCaptureFixture) -> None:
    clock, shelf = FixedClock(NOON), Shelf(CANARY)
    secret = on(shelf, clock)
    shelf.text = None
    with caplog.at_level(logging.WARNING):
        clock.move_to(NOON + timedelta(hours=23, minutes=59))
        assert secret.reveal() == CANARY
    assert "secret_refresh_failed: NERAVA_X__KEY: does not answer" in caplog.text
    assert CANARY not in caplog.text
    clock.move_to(NOON + timedelta(hours=24, minutes=1))
    with pytest.raises(SecretMissing, match="NERAVA_X__KEY"):
        secret.reveal()
    shelf.text = "back"
    clock.move_to(NOON + timedelta(hours=24, minutes=3))
    assert secret.reveal() == "back"


def test_a_secret_that_lay_unused_for_days_is_no_lost_one() -> None:
    clock, shelf = FixedClock(NOON), Shelf("one")
    secret = on(shelf, clock)
    clock.move_to(NOON + timedelta(days=3))
    assert secret.reveal() == "one"


def test_a_new_value_that_cannot_be_one_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    clock, shelf = FixedClock(NOON), Shelf("sk_1")
    secret = on(shelf, clock, is_usable=lambda text: text.startswith("sk_"))
    shelf.text = CANARY
    clock.move_to(NOON + timedelta(minutes=19))
    with caplog.at_level(logging.WARNING):
        assert secret.reveal() == "sk_1"
    assert "cannot be used" in caplog.text
    assert CANARY not in caplog.text


def test_a_refused_secret_is_asked_for_anew_but_not_for_every_refusal() -> None:
    clock, shelf = FixedClock(NOON), Shelf("one")
    secret = on(shelf, clock)
    clock.move_to(NOON + timedelta(seconds=1))
    assert secret.newer_than("one") is None
    shelf.text = "two"
    assert (secret.newer_than("one"), shelf.reads) == (None, 1), "asked a moment ago"
    clock.move_to(NOON + timedelta(seconds=40))
    assert (secret.newer_than("one"), shelf.reads) == ("two", 2)
    assert (secret.newer_than("one"), shelf.reads) == ("two", 2), "known meanwhile"
    assert LiveSecret("given").newer_than("given") is None


def test_settings_that_name_keys_of_one_secret_share_a_call(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.create_secret(Name="all", SecretString=json.dumps({name: f"{CANARY}{name}" for name in "abc"}))
    asked: list[str] = []
    source = AwsSecrets(clock := FixedClock(NOON))
    client = source._client("all")  # noqa: SLF001 - to count the calls that leave
    send = client.get_secret_value
    monkeypatch.setattr(
        client, "get_secret_value", lambda **said: asked.append(said["SecretId"]) or send(**said)
    )
    assert [source.read(f"all#{name}", NOON) for name in "abc"] == [f"{CANARY}{name}" for name in "abc"]
    assert asked == ["all"]
    clock.move_to(NOON + timedelta(minutes=2))
    source.read("all#a", NOON + timedelta(minutes=2))
    assert asked == ["all", "all"]


def test_one_that_was_rotated_at_aws_takes_over_without_a_restart(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.create_secret(Name="stripe", SecretString="sk_test_one")
    monkeypatch.setenv("NERAVA_STRIPE__MODE", "sandbox")
    monkeypatch.setenv("NERAVA_STRIPE__KEY", "stripe")
    now = datetime.now(UTC)
    secret = load_settings().live("stripe.key", clock := FixedClock(now))
    assert secret is not None
    aws.put_secret_value(SecretId="stripe", SecretString="sk_test_two")
    clock.move_to(now + timedelta(minutes=2))
    assert secret.newer_than("sk_test_one") == "sk_test_two"
    aws.put_secret_value(SecretId="stripe", SecretString="sk_live_of_the_wrong_mode")
    clock.move_to(now + timedelta(minutes=4))
    assert secret.newer_than("sk_test_two") is None
    assert secret.reveal() == "sk_test_two"


# --- what is done with it ---


class Gate(BaseHTTPRequestHandler):
    """An API that lets one key in."""

    accepted = ""
    asked: list[str] = []  # noqa: RUF012 - one server a test

    def do_GET(self) -> None:
        given = self.headers["Authorization"]
        type(self).asked.append(given)
        good = given == f"Bearer {type(self).accepted}"
        body = json.dumps(
            {"object": "balance", "livemode": False} if good else {"error": {"type": "auth"}}
        ).encode()
        self.send_response(200 if good else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def gate() -> Iterator[tuple[str, type[Gate]]]:
    """The address of such an API, and what it lets in."""
    kind = type("OwnGate", (Gate,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", kind
        server.shutdown()
        thread.join()


def test_a_call_that_is_refused_is_made_once_more_with_the_newer_key(gate: tuple[str, type[Gate]]) -> None:
    address, api = gate
    clock, shelf = FixedClock(NOON), Shelf("sk_test_one")
    stripe = StripeApi(on(shelf, clock), base_url=address, is_live=False, now=clock.now)
    try:
        api.accepted = "sk_test_one"
        assert isinstance(stripe.get("/v1/balance"), Ok)
        api.accepted = shelf.text = "sk_test_two"
        clock.move_to(NOON + timedelta(seconds=1))
        assert isinstance(stripe.get("/v1/balance"), Ok)
        assert api.asked[1:] == ["Bearer sk_test_one", "Bearer sk_test_two"]
        api.accepted = "sk_test_three"
        assert isinstance(stripe.get("/v1/balance"), Misconfigured)
        assert len(api.asked) == 4, "without a newer key nothing is repeated"
    finally:
        stripe.close()


def test_the_secrets_of_webhooks_are_those_of_now() -> None:
    clock, shelf = FixedClock(NOON), Shelf("whsec_one, whsec_two")
    accepted = versions(on(shelf, clock))
    assert accepted() == [b"whsec_one", b"whsec_two"]
    shelf.text = "whsec_two"
    clock.move_to(NOON + timedelta(minutes=19))
    assert accepted() == [b"whsec_two"]
    assert StripeEvents(["whsec_x"], is_live=False) is not None
    assert versions(["a", "b"])() == [b"a", b"b"]


def test_the_installations_own_secrets_are_read_again_too() -> None:
    clock, first, second = FixedClock(NOON), strong(SecretKind.SEAL), strong(SecretKind.SEAL)
    shelf = Shelf(first)
    secrets = Secrets({SecretKind.SEAL: on(shelf, clock)}, clock)
    old = secrets.get(SecretKind.SEAL).reveal()
    shelf.text = f"{second},{first}"
    clock.move_to(NOON + timedelta(minutes=19))
    assert secrets.get(SecretKind.SEAL).reveal() != old
    assert [one.reveal() for one in secrets.accepted(SecretKind.SEAL)][1] == old


@pytest.fixture
def locked(postgres: EmbeddedPostgres) -> Iterator[tuple[EmbeddedPostgres, str]]:
    """A server that wants a password of one role, and that role."""
    role = "rotating"
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'one'".encode())
        (place,) = owner.execute("SHOW hba_file").fetchone() or ("",)
        rules = Path(place)
        before = rules.read_text()
        rules.write_text(f"local all {role} scram-sha-256\n{before}")
        owner.execute("SELECT pg_reload_conf()")
        yield postgres, role
        rules.write_text(before)
        owner.execute("SELECT pg_reload_conf()")
        owner.execute(f"DROP ROLE {role}".encode())


def test_a_password_that_was_rotated_in_the_database_is_asked_for_anew(
    locked: tuple[EmbeddedPostgres, str],
) -> None:
    server, role = locked
    clock, shelf = FixedClock(NOON), Shelf("one")
    secret = on(shelf, clock)
    url = DatabaseSettings(url=server.url(role=role), password=SecretStr("one")).address

    def ask() -> object:
        engine = open_engine(url, EngineOptions(pool_size=1, password=secret))
        with engine.connect() as connection:
            user = connection.scalar(text("SELECT current_user"))
        engine.dispose()
        return user

    assert ask() == role
    with psycopg.connect(server.conninfo(), autocommit=True) as owner:
        owner.execute(f"ALTER ROLE {role} PASSWORD 'two'".encode())
    with pytest.raises(OperationalError) as refused:
        ask()
    assert "'one'" not in str(refused.value)
    shelf.text = "two"
    clock.move_to(NOON + timedelta(seconds=40))
    assert ask() == role
    assert (shelf.reads, ask()) == (2, role)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql+psycopg://app@db/books?x=1", "postgresql+psycopg://app:p%40%2F@db/books?x=1"),
        ("postgresql+psycopg://app:own@db/books", "postgresql+psycopg://app:own@db/books"),
        ("sqlite:///var/n.sqlite3", "sqlite:///var/n.sqlite3"),
        ("sqlite://", "sqlite://"),
    ],
)
def test_the_password_is_part_of_the_address_that_is_connected_to(url: str, address: str) -> None:
    assert DatabaseSettings(url=url, password=SecretStr("p@/")).address == address
    assert DatabaseSettings(url=url).address == url


READ_ONCE = {
    "platform/aws_secrets.py": "the name of a call of AWS",
    "startup_checks/redis_server.py": "the address of Redis, looked at before the start",
}
"""Where a secret is taken out of the settings for good, and why."""


def test_secrets_are_asked_for_when_they_are_needed_not_kept() -> None:
    source = Path(__file__).parents[1] / "src" / "nerava"
    found = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if "get_secret_value(" in path.read_text("utf-8") and "settings" not in path.relative_to(source).parts
    }
    assert found == set(READ_ONCE)


def test_boto3_is_loaded_only_where_aws_is_chosen() -> None:
    script = (
        "import sys, nerava.startup_checks; "
        "nerava.startup_checks.load_settings({}); "
        "print([one for one in ('boto3', 'botocore') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_document_names_settings_that_exist() -> None:
    document = (Path(__file__).parents[1] / "docs" / "SECRETS_MANAGER.md").read_text("utf-8")
    named = dict.fromkeys(re.findall(r"NERAVA_\w+", document), "x")
    assert len(named) > 5
    assert unknown_names(named) == []
