"""What an example of an operation that names an object consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.http.conftest import Caller


@dataclass(frozen=True, slots=True)
class Example:
    """A request that its owner may send.

    Attributes:
        owner: Who may; nobody else's object is at this address.
        names: What stands in the place of each path parameter.
        missing: The same for an object that does not exist.
    """

    owner: Caller
    names: dict[str, str]
    missing: dict[str, str]
    body: object = None
    keyed: bool = False
    query: dict[str, Any] = field(default_factory=dict)
