"""What payouts refuse by raising; what becomes of one that was accepted is a state instead."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class PayoutsOff(NeravaError):
    """No provider is connected; nothing was executed."""

    code = "payouts-off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Nobody can be paid out here yet"
    outcome = "not_executed"
    retry_after_s = 300


class ProviderUnsure(NeravaError):
    """The provider did not answer as it should; asked again, it goes on from where it is."""

    code = "provider-unsure"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The provider did not answer; ask again"
    outcome = "unknown"
    retry_after_s = 5


class UnknownPayoutMethod(NeravaError):
    """There is no such method, or it is somebody else's."""

    code = "unknown-payout-method"
    status = HTTPStatus.NOT_FOUND
    title = "No such payout method"


class MethodNotReady(NeravaError):
    """Nothing can be paid to this method now."""

    code = "payout-method-not-ready"
    status = HTTPStatus.CONFLICT
    title = "This payout method cannot be used"


class MethodInUse(NeravaError):
    """A payout to this method is not over."""

    code = "payout-method-in-use"
    status = HTTPStatus.CONFLICT
    title = "A payout to it is not over yet"


class ContactNeeded(NeravaError):
    """Nothing is paid to somebody who could not be reached if it went wrong."""

    code = "contact-needed"
    status = HTTPStatus.FORBIDDEN
    title = "Verify a phone number or an e-mail address first"


class WeekLimitReached(NeravaError):
    """Together with the last seven days it would be too much; nothing was held."""

    code = "payout-week-limit"
    status = HTTPStatus.CONFLICT
    title = "The limit of seven days is reached"


class NotEnough(NeravaError):
    """There is less than the amount and its fee; nothing was held."""

    code = "not-enough-for-payout"
    status = HTTPStatus.CONFLICT
    title = "Not enough for this payout and its fee"


class FeeChanged(NeravaError):
    """The fee is not the one that was confirmed; nothing was held."""

    code = "payout-fee-changed"
    status = HTTPStatus.CONFLICT
    title = "The fee has changed; ask for a new quote"


class UnknownPayout(NeravaError):
    """There is no such payout, or it is somebody else's."""

    code = "unknown-payout"
    status = HTTPStatus.NOT_FOUND
    title = "No such payout"


class WrongPayoutState(NeravaError):
    """The payout is not in a state from which this can happen."""

    code = "wrong-payout-state"
    status = HTTPStatus.CONFLICT
    title = "The payout is in another state"


class ReviewNeeded(NeravaError):
    """Something about the payout is unusual, and nobody has looked at it yet."""

    code = "payout-review-needed"
    status = HTTPStatus.CONFLICT
    title = "Somebody must review this payout first"


class OnHold(NeravaError):
    """Something about the owner changed lately; until then nothing is paid."""

    code = "payout-on-hold"
    status = HTTPStatus.CONFLICT
    title = "This payout is on hold"


class UnknownBatch(NeravaError):
    """Nobody proposed this."""

    code = "unknown-payout-batch"
    status = HTTPStatus.NOT_FOUND
    title = "No such batch of payouts"


class BatchDecided(NeravaError):
    """Somebody has decided already."""

    code = "payout-batch-decided"
    status = HTTPStatus.CONFLICT
    title = "This batch waits no longer"


class NotGoneYet(NeravaError):
    """The provider has not shown twice that there is nothing; a payout is not failed by a guess."""

    code = "payout-not-gone"
    status = HTTPStatus.CONFLICT
    title = "It is not proven that this was not sent"


class UnknownCase(NeravaError):
    """There is no such case."""

    code = "unknown-payout-case"
    status = HTTPStatus.NOT_FOUND
    title = "No such case"


class CaseClosed(NeravaError):
    """Somebody has closed it already."""

    code = "payout-case-closed"
    status = HTTPStatus.CONFLICT
    title = "This case is closed"


class UnknownRun(NeravaError):
    """There was no such comparison."""

    code = "unknown-reconciliation"
    status = HTTPStatus.NOT_FOUND
    title = "No such reconciliation"
