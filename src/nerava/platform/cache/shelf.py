"""Where the entries of one region lie: a layer in memory, and one in Redis that processes share."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from dogpile.cache import CacheRegion, make_region
from dogpile.cache.api import NO_VALUE

from nerava.platform.cache import memory
from nerava.platform.cache.entries import Entry, read, written
from nerava.platform.cache.link import NAME as REDIS
from nerava.platform.cache.link import RedisLink, Skipping

if TYPE_CHECKING:
    from nerava.platform.cache.regions import Region

_SECOND: Final = timedelta(seconds=1)


class Shelf:
    """Reads and writes the two layers of one region; both are dogpile's. Safe to share between threads."""

    def __init__(self, region: Region, link: RedisLink | None) -> None:
        """Prepare the layers; without a link there is the one in memory."""
        self._entry_bytes_max = region.entry_bytes_max
        self._near = _layer(region).configure(
            memory.NAME, arguments={"entries_max": region.entries_max, "bytes_max": region.bytes_max}
        )
        self._far: CacheRegion | None = None
        if link is not None and region.is_shared:
            self._far = _layer(region).configure(
                REDIS,
                arguments={
                    "connection_pool": link.pool,
                    "redis_expiration_time": -(-region.kept_at_most // _SECOND) or 1,
                },
                wrap=[Skipping(link)],
            )

    def near(self, place: str) -> Entry | None:
        """Return what this process has."""
        return _found(self._near, place)

    def far(self, place: str) -> Entry | None:
        """Return what all processes have, and have it here from now on."""
        if self._far is None:
            return None
        found = _found(self._far, place)
        if found is not None:
            self._near.set(place, written(found))
        return found

    def keep(self, place: str, entry: Entry) -> None:
        """Put an entry into both layers; one that is too long into none.

        Raises:
            TypeError: Its value is not made of what JSON has; our own mistake.
        """
        text = written(entry)
        if len(text) > self._entry_bytes_max:
            self.drop(place)
            return
        self._near.set(place, text)
        if self._far is not None:
            self._far.set(place, text)

    def drop(self, place: str) -> None:
        """Take an entry out of both layers. Repeats safely."""
        self._near.delete(place)
        if self._far is not None:
            self._far.delete(place)


def _layer(region: Region) -> CacheRegion:
    return make_region(name=region.name, serializer=bytes, deserializer=read)


def _found(layer: CacheRegion, place: str) -> Entry | None:
    try:
        found = layer.get(place, ignore_expiration=True)
    except (ValueError, LookupError):
        return None  # In Redis lies something under our key that is not ours.
    return None if found is NO_VALUE or not isinstance(found, Entry) else found
