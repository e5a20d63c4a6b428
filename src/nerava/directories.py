"""Composition of what knows chargers, places and the grid: adapters, their keys, who reads them when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nerava.discovery.enriching import PlaceEnrichment
from nerava.discovery.linking import Linker
from nerava.discovery.refreshing import Refreshing, ThinAreas
from nerava.grid_sources import GridSources, grid_of
from nerava.integrations.google_places import api as places_api
from nerava.integrations.google_places.directory import GooglePlaces
from nerava.integrations.nlr import api as nlr_api
from nerava.integrations.nlr.directory import NlrLocations
from nerava.integrations.ocm import api as ocm_api
from nerava.platform.spending import DailyCap
from nerava.worker import DIRECTORIES, HOURLY, SECONDLY, Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nerava.discovery.ports import LocationDirectory
    from nerava.kernel.clock import Clock
    from nerava.platform.cache import Cache
    from nerava.platform.db import Database
    from nerava.platform.outbound import Surroundings
    from nerava.settings import Settings


@dataclass(frozen=True, slots=True)
class Directories:
    """The directories of this installation; each None where its mode is off.

    Attributes:
        sites: By source, those that jobs read by area and as a whole.
        thin_areas: Is told what people look at.
        refreshing: Reads what is due.
        linker: Counts ways on foot; for one thread.
        grid: What knows the grid's carbon and tariffs.
        enrichment: Says what else is known about a place; of none, where Google Places is off.
    """

    nlr: nlr_api.NlrApi | None
    ocm: ocm_api.OcmApi | None
    places: places_api.PlacesApi | None
    sites: Mapping[str, LocationDirectory]
    thin_areas: ThinAreas
    refreshing: Refreshing
    linker: Linker
    enrichment: PlaceEnrichment
    grid: GridSources

    def jobs(self) -> Sequence[Job]:
        """Return the jobs that read charging sites, count ways from them, and forget what may not be kept."""
        return (
            Job("read charging sites", SECONDLY, self.refreshing.run, DIRECTORIES),
            Job("count ways on foot", SECONDLY, lambda _now: self.linker.step(), DIRECTORIES),
            Job("forget positions of other directories", HOURLY, self.enrichment.keep_house, DIRECTORIES),
            *self.grid.jobs(),
        )

    def close(self) -> None:
        """Close the connections."""
        for api in (self.nlr, self.ocm, self.places):
            if api is not None:
                api.close()
        self.grid.close()


def directories_of(
    settings: Settings, database: Database, clock: Clock, *, cache: Cache, surroundings: Surroundings
) -> Directories:
    """Put the directories together that the settings name; nothing is asked before the first use."""
    nlr = _nlr_of(settings, clock, surroundings)
    places = _places_of(settings, database, clock, surroundings)
    sites: dict[str, LocationDirectory] = {}
    if nlr is not None:
        locations = NlrLocations(nlr, cache)
        sites[locations.source] = locations
    return Directories(
        nlr=nlr,
        ocm=_ocm_of(settings, clock, surroundings),
        places=places,
        sites=sites,
        thin_areas=ThinAreas(database, tuple(sites)),
        refreshing=Refreshing(database, sites, clock),
        linker=Linker(database),
        grid=grid_of(settings, database, clock, surroundings),
        enrichment=PlaceEnrichment(
            database,
            None if places is None else GooglePlaces(places, cache, settings.places.content_cache),
        ),
    )


def _nlr_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> nlr_api.NlrApi | None:
    key, base_url = settings.live("nlr.key", clock), settings.nlr.base_url
    if key is None or not settings.nlr.is_on:
        return None
    return nlr_api.NlrApi(
        key, base_url=base_url or nlr_api.BASE_URL, now=clock.now, surroundings=surroundings
    )


def _ocm_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> ocm_api.OcmApi | None:
    key, base_url = settings.live("ocm.key", clock), settings.ocm.base_url
    if key is None or not settings.ocm.is_on:
        return None
    return ocm_api.OcmApi(
        key, base_url=base_url or ocm_api.BASE_URL, now=clock.now, surroundings=surroundings
    )


def _places_of(
    settings: Settings, database: Database, clock: Clock, surroundings: Surroundings
) -> places_api.PlacesApi | None:
    key, base_url = settings.live("places.key", clock), settings.places.base_url
    if key is None or not settings.places.is_on:
        return None
    return places_api.PlacesApi(
        key,
        base_url=base_url or places_api.BASE_URL,
        now=clock.now,
        spending=DailyCap(database, settings.places.daily_cost_cap_minor),
        surroundings=surroundings,
    )
