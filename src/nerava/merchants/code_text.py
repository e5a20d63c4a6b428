"""How a code is written and read: ten characters for people and a check character, in Crockford's base32."""

from __future__ import annotations

from typing import Final

from nerava.merchants.errors import CodeMistyped

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHARACTERS: Final = 10
BITS: Final = 5 * CHARACTERS
GROUP: Final = 4

_BASE: Final = len(ALPHABET)
_READ: Final = str.maketrans("OIL", "011", "- \t")
_VALUE: Final = {letter: value for value, letter in enumerate(ALPHABET)}


def spell(number: int) -> str:
    """Return the code of a number below 2^50: ten characters and the check character."""
    letters = "".join(ALPHABET[number >> shift & _BASE - 1] for shift in range(BITS - 5, -1, -5))
    return letters + _check(letters)


def read(text: str) -> str:
    """Return the code that somebody typed: any case, O for 0, I and L for 1, hyphens and blanks anywhere.

    Raises:
        CodeMistyped: It has another length, a character that no code has, or fails its check (422).
    """
    code = text.upper().translate(_READ)
    if len(code) != CHARACTERS + 1 or not all(letter in _VALUE for letter in code):
        message = f"a code has {CHARACTERS + 1} letters and digits; U is not one of them"
        raise CodeMistyped(message)
    if _check(code[:-1]) != code[-1]:
        raise CodeMistyped
    return code


def in_groups(code: str) -> str:
    """Return a code as it is shown: `7QK4-M2PX-T9T`."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def _check(letters: str) -> str:
    """Return the check character: Luhn's modulo 32, which sees every single wrong character."""
    total = 0
    for place, letter in enumerate(reversed(letters)):
        doubled = _VALUE[letter] * (1 if place % 2 else 2)
        total += doubled // _BASE + doubled % _BASE
    return ALPHABET[-total % _BASE]
