"""What thousands of fresh databases share, so that each of them costs little."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anyio.from_thread import start_blocking_portal
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from starlette.testclient import TestClient

from nerava.__main__ import YOUNG_OBJECTS
from nerava.platform.db import engine as engines

if TYPE_CHECKING:
    from sqlalchemy import Engine


def share_compiled_statements() -> None:
    """Let all engines of one database's kind share what SQLAlchemy compiled: a quarter of a short test.

    A statement is cached under its dialect and its own key. Every engine has its own dialect, so
    they are told to be equal: in one process of tests they speak to servers of one version.
    """
    shared: dict[str, LRUCache[Any, Any]] = {}
    original = engines.create_engine

    def create_engine(*arguments: Any, **options: Any) -> Engine:
        engine = original(*arguments, **options)
        # Its size is a setting of the engine; that it is shared is none.
        engine._compiled_cache = shared.setdefault(engine.dialect.name, LRUCache(4_000))  # noqa: SLF001
        return engine

    engines.create_engine = create_engine  # type: ignore[assignment]
    DefaultDialect.__eq__ = _same_kind  # type: ignore[method-assign]
    DefaultDialect.__hash__ = _hash_of_kind  # type: ignore[method-assign]


def leave_what_is_loaded_alone() -> None:
    """Never look for garbage in what is loaded, and else as seldom as the product does: a twelfth of everything.

    Modules and collected tests are millions of objects, and none of them is garbage before the end.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


@contextmanager
def one_event_loop() -> Iterator[None]:
    """Let all clients that are not entered call their application on one event loop, as a server does.

    Otherwise each request starts a thread and a loop of its own: a sixth of a short test.
    """
    with start_blocking_portal() as portal:
        TestClient.portal = portal
        try:
            yield
        finally:
            TestClient.portal = None


def _same_kind(one: object, other: object) -> bool:
    return type(one) is type(other)


def _hash_of_kind(one: object) -> int:
    return hash(type(one))
