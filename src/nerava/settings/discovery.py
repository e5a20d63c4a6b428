"""Groups of settings for directories of charging sites and places."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from nerava.settings.addresses import TLS_OR_LOCAL
from nerava.settings.groups import Group

_RETIRED = "developer.nrel.gov"


class Directory(Group):
    """What all directories have in common: they are read with a key, at an address."""

    mode: Literal["off", "simulator", "live"]
    key: SecretStr | None
    base_url: str | None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode == "off":
            return self
        if self.key is None:
            message = "key is needed unless the mode is off"
            raise ValueError(message)
        is_here = (self.base_url or "https://").startswith("http://")
        if (self.mode == "simulator") != is_here:
            message = "base_url must name the simulator on this machine, and only then"
            raise ValueError(message)
        return self

    @property
    def is_on(self) -> bool:
        """Whether it is read."""
        return self.mode != "off"


class NlrSettings(Directory):
    """Charging stations of the United States and Canada."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="Alternative Fuel Stations of NLR (once NREL): off, simulator or live"
    )
    key: SecretStr | None = Field(
        default=None,
        description="The key for developer.nlr.gov, 40 characters (`NREL_API_KEY` is read, too)",
    )
    base_url: str | None = Field(
        default=None, pattern=TLS_OR_LOCAL, description="Where the API is; unset: https://developer.nlr.gov"
    )

    @field_validator("base_url")
    @classmethod
    def _is_not_retired(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).hostname == _RETIRED:
            message = "names the retired domain; it is developer.nlr.gov now"
            raise ValueError(message)
        return url


class OcmSettings(Directory):
    """Charging stations of Open Charge Map."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="Open Charge Map: off, simulator or live"
    )
    key: SecretStr | None = Field(default=None, description="The key for api.openchargemap.io")
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where the API is; unset: https://api.openchargemap.io",
    )


class PlacesSettings(Directory):
    """What Google says about places; its content costs money and is shown with its name only."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="Google Places API (New): off, simulator or live"
    )
    key: SecretStr | None = Field(default=None, description="The key for places.googleapis.com")
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where the API is; unset: https://places.googleapis.com",
    )
    content_cache: Literal["l1_l2", "l1", "off"] = Field(
        default="l1_l2",
        description="Its content, for 300 s at most: l1_l2 (in a Redis without a disk, too), l1 or off",
    )
    daily_cost_cap_minor: int = Field(
        default=500,
        ge=0,
        le=1_000_000,
        description="US cents that its calls may cost in a day, by list price",
    )
