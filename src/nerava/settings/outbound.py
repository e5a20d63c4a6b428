"""Other numbers for calls to other machines than those of the table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nerava.settings.groups import Group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.platform.outbound import CallPolicy

_NOT_HERE: Final = frozenset({"secrets", "sendgrid", "ses", "smtp", "telemetry", "webhooks"})
"""Providers that are called in ways of their own, with the numbers of the table."""


class CallChange(BaseModel):
    """What is to be different about one kind of call; what is not named stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_s: float | None = Field(default=None, ge=0.05, le=60)
    read_s: float | None = Field(default=None, ge=0.05, le=600)
    total_s: float | None = Field(default=None, ge=0.1, le=3_600)
    attempts: int | None = Field(default=None, ge=1)

    def applied_to(self, policy: CallPolicy) -> CallPolicy:
        """Return the policy with these numbers in it."""
        given = self.model_dump(exclude_none=True)
        return replace(policy, **given)


class OutboundSettings(Group):
    """How long calls to other machines may take, and how often they are tried."""

    calls: dict[str, CallChange] = Field(
        default={},
        description="Other numbers for kinds of calls than those of docs/outbound.md, as JSON: "
        '`{"nlr nearest": {"connect_s": 1, "read_s": 3, "total_s": 4, "attempts": 2}}`',
    )

    @field_validator("calls")
    @classmethod
    def _fit_together(cls, changes: dict[str, CallChange]) -> dict[str, CallChange]:
        known = {name: one for name, one in _calls().items() if one.provider not in _NOT_HERE}
        for name, change in changes.items():
            if name not in known:
                message = "names a kind of call that cannot be changed"
                raise ValueError(message)
            changed = change.applied_to(known[name])
            if changed.attempts > known[name].attempts:
                message = f"more than {known[name].attempts} attempts of a call are never made"
                raise ValueError(message)
            if max(changed.connect_s, changed.read_s) > changed.total_s:
                message = "a call cannot wait longer for one thing than for everything"
                raise ValueError(message)
        return changes

    @property
    def policies(self) -> Mapping[str, CallPolicy]:
        """The changed policies, by the name of their call."""
        if not self.calls:
            return {}
        known = _calls()
        return {name: change.applied_to(known[name]) for name, change in self.calls.items()}


def _calls() -> Mapping[str, CallPolicy]:
    """Return the table; who changes nothing does not wait for what it is made of."""
    from nerava.platform.provider_calls import every_call  # noqa: PLC0415 - as above

    return {one.call.name: one.call for one in every_call()}
