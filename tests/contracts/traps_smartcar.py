"""What is easily done wrong with Smartcar."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "S1": "The signature is over the bytes as they came; the same facts written anew are refused.",
    "S2": "A VERIFY gets its answer and nothing else, signed or not, once or ten times.",
    "S3": "What is of mode TEST, or of a simulated car, never earns.",
    "S4": "A charge level is 0 to 100 in the third interface, 0 to 1 in the second, and 0.77 without a unit.",
    "S5": "A signal without a status is a success if it has a body.",
    "S6": "A signal with an error has no body and leaves the others as they are.",
    "S7": "Only `oemUpdatedAt` counts; where it is missing, 0 or hours old, nothing is proven.",
    "S8": "A place of LAST_PARKED may be yesterday's.",
    "S9": "An event comes twice at once, and an older one after a newer one.",
    "S10": "Signals are named by a string in old payloads and by an object in new ones, once the wrong way round.",
    "S11": "A year is a number or text, and an identification number may not have 17 characters.",
    "S12": "501, and 502 for a rate limit, are not tried again.",
    "S13": "A login page with status 200 is no answer.",
    "S14": "A batch is 200 outside and 403 for one path inside.",
    "S15": "Two workers that renew one token at once reach Smartcar once.",
    "S16": "A car that two accounts connected earns for one of them, and a person looks at the other.",
    "S17": "`deliveredAt` is a number or text, and `retrievedAt` may be called `fetchedAt`.",
    "S18": "Events stop after four tries that failed; the car is asked, and the end of its charge is found.",
}
