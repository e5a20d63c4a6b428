"""Where people can be reached: phone numbers and e-mail addresses, each in one spelling."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from nerava.kernel.errors import NeravaError

if TYPE_CHECKING:
    from collections.abc import Iterable

EMAIL_CHARACTERS_MAX: Final = 254
PREFIX_DIGITS: Final = 6
"""How many digits after the calling code make a number prefix: the block that one carrier sells."""

_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PHONE_PUNCTUATION: Final = str.maketrans("", "", " -.()/")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ATOM: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL: Final = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[a-z]{_LABEL}")

_TWO_DIGIT_CODE: Final = re.compile(r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_ISLAND_AREA: Final = re.compile(
    r"\+1(24[26]|264|268|284|345|441|473|649|658|664|721|758|767|784|8[024]9|86[89]|876)"
)
"""Area codes that share +1 with the United States and Canada and cost many times as much."""


class ContactInvalid(NeravaError):
    """The text is no phone number in international form, or no e-mail address."""

    code = "contact-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Nothing can be sent there"


class Channel(StrEnum):
    """How something is sent to a person."""

    SMS = "sms"
    EMAIL = "email"

    @property
    def kind(self) -> ContactKind:
        """What kind of contact it reaches."""
        return ContactKind.PHONE if self is Channel.SMS else ContactKind.EMAIL


class ContactKind(StrEnum):
    """What a contact is."""

    PHONE = "phone"
    EMAIL = "email"

    @property
    def channel(self) -> Channel:
        """How it is reached."""
        return Channel.SMS if self is ContactKind.PHONE else Channel.EMAIL


@dataclass(frozen=True, slots=True)
class Contact:
    """A phone number in E.164 or a lower-case e-mail address; its text form does not show it."""

    kind: ContactKind
    value: str = field(repr=False)

    @property
    def number_prefix(self) -> str:
        """The calling code and the six digits after it; of a phone number only."""
        code = _calling_code(self.value)
        return self.value[: 1 + len(code) + PREFIX_DIGITS]

    def is_within(self, prefixes: Iterable[str]) -> bool:
        """Whether a phone number begins with one of these, such as `+1` or `+1876`.

        The islands that share +1 are not meant by it: who wants to send there names their area.
        """
        wanted = tuple(prefixes)
        if _ISLAND_AREA.match(self.value):
            wanted = tuple(one for one in wanted if len(one) >= len("+1876"))
        return self.value.startswith(wanted)


def read_contact(channel: Channel, text: str) -> Contact:
    """Return the contact that a text names, in its one spelling.

    Blanks, hyphens, dots, slashes and brackets of a phone number are left out; it begins with `+`
    and the calling code. An e-mail address becomes lower case; what a provider makes of dots or of
    `+` in it is the provider's affair, so addresses that differ there are different people.

    Raises:
        ContactInvalid: It is none (422). The text is not repeated.
    """
    if channel is Channel.SMS:
        number = text.strip().translate(_PHONE_PUNCTUATION)
        if _PHONE.fullmatch(number) is None:
            raise ContactInvalid("a phone number looks like +12025550123: with + and its calling code")
        return Contact(ContactKind.PHONE, number)
    address = text.strip().lower()
    if len(address) > EMAIL_CHARACTERS_MAX or _EMAIL.fullmatch(address) is None:
        raise ContactInvalid("an e-mail address looks like name@example.org, in ASCII")
    return Contact(ContactKind.EMAIL, address)


def _calling_code(number: str) -> str:
    digits = number[1:]
    if digits[0] in "17":
        return digits[0]
    return digits[:2] if _TWO_DIGIT_CODE.match(digits) else digits[:3]
