"""Files of recorded sessions are read whatever format they have, and their damage stays where it is."""

from __future__ import annotations

import gc
import gzip
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerava.charging.recordings import (
    EPFL,
    ColumnsMissing,
    Limits,
    MappingInvalid,
    Reason,
    RecordedSession,
    RefusedRow,
    Row,
)
from nerava.integrations.datasets import read_dataset
from nerava.integrations.session_files import (
    SessionFileEmpty,
    SessionFileMissing,
    SessionFileTooLarge,
    SessionFileUnknown,
    SessionFileUnreadable,
    read_mapping,
    read_rows,
    read_sessions,
    records,
    sheet,
    source,
)
from tests.charging.dirt import cells_of, soiled
from tests.integrations.workbook import write_sheet_xml, write_workbook

LIMITS = Limits(now=datetime(2026, 12, 1, tzinfo=UTC))
HEADING = "reference,site,station,timezone,started_at,ended_at,energy_wh"
SESSION = "S-{},Depot,D-1,UTC,2026-06-01T10:00Z,2026-06-01T12:00Z,9000"
EPFL_FILE = Path(__file__).parents[3] / "shared/data/desl_epfl_level3_dcfc_2022_2023.xlsx"

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of that name, packed with gzip if the name says so."""

    def written(name: str, content: str | bytes) -> Path:
        body = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
        return path

    return written


def cells(path: Path) -> list[dict[str, object] | tuple[int, Reason]]:
    return [dict(row.cells) if isinstance(row, Row) else (row.row, row.reason) for row in read_rows(path)]


def numbers(path: Path) -> list[int]:
    return [row.number if isinstance(row, Row) else row.row for row in read_rows(path)]


# CSV


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.csv.gz", "a.tsv", "a.txt"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_csv_file_is_read_whatever_its_marks_and_ends(
    write: Write, name: str, mark: str, end: str, bom: str
) -> None:
    path = write(
        name, bom + end.join([f"id{mark} name {mark}kWh", f"1{mark}Zürich{mark}2.5", f"2{mark}{mark}3"])
    )
    assert read_rows(path).columns == ("id", "name", "kWh")
    assert cells(path) == [{"id": "1", "name": "Zürich", "kWh": "2.5"}, {"id": "2", "name": "", "kWh": "3"}]


def test_commas_inside_another_delimiter_do_not_decide(write: Write) -> None:
    assert cells(write("a.csv", "id;kWh, net\n1;2,5\n")) == [{"id": "1", "kWh, net": "2,5"}]


def test_a_row_has_the_number_of_the_line_it_begins_in(write: Write) -> None:
    path = write("a.csv", '\nid,remark\n1,a\n\n2,"two\nlines, here"\n ,\n3,c\n4,d')
    assert numbers(path) == [3, 5, 8, 9]
    assert cells(path)[1] == {"id": "2", "remark": "two\nlines, here"}


def test_broken_bytes_refuse_their_row_and_no_other(write: Write) -> None:
    path = write("a.csv", b"id,name\n1,Z\xfcrich\n2,Z\xc3\xbcrich\n")
    assert cells(path) == [(2, Reason.BAD_ENCODING), {"id": "2", "name": "Zürich"}]


def test_a_quote_that_is_never_closed_costs_one_row(write: Write) -> None:
    lines = ["id,name", *(f"{number},n{number}" for number in range(2, 200))]
    lines[9] = '10,"n10'
    lines[19] = '20,"n20 "x"'
    outcomes = cells(write("a.csv", "\n".join(lines)))
    assert len(outcomes) == 198
    assert [outcome for outcome in outcomes if isinstance(outcome, tuple)] == [
        (10, Reason.NOT_A_ROW),
        (20, Reason.NOT_A_ROW),
    ]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    broken=st.sets(st.integers(0, 39), max_size=12),
    quotes=st.lists(st.sampled_from(['"', '"x"y', '""", "']), min_size=12),
)
def test_rows_between_broken_ones_survive(
    tmp_path_factory: pytest.TempPathFactory, broken: set[int], quotes: list[str]
) -> None:
    lines = [f"{number},name" for number in range(40)]
    for place, quote in zip(sorted(broken), quotes, strict=False):
        lines[place] = f"{quote}{place},name"
    path = tmp_path_factory.mktemp("quotes") / "a.csv"
    path.write_text("id,name\n" + "\n".join(lines) + "\n")
    sound = [row.cells["id"] for row in read_rows(path) if isinstance(row, Row)]
    assert sound == [str(number) for number in range(40) if number not in broken]
    assert len(list(read_rows(path))) == 40


def test_two_stray_quotes_do_not_swallow_the_rows_between_them(write: Write) -> None:
    lines = ["id,name", *(f"{number},n{number}" for number in range(2, 100))]
    lines[9], lines[59] = '10,"n10', '60,n60"'
    outcomes = cells(write("a.csv", "\n".join(lines)))
    assert len(outcomes) == 98
    assert outcomes[8] == (10, Reason.NOT_A_ROW)
    assert outcomes[58] == {"id": "60", "name": 'n60"'}


def test_rows_with_too_few_or_too_many_cells_are_refused(write: Write) -> None:
    path = write("a.csv", "id,name,kWh\n1,a\n2,b,3,4\n3,c,5,,\n")
    outcomes = list(read_rows(path))
    assert outcomes[0] == RefusedRow(2, None, Reason.NOT_A_ROW, "2 cells, but the heading has 3")
    assert outcomes[1] == RefusedRow(3, None, Reason.NOT_A_ROW, "4 cells, but the heading has 3")
    assert outcomes[2] == Row(4, {"id": "3", "name": "c", "kWh": "5"})


def test_a_huge_cell_or_line_refuses_its_row_only(write: Write) -> None:
    path = write("a.csv.gz", "id,name\n1," + "x" * 200_000 + "\n2,b\n3," + "y" * 3_000_000 + "\n4,d\n")
    assert cells(path) == [
        (2, Reason.NOT_A_ROW),
        {"id": "2", "name": "b"},
        (4, Reason.TOO_LARGE),
        {"id": "4", "name": "d"},
    ]


def test_a_packed_file_that_breaks_off_keeps_its_rows_and_says_so(write: Write) -> None:
    path = write("a.csv.gz", "id,name\n" + "".join(f"{number},{number * 7919}\n" for number in range(90_000)))
    path.write_bytes(path.read_bytes()[:-5000])
    outcomes = list(read_rows(path))
    assert len(outcomes) > 10_000
    last = outcomes[-1]
    assert isinstance(last, RefusedRow)
    assert (last.row, last.reason) == (len(outcomes) + 1, Reason.CUT_OFF)
    assert sum(isinstance(outcome, RefusedRow) for outcome in outcomes) <= 2


@pytest.mark.parametrize("line", ["1\n" * 1000, "x" * 5_000_000])
def test_a_file_without_end_is_read_to_a_bound(
    write: Write, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setattr(source, "STREAM_BYTES_MAX", 1 << 10)
    outcomes = list(read_rows(write("a.csv.gz", "id\n" + line + "\n" + "2\n" * 10_000)))
    assert len(outcomes) < 600
    last = outcomes[-1]
    assert isinstance(last, RefusedRow)
    assert (last.row, last.reason) == (len(outcomes) + 1, Reason.TOO_LARGE)


def test_a_line_without_end_is_not_followed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "STREAM_BYTES_MAX", 1 << 24)
    read = []

    class Endless(io.BytesIO):
        def readline(self, size: int | None = -1) -> bytes:
            read.append(size)
            if len(read) > 100:
                raise AssertionError("still reading")
            return b"x" * (size or 0)

    assert [line.refusal for line in source.lines(Endless())] == [Reason.TOO_LARGE, Reason.TOO_LARGE]


def test_a_file_may_be_left_in_the_middle(write: Write) -> None:
    path = write("a.csv", "id\n" + "1\n" * 100_000)
    with read_rows(path) as stream:
        assert next(stream) == Row(2, {"id": "1"})
    assert list(stream) == []
    read_rows(path)
    # A file left open would be a ResourceWarning here, and warnings are errors.
    gc.collect()


# JSON


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
@pytest.mark.parametrize("wrap", ["%s", '{"sessions": %s, "total": 2}', "\ufeff%s"])
def test_a_json_list_is_read(write: Write, name: str, wrap: str) -> None:
    path = write(name, wrap % '[{"id": 1, "kWh": 2.50}, {"id": 2, "user": null}]')
    assert read_rows(path).columns == ("id", "kWh", "user")
    assert cells(path) == [{"id": 1, "kWh": "2.50"}, {"id": 2, "user": None}]
    assert numbers(path) == [1, 2]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz"])
def test_json_lines_are_refused_one_by_one(write: Write, name: str) -> None:
    path = write(
        name, b'{"id": 1}\n\n{"id": \n[2]\n{"id": "Z\xfcrich"}\n{"id": 5, "kWh": 1}\n' + b"[" * 100_000
    )
    assert read_rows(path).columns == ("id", "kWh")
    assert cells(path) == [
        {"id": 1},
        (3, Reason.NOT_A_ROW),
        (4, Reason.NOT_A_ROW),
        (5, Reason.BAD_ENCODING),
        {"id": 5, "kWh": 1},
        (7, Reason.NOT_A_ROW),
    ]


def test_what_is_no_object_in_a_list_is_refused_alone(write: Write) -> None:
    assert cells(write("a.json", '[{"id": 1}, 5, null]')) == [
        {"id": 1},
        (2, Reason.NOT_A_ROW),
        (3, Reason.NOT_A_ROW),
    ]


def test_broken_bytes_in_json_refuse_the_session_that_holds_them(write: Write) -> None:
    row = dict(zip(HEADING.split(","), SESSION.format(1).split(","), strict=True))
    body = json.dumps([row | {"site": "Z?rich"}, row | {"reference": "S-2"}]).encode().replace(b"?", b"\xfc")
    broken, sound = read_sessions(write("a.json", body), LIMITS)
    assert isinstance(broken, RefusedRow)
    assert broken.reason is Reason.BAD_ENCODING
    assert isinstance(sound, RecordedSession)


def test_numbers_in_json_keep_every_digit_and_cannot_stall_the_reader(write: Write) -> None:
    path = write("a.json", '[{"a": 0.1234567890123456789, "b": ' + "9" * 100_000 + ', "c": 1e400}]')
    ((row,), columns) = list(read_rows(path)), read_rows(path).columns
    assert columns == ("a", "b", "c")
    assert isinstance(row, Row)
    assert row.cells["a"] == "0.1234567890123456789"
    assert row.cells["c"] == "1e400"


def test_a_json_file_is_refused_when_it_breaks_off_or_is_too_large(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.json.gz", json.dumps([{"id": number * 7919} for number in range(50_000)]))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(SessionFileUnreadable, match="is damaged"):
        read_rows(path)
    monkeypatch.setattr(records, "WHOLE_FILE_BYTES_MAX", 1 << 20)
    with pytest.raises(SessionFileTooLarge, match="1 MiB"):
        read_rows(write("a.json.gz", json.dumps(["x" * 100] * 20_000)))


# xlsx


def test_a_sheet_is_read_with_the_row_numbers_it_shows(tmp_path: Path) -> None:
    start = datetime.fromisoformat("2026-06-01T23:30:15")
    path = write_workbook(
        tmp_path / "a.xlsx",
        [
            ["id", "Start ", "kWh"],
            [278, start, 1.5],
            [],
            ["B", datetime.fromisoformat("2026-06-02T00:00"), None],
        ],
        first_row=3,
    )
    assert read_rows(path).columns == ("id", "Start", "kWh")
    assert list(read_rows(path)) == [
        Row(4, {"id": 278.0, "Start": start, "kWh": 1.5}),
        Row(6, {"id": "B", "Start": date(2026, 6, 2), "kWh": ""}),
    ]


@pytest.mark.parametrize(
    "far", ["XFD1048576", "A99999999999999999999", "zzz9999", "AAAAAAAAAAAA1", "A" + "0" * 60 + "1048577777"]
)
def test_a_sheet_that_claims_to_be_enormous_is_refused(tmp_path: Path, far: str) -> None:
    # The reader of sheets would end the whole process here: it cannot get the memory.
    rows = f'<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r = \'{far}\'><v>2</v></c></row>'
    with pytest.raises(SessionFileTooLarge):
        read_rows(write_sheet_xml(tmp_path / "a.xlsx", rows))


def test_a_sheet_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "WHOLE_FILE_BYTES_MAX", 8 << 20)
    path = write_workbook(tmp_path / "a.xlsx", [["id"], [1]])
    for name in ("xl/sharedStrings.xml", "anything"):
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as package:
            package.writestr(name, b" " * (5 << 20))
    assert path.stat().st_size < 20_000
    with pytest.raises(SessionFileTooLarge):
        read_rows(path)


def test_two_columns_of_one_name_are_refused_in_a_sheet_too(tmp_path: Path) -> None:
    with pytest.raises(SessionFileUnreadable, match="two columns called id"):
        read_rows(write_workbook(tmp_path / "a.xlsx", [["id", "id"], [1, 2]]))


def test_a_damaged_workbook_is_refused(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", [["id"], [1]])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SessionFileUnreadable):
        read_rows(path)
    with pytest.raises(SessionFileUnreadable):
        read_rows(write_sheet_xml(path, '<row r="1"><c r="A1"><v'))


@pytest.mark.skipif(
    not EPFL_FILE.exists(), reason="the file of EPFL lies beside the repository only while building"
)
def test_all_fast_charging_sessions_of_epfl_are_read() -> None:
    outcomes = list(read_sessions(EPFL_FILE, LIMITS))
    sessions = [outcome for outcome in outcomes if isinstance(outcome, RecordedSession)]
    assert len(outcomes) == len(sessions) == 1878
    assert round(sum(session.energy_wh for session in sessions), -3) == 60_442_000
    assert Counter(session.station for session in sessions).keys() == {"CCS1", "CCS2"}
    first = min(session.started_at for session in sessions)
    assert first == datetime(2022, 4, 12, 17, 27, tzinfo=UTC), "19:27 in Zurich, in summer"
    assert sessions[0].reference == "278"
    assert sessions == list(read_sessions(EPFL_FILE, LIMITS, mapping=EPFL))


# Files as a whole


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.json", "a.jsonl", "a.xlsx"])
def test_an_empty_file_says_so(write: Write, name: str) -> None:
    with pytest.raises(SessionFileEmpty):
        read_rows(write(name, b""))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.csv", "\n \n\n"),
        ("a.csv", "id,name\n"),
        ("a.csv", "id,name\n,\n\n"),
        ("a.json", "[]"),
        ("a.json", '{"sessions": []}'),
        ("a.jsonl", "\n\n"),
    ],
)
def test_a_file_without_rows_says_so(write: Write, name: str, body: str) -> None:
    with pytest.raises(SessionFileEmpty):
        read_rows(write(name, body))


def test_a_workbook_without_rows_says_so(tmp_path: Path) -> None:
    for rows in ([], [["id"]], [["", ""]]):
        with pytest.raises(SessionFileEmpty):
            read_rows(write_workbook(tmp_path / "a.xlsx", rows))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.csv", "id,name,id\n1,2,3\n"),
        ("a.csv", b"id,n\xfcme\n1,2\n"),
        ("a.csv", '"id,name\n1,2\n'),
        ("a.csv", "id,name\r1,2\r"),
        ("a.csv", "id,name\n1,2\n".encode("utf-16")),
        ("a.csv.gz", "id,name\n1,2\n".encode("utf-16")),
        ("a.csv", b"PK\x03\x04 a workbook by another name"),
        ("a.csv", b"\x1f\x8b\x08\x00 not packed"),
        ("a.json", "{"),
        ("a.json", '{"rows": []}'),
        ("a.json", "5"),
        ("a.json", "[" * 100_000),
        ("a.json", b"\x1f\x8b\x08\x00 not packed"),
        ("a.csv", "x" * 3_000_000),
        ("a.xlsx", "id,name\n1,2\n"),
        ("a.xlsx", b"PK\x03\x04 a zip file that ends here"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(write: Write, name: str, body: str | bytes) -> None:
    with pytest.raises(SessionFileUnreadable) as raised:
        read_rows(write(name, body))
    assert raised.value.detail.startswith(("a.", "the heading of a."))


def test_a_missing_file_a_folder_and_an_unknown_format_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SessionFileMissing):
        read_rows(tmp_path / "none.csv")
    with pytest.raises(SessionFileUnreadable, match="is a folder"):
        read_rows(tmp_path, "csv")
    with pytest.raises(SessionFileUnknown, match="name the format"):
        read_rows(tmp_path / "a.pdf")
    with pytest.raises(SessionFileUnreadable, match="cannot be opened"):
        read_rows(Path("a\x00.csv"))


def test_a_given_format_outweighs_the_name(write: Write) -> None:
    assert [row.cells for row in read_rows(write("export", "id\n7\n"), "csv") if isinstance(row, Row)] == [
        {"id": "7"}
    ]


# Sessions


def test_sessions_are_read_by_the_mapping_their_heading_fits(write: Write) -> None:
    path = write("a.csv", "\n".join([HEADING, SESSION.format(1), SESSION.format(2).replace("9000", "0")]))
    first, second = read_sessions(path, LIMITS)
    assert isinstance(first, RecordedSession)
    assert (first.row, first.reference, first.energy_wh, first.user) == (2, "S-1", 9000, None)
    assert second == RefusedRow(3, "S-2", Reason.ZERO_ENERGY, "energy_wh is 0, which rounds to 0 Wh")


def test_a_heading_that_fits_nothing_is_said_before_the_first_row(write: Write) -> None:
    with pytest.raises(ColumnsMissing, match="'reference'"):
        read_sessions(write("a.csv", "a,b\n1,2\n"), LIMITS)


MAPPING = """
[columns]
reference = "Id"
station = "Box"
started_at = "From"
ended_at = "To"
energy = "kWh"
[constants]
site = "Depot"
timezone = "America/Chicago"
"""


def test_an_operators_export_is_read_with_a_mapping_file(write: Write) -> None:
    path = write("export.csv", "Id;Box;From;To;kWh\n7;D-1;2026-06-01T22:00;2026-06-02T01:00;12.5\n")
    mapping = read_mapping(write("depot.toml", MAPPING))
    assert mapping.name == "depot"
    (session,) = read_sessions(path, LIMITS, mapping=mapping)
    assert isinstance(session, RecordedSession)
    assert (session.energy_wh, session.started_at) == (12_500, datetime(2026, 6, 2, 3, tzinfo=UTC))
    with pytest.raises(ColumnsMissing, match="'Box'"):
        read_sessions(write("other.csv", "Id,From,To,kWh\n1,2,3,4\n"), LIMITS, mapping=mapping)


def test_a_mapping_may_be_json(write: Write) -> None:
    document = {
        "name": "mine",
        "columns": {"reference": "r", "station": "s", "started_at": "a", "ended_at": "b", "energy": "e"},
        "constants": {"site": "Depot", "timezone": "UTC"},
    }
    assert read_mapping(write("m.json", json.dumps(document))).name == "mine"


@pytest.mark.parametrize("body", ["[columns", "[1, 2]", b"\xff\xfe", "x" * 2_000_000, "a = 1"])
@pytest.mark.parametrize("name", ["m.toml", "m.json"])
def test_a_mapping_file_that_is_none_is_refused(write: Write, name: str, body: str | bytes) -> None:
    with pytest.raises(MappingInvalid):
        read_mapping(write(name, body))


def test_a_mapping_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SessionFileMissing):
        read_mapping(tmp_path / "none.toml")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_every_kind_of_dirt_is_refused_in_its_line_and_every_session_kept(
    write: Write, tmp_path: Path, seed: int, name: str
) -> None:
    clean = [row for row in read_dataset("sample", tmp_path, LIMITS) if isinstance(row, RecordedSession)]
    dirty = soiled([cells_of(session) for session in clean], seed=seed, each=3)
    outcomes = list(read_sessions(write(name, dirty.body), LIMITS))
    refused = {outcome.row: outcome.reason for outcome in outcomes if isinstance(outcome, RefusedRow)}
    assert refused == dirty.refusals()
    assert [outcome.row for outcome in outcomes if isinstance(outcome, RecordedSession)] == dirty.sessions()
