"""The settings of charging networks."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nerava.settings.addresses import TLS_OR_LOCAL
from nerava.settings.groups import Group


class OcpiSettings(Group):
    """Charging networks by OCPI: who we are to them."""

    mode: Literal["off", "simulator", "sandbox", "live"] = Field(
        default="off", description="OCPI: off, simulator (peers on this machine), sandbox or live"
    )
    country_code: str | None = Field(
        default=None, pattern="^[A-Z]{2}$", description="Country of our own party, as OCPI writes it: `US`"
    )
    party_id: str | None = Field(
        default=None, pattern="^[A-Z0-9]{3}$", description="Our own party in that country: `NRV`"
    )
    name: str = Field(default="Nerava", max_length=100, description="Our name as charging networks see it")
    public_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where peers reach us; unset: the issuer of access tokens",
    )
    authorize_needs_location: bool = Field(
        default=False, description="Refuse an authorization that does not say where"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode != "off" and (self.country_code is None or self.party_id is None):
            message = "country_code and party_id are needed unless the mode is off"
            raise ValueError(message)
        return self
