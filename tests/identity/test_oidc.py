"""ID tokens: one algorithm, the issuer's own keys, our client, our nonce, once; and nobody is linked by e-mail."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nerava.identity.admission import MethodTooWeak
from nerava.identity.errors import AccountSuspended
from nerava.identity.granting import roles_held
from nerava.identity.issuer_keys import IssuerKeys, IssuerUnreachable, read_keys
from nerava.identity.messages import MethodOff
from nerava.identity.oidc import Answer, Begun, InvalidIdToken, Issuer, Provider
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.sessions import Opened
from nerava.integrations.issuer_keys import IssuerKeysOverHttp, IssuerKeysRefused
from nerava.kernel.ids import new_id
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import turn_on
from nerava.platform.db import Database
from tests.helpers.issuer import CLIENT, GOOGLE, FakeIssuer, new_key, open_issuer
from tests.helpers.parallel import in_parallel
from tests.identity.desk import MAIL, NOON, asker
from tests.identity.prover import Prover, open_prover

pytestmark = pytest.mark.in_turn


@pytest.fixture
def google() -> Iterator[FakeIssuer]:
    with open_issuer() as opened:
        yield opened


@pytest.fixture
def prover(database: Database, tmp_path: Path, google: FakeIssuer) -> Iterator[Prover]:
    keys = IssuerKeys(IssuerKeysOverHttp(google.url))
    issuers = {Provider.GOOGLE: Issuer(Provider.GOOGLE, frozenset({CLIENT, "our.other.client"}), keys)}
    with open_prover(database, tmp_path, issuers) as opened:
        yield opened


def begin(prover: Prover) -> Begun:
    """Ask for a nonce."""
    return prover.proving.id_tokens.begin(Provider.GOOGLE, prover.desk.now)


def bring(prover: Prover, begun: Begun, token: str, number: int = 1, **changes: Any) -> Opened:
    """Bring an ID token."""
    answer = Answer(
        changes.get("state_id", begun.state_id), changes.get("client_token", begun.client_token), token
    )
    return prover.proving.id_tokens.enter(answer, asker(number), prover.desk.now)


def enter(prover: Prover, google: FakeIssuer, **changes: Any) -> Opened:
    """Sign in by an ID token with these changes."""
    begun = begin(prover)
    return bring(prover, begun, google.token(begun.nonce, prover.desk.now.timestamp(), **changes))


def test_issuer_and_subject_make_a_driver_and_are_the_same_one_again(
    prover: Prover, google: FakeIssuer
) -> None:
    first = prover.holder(enter(prover, google))
    again = prover.holder(enter(prover, google, iss="accounts.google.com", email="other@example.org"))
    other = prover.holder(enter(prover, google, sub="2290"))
    assert first.user_id == again.user_id != other.user_id
    [held] = prover.desk.database.read(lambda session: roles_held(session, first.user_id))
    assert held.membership.role is Role.DRIVER
    assert prover.standing(first).methods == ("google",)
    assert prover.standing(first).strong_at is None
    assert prover.desk.count("user_contact") == 0
    assert google.asked == 1


def test_an_email_address_in_a_token_makes_nobody_its_owner(prover: Prover, google: FakeIssuer) -> None:
    by_mail = prover.holder(prover.desk.enter(MAIL))
    by_google = prover.holder(enter(prover, google, email=MAIL))
    assert by_mail.user_id != by_google.user_id


FORGED: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://accounts.google.com.evil.example"},
    "apple's name": {"iss": "https://appleid.apple.com"},
    "another audience": {"aud": "their.client"},
    "ours among others": {"aud": [CLIENT, "their.client"]},
    "no audience": {"aud": None},
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "a nonce that is no text": {"nonce": 7},
    "expired": {"exp": int(NOON.timestamp()) - 31},
    "no end": {"exp": None},
    "an end that is no whole number": {"exp": "2100-01-01"},
    "made in the future": {"iat": int(NOON.timestamp()) + 31},
    "made before the nonce": {"iat": int(NOON.timestamp()) - 31},
    "no beginning": {"iat": None},
    "not yet": {"nbf": int(NOON.timestamp()) + 31},
    "nobody": {"sub": ""},
    "no subject": {"sub": None},
    "a subject that is no text": {"sub": 1180},
    "a subject too long": {"sub": "1" * 256},
}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_a_token_that_is_not_right_in_every_claim_lets_nobody_in(
    prover: Prover, google: FakeIssuer, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidIdToken):
        enter(prover, google, **changes)
    assert prover.desk.count("app_user") == prover.desk.count("auth_session") == 0
    enter(prover, google)


def _unsigned(google: FakeIssuer, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, "none", {"kid": "first"})


def _with_public_key(google: FakeIssuer, claims: dict[str, Any]) -> str:
    """Return a token signed with HMAC under the public key, as text and as everybody can read it."""
    public = google.keys["first"].public_key()
    key = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [{"alg": "HS256", "kid": "first", "typ": "JWT"}, claims]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in parts)
    mac = base64.urlsafe_b64encode(hmac.digest(key, text, "sha256")).rstrip(b"=")
    return (text + b"." + mac).decode()


def _with(header: dict[str, Any], algorithm: str = "RS256", key: Any = None) -> Callable[..., str]:
    def make(google: FakeIssuer, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, key or google.keys["first"], algorithm, {"kid": "first"} | header)

    return make


STRANGER = new_key()
JWK = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(STRANGER.public_key()))
SIGNED: dict[str, Callable[..., str]] = {
    "no signature": _unsigned,
    "HMAC with the public key": _with_public_key,
    "another algorithm of the same key": _with({}, "RS512"),
    "another padding": _with({}, "PS256"),
    "another key under a known id": _with({}, key=STRANGER),
    "an id that nobody knows": _with({"kid": "unknown"}),
    "an id that is a path": _with({"kid": "../../etc/passwd"}),
    "its own key in the header": _with({"jwk": JWK}, key=STRANGER),
    "the address of its own key": _with({"jku": "http://127.0.0.1:9/keys"}, key=STRANGER),
    "its own certificate": _with({"x5c": ["AA=="]}),
    "something critical": _with({"crit": ["b64"]}),
    "no token": lambda _google, _claims: "a.b.c",
    "nothing": lambda _google, _claims: "",
    "too much": lambda _google, _claims: "a" * 10_000,
}


@pytest.mark.parametrize("make", SIGNED.values(), ids=SIGNED)
def test_a_token_under_another_key_or_algorithm_lets_nobody_in(
    prover: Prover, google: FakeIssuer, make: Callable[..., str]
) -> None:
    begun = begin(prover)
    at = int(prover.desk.now.timestamp())
    claims = {"iss": GOOGLE, "aud": CLIENT, "sub": "1180", "iat": at, "exp": at + 60, "nonce": begun.nonce}
    with pytest.raises(InvalidIdToken):
        bring(prover, begun, make(google, claims))
    assert prover.desk.count("app_user") == 0
    assert google.asked <= 1
    bring(prover, begun, _with({})(google, claims))


def test_a_nonce_is_good_once_for_who_asked_within_ten_minutes(prover: Prover, google: FakeIssuer) -> None:
    begun = begin(prover)
    token = google.token(begun.nonce, prover.desk.now.timestamp())
    with pytest.raises(InvalidIdToken):
        bring(prover, begun, token, client_token=begun.nonce)
    with pytest.raises(InvalidIdToken):
        bring(prover, begun, token, state_id=new_id())
    assert google.asked == 0
    bring(prover, begun, token)
    with pytest.raises(InvalidIdToken):
        bring(prover, begun, token)
    late = begin(prover)
    token = google.token(late.nonce, prover.desk.now.timestamp())
    prover.desk.wait(minutes=10)
    with pytest.raises(InvalidIdToken):
        bring(prover, late, token)


def test_one_token_that_comes_eight_times_at_once_opens_one_session(
    prover: Prover, google: FakeIssuer
) -> None:
    begun = begin(prover)
    token = google.token(begun.nonce, prover.desk.now.timestamp())

    def come(number: int) -> bool:
        try:
            bring(prover, begun, token, number)
        except InvalidIdToken:
            return False
        return True

    assert in_parallel(8, come).count(True) == 1
    assert prover.open_sessions() == prover.desk.count("app_user") == 1
    assert google.asked == 1


def test_one_person_who_comes_eight_times_at_once_is_one_user(prover: Prover, google: FakeIssuer) -> None:
    asked = [begin(prover) for _ in range(8)]

    def come(number: int) -> object:
        begun = asked[number]
        return bring(prover, begun, google.token(begun.nonce, prover.desk.now.timestamp()), number)

    in_parallel(8, come)
    assert prover.desk.count("app_user") == prover.desk.count("external_identity") == 1
    assert prover.desk.count("driver") == 1
    assert prover.open_sessions() == 8


def test_ops_and_suspended_people_do_not_come_in_this_way(prover: Prover, google: FakeIssuer) -> None:
    holder = prover.holder(enter(prover, google))
    prover.desk.change("UPDATE app_user SET state = 'suspended'")
    with pytest.raises(AccountSuspended):
        enter(prover, google)
    prover.desk.change("UPDATE app_user SET state = 'active'")
    role = Membership(Role.OPS_SUPPORT)
    prover.desk.database.run(
        lambda session: grant_role(session, holder.user_id, role, granted_by="test", now=prover.desk.now)
    )
    with pytest.raises(MethodTooWeak):
        enter(prover, google)


def test_who_is_not_configured_is_off(prover: Prover) -> None:
    with pytest.raises(MethodOff):
        prover.proving.id_tokens.begin(Provider.APPLE, prover.desk.now)


def test_nobody_new_comes_in_while_signing_up_is_off(prover: Prover, google: FakeIssuer) -> None:
    enter(prover, google)
    prover.desk.database.run(
        lambda session: turn_on(session, "signup", by="ops", reason="test", now=prover.desk.now)
    )
    enter(prover, google)
    with pytest.raises(SwitchedOff):
        enter(prover, google, sub="2290")


def test_keys_are_fetched_once_a_minute_whatever_tokens_name(google: FakeIssuer) -> None:
    keys = IssuerKeys(IssuerKeysOverHttp(google.url))
    assert keys.find("first", NOON) is not None
    for second in range(0, 60, 3):
        assert keys.find(f"unknown-{second}", NOON + timedelta(seconds=second)) is None
    assert google.asked == 1
    google.keys["second"] = new_key()
    assert keys.find("second", NOON + timedelta(seconds=60)) is not None
    assert google.asked == 2


def test_old_keys_are_fetched_again_and_believed_for_a_day_while_nobody_answers(google: FakeIssuer) -> None:
    keys = IssuerKeys(IssuerKeysOverHttp(google.url))
    assert keys.find("first", NOON) is not None
    google.status = 503
    assert keys.find("first", NOON + timedelta(hours=1)) is not None
    assert google.asked == 1
    assert keys.find("first", NOON + timedelta(hours=2)) is not None
    assert google.asked == 2
    with pytest.raises(IssuerUnreachable):
        keys.find("first", NOON + timedelta(hours=24, seconds=1))


def test_a_key_that_is_withdrawn_is_gone_within_the_hour(google: FakeIssuer) -> None:
    keys = IssuerKeys(IssuerKeysOverHttp(google.url))
    assert keys.find("first", NOON) is not None
    google.keys = {"second": new_key()}
    assert keys.find("first", NOON + timedelta(hours=1, seconds=1)) is None


def test_an_issuer_that_never_answered_is_unreachable_and_the_nonce_stays(
    prover: Prover, google: FakeIssuer
) -> None:
    google.status = 500
    begun = begin(prover)
    with pytest.raises(IssuerUnreachable):
        bring(prover, begun, google.token(begun.nonce, prover.desk.now.timestamp()))
    google.status = 200
    prover.desk.wait(minutes=1)
    bring(prover, begun, google.token(begun.nonce, prover.desk.now.timestamp()))


def test_whoever_has_keys_does_not_wait_for_a_fetch(google: FakeIssuer) -> None:
    keys = IssuerKeys(IssuerKeysOverHttp(google.url))
    assert keys.find("first", NOON) is not None
    google.slow_s = 1
    later = NOON + timedelta(hours=2)

    fetch = threading.Thread(target=keys.find, args=("first", later))
    fetch.start()
    while google.asked < 2:
        time.sleep(0.01)
    begun = time.monotonic()
    assert keys.find("first", later) is not None
    assert time.monotonic() - begun < 0.5
    fetch.join()
    assert google.asked == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(302, None), (404, None), (200, b"[]"), (200, b"{"), (200, b" " * 70_000), (200, b'{"keys": 7}')],
)
def test_an_answer_that_is_no_key_set_leaves_no_key(
    google: FakeIssuer, status: int, body: bytes | None
) -> None:
    google.status, google.body = status, body
    with pytest.raises(IssuerUnreachable):
        IssuerKeys(IssuerKeysOverHttp(google.url)).find("first", NOON)
    assert google.asked == 1


def test_an_answer_that_does_not_come_is_given_up(
    google: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerava.integrations.issuer_keys.DEADLINE_S", 0.2)
    google.slow_s = 0.5
    with pytest.raises(IssuerUnreachable):
        IssuerKeys(IssuerKeysOverHttp(google.url)).find("first", NOON)
    google.slow_s, google.status = 0, 301
    with pytest.raises(IssuerKeysRefused):
        IssuerKeysOverHttp(google.url).fetch()


def test_keys_of_another_kind_or_too_short_are_left_out(google: FakeIssuer) -> None:
    [good] = google.jwks()["keys"]
    short = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(new_key(1_024).public_key()))
    listed = [
        good,
        short | {"kid": "short"},
        good | {"kid": "encrypts", "use": "enc"},
        good | {"kid": "other", "alg": "RS512"},
        good | {"kid": 7},
        {"kty": "EC", "kid": "curve"},
        {"kty": "RSA", "kid": "empty"},
        "nothing",
    ]
    assert set(read_keys({"keys": listed})) == {"first"}
