"""What a campaign promises, limits and keeps back, in the words of its sponsor's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nerava.charging.evidence import EvidenceLevel
from nerava.web.site.rendering import number
from nerava.web.sponsor.rule_words import counted, rule_sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EVIDENCE: Final[Mapping[int, str]] = {
    EvidenceLevel.PARTNER: "a partner's word",
    EvidenceLevel.TELEMETRY: "what the car says",
    EvidenceLevel.TELEMETRY_AND_CHARGER: "what the car and the charger say together",
    EvidenceLevel.CDR: "the operator's record",
    EvidenceLevel.SIGNED_CDR: "the operator's record with signed meter values",
}
"""What proves a session, the weakest first."""


class Promise(NamedTuple):
    """A campaign in words.

    Attributes:
        gives: What a session earns, a sentence for each rule.
        conditions: What has to be so.
        limits: What a session and a driver get at most.
        terms: Everything else: name of it, and what it says.
    """

    gives: list[str]
    conditions: list[str]
    limits: list[str]
    terms: list[tuple[str, str]]


def promise_of(terms: Mapping[str, Any]) -> Promise:
    """Return the terms of a campaign, as the API shows them, in words."""
    gives, conditions = rule_sentences(terms["rules"], terms["currency"])
    return Promise(gives, conditions, list(_limits(terms)), list(_others(terms)))


def percent_text(basis_points: int) -> str:
    """Return a share as people write it: 2,000 basis points are `20 %`."""
    whole, rest = divmod(basis_points, 100)
    return f"{whole}.{rest:02}".rstrip("0").rstrip(".") + " %"


def _limits(terms: Mapping[str, Any]) -> Iterator[str]:
    for name, text in (
        ("session_points_max", "A session earns at most {} Nova."),
        ("driver_day_points_max", "A driver earns at most {} Nova a day."),
        ("driver_points_max", "A driver earns at most {} Nova in all."),
    ):
        if terms[name] is not None:
            yield text.format(number(terms[name]))


def _proof(terms: Mapping[str, Any]) -> str:
    least, settles = terms["evidence_min"], terms["settle_level"]
    if least >= settles:
        return f"Given with {EVIDENCE[settles]}."
    wait = counted(terms["settle_within_days"], "day")
    return (
        f"Reserved with {EVIDENCE[least]}, given with {EVIDENCE[settles]}. "
        f"What is not proven within {wait} comes back to the budget."
    )


def _others(terms: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Proof", _proof(terms)
    share = terms["holdout_percent"]
    yield (
        "Comparison",
        (
            f"{share} % of drivers earn nothing here, so that the effect can be measured."
            if share
            else "Nobody is held out, so the effect cannot be measured."
        ),
    )
    life = terms["points_expire_after_days"]
    where = "comes back to this campaign" if terms["expired_points_to"] == "campaign" else "stays with Nerava"
    yield (
        "Nova",
        (
            "Never expire."
            if life is None
            else f"Expire {counted(life, 'day')} after they were given. Their money then {where}."
        ),
    )
    if terms["stacking_group"]:
        yield (
            "Together",
            f"Of the campaigns in the group {terms['stacking_group']} a session earns the best one.",
        )
    yield "Fee", f"{percent_text(terms['fee_bps'])} of what you pay in, earned only as Nova are given."
