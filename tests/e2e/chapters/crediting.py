"""Records of charges are corrected: a credit says that less was charged, and what that did not earn goes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nerava.charging import service as charging
from nerava.charging.evidence import EvidenceLevel, NewEvidence
from nerava.charging.queries import ids_by_reference
from tests.e2e.chapters.charging import SOURCE
from tests.e2e.year import Chapter, Year

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.charging.recordings import RecordedSession
    from tests.e2e.chapters.charging import Charging


@dataclass
class Crediting(Chapter):
    """Which sessions turn out smaller.

    Attributes:
        charging: Whose sessions.
    """

    charging: Charging
    _later: list[tuple[int, RecordedSession]] = field(default_factory=list)

    def day(self, year: Year) -> None:
        """Pick a session now and then, and correct those picked one to four weeks ago."""
        if self.charging.over and year.happens(15):
            later = year.number + 7 + year.dice.randrange(21)
            self._later.append((later, year.dice.choice(self.charging.over)))
        due = [one for at, one in self._later if at <= year.number]
        self._later = [one for one in self._later if one[0] > year.number]
        if due:
            year.house.installation.database.run(lambda session: self._credit(session, year, due))

    def _credit(self, session: Session, year: Year, due: list[RecordedSession]) -> None:
        ids = ids_by_reference(session, SOURCE, [one.reference for one in due])
        credits_ = [
            NewEvidence(
                session_id=ids[one.reference],
                level=EvidenceLevel.CDR,
                source=SOURCE,
                reference=f"credit:{one.reference}",
                at=year.now,
                body={"credit": one.reference},
                energy_wh=one.energy_wh // 3,
                is_credit=True,
            )
            for one in due
        ]
        year.happened["credited"] += charging.attest(session, credits_, year.now)
