"""A pass in Google's words: one class for all of them, and one object for each driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nerava.passes.ports import Content


@dataclass(frozen=True, slots=True)
class Program:
    """Whose passes these are.

    Attributes:
        issuer_id: Our number at Google, which all names begin with.
        name: The rest of the name of the class.
        organization: As people read it.
        logo_url: A picture that Google fetches.
    """

    issuer_id: str
    name: str
    organization: str
    logo_url: str

    @property
    def class_id(self) -> str:
        """The name of the class."""
        return f"{self.issuer_id}.{self.name}"

    def object_id(self, content: Content) -> str:
        """Return the name of a driver's object."""
        return f"{self.issuer_id}.{content.serial}"


def loyalty_class(program: Program) -> dict[str, Any]:
    """Return what all passes have in common."""
    return {
        "id": program.class_id,
        "issuerName": program.organization,
        "programName": program.organization,
        "programLogo": {"sourceUri": {"uri": program.logo_url}},
        "reviewStatus": "UNDER_REVIEW",
    }


def loyalty_object(program: Program, content: Content) -> dict[str, Any]:
    """Return what one pass shows; of one that was voided nothing is left to show."""
    named = {"id": program.object_id(content), "classId": program.class_id}
    if content.is_voided:
        empty = {"label": "Nova", "balance": {"int": 0}}
        return {**named, "state": "INACTIVE", "loyaltyPoints": empty, "textModulesData": []}
    return {
        **named,
        "state": "ACTIVE",
        "loyaltyPoints": {"label": "Nova", "balance": {"int": content.points}},
        "textModulesData": [{"id": "tier", "header": "Tier", "body": content.tier}],
        "barcode": {
            "type": "QR_CODE",
            # It says who somebody is and pays nothing: no register takes it for a code.
            "value": f"nerava:pass:{content.serial}",
            "alternateText": "Member",
        },
    }
