"""Composition of what knows where chargers and places are: adapters, their keys, and who reads them when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nerava.discovery.refreshing import Refreshing, ThinAreas
from nerava.integrations.nlr import api as nlr_api
from nerava.integrations.nlr.directory import NlrLocations
from nerava.integrations.ocm import api as ocm_api

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """

    nlr: nlr_api.NlrApi | None
    ocm: ocm_api.OcmApi | None
    sites: Mapping[str, LocationDirectory]
    thin_areas: ThinAreas
    refreshing: Refreshing

    def close(self) -> None:
        """Close the connections."""
        for api in (self.nlr, self.ocm):
            if api is not None:
                api.close()


def directories_of(
    settings: Settings, database: Database, clock: Clock, *, cache: Cache, surroundings: Surroundings
) -> Directories:
    """Put the directories together that the settings name; nothing is asked before the first use."""
    nlr = _nlr_of(settings, clock, surroundings)
    sites: dict[str, LocationDirectory] = {}
    if nlr is not None:
        locations = NlrLocations(nlr, cache)
        sites[locations.source] = locations
    return Directories(
        nlr=nlr,
        ocm=_ocm_of(settings, clock, surroundings),
        sites=sites,
        thin_areas=ThinAreas(database, tuple(sites)),
        refreshing=Refreshing(database, sites, clock),
    )


def _nlr_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> nlr_api.NlrApi | None:
    access = settings.nlr.access
    if access is None:
        return None
    key, base_url = access
    return nlr_api.NlrApi(
        key, base_url=base_url or nlr_api.BASE_URL, now=clock.now, surroundings=surroundings
    )


def _ocm_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> ocm_api.OcmApi | None:
    access = settings.ocm.access
    if access is None:
        return None
    key, base_url = access
    return ocm_api.OcmApi(
        key, base_url=base_url or ocm_api.BASE_URL, now=clock.now, surroundings=surroundings
    )
