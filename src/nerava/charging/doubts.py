"""What speaks against a place that only a car names, found when its charge ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from nerava.charging.evidence import EvidenceLevel
from nerava.charging.telemetry_store import VehicleCharge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession


def doubts_about(session: Session, judged: Sequence[EvidencedSession]) -> dict[UUID, tuple[str, ...]]:
    """Return the codes of doubts by session; none about those that a charge detail record proves."""
    ids = [one.id for one in judged if one.evidence_level < EvidenceLevel.CDR]
    if not ids:
        return {}
    query = select(VehicleCharge.session_id, VehicleCharge.doubts).where(VehicleCharge.session_id.in_(ids))
    return {row.session_id: tuple(row.doubts) for row in session.execute(query) if row.doubts}
