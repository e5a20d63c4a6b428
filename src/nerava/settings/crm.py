"""Settings of customer records elsewhere."""

from __future__ import annotations

from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator

from nerava.crm.leaving import FIELDS
from nerava.settings.addresses import TLS_OR_LOCAL
from nerava.settings.groups import Group, names_in


class HubSpotSettings(Group):
    """HubSpot: those customers who agreed to marketing, and what happens to them."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="HubSpot: off, simulator (this machine) or live"
    )
    dry_run: bool = Field(
        default=False, description="Nothing leaves; the log says every half hour what would have been sent"
    )
    token: SecretStr | None = Field(default=None, description="Token of a private app of the portal")
    portal: str | None = Field(default=None, pattern="^[0-9]{1,12}$", description="Number of the portal")
    fields: str = Field(
        default=",".join(FIELDS),
        description="What may leave besides an address and an opaque id, separated by commas",
    )
    timezone: str = Field(
        default="UTC", description="The portal's time zone, where its limit of a day begins anew at midnight"
    )
    api_version: str = Field(
        default="2026-03", pattern=r"^20\d\d-\d\d$", description="The date in the paths of its API"
    )
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where its API is; unset: HubSpot's own address; the simulator needs it",
    )

    @field_validator("fields")
    @classmethod
    def _are_known(cls, text: str) -> str:
        if unknown := set(names_in(text)) - set(FIELDS):
            message = f"only {', '.join(FIELDS)} may leave, not {', '.join(sorted(unknown))}"
            raise ValueError(message)
        return text

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            message = "this is no time zone such as Europe/Helsinki"
            raise ValueError(message) from None
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode == "off":
            return self
        if self.token is None or self.portal is None:
            message = "token and portal are needed unless the mode is off"
            raise ValueError(message)
        if (self.mode == "simulator") != ((self.base_url or "").startswith("http://")):
            message = "base_url must name the simulator on this machine, and only for the simulator"
            raise ValueError(message)
        return self

    @property
    def allowed(self) -> frozenset[str]:
        """The names in `fields`."""
        return frozenset(names_in(self.fields))
