"""People sign in over HTTP: by code or by link, known or not, and learn nothing about each other."""

from __future__ import annotations

import re
import subprocess
import sys
from http.cookies import SimpleCookie
from typing import Any

import pytest
from starlette.testclient import TestClient

from nerava.app import create_app
from nerava.identity.contacts import Channel
from nerava.identity.messages import Messages
from nerava.installation import open_installation
from nerava.kernel.clock import SystemClock
from nerava.settings import DatabaseSettings, Settings, TokenSettings, WorkerSettings
from nerava.simulators.inbox import Inbox
from tests.http.conftest import House
from tests.http.test_problems import assert_problem

ANN = "+12025550123"
MAIL = "ann@example.org"
LINK = "/v1/auth/links/consume"


def inbox_of(house: House, to: str) -> list[str]:
    """Return what arrived there, after the worker has run."""
    installation = house.installation
    while installation.desk.messages.deliver(installation.clock.now()):
        pass
    inbox = Inbox(installation.settings.inbox_file, SystemClock())
    return [one.text for one in inbox.messages(to)]


def ask(house: House, to: str = ANN, channel: str = "sms") -> Any:
    """Ask for a code."""
    return house.client.post("/v1/auth/codes", json={"channel": channel, "to": to})


def verify(house: House, asked: dict[str, str], code: str, **more: Any) -> Any:
    """Send a code."""
    body = {"code": code, "client_token": asked["client_token"], **more}
    return house.client.post(f"/v1/auth/codes/{asked['challenge_id']}/verify", json=body)


def ask_link(house: House, to: str = MAIL) -> tuple[Any, str, str]:
    """Ask for a link; return the answer, the browser's cookie and the token that arrived."""
    answer = house.client.post("/v1/auth/links", json={"to": to})
    house.client.cookies.clear()
    cookie = SimpleCookie(answer.headers["set-cookie"])["__Host-nv_ml"].value
    return answer, cookie, inbox_of(house, to)[-1].partition("#")[2].strip()


def test_a_new_driver_signs_in_and_looks_into_an_empty_wallet(house: House) -> None:
    asked = ask(house)
    assert asked.status_code == 202
    assert set(asked.json()) == {"challenge_id", "client_token", "expires_at"}
    opened = verify(house, asked.json(), inbox_of(house, ANN)[-1][:6])
    assert opened.status_code == 200, opened.text
    tokens = opened.json()
    signed_in = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = house.client.get("/v1/me", headers=signed_in).json()
    assert [one["role"] for one in me["roles"]] == ["driver"]
    wallet = house.client.get("/v1/wallet", headers=signed_in)
    assert wallet.status_code == 200, wallet.text
    [sign_in] = house.client.get("/v1/me/sessions", headers=signed_in).json()["sessions"]
    assert sign_in["methods"] == ["sms"]
    refreshed = house.client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 200
    assert house.findings() == []


def test_an_installation_that_nobody_has_used_yet_takes_its_first_driver(
    database_url: Any, tmp_path: Any
) -> None:
    with database_url("sqlite") as url:
        settings = Settings(
            env="test",
            database=DatabaseSettings(url=url),
            tokens=TokenSettings(keys_directory=tmp_path / "keys"),
            worker=WorkerSettings(in_web_process=False),
        )
        installation = open_installation(settings)
        client = TestClient(create_app(settings, installation))
        asked = client.post("/v1/auth/codes", json={"channel": "email", "to": MAIL}).json()
        installation.desk.messages.deliver(installation.clock.now())
        [message] = Inbox(settings.inbox_file, SystemClock()).messages(MAIL)
        body = {"code": message.text[:6], "client_token": asked["client_token"]}
        opened = client.post(f"/v1/auth/codes/{asked['challenge_id']}/verify", json=body)
        installation.close()
    assert opened.status_code == 200, opened.text


def test_wrong_and_spent_codes_are_told_apart_for_who_asked(sqlite_house: House) -> None:
    asked = ask(sqlite_house).json()
    code = inbox_of(sqlite_house, ANN)[-1][:6]
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(5):
        assert_problem(verify(sqlite_house, asked, wrong), 401, "code-wrong")
    assert_problem(verify(sqlite_house, asked, code), 401, "challenge-over")
    assert_problem(verify(sqlite_house, {**asked, "client_token": "x" * 43}, code), 401, "challenge-over")


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", "١٢٣٤٥٦", " 12345", "", 123456])
def test_what_is_no_code_is_not_even_counted(sqlite_house: House, code: object) -> None:
    asked = ask(sqlite_house).json()
    assert_problem(verify(sqlite_house, asked, code), 422, "invalid-input")  # type: ignore[arg-type]
    assert verify(sqlite_house, asked, inbox_of(sqlite_house, ANN)[-1][:6]).status_code == 200


@pytest.mark.parametrize(
    "extra", ["role", "is_admin", "tenant_id", "balance", "status", "user_id", "scope", "purpose"]
)
def test_no_body_of_a_sign_in_can_carry_more_than_it_should(sqlite_house: House, extra: str) -> None:
    bodies: dict[str, dict[str, str]] = {
        "/v1/auth/codes": {"channel": "sms", "to": ANN},
        "/v1/auth/codes/01a205a1-edfe-7270-8cce-d0cde604aede/verify": {
            "code": "123456",
            "client_token": "x" * 43,
        },
        "/v1/auth/links": {"to": MAIL},
        LINK: {"token": "x" * 43},
    }
    for path, body in bodies.items():
        assert_problem(sqlite_house.client.post(path, json={**body, extra: "1"}), 422, "invalid-input")


def test_known_and_unknown_get_the_same_answer(house: House) -> None:
    """The small form of S06: status, headers and body; that the work is the same has its own test."""
    first = ask(house, MAIL, "email").json()
    assert verify(house, first, inbox_of(house, MAIL)[-1][:6]).status_code == 200
    for path, known, unknown in [
        ("/v1/auth/links", {"to": MAIL}, {"to": "nobody@example.org"}),
        (
            "/v1/auth/codes",
            {"channel": "email", "to": "Ann@example.org "},
            {"channel": "email", "to": "nobody@example.org"},
        ),
    ]:
        house.installation.database.run(
            lambda session: session.connection().exec_driver_sql("DELETE FROM limit_state")
        )
        friend, stranger = (house.client.post(path, json=one) for one in (known, unknown))
        assert friend.status_code == stranger.status_code == 202
        assert set(friend.headers) == set(stranger.headers)
        assert shape(friend.text) == shape(stranger.text)


def shape(text: str) -> str:
    """Return a body with every letter and digit made one."""
    return re.sub(r"[A-Za-z0-9_-]", "x", text)


def test_too_often_is_told_with_the_limit_and_when_to_come_again(sqlite_house: House) -> None:
    assert ask(sqlite_house).status_code == 202
    answer = ask(sqlite_house)
    body = assert_problem(answer, 429, "rate-limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert "sms-start-target-30s" in answer.headers["ratelimit-policy"]
    assert ANN not in body["detail"]


def test_the_link_signs_in_the_browser_that_asked(house: House) -> None:
    answer, cookie, token = ask_link(house)
    assert answer.status_code == 202
    assert set(answer.json()) == {"pair_code", "expires_at"}
    flags = answer.headers["set-cookie"].lower()
    assert all(flag in flags for flag in ("secure", "httponly", "samesite=strict", "path=/", "max-age=600"))
    assert "domain" not in flags
    headers = {"Cookie": f"__Host-nv_ml={cookie}"}
    opened = house.client.post(LINK, json={"token": token}, headers=headers)
    assert opened.status_code == 200, opened.text
    assert opened.json()["refresh_token"].startswith("nvr_")
    assert "max-age=0" in opened.headers["set-cookie"].lower()
    assert_problem(house.client.post(LINK, json={"token": token}, headers=headers), 401, "challenge-over")


def test_another_browser_needs_the_pair_code(house: House) -> None:
    answer, _, token = ask_link(house)
    assert_problem(house.client.post(LINK, json={"token": token}), 403, "pair-code-needed")
    wrong = f"{(int(answer.json()['pair_code']) + 1) % 1_000_000:06d}"
    body = {"token": token, "pair_code": wrong}
    assert_problem(house.client.post(LINK, json=body), 401, "code-wrong")
    opened = house.client.post(LINK, json={"token": token, "pair_code": answer.json()["pair_code"]})
    assert opened.status_code == 200, opened.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_at_a_link_uses_nothing_up(sqlite_house: House, method: str) -> None:
    _, cookie, token = ask_link(sqlite_house)
    headers = {"Cookie": f"__Host-nv_ml={cookie}"}
    for path in (LINK, f"{LINK}?token={token}", "/sign-in/link"):
        looked = sqlite_house.client.request(method, path, headers=headers).status_code
        assert looked in {404, 405} or (method, looked, path) == ("GET", 200, "/sign-in/link")
    assert sqlite_house.client.post(LINK, json={"token": token}, headers=headers).status_code == 200


def test_neither_token_nor_code_nor_contact_is_in_any_line_of_the_log(
    sqlite_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answer, cookie, token = ask_link(sqlite_house)
    sqlite_house.client.post(LINK, json={"token": token, "pair_code": "000000"})
    opened = sqlite_house.client.post(
        LINK, json={"token": token}, headers={"Cookie": f"__Host-nv_ml={cookie}"}
    )
    assert opened.status_code == 200
    for secret in (token, cookie, answer.json()["pair_code"], MAIL, opened.json()["refresh_token"]):
        assert secret not in caplog.text


def test_without_a_messenger_the_methods_are_off_and_say_so(sqlite_house: House) -> None:
    desk = sqlite_house.installation.desk
    object.__setattr__(desk, "messages", Messages(desk.database, desk.vault, {}))
    assert_problem(ask(sqlite_house), 503, "method-off")
    assert_problem(ask(sqlite_house, MAIL, "email"), 503, "method-off")
    answer = sqlite_house.client.post("/v1/auth/links", json={"to": MAIL})
    assert_problem(answer, 503, "method-off")


STRICT = """
import sys
from nerava.app import create_app
from nerava.installation import open_installation
from nerava.settings import DatabaseSettings, Settings, TokenSettings
from starlette.testclient import TestClient
url, folder = sys.argv[1:]
settings = Settings(env="production", single_node=True, database=DatabaseSettings(url=url),
    tokens=TokenSettings(keys_directory=folder, issuer="https://rewards.city.example"))
installation = open_installation(settings)
client = TestClient(create_app(settings, installation))
for path, body in [("codes", {"channel": "sms", "to": "+12025550123"}), ("links", {"to": "ann@example.org"})]:
    answer = client.post(f"/v1/auth/{path}", json=body)
    print(answer.status_code, answer.json()["code"])
print([name for name in sys.modules if "simulators" in name])
installation.close()
"""


def test_production_without_a_messenger_refuses_visibly_and_never_loads_a_simulator(
    database_url: Any, tmp_path: Any
) -> None:
    with database_url("sqlite") as url:
        done = subprocess.run(
            [sys.executable, "-c", STRICT, url, str(tmp_path / "keys")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout.splitlines() == ["503 method-off", "503 method-off", "[]"], done.stderr
    assert not (tmp_path / "inbox.jsonl").exists()


@pytest.mark.parametrize(("channel", "to"), [(Channel.SMS, MAIL), (Channel.EMAIL, ANN), (Channel.SMS, "911")])
def test_what_cannot_be_reached_is_refused_and_not_repeated(
    sqlite_house: House, channel: Channel, to: str
) -> None:
    body = assert_problem(ask(sqlite_house, to, channel.value), 422, "contact-invalid")
    assert to not in str(body).replace("+12025550123: with", "")
