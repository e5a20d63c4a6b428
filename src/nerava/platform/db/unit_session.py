"""The session of one unit of work, which speaks to the driver itself as long as nobody asks for more."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, exc
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from sqlalchemy import Engine


class UnitSession(Session):
    """A session in whose transaction `driver_cursor` works without the ORM.

    Beginning and ending a transaction through the ORM costs three times what the driver takes for
    it, and the ledger speaks to the driver anyway. Whoever uses the session otherwise, before or
    afterwards, works on the same connection in the same transaction.
    """

    def __init__(self, engine: Engine, *, begin: str | None = None) -> None:
        """Prepare a session; nothing is opened yet.

        Args:
            engine: Whose pool the connection comes from.
            begin: The statement that begins a transaction, where the driver sends none of its own.
        """
        super().__init__(engine, expire_on_commit=False)
        self._engine = engine
        self._begin = begin
        self._own: Connection | None = None

    def driver_cursor(self) -> Any:  # noqa: ANN401 - a cursor of psycopg or sqlite3
        """Return a cursor of the driver in the session's transaction, which begins here if it has not."""
        if self.in_transaction():
            return self.connection().connection.cursor()
        if self._own is None:
            pooled = self._engine.raw_connection()
            try:
                if self._begin is not None:
                    pooled.cursor().execute(self._begin)
            except BaseException:
                pooled.close()
                raise
            # From now on the ORM, too, would work on this connection.
            self.bind = self._own = Connection(self._engine, connection=pooled)
        return self._own.connection.cursor()

    def commit(self) -> None:
        """Commit, by the driver alone if nobody else has worked in the session."""
        if self._own is None or self.in_transaction():
            super().commit()
            return
        try:
            self._own.connection.commit()
        except BaseException:
            with suppress(exc.DBAPIError):
                self.rollback()
            raise

    def rollback(self) -> None:
        """Roll back; a connection that turns out to be dead takes the others of its age along."""
        if self._own is not None:
            self.connection()
        super().rollback()

    def invalidate(self) -> None:
        """Roll back and throw the connection away, so that the next one is made anew."""
        if self._own is None or self.in_transaction():
            super().invalidate()
        else:
            self._own.invalidate()

    def close(self) -> None:
        """Give the connection back; what it still has open is rolled back."""
        if self._own is None or self.in_transaction():
            super().close()
        if self._own is not None:
            self._own.close()
