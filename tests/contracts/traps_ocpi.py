"""What is easy to get wrong with OCPI."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "C1": "The specification's own sample token decodes to a value with a line feed.",
    "C2": "HTTP 200 with a status code of two thousand is a failure, whatever stands in data.",
    "C3": "A PATCH without last_updated is refused with 2001.",
    "C4": "A PATCH of charging periods appends, a PUT replaces, and a repeated PATCH appends nothing.",
    "C5": "A PATCH for something unknown is HTTP 404, and then the whole object comes.",
    "C6": "Of a credit only the cost is negative; its energy is not to be counted again.",
    "C7": "A corrected record follows its credit under a new id.",
    "C8": "A record comes before its session, or names none.",
    "C9": "The record of an invalid session, or of a reservation without energy, earns nothing.",
    "C10": "Somebody sends watt-hours where kilowatt-hours belong.",
    "C11": "Latitude and longitude are exchanged.",
    "C12": "The first second of 1970 is no start, and #NA is no EVSE.",
    "C13": "Negative energy flows back to the grid and earns nothing.",
    "C14": "Instants without a zone are UTC, and offsets come although they are not allowed.",
    "C15": "Unknown fields and unknown words are kept as they are.",
    "C16": "An unknown token is HTTP 404 with 2004, and a missing location may be 2002.",
    "C17": "Without a type a token is RFID, and one uid may exist as both kinds.",
    "C18": "A reservation is called RESERVED or RESERVATION.",
    "C19": "Our versions are asked for while our credentials are on their way.",
    "C20": "Charging at home is not a public session.",
    "C21": "Ids of records have up to 39 characters.",
    "C22": "Time parked is no time charging.",
}
