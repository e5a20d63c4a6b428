"""Rows of recordings become sessions or are refused for one stated reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerava.charging.evidence import SessionPrice
from nerava.charging.recordings import (
    ACN,
    EPFL,
    NERAVA,
    ColumnMapping,
    ColumnsMissing,
    Constant,
    Limits,
    MappingInvalid,
    Reason,
    RecordedSession,
    RefusedRow,
    Row,
    mapping_for,
    mapping_from,
    parse,
)

NOW = datetime(2026, 12, 1, tzinfo=UTC)
LIMITS = Limits(now=NOW)
CLEAN: dict[str, object] = {
    "reference": "S-1",
    "site": "Depot",
    "station": "D-01",
    "timezone": "America/Chicago",
    "started_at": "2026-06-01T22:00:00-05:00",
    "ended_at": "2026-06-02T01:30:00-05:00",
    "energy_wh": "21500",
    "user": "card-7",
    "power_w_max": "11000",
    "price": "12.34",
    "currency": "USD",
}
KWH = ColumnMapping(
    name="kwh",
    reference=("reference",),
    site="site",
    station="station",
    timezone="timezone",
    started_at="started_at",
    ended_at="ended_at",
    energy="energy_wh",
)


# A machine with other work to do is slow at any example; that says nothing about the code.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcomes(
    *changes: dict[str, object], mapping: ColumnMapping = NERAVA
) -> list[RecordedSession | RefusedRow]:
    rows = [Row(number, CLEAN | change) for number, change in enumerate(changes, start=2)]
    return list(parse(rows, mapping, LIMITS))


def session_of(mapping: ColumnMapping = NERAVA, /, **changes: object) -> RecordedSession:
    (outcome,) = outcomes(changes, mapping=mapping)
    assert isinstance(outcome, RecordedSession), outcome
    return outcome


def refusal_of(mapping: ColumnMapping = NERAVA, /, **changes: object) -> RefusedRow:
    (outcome,) = outcomes(changes, mapping=mapping)
    assert isinstance(outcome, RefusedRow), outcome
    return outcome


def test_a_clean_row_becomes_a_session_with_every_field() -> None:
    assert session_of() == RecordedSession(
        row=2,
        reference="S-1",
        site="Depot",
        station="D-01",
        started_at=datetime(2026, 6, 2, 3, 0, tzinfo=UTC),
        ended_at=datetime(2026, 6, 2, 6, 30, tzinfo=UTC),
        energy_wh=21_500,
        timezone="America/Chicago",
        user="card-7",
        power_w_max=11_000,
        price=SessionPrice(1_234, "USD"),
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ended_at": ""}, Reason.NO_END),
        ({"ended_at": "null"}, Reason.NO_END),
        ({"ended_at": "NaT"}, Reason.NO_END),
        ({"ended_at": None}, Reason.NO_END),
        ({"started_at": " \t"}, Reason.NO_START),
        ({"energy_wh": "-"}, Reason.NO_ENERGY),
        ({"reference": ""}, Reason.NO_REFERENCE),
        ({"site": ""}, Reason.NO_SITE),
        ({"station": "None"}, Reason.NO_STATION),
        ({"timezone": ""}, Reason.NO_TIMEZONE),
        ({"energy_wh": "0"}, Reason.ZERO_ENERGY),
        ({"energy_wh": "0.5"}, Reason.ZERO_ENERGY),
        ({"energy_wh": 0.0}, Reason.ZERO_ENERGY),
        ({"energy_wh": "-0.0001"}, Reason.NEGATIVE_ENERGY),
        ({"energy_wh": -3}, Reason.NEGATIVE_ENERGY),
        ({"energy_wh": float("nan")}, Reason.BAD_NUMBER),
        ({"energy_wh": "Infinity"}, Reason.BAD_NUMBER),
        ({"energy_wh": float("inf")}, Reason.BAD_NUMBER),
        ({"energy_wh": "1_000"}, Reason.BAD_NUMBER),
        ({"energy_wh": "12,5"}, Reason.BAD_NUMBER),
        ({"energy_wh": "١٢"}, Reason.BAD_NUMBER),
        ({"energy_wh": "1e999"}, Reason.BAD_NUMBER),
        ({"energy_wh": 10**60}, Reason.BAD_NUMBER),
        ({"energy_wh": True}, Reason.BAD_NUMBER),
        ({"energy_wh": [5]}, Reason.BAD_NUMBER),
        ({"started_at": "yesterday"}, Reason.BAD_TIME),
        ({"started_at": "2026-06-01"}, Reason.BAD_TIME),
        ({"started_at": "2026-02-29T10:00:00Z"}, Reason.BAD_TIME),
        ({"started_at": 1_780_000_000}, Reason.BAD_TIME),
        ({"started_at": "0001-01-01T00:00:00+14:00"}, Reason.BAD_TIME),
        ({"ended_at": "9999-12-31T23:59:59-14:00"}, Reason.BAD_TIME),
        ({"timezone": "EST"}, Reason.BAD_TIMEZONE),
        ({"timezone": "localtime"}, Reason.BAD_TIMEZONE),
        ({"timezone": "America/../UTC"}, Reason.BAD_TIMEZONE),
        ({"timezone": "America/Atlantis"}, Reason.BAD_TIMEZONE),
        ({"ended_at": "2026-06-01T21:59:59-05:00"}, Reason.NEGATIVE_DURATION),
        ({"ended_at": "1970-01-01T00:00:00Z"}, Reason.NEGATIVE_DURATION),
        ({"ended_at": "2026-06-01T22:00:00-05:00"}, Reason.ZERO_DURATION),
        ({"ended_at": "2026-06-08T22:00:01-05:00"}, Reason.ABSURD_DURATION),
        ({"started_at": "1926-06-01T22:00:00-05:00"}, Reason.WRONG_YEAR),
        ({"started_at": "2009-12-31T23:59:59Z", "ended_at": "2010-01-01T02:00:00Z"}, Reason.WRONG_YEAR),
        ({"ended_at": "2126-06-02T01:30:00-05:00"}, Reason.WRONG_YEAR),
        ({"started_at": "2126-06-01T01:30:00-05:00"}, Reason.WRONG_YEAR),
        ({"energy_wh": "21500000"}, Reason.IMPOSSIBLE_POWER),
        ({"reference": "a\x00b"}, Reason.BAD_TEXT),
        ({"reference": True}, Reason.BAD_TEXT),
        ({"reference": {"id": 1}}, Reason.BAD_TEXT),
        ({"station": "x" * 201}, Reason.BAD_TEXT),
        ({"site": "Z\ufffdrich"}, Reason.BAD_ENCODING),
        ({"site": b"Z\xfcrich".decode(errors="surrogateescape")}, Reason.BAD_ENCODING),
        ({"user": "a\x1bb"}, Reason.BAD_TEXT),
        ({"power_w_max": "much"}, Reason.BAD_NUMBER),
        ({"price": "dear"}, Reason.BAD_NUMBER),
        ({"price": "-0.01"}, Reason.BAD_NUMBER),
        ({"price": "10000001"}, Reason.BAD_NUMBER),
        ({"currency": "$"}, Reason.BAD_CURRENCY),
        ({"currency": ""}, Reason.BAD_CURRENCY),
        ({"power_w_max": "0"}, Reason.BAD_NUMBER),
        ({"power_w_max": "-11000"}, Reason.BAD_NUMBER),
    ],
)
def test_a_dirty_row_is_refused_with_its_number_and_reason(
    changes: dict[str, object], reason: Reason
) -> None:
    refused = refusal_of(**changes)
    assert (refused.row, refused.reason) == (2, reason), refused.detail
    assert refused.reference == (None if "reference" in changes else "S-1")


def test_a_row_without_a_needed_column_names_it() -> None:
    cells = {name: cell for name, cell in CLEAN.items() if name != "ended_at"}
    (refused,) = parse([Row(9, cells)], NERAVA, LIMITS)
    assert refused == RefusedRow(9, "S-1", Reason.MISSING_COLUMN, "there is no 'ended_at'")


def test_a_row_may_lack_the_optional_columns() -> None:
    cells = {name: cell for name, cell in CLEAN.items() if name not in {"user", "power_w_max"}}
    (session,) = parse([Row(2, cells)], NERAVA, LIMITS)
    assert isinstance(session, RecordedSession)
    assert (session.user, session.power_w_max) == (None, None)


@pytest.mark.parametrize("nobody", ["", "null", "None", " n/a ", "NaN", "-", None])
def test_words_for_nothing_do_not_become_one_driver(nobody: str | None) -> None:
    assert session_of(user=nobody).user is None


def test_the_id_of_a_driver_is_not_shown_in_a_refusal() -> None:
    assert "secret" not in refusal_of(user="secret\x00card").detail


def test_what_a_cell_holds_is_shown_escaped_and_short() -> None:
    detail = refusal_of(energy_wh="\x1b[31m" + "9" * 500).detail
    assert "\\x1b[31m" in detail
    assert detail.isprintable()
    assert len(detail) < 100


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        (278.0, "278"),
        (278, "278"),
        (" A 1 ", "A 1"),
        (Decimal(7), "7"),
        ("Zu\u0308rich", "Z\u00fcrich"),
        (1.5, "1.5"),
    ],
)
def test_ids_keep_their_form_and_whole_numbers_lose_their_fraction(cell: object, kept: str) -> None:
    assert session_of(reference=cell).reference == kept


# Energy


@pytest.mark.parametrize(
    ("kwh", "energy_wh"),
    [
        ("44.069", 44_069),
        ("0.0015", 2),
        ("0.0025", 2),
        ("0.00250000000000000000000000000000000001", 3),
        ("1.0005", 1000),
        ("1.0015", 1002),
        ("+7", 7000),
        (".5", 500),
        ("1E1", 10_000),
        (0.1, 100),
        (2.675, 2675),
        (Decimal("1.0005"), 1000),
        (9, 9000),
    ],
)
def test_energy_is_exact_and_halves_go_to_the_even_watt_hour(kwh: object, energy_wh: int) -> None:
    assert session_of(KWH, energy_wh=kwh).energy_wh == energy_wh


@unhurried
@given(st.decimals(min_value=Decimal("0.001"), max_value=1000, allow_nan=False, places=9))
def test_every_energy_is_the_nearest_watt_hour(kwh: Decimal) -> None:
    assert session_of(KWH, energy_wh=str(kwh)).energy_wh == round(Fraction(kwh) * 1000)


@unhurried
@given(st.floats(min_value=1.0, max_value=100_000.0, allow_nan=False))
def test_a_float_means_the_decimal_a_person_sees(energy_wh: float) -> None:
    assert session_of(energy_wh=energy_wh).energy_wh == round(Fraction(repr(energy_wh)))


def test_a_unit_can_be_any_number_of_watt_hours() -> None:
    mapping = mapping_from(DOCUMENT | {"units": {"energy": "0.1"}}, name="tenths")
    assert mapping.energy_wh_each == Decimal("0.1")
    (session,) = parse([Row(2, EXPORT | {"kWh": "123456"})], mapping, LIMITS)
    assert isinstance(session, RecordedSession)
    assert session.energy_wh == 12_346


def test_four_hundred_kilowatts_are_the_last_possible_mean() -> None:
    hour = {"started_at": "2026-06-01T10:00:00Z", "ended_at": "2026-06-01T11:00:00Z"}
    assert session_of(**hour, energy_wh="400000").energy_wh == 400_000
    refused = refusal_of(**hour, energy_wh="400001")
    assert refused.reason is Reason.IMPOSSIBLE_POWER
    assert refused.detail == "400001 Wh in 1:00:00 is a mean of 400001 W, at most 400000 W"


def test_a_weak_connector_is_not_the_rows_fault() -> None:
    assert session_of(power_w_max="3700").power_w_max == 3700


# Times


def test_a_car_that_stays_for_150_hours_is_a_session() -> None:
    session = session_of(ended_at="2026-06-08T04:00:00-05:00")
    assert session.ended_at - session.started_at == timedelta(hours=150)


def test_a_week_is_the_last_possible_duration() -> None:
    session = session_of(ended_at="2026-06-08T22:00:00-05:00")
    assert session.ended_at - session.started_at == timedelta(hours=168)


@pytest.mark.parametrize(
    ("zone", "wall", "instant"),
    [
        ("America/Chicago", "2026-01-15T22:00", "2026-01-16T04:00:00Z"),
        ("America/Chicago", "2026-03-08T02:00", "2026-03-08T08:00:00Z"),
        ("America/Chicago", "2026-03-08T02:59:59.999999", "2026-03-08T08:00:00Z"),
        ("America/Chicago", "2026-03-08T03:00", "2026-03-08T08:00:00Z"),
        ("America/Chicago", "2026-11-01T00:59:59", "2026-11-01T05:59:59Z"),
        ("America/Chicago", "2026-11-01T01:00", "2026-11-01T06:00:00Z"),
        ("America/Chicago", "2026-11-01T01:30", "2026-11-01T06:30:00Z"),
        ("America/Chicago", "2026-11-01T02:00", "2026-11-01T08:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z"),
        ("America/Phoenix", "2026-03-08T02:30", "2026-03-08T09:30:00Z"),
        ("Europe/London", "2026-03-29T01:30", "2026-03-29T01:00:00Z"),
        ("UTC", "2024-02-29T12:00", "2024-02-29T12:00:00Z"),
    ],
)
def test_a_wall_time_is_read_in_the_zone_of_the_location(zone: str, wall: str, instant: str) -> None:
    at = datetime.fromisoformat(instant)
    session = session_of(timezone=zone, started_at=wall, ended_at=(at + timedelta(hours=2)).isoformat())
    assert session.started_at == at


@unhurried
@given(
    wall=st.datetimes(
        min_value=datetime.fromisoformat("2025-01-01T00:00"),
        max_value=datetime.fromisoformat("2026-11-20T00:00"),
    ),
    zone=st.sampled_from(
        ["America/Chicago", "Australia/Lord_Howe", "America/Phoenix", "Europe/London", "Asia/Gaza"]
    ),
    near_change=st.booleans(),
)
def test_a_wall_time_is_the_first_instant_that_shows_it_or_a_later_one(
    wall: datetime, zone: str, near_change: bool
) -> None:
    if near_change:
        # Most walls are ordinary; half of the examples are put into a night in which the clocks change.
        night = {
            "America/Chicago": datetime.fromisoformat("2026-03-08T00:00"),
            "Australia/Lord_Howe": datetime.fromisoformat("2026-10-04T00:00"),
        }
        wall = datetime.combine(night.get(zone, datetime.fromisoformat("2025-10-26T00:00")), wall.time())
    wall = wall.replace(second=0, microsecond=0)
    place = ZoneInfo(zone)
    minute = wall.replace(tzinfo=UTC) - timedelta(hours=15)
    while minute.astimezone(place).replace(tzinfo=None) < wall:
        minute += timedelta(minutes=1)
    session = session_of(
        timezone=zone, started_at=wall.isoformat(), ended_at=(minute + timedelta(hours=9)).isoformat()
    )
    assert session.started_at == minute


def test_an_end_in_the_repeated_hour_is_the_pass_that_makes_it_a_session() -> None:
    session = session_of(started_at="2026-11-01T01:50:00", ended_at="2026-11-01T01:20:00", energy_wh="2000")
    assert session.ended_at - session.started_at == timedelta(minutes=30)
    assert session.ended_at == datetime(2026, 11, 1, 7, 20, tzinfo=UTC)


def test_an_end_before_the_start_in_an_ordinary_hour_is_no_session() -> None:
    refused = refusal_of(started_at="2026-11-02T01:50:00", ended_at="2026-11-02T01:20:00")
    assert (refused.reason, refused.detail) == (Reason.NEGATIVE_DURATION, "ends 0:30:00 before it starts")


@pytest.mark.parametrize(
    ("times", "start", "end"),
    [
        ("epoch_s", "1780369200", 1780381800),
        ("epoch_s", 1780369200.0, "1780381800.000"),
        ("epoch_ms", 1780369200000, "1780381800000"),
        ("%d.%m.%Y %H:%M", "01.06.2026 22:00", "02.06.2026 01:30"),
        ("%m/%d/%Y %I:%M %p %z", "06/01/2026 10:00 PM -0500", "06/02/2026 01:30 AM -0500"),
        ("iso", "2026-06-02 03:00:00Z", "20260602T0630Z"),
        ("iso", datetime.fromisoformat("2026-06-01T22:00"), datetime(2026, 6, 2, 6, 30, tzinfo=UTC)),
    ],
)
def test_times_come_in_many_forms(times: str, start: object, end: object) -> None:
    mapping = mapping_from(DOCUMENT | {"units": {"times": times}}, name="forms")
    (session,) = parse([Row(2, EXPORT | {"Start": start, "Stop": end})], mapping, LIMITS)
    assert isinstance(session, RecordedSession), session
    assert session.started_at == datetime(2026, 6, 2, 3, 0, tzinfo=UTC)
    assert session.ended_at == datetime(2026, 6, 2, 6, 30, tzinfo=UTC)


def test_a_bare_date_of_a_sheet_is_midnight() -> None:
    assert session_of(ended_at=date(2026, 6, 2)).ended_at == datetime(2026, 6, 2, 5, 0, tzinfo=UTC)


@pytest.mark.parametrize("cell", ["1e20", "soon", -(10**30), True])
def test_an_impossible_epoch_is_refused(cell: object) -> None:
    mapping = mapping_from(DOCUMENT | {"units": {"times": "epoch_s"}}, name="epoch")
    (refused,) = parse([Row(2, EXPORT | {"Start": cell, "Stop": 1780381800})], mapping, LIMITS)
    assert isinstance(refused, RefusedRow)
    assert refused.reason is Reason.BAD_TIME


# Many rows


def test_a_reference_counts_once_and_the_refusal_says_where_it_stood() -> None:
    first, again, other = outcomes({}, {"energy_wh": "9"}, {"reference": "S-2"})
    assert isinstance(first, RecordedSession)
    assert again == RefusedRow(3, "S-1", Reason.DUPLICATE_REFERENCE, "the same reference stands in row 2")
    assert isinstance(other, RecordedSession)


def test_a_fragment_does_not_bar_the_complete_row_behind_it() -> None:
    fragment, complete = outcomes({"ended_at": ""}, {})
    assert isinstance(fragment, RefusedRow)
    assert isinstance(complete, RecordedSession)


def test_several_columns_can_name_a_session_together() -> None:
    mapping = mapping_from(
        DOCUMENT | {"columns": DOCUMENT["columns"] | {"reference": ["Charger", "Transaction"]}}, name="two"
    )
    rows = [Row(2, EXPORT), Row(3, EXPORT | {"Charger": "D-02"}), Row(4, EXPORT)]
    first, second, third = parse(rows, mapping, LIMITS)
    assert [first.reference, second.reference] == ["D-01/77", "D-02/77"]
    assert isinstance(second, RecordedSession)
    assert isinstance(third, RefusedRow)


def test_a_row_the_reader_refused_passes_through() -> None:
    refused = RefusedRow(7, None, Reason.NOT_A_ROW, "3 cells, but the heading has 9")
    assert list(parse([refused], NERAVA, LIMITS)) == [refused]


def test_outcomes_come_while_rows_are_still_being_read() -> None:
    taken: list[int] = []

    def rows() -> Iterator[Row]:
        for number in range(2, 1_000_000_000):
            taken.append(number)
            yield Row(number, CLEAN | {"reference": str(number)})

    stream = parse(rows(), NERAVA, LIMITS)
    assert [next(stream).row, next(stream).row] == [2, 3]
    assert taken == [2, 3]


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text("\ud800\x00\x1b\u0661\u00a0\ufffd 1.eE-+", max_size=12),
    st.binary(max_size=5),
    st.decimals(),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([UTC, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/Chicago")])),
    st.dates(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from(
        ["1e99", "-1e99", "NaN", "2026-03-08T02:30", "2026-11-01T01:30", "UTC", "0", "S-1", "1E+5"]
    ),
)
mappings = st.sampled_from([NERAVA, KWH]).flatmap(
    lambda mapping: st.sampled_from(["iso", "epoch_s", "epoch_ms", "%d.%m.%Y %H:%M"]).map(
        lambda times: ColumnMapping(
            **{field: getattr(mapping, field) for field in mapping.__slots__} | {"times": times}
        )
    )
)


@unhurried
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from(list(CLEAN)), anything).map(lambda changes: CLEAN | changes)
        | st.dictionaries(st.sampled_from(list(CLEAN)), anything),
        max_size=6,
    ),
    mapping=mappings,
)
def test_whatever_a_row_holds_it_has_exactly_one_outcome(
    rows: list[dict[str, object]], mapping: ColumnMapping
) -> None:
    numbered = [Row(number, cells) for number, cells in enumerate(rows, start=2)]
    results = list(parse(numbered, mapping, LIMITS))
    assert [result.row for result in results] == [row.number for row in numbered]
    for result in results:
        if isinstance(result, RefusedRow):
            assert result.detail.isprintable()
            assert 0 < len(result.detail) < 250
        else:
            assert timedelta() < result.ended_at - result.started_at <= LIMITS.duration_max
            assert 0 < result.energy_wh <= 400_000 * 168
            assert result.started_at.tzinfo is result.ended_at.tzinfo is UTC
            for text in (result.reference, result.site, result.station, result.timezone, result.user or "-"):
                assert text.encode().decode() == text
                assert text
                assert "\x00" not in text
    accepted = [result.reference for result in results if isinstance(result, RecordedSession)]
    assert len(accepted) == len(set(accepted))


# Mappings

EXPORT: dict[str, object] = {
    "Transaction": "77",
    "Charger": "D-01",
    "Start": "2026-06-01T22:00",
    "Stop": "2026-06-02T01:30",
    "kWh": "21.5",
}
DOCUMENT: dict[str, dict[str, object]] = {
    "columns": {
        "reference": "Transaction",
        "station": "Charger",
        "started_at": "Start",
        "ended_at": "Stop",
        "energy": "kWh",
    },
    "constants": {"site": "Depot North", "timezone": "America/Chicago", "power_max": 22},
}


def test_an_operators_export_is_read_by_a_mapping() -> None:
    mapping = mapping_from(DOCUMENT, name="depot")
    (session,) = parse([Row(2, EXPORT)], mapping, LIMITS)
    assert isinstance(session, RecordedSession)
    assert (session.reference, session.site, session.station, session.user) == (
        "77",
        "Depot North",
        "D-01",
        None,
    )
    assert (session.energy_wh, session.power_w_max) == (21_500, 22_000)
    assert session.started_at == datetime(2026, 6, 2, 3, 0, tzinfo=UTC)


def test_a_price_is_read_in_the_minor_units_of_its_currency() -> None:
    priced = {**DOCUMENT["columns"], "price": "Total"}
    for currency, minor in (("USD", 1_050), ("jpy", 10), ("KWD", 10_500)):
        constants = {**DOCUMENT["constants"], "currency": currency}
        mapping = mapping_from({"columns": priced, "constants": constants}, name="depot")
        (session,) = parse([Row(2, EXPORT | {"Total": "10.5"})], mapping, LIMITS)
        assert isinstance(session, RecordedSession)
        assert session.price == SessionPrice(minor, currency.upper())
    assert session_of(price="").price is None
    with pytest.raises(MappingInvalid):
        mapping_from({"columns": priced, "constants": {**constants, "currency": "dollars"}}, name="depot")


def test_a_decimal_comma_is_read_where_the_mapping_says_so() -> None:
    mapping = mapping_from(DOCUMENT | {"units": {"decimal": ","}}, name="comma")
    (good,) = parse([Row(2, EXPORT | {"kWh": "21,5"})], mapping, LIMITS)
    assert isinstance(good, RecordedSession)
    assert good.energy_wh == 21_500
    for grouped in ("1.021,5", "1.021", "1,021,5"):
        (refused,) = parse([Row(3, EXPORT | {"kWh": grouped})], mapping, LIMITS)
        assert isinstance(refused, RefusedRow)
        assert refused.reason is Reason.BAD_NUMBER


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"colums": {}}, "'colums' is no section"),
        ({"columns": {}}, "reference is missing; station is missing; started_at is missing"),
        ({"columns": DOCUMENT["columns"] | {"driver": "Card"}}, "'driver' is no field in [columns]"),
        ({"columns": DOCUMENT["columns"] | {"site": "Site"}}, "site is both a column and a constant"),
        ({"columns": DOCUMENT["columns"] | {"energy": 5}}, "names and headings are text"),
        ({"columns": DOCUMENT["columns"] | {"reference": []}}, "reference is missing"),
        ({"columns": "reference"}, "[columns] is not a table"),
        ({"constants": {"timezone": "Chicago", "site": "Depot"}}, "no IANA time zone 'Chicago'"),
        ({"constants": DOCUMENT["constants"] | {"site": ""}}, "constants are text or whole numbers"),
        ({"constants": DOCUMENT["constants"] | {"site": "a\x00"}}, "control characters"),
        ({"constants": DOCUMENT["constants"] | {"power_max": "strong"}}, "not a number: 'strong'"),
        ({"constants": DOCUMENT["constants"] | {"energy": "1"}}, "'energy' is no field in [constants]"),
        ({"columns": DOCUMENT["columns"] | {"price": "Total"}}, "a price has its currency"),
        ({"constants": DOCUMENT["constants"] | {"currency": "USD"}}, "and a currency its price"),
        ({"units": {"energy": "MJ"}}, "units.energy is Wh or kWh or a number, not 'MJ'"),
        ({"units": {"energy": "0"}}, "a unit is a number between 0 and a billion"),
        ({"units": {"power": "-1"}}, "a unit is a number between 0 and a billion"),
        ({"units": {"decimal": ";"}}, 'units.decimal is "." or ","'),
        ({"units": {"times": "%d.%m.%Y"}}, "a pattern with day and time"),
        ({"units": {"times": "excel"}}, "a pattern with day and time"),
        ({"units": {"times": "%Q"}}, "a pattern with day and time"),
        ({"units": {"times": 5}}, "a pattern with day and time"),
        ({"name": ""}, "names and headings are text"),
    ],
)
def test_a_faulty_mapping_says_what_is_wrong(change: dict[str, object], fault: str) -> None:
    with pytest.raises(MappingInvalid) as raised:
        mapping_from(DOCUMENT | change, name="depot")
    assert fault in raised.value.detail


def test_all_faults_of_a_mapping_are_said_at_once() -> None:
    with pytest.raises(MappingInvalid) as raised:
        mapping_from({"columns": {"energy": "kWh", "drivr": "x"}, "unit": {}}, name="depot")
    assert raised.value.detail.count(";") >= 6


@pytest.mark.parametrize("document", [[], "x", None, 5])
def test_a_mapping_is_a_table(document: object) -> None:
    with pytest.raises(MappingInvalid):
        mapping_from(document, name="depot")


def test_a_mapping_made_in_code_is_checked_too() -> None:
    with pytest.raises(MappingInvalid):
        ColumnMapping(
            name="x",
            reference=(),
            site=Constant("s"),
            station="b",
            timezone=Constant("UTC"),
            started_at="c",
            ended_at="d",
            energy="e",
        )


def test_a_missing_column_is_named_with_the_closest_there_is() -> None:
    mapping = mapping_from(DOCUMENT, name="depot")
    mapping.check(list(EXPORT))
    with pytest.raises(ColumnsMissing) as raised:
        mapping.check(["Transaction", "Charger", "Start", "Stopp", "Energy"])
    assert raised.value.facts["missing"] == ("Stop", "kWh")
    assert "'Stop' (did you mean 'Stopp'?); 'kWh'" in raised.value.detail


def test_the_heading_decides_which_ready_mapping_fits() -> None:
    acn = ["site", "station_id", "session_id", "arrival", "departure", "delivered_energy", "claimed"]
    assert mapping_for(acn) == ACN
    assert mapping_for(["Session", "CCS", "Arrival", "Departure", "Energy (Wh)", "Pmax (W)"]) == EPFL
    assert mapping_for(list(CLEAN)) == NERAVA
    assert mapping_for([name for name in CLEAN if name != "user"]).user is None
    assert mapping_for([name for name in CLEAN if name != "power_w_max"]).power_max is None
    for missing in ("price", "currency"):
        unpriced = mapping_for([name for name in CLEAN if name != missing])
        assert (unpriced.price, unpriced.currency) == (None, None)
    with pytest.raises(ColumnsMissing) as raised:
        mapping_for(["a", "b"])
    assert "'a', 'b'" in raised.value.detail
    assert "'energy_wh'" in raised.value.detail
