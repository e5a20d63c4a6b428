"""Everything about points of sale in one process, put together from its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from nerava.tills.errors import TillsOff
from nerava.tills.hearing import TillHearing
from nerava.tills.keeping import TillKeeping
from nerava.tills.linking import Linking
from nerava.tills.matching import TillMatching
from nerava.tills.reading import TillReading
from nerava.tills.refunding import TillRefunding

if TYPE_CHECKING:
    from nerava.audit import AuditLog
    from nerava.identity.factors import Tell
    from nerava.ledger import Ledger
    from nerava.merchants.codes import SecretCodes
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault
    from nerava.tills.ports import PointOfSale


@dataclass(frozen=True, slots=True)
class Tills:
    """How points of sale are linked, kept, heard and read here, and what comes of it."""

    linking: Linking
    keeping: TillKeeping
    hearing: TillHearing
    reading: TillReading
    matching: TillMatching
    refunding: TillRefunding

    @classmethod
    def of(
        cls,
        till: PointOfSale,
        *,
        database: Database,
        ledger: Ledger,
        vault: Vault,
        audit: AuditLog,
        codes: SecretCodes,
        tell: Tell,
    ) -> Self:
        """Put it together for one provider."""
        return cls(
            linking=Linking(database, vault, audit, till),
            keeping=TillKeeping(database, vault, audit, till, tell),
            hearing=TillHearing(database, audit),
            reading=TillReading(database, vault, codes, till),
            matching=TillMatching(database),
            refunding=TillRefunding(database, ledger),
        )


def linked(tills: Tills | None) -> Tills:
    """Return what there is.

    Raises:
        TillsOff: No provider is connected (503).
    """
    if tills is None:
        raise TillsOff
    return tills
