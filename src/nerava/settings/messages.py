"""Settings of those who bring messages to people."""

from __future__ import annotations

import base64
from typing import Literal, Self

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import Field, SecretStr, model_validator

from nerava.settings.addresses import TLS_OR_LOCAL
from nerava.settings.groups import Group, names_in

_LOCAL = "http://"


class TwilioSettings(Group):
    """Twilio Messaging: SMS."""

    mode: Literal["off", "simulator", "sandbox", "live"] = Field(
        default="off", description="Twilio: off, simulator (this machine), sandbox (test credentials) or live"
    )
    account: str | None = Field(
        default=None, pattern="^AC[0-9A-Za-z]{32}$", description="Account that sends, `AC…`"
    )
    key: str | None = Field(default=None, description="API key of it, `SK…`; unset: the account itself")
    secret: SecretStr | None = Field(default=None, description="Secret of the API key, or the auth token")
    sender: str | None = Field(
        default=None, description="A number of ours, or a messaging service `MG…`, that SMS come from"
    )
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where Twilio's API is; unset: Twilio's own address; the simulator needs it",
    )
    verify_service: str | None = Field(
        default=None,
        pattern="^VA[0-9A-Za-z]{32}$",
        description="Service of Twilio Verify that makes and compares codes for phones; unset: we do",
    )
    verify_base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where Verify is; unset: Twilio's own address; the simulator needs it",
    )
    webhook_url: str | None = Field(
        default=None, description="Our address for its callbacks, as it is told it; unset: it tells nothing"
    )
    webhook_secrets: SecretStr | None = Field(
        default=None, description="Auth tokens that sign callbacks, separated by commas"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode == "off":
            return self
        if self.account is None or self.secret is None or self.sender is None:
            message = "account, secret and sender are needed unless the mode is off"
            raise ValueError(message)
        if (self.webhook_url is None) != (not self.tokens):
            message = "webhook_url and webhook_secrets go together"
            raise ValueError(message)
        _check_place(self.base_url, is_simulator=self.mode == "simulator")
        if self.verify_service is not None:
            _check_place(self.verify_base_url, is_simulator=self.mode == "simulator")
        return self

    @property
    def tokens(self) -> tuple[str, ...]:
        """The secrets in `webhook_secrets`."""
        return names_in(None if self.webhook_secrets is None else self.webhook_secrets.get_secret_value())


class SmtpSettings(Group):
    """Mail by SMTP submission."""

    host: str | None = Field(default=None, description="Server that takes our mail; unset: no mail by SMTP")
    port: int = Field(default=587, ge=1, le=65_535, description="Its port; STARTTLS is spoken there")
    user: str | None = Field(default=None, description="Who we are there; unset: it knows us otherwise")
    password: SecretStr | None = Field(default=None, description="And the password")
    sender: str = Field(
        default="Nerava <hello@nerava.example>",
        pattern=r"^[^\r\n]*[^@\s<>]+@[^@\s<>]+>?$",
        description="Who mails are from",
    )

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, where mail goes without TLS."""
        return self.host in {"127.0.0.1", "localhost"}


class SesSettings(Group):
    """Mail by Amazon SES."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="Amazon SES: off, simulator (this machine) or live; wins over SMTP"
    )
    region: str = Field(default="us-east-1", pattern="^[a-z0-9-]+$", description="AWS region that sends")
    key: str | None = Field(default=None, description="Access key of AWS")
    secret: SecretStr | None = Field(default=None, description="Its secret")
    sender: str | None = Field(
        default=None, pattern=r"^[^\r\n]*[^@\s<>]+@[^@\s<>]+>?$", description="Who mails are from"
    )
    topic: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$",
        description="SNS topic that tells of bounces and complaints at /webhooks/ses; unset: nobody does",
    )
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where SES is; unset: the region's own address; the simulator needs it",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode == "off":
            return self
        if self.key is None or self.secret is None or self.sender is None:
            message = "key, secret and sender are needed unless the mode is off"
            raise ValueError(message)
        _check_place(self.base_url, is_simulator=self.mode == "simulator")
        return self


class SendGridSettings(Group):
    """Mail by SendGrid."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="SendGrid: off, simulator (this machine) or live; wins over SMTP"
    )
    key: SecretStr | None = Field(default=None, description="API key that may send mail")
    sender: str | None = Field(
        default=None, pattern=r"^[^\r\n]*[^@\s<>]+@[^@\s<>]+>?$", description="Who mails are from"
    )
    webhook_keys: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9+/=]{80,200}(,[A-Za-z0-9+/=]{80,200})*$",
        description="Public keys of the event webhook, as SendGrid shows them, separated by commas",
    )
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where SendGrid is; unset: its own address; the simulator needs it",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode == "off":
            return self
        if self.webhook_keys is not None and not all(map(_is_curve, names_in(self.webhook_keys))):
            message = "webhook_keys are public keys as SendGrid shows them, without a frame"
            raise ValueError(message)
        if self.key is None or self.sender is None:
            message = "key and sender are needed unless the mode is off"
            raise ValueError(message)
        _check_place(self.base_url, is_simulator=self.mode == "simulator")
        return self


def _is_curve(text: str) -> bool:
    try:
        return isinstance(load_der_public_key(base64.b64decode(text, validate=True)), EllipticCurvePublicKey)
    except ValueError:
        return False


def _check_place(base_url: str | None, *, is_simulator: bool) -> None:
    if is_simulator and not (base_url or "").startswith(_LOCAL):
        message = "base_url must name the simulator on this machine"
        raise ValueError(message)
    if not is_simulator and (base_url or "").startswith(_LOCAL):
        message = "base_url is of this machine, which only the simulator is"
        raise ValueError(message)
