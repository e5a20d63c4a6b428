"""No secret and nothing about a person passes the redactor; what finds a mistake again does; and it is never slow."""

from __future__ import annotations

import base64
import secrets
import time
from urllib.parse import quote

import pytest

from nerava.identity.api_key_text import KeyText, Mode
from nerava.identity.one_time import new_token
from nerava.identity.sessions import PREFIX
from nerava.kernel.ids import new_id
from nerava.platform.redaction import REMOVED, SAMPLES, Redactor

CANARIES = {
    "mail": [
        "eve.canary@example.org",
        "EVE+tag@mail.example.co.uk",
        "eve.canary%40example.org",
        "ünï@exämple.org",
    ],
    "phone": [
        "+12025550187",
        "+1 202-555-0187",
        "+49 (0)30 1234567",
        "%2B12025550187",
        "12025550187",
        "(202) 555-0187",
    ],
    "card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "3782 822463 10005",
        "378282246310005",
    ],
    "vehicle": ["1HGCM82633A004352", "wvwzzz1jz3w386752"],
    "place": ["30.26715, -97.74306", "(30.267153, -97.743061)", "lat=30.26715", '"longitude": -97.74306'],
    "password": [
        "postgresql+psycopg://nerava:hunter22@db.example:5432/nerava",
        "password=hunter22",
        '{"secret": "hunter22"}',
    ],
    "header": [
        "Authorization: Bearer hunter22.x",
        "(b'authorization', b'Basic hunter22')",
        "{'Cookie': '__Host-nv_s=hunter22; b=hunter22'}",
        "Bearer hunter22",
    ],
    "code": [
        "code=482913",
        "your code is 482913",
        '"code": "482913"',
        "482913 is your Nerava code",
        "otp 482913",
    ],
    "key": [
        "-----BEGIN PRIVATE KEY-----\nhunter22\n-----END PRIVATE KEY-----",
        "whsec_hunter22",
        "sk_live_hunter22",
    ],
    "row": [
        "DETAIL:  Key (name)=(hunter22) already exists.",
        "x\nDETAIL:  Failing row contains (1, hunter22).",
    ],
}
TOLD = (
    "canary",
    "EVE",
    "example.co",
    "exäm",
    "202",
    "555",
    "0187",
    "1234567",
    "4111",
    "822463",
    "HGCM",
    "zzz1",
    "267",
    "743",
)
KEPT = [
    "trace id 4bf92f3577b34da6a3ce929d0e0e4736",
    "traceparent 00-12345678901234567890123456789012-1234567890123456-01",
    "session 019ab123-4567-7890-8abc-012345678901 is ended",
    f"audit anchor 2026-11-23T04 height 12 hash {'ab12' * 16} signature {'0f' * 64}",
    "2026-11-23 04:47:01,123 INFO retention of 2026-11-23 removed {'limit_state': 12}",
    'File "/srv/app/site-packages/sqlalchemy/engine/base.py", line 1969, in _exec_single_context',
    "tests/chaos/test_code_guessing.py::test_of_all_guesses_five_are_evaluated_across_processes_and_a_restart",
    "GET /v1/wallet 200 in 12.345678 ms from http://127.0.0.1:8000",
    "a used refresh token came again; error code=switched-off; the secret is missing",
    "energy_wh=100000 amount_minor=123456789",
]


@pytest.mark.parametrize("kind", CANARIES)
def test_nothing_of_this_kind_passes(kind: str) -> None:
    redactor = Redactor()
    for canary in CANARIES[kind]:
        for text in (canary, f"refused {canary}, trace id {'a' * 32}", f"x={canary}\nand [{canary}]"):
            told = redactor.redacted(text)
            assert REMOVED in told, canary
            assert not [
                part for part in (*TOLD, "hunter22", "482913", "352", "752", "10005") if part in told
            ], told


@pytest.mark.parametrize("text", KEPT)
def test_what_finds_a_mistake_again_stays(text: str) -> None:
    assert Redactor().redacted(text) == text


def test_every_token_that_we_issue_is_known_by_its_shape() -> None:
    redactor = Redactor()
    for _ in range(300):
        for token in (
            new_token(),
            PREFIX + new_token(),
            KeyText.new(Mode.LIVE).text,
            f"eyJ{new_token()}.e30.{new_token()}",
        ):
            told = redactor.redacted(f"it was {token}, said {new_id()}")
            assert told.startswith(f"it was {REMOVED}, said "), token
            assert len(told) == len(f"it was {REMOVED}, said ") + 36


def test_a_secret_that_was_loaded_is_removed_in_every_spelling() -> None:
    redactor, value = Redactor(), secrets.token_bytes(32)
    redactor.learn(value)
    redactor.learn("pass word/7")
    redactor.learn("short")
    standard = base64.b64encode(value).decode()
    for spelling in (
        value.hex(),
        value.hex().upper(),
        standard,
        base64.urlsafe_b64encode(value).decode(),
        quote(standard, safe=""),
        "pass word/7",
        "pass%20word%2F7",
        b"pass word/7".hex(),
    ):
        assert spelling.rstrip("=").removesuffix("%3D") not in redactor.redacted(f"x{spelling}y")
    assert redactor.redacted("a short word") == "a short word"


def test_every_sample_of_the_self_test_is_seen_and_a_blind_redactor_fails_it() -> None:
    assert Redactor().failures() == []
    assert Redactor().failures([*SAMPLES, "nothing to hide"]) == ["nothing to hide"]


HOSTILE = [
    "a", "1", "@", "-", "=", " ", "\n", "é", "%40", "a@", "a.", "A1", "Aa1", "9-", "00-", "+1", "+(1", "(1", "1 ",
    "1.", "1.1111 ", "1.111,", "1111 ", "eyJ", "eyJ.", "nvr_", "Bearer ", "basic  ", "token=", "token='", "lat ",
    "authorization: ", "cookie: '", "dpop\t", "://", "://a", "code ", "code:  ", "DETAIL: \n", "%2B",
    "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY", "1HGCM82633A00435",
]  # fmt: skip


@pytest.mark.parametrize(
    ("length", "most_s"), [(200_000, 5), pytest.param(1_000_000, 10, marks=pytest.mark.chaos)]
)
@pytest.mark.parametrize("piece", HOSTILE)
def test_much_of_anything_takes_a_moment(piece: str, length: int, most_s: int) -> None:
    text = (piece * (length // len(piece) + 1))[:length]
    redactor = Redactor()
    started = time.process_time()
    redactor.redacted(text)
    # A fifth of a second on a slow machine; a pattern that goes back and forth takes hours.
    assert time.process_time() - started < most_s
