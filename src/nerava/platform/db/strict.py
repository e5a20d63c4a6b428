"""Columns of STRICT tables: SQLite knows INTEGER, TEXT and BLOB only in them, PostgreSQL its own types."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, Text
from sqlalchemy.dialects import sqlite

from nerava.platform.db.types import JSONType, UUIDType

ID: Final = UUIDType(strict=True)
BIG: Final = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
SMALL: Final = Integer().with_variant(sqlite.INTEGER(), "sqlite")
FLAG: Final = Boolean().with_variant(sqlite.INTEGER(), "sqlite")
TEXT: Final = Text().with_variant(sqlite.TEXT(), "sqlite")
HASH: Final = LargeBinary(32).with_variant(sqlite.BLOB(), "sqlite")
BYTES: Final = LargeBinary().with_variant(sqlite.BLOB(), "sqlite")
JSON: Final = JSONType.with_variant(sqlite.TEXT(), "sqlite")
STRICT: Final[dict[str, Any]] = {"sqlite_strict": True}
"""Keywords of a `Table` that is one."""
