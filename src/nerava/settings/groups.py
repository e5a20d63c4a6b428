"""Groups of settings: each a frozen model with a default, a range and a meaning for every knob."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from nerava.platform.client_address import networks_of
from nerava.platform.cors import origins_of
from nerava.platform.limit_numbers import every_limit
from nerava.platform.secrets import SecretKind
from nerava.settings.addresses import TLS_OR_LOCAL, WITHOUT_QUERY


class Group(BaseModel):
    """A group of settings; frozen, and an unknown name in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(Group):
    """Where the one database is, and how long anything in it may take."""

    url: str = Field(
        default="sqlite:///var/nerava.sqlite3",
        description="SQLAlchemy address: `sqlite:///…` or `postgresql+psycopg://…`",
    )
    password: SecretStr | None = Field(
        default=None, description="PostgreSQL: the role's password, where the address has none"
    )
    pool_size: int = Field(default=16, ge=1, le=200, description="Connections of this process at most")
    pool_wait_ms: int = Field(default=500, ge=1, le=10_000, description="Wait for one before a 503")
    lock_timeout_ms: int = Field(default=2_000, ge=100, le=10_000, description="PostgreSQL: row locks")
    statement_timeout_ms: int = Field(
        default=5_000, ge=100, le=60_000, description="PostgreSQL: one statement"
    )
    idle_in_transaction_ms: int = Field(
        default=10_000, ge=1_000, le=60_000, description="PostgreSQL: a silent transaction"
    )

    @field_validator("url")
    @classmethod
    def _can_be_taken_apart(cls, url: str) -> str:
        try:
            urlsplit(url).port  # noqa: B018 - reading it is the check
        except ValueError:
            message = "is no address that can be read"
            raise ValueError(message) from None
        return url

    @property
    def address(self) -> str:
        """The address with the password in it, for whoever connects."""
        parts = urlsplit(self.url)
        if self.password is None or parts.scheme.startswith("sqlite") or parts.password is not None:
            return self.url
        user, _, host = parts.netloc.rpartition("@")
        secret = quote(self.password.get_secret_value(), safe="")
        return urlunsplit(parts._replace(netloc=f"{user}:{secret}@{host}"))


class RedisSettings(Group):
    """What the processes of an installation share beside the database; never needed, only quicker."""

    url: SecretStr | None = Field(
        default=None,
        description="Redis or Valkey for cached answers of providers: `redis://…`, `rediss://…` or `unix://…`",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            message = "begins with redis://, rediss:// or unix://"
            raise ValueError(message)
        return url


class ServerSettings(Group):
    """The listening socket, and how the process ends."""

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8000, ge=0, le=65_535, description="Port to listen on; 0 takes a free one")
    drain_s: int = Field(
        default=5, ge=0, le=60, description="After SIGTERM: not ready, but still serving, for so long"
    )
    grace_s: int = Field(default=20, ge=1, le=120, description="Then requests may finish for so long")
    requests_max: int = Field(
        default=1_000, ge=1, le=100_000, description="More requests in progress at once are answered with 503"
    )
    trusted_proxies: str | None = Field(
        default=None,
        description="Networks whose `X-Forwarded-For` is believed, separated by commas; unset: nobody's",
    )

    cors_origins: str | None = Field(
        default=None,
        description="Origins whose pages may call the API, exactly, separated by commas; unset: none",
    )

    @field_validator("cors_origins")
    @classmethod
    def _names_origins(cls, text: str | None) -> str | None:
        origins_of(text)
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _names_networks(cls, text: str | None) -> str | None:
        try:
            networks_of(text)
        except ValueError:
            message = "names no networks"
            raise ValueError(message) from None
        return text


class TokenSettings(Group):
    """Access tokens: who issues them, for whom, for how long, and where their keys lie."""

    issuer: str = Field(default="https://nerava.example", min_length=1, description="`iss` of access tokens")
    audience: str = Field(default="nerava-api", min_length=1, description="`aud` of access tokens")
    life_s: int = Field(default=600, ge=60, le=900, description="Life of an access token")
    keys_directory: Path = Field(
        default=Path("var/keys"), description="Folder of the signing keys, files of mode 0600"
    )


class MoneySettings(Group):
    """Facts about money that are fixed when an installation is made."""

    currency: str = Field(
        default="USD", pattern="^[A-Z]{3}$", description="The operator's currency; 1 Nova is 1 minor unit"
    )


class RedeemingSettings(Group):
    """Codes at the register, and perks for people who are charging."""

    code_life_s: int = Field(default=600, ge=60, le=3_600, description="How long a code can be taken")
    claim_distance_m: int = Field(
        default=800, ge=50, le=5_000, description="How near to a merchant a car must charge to claim its perk"
    )
    claim_fresh_s: int = Field(
        default=900, ge=60, le=7_200, description="How old the latest sign of that session may be"
    )
    claim_fee_minor: int = Field(
        default=100, ge=0, le=1_000_000, description="What a claim costs a new merchant, in minor units"
    )


class PayoutSettings(Group):
    """What payouts cost, and how much may go out."""

    fee_minor: int = Field(
        default=25, ge=0, le=10_000, description="What a driver pays for a cash-out, on top of the amount"
    )
    day_max_minor: int = Field(
        default=5_000_000, ge=100, description="What may be let go within 24 hours, everybody together"
    )
    merchant_minimum_minor: int = Field(
        default=1_000, ge=1, le=10_000_000, description="Less than this is not paid out to a merchant yet"
    )


class WorkerSettings(Group):
    """The background work."""

    in_web_process: bool | None = Field(
        default=None, description="Run it inside `serve`; unset: yes on SQLite, no on PostgreSQL"
    )
    pause_ms: int = Field(default=500, ge=10, le=60_000, description="Rest after a round that found nothing")
    batch_size: int = Field(default=500, ge=1, le=5_000, description="Sessions claimed at once")
    answers_kept_days: int = Field(
        default=30, ge=1, le=3_650, description="How long answers under idempotency keys are kept"
    )


class SignInSettings(Group):
    """Codes and links: where SMS may go, what a link opens, and where messages end up while developing."""

    sms_prefixes: str = Field(
        default="+1",
        description="Numbers that get SMS begin so, separated by commas; islands under +1 are named apart",
    )
    sms_per_day: int = Field(
        default=1_000, ge=1, le=1_000_000, description="SMS within 24 hours; more are not sent"
    )
    link_page: str | None = Field(
        default=None,
        pattern=WITHOUT_QUERY,
        description="The page of ours that a link opens; unset: links are off in production and staging",
    )
    inbox_file: Path | None = Field(
        default=None,
        description="Development and test: the file that messages to people go to; unset: beside the keys",
    )

    @field_validator("sms_prefixes")
    @classmethod
    def _are_prefixes(cls, text: str) -> str:
        if not all(re.fullmatch(r"\+[1-9][0-9]{0,14}", one) for one in names_in(text)):
            message = "names no beginnings of phone numbers"
            raise ValueError(message)
        return text

    @property
    def allowed_prefixes(self) -> tuple[str, ...]:
        """The beginnings of phone numbers that get SMS."""
        return names_in(self.sms_prefixes)


class PasskeySettings(Group):
    """For whom passkeys are made; a new domain makes every passkey worthless."""

    domain: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*$",
        description="Domain that passkeys are for; unset: off, and while developing `localhost`",
    )
    origins: str | None = Field(
        default=None,
        validate_default=True,
        description="Origins whose pages may ask for passkeys, exactly, separated by commas",
    )

    @field_validator("origins")
    @classmethod
    def _are_of_the_domain(cls, text: str | None, others: ValidationInfo) -> str | None:
        if "domain" not in others.data:
            return text  # The domain is refused already.
        domain = others.data["domain"] or ""
        scheme = "http" if domain == "localhost" else "https"
        mine = re.compile(rf"{scheme}://([a-z0-9-]+\.)*{re.escape(domain)}(:[0-9]{{1,5}})?")
        origins = names_in(text)
        if bool(domain) != bool(origins) or not all(mine.fullmatch(one) for one in origins):
            message = "must be origins such as https://… of the passkeys' domain or below it; both or neither"
            raise ValueError(message)
        return text


class IssuerSettings(Group):
    """Somebody by whose ID tokens people may sign in."""

    client_ids: str | None = Field(
        default=None, description="Its clients that are ours (`aud`), separated by commas; unset: off"
    )
    keys_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where its keys are; unset: where it publishes them",
    )

    @property
    def clients(self) -> tuple[str, ...]:
        """The names in `client_ids`."""
        return names_in(self.client_ids)


class StripeSettings(Group):
    """The provider that sponsors pay by and that pays drivers and merchants."""

    mode: Literal["off", "simulator", "sandbox", "live"] = Field(
        default="off", description="Stripe: off, simulator (this machine), sandbox (test keys) or live"
    )
    key: SecretStr | None = Field(default=None, description="Stripe's secret or restricted key of that mode")
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where Stripe's API is; unset: Stripe's own address; the simulator needs it",
    )
    webhook_secrets: SecretStr | None = Field(
        default=None, description="Secrets of our webhook endpoint at Stripe, separated by commas"
    )
    connect_webhook_secrets: SecretStr | None = Field(
        default=None, description="The same for the endpoint that hears about connected accounts"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode == "off":
            return self
        if self.key is None:
            message = "key is needed unless the mode is off"
            raise ValueError(message)
        kinds = ("sk_live_", "rk_live_") if self.mode == "live" else ("sk_test_", "rk_test_")
        if not self.key.get_secret_value().startswith(kinds):
            message = "key is not of this mode"
            raise ValueError(message)
        if self.mode == "simulator" and not (self.base_url or "").startswith("http://"):
            message = "base_url must name the simulator on this machine"
            raise ValueError(message)
        if self.mode != "simulator" and (self.base_url or "https://").startswith("http://"):
            message = "base_url is of this machine, which only the simulator is"
            raise ValueError(message)
        return self


class PrivacySettings(Group):
    """What people may ask about their own data."""

    erasure_list: Path | None = Field(
        default=None,
        description="The file that names who was erased, replayed at every start; unset: beside the keys",
    )


class LogSettings(Group):
    """The log of the process, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="From where on it tells: debug, info, warning or error"
    )
    requests: bool | None = Field(
        default=None, description="A line for every request; unset: in production and staging"
    )


class SecretsSettings(Group):
    """The secrets of the installation: where they are, and those that are the installation's own."""

    provider: Literal["env", "aws"] = Field(
        default="env",
        description="Who keeps secrets: env (variables and files) or aws, where each variable names one; "
        "`SECRETS_PROVIDER` says the same",
    )
    aws_region: str | None = Field(
        default=None,
        pattern="^[a-z0-9-]+$",
        description="AWS region of secrets that are named without an ARN",
    )
    session: SecretStr | None = Field(default=None, description="Web sessions; 32 bytes in base64")
    session_file: Path | None = Field(default=None, description="The file with it")
    code_pepper: SecretStr | None = Field(default=None, description="One-time codes; 32 bytes in base64")
    code_pepper_file: Path | None = Field(default=None, description="The file with it")
    identifier: SecretStr | None = Field(
        default=None, description="Look-up of contacts; 32 bytes in base64; a new one forgets everybody"
    )
    identifier_file: Path | None = Field(default=None, description="The file with it")
    key_encryption: SecretStr | None = Field(
        default=None, description="Wraps data keys: `kek_yyyy_nn:` and 32 bytes in base64; new ones first"
    )
    key_encryption_file: Path | None = Field(default=None, description="The file with it")
    seal: SecretStr | None = Field(default=None, description="Signs the audit log; 32 bytes in base64")
    seal_file: Path | None = Field(default=None, description="The file with it")
    refresh: SecretStr | None = Field(default=None, description="Refresh tokens; 32 bytes in base64")
    refresh_file: Path | None = Field(default=None, description="The file with it")

    @model_validator(mode="after")
    def _in_one_place(self) -> Self:
        for kind in SecretKind:
            if getattr(self, kind.value) is not None and getattr(self, f"{kind.value}_file") is not None:
                message = f"{kind.setting} and {kind.setting}_FILE are both set"
                raise ValueError(message)
        return self

    def given(self) -> dict[SecretKind, str | Path]:
        """Return where each secret is that was given, as `Secrets` takes it."""
        found: dict[SecretKind, str | Path] = {}
        for kind in SecretKind:
            value, file = getattr(self, kind.value), getattr(self, f"{kind.value}_file")
            if value is not None:
                found[kind] = value.get_secret_value()
            elif file is not None:
                found[kind] = file
        return found


class LimitSettings(Group):
    """How often callers may call."""

    api: bool | None = Field(
        default=None,
        description="Limit callers and addresses; unset: not in test; production and staging always do",
    )
    tighter: dict[str, int] = Field(
        default={}, description='Smaller quotas by limit, as JSON: `{"api-identity-1m": 60}`'
    )

    @field_validator("tighter")
    @classmethod
    def _only_tighter(cls, quotas: dict[str, int]) -> dict[str, int]:
        hardest = {limit.id: limit.quota for limit in every_limit()}
        for name, quota in quotas.items():
            if name not in hardest:
                message = "names a limit that does not exist"
                raise ValueError(message)
            if not 1 <= quota <= hardest[name]:
                message = f"{name} must be 1 to {hardest[name]}"
                raise ValueError(message)
        return quotas


def names_in(text: str | None) -> tuple[str, ...]:
    """Return the words of a list that is written with commas."""
    return tuple(name for part in (text or "").split(",") if (name := part.strip()))
