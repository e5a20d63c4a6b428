"""Google Places beside our own places: for minutes, within quota and cap, and never in the way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from nerava.discovery.enriching import BusinessStatus, PlaceContent, PlaceEnrichment, Told
from nerava.discovery.errors import UnknownPlace
from nerava.discovery.importing import run_import
from nerava.discovery.model import Place
from nerava.discovery.records import Category, PlaceRecord
from nerava.discovery.reference_store import PlaceReference
from nerava.integrations.google_places import api as places_api
from nerava.integrations.google_places.api import NOT_FOUND, OVER_CAP, OVER_QUOTA, PlacesApi
from nerava.integrations.google_places.directory import ContentCache, GooglePlaces
from nerava.integrations.google_places.masks import CONTENT, FINDING, IDENTITY, PHOTO, Mask
from nerava.integrations.google_places.reading import read
from nerava.kernel.clock import FixedClock
from nerava.kernel.geography import Point
from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from nerava.platform.cache import Cache
from nerava.platform.db import Database
from nerava.platform.provider_calls import PLACES_DETAILS, PLACES_SEARCH
from nerava.platform.spending import DailyCap
from nerava.platform.spending_store import ProviderCostDay
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from tests.discovery.feed import ListFeed

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
CLOCK = FixedClock(NOON)


class NoCap:
    """Counts, and allows everything."""

    def __init__(self) -> None:
        self.cost_millicents = 0

    def take(self, provider: str, cost_millicents: int, now: datetime) -> bool:
        self.cost_millicents += cost_millicents
        return True


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with running_simulators(seed=7, clock=CLOCK) as simulators:
        yield simulators


@dataclass
class Desk:
    """The adapter over the simulated API."""

    simulators: Simulators
    spending: NoCap = field(default_factory=NoCap)
    opened: list[Any] = field(default_factory=list)

    def api(self, spending: Any = None) -> PlacesApi:
        made = PlacesApi(
            self.simulators.places.key,
            base_url=self.simulators.url_of("places"),
            now=CLOCK.now,
            spending=spending or self.spending,
            pause=lambda _seconds: None,
        )
        self.opened.append(made)
        return made

    def google(self, content_cache: ContentCache = "l1_l2", spending: Any = None) -> GooglePlaces:
        cache = Cache(now=CLOCK.now)
        self.opened.append(cache)
        return GooglePlaces(self.api(spending), cache, content_cache)

    def asked(self, path: str = "") -> int:
        return sum(path in one.path for one in self.simulators.requests("places"))

    def wait(self, **by: float) -> None:
        self.simulators.advance(timedelta(**by))

    def some(self, number: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = self.simulators.places.places()[number]
        return found


@pytest.fixture
def desk(running: Simulators) -> Iterator[Desk]:
    running.reset(7)
    CLOCK.move_to(NOON)
    made = Desk(running)
    yield made
    for one in made.opened:
        one.close()


def content_of(told: Told) -> PlaceContent:
    assert isinstance(told.outcome, Ok), told.outcome
    return told.outcome.value


@pytest.mark.trap("P1")
@pytest.mark.parametrize("fields", ["", "id, displayName"])
def test_a_call_with_no_mask_or_a_bad_one_is_refused_and_not_tried_again(desk: Desk, fields: str) -> None:
    refused = desk.api().get(PLACES_DETAILS, f"/v1/places/{desk.some()['id']}", Mask("bad", fields, 0))
    assert isinstance(refused, Refused)
    assert (refused.code, desk.asked()) == ("INVALID_ARGUMENT", 1)


@pytest.mark.trap("P1")
def test_our_masks_have_no_spaces_and_cost_what_google_takes(desk: Desk) -> None:
    assert not any(" " in mask.fields for mask in (CONTENT, IDENTITY, FINDING, PHOTO))
    google, place = desk.google(), desk.some()
    content = content_of(google.details(place["id"], "en"))
    google.find(place["displayName"]["text"], Point(60.17, 24.94))
    google.still_there(place["id"])
    google.photo(content.photos[0].name)
    assert desk.spending.cost_millicents == desk.simulators.places.cost_millicents == 2_000 + 3_200 + 0 + 700


@pytest.mark.trap("P2")
@pytest.mark.trap("P3")
def test_twenty_places_are_asked_for_and_never_more(desk: Desk) -> None:
    for number in range(25):
        desk.simulators.places.add("Same Café", "cafe", 60.1717 + number / 100_000, 24.9442)
    found = desk.google().find("Same Café", Point(60.1717, 24.9442))
    assert isinstance(found, Ok)
    assert found.value is not None
    assert desk.asked("searchNearby") == 1
    body = {
        "maxResultCount": 21,
        "locationRestriction": {"circle": {"center": {"latitude": 60, "longitude": 24}, "radius": 9}},
    }
    refused = desk.api().post(PLACES_SEARCH, "/v1/places:searchNearby", FINDING, body)
    assert isinstance(refused, Refused)
    assert desk.asked("searchNearby") == 2


@pytest.mark.trap("P4")
def test_nothing_found_is_none_and_is_not_asked_again_for_a_minute(desk: Desk) -> None:
    google = desk.google()
    for _ in range(2):
        assert google.find("Nobody's", Point(0, 0)) == Ok(None)
    assert desk.asked() == 1
    desk.wait(seconds=90)
    google.find("Nobody's", Point(0, 0))
    assert desk.asked() == 2


def test_only_a_place_with_our_name_right_there_is_ours(desk: Desk) -> None:
    ours = desk.simulators.places.add("Café  Über-Ich", "cafe", 10.0, 20.0)
    desk.simulators.places.add("Another", "cafe", 10.0, 20.0)
    assert desk.google().find("café über ich", Point(10.0001, 20.0)) == Ok(ours["id"])
    assert desk.google().find("Café Über-Ich", Point(10.01, 20.0)) == Ok(None)


def test_details_are_fresh_for_five_minutes_and_never_stale(desk: Desk) -> None:
    google, place = desk.google(), desk.some()["id"]
    first = google.details(place, "en")
    desk.simulators.places.change(place, rating=1.0)
    assert google.details(place, "en") == first
    desk.wait(seconds=301)
    assert content_of(google.details(place, "en")).rating_tenths == 10
    desk.simulators.faults.add("status", provider="places", status=503)
    desk.wait(seconds=301)
    assert isinstance(google.details(place, "en").outcome, RetryLater)


def test_with_the_cache_off_nothing_is_kept_at_all(desk: Desk) -> None:
    google, place = desk.google("off"), desk.some()["id"]
    content_of(google.details(place, "en"))
    content_of(google.details(place, "en"))
    assert desk.asked() == 2


@pytest.mark.trap("P10")
def test_another_language_or_mask_is_another_answer(desk: Desk) -> None:
    google, place = desk.google(), desk.some()["id"]
    google.still_there(place)
    assert content_of(google.details(place, "en")).language == "en"
    assert content_of(google.details(place, "fi")).language == "fi"
    assert content_of(google.details(place, "en")).address is not None
    assert desk.asked() == 3


@pytest.mark.trap("P5")
def test_a_dead_id_is_not_asked_for_again_for_a_day(desk: Desk) -> None:
    google, place = desk.google("off"), desk.some()["id"]
    desk.simulators.places.kill(place)
    for _ in range(3):
        dead = google.details(place, "en").outcome
        assert isinstance(dead, Refused)
        assert dead.code == NOT_FOUND
    assert desk.asked() == 1
    assert google.still_there(place) == Ok(None)


@pytest.mark.trap("P6")
def test_a_place_that_moved_is_followed_once(desk: Desk) -> None:
    old = desk.some()["id"]
    new = desk.simulators.places.move(old, 60.1, 24.9)["id"]
    newest = desk.simulators.places.move(new, 60.2, 24.9)["id"]
    google = desk.google()
    assert content_of(google.details(old, "en")).reference == new
    assert content_of(google.details(new, "en")).reference == newest
    assert google.still_there(old) == Ok(new)


@pytest.mark.trap("P7")
def test_what_is_absent_is_unknown(desk: Desk) -> None:
    bare = desk.simulators.places.add("Bare", "cafe", 60.1, 24.9)["id"]
    for name in ("businessStatus", "formattedAddress", "location", "displayName", "googleMapsUri", "photos"):
        if name != "photos":
            desk.simulators.places.change(bare, **{name: None})
    read_out = read({"id": bare})
    assert read_out is not None
    assert (read_out.hours, read_out.is_open_now, read_out.rating_tenths, read_out.photos) == (
        None,
        None,
        None,
        (),
    )
    assert read_out.status is BusinessStatus.UNKNOWN
    assert read_out.may_be_recommended
    assert read({"displayName": {"text": "who"}}) is None
    odd = read(
        {"id": bare, "rating": "good", "userRatingCount": -1, "currentOpeningHours": [], "photos": [{}, 5]}
    )
    assert odd is not None
    assert (odd.rating_tenths, odd.ratings, odd.hours, odd.photos) == (None, None, None, ())


@pytest.mark.trap("P8")
def test_a_used_up_quota_of_one_method_leaves_the_others_alone(desk: Desk) -> None:
    desk.simulators.places.quota("details", 0)
    google = desk.google()
    for number in range(25):
        busy = google.details(desk.some(number)["id"], "en").outcome
        assert isinstance(busy, RetryLater)
    assert isinstance(google.find("Café 1", Point(60.17, 24.94)), Ok)


def test_our_own_limit_stays_below_the_quota(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_api, "USED_A_MINUTE", 2)
    google = desk.google()
    told = [google.details(desk.some(number)["id"], "en").outcome for number in range(3)]
    assert [isinstance(one, Ok) for one in told] == [True, True, False]
    assert isinstance(told[2], RetryLater)
    assert (told[2].code, desk.asked()) == (OVER_QUOTA, 2)
    desk.wait(seconds=61)
    assert isinstance(google.details(desk.some(2)["id"], "en").outcome, Ok)


@pytest.mark.trap("P9")
def test_a_photo_is_an_address_and_a_redirect_is_followed_by_nobody(desk: Desk) -> None:
    google = desk.google()
    photo = content_of(google.details(desk.some()["id"], "en")).photos[0]
    assert photo.authors == ("A. Guest",)
    found = google.photo(photo.name)
    assert isinstance(found, Ok)
    assert found.value.startswith("https://")
    desk.simulators.places.rename_photos()
    gone = google.photo(photo.name)
    assert isinstance(gone, Refused)
    assert gone.code == NOT_FOUND
    calls = desk.asked()
    desk.simulators.faults.add("redirect", provider="places")
    assert isinstance(google.photo("places/x/photos/y"), Unknown)
    assert desk.asked() == calls + 1


@pytest.mark.trap("P11")
@pytest.mark.parametrize("status", ["CLOSED_TEMPORARILY", "CLOSED_PERMANENTLY"])
def test_a_closed_place_is_not_recommended(desk: Desk, status: str) -> None:
    place = desk.some()["id"]
    desk.simulators.places.change(place, businessStatus=status)
    assert not content_of(desk.google().details(place, "en")).may_be_recommended


def test_a_refused_key_is_one_alarm(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.simulators.faults.add("status", provider="places", status=403)
    google = desk.google()
    with caplog.at_level(logging.ERROR):
        told = [google.details(desk.some(number)["id"], "en").outcome for number in range(3)]
    assert all(isinstance(one, Misconfigured) for one in told)
    assert [one.levelname for one in caplog.records if "refuses our key" in one.message] == ["ERROR"]


def test_a_page_of_somebody_else_is_no_answer(desk: Desk) -> None:
    desk.simulators.faults.add("wrong_type", provider="places")
    assert isinstance(desk.google().details(desk.some()["id"], "en").outcome, Unknown)


@pytest.fixture
def our_place(database: Database, desk: Desk) -> UUID:
    theirs = desk.some()
    where = theirs["location"]
    position = Point(where["latitude"], where["longitude"])
    record = PlaceRecord(
        reference="n1", name=theirs["displayName"]["text"], category=Category.CAFE, position=position
    )
    run_import(database, ListFeed([record]), now=CLOCK.now)
    found = database.read(lambda session: session.scalar(select(Place.id)))
    assert found is not None
    return found


def row_of(database: Database) -> PlaceReference | None:
    return database.read(lambda session: session.scalars(select(PlaceReference)).one_or_none())


def test_the_day_has_a_cap_over_all_processes(
    desk: Desk, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = DailyCap(database, 5), DailyCap(database, 5)
    with caplog.at_level(logging.ERROR):
        taken = [cap.take("places", 2_000, CLOCK.now()) for cap in (one, other, one, one)]
    assert taken == [True, True, False, False]
    assert len(caplog.records) == 1
    assert other.take("places", 0, CLOCK.now())
    capped = desk.google(spending=other).details(desk.some()["id"], "en").outcome
    assert isinstance(capped, RetryLater)
    assert (capped.code, desk.asked()) == (OVER_CAP, 0)
    assert other.take("places", 5_000, CLOCK.now() + timedelta(days=1))
    total = database.read(lambda session: session.scalar(select(func.sum(ProviderCostDay.calls))))
    assert total == 3


def test_a_place_of_ours_is_shown_with_what_google_says_and_only_its_id_and_position_are_kept(
    desk: Desk, database: Database, our_place: UUID
) -> None:
    enrichment = PlaceEnrichment(database, desk.google())
    shown = enrichment.look(our_place, "en", CLOCK.now())
    assert shown.content is not None
    assert (shown.content.reference, shown.content.attribution) == (desk.some()["id"], "Google Maps")
    assert shown.as_of == NOON
    row = row_of(database)
    assert row is not None
    assert (row.reference, row.position_at) == (shown.content.reference, NOON)
    kept = {column.name for column in PlaceReference.__table__.columns}
    assert kept == {
        "place_id",
        "source",
        "reference",
        "latitude",
        "longitude",
        "position_at",
        "checked_at",
        "dead_until",
    }
    enrichment.look(our_place, "en", CLOCK.now())
    assert (desk.asked("searchNearby"), desk.asked()) == (1, 2)
    CLOCK.move_to(NOON + timedelta(days=30))
    assert enrichment.keep_house(CLOCK.now()) == 1
    row = row_of(database)
    assert row is not None
    assert (row.latitude, row.reference) == (None, desk.some()["id"])
    with pytest.raises(UnknownPlace):
        enrichment.look(new_id(), "en", CLOCK.now())


@pytest.mark.trap("P5")
@pytest.mark.trap("P6")
def test_our_place_stays_when_theirs_dies_and_takes_the_new_id_when_it_moves(
    desk: Desk, database: Database, our_place: UUID
) -> None:
    enrichment = PlaceEnrichment(database, desk.google("off"))
    enrichment.look(our_place, "en", CLOCK.now())
    new = desk.simulators.places.move(desk.some()["id"], 60.17, 24.94)["id"]
    moved = enrichment.look(our_place, "en", CLOCK.now())
    assert moved.content is not None
    row = row_of(database)
    assert row is not None
    assert (moved.content.reference, row.reference) == (new, new)
    desk.simulators.places.kill(new)
    assert enrichment.look(our_place, "en", CLOCK.now()).missing == "not-known"
    calls = desk.asked()
    assert enrichment.look(our_place, "en", CLOCK.now()).missing == "not-known"
    assert desk.asked() == calls
    assert database.read(lambda session: session.scalar(select(func.count()).select_from(Place))) == 1


def test_without_google_or_with_a_broken_one_there_is_an_answer_without_content(
    desk: Desk, database: Database, our_place: UUID
) -> None:
    assert PlaceEnrichment(database, None).look(our_place, "en", CLOCK.now()).missing == "off"
    desk.simulators.faults.add("status", provider="places", status=503)
    degraded = PlaceEnrichment(database, desk.google()).look(our_place, "en", CLOCK.now())
    assert (degraded.content, degraded.missing) == (None, "UNAVAILABLE")
    desk.simulators.faults.heal()
    elsewhere = replace(Told(Ok(None), None), as_of=None)  # type: ignore[arg-type]
    assert elsewhere.as_of is None


def test_ids_are_looked_at_after_a_year_without_costs(
    desk: Desk, database: Database, our_place: UUID
) -> None:
    enrichment = PlaceEnrichment(database, desk.google())
    enrichment.look(our_place, "en", CLOCK.now())
    cost = desk.simulators.places.cost_millicents
    CLOCK.move_to(NOON + timedelta(days=366))
    assert enrichment.keep_house(CLOCK.now()) == 2
    row = row_of(database)
    assert row is not None
    assert row.checked_at == CLOCK.now()
    assert enrichment.keep_house(CLOCK.now()) == 0
    assert desk.simulators.places.cost_millicents == cost
