"""Groups of settings for what the grid emits and what electricity costs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from nerava.settings.addresses import TLS_OR_LOCAL
from nerava.settings.discovery import Directory
from nerava.settings.groups import Group


class GridSettings(Group):
    """Recorded series and tariffs in place of a provider's, for demonstration and tests."""

    files: Literal["off", "moved"] = Field(
        default="off",
        description="Recorded carbon and tariffs (`nerava data fetch --only grid`) off, or moved to "
        "today, which production refuses",
    )
    files_region: Literal["SGIP_CAISO_SCE", "SGIP_CAISO_PGE"] = Field(
        default="SGIP_CAISO_SCE", description="The region of the recorded series in which every site lies"
    )


class WattTimeSettings(Directory):
    """Marginal carbon of WattTime."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="Marginal grid carbon of WattTime: off, simulator or live"
    )
    username: str | None = Field(default=None, description="The account at WattTime")
    key: SecretStr | None = Field(default=None, description="The password of the account at WattTime")
    base_url: str | None = Field(
        default=None, pattern=TLS_OR_LOCAL, description="Where the API is; unset: https://api.watttime.org"
    )

    @model_validator(mode="after")
    def _has_an_account(self) -> Self:
        if self.mode != "off" and not self.username:
            message = "username is needed unless the mode is off"
            raise ValueError(message)
        return self


class EmapsSettings(Directory):
    """Average carbon of Electricity Maps."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="Average grid carbon of Electricity Maps: off, simulator or live"
    )
    key: SecretStr | None = Field(default=None, description="The token for api.electricitymaps.com")
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where the API is; unset: https://api.electricitymaps.com",
    )


class EiaSettings(Directory):
    """Average carbon by generation that EIA tells, where Electricity Maps is off."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off",
        description="Average grid carbon by EIA, where Electricity Maps is off: off, simulator or live",
    )
    key: SecretStr | None = Field(default=None, description="The key for api.eia.gov")
    respondent: str = Field(
        default="CISO",
        pattern=r"^[A-Z0-9]{2,8}$",
        description="The balancing authority of every site, for EIA",
    )
    base_url: str | None = Field(
        default=None, pattern=TLS_OR_LOCAL, description="Where the API is; unset: https://api.eia.gov"
    )


class UrdbSettings(Directory):
    """Tariffs of the Utility Rate Database."""

    mode: Literal["off", "simulator", "live"] = Field(
        default="off", description="Tariffs of the Utility Rate Database: off, simulator or live"
    )
    key: SecretStr | None = Field(default=None, description="The key for api.openei.org")
    base_url: str | None = Field(
        default=None, pattern=TLS_OR_LOCAL, description="Where the API is; unset: https://api.openei.org"
    )
