"""Who may see what this process measures."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from nerava.kernel.errors import NeravaError
from nerava.platform.live_secrets import live, versions
from nerava.platform.secrets import SecretMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nerava.platform.live_secrets import Given


class OperatorTokenWrong(NeravaError):
    """The operator's token is missing, or it is another one."""

    code = "operator-token-wrong"
    status = HTTPStatus.UNAUTHORIZED
    title = "Send the operator's token"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class OperatorToken:
    """The token of who operates this installation.

    Attributes:
        accepted: Returns the versions that are accepted now. None: there is no token, and everybody
            who gets here may see.
    """

    accepted: Callable[[], list[bytes]] | None = field(repr=False)

    @classmethod
    def of(cls, given: Given | None) -> Self:
        """Return the token that a setting names; None is none."""
        return cls(None if given is None else versions(live(given)))

    def opens(self, headers: Sequence[str]) -> bool:
        """Whether these `Authorization` headers show the token; takes as long whatever they hold."""
        return self.accepted is None or self.is_shown(headers)

    def is_shown(self, headers: Sequence[str]) -> bool:
        """Whether there is a token, and these `Authorization` headers show it; without its source none do."""
        shown = headers[0] if len(headers) == 1 else ""
        scheme, _, sent = shown.partition(" ")
        # Digests are compared: neither how long the token is nor how much of it is right takes time.
        shown_digest = sha256(sent.strip().encode("utf-8", "surrogateescape")).digest()
        try:
            known = [] if self.accepted is None else self.accepted()
        except SecretMissing:
            known = []
        are_right = [compare_digest(shown_digest, sha256(one).digest()) for one in known]
        return any(are_right) and scheme.lower() == "bearer"
