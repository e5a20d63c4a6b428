"""Settings of passes in the wallets of people's phones."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from nerava.integrations.apple_wallet.signing import Certificate, NotUsable
from nerava.settings.addresses import TLS_OR_LOCAL
from nerava.settings.groups import Group, names_in


class AppleWalletSettings(Group):
    """Passes for the phones of Apple."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="Apple Wallet passes: off, simulator (this machine) or live"
    )
    pass_type: str | None = Field(
        default=None, pattern=r"^pass\.[A-Za-z0-9.-]{1,100}$", description="Identifier of our kind of pass"
    )
    team: str | None = Field(default=None, pattern="^[A-Z0-9]{10}$", description="Our team at Apple")
    organization: str = Field(default="Nerava", max_length=60, description="Whose pass it is, for people")
    certificate: SecretStr | None = Field(
        default=None, description="Certificate of the kind of pass, in PEM; it ends after a year"
    )
    intermediate: SecretStr | None = Field(
        default=None, description="Apple's intermediate certificate (WWDR) above it, in PEM"
    )
    key: SecretStr | None = Field(default=None, description="Its private key in PEM, without a password")
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where pushes go, over HTTP/2; unset: Apple's own address; the simulator needs it",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode == "off":
            return self
        if self.pass_type is None or self.team is None:
            message = "pass_type and team are needed unless the mode is off"
            raise ValueError(message)
        self.paper()
        _names_the_simulator(self.mode, self.base_url)
        return self

    def paper(self) -> Certificate:
        """Return the certificate with its key.

        Raises:
            ValueError: One of the three is missing, or they do not belong together.
        """
        given = self.certificate, self.intermediate, self.key
        read = [one.get_secret_value() for one in given if one is not None]
        try:
            certificate, intermediate, key = read
        except ValueError:
            message = "certificate, intermediate and key are needed unless the mode is off"
            raise ValueError(message) from None
        try:
            return Certificate.from_pem(certificate, intermediate, key)
        except NotUsable as fault:
            raise ValueError(str(fault)) from None


class GoogleWalletSettings(Group):
    """Passes for the wallet of Google."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="Google Wallet passes: off, simulator (this machine) or live"
    )
    issuer_id: str | None = Field(default=None, pattern="^[0-9]{10,20}$", description="Our number at Google")
    class_name: str = Field(
        default="nerava-points", pattern="^[A-Za-z0-9._-]{1,40}$", description="Name of the class of passes"
    )
    organization: str = Field(default="Nerava", max_length=20, description="Whose pass it is, for people")
    logo_url: str | None = Field(
        default=None, pattern="^https://", description="A picture for the pass, which Google fetches"
    )
    account: str | None = Field(
        default=None, pattern=r"^[^@\s]+@[^@\s]+$", description="Name of the service account"
    )
    key: SecretStr | None = Field(default=None, description="Its private key, RSA, in PEM")
    origins: str | None = Field(
        default=None, description="Pages that may show the button, `https://…`, separated by commas"
    )
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where its API is; unset: Google's own address; the simulator needs it",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode == "off":
            return self
        if None in {self.issuer_id, self.logo_url, self.account} or self.key is None:
            message = "issuer_id, logo_url, account and key are needed unless the mode is off"
            raise ValueError(message)
        _names_the_simulator(self.mode, self.base_url)
        return self

    @property
    def pages(self) -> tuple[str, ...]:
        """The names in `origins`."""
        return names_in(self.origins)


def _names_the_simulator(mode: str, base_url: str | None) -> None:
    if (mode == "simulator") != (base_url or "").startswith("http://"):
        message = "base_url must name the simulator on this machine, and only for the simulator"
        raise ValueError(message)
