"""Keys and certificates of the simulated Apple and Google, made once in a process."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from datetime import datetime

    from nerava.simulators.wire import Json

ABOVE: Final = "Simulated Worldwide Developer Relations"
_PEM: Final = serialization.Encoding.PEM
_BEFORE: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Paper:
    """A certificate for passes as Apple hands it out, all in PEM."""

    certificate: str
    intermediate: str
    key: str = field(repr=False)


@cache
def account_key() -> rsa.RSAPrivateKey:
    """Return the key of every simulated account; making one takes long."""
    return rsa.generate_private_key(65_537, 2_048)


@cache
def _above() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def account_pem() -> str:
    """Return the private key of an account, in PEM."""
    return (
        account_key()
        .private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def paper(pass_type: str, ends_at: datetime) -> Paper:
    """Return a certificate for a kind of pass that ends at an instant, aware UTC."""
    leaf = _issued(pass_type, account_key().public_key(), ends_at, is_above=False)
    return Paper(
        leaf.public_bytes(_PEM).decode(), intermediate(ends_at).public_bytes(_PEM).decode(), account_pem()
    )


def intermediate(ends_at: datetime) -> x509.Certificate:
    """Return the certificate of whoever signs the others."""
    return _issued(ABOVE, _above().public_key(), ends_at, is_above=True)


def _issued(
    name: str, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, ends_at: datetime, *, is_above: bool
) -> x509.Certificate:
    common = NameOID.COMMON_NAME
    builder = x509.CertificateBuilder().public_key(key).serial_number(x509.random_serial_number())
    builder = builder.subject_name(x509.Name([x509.NameAttribute(common, name)]))
    builder = builder.issuer_name(x509.Name([x509.NameAttribute(common, ABOVE)]))
    builder = builder.not_valid_before(ends_at - _BEFORE).not_valid_after(ends_at)
    builder = builder.add_extension(x509.BasicConstraints(ca=is_above, path_length=None), critical=True)
    return builder.sign(_above(), hashes.SHA256())


def is_ours(leaf: x509.Certificate) -> bool:
    """Say whether the simulated Apple signed a certificate."""
    try:
        _above().public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def claims_of(token: str) -> Json | None:
    """Return what a JWT says that the account signed with RS256; None if it did not."""
    head, _, rest = token.partition(".")
    body, _, signature = rest.partition(".")
    try:
        if json.loads(_plain(head)).get("alg") != "RS256":
            return None
        signed = f"{head}.{body}".encode()
        key = account_key().public_key()
        key.verify(_plain(signature), signed, padding.PKCS1v15(), hashes.SHA256())
        found: Json = json.loads(_plain(body))
    except (ValueError, InvalidSignature):
        return None
    return found


def _plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
