"""Names are read as they are written, in every script; what hides or turns text around is refused."""

from __future__ import annotations

import pytest

from nerava.kernel.wording import readable

FLAG_OF_ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    "name",
    [
        "Café Ümlaut & Söhne 7",
        "مقهى الشاحن",
        "בית קפה\u200f (A1)",
        "م\u06cc\u200cخو\u0627\u0647م",
        "क्\u200dष",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467 Family",
        "\u2764\ufe0f\u200d\U0001f525",
        FLAG_OF_ENGLAND,
        "\u0600\u0661\u0662",
        "7-9",
    ],
)
def test_names_of_every_script_are_taken_as_they_are(name: str) -> None:
    assert readable(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Cof\u200bfee", "U+200B"),
        ("Cof\u200dfee", "U+200D"),
        ("\u200d\u2615", "U+200D"),
        ("\u2615\u200d", "U+200D"),
        ("\u2615\u200d\u200d\u2615", "U+200D"),
        ("Bar \u202eeeffoc", "U+202E"),
        ("Bar \u2067x\u2069", "U+2067"),
        ("\ufeffBar", "U+FEFF"),
        ("Ba\u00adr", "U+00AD"),
        ("Ba\u2060r", "U+2060"),
        ("Bar\U000e0067", "U+E0067"),
        ("Bar\u2028two", "U+2028"),
        ("\u3164", "U+3164"),
        ("\ud800", "U+D800"),
        ("\u200f\u200e", "shows nothing"),
        ("\ufe0f", "shows nothing"),
        (" \u2003", "shows nothing"),
        ("", "shows nothing"),
    ],
)
def test_what_hides_or_turns_text_around_is_refused(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"shows|sign") as refusal:
        readable(name)
    assert why in str(refusal.value)
