"""What the rewards package refuses by raising; what a session does not earn is a decision instead."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class UnknownSponsor(NeravaError):
    """No sponsor has this id."""

    code = "unknown-sponsor"
    status = HTTPStatus.NOT_FOUND
    title = "No such sponsor"


class UnknownCampaign(NeravaError):
    """No campaign has this id."""

    code = "unknown-campaign"
    status = HTTPStatus.NOT_FOUND
    title = "No such campaign"


class UnknownDecision(NeravaError):
    """The session has not been evaluated yet."""

    code = "unknown-decision"
    status = HTTPStatus.NOT_FOUND
    title = "No decision yet"


class TooManySessions(NeravaError):
    """More sessions than one answer reads."""

    code = "too-many-sessions"
    status = HTTPStatus.CONFLICT
    title = "Too many sessions for one answer"


class TooSlow(NeravaError):
    """An answer that took longer than anybody is let wait; nothing was changed."""

    code = "too-slow"
    status = HTTPStatus.CONFLICT
    title = "It takes too long for one answer"


class DryRunBusy(NeravaError):
    """Another dry run is on its way in this process."""

    code = "dry-run-busy"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Another dry run is on its way"
    retry_after_s = 5


class WrongCampaignState(NeravaError):
    """The campaign is not in a state from which this can happen."""

    code = "wrong-campaign-state"
    status = HTTPStatus.CONFLICT
    title = "The campaign is in another state"


class SponsorStopped(NeravaError):
    """A payment of the sponsor is disputed: its money is not put to use until that is decided."""

    code = "sponsor-stopped"
    status = HTTPStatus.CONFLICT
    title = "The sponsor is stopped"
    outcome = "not_executed"


class UnknownDispute(NeravaError):
    """No dispute has this id."""

    code = "unknown-dispute"
    status = HTTPStatus.NOT_FOUND
    title = "No such dispute"


class NotStopped(NeravaError):
    """The dispute stops nobody and waits for nobody: it was decided, or somebody has seen to it."""

    code = "not-stopped"
    status = HTTPStatus.CONFLICT
    title = "This dispute stops nobody"


class InsufficientFunds(NeravaError):
    """The sponsor's deposits do not cover the amount; nothing was moved."""

    code = "insufficient-funds"
    status = HTTPStatus.CONFLICT
    title = "Not enough deposited"


class FundingDiffers(NeravaError):
    """The same reference was used before for another amount; nothing was moved."""

    code = "funding-differs"
    status = HTTPStatus.CONFLICT
    title = "The reference belongs to another payment"


class PostingRefused(NeravaError):
    """The ledger refused a posting that should have been possible; nothing was moved."""

    code = "posting-refused"
    status = HTTPStatus.CONFLICT
    title = "The ledger refused"


class PaymentsOff(NeravaError):
    """No provider takes payments here; deposits come by bank transfer, which ops enters."""

    code = "payments-off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Payments are not connected"
    outcome = "not_executed"
    retry_after_s = 3_600


class UnknownCheckout(NeravaError):
    """The sponsor has no payment of this id."""

    code = "unknown-checkout"
    status = HTTPStatus.NOT_FOUND
    title = "No such payment"


class NotRefundable(NeravaError):
    """More than what the sponsor's payments can give back; nothing was reserved."""

    code = "not-refundable"
    status = HTTPStatus.CONFLICT
    title = "More than can be refunded"


class NotOver(NeravaError):
    """The campaign has not ended, or still holds rewards that wait for proof."""

    code = "campaign-not-over"
    status = HTTPStatus.CONFLICT
    title = "The campaign is not over"


class UnknownGrant(NeravaError):
    """No grant has this id."""

    code = "unknown-grant"
    status = HTTPStatus.NOT_FOUND
    title = "No such grant"


class WrongGrantState(NeravaError):
    """Only points that were given can be taken back, and only while the grant names its driver."""

    code = "wrong-grant-state"
    status = HTTPStatus.CONFLICT
    title = "The grant is in another state"


class MoreThanStands(NeravaError):
    """More than what stands of the grant and has not expired; nothing was taken."""

    code = "more-than-stands"
    status = HTTPStatus.CONFLICT
    title = "More than what stands of the grant"


class UnknownReferralCode(NeravaError):
    """Nobody has this code."""

    code = "unknown-referral-code"
    status = HTTPStatus.NOT_FOUND
    title = "No such code"


class OwnReferralCode(NeravaError):
    """Nobody refers themselves."""

    code = "own-referral-code"
    status = HTTPStatus.CONFLICT
    title = "This is your own code"


class AlreadyReferred(NeravaError):
    """Who told somebody is said once."""

    code = "already-referred"
    status = HTTPStatus.CONFLICT
    title = "You have named somebody before"


class ReferralTooLate(NeravaError):
    """Who told somebody is said within 14 days of their sign-up."""

    code = "referral-too-late"
    status = HTTPStatus.CONFLICT
    title = "Too long after the sign-up"
