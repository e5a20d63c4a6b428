"""What drivers are told about their cars, and what they can do."""

from __future__ import annotations

from typing import Final

from nerava.vehicles.ports import ACCOUNT_TROUBLE

_CURE: Final = {
    "ACCOUNT_ISSUE": "Its maker asks you to do something in the car's own app first.",
    "AUTHENTICATION_FAILED": "The password of your account at its maker has changed.",
    "NO_VEHICLES": "Your account at its maker has no car any more.",
    "PERMISSION": "Your account at its maker may not see this car.",
    "SUBSCRIPTION": "Your subscription at its maker has run out.",
    "VEHICLE_MISSING": "The car is not in your account at its maker any more.",
    "VIRTUAL_KEY_REQUIRED": "The car asks for a virtual key; its maker's app adds one.",
}
_AGAIN: Final = "Your consent is over or has changed."


def broken_text(name: str, trouble: str) -> str:
    """Return what a driver is told when their car can no longer be read."""
    why = _CURE.get(trouble.removeprefix(ACCOUNT_TROUBLE), _AGAIN)
    return f"Nerava can no longer see when your {name} charges. {why} Connect it again to go on earning."


def mended_text(name: str) -> str:
    """Return what a driver is told when it can be read again."""
    return f"Nerava sees again when your {name} charges."


def ended_text(name: str) -> str:
    """Return what a driver is told when the connection was ended at the provider."""
    return f"Your {name} was disconnected from Nerava. Connect it again to go on earning."


def review_text(name: str) -> str:
    """Return what a driver is told when a person has to look at a new connection."""
    return f"Your {name} is connected to another account, too. It earns once somebody has looked at it."


def name_of(make: str, model: str) -> str:
    """Return how a car is called in a sentence."""
    return f"{make} {model}".strip() or "car"
