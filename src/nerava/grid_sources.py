"""Composition of what knows the grid: for each signal one source, and where tariffs come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nerava.grid.keeping import GridKeeping
from nerava.integrations.datasets import default_data_dir
from nerava.integrations.grid import eia, electricity_maps, urdb, watttime
from nerava.integrations.grid.files import CarbonFiles, TariffFiles
from nerava.worker import DIRECTORIES, MINUTELY, SECONDLY, Job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database
    from nerava.platform.outbound import Surroundings
    from nerava.settings import Settings

    Carbon = watttime.WattTime | electricity_maps.ElectricityMaps | eia.Eia | CarbonFiles
    Tariffs = urdb.Urdb | TariffFiles


@dataclass(frozen=True, slots=True)
class GridSources:
    """The sources of this installation, by signal, and what keeps their series."""

    carbon: Sequence[Carbon]
    tariffs: Tariffs | None
    keeping: GridKeeping

    def jobs(self) -> Sequence[Job]:
        """Return the jobs that read the grid and let sessions be decided once more by it."""
        return (
            Job("decide once more by what the grid did", SECONDLY, self.keeping.look),
            Job("find regions of the grid", MINUTELY, self.keeping.find_regions, DIRECTORIES),
            Job("read what the grid does", SECONDLY, self.keeping.read_due, DIRECTORIES),
        )

    def close(self) -> None:
        """Close the connections."""
        for source in (*self.carbon, self.tariffs):
            if source is not None:
                source.close()


def grid_of(settings: Settings, database: Database, clock: Clock, surroundings: Surroundings) -> GridSources:
    """Put the sources together that the settings name; nothing is asked before the first use.

    A provider comes before files, and of the two that know averages Electricity Maps before EIA: one
    signal is never mixed from two sources.
    """
    shared = {"now": clock.now, "surroundings": surroundings}
    carbon = [
        one
        for one in (_marginal(settings, clock, shared), _average(settings, clock, shared))
        if one is not None
    ]
    tariffs = _tariffs(settings, clock, shared)
    return GridSources(carbon, tariffs, GridKeeping(database, carbon, tariffs))


def _marginal(settings: Settings, clock: Clock, shared: dict[str, Any]) -> Carbon | None:
    wanted, password = settings.watttime, settings.live("watttime.key", clock)
    if wanted.is_on and password is not None and wanted.username:
        base_url = wanted.base_url or watttime.BASE_URL
        return watttime.WattTime(wanted.username, password, base_url=base_url, **shared)
    files = settings.grid
    if files.files == "off":
        return None
    return CarbonFiles(settings.data_dir or default_data_dir(), files.files_region, clock.now)


def _average(settings: Settings, clock: Clock, shared: dict[str, Any]) -> Carbon | None:
    token, key = settings.live("emaps.key", clock), settings.live("eia.key", clock)
    if settings.emaps.is_on and token is not None:
        base_url = settings.emaps.base_url or electricity_maps.BASE_URL
        return electricity_maps.ElectricityMaps(token, base_url=base_url, **shared)
    if settings.eia.is_on and key is not None:
        base_url = settings.eia.base_url or eia.BASE_URL
        return eia.Eia(key, settings.eia.respondent, base_url=base_url, **shared)
    return None


def _tariffs(settings: Settings, clock: Clock, shared: dict[str, Any]) -> Tariffs | None:
    key = settings.live("urdb.key", clock)
    if settings.urdb.is_on and key is not None:
        return urdb.Urdb(key, base_url=settings.urdb.base_url or urdb.BASE_URL, **shared)
    if settings.grid.files == "off":
        return None
    return TariffFiles(settings.data_dir or default_data_dir())
