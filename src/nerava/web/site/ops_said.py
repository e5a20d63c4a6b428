"""What pages of operations say after something was done."""

from __future__ import annotations

from typing import Final

OPS_SAID: Final[dict[str, str]] = {
    "asked": "Asked. It happens when a second person agrees.",
    "proposed": "Proposed. Somebody else of finance lets it go.",
    "reviewed": "Passed. It waits for a batch.",
    "payout-rejected": "Rejected. What was set aside is its owner's again.",
    "hurried": "The provider is asked in a moment.",
    "let-go": "Let go. The payouts are on their way.",
    "refused": "Refused. Nothing happened.",
    "agreed": "Agreed. It is done.",
    "closed": "Closed.",
    "proof-asked": "Asked. All of the books are read soon, in the background.",
    "reversed": "Reversed. This is the transaction that did it.",
    "corrected": "Corrected. This is the transaction that did it.",
    "merchant-made": "Made known. Now give somebody the role of its owner.",
    "suspended": "Suspended. Its offers are not shown any more.",
    "reopened": "Open again. Its live offers are shown.",
    "periods-closed": "What was over is closed.",
    "payment-booked": "Booked.",
    "decided": "Decided.",
    "given": "Given. The driver has it.",
    "taken-back": "Taken back.",
    "taken-back-owed": "Taken back. What was not there any more stays owed.",
    "stopped": "Stopped. It holds everywhere within five seconds.",
    "release-asked": "Asked. It works again when a second person agrees.",
    "released": "It works again.",
    "retried": "It is worked on once more.",
    "kept": "It is kept from now on.",
    "lifted": "Lifted.",
    "reading": "Its lists are read in a moment.",
    "peer-ended": "Ended. Its tokens are worth nothing any more.",
    "role-given": "The role is given.",
    "role-taken": "The role is taken away.",
    "key-revoked": "Revoked. The key is worth nothing any more.",
}
"""By the word that the address of the next page carries."""
