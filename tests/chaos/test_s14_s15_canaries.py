"""S14, S15: no secret and nothing about a person comes out of a real process that tells all it can and fails.

The canaries are six secrets that were configured, the password of the database and a signing key; every
kind that is issued; contacts, a card, a vehicle, a place. They go into every place of a request to every
operation, signed in and not, in peace and while tables are missing and connections break.
"""

from __future__ import annotations

import json
import re
import socket
from contextlib import closing, contextmanager, suppress
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from nerava.identity.api_key_text import KeyText, Mode
from nerava.identity.one_time import new_token
from nerava.identity.roles import Role
from nerava.kernel.clock import SystemClock
from nerava.platform.secrets import SecretKind
from nerava.settings import SecretsSettings
from nerava.simulators.inbox import Inbox
from tests.chaos.canaries import CARD, MAIL, PERSONAL, PHONE, Operation, Sender, Told, operations, spellings
from tests.http.conftest import opened_house
from tests.http.machine import machine
from tests.http.rows import rows_of
from tests.http.test_serving import serving, until
from tests.startup.booting import strong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PASSWORD = "canary-of-the-database-7319"  # noqa: S105 - nobody's
MY_PHONE = "+12025550143"
MY_MAIL = "ann.contact@example.org"
"""Of somebody who signs in: kept sealed, while what is planted as a name or a reference is kept as one."""

ENVIRONMENT = {
    "NERAVA_LOG__LEVEL": "debug",
    "NERAVA_LIMITS__API": "false",
    "NERAVA_SERVER__DRAIN_S": "0",
    "NERAVA_WORKER__IN_WEB_PROCESS": "true",
    "NERAVA_WORKER__PAUSE_MS": "50",
}
MISSING = (("campaign", "charging_session", "sign_in_challenge"), ("app_user", "audit_entry"))
"""Tables that are gone for a while, group after group."""


class Run:
    """A server under secrets that are canaries, and everything it told."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.given = {kind: strong(kind) for kind in SecretKind}
        self.secrets = {
            f"configured {kind.value}": value.split(":")[-1] for kind, value in self.given.items()
        }
        self.told = Told()
        self.log = folder / "server.log"

    @property
    def settings(self) -> SecretsSettings:
        """The secrets as settings take them."""
        return SecretsSettings(**{kind.value: SecretStr(value) for kind, value in self.given.items()})

    @contextmanager
    def served(self) -> Iterator[Sender]:
        """Serve with a password in the address, and write everything to the log of this run."""
        url = make_url(self.url)
        if not self.url.startswith("sqlite"):
            url = url.set(password=PASSWORD)
            self.secrets["configured database"] = PASSWORD
        environment = {kind.setting: value for kind, value in self.given.items()}
        with (
            serving(
                url.render_as_string(hide_password=False),
                self.folder,
                output=self.log,
                **environment,
                **ENVIRONMENT,
            ) as (_, port),
            closing(Sender(port, self.told)) as sender,
        ):
            yield sender

    def mail(self, to: str, count: int) -> str:
        """Wait for so many messages to somebody and return the last."""
        inbox = Inbox(self.folder / "inbox.jsonl", SystemClock())
        until(lambda: len(list(inbox.messages(to))) >= count)
        return list(inbox.messages(to))[-1].text


def issue(run: Run, sender: Sender) -> None:
    """Sign in by phone and by link, renew, reuse, and remember every secret that was issued on the way."""
    asked = json.loads(sender.send("POST", "/v1/auth/codes", {"channel": "sms", "to": MY_PHONE})[1][1])
    code = run.mail(MY_PHONE, 1)[:6]
    path = f"/v1/auth/codes/{asked['challenge_id']}/verify"
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    sender.send("POST", path, {"code": wrong, "client_token": asked["client_token"]})
    status, (_, body) = sender.send("POST", path, {"code": code, "client_token": asked["client_token"]})
    assert status == 200, body
    opened = json.loads(body)
    sender.send("POST", path, {"code": code, "client_token": asked["client_token"]})
    _, (_, body) = sender.send("POST", "/v1/auth/refresh", {"refresh_token": opened["refresh_token"]})
    renewed = json.loads(body)
    sender.send("POST", "/v1/auth/refresh", {"refresh_token": opened["refresh_token"]})

    _, (answer, _) = sender.send("POST", "/v1/auth/links", {"to": MY_MAIL})
    cookie = SimpleCookie(answer.headers["set-cookie"])["__Host-nv_ml"].value
    link = run.mail(MY_MAIL, 1).partition("#")[2].split()[0]
    for token in (link + "x", link, link):
        sender.send("POST", "/v1/auth/links/consume", {"token": token}, Cookie=f"__Host-nv_ml={cookie}")
    sender.send("GET", "/v1/wallet?access_token=" + opened["access_token"], Authorization="Bearer " + link)
    run.secrets |= {
        "client token": asked["client_token"],
        "access token": opened["access_token"],
        "refresh token": opened["refresh_token"],
        "next refresh token": renewed["refresh_token"],
        "link": link,
        "cookie": cookie,
        "code": code,
    }


def plant_everywhere(sender: Sender, callers: dict[str, str], canaries: dict[str, str]) -> None:
    """Send every canary in every place of every operation, as who may call it and as nobody."""
    for operation in operations():
        for canary in canaries.values():
            sender.plant(operation, callers.get(key_of(operation)), canary)
        sender.plant(operation, None, canaries["phone"])


def key_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@contextmanager
def without(url: str, tables: tuple[str, ...]) -> Iterator[None]:
    """Take tables away for a while and, where there are any, end the connections of everybody else."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    try:
        with engine.connect() as connection:
            for table in tables:
                connection.execute(text(f"ALTER TABLE {table} RENAME TO gone_{table}"))
            yield
            if engine.dialect.name == "postgresql":
                connection.execute(text(f"{ending} AND datname = current_database()"))
            for table in tables:
                connection.execute(text(f"ALTER TABLE gone_{table} RENAME TO {table}"))
    finally:
        engine.dispose()


def callers_of(run: Run) -> dict[str, str]:
    """Return a token for each operation, of somebody who may call it, and make an API key on the way."""
    with opened_house(run.url, run.folder, secrets=run.settings) as house:
        made = machine(house)
        run.secrets["API key"] = made.api_key
        run.secrets["signing secret"] = (made.secret or b"").hex()
        callers = {}
        for operation in operations():
            if operation.role is not None:
                role = Role.DRIVER if operation.role == "any" else Role(operation.role)
                caller = house.driver() if role is Role.DRIVER else house.caller(role)
                callers[key_of(operation)] = caller.token
        return callers


def leaks(secrets: dict[str, str], places: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return which secret stands where, with what stands around it."""
    return [
        (name, where, found[max(0, at - 80) : at + 80])
        for name, secret in secrets.items()
        for where, found in places.items()
        for spelling in spellings(secret)
        if (at := found.find(spelling)) >= 0
    ]


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_no_canary_comes_out_of_a_process_that_tells_all_and_fails(
    url: str, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    run = Run(url, tmp_path)
    callers = callers_of(run)
    planted = {"planted key": KeyText.new(Mode.TEST).text, "planted link": new_token()}
    canaries = PERSONAL | {"card": CARD} | planted
    mine = {"my phone": MY_PHONE, "my mail": MY_MAIL}
    with run.served() as sender:
        issue(run, sender)
        plant_everywhere(sender, callers, canaries)
        for tables in MISSING:
            with without(url, tables):
                plant_everywhere(sender, callers, {"phone": f"{PHONE} {MAIL}"})
        for junk in (b"GET /?to=" + MAIL.encode() + b" HTTP/9.9\r\n\r\n", PHONE.encode() + b"\r\n\r\n"):
            send_raw(sender.port, junk)

    log = run.log.read_text()
    assert sender.told.statuses >= {200, 202, 401, 403, 404, 422, 500}
    assert "Traceback" in log
    problems = "\n".join(sender.told.answers)
    code = run.secrets.pop("code")
    assert leaks(run.secrets | canaries | mine, {"log": log, "problems": problems}) == []
    assert not re.search(rf"(?<!\d){code}(?!\d)", log + problems)
    kept = stored(run)
    assert leaks(run.secrets | mine, kept) == []
    measured(f"S14: {len(sender.told.answers)} refusals, {len(log) // 1_000} kB of log, {len(kept)} tables")


def send_raw(port: int, junk: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, suppress(OSError):
        connection.sendall(junk)
        connection.recv(1_000)


def stored(run: Run) -> dict[str, str]:
    """Return all that the database holds, and of SQLite the very bytes of its files."""
    with opened_house(run.url, run.folder, secrets=run.settings) as house:
        found = {name: "\n".join(rows) for name, rows in rows_of(house).items()}
    for file in run.folder.glob("*.sqlite3*"):
        found[file.name] = file.read_bytes().decode("latin-1")
    return found
