"""What a form of ours sends, field by field, and what is said when a field cannot be read."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from nerava.kernel.currencies import minor_digits
from nerava.platform.cross_site import FIELDS_MAX, FORM
from nerava.platform.json_body import INTEGER_MAX, read_body
from nerava.platform.problem import InputError, InvalidInput

if TYPE_CHECKING:
    from starlette.requests import Request

KEY: Final = "idempotency_key"
"""The field in which a form that moves money carries its key: sent twice, it happens once."""

TEXT_MAX: Final = 2_000
_WHOLE: Final = re.compile(r"\d{1,16}", re.ASCII)
_AMOUNT: Final = re.compile(r"\d{1,13}(?:[.,]\d{1,3})?", re.ASCII)


class Form:
    """The fields of a form. What cannot be read is refused with the name of its field (422)."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    @property
    def key(self) -> str:
        """The idempotency key that the form was drawn with; the API refuses an empty one."""
        return self._fields.get(KEY, "")

    @property
    def fields(self) -> dict[str, str]:
        """Everything as it was typed, to be shown again."""
        return dict(self._fields)

    def text(self, name: str, *, most: int = TEXT_MAX) -> str:
        """Return a text that is there, without spaces around it.

        Raises:
            InvalidInput: It is missing or longer than `most` characters (422).
        """
        found = self.maybe(name, most=most)
        if not found:
            raise _wrong(name, "fill this in", "missing")
        return found

    def maybe(self, name: str, *, most: int = TEXT_MAX) -> str:
        """Return a text that may be empty.

        Raises:
            InvalidInput: It is longer than `most` characters (422).
        """
        found = self._fields.get(name, "").strip()
        if len(found) > most:
            raise _wrong(name, f"at most {most} characters", "too_long")
        return found

    def whole(self, name: str) -> int:
        """Return a whole number from 0 on.

        Raises:
            InvalidInput: Anything else (422).
        """
        found = self.text(name, most=40)
        if not _WHOLE.fullmatch(found) or int(found) > INTEGER_MAX:
            raise _wrong(name, "a whole number, as in 25", "whole_number")
        return int(found)

    def maybe_whole(self, name: str) -> int | None:
        """Return a whole number from 0 on, None for an empty field.

        Raises:
            InvalidInput: Anything else (422).
        """
        return self.whole(name) if self.maybe(name) else None

    def minor(self, name: str, currency: str) -> int:
        """Return an amount of money in minor units; point or comma before the decimals, never rounded.

        Raises:
            InvalidInput: No amount, or with more decimals than the currency has (422).
        """
        found = self.text(name, most=40)
        digits = minor_digits(currency)
        message = f"an amount of {currency}, as in {'12.50' if digits else '12'}"
        if not _AMOUNT.fullmatch(found):
            raise _wrong(name, message, "amount")
        try:
            scaled = Decimal(found.replace(",", ".")).scaleb(digits)
        except InvalidOperation:
            raise _wrong(name, message, "amount") from None
        if scaled != scaled.to_integral_value() or scaled > INTEGER_MAX:
            raise _wrong(name, message, "amount")
        return int(scaled)

    def ticked(self, name: str) -> bool:
        """Say whether a box is ticked."""
        return self._fields.get(name, "") != ""


async def read_form(request: Request) -> Form:
    """Return the form that a request carries; a request without one is an empty form.

    Raises:
        BodyTooLarge: More than 1 MB (413).
        InvalidInput: Not a form, or a field is there twice (422).
    """
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    raw = await read_body(request)
    if stated != FORM:
        return Form({})
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        message = "the form could not be read"
        raise InvalidInput(message) from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise _wrong(name[:40], "this field is there twice", "repeated")
        fields[name] = value
    return Form(fields)


def _wrong(name: str, message: str, kind: str) -> InvalidInput:
    error = InputError(pointer=f"form/{name}", message=message, kind=kind)
    return InvalidInput(f"{name.replace('_', ' ')}: {message}", errors=[error])
