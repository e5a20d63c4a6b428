"""Who may see what this process measures."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from http import HTTPStatus
from typing import TYPE_CHECKING

from nerava.kernel.errors import NeravaError

if TYPE_CHECKING:
    from collections.abc import Sequence


class OperatorTokenWrong(NeravaError):
    """The operator's token is missing, or it is another one."""

    code = "operator-token-wrong"
    status = HTTPStatus.UNAUTHORIZED
    title = "Send the operator's token"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class OperatorToken:
    """The token of who operates this installation; None is none, and then everybody who gets here may."""

    value: str | None = field(repr=False)

    def opens(self, headers: Sequence[str]) -> bool:
        """Whether these `Authorization` headers show the token; takes as long whatever they hold."""
        if self.value is None:
            return True
        return self.is_shown(headers)

    def is_shown(self, headers: Sequence[str]) -> bool:
        """Whether there is a token, and these `Authorization` headers show it."""
        shown = headers[0] if len(headers) == 1 else ""
        scheme, _, sent = shown.partition(" ")
        # Digests are compared: neither how long the token is nor how much of it is right takes time.
        is_right = compare_digest(_digest(sent.strip()), _digest(self.value or ""))
        return is_right and scheme.lower() == "bearer" and self.value is not None


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()
