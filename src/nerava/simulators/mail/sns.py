"""The simulated SNS of a simulated SES: a topic, a certificate, and messages that carry their signature."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from nerava.simulators.wire import Json

TOPIC: Final = "arn:aws:sns:us-east-1:123456789012:nerava-mail"
CERTIFICATE: Final = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
_SINCE: Final = datetime(2020, 1, 1, tzinfo=UTC)


@cache
def _key() -> rsa.RSAPrivateKey:
    # Not from the seed: nobody can draw such a key from one, and nothing depends on which it is.
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


@cache
def certificate() -> bytes:
    """Return the certificate that messages are signed with, PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_key().public_key())
        .serial_number(1)
        .not_valid_before(_SINCE)
        .not_valid_after(_SINCE + timedelta(days=20_000))
        .sign(_key(), SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def envelope(
    kind: str, message_id: str, message: Json | str, *, at: datetime, origin: str, topic: str
) -> Json:
    """Return a message of SNS of some kind, signed by version 2; `origin` is where SNS is reached."""
    told: Json = {
        "Type": kind,
        "MessageId": message_id,
        "TopicArn": topic,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }
    if kind != "Notification":
        told["Token"] = f"token-of-{message_id}"
        told["SubscribeURL"] = f"{origin}/?Action=ConfirmSubscription&TopicArn={topic}&Token={told['Token']}"
    signed = "".join(f"{name}\n{told[name]}\n" for name in sorted(told))
    signature = _key().sign(signed.encode(), padding.PKCS1v15(), SHA256())
    return told | {
        "SignatureVersion": "2",
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": f"{origin}/{CERTIFICATE}",
    }
