"""A message as a mail: who it is from, what it is called, and an id that every attempt repeats."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Final

from nerava.identity.message_store import MessageKind

if TYPE_CHECKING:
    from nerava.identity.messages import Outgoing

SUBJECTS: Final = {
    MessageKind.CODE: "Your Nerava sign-in",
    MessageKind.NOTICE: "News about your Nerava account",
    MessageKind.VERIFY: "Your Nerava sign-in",
}


class HeaderRefused(ValueError):
    """Something that goes into a header has a line break in it."""


@dataclass(frozen=True, slots=True)
class From:
    """Who mails are from.

    Attributes:
        address: Such as `Nerava <hello@nerava.example>`.
        domain: Of the ids of the mails.
    """

    address: str

    @property
    def domain(self) -> str:
        """The domain of the address."""
        return self.address.rpartition("@")[2].rstrip(">") or "localhost"


def mail_of(message: Outgoing, sender: From) -> EmailMessage:
    """Return the mail.

    Raises:
        HeaderRefused: An address with a line break would write headers of its own.
    """
    mail = EmailMessage()
    try:
        mail["From"] = sender.address
        mail["To"] = message.to
        mail["Subject"] = SUBJECTS[message.kind]
        mail["Message-ID"] = f"<{message.id}@{sender.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
    except ValueError:
        raise HeaderRefused from None
    mail.set_content(message.text)
    return mail
