"""What the pages of a sponsor share: refusals at the field that was typed, and keys that stay the same."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from nerava.platform.problem import InputError, InvalidInput
from nerava.web.site.calling import Refused
from nerava.web.site.rendering import field_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.web.site.calling import Api
    from nerava.web.site.forms import Form
    from nerava.web.site.page import Wrong


def at_fields(error: Wrong, fields: Mapping[str, str]) -> Wrong:
    """Return a refusal whose errors name the fields of a form, by how the API calls them."""
    if not isinstance(error, Refused) or not error.problem.get("errors"):
        return error
    errors = [
        {**one, "pointer": fields.get(field_of(one["pointer"]), one["pointer"])}
        for one in error.problem["errors"]
    ]
    return Refused(error.status, {**error.problem, "errors": errors})


def wrong_field(name: str, message: str) -> InvalidInput:
    """Return the refusal of a form because of one field."""
    error = InputError(pointer=f"form/{name}", message=message, kind="value")
    return InvalidInput(f"{name.replace('_', ' ')}: {message}", errors=[error])


def amount_of(form: Form, currency: str) -> int:
    """Return the amount of a form, more than zero, in minor units.

    Raises:
        InvalidInput: It is none (422).
    """
    found = form.minor("amount", currency)
    if found == 0:
        raise wrong_field("amount", "more than zero")
    return found


def kept_key(error: Wrong | None, form: Form) -> str | None:
    """Return the key to draw a form with again: the same one only where nobody knows what happened."""
    if not isinstance(error, Refused) or error.problem.get("outcome") == "not_executed":
        return None
    is_open = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.problem.get("outcome") == "unknown"
    return form.key if is_open else None


async def parts_of(api: Api, *paths: str) -> list[tuple[Any, Refused | None]]:
    """Return parts of a page that may be refused without the page: each its JSON, or why there is none."""

    async def part(path: str) -> tuple[Any, Refused | None]:
        try:
            return (await api.get_all(path))[0], None
        except Refused as error:
            return None, error

    return list(await asyncio.gather(*map(part, paths)))
