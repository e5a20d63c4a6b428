"""A condition: inside a polygon on the map."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from nerava.rewards.rules.base import Judgement, Rule, passed, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession

_WIDEST: Final = 180


class Corner(NamedTuple):
    """A corner of the polygon, WGS 84, in degrees."""

    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


_INSIDE: Final = passed("zone.inside")
_OUTSIDE: Final = refused("zone.outside")
_UNKNOWN: Final = refused("zone.unknown")


class Zone(Rule):
    """The charging location must lie inside a polygon; one whose place nobody knows does not pass.

    Edges are straight lines on a map of degrees, the last corner is joined to the first, and the
    even-odd rule says what is inside. A location exactly on a southern or western edge is inside, on
    a northern or eastern one outside, so that of two zones that touch one has it. A zone does not
    cross the 180th meridian.
    """

    is_condition: ClassVar[bool] = True

    kind: Literal["zone"] = "zone"
    corners: Annotated[tuple[Corner, ...], Field(min_length=3, max_length=200)]

    @model_validator(mode="after")
    def _is_an_area(self) -> Self:
        if len(set(self.corners)) < len(self.corners):
            message = "each corner is listed once; the last is joined to the first by itself"
            raise ValueError(message)
        longitudes = [corner.longitude for corner in self.corners]
        if max(longitudes) - min(longitudes) >= _WIDEST:
            message = "a zone is less than 180 degrees wide and does not cross the 180th meridian"
            raise ValueError(message)
        first, *rest = self.corners
        turns = pairwise(rest)
        if all(
            (one.latitude - first.latitude) * (other.longitude - first.longitude)
            == (other.latitude - first.latitude) * (one.longitude - first.longitude)
            for one, other in turns
        ):
            message = "the corners lie on one line; a zone needs an area"
            raise ValueError(message)
        return self

    @property
    def promise(self) -> str:
        """The rule in words."""
        return "In the zone of the campaign"

    def contains(self, latitude: float, longitude: float) -> bool:
        """Return whether a place lies inside."""
        inside = False
        south = self.corners[-1]
        for north in self.corners:
            if (north.latitude > latitude) != (south.latitude > latitude):
                share = (latitude - north.latitude) / (south.latitude - north.latitude)
                if longitude < north.longitude + share * (south.longitude - north.longitude):
                    inside = not inside
            south = north
        return inside

    def judge(self, session: EvidencedSession) -> Judgement:
        """Pass inside."""
        if session.latitude is None or session.longitude is None:
            return _UNKNOWN
        return _INSIDE if self.contains(session.latitude, session.longitude) else _OUTSIDE
