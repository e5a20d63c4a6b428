"""An import goes on after a kill, changes nothing when repeated, and forgets only what is gone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from nerava.charging.model import ChargingLocation, Connector, Evse
from nerava.discovery import edits, importing, staging
from nerava.discovery.errors import EditInvalid, ImportEmpty, ImportOvertaken
from nerava.discovery.importing import ImportReport, run_import
from nerava.discovery.model import ChargingSite, DiscoverySource, ImportStaged, Place
from nerava.discovery.records import Address, EvseRecord, Plug, PlugKind
from nerava.kernel.geography import Box, Point
from nerava.platform.db import Database
from tests.discovery.feed import Killed, ListFeed, place, site

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def bring(database: Database, feed: ListFeed, **options: Any) -> ImportReport:
    return run_import(database, feed, now=lambda: NOON, **options)


def rows(database: Database, table: Any, *columns: str) -> list[Any]:
    query = select(*(table.__table__.c[name] for name in columns)).order_by(*columns)
    return [tuple(row) for row in database.read(lambda session: list(session.execute(query)))]


def number(database: Database, table: Any) -> int:
    return database.read(
        lambda session: session.scalar(select(func.count()).select_from(table.__table__)) or 0
    )


def test_rows_come_in_once_and_again_nothing_changes(database: Database) -> None:
    feed = ListFeed([place(one, east_m=one) for one in range(7)])

    first, second = bring(database, feed), bring(database, replace(feed, fingerprint="two", asked=[]))

    assert (first.counts["added"], first.staged) == (7, 7)
    assert Counter(second.counts) == Counter(same=7)
    assert number(database, Place) == 7
    assert number(database, ImportStaged) == 0
    [(source, licence)] = rows(database, DiscoverySource, "source", "licence")
    assert (source, licence) == ("osm", "ODbL-1.0")


def test_a_killed_import_goes_on_where_it_was(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "AREA_ROWS", 4)
    whole = [place(one, east_m=40 * one) for one in range(12)]
    feed = ListFeed(whole, dies_after=2)
    with pytest.raises(Killed):
        bring(database, feed)
    assert number(database, Place) == 0

    again = replace(feed, dies_after=None)
    with pytest.raises(Killed):
        bring(database, again, progress=_dying_in("swapping"))
    assert feed.asked == [None, "6"]
    assert 0 < number(database, Place) < 12

    report = bring(database, again)
    assert report.is_resumed
    assert report.counts["added"] == 12
    assert number(database, Place) == 12
    assert feed.asked == [None, "6"]


def _dying_in(phase: str) -> Any:
    def tell(step: str, done: int, total: int) -> None:
        if step == phase:
            raise Killed

    return tell


def test_another_file_takes_the_place_of_one_that_was_interrupted(database: Database) -> None:
    with pytest.raises(Killed):
        bring(database, ListFeed([place(one) for one in range(6)], dies_after=1))

    report = bring(database, ListFeed([place(9)], fingerprint="two"))

    assert not report.is_resumed
    assert rows(database, Place, "reference") == [("n9",)]


def test_two_processes_do_not_stage_the_same_batch(database: Database) -> None:
    feed = ListFeed([place(1)])
    run = database.run(lambda session: staging.open_run(session, feed, NOON))
    [batch] = feed.batches(None)
    database.run(lambda session: staging.stage(session, run, batch))

    with pytest.raises(ImportOvertaken):
        database.run(lambda session: staging.stage(session, run, batch))


def test_what_vanished_is_gone_after_as_many_imports_as_the_feed_says(database: Database) -> None:
    both, one = [place(1), place(2), place(3)], [place(1), place(2)]
    feed = ListFeed(both, absences_max=2)
    bring(database, feed)

    missed = bring(database, replace(feed, records=one, fingerprint="two"))
    gone = bring(database, replace(feed, records=one, fingerprint="three"))
    back = bring(database, replace(feed, fingerprint="four"))

    assert (missed.counts["absent"], missed.counts["gone"]) == (1, 0)
    assert gone.counts["gone"] == 1
    assert back.counts["returned"] == 1
    assert rows(database, Place, "absences", "gone_at") == [(0, None)] * 3


def test_outside_of_its_coverage_nothing_vanishes(database: Database) -> None:
    far = place(2, position=Point(48.1, 11.5))
    bring(database, ListFeed([place(1), far]))

    around = ListFeed([place(3)], fingerprint="two", coverage=Box(60, 61, 24, 25))
    assert bring(database, around, allow_shrink=True).counts["gone"] == 1
    nowhere = replace(around, records=[place(4)], fingerprint="three", coverage=None)
    assert bring(database, nowhere).counts["gone"] == 0
    living = select(Place.reference).where(Place.gone_at.is_(None)).order_by(Place.reference)
    assert database.read(lambda session: list(session.scalars(living))) == ["n2", "n3", "n4"]


def test_half_a_file_is_not_believed(database: Database) -> None:
    feed = ListFeed([place(one) for one in range(5)])
    bring(database, feed)

    with pytest.raises(ImportEmpty):
        bring(database, replace(feed, records=[place(1)], fingerprint="two"))
    assert rows(database, Place, "gone_at") == [(None,)] * 5


def test_what_is_no_record_is_reported_with_its_reason(database: Database) -> None:
    wrong = [
        place(1),
        place(2, name="  "),
        place(3, position=Point(91, 0)),
        site(4, plugs=(Plug(power_w_max=0),)),
    ]

    report = bring(database, ListFeed(wrong))

    assert (report.staged, report.rejected) == (1, 3)
    found = database.read(lambda session: staging.rejects_of(session, report.run_id))
    assert [(one.reference, one.reason) for one in found] == [
        ("n2", "no-name"),
        ("n3", "no-position"),
        ("n4", "power"),
    ]


def test_edits_by_hand_outlive_an_import_and_can_be_taken_back(database: Database) -> None:
    feed = ListFeed([place(1)])
    bring(database, feed)

    def change(**values: str | None) -> None:
        database.run(
            lambda session: edits.edit(session, "place", "osm", "n1", values, reason="seen there", now=NOON)
        )

    change(name="Kahvila Lumo", opening_hours="24/7")
    bring(database, replace(feed, records=[place(1, name="New name", phone="1")], fingerprint="two"))
    assert rows(database, Place, "name", "opening_hours", "phone") == [("Kahvila Lumo", "24/7", "1")]

    for hidden in ("Caf\u200be", "\u202eefaC"):
        with pytest.raises(EditInvalid, match="name has a sign"):
            database.run(
                lambda session, name=hidden: edits.edit(
                    session, "place", "osm", "n1", {"name": name}, reason="seen there", now=NOON
                )
            )
    assert database.run(lambda session: edits.take_back(session, "place", "osm", "n1", "name"))
    assert rows(database, Place, "name", "opening_hours") == [("New name", "24/7")]
    with pytest.raises(EditInvalid):
        change(name=None)


def test_a_site_of_two_sources_is_one_location_with_both_references(database: Database) -> None:
    bring(
        database,
        ListFeed([site(1, name="Mall", operator="Virta", plugs=(Plug(power_w_max=22_000, count=2),))]),
    )
    theirs = [
        site(7, east_m=20, name="Mall, level 1", network="Virta", timezone="Europe/Helsinki"),
        site(8, east_m=20, name="Elsewhere", network="Recharge"),
    ]

    report = bring(database, ListFeed(theirs, source="ocm"))

    assert report.counts["merged"] == 1
    assert number(database, ChargingLocation) == 2
    assert rows(database, ChargingSite, "source", "reference", "matched_by", "is_shown") == [
        ("ocm", "n7", "operator-and-30-m", True),
        ("ocm", "n8", None, True),
        ("osm", "n1", None, False),
    ]
    assert ("Mall, level 1", "Europe/Helsinki") in rows(database, ChargingLocation, "name", "timezone")

    bring(database, ListFeed([theirs[1]], source="ocm", fingerprint="two"))
    shown = [row for row in rows(database, ChargingSite, "source", "reference", "is_shown") if row[2]]
    assert shown == [("ocm", "n8", True), ("osm", "n1", True)]


def test_units_that_a_source_names_are_where_sessions_look_for_them(database: Database) -> None:
    ccs = Plug(kind=PlugKind.IEC_62196_T2_COMBO, power_w_max=150_000)
    evse = EvseRecord(reference="uid-1", evse_id="FI*ABC*E1", connectors={"1": ccs, "2": Plug()})
    mine = site(1, evses=(evse,), address=Address(street="Aleksanterinkatu", house="52"))

    bring(database, ListFeed([mine], source="ocpi:FI*ABC"))
    report = bring(database, ListFeed([site(5, east_m=700, aliases=("evse:FIABCE1",))]))

    assert rows(database, Evse, "reference") == [("uid-1",)]
    assert sorted(rows(database, Connector, "power_w_max"), key=str) == [(150_000,), (None,)]
    assert rows(database, ChargingSite, "ports", "power_w_max") == [(0, None), (2, 150_000)]
    assert report.counts["merged"] == 1


def test_the_last_batch_of_a_row_counts(database: Database) -> None:
    twice = [place(1, name="Old"), place(2), place(3), place(1, name="New")]

    report = bring(database, ListFeed(twice))

    assert report.staged == 3
    assert rows(database, Place, "name") == [("Café 2",), ("Café 3",), ("New",)]


def test_a_row_that_moves_to_another_area_has_not_vanished(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "AREA_ROWS", 1)
    feed = ListFeed([place(1), place(2, east_m=5_000), place(3, east_m=10_000)])
    bring(database, feed)
    moved = [place(1, east_m=12_000), place(2, east_m=5_000), place(3, east_m=10_000)]

    report = bring(database, replace(feed, records=moved, fingerprint=str(timedelta(1))))

    assert (report.counts["changed"], report.counts["gone"], report.counts["same"]) == (1, 0, 2)
