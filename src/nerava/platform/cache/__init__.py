"""What others told us, kept for a while: fresh, then old but shown as such, and asked for once at a time."""

from nerava.platform.cache.cache import Answer, Cache, Layer
from nerava.platform.cache.counts import CacheCounts, Counted
from nerava.platform.cache.regions import Region

__all__ = ["Answer", "Cache", "CacheCounts", "Counted", "Layer", "Region"]
