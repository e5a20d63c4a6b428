"""Where chargers, merchants and the grid are: directories, maps, carbon and tariffs."""

from __future__ import annotations

from typing import Final

from nerava.platform.cache import Region
from nerava.platform.outbound import CallPolicy
from nerava.platform.outbound.policy import JOB_BACKOFF_MAX_S
from nerava.platform.provider_calls.row import DAY, DENIED, HOUR, MINUTE, SECOND, ProviderCall, refusals

BULK_BYTES_MAX: Final = 512 * 1_024 * 1_024
POINTS_BYTES_MAX: Final = 64 * 1_024 * 1_024

NLR_NEAREST: Final = ProviderCall(
    CallPolicy("nlr nearest", connect_s=1, read_s=4, total_s=6, waits_when_told=False),
    "API",
    "any use; no endorsement",
    Region(
        "nlr-nearest",
        "nlr",
        "public",
        fresh=15 * MINUTE,
        stale=24 * HOUR,
        on_error=30 * DAY,
        empty=10 * MINUTE,
        refusals=refusals(not_found=5 * MINUTE) | DENIED,
    ),
    once="by rounded circle and filters",
    note="a 429 stops the key for the hour",
)
NLR_STATION: Final = ProviderCall(
    CallPolicy("nlr station", connect_s=1, read_s=4, total_s=6, waits_when_told=False),
    "API",
    "any use; no endorsement",
    Region(
        "nlr-station",
        "nlr",
        "public",
        fresh=15 * MINUTE,
        stale=24 * HOUR,
        on_error=30 * DAY,
        refusals=refusals(not_found=5 * MINUTE) | DENIED,
    ),
    once="by id",
    note="a 429 stops the key for the hour",
)
NLR_BULK: Final = ProviderCall(
    CallPolicy(
        "nlr bulk",
        connect_s=1,
        read_s=60,
        total_s=600,
        waits_when_told=False,
        bytes_max=BULK_BYTES_MAX,
        backoff_max_s=JOB_BACKOFF_MAX_S,
    ),
    "API",
    "any use; no endorsement",
    once="job lease",
    kept_elsewhere="table, until `last_updated` moves",
    note="resumed by state",
)
OCM_POINTS: Final = ProviderCall(
    CallPolicy(
        "ocm points",
        connect_s=1,
        read_s=30,
        total_s=90,
        bytes_max=POINTS_BYTES_MAX,
        backoff_max_s=JOB_BACKOFF_MAX_S,
    ),
    "API",
    "by row: whoever gave it is a source with a licence of its own",
    once="one import at a time",
    kept_elsewhere="tables of discovery",
)
OVERPASS: Final = ProviderCall(
    CallPolicy("overpass query", connect_s=2, read_s=30, total_s=60, attempts=1, waits_when_told=False),
    "API",
    "ODbL, attribution",
    once="by query",
    note="for administrators only, who are shown a 429",
)
_GOOGLE: Final = (
    "content 300 s at most and not in a table; `place_id` unlimited; position 30 days; Google map only"
)
PLACES_DETAILS: Final = ProviderCall(
    CallPolicy("places details", connect_s=0.5, read_s=1.5, total_s=2.5),
    "per method",
    _GOOGLE,
    Region(
        "places-details",
        "places",
        "google",
        fresh=5 * MINUTE,
        refusals=refusals(not_found=24 * HOUR) | DENIED,
        fresh_is_limit=True,
    ),
    once="by id, language and mask",
)
PLACES_SEARCH: Final = ProviderCall(
    CallPolicy("places search", connect_s=0.5, read_s=1.5, total_s=2.5),
    "per method",
    _GOOGLE,
    Region(
        "places-search",
        "places",
        "google",
        fresh=0 * MINUTE,
        empty=60 * SECOND,
        refusals=DENIED,
        fresh_is_limit=True,
    ),
    once="by body and mask",
    note="ids may be stored",
)
PLACES_PHOTO: Final = ProviderCall(
    CallPolicy("places photo", connect_s=0.5, read_s=1.5, total_s=2.5),
    "per method",
    "not stored; the author is named",
    Region(
        "places-photo",
        "places",
        "google",
        fresh=0 * MINUTE,
        refusals=refusals(not_found=HOUR) | DENIED,
        fresh_is_limit=True,
    ),
    once="by name",
)
_OF_GRID: Final = "tables of the grid"

WATTTIME_READ: Final = ProviderCall(
    CallPolicy("watttime read", connect_s=1, read_s=5, total_s=10),
    "host",
    "terms of the plan",
    once="lease of the region",
    kept_elsewhere=_OF_GRID,
    note="by a job, every 15 minutes",
)
EMAPS_READ: Final = ProviderCall(
    CallPolicy("emaps read", connect_s=1, read_s=5, total_s=10),
    "host",
    "terms of the plan",
    once="lease of the region",
    kept_elsewhere=_OF_GRID,
    note="by a job, every 30 minutes",
)
EIA_READ: Final = ProviderCall(
    CallPolicy("eia read", connect_s=1, read_s=10, total_s=15),
    "host",
    "public",
    once="lease of the region",
    kept_elsewhere=_OF_GRID,
    note="by a job, every hour; the key stands in the address, which is told nowhere",
)
URDB_READ: Final = ProviderCall(
    CallPolicy("urdb read", connect_s=1, read_s=15, total_s=20),
    "host",
    "CC0",
    once="lease of the region",
    kept_elsewhere=_OF_GRID,
    note="by a job, every day; the key stands in the address, which is told nowhere",
)
