"""A contact has one spelling, and money decides where SMS may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerava.identity.contacts import Channel, Contact, ContactInvalid, ContactKind, read_contact


@pytest.mark.parametrize(
    "text", ["+12025550123", " +1 202 555 0123 ", "+1 (202) 555-0123", "+1.202.555.0123", "+1/2025550123"]
)
def test_a_phone_number_has_one_spelling(text: str) -> None:
    assert read_contact(Channel.SMS, text) == Contact(ContactKind.PHONE, "+12025550123")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2025550199",
        "0012025550123",
        "+02025550123",
        "+1202555012a",
        "+123456",
        "+1234567890123456",
        "+1202\n5550123",
        "+1202555012\u0663",
        "tel:+12025550123",
        "+1202555+0123",
    ],
)
def test_what_is_no_phone_number_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ContactInvalid) as refused:
        read_contact(Channel.SMS, text)
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Ann@Example.ORG", "ann@example.org"),
        (" ann.b+nerava@mail.example.co ", "ann.b+nerava@mail.example.co"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        (f"{'a' * 64}@example.org", f"{'a' * 64}@example.org"),
    ],
)
def test_an_address_is_lower_case(text: str, kept: str) -> None:
    assert read_contact(Channel.EMAIL, text) == Contact(ContactKind.EMAIL, kept)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann@",
        "@example.org",
        "ann@localhost",
        "ann@@example.org",
        "ann@exa mple.org",
        ".ann@example.org",
        "ann.@example.org",
        "an..n@example.org",
        "ann@-example.org",
        "ann@example.org.",
        "ann@[127.0.0.1]",
        "ann@example.1",
        '"ann"@example.org',
        "ann@example.org\r\nBcc: bob@example.org",
        "ann@example.org,bob@example.org",
        "änn@example.org",
        f"{'a' * 65}@example.org",
        f"a@{'b.' * 126}example.org",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ContactInvalid):
        read_contact(Channel.EMAIL, text)


@given(st.text(max_size=300), st.sampled_from(Channel))
def test_whatever_is_accepted_is_one_line_of_ascii_and_spelt_the_same_again(
    text: str, channel: Channel
) -> None:
    try:
        found = read_contact(channel, text)
    except ContactInvalid:
        return
    assert found.value.isascii()
    assert found.value.isprintable()
    assert " " not in found.value
    assert read_contact(channel, found.value) == found


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        ("+12025550123", "+1202555"),
        ("+79161234567", "+7916123"),
        ("+493012345678", "+49301234"),
        ("+358501234567", "+358501234"),
        ("+8613812345678", "+86138123"),
    ],
)
def test_a_prefix_is_the_calling_code_and_six_digits(number: str, prefix: str) -> None:
    assert read_contact(Channel.SMS, number).number_prefix == prefix


@pytest.mark.parametrize(
    ("number", "allowed", "within"),
    [
        ("+12025550123", ("+1",), True),
        ("+12025550123", ("+49", "+1202"), True),
        ("+12025550123", ("+49",), False),
        ("+12025550123", (), False),
        ("+18765550123", ("+1",), False),
        ("+18765550123", ("+1", "+1876"), True),
        ("+18095550123", ("+1",), False),
        ("+18085550123", ("+1",), True),
        ("+493012345678", ("+4",), True),
    ],
)
def test_dear_islands_are_not_meant_by_their_neighbours_code(
    number: str, allowed: tuple[str, ...], within: bool
) -> None:
    assert read_contact(Channel.SMS, number).is_within(allowed) is within


def test_a_contact_does_not_show_itself() -> None:
    contact = read_contact(Channel.SMS, "+12025550123")
    assert "2025550123" not in f"{contact} {contact!r} {[contact]}"
