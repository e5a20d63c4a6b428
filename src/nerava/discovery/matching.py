"""Decides whether two sources mean the same charging site: carefully, and saying why.

Two sites taken for one send drivers to a place that is not there, so what is not plain stays apart:

1. A shared name in the world (an EVSE id, or the other source's own reference) makes two sites one, if
   they lie within 2 km; an id that turns up further away is somebody's mistake.
2. Two operators, or two networks, that are both known and differ are never one by looks.
3. The same operator or network: within 30 m, or within 120 m where name or address agree.
4. No operator on one side: within 30 m if nothing else is within 60 m, or within 120 m where name or
   address agree. Names that an adapter made up agree with nothing.
5. A source does not list a site twice, so a location that has a row of this very source takes no other.
6. Where two locations would do equally well (within 10 m of each other in distance), neither does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from nerava.kernel.geography import Point, metres_between

ID_M: Final = 2_000
NEAR_M: Final = 30
ALONE_M: Final = 60
AGREEING_M: Final = 120
DOUBT_M: Final = 10
NAMES_AGREE: Final = 0.6
"""Share of the words of two names that both have, charging words left out."""

_WORD: Final = re.compile(r"\w+")
_CHARGING_WORDS: Final = frozenset(
    {
        "charging", "charge", "charger", "chargers", "station", "stations", "ev", "electric", "vehicle",
        "point", "supercharger", "latauspiste", "latausasema", "parking", "garage", "lot", "the", "at",
        "of", "and", "inc", "llc", "ltd", "oy", "ab", "gmbh", "network",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What a site looks like to somebody who wants to know whether it is another one."""

    source: str
    location_id: UUID | None
    position: Point
    name: str | None
    operator: str | None
    network: str | None
    street: str | None
    names_in_the_world: frozenset[str] = frozenset()


class Match(NamedTuple):
    """The location that a site belongs to, and by which rule."""

    location_id: UUID
    because: str


def match(new: Looks, others: Sequence[Looks]) -> Match | None:
    """Return the location that a new site belongs to, or None if it is one of its own.

    `others` are the sites of every source in the neighbourhood, those of its own source included.
    """
    taken = {one.location_id for one in others if one.source == new.source}
    candidates = [one for one in others if one.source != new.source and one.location_id not in taken]
    by_name = _by_name(new, candidates)
    if by_name is not None:
        return by_name
    near = sorted(
        ((metres_between(new.position, one.position), one) for one in candidates), key=lambda pair: pair[0]
    )
    fitting = [
        (metres, one, because)
        for metres, one in near
        if metres <= AGREEING_M and (because := _by_looks(new, one, metres, near)) is not None
    ]
    if not fitting:
        return None
    metres, best, because = fitting[0]
    rivals = {one.location_id for further, one, _ in fitting if further - metres <= DOUBT_M} - {
        best.location_id
    }
    if rivals or best.location_id is None:
        return None
    return Match(best.location_id, because)


def _by_name(new: Looks, candidates: Sequence[Looks]) -> Match | None:
    sharing = {
        one.location_id
        for one in candidates
        if new.names_in_the_world & one.names_in_the_world
        and metres_between(new.position, one.position) <= ID_M
    } - {None}
    return Match(next(iter(sharing)), "shared-id") if len(sharing) == 1 else None  # type: ignore[arg-type]


def _by_looks(new: Looks, one: Looks, metres: int, near: Collection[tuple[int, Looks]]) -> str | None:
    same = _same_company(new, one)
    if same is False:
        return None
    if metres <= NEAR_M and same:
        return "operator-and-30-m"
    if _agree(new, one):
        return "name-and-120-m"
    if metres > NEAR_M or same is not None:
        return None
    around = {other.location_id for distance, other in near if distance <= ALONE_M}
    return "alone-in-60-m" if len(around) == 1 else None


def _same_company(one: Looks, other: Looks) -> bool | None:
    """Whether both are of one company; None where either does not say."""
    mine = {name for name in (_company(one.operator), _company(one.network)) if name}
    theirs = {name for name in (_company(other.operator), _company(other.network)) if name}
    if not mine or not theirs:
        return None
    return any(a == b or a <= b or b <= a for a in mine for b in theirs)


@lru_cache(maxsize=4_096)
def _company(name: str | None) -> frozenset[str]:
    words = frozenset(_WORD.findall((name or "").casefold().replace("_", " ")))
    return (words - _CHARGING_WORDS) or words


def names_agree(one: str | None, other: str | None) -> bool:
    """Return whether two names have most of their words in common."""
    mine, theirs = _words(one), _words(other)
    if not mine or not theirs:
        return False
    return len(mine & theirs) / len(mine | theirs) >= NAMES_AGREE


def _agree(one: Looks, other: Looks) -> bool:
    if one.street and other.street and _words(one.street) == _words(other.street):
        return True
    return names_agree(one.name, other.name)


@lru_cache(maxsize=16_384)
def _words(name: str | None) -> frozenset[str]:
    return frozenset(_WORD.findall((name or "").casefold())) - _CHARGING_WORDS
