"""`Receiver` of what Amazon SES tells by SNS: bounces, complaints, deliveries; and who works on it."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from nerava.identity.suppression_store import hear
from nerava.inbound.events import EventUnreadable, Handled, ProviderEvent, SignatureRefused
from nerava.kernel.errors import NeravaError
from nerava.platform.outbound import Outbound, Reply, Surroundings
from nerava.platform.provider_calls import SNS_CERTIFICATE, SNS_CONFIRM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from nerava.inbound.events import Handler
    from nerava.platform.db import Database

PROVIDER: Final = "ses"
CERTIFICATES_MAX: Final = 8
FRESH: Final = timedelta(hours=24)
_TOPIC: Final = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[\w-]{1,256}")
_CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Final = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
# SNS signs with the first unless the topic is told to use the second.
_HASHES: Final[Mapping[str, type[HashAlgorithm]]] = {"1": SHA1, "2": SHA256}


class CertificateMissing(NeravaError):
    """The certificate that a message was signed with could not be read; it comes again."""

    code = "certificate-missing"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The signature cannot be checked now"
    retry_after_s = 60


class SnsEvents:
    """Checks and reads messages of one topic, and of no other.

    Certificates come from SNS in the region of the topic alone, and a subscription is confirmed there:
    no address that stands in a message is ever followed.

    Args:
        topic: Its ARN.
        base_url: Where SNS is; None means its own address in the topic's region.
    """

    def __init__(
        self,
        topic: str,
        *,
        now: Callable[[], datetime],
        base_url: str | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        found = _TOPIC.fullmatch(topic)
        if found is None:
            message = "a topic is named arn:aws:sns:REGION:ACCOUNT:NAME"
            raise ValueError(message)
        self._topic = topic
        self._base = (base_url or f"https://sns.{found[1]}.amazonaws.com").rstrip("/")
        self._outbound = Outbound(self._base, now=now, surroundings=surroundings)
        self._lock = threading.Lock()
        self._known: dict[str, tuple[datetime, RSAPublicKey]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:  # noqa: ARG002 - all is in the body
        """Return what happened to a mail, once topic and signature are right.

        Raises:
            SignatureRefused: Another topic, or missing or wrong (401).
            CertificateMissing: It could not be checked (503).
            EventUnreadable: Signed, but nothing about a mail (400).
        """
        told = _object(body)
        if told is None or told.get("TopicArn") != self._topic or told.get("Type") not in _SIGNED:
            raise SignatureRefused
        self._check(told, now)
        if told["Type"] != "Notification":
            kind, name = f"subscription.{told['Type']}", self._topic[-120:]
        else:
            mail = _object(str(told.get("Message", "")).encode()) or {}
            kind, name = _kind_of(mail), _name_of(mail)
        return ProviderEvent(
            provider=PROVIDER,
            account="",
            event_id=str(told.get("MessageId", "")),
            kind=kind,
            object_id=name,
            created_s=int(now.timestamp()),
            body=told,
        )

    def confirm(self, token: str) -> bool:
        """Say yes to a subscription of our topic; repeats safely."""
        query = [("Action", "ConfirmSubscription"), ("TopicArn", self._topic), ("Token", token)]
        result = self._outbound.ask("GET", "/", SNS_CONFIRM.call, query=query)
        return isinstance(result, Reply) and result.is_success

    def _check(self, told: Mapping[str, Any], now: datetime) -> None:
        algorithm = _HASHES.get(str(told.get("SignatureVersion")))
        url = told.get("SigningCertURL")
        if algorithm is None or not isinstance(url, str) or not url.startswith(self._base + "/"):
            raise SignatureRefused
        path = url.removeprefix(self._base)
        if _CERTIFICATE.fullmatch(path) is None:
            raise SignatureRefused
        try:
            signature = base64.b64decode(str(told.get("Signature")), validate=True)
            self._key(path, now).verify(signature, _signed_text(told), PKCS1v15(), algorithm())
        except (InvalidSignature, binascii.Error):
            raise SignatureRefused from None

    def _key(self, path: str, now: datetime) -> RSAPublicKey:
        with self._lock:
            known = self._known.get(path)
        if known is not None and known[0] > now:
            return known[1]
        result = self._outbound.ask("GET", path, SNS_CERTIFICATE.call)
        if not isinstance(result, Reply) or result.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise CertificateMissing
        try:
            certificate = x509.load_pem_x509_certificate(result.body)
        except ValueError:
            raise SignatureRefused from None
        key = certificate.public_key()
        is_in_time = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        if not isinstance(key, RSAPublicKey) or not is_in_time:
            raise SignatureRefused
        with self._lock:
            if len(self._known) >= CERTIFICATES_MAX:
                self._known.clear()
            self._known[path] = (now + FRESH, key)
        return key


def ses_handlers(database: Database, events: SnsEvents) -> Mapping[str, Handler]:
    """Return who works on what SES tells."""

    def heard(event: ProviderEvent, now: datetime) -> Handled:
        mail = _object(str(event.body.get("Message", "")).encode()) or {}
        found = _receipt_of(mail)
        if found is None:
            return Handled.IGNORED
        receipt, reason = found
        known = database.run(
            lambda session: hear(session, event.object_id, receipt, now, suppresses=reason), repeatable=True
        )
        return Handled.DONE if known else Handled.LATER

    def subscribed(event: ProviderEvent, now: datetime) -> Handled:  # noqa: ARG001 - a handler's form
        return Handled.DONE if events.confirm(str(event.body.get("Token", ""))) else Handled.LATER

    return {"mail.": heard, "subscription.SubscriptionConfirmation": subscribed}


def _receipt_of(mail: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Return what became of a mail, and why its contact gets no more; None where nothing follows."""
    kind, bounce = _word(mail), mail.get("bounce")
    if kind == "Delivery":
        return "delivered", None
    if kind == "Complaint":
        return "complained", "complained"
    is_hard = isinstance(bounce, dict) and bounce.get("bounceType") == "Permanent"
    return ("bounced", "unreachable") if kind == "Bounce" and is_hard else None


def _word(mail: Mapping[str, Any]) -> str:
    return str(mail.get("notificationType") or mail.get("eventType") or "")


def _kind_of(mail: Mapping[str, Any]) -> str:
    word = _word(mail)
    if not word.isalpha():
        raise EventUnreadable
    return f"mail.{word.lower()}"


def _name_of(mail: Mapping[str, Any]) -> str:
    about = mail.get("mail")
    name = about.get("messageId") if isinstance(about, dict) else None
    if not isinstance(name, str) or not name:
        raise EventUnreadable
    return name


def _signed_text(told: Mapping[str, Any]) -> bytes:
    names = [name for name in _SIGNED[told["Type"]] if name in told]
    return "".join(f"{name}\n{told[name]}\n" for name in names).encode()


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None
