"""A provider of payments that has a name and is never called."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from uuid import UUID


class Till:
    """`PaymentProvider` for tests that end before anything is sent."""

    name = "stripe"

    def open_checkout(
        self, reference: UUID, *, amount_minor: int, currency: str, return_url: str, key: str
    ) -> NoReturn:
        """Fail the test."""
        raise AssertionError("nothing is sent here")

    def checkout(self, checkout: str) -> NoReturn:
        """Fail the test."""
        raise AssertionError("nothing is sent here")

    def refund(self, payment: str, reference: UUID, *, amount_minor: int, key: str) -> NoReturn:
        """Fail the test."""
        raise AssertionError("nothing is sent here")

    def refunds_of(self, payment: str) -> NoReturn:
        """Fail the test."""
        raise AssertionError("nothing is sent here")
