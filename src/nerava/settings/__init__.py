"""Every knob of the installation; the defaults run the whole product with nothing installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from nerava.kernel.switch_names import UnknownSwitch, checked_name
from nerava.platform.live_secrets import LiveSecret, Sourced
from nerava.platform.secrets import SecretKind
from nerava.settings.crm import HubSpotSettings
from nerava.settings.discovery import NlrSettings, OcmSettings, PlacesSettings
from nerava.settings.grid import (
    EiaSettings,
    EmapsSettings,
    GridSettings,
    UrdbSettings,
    WattTimeSettings,
)
from nerava.settings.groups import (
    DatabaseSettings,
    Group,
    IssuerSettings,
    LimitSettings,
    LogSettings,
    MoneySettings,
    PasskeySettings,
    PayoutSettings,
    PrivacySettings,
    RedeemingSettings,
    RedisSettings,
    SecretsSettings,
    ServerSettings,
    SignInSettings,
    StripeSettings,
    TokenSettings,
    WorkerSettings,
    names_in,
)
from nerava.settings.known_names import KnownNames
from nerava.settings.messages import SendGridSettings, SesSettings, SmtpSettings, TwilioSettings
from nerava.settings.metrics import MetricsSettings
from nerava.settings.outbound import OutboundSettings
from nerava.settings.passes import AppleWalletSettings, GoogleWalletSettings
from nerava.settings.resolving import Origins, ResolvedSecrets, origins_just_read, secret_fields
from nerava.settings.roaming import OcpiSettings
from nerava.settings.tills import SquareSettings
from nerava.settings.tracing import TracingSettings
from nerava.settings.vehicles import SmartcarSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nerava.kernel.clock import Clock
    from nerava.platform.secrets import Kept

__all__ = [
    "DELIMITER",
    "PREFIX",
    "PROFILES",
    "STRICT_PROFILES",
    "AppleWalletSettings",
    "DatabaseSettings",
    "GoogleWalletSettings",
    "Group",
    "HubSpotSettings",
    "IssuerSettings",
    "Knob",
    "LimitSettings",
    "LogSettings",
    "MetricsSettings",
    "MoneySettings",
    "NlrSettings",
    "OcmSettings",
    "OcpiSettings",
    "OutboundSettings",
    "PasskeySettings",
    "PayoutSettings",
    "PlacesSettings",
    "PrivacySettings",
    "Profile",
    "RedeemingSettings",
    "RedisSettings",
    "SecretsSettings",
    "SendGridSettings",
    "ServerSettings",
    "SesSettings",
    "Settings",
    "SignInSettings",
    "SmartcarSettings",
    "SmtpSettings",
    "SquareSettings",
    "StripeSettings",
    "TokenSettings",
    "TracingSettings",
    "TwilioSettings",
    "WorkerSettings",
    "knobs",
    "unknown_names",
]

PREFIX: Final = "NERAVA_"
DELIMITER: Final = "__"

Profile = Literal["production", "staging", "development", "test"]
PROFILES: Final[tuple[Profile, ...]] = ("production", "staging", "development", "test")
STRICT_PROFILES: Final = frozenset({"production", "staging"})


class Settings(BaseSettings):
    """All settings, read from the environment once: `NERAVA_DATABASE__URL` sets `database.url`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, frozen=True, extra="forbid", env_ignore_empty=False
    )

    env: Profile | None = Field(
        default=None,
        description="Profile: production, staging, development or test; `serve` and `work` need it",
    )
    single_node: bool = Field(
        default=False, description="Production on SQLite: one machine, one process, accepted knowingly"
    )
    data_dir: Path | None = Field(
        default=None,
        description="Where fetched recordings of charging sessions are kept; unset: the user's cache folder",
    )
    stop: str | None = Field(
        default=None,
        description="Kill switches to turn on at start, separated by commas; turns none off; unset: none",
    )
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    outbound: OutboundSettings = OutboundSettings()
    server: ServerSettings = ServerSettings()
    tokens: TokenSettings = TokenSettings()
    money: MoneySettings = MoneySettings()
    redeeming: RedeemingSettings = RedeemingSettings()
    payouts: PayoutSettings = PayoutSettings()
    worker: WorkerSettings = WorkerSettings()
    sign_in: SignInSettings = SignInSettings()
    passkeys: PasskeySettings = PasskeySettings()
    google: IssuerSettings = IssuerSettings()
    apple: IssuerSettings = IssuerSettings()
    stripe: StripeSettings = StripeSettings()
    twilio: TwilioSettings = TwilioSettings()
    smtp: SmtpSettings = SmtpSettings()
    ses: SesSettings = SesSettings()
    sendgrid: SendGridSettings = SendGridSettings()
    hubspot: HubSpotSettings = HubSpotSettings()
    apple_wallet: AppleWalletSettings = AppleWalletSettings()
    google_wallet: GoogleWalletSettings = GoogleWalletSettings()
    ocpi: OcpiSettings = OcpiSettings()
    nlr: NlrSettings = NlrSettings()
    ocm: OcmSettings = OcmSettings()
    places: PlacesSettings = PlacesSettings()
    smartcar: SmartcarSettings = SmartcarSettings()
    square: SquareSettings = SquareSettings()
    grid: GridSettings = GridSettings()
    watttime: WattTimeSettings = WattTimeSettings()
    emaps: EmapsSettings = EmapsSettings()
    eia: EiaSettings = EiaSettings()
    urdb: UrdbSettings = UrdbSettings()
    secrets: SecretsSettings = SecretsSettings()
    limits: LimitSettings = LimitSettings()
    privacy: PrivacySettings = PrivacySettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()

    _origins: Origins = PrivateAttr(default_factory=origins_just_read)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read our own variables before those that the world has names for, secrets through their source."""
        read = env_settings, KnownNames(settings_cls)
        return init_settings, ResolvedSecrets(settings_cls, read, prefix=PREFIX, delimiter=DELIMITER)

    def live(self, name: str, clock: Clock) -> LiveSecret | None:
        """Return a secret setting (`stripe.key`) as it is now and will be; None where it is unset.

        One that code gave in place of the environment is what it is.
        """
        group_name, _, field = name.partition(".")
        group: BaseModel = getattr(self, group_name)
        given: SecretStr | None = getattr(group, field)
        if given is None:
            return None
        origin = self._origins.get(name)
        if origin is None or origin.text != given.get_secret_value():
            return LiveSecret(given.get_secret_value())
        rest = {one: getattr(group, one) for one in type(group).model_fields}

        def is_usable(text: str) -> bool:
            try:
                type(group).model_validate({**rest, field: text})
            except ValidationError:
                return False
            return True

        return LiveSecret(origin.text, Sourced(origin, clock), is_usable=is_usable)

    def own_secrets(self, clock: Clock) -> Mapping[SecretKind, Kept]:
        """Return where each of the installation's own secrets is that was given, as `Secrets` takes it."""
        known = {kind: self.live(f"secrets.{kind.value}", clock) for kind in SecretKind}
        return {**self.secrets.given(), **{kind: one for kind, one in known.items() if one is not None}}

    @property
    def stops(self) -> tuple[str, ...]:
        """The names in `stop`."""
        return names_in(self.stop)

    @field_validator("stop")
    @classmethod
    def _names_switches(cls, text: str | None) -> str | None:
        for name in names_in(text):
            try:
                checked_name(name)
            except UnknownSwitch as unknown:
                raise ValueError(unknown.detail) from None
        return text

    @property
    def tells_requests(self) -> bool:
        """Whether the log has a line for every request."""
        return self.is_strict if self.log.requests is None else self.log.requests

    @property
    def measures(self) -> bool:
        """Whether what happens is measured, and told to whoever may ask."""
        return self.is_strict if self.metrics.enabled is None else self.metrics.enabled

    @property
    def limits_api(self) -> bool:
        """Whether calls of the API are limited."""
        if self.is_strict:
            return True
        return self.env != "test" if self.limits.api is None else self.limits.api

    @property
    def is_strict(self) -> bool:
        """Whether production rules hold."""
        return self.env in STRICT_PROFILES

    @property
    def address(self) -> str:
        """Where people reach this installation: the issuer; while developing without a name, this process."""
        if self.env == "development" and self.tokens.issuer == TokenSettings().issuer:
            return f"http://{self.server.host}:{self.server.port}"
        return self.tokens.issuer.rstrip("/")

    @property
    def link_page(self) -> str | None:
        """The page that a link opens; outside of production rules this process stands in for it."""
        if self.sign_in.link_page is not None or self.is_strict:
            return self.sign_in.link_page
        return f"http://{self.server.host}:{self.server.port}/sign-in/link"

    @property
    def passkeys_for(self) -> tuple[str, tuple[str, ...]]:
        """The domain and the origins of passkeys; the domain is empty where they are off."""
        if self.passkeys.domain is not None or self.is_strict:
            return self.passkeys.domain or "", names_in(self.passkeys.origins)
        return "localhost", (f"http://localhost:{self.server.port}",)

    @property
    def inbox_file(self) -> Path:
        """The file that messages to people go to while developing."""
        return self.sign_in.inbox_file or self.tokens.keys_directory.parent / "inbox.jsonl"

    @property
    def erasure_list(self) -> Path:
        """The file that names who was erased."""
        return self.privacy.erasure_list or self.tokens.keys_directory.parent / "erasures.jsonl"


class Knob(BaseModel):
    """One setting, as `docs/settings.md` lists it."""

    name: str
    default: str
    meaning: str


def knobs() -> Iterator[Knob]:
    """Yield every setting by the name of its environment variable, in the order of declaration."""
    yield from _knobs(Settings, PREFIX)


def unknown_names(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the `NERAVA_…` variables that no setting reads: typing errors, most likely."""
    known = {knob.name for knob in knobs()}
    known |= {f"{PREFIX}{group}{DELIMITER}{name}_file".upper() for group, name in secret_fields(Settings)}
    names = environment if environment is not None else os.environ
    return sorted(name for name in names if name.startswith(PREFIX) and name not in known)


def _knobs(model: type[BaseModel], prefix: str) -> Iterator[Knob]:
    for name, field in model.model_fields.items():
        variable = prefix + name.upper()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
            yield from _knobs(field.annotation, variable + DELIMITER)
        else:
            yield Knob(name=variable, default=_shown(field.default), meaning=field.description or "")


def _shown(default: object) -> str:
    match default:
        case None:
            return "unset"
        case bool():
            return str(default).lower()
        case _:
            return str(default)
