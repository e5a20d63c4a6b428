"""One call of Stripe's API with its parameters understood."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.stripe.problems import invalid, missing

if TYPE_CHECKING:
    from nerava.simulators.wire import Json

_WHOLE: Final = re.compile(r"-?\d+\Z")
_CURRENCIES: Final = frozenset(
    [
        "usd",
        "eur",
        "gbp",
        "cad",
        "aud",
        "jpy",
        "krw",
        "chf",
        "dkk",
        "nok",
        "sek",
        "pln",
        "czk",
        "mxn",
        "brl",
        "nzd",
        "sgd",
        "hkd",
        "inr",
        "bhd",
        "kwd",
    ]
)
AMOUNT_MAX: Final = 99_999_999
METADATA_KEYS_MAX: Final = 50
METADATA_NAME_MAX: Final = 40
METADATA_VALUE_MAX: Final = 500


@dataclass(slots=True)
class Asked:
    """A call that was let in.

    Attributes:
        account: Whose objects it is about: the platform's account, or a connected one.
        origin: Where the caller reached us; pages for people are below it.
        ids: The ids in the path.
    """

    params: Json
    account: str
    origin: str
    request_id: str
    key: str | None = None
    ids: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Any:  # noqa: ANN401 - text, object or list
        """Return a parameter by its dotted path; None when it is absent or empty."""
        here: Any = self.params
        for part in path.split("."):
            here = here.get(part) if isinstance(here, dict) else None
        return None if here == "" else here

    def text(self, path: str) -> str | None:
        """Return a parameter that is text; None when it is absent."""
        found = self.get(path)
        if found is not None and not isinstance(found, str):
            raise invalid(_wire_name(path), f"Invalid string: {found}")
        return found

    def need(self, path: str) -> str:
        """Return a parameter that must be there."""
        found = self.text(path)
        if found is None:
            raise missing(_wire_name(path))
        return found

    def whole(self, path: str) -> int | None:
        """Return a parameter that is a whole number; None when it is absent."""
        found = self.text(path)
        if found is None:
            return None
        if not _WHOLE.match(found):
            raise invalid(_wire_name(path), f"Invalid integer: {found}", "parameter_invalid_integer")
        return int(found)

    def truth(self, path: str) -> bool | None:
        """Return a parameter that is true or false; None when it is absent."""
        found = self.text(path)
        if found not in {None, "true", "false"}:
            raise invalid(_wire_name(path), f"Invalid boolean: {found}")
        return None if found is None else found == "true"

    def amount(self, path: str = "amount") -> int | None:
        """Return an amount in the currency's smallest unit, at least 1; None when it is absent."""
        found = self.whole(path)
        if found is None:
            return None
        name = _wire_name(path)
        if found < 1:
            raise invalid(name, "Invalid positive integer", "parameter_invalid_integer")
        if found > AMOUNT_MAX:
            raise invalid(name, f"Amount must be no more than {AMOUNT_MAX}", "amount_too_large")
        return found

    def need_amount(self, path: str = "amount") -> int:
        """Return an amount that must be there."""
        found = self.amount(path)
        if found is None:
            raise missing(_wire_name(path))
        return found

    def currency(self, path: str = "currency") -> str:
        """Return a currency in lower case; it must be there."""
        found = self.need(path).lower()
        if found not in _CURRENCIES:
            raise invalid(_wire_name(path), f"Invalid currency: {found}.")
        return found

    def metadata(self, path: str = "metadata") -> dict[str, str]:
        """Return metadata; empty when there is none."""
        found = self.get(path)
        if found is None:
            return {}
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise invalid(_wire_name(path), "Metadata is a set of names with text.")
        if len(found) > METADATA_KEYS_MAX:
            raise invalid(_wire_name(path), f"Metadata has at most {METADATA_KEYS_MAX} keys.")
        for name, value in found.items():
            if len(name) > METADATA_NAME_MAX or len(value) > METADATA_VALUE_MAX:
                raise invalid(_wire_name(path), f"Metadata {name} is too long.")
        return dict(found)

    def changed_metadata(self, before: dict[str, str]) -> dict[str, str]:
        """Return metadata after an update: named keys are replaced, empty ones removed, others stay."""
        if self.params.get("metadata") == "":
            return {}
        after = {**before, **self.metadata()}
        return {name: value for name, value in after.items() if value != ""}

    def one_of(self, path: str, allowed: tuple[str, ...]) -> str | None:
        """Return a parameter that is one of some words; None when it is absent."""
        found = self.text(path)
        if found is not None and found not in allowed:
            words = ", ".join(allowed)
            raise invalid(_wire_name(path), f"Invalid {path}: must be one of {words}")
        return found

    def texts(self, path: str) -> list[str]:
        """Return a parameter that is a list of text; empty when it is absent."""
        found = self.get(path)
        if found is None:
            return []
        if not isinstance(found, list):
            raise invalid(_wire_name(path), "Invalid array")
        return [str(one) for one in found]


def _wire_name(path: str) -> str:
    first, *rest = path.split(".")
    return first + "".join(f"[{part}]" for part in rest)
