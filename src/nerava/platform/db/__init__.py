"""The database: connections, the unit of work, and types that mean the same on both engines."""

from nerava.platform.db.base import Base, LeftForLater
from nerava.platform.db.engine import EngineOptions
from nerava.platform.db.errors import (
    DatabaseUnavailable,
    LostRace,
    OutcomeUnknown,
    StorageFailing,
    StorageFull,
)
from nerava.platform.db.types import JSONType, UtcDateTime, UUIDType, canonical_uuid
from nerava.platform.db.unit_of_work import Database

__all__ = [
    "Base",
    "Database",
    "DatabaseUnavailable",
    "EngineOptions",
    "JSONType",
    "LeftForLater",
    "LostRace",
    "OutcomeUnknown",
    "StorageFailing",
    "StorageFull",
    "UUIDType",
    "UtcDateTime",
    "canonical_uuid",
]
