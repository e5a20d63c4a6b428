"""How Alembic runs here: one transaction, on either database."""

from __future__ import annotations

from alembic import context
from sqlalchemy import event, text

from nerava.platform.db.engine import EngineOptions, open_engine

MIGRATION_LOCK = 7_264_531_001
PATIENCE = "PRAGMA busy_timeout = 300000"
"""How long one process waits for another that migrates an SQLite file; on a slow disk that takes a while."""


def run() -> None:
    """Run the asked steps on a connection of our own."""
    options = EngineOptions(pool_size=1, statement_timeout_ms=0, idle_in_transaction_ms=0)
    engine = open_engine(context.config.attributes["url"], options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda driver, _: driver.execute(PATIENCE))
    try:
        with engine.connect() as connection:
            # SQLite takes changes of the schema back like any other; Alembic would commit after each step,
            # and another process would go on from there while this one does.
            context.configure(connection=connection, target_metadata=None, transactional_ddl=True)
            with context.begin_transaction():
                if connection.dialect.name == "postgresql":
                    # Another process that migrates may take its time; only locks of tables may not.
                    connection.execute(text("SET LOCAL lock_timeout = 0"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
                    connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
                context.run_migrations()
    finally:
        engine.dispose()


if context.is_offline_mode():
    message = "migrations run against a database, not into a script"
    raise SystemExit(message)
run()
