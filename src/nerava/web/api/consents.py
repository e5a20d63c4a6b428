"""What the caller agreed to, to which text, and taking it back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.guard import SignedIn
from nerava.platform.policy import ANY_ROLE, Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.privacy.consents import (
    ConsentTextOutdated,
    ConsentTextUnknown,
    Purpose,
    Stance,
    Wish,
    say,
    stances_of,
)
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from collections.abc import Sequence

routes: Final = router("privacy")

TextId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")]


class ConsentIn(Body):
    """What the caller says about one purpose."""

    purpose: Purpose
    text_id: TextId = Field(description="The text that was shown")
    given: bool = Field(strict=True, description="False takes it back")


class ConsentsIn(Body):
    """What the caller says about one or several purposes; the others stay as they are."""

    consents: Annotated[list[ConsentIn], Field(min_length=1, max_length=20)]


class ConsentOut(BaseModel):
    """How the caller stands to one purpose."""

    model_config = ConfigDict(from_attributes=True)

    purpose: Purpose
    given: bool = Field(validation_alias="is_given")
    text_id: str | None = Field(description="The text that was agreed to or taken back; null before that")
    current_text_id: str = Field(description="The text to show; an older one cannot be agreed to")
    since: datetime | None


class ConsentsOut(BaseModel):
    """How the caller stands to every purpose."""

    consents: list[ConsentOut]


@routes.get("/me/consents", summary="What I agreed to")
@guarded(Policy(roles=ANY_ROLE, scope="profile:read"))
def my_consents(caller: SignedIn, wired: Wired) -> ConsentsOut:
    """Return every purpose, agreed to or not."""
    return _shown(wired.database.read(lambda session: stances_of(session, caller.subject)))


@routes.put(
    "/me/consents",
    summary="Agree, or take it back",
    responses=problems(ConsentTextUnknown, ConsentTextOutdated),
)
@guarded(Policy(roles=ANY_ROLE, scope="profile:write", repeats=Repeats.BY_MEANING))
def change_consents(body: ConsentsIn, actor: Acting, wired: Wired, now: Now) -> ConsentsOut:
    """Write down what the caller says; nothing that was said before is changed or lost."""
    wishes = [Wish(one.purpose, one.text_id, one.given) for one in body.consents]
    return _shown(wired.database.run(lambda session: say(session, wired.audit, actor, wishes, now)))


def _shown(stances: Sequence[Stance]) -> ConsentsOut:
    return ConsentsOut(consents=[ConsentOut.model_validate(one) for one in stances])
