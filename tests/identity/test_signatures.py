"""A signature covers every part of a request, and lasts five minutes in either direction."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nerava.identity.api_key_text import KeyText, Mode
from nerava.identity.signatures import SignatureInvalid, Signed, Signing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = b"k" * 32
UNSIGNED = Signed("id-1", str(int(NOW.timestamp())), "POST", "/v1/x", "a=b", b"{}", "")
SIGNED = replace(
    UNSIGNED,
    signature="hmac-sha256=" + base64.b64encode(hmac.digest(KEY, UNSIGNED.content(), "sha256")).decode(),
)


def test_what_is_signed_is_spelled_as_documented() -> None:
    digest = hashlib.sha256(b"{}").hexdigest()
    assert UNSIGNED.content() == f"id-1.1795348800.POST./v1/x.a=b.{digest}".encode()


@pytest.mark.parametrize("away_s", [-300, 0, 300])
def test_a_signature_counts_within_five_minutes(away_s: int) -> None:
    SIGNED.verify(Signing.HMAC_SHA256, KEY, NOW + timedelta(seconds=away_s))


@pytest.mark.parametrize("away_s", [-301, 301, 10**6])
def test_and_not_outside(away_s: int) -> None:
    with pytest.raises(SignatureInvalid, match="300 seconds"):
        SIGNED.verify(Signing.HMAC_SHA256, KEY, NOW + timedelta(seconds=away_s))


@pytest.mark.parametrize(
    "other",
    [
        {"id": "id-2"},
        {"id": "id.1"},
        {"id": ""},
        {"timestamp": str(int(NOW.timestamp()) + 1)},
        {"timestamp": f"{int(NOW.timestamp())}.0"},
        {"timestamp": f" {int(NOW.timestamp())}"},
        {"timestamp": "-1"},
        {"timestamp": "9" * 5_000},
        {"method": "PUT"},
        {"path": "/v1/y"},
        {"path": "/v1/x.a=b", "query": ""},
        {"query": "a=c"},
        {"body": b"{} "},
        {"signature": ""},
        {"signature": SIGNED.signature.removeprefix("hmac-sha256=")},
        {"signature": SIGNED.signature.replace("hmac-sha256", "HMAC-SHA256")},
        {"signature": SIGNED.signature[:-4]},
        {"signature": f"{SIGNED.signature}\n"},
        {"signature": "hmac-sha256=é"},
        {"signature": "hmac-sha256="},
    ],
)
def test_any_other_request_is_not_the_signed_one(other: dict[str, str]) -> None:
    with pytest.raises(SignatureInvalid):
        replace(SIGNED, **other).verify(Signing.HMAC_SHA256, KEY, NOW)  # type: ignore[arg-type]


def test_nobody_chooses_how_a_key_signs() -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    content = UNSIGNED.content()
    right = replace(UNSIGNED, signature="ed25519=" + base64.b64encode(private.sign(content)).decode())
    right.verify(Signing.ED25519, public, NOW)
    # The public key is no secret: as the key of an HMAC it must be worth nothing.
    forged = base64.b64encode(hmac.digest(public, content, "sha256")).decode()
    for signature in (f"hmac-sha256={forged}", f"ed25519={forged}", "ed25519=" + "A" * 88):
        with pytest.raises(SignatureInvalid):
            replace(UNSIGNED, signature=signature).verify(Signing.ED25519, public, NOW)


def test_a_key_is_read_as_it_was_written_and_otherwise_not_at_all() -> None:
    made = KeyText.new(Mode.TEST)
    assert KeyText.read(made.text) == made
    assert made.text.startswith(f"nvk_test_{made.key_id}_")
    assert len(bytes.fromhex(made.secret)) == 32
    assert made.secret not in repr(made)
    for at in range(len(made.text)):
        other = "0" if made.text[at] != "0" else "1"
        assert KeyText.read(made.text[:at] + other + made.text[at + 1 :]) is None, at
        assert KeyText.read(made.text[:at]) is None, at
    assert KeyText.read(f"{made.text}\n") is None
