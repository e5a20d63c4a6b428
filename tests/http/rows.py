"""Everything that the database of a house holds, for tests that look for what must not be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from nerava.migrations.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.http.conftest import House


def rows_of(house: House) -> dict[str, list[str]]:
    """Return the rows of every table, each as one text, bytes in hexadecimal and sorted."""

    def read(session: Session) -> dict[str, list[str]]:
        return {
            name: sorted(
                "|".join(one.hex() if isinstance(one, bytes) else str(one) for one in row)
                for row in session.execute(select(table))
            )
            for name, table in metadata().tables.items()
        }

    return house.installation.database.read(read, patient=True)
